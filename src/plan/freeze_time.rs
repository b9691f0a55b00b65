//! How long users cannot write, in the worst case: from the start of the freeze until the new side is open.

use super::critical_path::{Timeline, Waiting, open, waits};
use super::{Fact, Plan, Section, StepIndex};
use crate::model::Span;

/// The time inside one freeze.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreezeTime {
    /// What is frozen.
    pub frozen: String,
    /// The step that denies writes first.
    pub from: StepIndex,
    /// The last of the steps that open the other side; none when no step does, and the time runs to the end.
    pub until: Option<StepIndex>,
    /// The work in between, in the worst case, with both ends.
    pub work: Span,
    /// The steps that decide it, in order.
    pub path: Vec<StepIndex>,
    /// The waits in between: they come on top.
    pub waits: Vec<Waiting>,
    /// Steps in between whose number of items only the run knows; each counts as one item.
    pub open: Vec<StepIndex>,
}

impl Plan {
    /// The time inside each freeze of the forward section, by the order in which the freezes start.
    pub fn freeze_times(&self) -> Vec<FreezeTime> {
        let facts: Vec<(StepIndex, Vec<Fact>)> =
            self.section(Section::Forward).map(|at| (at, self.step(at).facts())).filter(|(_, facts)| !facts.is_empty()).collect();
        let mut times: Vec<FreezeTime> = Vec::new();
        for (at, denied) in &facts {
            for fact in denied {
                if let Fact::WritesDenied(frozen) = fact
                    && !times.iter().any(|time| time.frozen == *frozen)
                {
                    let opening: Vec<StepIndex> = facts
                        .iter()
                        .filter(|(_, facts)| facts.iter().any(|fact| self.opens(fact, frozen)))
                        .map(|(at, _)| *at)
                        .collect();
                    times.push(self.freeze_time(frozen, *at, &opening));
                }
            }
        }
        // The new side may be frozen too, until it opens; users never felt that.
        times.retain(|time| self.content().movement.as_ref().is_none_or(|movement| movement.to.as_str() != time.frozen));
        times
    }

    /// Whether a fact gives users another side to write to than `frozen`.
    fn opens(&self, fact: &Fact, frozen: &str) -> bool {
        let is_new = |side: &str| match &self.content().movement {
            Some(movement) => side == movement.to.as_str(),
            None => side != frozen,
        };
        match fact {
            Fact::WritesAllowed(target) => is_new(target),
            Fact::Route(_, to) => is_new(to),
            Fact::WritesDenied(_)
            | Fact::Drained(_)
            | Fact::Agree(..)
            | Fact::CaughtUp(_)
            | Fact::Sequences(..)
            | Fact::Follows(..)
            | Fact::Held(_)
            | Fact::Released(_) => false,
        }
    }

    fn freeze_time(&self, frozen: &str, from: StepIndex, opening: &[StepIndex]) -> FreezeTime {
        let over = self.before(from);
        let mut included = vec![false; self.steps().len()];
        if opening.is_empty() {
            self.section(Section::Forward).for_each(|at| included[at.get()] = true);
        }
        for at in opening {
            included[at.get()] = true;
            self.before(*at).into_iter().enumerate().filter(|(_, before)| *before).for_each(|(at, _)| included[at] = true);
        }
        for (at, over) in over.into_iter().enumerate() {
            included[at] &= !over;
        }
        let timeline = Timeline::new(self, &included);
        let ends = if opening.is_empty() { self.section(Section::Forward).collect() } else { opening.to_vec() };
        let last = timeline.latest(ends.into_iter().filter(|at| included[at.get()]));
        FreezeTime {
            frozen: frozen.to_owned(),
            from,
            until: last.filter(|_| !opening.is_empty()),
            work: last.map_or(Span::default(), |last| timeline.finish(last)),
            path: last.map(|last| timeline.path_to(last)).unwrap_or_default(),
            waits: waits(self, &included),
            open: open(self, &included),
        }
    }
}
