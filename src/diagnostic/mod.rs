//! Messages to the author of a runbook, as data: a code, a place, what to write instead.
//!
//! Rooms make diagnostics; only the renderers in here know what one looks like on a screen.

pub mod code;
pub mod json;
pub mod nearest;
pub mod render;
pub mod report;
pub mod source;

pub use code::Code;
pub use nearest::nearest;
pub use report::{Diagnostic, Label, Report, Severity};
pub use source::{Lines, Source, SourceSpan};
