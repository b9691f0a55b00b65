//! Pointsman: a declarative cutover runbook engine.
//!
//! Data flows one way: YAML text → `runbook` → `plan` → `run` → events → `journal` → `views`. A functional core decides and
//! an imperative shell acts; `ARCHITECTURE.md` shows the rooms and what each may import.

pub mod audit;
pub mod authority;
pub mod catalog;
pub mod cli;
pub mod connectors;
pub mod demo;
pub mod diagnostic;
pub mod engine;
pub mod journal;
pub mod log;
pub mod model;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod plan;
pub mod rehearsal;
pub mod run;
pub mod runbook;
pub mod safety;
pub mod views;
#[cfg(feature = "console")]
pub mod web;
