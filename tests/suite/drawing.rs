//! The drawing of a plan: no two nodes overlap, lines go downwards, and the same plan is drawn the same way.

use std::time::{Duration, Instant};

use pointsman::views::graph::{Drawing, NODE_HEIGHT, NODE_WIDTH, draw};
use proptest::prelude::*;

/// Graphs whose nodes wait for nodes before them.
fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let node =
        |at: usize| prop::collection::vec(0..at.max(1), 0..4).prop_map(move |needs| if at == 0 { Vec::new() } else { needs });
    (1_usize..60).prop_flat_map(move |count| (0..count).map(node).collect::<Vec<_>>())
}

fn holds(before: &[Vec<usize>], drawing: &Drawing) {
    assert_eq!(drawing.places.len(), before.len());
    let mut places: Vec<_> = drawing.places.iter().map(|place| (place.y, place.x)).collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        let [(y, x), (below, right)] = pair else { unreachable!() };
        assert!(below - y >= NODE_HEIGHT || (y == below && right - x >= NODE_WIDTH), "{pair:?} overlap");
    }
    for place in &drawing.places {
        assert!(place.x >= 0 && place.x + NODE_WIDTH <= drawing.width, "{place:?} is not in {}", drawing.width);
        assert!(place.y >= 0 && place.y + NODE_HEIGHT <= drawing.height, "{place:?} is not in {}", drawing.height);
    }
    for line in &drawing.lines {
        assert!(before[line.to].contains(&line.from), "a line that nobody asked for: {line:?}");
        assert!(line.points.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{line:?} goes up");
        let (from, to) = (drawing.places[line.from], drawing.places[line.to]);
        assert_eq!(line.points.first().unwrap().1, from.y + NODE_HEIGHT);
        assert_eq!(line.points.last().unwrap().1, to.y);
        assert!(line.points.iter().all(|(x, _)| *x >= 0), "{line:?} leaves the drawing");
    }
    // Whoever waits for something hangs on a line.
    for (node, needs) in before.iter().enumerate() {
        assert_eq!(needs.is_empty(), !drawing.lines.iter().any(|line| line.to == node), "node {node}");
    }
}

proptest! {
    #[test]
    fn nodes_stand_apart_and_lines_go_down(before in graphs()) {
        let drawing = draw(&before);
        holds(&before, &drawing);
        prop_assert_eq!(draw(&before), drawing);
    }
}

/// A night of two thousand steps: chains side by side with gates between them, and one that all wait for at the end.
#[test]
fn two_thousand_steps_are_drawn_at_once() {
    let mut before: Vec<Vec<usize>> = vec![vec![]];
    for node in 1..2_000_usize {
        before.push(match node % 40 {
            0 => (node - 20..node).collect(),
            chain if chain < 8 => vec![node - node % 40],
            _ => vec![node - 8, node - node % 40],
        });
    }
    let begun = Instant::now();
    let drawing = draw(&before);
    let took = begun.elapsed();
    holds(&before, &drawing);
    // In a debug build on a busy machine; a release build needs a fraction of it.
    assert!(took < Duration::from_secs(5), "drawing took {took:?}");
    println!("2000 steps drawn in {took:?}: {} x {}", drawing.width, drawing.height);
}
