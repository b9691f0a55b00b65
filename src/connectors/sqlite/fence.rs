//! `sqlite.wait_fence`: the position that the new side has applied is at or past the last position of the old side.

use async_trait::async_trait;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Cell;
use serde_json::json;

use super::cell::{filter, to_text};
use super::own_target;
use super::schema::{column, quoted};
use super::session::{Access, Session, with_session};
use crate::connectors::watch::{Pace, Watch};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Condition, Value};

/// The action.
#[derive(Debug)]
pub struct WaitFence;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    table: String,
    column: String,
    conditions: Vec<(String, Condition)>,
    fence: i128,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let fence = call.params.get("at_least").ok_or_else(|| {
            ActionError::untouched("the fence is null: nobody read one")
                .hint("give the freeze a `fence: { table, column }`, so that it has the output `fence`")
        })?;
        let whole = match fence {
            Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let fence = whole.ok_or_else(|| ActionError::untouched(format!("the fence {fence} is no whole number")))?;
        Ok(Self {
            table: call.params.text("table")?.to_owned(),
            column: call.params.text("column")?.to_owned(),
            conditions: call.params.conditions("where")?,
            fence,
            pace: Pace::of(call)?,
        })
    }

    fn question(&self, session: &Session) -> Result<(String, Vec<Cell>), ActionError> {
        let (clause, bound) = filter(session, &self.table, &self.conditions)?;
        let column = column(session, &self.table, &self.column)?;
        Ok((format!("SELECT max({column}) FROM {}{clause}", quoted(&self.table)), bound))
    }

    /// The applied position; none when nothing was applied yet.
    fn position(&self, cell: &Cell) -> Result<Option<i128>, ActionError> {
        let Some(text) = to_text(cell) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            ActionError::untouched(format!("the position `{text}` in {}.{} is no whole number", self.table, self.column))
        })
    }

    /// Nothing applied is enough only where there was nothing before the fence.
    fn is_reached(&self, position: Option<i128>) -> bool {
        position.map_or(self.fence <= 0, |position| position >= self.fence)
    }
}

fn shown(position: Option<i128>) -> Value {
    position.map_or(Value::Null, |position| i64::try_from(position).map_or_else(|_| json!(position.to_string()), |n| json!(n)))
}

fn ask(session: &Session, order: &Order) -> Result<Option<i128>, ActionError> {
    let (sql, bound) = order.question(session)?;
    order.position(&session.one(&sql, params_from_iter(bound.iter()), |row| row.get::<_, Cell>(0))?)
}

fn wait(session: &Session, order: &Order) -> Result<Applied, ActionError> {
    let (sql, bound) = order.question(session)?;
    let mut watch = Watch::begin(order.pace, session.patience());
    let mut last: Option<Option<i128>> = None;
    let result = loop {
        let cell = session
            .silently(|c| c.prepare_cached(&sql)?.query_row(params_from_iter(bound.iter()), |row| row.get::<_, Cell>(0)))?;
        let position = order.position(&cell)?;
        let has_moved = last != Some(position);
        watch.saw(has_moved);
        if has_moved && watch.may_tell() {
            session.recorder().progress(&format!("applied {} of {}", shown(position), order.fence));
        }
        last = Some(position);
        if order.is_reached(position) {
            break Ok(Applied { outputs: json!({ "applied": shown(position), "waited_ms": watch.waited_ms() }) });
        }
        let short = format!("{} has applied {} and not yet {}", session.path().display(), shown(position), order.fence);
        if let Some(idle) = watch.stalled() {
            break Err(ActionError::untouched(format!("{short}, and nothing moved for {idle}"))
                .hint("see whether the process that carries the changes over is alive"));
        }
        if let Err(stopped) = watch.pause_blocking() {
            break Err(ActionError::untouched(format!("{short}: {stopped}")));
        }
    };
    let end = format!("asked {} times, last answer {}", watch.asked(), shown(last.flatten()));
    session.recorder().question(&sql, watch.elapsed(), &end);
    result
}

#[async_trait]
impl Inspect for WaitFence {
    fn name(&self) -> &'static str {
        "sqlite.wait_fence"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            Ok(Inspection {
                identity: session.identity(),
                state: json!({ "applied": shown(ask(session, &order)?), "fence": shown(Some(order.fence)) }),
                statements: vec![order.question(session)?.0],
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
impl Act for WaitFence {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| wait(session, &order)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let position = ask(session, &order)?;
            if !order.is_reached(position) {
                return Err(ActionError::untouched(format!("the applied position went back to {}", shown(position))));
            }
            let facts = json!({ "identity": session.identity(), "applied": shown(position), "fence": shown(Some(order.fence)) });
            Ok(Evidence::new(facts))
        })
        .await
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
