//! The top of the page: what the run does, since when, and how long it can still turn back.

use serde_json::{Value, json};

use super::Night;
use crate::model::{Object, RunOutcome};
use crate::run::{Phase, StepStatus};
use crate::views::status::{Life, doing, is_over, phase_word, status_word, turning_back, window};
use crate::views::{Tone, event};

impl Night<'_> {
    pub(super) fn head(&self) -> Value {
        let state = self.state;
        let (tone, text) = doing(state);
        let resume = match (self.life, state.run()) {
            (Life::Left, Some(run)) if !is_over(state) => Some(self.how.on_run("resume", run)),
            (Life::Left | Life::Driven | Life::Past, _) => None,
        };
        json!({
            "phase": phase_word(state.phase()),
            "outcome": outcome(state.phase()),
            "tone": tone.word(),
            "text": text,
            "because": state.cause().map(event::cause),
            "paused_by": state.paused().map(|by| by.name()),
            "held_by_the_clock": state.is_held_by_the_clock(),
            "started": state.started(),
            "ended": state.ended(),
            "now": self.now,
            "executor": match self.life { Life::Driven => Some(true), Life::Left => Some(false), Life::Past => None },
            "resume": resume,
            "past_no_return": state.is_past_no_return(),
            "counts": self.counts(),
        })
    }

    pub(super) fn clock(&self) -> Value {
        let (state, now) = (self.state, self.now);
        let shown = |told: Option<(Tone, String)>| told.map(|(tone, text)| json!({ "tone": tone.word(), "text": text }));
        json!({
            "window": state.plan().content().window.as_ref().map(|window| json!({
                "opens": window.opens,
                "closes": window.closes,
                "time_zone": window.time_zone,
                "told": shown(self::window(state, now).filter(|_| !is_over(state))),
            })),
            "way_back": state.rollback_clock().filter(|clock| clock.path_back.as_millis() > 0).map(|clock| json!({
                "path_ms": clock.path_back.as_millis(),
                "last_moment": clock.last_moment(),
                "told": shown(turning_back(state, now)),
            })),
            "past_no_return": state.is_past_no_return(),
        })
    }

    /// How many steps stand where; items that were made at run time count like steps.
    fn counts(&self) -> Value {
        // `ALL` names the statuses in the order in which they are declared.
        let mut found = [0_u64; StepStatus::ALL.len()];
        for i in self.state.instances() {
            found[self.state.step(i).status as usize] += 1;
        }
        let counts = StepStatus::ALL.into_iter().zip(found).filter(|(_, count)| *count > 0);
        Value::Object(counts.map(|(status, count)| (status_word(status), json!(count))).collect::<Object>())
    }
}

const fn outcome(phase: Phase) -> Option<RunOutcome> {
    match phase {
        Phase::Ended(outcome) | Phase::Finally(outcome) => Some(outcome),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting => None,
    }
}
