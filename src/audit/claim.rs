//! What a verification answers with: claims, and what each of them does not prove.

use std::fmt;

use crate::log::WitnessLevel;
use crate::model::{Digest, RunId, RunOutcome};

/// The answer over one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What it comes to.
    pub standing: Standing,
    /// Every claim that was looked at, in a fixed order.
    pub claims: Vec<Claim>,
    /// The run, where its first record could be read.
    pub run: Option<RunId>,
    /// How many records are whole and in the chain.
    pub records: u64,
    /// The hash of the last of them: what a witness would sign.
    pub chain: Digest,
    /// The bytes of the journal.
    pub bytes: u64,
    /// The newest epoch.
    pub epoch: u64,
    /// How the run ended, if it did.
    pub outcome: Option<RunOutcome>,
    /// Who outside this host has seen the chain.
    pub witness: WitnessLevel,
}

impl Report {
    /// Whether every claim holds.
    pub const fn holds(&self) -> bool {
        matches!(self.standing, Standing::Holds)
    }
}

/// What a verification comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Every claim holds.
    Holds,
    /// Nothing was changed as far as can be seen, but not all that the policy asks for is proven.
    Weaker,
    /// Something was changed, lost or put in after it was written.
    Tampered,
    /// What is there cannot be read as the record of a run.
    Malformed,
}

impl Standing {
    /// The exit code of `pointsman audit verify`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Weaker => 10,
            Self::Tampered => 20,
            Self::Malformed => 30,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Weaker => "weaker",
            Self::Tampered => "tampered",
            Self::Malformed => "malformed",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// What it is about.
    pub subject: Subject,
    /// What was found.
    pub finding: Finding,
}

/// What a claim is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// Every record is whole, in sequence, of this run, and carries the hash of the one before it.
    Chain,
    /// The head acknowledges exactly these records.
    Head,
    /// What follows the acknowledged records.
    Tail,
    /// Every payload can be read.
    Payloads,
    /// The first record, and only the first, starts the run.
    FirstRecord,
    /// The stored plan is the one that the run was started with.
    Plan,
    /// The epochs of the executors never fall.
    Epochs,
    /// What repairs took away is still there.
    Kept,
    /// Whether and how the run ended.
    End,
    /// Every record is an entry of the installation's log, with the bytes that it has.
    Log,
    /// The log is signed by the key of the installation, and the signature covers these records.
    Checkpoint,
    /// Somebody outside this host has signed the log too.
    Witness,
}

impl Subject {
    /// One word, for tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Head => "head",
            Self::Tail => "tail",
            Self::Payloads => "payloads",
            Self::FirstRecord => "first-record",
            Self::Plan => "plan",
            Self::Epochs => "epochs",
            Self::Kept => "kept",
            Self::End => "end",
            Self::Log => "log",
            Self::Checkpoint => "checkpoint",
            Self::Witness => "witness",
        }
    }
}

/// What was found about a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It is as it must be; the text says what was seen.
    Holds(String),
    /// It was changed or lost; the text says what and where.
    Tampered(String),
    /// It cannot be read; the text says why.
    Malformed(String),
    /// Nothing speaks against it and nothing proves it; the text says what is missing.
    Unproven(String),
    /// It could not be looked at, because of another claim that failed.
    NotReached,
}

impl Finding {
    /// The text for people.
    pub fn text(&self) -> &str {
        match self {
            Self::Holds(text) | Self::Tampered(text) | Self::Malformed(text) | Self::Unproven(text) => text,
            Self::NotReached => "not looked at, because an earlier claim failed",
        }
    }
}
