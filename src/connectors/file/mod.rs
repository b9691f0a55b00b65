//! `switch.file`: a configuration file that applications read, replaced atomically.

mod content;
mod replace;
mod switch;

pub use switch::SwitchFile;
