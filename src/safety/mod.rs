//! Interlocks: rules that hold over every order in which the steps of a plan can run.
//!
//! Pure, over the plan and the facts that the catalog says its steps make true. Steps wait for all their needs, so what holds
//! "in every order" is what stands before a step in the graph: whatever does not, can come later.

pub mod interlocks;

pub use interlocks::interlocks;
