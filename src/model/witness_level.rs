//! How far beyond its host a proof reaches.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a proof reaches beyond this host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum WitnessLevel {
    /// Nobody outside has seen the chain.
    #[default]
    L0,
    /// A checkpoint stands in a ticket or a chat.
    L1,
    /// A second host has signed a checkpoint, after it saw that nothing before was changed.
    L2,
    /// Checkpoints stand in a store that this host can add to and not change.
    L3,
}

impl WitnessLevel {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::L0, Self::L1, Self::L2, Self::L3];

    /// Reads `L0` to `L3`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text))
    }

    /// What the level does not protect against; printed in every report.
    pub const fn bound(self) -> &'static str {
        match self {
            Self::L0 => {
                "not protected against an administrator of this host: who can write this folder can also write a whole new \
                 journal, or put an old copy of it back"
            }
            Self::L1 => {
                "protected as far as the pasted checkpoint reaches: what came after it can still be changed by an administrator \
                 of this host, and whoever can edit the ticket can edit the checkpoint"
            }
            Self::L2 => {
                "protected as far as the cosigned checkpoint reaches, unless the administrators of this host and of the witness \
                 work together"
            }
            Self::L3 => "protected as far as the stored checkpoint reaches, unless somebody can rewrite the store",
        }
    }
}

impl fmt::Display for WitnessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        })
    }
}
