//! `sqlite.freeze_writes`: barrier, fence and deny in one transaction.
//!
//! `BEGIN IMMEDIATE` returns once no other write transaction is open, and none can begin until the triggers are committed: so
//! the fence that is read in between is exact, and no write is lost between the two.

use async_trait::async_trait;
use rusqlite::types::Value as Cell;
use serde_json::json;

use super::canary::{self, Expected, Round};
use super::cell::to_json;
use super::schema::{Table, TableKind, chosen, column, quoted, tables};
use super::session::{Access, Session, with_session};
use super::trigger::{Operation, Owner, Trigger, triggers, wanted};
use super::{count_of, own_target};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct FreezeWrites;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    owner: Owner,
    patterns: Vec<String>,
    except: Vec<String>,
    operations: Vec<Operation>,
    fence: Option<(String, String)>,
    barrier: std::time::Duration,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let patterns = call.params.texts("tables")?;
        let fence = call.params.map("fence")?;
        let part = |key: &str| fence.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            owner: Owner::of(call),
            patterns: if patterns.is_empty() { vec!["*".to_owned()] } else { patterns },
            except: call.params.texts("except")?,
            operations: Operation::asked(call)?,
            fence: part("table").zip(part("column")),
            barrier: call.params.opt_span("barrier_within")?.unwrap_or(Span::from_secs(10)).as_duration(),
        })
    }

    /// The tables to freeze, now.
    fn scope(&self, session: &Session) -> Result<Vec<Table>, ActionError> {
        chosen(&tables(session)?, &self.patterns, &self.except)
    }

    /// The same, but a table that cannot be frozen is an error.
    fn freezable(&self, session: &Session) -> Result<Vec<Table>, ActionError> {
        let scope = self.scope(session)?;
        if let Some(table) = scope.iter().find(|table| table.kind == TableKind::Virtual) {
            return Err(ActionError::untouched(format!("`{}` is a virtual table and cannot carry triggers", table.name))
                .hint("name it under `except`; its own tables are ordinary ones and are frozen"));
        }
        if scope.is_empty() {
            return Err(ActionError::untouched("there is no table to freeze"));
        }
        Ok(scope)
    }

    fn fence_query(&self, session: &Session) -> Result<Option<String>, ActionError> {
        let Some((table, name)) = &self.fence else { return Ok(None) };
        Ok(Some(format!("SELECT max({}) FROM {}", column(session, table, name)?, quoted(table))))
    }

    /// The last position before the freeze; 0 when the table is empty, because null would mean that nobody asked.
    fn read_fence(&self, session: &Session) -> Result<Value, ActionError> {
        let Some(sql) = self.fence_query(session)? else { return Ok(Value::Null) };
        Ok(match session.one(&sql, [], |row| row.get::<_, Cell>(0))? {
            Cell::Null => json!(0),
            cell => to_json(&cell),
        })
    }
}

/// The triggers in the database, split into those of this step and those of others.
fn own_and_other(session: &Session, owner: &Owner) -> Result<(Vec<Trigger>, Vec<Trigger>), ActionError> {
    Ok(triggers(session)?.into_iter().partition(|trigger| trigger.owner == *owner))
}

