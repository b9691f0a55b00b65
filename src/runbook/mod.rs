//! YAML text → `Runbook`, with the place of every value; the JSON Schema.
//!
//! This room checks the **shape** of the document: that it is harmless YAML, that every key exists where it stands, that
//! required keys are there, and that every value whose form does not depend on the rest of the document (names,
//! durations, numbers, windows, conditions, defaults of parameters) is well formed. A [`Runbook`] has all of that behind it.
//!
//! It does **not** know what a name refers to. The planner checks: that steps, targets, persons, roles, actions and
//! connectors exist; ids that stand in two sections; `with` and target settings against the catalog (they stay [`Node`]
//! trees); templates (`when`, `foreach` and any text stay as written); the graph; undo, in doubt and interlocks.

pub mod document;
pub mod language;
pub mod node;
pub mod param;
pub mod reader;
pub mod schema;
pub mod shape;

mod characters;
mod lower;
mod scalar;

pub use document::{
    Call, Defaults, Expectation, InDoubtChoice, Interlock, InterlockText, Move, OnFailureChoice, Profile, RetryRule, Rollback,
    Runbook, Spanned, Step, Target, Undo, UndoScope, Window, Work,
};
pub use lower::{parse, parse_identity_provider, parse_profile, parse_roster};
pub use node::{Entry, Node, NodeKind, Scalar, ScalarStyle, ScalarValue, SecretProblem};
pub use param::{ParamDecl, ParamKind, ParamRule};
