//! Runbook + parameters + catalog → `Plan`: frozen, hashed, stored with the run.
//!
//! A `Plan` exists only if every check passed; nobody checks it again. A run never re-reads the YAML.

pub mod age;
pub mod bearing;
pub mod build;
pub mod chosen;
pub mod critical_path;
pub mod expression;
pub mod facts;
pub mod forecast;
pub mod freeze_time;
pub mod history;
pub mod interlock;
pub mod items;
pub mod order;
pub mod param;
pub mod place;
pub mod plan;
pub mod reach;
pub mod resolve;
pub mod scanner;
pub mod step;
pub mod template;

mod assembly;
mod difference;
mod doubt;
mod emergency;
mod interlock_text;
mod links;
mod path_back;
mod people;
mod profile;
mod rehearsed;
mod scope;
mod typing;
mod usual;
mod waits;
mod way_back;

pub use bearing::Bearing;
pub use build::{BuildInput, Built, Places, build, check};
pub use chosen::chosen;
pub use critical_path::{CriticalPath, Waiting};
pub use difference::difference;
pub use facts::Fact;
pub use forecast::Forecast;
pub use freeze_time::FreezeTime;
pub use history::{History, Took};
pub use interlock::{Interlock, InterlockLaw};
pub use items::item_id;
pub use order::Graph;
pub use param::Param;
pub use plan::{Movement, Plan, PlanContent, PlannedTarget, Profile, StoredPlanError, Window, WitnessPolicy};
pub use step::{
    Approvers, BreakGlass, Exclusion, InDoubt, OnDeadline, OnFailure, PlannedStep, PlannedUndo, Retry, Section, SignatureRule,
    StepIndex, StepKind, UndoScope, Wait,
};
pub use template::{Template, TemplateError};
pub use waits::excludes_editor;
