//! What the proof's searches reach, for whoever holds another machine against them.

use std::collections::BTreeSet;

use super::facts::{Facts, VarId};
use super::rules::questions;
use super::search::{Search, Stage};
use super::task::Slice;
use crate::plan::Plan;

/// Parts of a run, each with a world that was seen in it.
type Worlds = BTreeSet<(u8, u64)>;

/// The states of facts that every search over a plan reaches.
#[derive(Clone, Debug)]
pub struct Reached {
    searches: Vec<(Vec<VarId>, Worlds)>,
    facts: Facts,
}

/// In which part of its life a run is, as far as facts care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Going forward.
    Forward,
    /// On the way back.
    Back,
    /// In `finally`, or over.
    Over,
    /// Being aborted: work that was under way still ends.
    Aborting,
}

impl Reached {
    /// Runs every search of the built-in rules to its end; `None` where one is too large.
    pub fn new(plan: &Plan) -> Option<Self> {
        let facts = Facts::new(plan);
        let mut searches = Vec::new();
        for question in questions(plan, &facts) {
            let slice = Slice::new(&facts, &question.vars, &question.named())?;
            let mut states = BTreeSet::new();
            let outcome = Search::<8>::run(&slice, &[], |state| {
                let part = match state.stage() {
                    Stage::Forward => 0,
                    Stage::Back => 1,
                    Stage::Finally | Stage::Ended => 2,
                };
                states.insert((part, state.world));
            });
            if !outcome.whole {
                return None;
            }
            searches.push((slice.vars.clone(), states));
        }
        Some(Self { searches, facts })
    }

    /// How many states of facts there are.
    pub fn count(&self) -> usize {
        self.searches.iter().map(|(_, states)| states.len()).sum()
    }

    /// Whether every search came through facts like these.
    ///
    /// # Errors
    /// What is known, where no state of a search is like that.
    pub fn includes(&self, known: &[Option<bool>], part: Part) -> Result<(), String> {
        for (vars, states) in &self.searches {
            let bits = |wanted: bool| {
                let named = vars.iter().enumerate().filter(|(_, var)| known[**var] == Some(wanted));
                named.fold(0_u64, |all, (bit, _)| all | 1 << bit)
            };
            let (set, clear) = (bits(true), bits(false));
            let is_like = |(at, world): &(u8, u64)| {
                let same_part = match part {
                    Part::Forward => *at == 0,
                    Part::Back => *at == 1,
                    Part::Over => *at == 2,
                    Part::Aborting => true,
                };
                same_part && world & set == set && world & clear == 0
            };
            if !states.iter().any(is_like) {
                let said = vars.iter().map(|var| format!("{}: {:?}", self.facts.vars[*var], known[*var]));
                return Err(format!("{part:?}: {}", said.collect::<Vec<_>>().join(", ")));
            }
        }
        Ok(())
    }
}
