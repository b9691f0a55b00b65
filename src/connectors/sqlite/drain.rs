//! `sqlite.drain`: a queue table is empty, stays empty, and nobody can feed it. Empty alone is no proof.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Cell;
use serde_json::json;

use super::canary::{self, Expected, Round};
use super::cell::filter;
use super::own_target;
use super::schema::{Table, chosen, quoted, tables};
use super::session::{Access, Session, open, run, with_session};
use super::trigger::{Operation, triggers};
use crate::connectors::emptying::Emptying;
use crate::connectors::watch::{Pace, span};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target};
use crate::model::{Condition, Value};

/// The action.
#[derive(Debug)]
pub struct Drain;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    table: String,
    pending: Vec<(String, Condition)>,
    producers: Vec<String>,
    stable_for: Duration,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let table = call.params.text("table")?.to_owned();
        let producers = call.params.texts("producers")?;
        Ok(Self {
            pending: call.params.conditions("pending")?,
            producers: if producers.is_empty() { vec![table.clone()] } else { producers },
            table,
            stable_for: span(call, "stable_for", 1_000)?,
            pace: Pace::of(call)?,
        })
    }

    fn question(&self, session: &Session) -> Result<(String, Vec<Cell>), ActionError> {
        let (clause, bound) = filter(session, &self.table, &self.pending)?;
        super::schema::columns(session, &self.table)?;
        Ok((format!("SELECT count(*) FROM {}{clause}", quoted(&self.table)), bound))
    }
}

/// The database of the producers.
fn feeder(call: &Call) -> Result<&Target, ActionError> {
    match call.params.opt_text("fed_by")? {
        None => own_target(call),
        Some(name) => {
            call.targets.get(name).ok_or_else(|| ActionError::untouched(format!("the target `{name}` of `fed_by` is not known")))
        }
    }
}

/// The tables of the producers that can still insert.
fn unfrozen(session: &Session, producers: &[String]) -> Result<(Vec<Table>, Vec<String>), ActionError> {
    let scope = chosen(&tables(session)?, producers, &[])?;
    let frozen = triggers(session)?;
    let open = scope
        .iter()
        .filter(|table| !frozen.iter().any(|t| t.table == table.name && t.operation == Operation::Insert && !t.is_altered()))
        .map(|table| table.name.clone())
        .collect();
    Ok((scope, open))
}

async fn nobody_feeds(call: &Call, producers: &[String]) -> Result<(), ActionError> {
    let wanted = producers.to_vec();
    let (_, open) = with_session(call, feeder(call)?, Access::Read, move |session| unfrozen(session, &wanted)).await?;
    if open.is_empty() {
        return Ok(());
    }
    Err(ActionError::untouched(format!(
        "nothing proves that the queue is not fed: inserts into {} are accepted",
        open.join(", ")
    ))
    .hint("freeze the producers first with `sqlite.freeze_writes`, or name the frozen ones under `producers`"))
}

fn wait_until_empty(session: &Session, order: &Order) -> Result<Applied, ActionError> {
    let (sql, bound) = order.question(session)?;
    let mut emptying = Emptying::begin(order.pace, session.patience());
    let result = loop {
        let pending: i64 =
            session.silently(|c| c.prepare_cached(&sql)?.query_row(params_from_iter(bound.iter()), |row| row.get(0)))?;
        let pending = pending.unsigned_abs();
        if emptying.saw(pending) {
            session.recorder().progress(&format!("{} holds {pending} pending rows", order.table));
        }
        if emptying.is_empty_for(order.stable_for) {
            let waited_ms = emptying.watch().waited_ms();
            break Ok(Applied { outputs: json!({ "drained": emptying.drained(), "waited_ms": waited_ms }) });
        }
        if let Some(idle) = emptying.stalled() {
            break Err(ActionError::untouched(format!(
                "{} still holds {pending} pending rows and none went for {idle}",
                order.table
            ))
            .hint("see whether its worker is alive"));
        }
        if let Err(stopped) = emptying.watch().pause_blocking() {
            let state = match pending {
                0 => "is empty, and not yet for as long as it must be".to_owned(),
                pending => format!("still holds {pending} pending rows"),
            };
            break Err(ActionError::untouched(format!("{} {state}: {stopped}", order.table)));
        }
    };
    let end = format!("asked {} times, last answer {}", emptying.watch().asked(), emptying.last());
    session.recorder().question(&sql, emptying.watch().elapsed(), &end);
    result
}

#[async_trait]
impl Inspect for Drain {
    fn name(&self) -> &'static str {
        "sqlite.drain"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let producers = order.producers.clone();
        let (_, unfrozen) = with_session(call, feeder(call)?, Access::Read, move |session| unfrozen(session, &producers)).await?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let (sql, bound) = order.question(session)?;
            let pending: i64 = session.one(&sql, params_from_iter(bound.iter()), |row| row.get(0))?;
            let blockers = unfrozen
                .iter()
                .map(|table| Blocker { what: format!("inserts into `{table}` are accepted: the queue is fed"), owner: None });
            Ok(Inspection {
                identity: session.identity(),
                state: json!({ "table": order.table, "pending": pending, "producers_not_frozen": unfrozen }),
                statements: vec![sql],
                blockers: blockers.collect(),
                ..Inspection::default()
            })
        })
        .await
    }

    async fn capture(&self, _call: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for Drain {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        nobody_feeds(call, &order.producers).await?;
        let producers = order.producers.clone();
        let applied =
            with_session(call, own_target(call)?, Access::Read, move |session| wait_until_empty(session, &order)).await?;
        nobody_feeds(call, &producers).await?;
        Ok(applied)
    }

    /// Counts once more after the producers' canaries were refused: from there on nobody could have fed it.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let producers = order.producers.clone();
        let feeding = open(call, feeder(call)?, Access::Write).await?;
        let canaries = run(feeding, move |session| {
            let (scope, open) = unfrozen(session, &producers)?;
            let transaction = session.begin_immediate(session.busy_timeout())?;
            let mut round = Round::default();
            for table in &scope {
                canary::send(session, table, &[Operation::Insert], Expected::Refused, &mut round)?;
            }
            transaction.roll_back();
            round.verdict().map_err(|why| ActionError::untouched(format!("the queue is fed: {why}")))?;
            Ok(json!({ "producers": scope.len(), "not_frozen": open, "canaries": round.facts() }))
        });
        let canaries = canaries.await.1?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let (sql, bound) = order.question(session)?;
            let pending: i64 = session.one(&sql, params_from_iter(bound.iter()), |row| row.get(0))?;
            if pending > 0 {
                return Err(ActionError::untouched(format!("{} holds {pending} pending rows again", order.table)));
            }
            Ok(Evidence::new(json!({ "identity": session.identity(), "pending": pending, "fed": canaries })))
        })
        .await
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
