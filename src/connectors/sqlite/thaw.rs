//! `sqlite.allow_writes`: drops freeze triggers, and proves that writes get past. Its undo creates the same triggers again.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde_json::json;

use super::canary::{self, Expected, Round};
use super::schema::{Table, TableKind, chosen, tables};
use super::session::{Access, Session, with_session};
use super::trigger::{Operation, Trigger, from_value, to_value, triggers};
use super::{count_of, own_target};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct AllowWrites;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    patterns: Vec<String>,
    except: Vec<String>,
    /// Only the freezes of this run; of every run when none.
    run: Option<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let patterns = call.params.texts("tables")?;
        Ok(Self {
            patterns: if patterns.is_empty() { vec!["*".to_owned()] } else { patterns },
            except: call.params.texts("except")?,
            run: (call.params.opt_text("owner")? == Some("run")).then(|| call.run.to_string()),
        })
    }

    fn scope(&self, session: &Session) -> Result<Vec<Table>, ActionError> {
        let scope = chosen(&tables(session)?, &self.patterns, &self.except)?;
        Ok(scope.into_iter().filter(|table| table.kind == TableKind::Ordinary).collect())
    }

    /// The triggers that stand on the tables in scope: those to remove, and those of other owners.
    fn split(&self, session: &Session, scope: &[Table]) -> Result<(Vec<Trigger>, Vec<Trigger>), ActionError> {
        let on_scope = triggers(session)?.into_iter().filter(|t| scope.iter().any(|table| table.name == t.table));
        Ok(on_scope.partition(|trigger| self.run.as_ref().is_none_or(|run| *run == trigger.owner.run)))
    }
}

#[async_trait]
impl Inspect for AllowWrites {
    fn name(&self) -> &'static str {
        "sqlite.allow_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let scope = order.scope(session)?;
            let (removable, other) = order.split(session, &scope)?;
            let framed = |middle: Vec<String>| {
                let mut all = vec!["BEGIN IMMEDIATE".to_owned()];
                all.extend(middle);
                all.push("COMMIT".to_owned());
                all
            };
            let blockers = other.iter().map(|trigger| super::super::Blocker {
                what: format!("{} on `{}` stays refused by {}", trigger.operation.word(), trigger.table, trigger.owner),
                owner: Some(trigger.owner.run.clone()),
            });
            Ok(Inspection {
                identity: session.identity(),
                state: json!({ "tables": scope.len(), "freeze_triggers": removable.len(), "of_others": other.len() }),
                statements: framed(removable.iter().map(Trigger::drop).collect()),
                undo_statements: framed(removable.iter().map(Trigger::create).collect()),
                blockers: blockers.collect(),
                expected_ms: Some(20 + scope.len() as u64),
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let (removable, _) = order.split(session, &order.scope(session)?)?;
            Ok(json!({ "identity": session.identity(), "triggers": to_value(&removable) }))
        })
        .await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, before) = (Order::of(call)?, from_value(&snapshot["triggers"])?);
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let scope = order.scope(session)?;
            let (left, _) = order.split(session, &scope)?;
            let finding = match (left.len(), before.len()) {
                (0, _) => Finding::Applied,
                (left, before) if left >= before => Finding::NotApplied,
                (left, before) => Finding::Partial(format!("{left} of {before} freeze triggers are left")),
            };
            let outputs = json!({ "tables": scope.len(), "removed": before.len() });
            Ok(Probed { finding, outputs, facts: json!({ "before": before.len(), "left": left.len() }) })
        })
        .await
    }
}

fn thaw(session: &Session, order: &Order) -> Result<Applied, ActionError> {
    let scope = order.scope(session)?;
    let (none, _) = order.split(session, &scope)?;
    if none.is_empty() {
        return Ok(Applied { outputs: json!({ "tables": scope.len(), "removed": 0 }) });
    }
    let transaction = session.begin_immediate(session.busy_timeout())?;
    let (removable, _) = order.split(session, &scope)?;
    for trigger in &removable {
        session.execute(&trigger.drop())?;
    }
    transaction.commit()?;
    session.recorder().progress(&format!("writes to {} are accepted", count_of(scope.len(), "table")));
    Ok(Applied { outputs: json!({ "tables": scope.len(), "removed": removable.len() }) })
}

fn prove(session: &Session, order: &Order) -> Result<Evidence, ActionError> {
    let scope = order.scope(session)?;
    let transaction = session.begin_immediate(session.busy_timeout())?;
    let (left, other) = order.split(session, &scope)?;
    let mut round = Round::default();
    for table in &scope {
        canary::send(session, table, &Operation::ALL, Expected::Accepted, &mut round)?;
    }
    transaction.roll_back();
    let failed = |what: String| ActionError::touched(format!("writes are not accepted: {what}"));
    if let Some(trigger) = left.first().or(other.first()) {
        return Err(failed(format!("`{}` is still frozen by {}", trigger.table, trigger.owner)));
    }
    round.verdict().map_err(failed)?;
    Ok(Evidence::new(json!({ "identity": session.identity(), "tables": scope.len(), "canaries": round.facts() })))
}

fn freeze_again(session: &Session, before: &[Trigger]) -> Result<Evidence, ActionError> {
    let transaction = session.begin_immediate(session.busy_timeout())?;
    let found: HashSet<_> = triggers(session)?.iter().map(|trigger| (trigger.name(), trigger.create())).collect();
    let lost: Vec<_> = before.iter().filter(|trigger| !found.contains(&(trigger.name(), trigger.create()))).collect();
    for trigger in &lost {
        session.execute(&trigger.drop())?;
        session.execute(&trigger.create())?;
    }
    if lost.is_empty() {
        transaction.roll_back();
    } else {
        transaction.commit()?;
    }
    let failed = |why: String| ActionError::touched(format!("the freeze is not restored: {why}"));
    let transaction = session.begin_immediate(session.busy_timeout()).map_err(|error| ActionError::from(error).after_change())?;
    let now: HashSet<_> = triggers(session)?.iter().map(|trigger| (trigger.name(), trigger.create())).collect();
    let mut refused: HashMap<&str, Vec<Operation>> = HashMap::new();
    for trigger in before.iter().filter(|trigger| !trigger.is_altered()) {
        refused.entry(&trigger.table).or_default().push(trigger.operation);
    }
    let mut round = Round::default();
    for table in &tables(session)? {
        let operations = refused.get(table.name.as_str()).map_or(&[][..], Vec::as_slice);
        canary::send(session, table, operations, Expected::Refused, &mut round)?;
    }
    transaction.roll_back();
    round.verdict().map_err(failed)?;
    if let Some(trigger) = before.iter().find(|trigger| !now.contains(&(trigger.name(), trigger.create()))) {
        return Err(failed(format!("{} is not there", trigger.name())));
    }
    Ok(Evidence::new(json!({
        "identity": session.identity(), "restored": lost.len(), "triggers": before.len(), "canaries": round.facts(),
    })))
}

#[async_trait]
impl Act for AllowWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Write, move |session| thaw(session, &order)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Write, move |session| prove(session, &order))
            .await
            .map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let before = from_value(&snapshot["triggers"])?;
        let by_hand = before.iter().map(|trigger| format!("{};", trigger.create())).collect();
        let undone = with_session(call, own_target(call)?, Access::Write, move |session| freeze_again(session, &before)).await;
        undone.map_err(|error| error.manual(by_hand))
    }
}
