//! How old what one step has proven can be when another one starts.

use super::critical_path::{Timeline, waits};
use super::{Plan, StepIndex, Wait};
use crate::model::Span;

impl Plan {
    /// The shortest time between the end of one step and the start of another one behind it: what holds, dwells and the calm that a
    /// step waits for take in any case. A step that may be passed over takes nothing.
    pub fn shortest_between(&self, first: StepIndex, then: StepIndex) -> Span {
        let (over, before) = (self.before(first), self.before(then));
        let certain = |at: StepIndex| {
            let step = self.step(at);
            let is_between = before[at.get()] && !over[at.get()] && at != first;
            match &step.wait {
                _ if !is_between || step.when.is_some() => Span::default(),
                Some(Wait::Hold { duration }) => *duration,
                Some(Wait::Approval { .. } | Wait::Manual { .. } | Wait::Window) => Span::default(),
                None => step.certain(),
            }
        };
        // Only what stands behind the first step comes after it.
        let behind = |at: StepIndex| if self.before(at)[first.get()] { certain(at) } else { Span::default() };
        Span::from_millis(self.chain(behind).whole)
    }

    /// The longest time between the end of one step and the start of another one behind it, when nobody pauses the run and no
    /// step is held. `None` when a wait in between has no limit.
    pub fn longest_between(&self, first: StepIndex, then: StepIndex) -> Option<Span> {
        let over = self.before(first);
        let mut included = self.before(then);
        for (at, included) in included.iter_mut().enumerate() {
            *included &= !over[at] && at != first.get();
        }
        let timeline = Timeline::new(self, &included);
        let between = (0..included.len()).filter(|at| included[*at]).map(StepIndex::new);
        let work = timeline.latest(between).map_or(Span::default(), |last| timeline.finish(last));
        let mut longest = work.as_millis();
        for waiting in waits(self, &included) {
            longest = longest.saturating_add(waiting.limit?.as_millis());
        }
        Some(Span::from_millis(longest))
    }
}
