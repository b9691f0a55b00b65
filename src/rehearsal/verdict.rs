//! What must hold of every simulated run at its end.

use super::world::{World, owes};
use crate::model::RunOutcome;
use crate::plan::{OnFailure, Section};
use crate::run::{Phase, State, StepStatus};

/// Everything that does not hold; empty when all is well.
pub(super) fn judge(state: &State, world: &World) -> Vec<String> {
    let mut wrong = world.violations.clone();
    let Phase::Ended(outcome) = state.phase() else {
        wrong.push(format!("the run did not end: {:?}", state.phase()));
        return wrong;
    };
    for i in state.instances() {
        let (planned, step, id) = (state.planned(i), state.step(i), state.id(i));
        if planned.section != Section::Forward {
            continue;
        }
        let there = world.applied.contains(&i);
        if there && !step.touched && planned.mutating {
            wrong.push(format!("{id} is applied and the record says that it is untouched"));
        }
        match outcome {
            RunOutcome::Succeeded => {
                let lost =
                    step.status == StepStatus::NotReached || planned.on_failure == OnFailure::Continue || planned.group.is_some();
                if !step.status.satisfies() && !lost {
                    wrong.push(format!("the run succeeded with {id} {}", step.status));
                }
                if step.status == StepStatus::Succeeded && planned.mutating && step.attempt > 0 && !there {
                    wrong.push(format!("{id} succeeded and is not applied"));
                }
            }
            RunOutcome::RolledBack if there && owes(state, i) => {
                wrong.push(format!("the run rolled back and {id} is still applied"));
            }
            RunOutcome::RolledBack | RunOutcome::NeedsAttention | RunOutcome::Aborted => {}
        }
    }
    wrong
}
