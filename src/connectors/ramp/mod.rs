//! Traffic moved in shares: how large, how long each stays, and what has to be seen before the next.

use std::time::{Duration, Instant};

use serde_json::json;

use super::patience::Patience;
use super::{ActionError, Call};
use crate::model::{Arguments, Percent, Span, Value};

mod gate;

pub(super) use gate::{Counted, Counters, NoCounters};
use gate::{Gate, Sample};

/// The shares, in order, and what is asked between them.
pub(super) struct Ramp {
    pub(super) shares: Vec<Percent>,
    dwell: Duration,
    gate: Option<Gate>,
}

/// How a share ended that did not pass.
pub(super) enum Ended {
    /// The gate said no, or could not say yes in time: what was changed has to go back.
    Refused(String),
    /// Nobody waits for it any more.
    Stopped(String),
}

/// At most this much of the time that is left is kept for the way back.
const FOR_THE_WAY_BACK: Duration = Duration::from_secs(20);

impl Ramp {
    /// Reads `ramp`, `dwell` and `gate`. A dwell that cannot give enough samples to decide is an error that names the one that
    /// can.
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        let wrong = |why: String| ActionError::untouched(why);
        let parse = |text: &String| Percent::parse(text).map_err(|why| wrong(format!("`ramp`: {why}")));
        let mut shares = params.texts("ramp")?.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if shares.is_empty() {
            shares.push(Percent::ALL);
        }
        if shares[0].as_fraction() <= 0.0 || !shares.is_sorted_by(|a, b| a < b) || shares.last() != Some(&Percent::ALL) {
            return Err(wrong("`ramp` must rise from above 0% and end with 100%".to_owned()));
        }
        let dwell = params.opt_span("dwell")?.unwrap_or(Span::from_secs(0)).as_duration();
        let gate = Gate::of(params)?;
        if let Some(gate) = &gate {
            let needed = shares.iter().filter_map(|share| gate.needs(share.as_fraction())).max().unwrap_or_default();
            if dwell < needed {
                let text = |span: Duration| Span::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).to_string();
                return Err(wrong(format!("a `dwell` of {} cannot give the gate enough samples to decide", text(dwell))).hint(
                    format!("{}: write `dwell: {}` or more, or begin with a larger share", gate.needs_words(), text(needed)),
                ));
            }
        } else if shares.len() > 1 && dwell.is_zero() {
            return Err(wrong("a `ramp` with several shares needs a `dwell`".to_owned()));
        }
        Ok(Self { shares, dwell, gate })
    }

    /// How long the ramp takes when every gate passes at once.
    pub(super) fn length(&self) -> Duration {
        self.dwell.saturating_mul(u32::try_from(self.shares.len()).unwrap_or(u32::MAX))
    }

    /// The patience for the way up: it ends early enough that there is time for the way back.
    pub(super) fn patience(&self, call: &Call) -> Result<Patience, ActionError> {
        let whole = Patience::of(call);
        let kept = (whole.left() / 4).min(FOR_THE_WAY_BACK);
        let patience = whole.at_most(whole.left().saturating_sub(kept));
        if patience.left() < self.length() {
            let text = format!(
                "the ramp dwells for {:.1} s and the step has {:.1} s, of which {:.1} s are kept for the way back",
                self.length().as_secs_f64(),
                whole.left().as_secs_f64(),
                kept.as_secs_f64()
            );
            return Err(ActionError::untouched(text).hint("give the step a longer `timeout`"));
        }
        Ok(patience)
    }

    /// The counter of the proxy that the gate asks for, if it asks for one.
    pub(super) fn counter(&self) -> Option<&str> {
        self.gate.as_ref().and_then(Gate::counter)
    }

    /// What inspect shows of the gate.
    pub(super) fn shown(&self, call: &Call) -> Value {
        json!({
            "shares": self.shares.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dwell_ms": u64::try_from(self.dwell.as_millis()).unwrap_or(u64::MAX),
            "gate": self.gate.as_ref().map(|gate| gate.shown(call)),
        })
    }

    /// Stays at a share for the dwell and asks the gate meanwhile. It passes when the dwell is over, the last samples in a row
    /// were good, and they rest on enough requests. A sample that is missing is none: it never passes anything.
    pub(super) async fn stay(
        &self,
        call: &Call,
        patience: &Patience,
        share: Percent,
        counters: &mut dyn Counters,
    ) -> Result<Value, Ended> {
        let begun = Instant::now();
        let Some(gate) = &self.gate else {
            patience.sleep(self.dwell).await.map_err(|stopped| Ended::Stopped(format!("at {share}: {stopped}")))?;
            return Ok(json!({ "share": share.to_string(), "gate": null }));
        };
        let first = counters.count().await.ok();
        let (mut row, mut good, mut bad, mut missing, mut last) = (0_u64, 0_u64, 0_u64, 0_u64, Value::Null);
        loop {
            if let Err(stopped) = patience.sleep(gate.every).await {
                let text = format!("at {share}: {stopped}, {good} good, {bad} bad, {missing} missing samples");
                // A deadline is a gate that did not pass in time; an order to stop is somebody else's decision.
                return Err(match stopped {
                    super::patience::Stopped::Deadline => Ended::Refused(text),
                    super::patience::Stopped::Cancelled => Ended::Stopped(text),
                });
            }
            match gate.sample(call, patience, first, counters).await {
                Sample::Good(value) => (row, good, last) = (row + 1, good + 1, value),
                Sample::Bad(why) => {
                    (row, bad) = (0, bad + 1);
                    call.recorder.progress(&format!("at {share} the gate says no: {why}"));
                    if bad >= gate.fail_limit {
                        return Err(Ended::Refused(format!("the gate failed at {share}: {why}")));
                    }
                }
                Sample::Missing(why) => {
                    (row, missing) = (0, missing + 1);
                    last = json!(why);
                    if missing.is_power_of_two() {
                        call.recorder.progress(&format!("at {share} the gate has no answer: {why}"));
                    }
                }
            }
            if begun.elapsed() >= self.dwell && row >= gate.consecutive {
                call.recorder.progress(&format!("at {share}: {good} good, {bad} bad, {missing} missing samples; it passed"));
                let samples = json!({ "good": good, "bad": bad, "missing": missing });
                return Ok(json!({ "share": share.to_string(), "gate": samples, "last": last }));
            }
            if begun.elapsed() >= self.dwell + gate.undecided_for.unwrap_or(self.dwell) {
                return Err(Ended::Refused(format!(
                    "the gate could not decide at {share}: {good} good, {bad} bad, {missing} missing samples, the last {last}"
                )));
            }
        }
    }
}
