//! How a plan is shown: to a person as lines, to programs as JSON, and as a picture in DOT and Mermaid.

mod graph;
mod json;
mod levels;
mod lines;
mod times;
mod wording;

pub(super) use graph::{Look, look, nodes};
pub use graph::{dot, mermaid};
pub use json::json;
pub(super) use levels::{items, waits_for};
pub use lines::lines;
pub(super) use wording::{does, in_a_row};

use super::ink;
use crate::plan::Plan;

/// The whole plan for a person, without colour.
pub fn text(plan: &Plan) -> String {
    ink::text(&lines(plan))
}
