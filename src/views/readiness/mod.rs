//! The readiness report of a rehearsal: as text for a person, as JSON for a program.

mod json;
mod text;

pub use json::json;
pub use text::text;
