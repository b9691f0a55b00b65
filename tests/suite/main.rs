//! One integration-test binary: one module per thing that is shown to work.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod approvals;
mod cli;
mod console_assets;
mod demo_night;
mod demo_runbooks;
mod demo_shop;
mod dependencies;
mod diagnostics;
mod drawing;
mod dry_run;
mod engine;
mod examples;
mod faults;
mod guard;
mod journal;
mod killed;
mod language;
mod layout;
mod log;
mod night_screen;
mod planning;
mod prover;
mod readme;
mod recovery;
mod reference;
mod rehearsal;
mod report;
mod schema;
mod screen;
mod simulation;
mod staging;
mod status_table;
mod terminal;
mod time;
#[cfg(feature = "otlp")]
mod traces;
mod views;
#[cfg(feature = "console")]
mod web;
mod wide;
