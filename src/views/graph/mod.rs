//! A plan as a drawing: where the console puts each step, and the lines between them.
//!
//! Steps stand in rows from top to bottom, each below everything that it waits for, so that a page scrolls with the night.

mod coordinates;
mod drawing;
mod layers;
mod order;
mod reduction;

pub use drawing::{Drawing, Line, NODE_HEIGHT, NODE_WIDTH, Place, draw};

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::plan::{Look, does, look, nodes, waits_for};
use crate::plan::{Plan, Section, StepIndex};

/// The room between two sections, with the title of the second.
const TITLE: i32 = 64;

/// The drawing of a whole plan; the items of a `foreach` are one node.
pub fn json(plan: &Plan) -> Value {
    let critical = critical(plan);
    let drawn = |(section, name)| {
        let steps = nodes(plan, section);
        let drawing = draw(&before(plan, &steps));
        (name, steps, drawing)
    };
    let sections = [(Section::Forward, "forward"), (Section::Rollback, "rollback"), (Section::Finally, "finally")];
    let sections: Vec<_> = sections.into_iter().map(drawn).filter(|(_, steps, _)| !steps.is_empty()).collect();
    let width = sections.iter().map(|(_, _, drawing)| drawing.width).max().unwrap_or(0);
    let (mut shown, mut edges, mut bands) = (Vec::new(), Vec::new(), Vec::new());
    let mut top = 0;
    for (name, steps, drawing) in &sections {
        // Sections stand below each other, each in the middle.
        let (x, y) = ((width - drawing.width) / 2, top + TITLE);
        for (at, place) in steps.iter().zip(&drawing.places) {
            shown.push(node(plan, *at, Place { x: place.x + x, y: place.y + y }, &critical));
        }
        for line in &drawing.lines {
            let points: Vec<[i32; 2]> = line.points.iter().map(|(across, down)| [across + x, down + y]).collect();
            let (from, to) = (steps[line.from], steps[line.to]);
            let is_critical = critical.contains(&from) && critical.contains(&to);
            edges.push(json!({ "from": plan.step(from).id, "to": plan.step(to).id, "points": points, "critical": is_critical }));
        }
        bands.push(json!({ "section": name, "y": top, "height": TITLE + drawing.height }));
        top = y + drawing.height;
    }
    json!({ "width": width, "height": top, "bands": bands, "nodes": shown, "edges": edges })
}

fn node(plan: &Plan, at: StepIndex, place: Place, critical: &BTreeSet<StepIndex>) -> Value {
    let step = plan.step(at);
    let kind = match look(plan, at) {
        Look::Step => "step",
        Look::Wait => "wait",
        Look::NoReturn => "no_return",
    };
    json!({
        "id": step.id,
        "x": place.x,
        "y": place.y,
        "w": NODE_WIDTH,
        "h": NODE_HEIGHT,
        "kind": kind,
        "does": does(plan, step),
        "critical": critical.contains(&at),
    })
}

/// For each step of a section the places of those that it waits for; a group stands for its items.
fn before(plan: &Plan, steps: &[StepIndex]) -> Vec<Vec<usize>> {
    let number: HashMap<StepIndex, usize> = steps.iter().enumerate().map(|(number, at)| (*at, number)).collect();
    let group = |at: StepIndex| plan.step(at).group.unwrap_or(at);
    let of = |at: &StepIndex| {
        let found: BTreeSet<usize> =
            waits_for(plan, *at).into_iter().filter_map(|need| number.get(&group(need)).copied()).collect();
        found.into_iter().filter(|need| *need != number[at]).collect()
    };
    steps.iter().map(of).collect()
}

/// The steps that decide when the forward section ends; a group for its items.
fn critical(plan: &Plan) -> BTreeSet<StepIndex> {
    plan.critical_path().steps.into_iter().map(|at| plan.step(at).group.unwrap_or(at)).collect()
}
