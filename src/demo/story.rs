//! What goes wrong in a demo, in which step, and how the night has to end then.
//!
//! Nothing here reaches into the executor: every trouble is done to the shop, as the world does it.

use std::fmt;

use super::shop::{Page, Role, Side};
use crate::model::RunOutcome;

/// The steps of the quickstart in the order of the night; a test compares them with the runbook.
pub const STEPS: [&str; 11] = [
    "shop-is-open",
    "close-new",
    "freeze-old",
    "drain-jobs",
    "catch-up",
    "counts",
    "go-live",
    "open-new",
    "switch",
    "smoke",
    "tell",
];

/// The gate of the quickstart.
pub const GATE: &str = "go-live";

/// What this demo shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Story {
    /// All goes well.
    Plain,
    /// The person at the gate says no.
    Reject,
    /// This step fails.
    Fail(&'static str),
    /// The executor is killed in the middle of this step.
    Kill(&'static str),
}

/// Something that is done to the shop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// A page of the front answers with an error.
    PageBroken(Page),
    /// A page of the front does not answer.
    PageStuck(Page),
    /// Another program holds a write transaction and does not end it.
    Locked(Side),
    /// A process of the shop is not there.
    Gone(Role),
    /// An order that was copied is deleted from the new database.
    RowMissing,
    /// Somebody has locked the shop's configuration.
    SwitchLocked,
    /// Nobody answers at the gate.
    Nobody,
}

/// When a trouble begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Before the run.
    Before,
    /// While the run waits at the gate.
    AtGate,
}

impl Story {
    /// The step that this story is about.
    pub const fn step(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Reject => Some(GATE),
            Self::Fail(step) | Self::Kill(step) => Some(step),
        }
    }

    /// What is done to the shop, and when.
    pub fn trouble(self) -> Option<(Moment, Trouble)> {
        use Moment::{AtGate, Before};
        match self {
            Self::Plain | Self::Reject | Self::Kill(GATE) => None,
            Self::Fail(step) => Some(match step {
                "shop-is-open" => (Before, Trouble::PageBroken(Page::LastOrder)),
                "smoke" => (AtGate, Trouble::PageBroken(Page::LastOrder)),
                "switch" => (AtGate, Trouble::SwitchLocked),
                "tell" => (Before, Trouble::PageBroken(Page::Notices)),
                GATE => (Before, Trouble::Nobody),
                other => shared(other),
            }),
            Self::Kill(step) => Some(match step {
                "shop-is-open" => (Before, Trouble::PageStuck(Page::LastOrder)),
                "smoke" => (AtGate, Trouble::PageStuck(Page::LastOrder)),
                "switch" => (AtGate, Trouble::PageStuck(Page::Health)),
                "tell" => (Before, Trouble::PageStuck(Page::Notices)),
                other => shared(other),
            }),
        }
    }

    /// How the run has to end.
    pub fn outcome(self) -> RunOutcome {
        match self {
            Self::Plain | Self::Kill(_) => RunOutcome::Succeeded,
            // After the point of no return nothing turns back: the step is repaired and tried again, and `finally` decides nothing.
            Self::Fail("smoke" | "tell") => RunOutcome::Succeeded,
            Self::Reject | Self::Fail(_) => RunOutcome::RolledBack,
        }
    }

    /// The side on which the shop has to be whole.
    pub fn side(self) -> Side {
        match self.outcome() {
            RunOutcome::Succeeded => Side::New,
            RunOutcome::RolledBack | RunOutcome::NeedsAttention | RunOutcome::Aborted => Side::Old,
        }
    }

    /// The parameters of the run that this story needs: a step that is to fail should not take long to give up.
    pub fn params(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Plain | Self::Reject | Self::Kill(_) => Vec::new(),
            Self::Fail(_) => vec![("patience", "2s"), ("decide_within", "2s")],
        }
    }
}

/// Troubles that make a step fail when they stay, and hold it up when they pass.
fn shared(step: &str) -> (Moment, Trouble) {
    match step {
        "close-new" => (Moment::Before, Trouble::Locked(Side::New)),
        "freeze-old" => (Moment::Before, Trouble::Locked(Side::Old)),
        "drain-jobs" => (Moment::Before, Trouble::Gone(Role::Worker)),
        "catch-up" => (Moment::Before, Trouble::Gone(Role::Sync)),
        "counts" => (Moment::Before, Trouble::RowMissing),
        "open-new" => (Moment::AtGate, Trouble::Locked(Side::New)),
        other => unreachable!("invariant: every step of the quickstart has its trouble, and {other} has none"),
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageBroken(page) => write!(f, "the shop's page /{} answers 503", page.word()),
            Self::PageStuck(page) => write!(f, "the shop's page /{} does not answer", page.word()),
            Self::Locked(side) => write!(f, "another program holds a write transaction in {side}.db and does not end it"),
            Self::Gone(role) => write!(f, "the shop's {} is not running", role.word()),
            Self::RowMissing => f.write_str("an order that was copied is deleted from new.db"),
            Self::SwitchLocked => f.write_str("somebody has set `locked` in shop.json"),
            Self::Nobody => f.write_str("nobody answers at the gate"),
        }
    }
}
