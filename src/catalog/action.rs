//! One action, as data.

use super::{FactEffect, OutputSpec, ParamSpec};

/// All that is known of an action before it touches anything.
#[derive(Debug)]
pub struct ActionSpec {
    /// `connector.verb`, as a runbook names it.
    pub name: &'static str,
    /// One sentence for a person.
    pub summary: &'static str,
    /// What it does to the world.
    pub nature: Nature,
    /// Which target it acts on.
    pub target: TargetRule,
    /// The keys of `with`.
    pub params: &'static [ParamSpec],
    /// What later steps can read as `steps.<id>.outputs.<name>`.
    pub outputs: &'static [OutputSpec],
    /// What a second run of it does.
    pub repeat: Repeat,
    /// Whether a read-only look can tell if it was applied.
    pub has_probe: bool,
    /// Its way back.
    pub undo: UndoSpec,
    /// What it makes true or false; interlocks reason about these.
    pub facts: &'static [FactEffect],
}

impl ActionSpec {
    /// Whether it can change a target.
    pub fn is_mutating(&self) -> bool {
        match self.nature {
            Nature::Mutating | Nature::Notify => true,
            Nature::ReadOnly | Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => false,
        }
    }

    /// Whether it is a wait of the engine itself, with no attempt and nothing held while it waits.
    pub fn is_wait(&self) -> bool {
        match self.nature {
            Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => true,
            Nature::ReadOnly | Nature::Mutating | Nature::Notify => false,
        }
    }
}

/// What an action does to the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Only looks.
    ReadOnly,
    /// Changes a target.
    Mutating,
    /// Tells somebody; a repeated telling is a nuisance and no damage.
    Notify,
    /// Waits for persons to decide.
    Approval,
    /// Waits for a length of time.
    Hold,
    /// Waits for the window to open.
    Window,
    /// Waits for a person to do and report something.
    Manual,
}

/// Which target an action acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetRule {
    /// None; a `target` key is an error.
    None,
    /// One of this connector.
    Required(&'static str),
}

/// What a second run of an action does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// It ensures a state: again is the same.
    Ensures,
    /// It may act twice; only the author can say that this is harmless.
    Unknown,
}

/// The way back from an action. "Not needed", "exists" and "cannot" are three things; so is "nobody said".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UndoSpec {
    /// It changes nothing that would have to be undone.
    NotNeeded,
    /// Its own undo restores the captured snapshot; the text says what that sends.
    Auto(&'static str),
    /// It cannot be undone; the text says why.
    Impossible(&'static str),
    /// Only the author knows: the step must say `undo:`.
    Undeclared,
}
