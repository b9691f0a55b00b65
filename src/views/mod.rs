//! Records → what people see. Pure; shared by terminal, reports and JSON.
//!
//! A view makes lines of toned text or JSON, and never looks at a clock, a terminal or a disk: whoever prints it brings those.

pub mod ask;
pub mod bearing;
pub mod card;
pub mod clock;
pub mod decision;
pub mod diff;
pub mod dry_run;
pub mod event;
pub mod expectation;
pub mod graph;
pub mod history;
pub mod ink;
pub mod invocation;
pub mod line;
pub mod live;
pub mod night;
pub mod plan;
pub mod readiness;
pub mod rehearsed;
pub mod report;
pub mod run_summary;
pub mod runs;
pub mod screen;
pub mod status;
pub mod steps;
pub mod story;
pub mod trace;
pub mod verification;
pub mod width;

pub use ask::{Ask, ask_at, asks};
pub use clock::Clock;
pub use ink::{Line, Span, Tone};
pub use invocation::Invocation;
