//! `haproxy.drain`: servers get no new clients, and the step waits until their sessions are gone.
//!
//! A drained server still takes clients that persist on it, so no session at one moment is no proof: nothing may have come
//! for a while either, by the counter of all sessions that there ever were.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::chosen::{Chosen, names};
use super::fleet::{Fleet, Seen, finding, from_value, in_order, only, restore, to_value, with};
use super::server::{Mode, Setting};
use super::session::AskError;
use super::shut::left;
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct Drain;

/// What a step asks for.
struct Order {
    chosen: Chosen,
    may_empty: bool,
    stable_for: Duration,
    every: Duration,
    within: Duration,
    no_progress_for: Duration,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let span = |name: &str, default: u64| -> Result<Duration, ActionError> {
            Ok(call.params.opt_span(name)?.unwrap_or(Span::from_secs(default)).as_duration())
        };
        let chosen = Chosen::of(call, Mode::Drain)?;
        if chosen.servers.is_empty() {
            return Err(ActionError::untouched("`servers` names no server to drain"));
        }
        let every = call.params.opt_span("every")?.unwrap_or(Span::from_millis(500)).as_duration();
        Ok(Self {
            chosen,
            may_empty: call.params.flag("may_empty")?,
            stable_for: span("stable_for", 2)?,
            every,
            within: span("within", 60)?,
            no_progress_for: span("no_progress_for", 30)?,
        })
    }

    fn emptied(&self, seen: &Seen) -> Option<String> {
        let why = self.chosen.emptied(seen)?;
        (!self.may_empty).then(|| format!("{why}: say `may_empty: true` if that is meant"))
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
    waited: Duration,
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
    let (begun, patience) = (Instant::now(), Patience::of(call).at_most(order.within));
    let first = count(fleet, &order.chosen.backend, names).await.map_err(lost)?;
    let (mut last, mut least) = (first, first.open);
    // The fewest so far is what counts as progress: clients that persist come and go, and that is none.
    let (mut moved, mut quiet) = (begun, (first.open == 0).then_some(begun));
    loop {
        if quiet.is_some_and(|since| since.elapsed() >= order.stable_for) {
            return Ok(Gone { before: first.open, came: last.ever - first.ever, waited: begun.elapsed() });
        }
        let stuck = quiet.is_none() && moved.elapsed() >= order.no_progress_for;
        let stopped = if stuck { None } else { patience.sleep(order.every).await.err() };
        if stuck || stopped.is_some() {
            let why = stopped.map_or_else(
                || format!("no fewer for {}", Span::from_millis(order.no_progress_for.as_millis() as u64)),
                |stopped| stopped.to_string(),
            );
            return Err(unfinished(order, names, last, last.ever - first.ever, &why));
        }
        let now = count(fleet, &order.chosen.backend, names).await.map_err(lost)?;
        if now.ever < last.ever {
            return Err(ActionError::touched(
                "the counters of the sessions went back while they were watched: they were cleared, or a process is another one",
            ));
        }
        if now.open < least {
            (least, moved) = (now.open, Instant::now());
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
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let backend = &order.chosen.backend;
        let seen = fleet.see(backend).await?;
        let wanted = order.chosen.wanted(&seen)?;
        let sessions = left(&mut fleet, backend, &names(&wanted)).await?;
        let before: Vec<Vec<Setting>> = seen.iter().map(|servers| servers.iter().map(|s| s.setting.clone()).collect()).collect();
        let mut blockers = fleet.level_blockers().await?;
        blockers.extend(order.emptied(&seen).map(|what| Blocker { what, owner: None }));
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "backend": backend, "servers": settings(&before), "sessions": sessions }),
            statements: fleet.statements(backend, &seen, &wanted),
            undo_statements: fleet.statements(backend, &with(&seen, &wanted), &before),
            blockers,
            // How long sessions last is for their clients to say.
            expected_ms: None,
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        let wanted = order.chosen.wanted(&seen)?;
        Ok(to_value(&fleet, &only(&seen, &names(&wanted))))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        let (wanted, saved) = (order.chosen.wanted(&seen)?, in_order(&fleet, &from_value(snapshot)?)?);
        let sessions = left(&mut fleet, &order.chosen.backend, &names(&wanted)).await?;
        let finding = match finding(&seen, &wanted, &saved) {
            Finding::Applied if sessions > 0 => Finding::Partial(format!("the servers drain, {sessions} sessions are left")),
            other => other,
        };
        let outputs = outputs(&wanted, &Gone { before: sessions, came: 0, waited: Duration::ZERO });
        Ok(Probed { finding, outputs, facts: json!({ "sessions": sessions }) })
    }
}

#[async_trait]
impl Act for Drain {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        if let Some(why) = order.emptied(&seen) {
            return Err(ActionError::untouched(why));
        }
        let wanted = order.chosen.wanted(&seen)?;
        fleet.ensure(&order.chosen.backend, &wanted).await?;
        let gone = wait(call, &order, &mut fleet, &names(&wanted)).await?;
        Ok(Applied { outputs: outputs(&wanted, &gone) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await.map_err(ActionError::after_change)?);
        let seen = fleet.see(&order.chosen.backend).await.map_err(ActionError::after_change)?;
        let wanted = order.chosen.wanted(&seen).map_err(ActionError::after_change)?;
        fleet.hold(&order.chosen.backend, &wanted).await?;
        let sessions = left(&mut fleet, &order.chosen.backend, &names(&wanted)).await;
        let sessions = sessions.map_err(|error| ActionError::touched(error.to_string()))?;
        if sessions > 0 {
            let text = format!("`{}`: {sessions} sessions came back to servers that drain", order.chosen.backend);
            return Err(ActionError::touched(text).hint("drain keeps clients that persist (cookie, stick table)"));
        }
        Ok(Evidence::new(json!({ "identity": fleet.identity(), "servers": settings(&wanted), "sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.chosen.backend, snapshot).await
    }
}

fn outputs(wanted: &[Vec<Setting>], gone: &Gone) -> Value {
    json!({
        "servers": names(wanted).len(), "processes": wanted.len(), "sessions": gone.before, "came": gone.came,
        "waited_ms": gone.waited.as_millis() as u64,
    })
}

/// For people and for the evidence: state and weight of every server, per process.
fn settings(all: &[Vec<Setting>]) -> Value {
    all.iter().map(|servers| servers.iter().map(Setting::to_value).collect::<Value>()).collect()
}
