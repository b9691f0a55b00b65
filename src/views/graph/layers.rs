//! The layers of a drawing: every node one layer below the last that it waits for, and stand-ins where a line crosses layers.

/// A line over more layers than this runs beside the drawing instead of through it.
pub(super) const LONGEST: usize = 12;

/// Something that has a place in a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Item {
    /// A node.
    Node(usize),
    /// The place where a line crosses the layer.
    Crossing,
}

/// Items in layers, and the short lines between neighbouring layers.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    /// Every item: the nodes first, by number.
    pub items: Vec<Item>,
    /// The layer of each item.
    pub layer: Vec<usize>,
    /// The items of each layer, from left to right.
    pub rows: Vec<Vec<usize>>,
    /// The items of the layer above that an item hangs on.
    pub above: Vec<Vec<usize>>,
    /// The items of the layer below that hang on an item.
    pub below: Vec<Vec<usize>>,
    /// The lines: from a node to a node, and the items in between; none where it runs beside.
    pub lines: Vec<(usize, usize, Option<Vec<usize>>)>,
}

impl Layers {
    /// The layers of nodes with these needs; a need has a smaller number than its node.
    pub fn of(before: &[Vec<usize>]) -> Self {
        let mut layer = vec![0; before.len()];
        for (node, needs) in before.iter().enumerate() {
            layer[node] = needs.iter().map(|need| layer[*need] + 1).max().unwrap_or(0);
        }
        let depth = layer.iter().max().map_or(0, |last| last + 1);
        let mut rows = vec![Vec::new(); depth];
        layer.iter().enumerate().for_each(|(node, at)| rows[*at].push(node));
        let mut layers = Self {
            items: (0..before.len()).map(Item::Node).collect(),
            layer,
            rows,
            above: vec![Vec::new(); before.len()],
            below: vec![Vec::new(); before.len()],
            lines: Vec::new(),
        };
        for (node, needs) in before.iter().enumerate() {
            needs.iter().for_each(|need| layers.connect(*need, node));
        }
        layers
    }

    fn connect(&mut self, from: usize, to: usize) {
        let (first, last) = (self.layer[from], self.layer[to]);
        if last - first > LONGEST {
            self.lines.push((from, to, None));
            return;
        }
        let mut way = Vec::new();
        let mut before = from;
        for at in first + 1..last {
            let item = self.items.len();
            self.items.push(Item::Crossing);
            self.layer.push(at);
            self.rows[at].push(item);
            self.above.push(Vec::new());
            self.below.push(Vec::new());
            self.join(before, item);
            way.push(item);
            before = item;
        }
        self.join(before, to);
        self.lines.push((from, to, Some(way)));
    }

    fn join(&mut self, upper: usize, lower: usize) {
        self.below[upper].push(lower);
        self.above[lower].push(upper);
    }
}