#[async_trait]
impl Inspect for FreezeWrites {
    fn name(&self) -> &'static str {
        "sqlite.freeze_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let scope = order.scope(session)?;
            let (own, other) = own_and_other(session, &order.owner)?;
            let mut blockers: Vec<_> = scope
                .iter()
                .filter(|table| table.kind == TableKind::Virtual)
                .map(|table| Blocker { what: format!("`{}` is a virtual table and cannot be frozen", table.name), owner: None })
                .collect();
            let mut owners: Vec<_> =
                other.iter().map(|trigger| trigger.owner.clone()).filter(|o| o.run != order.owner.run).collect();
            owners.sort_unstable();
            owners.dedup();
            blockers.extend(owners.iter().map(|owner| Blocker {
                what: format!("{} freeze triggers are left of {owner}", other.iter().filter(|t| t.owner == *owner).count()),
                owner: Some(owner.run.clone()),
            }));
            let missing: Vec<_> = wanted(&order.owner, &scope, &order.operations)
                .into_iter()
                .filter(|trigger| !own.iter().any(|found| found.name() == trigger.name()))
                .collect();
            let mut statements = vec!["BEGIN IMMEDIATE".to_owned()];
            statements.extend(order.fence_query(session)?);
            statements.extend(missing.iter().map(Trigger::create));
            statements.push("COMMIT".to_owned());
            let mut undo = vec!["BEGIN IMMEDIATE".to_owned()];
            undo.extend(own.iter().chain(&missing).map(Trigger::drop));
            undo.push("COMMIT".to_owned());
            Ok(Inspection {
                identity: session.identity(),
                state: json!({ "tables": scope.len(), "frozen_by_this_step": own.len(), "frozen_by_others": other.len() }),
                statements,
                undo_statements: undo,
                blockers,
                expected_ms: Some(20 + scope.len() as u64),
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let scope = order.freezable(session)?;
            // Triggers of this step are of an earlier attempt of it, and no part of the state before it.
            let (_, other) = own_and_other(session, &order.owner)?;
            Ok(json!({ "identity": session.identity(), "tables": scope.len(), "others": summary(&other) }))
        })
        .await
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let scope = order.freezable(session)?;
            let (own, _) = own_and_other(session, &order.owner)?;
            let missing = missing(&order, &scope, &own);
            let finding = if own.is_empty() {
                Finding::NotApplied
            } else if missing.is_empty() {
                Finding::Applied
            } else {
                Finding::Partial(format!("{} of the triggers are missing: {}", missing.len(), listed(&missing)))
            };
            // The frozen table cannot have moved since; where it is not frozen itself, a later fence is the safe one.
            let outputs = json!({ "fence": order.read_fence(session)?, "tables": scope.len(), "barrier_ms": 0 });
            Ok(Probed { finding, outputs, facts: json!({ "triggers": own.len(), "missing": missing.len() }) })
        })
        .await
    }
}

