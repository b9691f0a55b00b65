//! A rule of the runbook's own, as it is stored with the plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::StepIndex;
use crate::model::Span;

/// A rule with its name and its words.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interlock {
    /// Its name.
    pub name: String,
    /// Its words, as the author wrote them.
    pub text: String,
    /// What it says.
    pub law: InterlockLaw,
}

/// What a rule says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterlockLaw {
    /// This is true at no moment.
    Never(Claim),
    /// This is true whenever one of these steps starts.
    Before {
        /// The steps.
        steps: Vec<StepIndex>,
        /// What must be true.
        requires: Claim,
        /// How old a proof of it may be then.
        fresh: Option<Span>,
    },
    /// This is true at every end of a run, except where a person aborted it or has to finish an undo that failed.
    AlwaysEnds(Claim),
}

/// Something that is true or false of the world.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A target takes writes.
    Open(String),
    /// A target refuses writes.
    Denied(String),
    /// An entry leads there.
    Route {
        /// The entry.
        entry: String,
        /// Where.
        to: String,
    },
    /// An entry keeps its clients out, or waiting.
    Held(String),
    /// Something is proven or established: `agree`, `caught_up`, `drained`, `sequences` or `follows`, of these.
    Proven {
        /// The word.
        word: String,
        /// Of what.
        of: Vec<String>,
    },
    /// A point of no return was touched.
    Passed,
    /// The opposite.
    Not(Box<Claim>),
    /// All of them.
    All(Vec<Claim>),
    /// One of them.
    Any(Vec<Claim>),
}

impl Claim {
    /// Calls `visit` for every claim about one fact.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        match self {
            Self::Not(inner) => inner.each(visit),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Open(_) | Self::Denied(_) | Self::Route { .. } | Self::Held(_) | Self::Proven { .. } | Self::Passed => {
                visit(self)
            }
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (at, part) in parts.iter().enumerate() {
                let is_inner = matches!(part, Self::All(_) | Self::Any(_));
                write!(
                    f,
                    "{}{}{part}{}",
                    if at > 0 { word } else { "" },
                    if is_inner { "(" } else { "" },
                    if is_inner { ")" } else { "" }
                )?;
            }
            Ok(())
        };
        match self {
            Self::Open(target) => write!(f, "writes({target})=open"),
            Self::Denied(target) => write!(f, "writes({target})=denied"),
            Self::Route { entry, to } => write!(f, "route({entry})={to}"),
            Self::Held(entry) => write!(f, "held({entry})"),
            Self::Proven { word, of } => write!(f, "{word}({})", of.join(", ")),
            Self::Passed => f.write_str("point_of_no_return passed"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::All(parts) => list(f, parts, " and "),
            Self::Any(parts) => list(f, parts, " or "),
        }
    }
}

/// The kinds of rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `never`
    Never,
    /// `before`
    Before,
    /// `always-ends`
    AlwaysEnds,
}
