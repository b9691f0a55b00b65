//! The way up of a switch: share by share, each read back, each held to the gate, and everything back at once when one fails.

use async_trait::async_trait;
use serde_json::json;

use super::fleet::{Fleet, from_value, in_order};
use super::server::{Server, Setting};
use super::stats::Row;
use super::switch::{Sides, members};
use super::weights::{base, split, whole};
use crate::connectors::ramp::{Counted, Counters, Ended, Ramp};
use crate::connectors::{ActionError, Call, Evidence};
use crate::model::{Percent, Touch, Value};

/// The settings of one share, per process.
pub(super) struct Stage {
    pub(super) share: Percent,
    /// The share that whole weights give, at its farthest from what was asked.
    pub(super) real: f64,
    pub(super) wanted: Vec<Vec<Setting>>,
}

/// The stages of a ramp, computed from what was there before.
pub(super) fn stages(
    ramp: &Ramp,
    sides: &Sides,
    seen: &[Vec<Server>],
    before: &[Vec<Setting>],
) -> Result<Vec<Stage>, ActionError> {
    let stage = |share: &Percent| {
        let (mut wanted, mut real) = (Vec::new(), share.as_fraction());
        for (servers, saved) in seen.iter().zip(before) {
            let (new, old) = (members(servers, &sides.new), members(servers, &sides.old));
            let Some(found) = split(&base(&old, saved), &whole(&new, servers), *share) else {
                return Err(ActionError::untouched(format!("weights from 0 to 256 cannot give the new side {share}"))
                    .hint("the smallest share of one server beside one other is 0.39%; finer steps take `haproxy.map`, or `nginx.split`"));
            };
            if (found.share - share.as_fraction()).abs() > (real - share.as_fraction()).abs() {
                real = found.share;
            }
            let with = |(server, weight): (&&Server, u32)| Setting { weight, ..server.setting.clone() };
            let opened = new.iter().zip(found.new).map(with).map(|s| Setting { mode: super::server::Mode::Ready, ..s });
            wanted.push(opened.chain(old.iter().zip(found.old).map(with)).collect());
        }
        Ok(Stage { share: *share, real, wanted })
    };
    ramp.shares.iter().map(stage).collect()
}

/// Goes up stage by stage; answers what each gate saw.
pub(super) async fn climb(
    call: &Call,
    fleet: &mut Fleet,
    backend: &str,
    sides: &Sides,
    ramp: &Ramp,
    stages: &[Stage],
) -> Result<Vec<Value>, Fall> {
    let patience = ramp.patience(call).map_err(Fall::Failed)?;
    let mut told = Vec::new();
    for stage in stages {
        fleet.ensure(backend, &stage.wanted).await.map_err(Fall::Failed)?;
        call.recorder.progress(&format!(
            "`{backend}`: {} goes to the new side ({:.2} % by weights)",
            stage.share,
            stage.real * 100.0
        ));
        let counter = ramp.counter().map(str::to_owned);
        let mut counters = NewSide { fleet: &mut *fleet, backend, names: &sides.new, counter };
        let mut seen = ramp.stay(call, &patience, stage.share, &mut counters).await?;
        // A reload during the dwell would have put the configured weights back.
        fleet.hold(backend, &stage.wanted).await.map_err(Fall::Failed)?;
        seen["weights"] = format!("{:.4}%", stage.real * 100.0).into();
        told.push(seen);
    }
    Ok(told)
}

/// Why it did not arrive.
pub(super) enum Fall {
    /// Back at once: nobody else would take the traffic away from a side that failed.
    Failed(ActionError),
    /// The engine decides: an abort means that everything stays as it is.
    Stopped(ActionError),
}

impl Fall {
    /// Puts everything back where it failed, by `back`. The error says whether that was done.
    pub(super) async fn land(
        self,
        call: &Call,
        what: &str,
        back: impl Future<Output = Result<Evidence, ActionError>>,
    ) -> ActionError {
        let failed = match self {
            Self::Stopped(error) => return error.hint("the share stays as it is; undo restores what was before"),
            Self::Failed(error) => error,
        };
        call.recorder.progress(&format!("{}; everything goes back", failed.message));
        match back.await {
            // Nothing had been sent, and nothing had to be.
            Ok(back) if failed.touch == Touch::Untouched && back.facts["restored"] == 0 => failed,
            Ok(_) => {
                let text = format!("{}; {what} is back to what it was before, read back", failed.message);
                ActionError { message: text, in_doubt: false, touch: Touch::Possible, ..failed }
            }
            Err(error) => ActionError {
                message: format!("{}; it could not all be put back: {}", failed.message, error.message),
                in_doubt: failed.in_doubt || error.in_doubt,
                touch: Touch::Possible,
                manual: error.manual,
                ..failed
            },
        }
    }
}

impl From<Ended> for Fall {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Refused(why) => Self::Failed(ActionError::touched(why)),
            Ended::Stopped(why) => Self::Stopped(ActionError::touched(why)),
        }
    }
}

/// The settings before, in the order of the processes.
pub(super) fn before(fleet: &Fleet, snapshot: &Value) -> Result<Vec<Vec<Setting>>, ActionError> {
    in_order(fleet, &from_value(snapshot)?)
}

/// The counters of the new side, over all processes.
pub(super) struct NewSide<'a> {
    pub(super) fleet: &'a mut Fleet,
    pub(super) backend: &'a str,
    /// Its servers, or `BACKEND` for all of them.
    pub(super) names: &'a [String],
    pub(super) counter: Option<String>,
}

#[async_trait]
impl Counters for NewSide<'_> {
    async fn count(&mut self) -> Result<Counted, String> {
        let mut all = Counted::default();
        let Some(counter) = &self.counter else { return Err("the gate asks for no counter".to_owned()) };
        for session in &mut self.fleet.0 {
            let rows = super::stats::rows(session, self.backend).await.map_err(|error| error.to_string())?;
            for row in rows.iter().filter(|row| self.names.contains(&row.server)) {
                all.requests += requests(row);
                all.failures += row.number(if counter == "5xx" { "hrsp_5xx" } else { counter });
            }
        }
        Ok(all)
    }
}

/// Answers in HTTP mode; sessions where there are more of them, as in TCP mode.
fn requests(row: &Row) -> u64 {
    let answers: u64 =
        ["hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"].iter().map(|name| row.number(name)).sum();
    if row.text("mode") == "http" { answers } else { row.number("stot") }
}

/// What inspect says of the stages.
pub(super) fn shown(stages: &[Stage]) -> Value {
    let one = |stage: &Stage| json!({ "share": stage.share.to_string(), "by_weights": format!("{:.4}%", stage.real * 100.0) });
    stages.iter().map(one).collect()
}
