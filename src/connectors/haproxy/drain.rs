//! `haproxy.drain`: servers get no new clients, and the step waits until their sessions are gone.
//!
//! A drained server still takes clients that persist on it, so no session at one moment is no proof: nothing may have come
//! for a while either, by the counter of all sessions that there ever were.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::chosen::{Chosen, Held, Sight, names};
use super::fleet::{Fleet, restore};
use super::server::{Mode, Setting};
use super::session::AskError;
use crate::connectors::patience::Patience;
use crate::connectors::watch::{Pace, Watch, span};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Drain;

/// What a step asks for.
struct Order {
    chosen: Chosen,
    stable_for: Duration,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let mut chosen = Chosen::of(call, Mode::Drain, "say `may_empty: true` if that is meant")?;
        if chosen.servers.is_empty() {
            return Err(ActionError::untouched("`servers` names no server to drain"));
        }
        chosen.may_empty = call.params.flag("may_empty")?;
        Ok(Self { chosen, stable_for: span(call, "stable_for", 2_000)?, pace: Pace::of(call)? })
    }
}

/// What the drained servers have at one moment, over all processes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Count {
    /// Sessions that are open or wait in a queue.
    open: u64,
    /// Sessions that there ever were.
    ever: u64,
}

/// How the sessions went.
struct Gone {
    before: u64,
    /// How many came while it waited: clients that persist.
    came: u64,
    waited_ms: u64,
}

async fn count(fleet: &mut Fleet, backend: &str, names: &[String]) -> Result<Count, AskError> {
    let mut all = Count { open: 0, ever: 0 };
    for session in &mut fleet.0 {
        for row in super::stats::rows(session, backend).await?.iter().filter(|row| names.contains(&row.server)) {
            all.open += row.number("scur") + row.number("qcur");
            all.ever += row.number("stot");
        }
    }
    Ok(all)
}

/// Waits until no session is left and none came for a while.
async fn wait(call: &Call, order: &Order, fleet: &mut Fleet, names: &[String]) -> Result<Gone, ActionError> {
    let lost = |error: AskError| ActionError::touched(format!("the sessions could not be counted: {error}"));
    let mut watch = Watch::begin(order.pace, &Patience::of(call));
    let first = count(fleet, &order.chosen.backend, names).await.map_err(lost)?;
    let (mut last, mut least) = (first, first.open);
    let mut quiet = (first.open == 0).then(Instant::now);
    loop {
        if quiet.is_some_and(|since| since.elapsed() >= order.stable_for) {
            return Ok(Gone { before: first.open, came: last.ever - first.ever, waited_ms: watch.waited_ms() });
        }
        let why = match watch.stalled().filter(|_| quiet.is_none()) {
            Some(idle) => Some(format!("no fewer for {idle}")),
            None => watch.pause().await.err().map(|stopped| stopped.to_string()),
        };
        if let Some(why) = why {
            return Err(unfinished(order, names, last, last.ever - first.ever, &why));
        }
        let now = count(fleet, &order.chosen.backend, names).await.map_err(lost)?;
        if now.ever < last.ever {
            return Err(ActionError::touched(
                "the counters of the sessions went back while they were watched: they were cleared, or a process is another one",
            ));
        }
        // The fewest so far is what counts as progress: clients that persist come and go, and that is none.
        let is_fewer = now.open < least;
        watch.saw(is_fewer);
        if is_fewer {
            least = now.open;
            call.recorder.progress(&format!(
                "`{}`: {} sessions are left on {}",
                order.chosen.backend,
                now.open,
                names.join(", ")
            ));
        }
        quiet = if now.open == 0 && now.ever == last.ever { quiet.or_else(|| Some(Instant::now())) } else { None };
        last = now;
    }
}

fn unfinished(order: &Order, names: &[String], last: Count, came: u64, why: &str) -> ActionError {
    let text = format!("{} sessions are left on {} of `{}`: {why}", last.open, names.join(", "), order.chosen.backend);
    let text = if came > 0 { format!("{text}; {came} came while it waited") } else { text };
    let hint = if came > 0 {
        "drain keeps clients that persist (cookie, stick table): `haproxy.maintenance` sends them elsewhere, `cut: true` ends what is open"
    } else {
        "the servers stay drained and the sessions live on; `haproxy.maintenance` with `cut: true` ends them, undo opens the servers again"
    };
    ActionError::touched(text).hint(hint)
}

#[async_trait]
impl Inspect for Drain {
    fn name(&self) -> &'static str {
        "haproxy.drain"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        // How long sessions last is for their clients to say.
        Ok(Order::of(call)?.chosen.inspect(call).await?.1)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?.chosen.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let found = Order::of(call)?.chosen.probe(call, snapshot).await?;
        let sessions = found.sessions;
        let finding = match found.finding {
            Finding::Applied if sessions > 0 => Finding::Partial(format!("the servers drain, {sessions} sessions are left")),
            other => other,
        };
        let outputs = outputs(&found.wanted, &Gone { before: sessions, came: 0, waited_ms: 0 });
        Ok(Probed { finding, outputs, facts: json!({ "sessions": sessions }) })
    }
}

#[async_trait]
impl Act for Drain {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let Sight { mut fleet, wanted, .. } = order.chosen.ensure(call).await?;
        let gone = wait(call, &order, &mut fleet, &names(&wanted)).await?;
        Ok(Applied { outputs: outputs(&wanted, &gone) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let Held { identity, servers, sessions } = order.chosen.hold(call).await?;
        if sessions > 0 {
            let text = format!("`{}`: {sessions} sessions came back to servers that drain", order.chosen.backend);
            return Err(ActionError::touched(text).hint("drain keeps clients that persist (cookie, stick table)"));
        }
        Ok(Evidence::new(json!({ "identity": identity, "servers": servers, "sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.chosen.backend, snapshot).await
    }
}

fn outputs(wanted: &[Vec<Setting>], gone: &Gone) -> Value {
    json!({
        "servers": names(wanted).len(), "processes": wanted.len(), "sessions": gone.before, "came": gone.came,
        "waited_ms": gone.waited_ms,
    })
}