fn missing(order: &Order, scope: &[Table], own: &[Trigger]) -> Vec<String> {
    let whole: std::collections::HashSet<String> = own.iter().filter(|t| !t.is_altered()).map(Trigger::name).collect();
    wanted(&order.owner, scope, &order.operations)
        .into_iter()
        .filter(|trigger| !whole.contains(&trigger.name()))
        .map(|trigger| format!("{} on {}", trigger.operation.word(), trigger.table))
        .collect()
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Triggers by number and digest, so that a change among them shows.
fn summary(triggers: &[Trigger]) -> Value {
    let text: Vec<_> = triggers.iter().map(Trigger::create).collect();
    json!({ "triggers": triggers.len(), "digest": Digest::of(text.join("\n").as_bytes()).to_string() })
}

fn freeze(session: &Session, order: &Order) -> Result<Applied, ActionError> {
    let begun = std::time::Instant::now();
    let transaction = session.begin_immediate(order.barrier).map_err(|error| {
        ActionError::untouched(format!("a write transaction of somebody else did not end: {error}"))
            .hint("end it, or give `barrier_within` more time; nothing was changed")
    })?;
    let barrier_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let scope = order.freezable(session)?;
    let found = triggers(session)?;
    let whole: std::collections::HashSet<String> =
        found.iter().filter(|t| t.owner == order.owner && !t.is_altered()).map(Trigger::name).collect();
    let fence = order.read_fence(session)?;
    let mut round = Round::default();
    for table in &scope {
        // The positive control, where nobody refuses yet.
        let open: Vec<_> = order
            .operations
            .iter()
            .copied()
            .filter(|operation| !found.iter().any(|t| t.table == table.name && t.operation == *operation))
            .collect();
        canary::send(session, table, &open, Expected::Accepted, &mut round)?;
    }
    round.verdict().map_err(|why| ActionError::untouched(format!("the canary fails before the freeze: {why}")))?;
    for trigger in wanted(&order.owner, &scope, &order.operations).iter().filter(|t| !whole.contains(&t.name())) {
        if found.iter().any(|t| t.name() == trigger.name()) {
            session.execute(&trigger.drop())?;
        }
        session.execute(&trigger.create())?;
    }
    if whole.len() == scope.len() * order.operations.len() {
        transaction.roll_back();
    } else {
        transaction.commit()?;
    }
    session.recorder().progress(&format!("writes to {} are refused", count_of(scope.len(), "table")));
    Ok(Applied { outputs: json!({ "fence": fence, "tables": scope.len(), "barrier_ms": barrier_ms }) })
}

fn prove(session: &Session, order: &Order, applied: &Applied) -> Result<Evidence, ActionError> {
    let failed = |what: String| ActionError::touched(format!("the freeze does not hold: {what}"));
    let scope = order.freezable(session)?;
    let (own, _) = own_and_other(session, &order.owner)?;
    let missing = missing(order, &scope, &own);
    if !missing.is_empty() {
        return Err(failed(format!("no trigger refuses {}", listed(&missing))));
    }
    let transaction = session.begin_immediate(session.busy_timeout())?;
    let mut round = Round::default();
    for table in &scope {
        canary::send(session, table, &order.operations, Expected::Refused, &mut round)?;
    }
    let fence = order.read_fence(session)?;
    transaction.roll_back();
    round.verdict().map_err(&failed)?;
    let frozen = order.fence.as_ref().is_some_and(|(table, _)| scope.iter().any(|t| t.name.eq_ignore_ascii_case(table)));
    if frozen && order.operations.len() == Operation::ALL.len() && fence != applied.outputs["fence"] {
        return Err(failed(format!("the fence moved from {} to {fence}", applied.outputs["fence"])));
    }
    Ok(Evidence::new(json!({
        "identity": session.identity(), "tables": scope.len(), "triggers": own.len(),
        "canaries": round.facts(), "fence": fence,
    })))
}

fn thaw(session: &Session, order: &Order) -> Result<Evidence, ActionError> {
    let transaction = session.begin_immediate(order.barrier)?;
    let (own, other) = own_and_other(session, &order.owner)?;
    for trigger in &own {
        session.execute(&trigger.drop())?;
    }
    if own.is_empty() {
        transaction.roll_back();
    } else {
        transaction.commit()?;
    }
    // The canaries come after the commit: to take one back in a transaction that changed the schema reads the schema anew.
    let transaction = session.begin_immediate(session.busy_timeout()).map_err(|error| ActionError::from(error).after_change())?;
    let left = own_and_other(session, &order.owner)?;
    let mut round = Round::default();
    // A table that was dropped in the meantime must not stop the way back.
    let all = tables(session)?;
    let scope: Vec<_> = order.patterns.iter().filter_map(|p| chosen(&all, std::slice::from_ref(p), &order.except).ok()).collect();
    for table in scope.iter().flatten().filter(|table| table.kind == TableKind::Ordinary) {
        let mut open = order.operations.clone();
        // Where somebody else froze before, writes stay refused: that was the state.
        open.retain(|operation| !other.iter().any(|t| t.table == table.name && t.operation == *operation));
        canary::send(session, table, &open, Expected::Accepted, &mut round)?;
    }
    transaction.roll_back();
    round.verdict().map_err(|why| ActionError::touched(format!("writes are not accepted again: {why}")))?;
    if !left.0.is_empty() || summary(&left.1) != summary(&other) {
        return Err(ActionError::touched(format!("{} triggers of this step are left", left.0.len())));
    }
    Ok(Evidence::new(json!({
        "identity": session.identity(), "removed": own.len(), "left": left.0.len(),
        "others": summary(&other), "canaries": round.facts(),
    })))
}

#[async_trait]
impl Act for FreezeWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_session(call, own_target(call)?, Access::Write, move |session| freeze(session, &order)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, applied) = (Order::of(call)?, applied.clone());
        let proof = with_session(call, own_target(call)?, Access::Write, move |session| prove(session, &order, &applied)).await;
        proof.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let by_hand = format!(
            "SELECT 'DROP TRIGGER \"' || replace(name, '\"', '\"\"') || '\";' FROM sqlite_schema WHERE type = 'trigger' \
             AND name LIKE {};  -- run what it prints",
            super::schema::literal(&format!("pointsman/{}/{}/%", order.owner.run, order.owner.step))
        );
        let undone = with_session(call, own_target(call)?, Access::Write, move |session| thaw(session, &order)).await;
        undone.map_err(|error| if error.manual.is_empty() { error.manual(vec![by_hand]) } else { error })
    }
}
