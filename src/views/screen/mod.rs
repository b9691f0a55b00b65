//! The whole screen of a night: what happens, what is asked, what is known, and a line to type orders into.
//!
//! All of it is a function of the state, what the records told, what was typed, and a size: no terminal is needed to see what
//! an operator sees. `src/cli/live` brings the terminal.

pub mod chronicle;
pub mod frame;
pub mod key;
pub mod order;
pub mod pace;
pub mod player;
pub mod prompt;
pub mod screen;

mod panels;
mod rows;
mod will;

pub use chronicle::Chronicle;
pub use frame::{Frame, Night, Size, frame};
pub use key::{Act, Key, Play};
pub use order::{Reading, Way, Wish};
pub use pace::{Pace, Speed};
pub use player::{Player, due};
pub use prompt::Prompt;
pub use rows::critical;
pub use screen::{Page, Role, Screen};
