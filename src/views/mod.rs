//! Records → what people see. Pure; shared by terminal, reports and JSON.

pub mod ink;
pub mod plan;

pub use ink::{Line, Span, Tone};
