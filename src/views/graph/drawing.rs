//! A drawing of a graph: a place for every node and the points of every line.

use super::coordinates::columns;
use super::layers::Layers;
use super::order::untangle;
use super::reduction::reduced;

/// How wide a node is.
pub const NODE_WIDTH: i32 = 216;
/// How high a node is.
pub const NODE_HEIGHT: i32 = 46;
/// The room between two nodes of one row.
pub(super) const GAP_X: i32 = 20;
/// The room between two rows.
const GAP_Y: i32 = 26;
/// The room between two lines that run beside the drawing.
const LANE: i32 = 12;
/// How many lines run beside the drawing at most; more share a lane.
const LANES: usize = 16;

/// A graph with places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drawing {
    /// How wide it is.
    pub width: i32,
    /// How high it is.
    pub height: i32,
    /// The upper left corner of every node, by number.
    pub places: Vec<Place>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// The upper left corner of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
}

/// A line from the lower edge of a node to the upper edge of one below.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The node above.
    pub from: usize,
    /// The node below.
    pub to: usize,
    /// Its corners, from top to bottom.
    pub points: Vec<(i32, i32)>,
}

/// Draws nodes that wait for others: `before` names for each node those that it waits for, all with smaller numbers.
///
/// The same graph is drawn the same way always. Lines that others imply are left out.
pub fn draw(before: &[Vec<usize>]) -> Drawing {
    let mut layers = Layers::of(&reduced(before));
    untangle(&mut layers);
    let (rows, centre) = columns(&layers);
    // The upper and the lower edge of each layer, and the upper edge of each item.
    let mut edges = Vec::with_capacity(rows.len());
    let mut top = vec![0; layers.items.len()];
    let mut y = 0;
    for layer in &rows {
        let begin = y;
        for row in layer {
            row.iter().for_each(|item| top[*item] = y);
            y += NODE_HEIGHT + GAP_Y;
        }
        edges.push((begin, y - GAP_Y));
    }
    let beside = Beside::of(&layers);
    let left = beside.width();
    let places: Vec<Place> =
        (0..before.len()).map(|node| Place { x: centre[node] - NODE_WIDTH / 2 + left, y: top[node] }).collect();
    let mut lane = beside.lanes.into_iter();
    let lines = layers.lines.iter().map(|(from, to, way)| {
        let mut points = vec![(centre[*from] + left, top[*from] + NODE_HEIGHT)];
        match way {
            Some(way) => points.extend(way.iter().flat_map(|item| {
                let (upper, lower) = edges[layers.layer[*item]];
                [(centre[*item] + left, upper), (centre[*item] + left, lower)]
            })),
            None => {
                let x = left - GAP_X - LANE * i32::try_from(lane.next().unwrap_or(0)).unwrap_or(0);
                points.push((x, top[*from] + NODE_HEIGHT + GAP_Y / 2));
                points.push((x, top[*to] - GAP_Y / 2));
            }
        }
        points.push((centre[*to] + left, top[*to]));
        Line { from: *from, to: *to, points }
    });
    let lines = lines.collect();
    let width = places.iter().map(|place| place.x + NODE_WIDTH).max().unwrap_or(0);
    Drawing { width, height: (y - GAP_Y).max(0), places, lines }
}

/// The lines that run beside the drawing: each in a lane of its own while lanes are free.
struct Beside {
    lanes: Vec<usize>,
}

impl Beside {
    fn of(layers: &Layers) -> Self {
        // For each lane, the last layer that it is taken to.
        let mut taken: Vec<usize> = Vec::new();
        let mut lanes = Vec::new();
        for (from, to, way) in &layers.lines {
            if way.is_some() {
                continue;
            }
            let (first, last) = (layers.layer[*from], layers.layer[*to]);
            let free = taken.iter().position(|end| *end <= first);
            let lane = match free {
                Some(lane) => lane,
                None if taken.len() < LANES => {
                    taken.push(0);
                    taken.len() - 1
                }
                None => lanes.len() % LANES,
            };
            taken[lane] = taken[lane].max(last);
            lanes.push(lane);
        }
        Self { lanes }
    }

    fn width(&self) -> i32 {
        let lanes = self.lanes.iter().max().map_or(0, |lane| lane + 1);
        if lanes == 0 { 0 } else { GAP_X + LANE * i32::try_from(lanes).unwrap_or(0) }
    }
}
