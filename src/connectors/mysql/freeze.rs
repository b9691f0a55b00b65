//! `mysql.freeze_writes`: deny, cut, barrier, fence, in this order. A fence that is read before the barrier misses the writes that
//! were under way.

use async_trait::async_trait;
use serde_json::json;

use super::account::Account;
use super::barrier;
use super::bypass::{self, Seen, open_ways, writing_events};
use super::canary::{self, Flight};
use super::cut::{self, end_sessions};
use super::grant::{grants, revokes};
use super::order::{Events, Order, Scope, Sessions};
use super::restore::{Saved, restore};
use super::session::{Session, open};
use super::variable::{Switches, lock_wait};
use super::{own_target, unlogged};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct FreezeWrites;

/// The switches as the freeze wants them, in the two steps in which it turns them.
fn wanted(order: &Order, scope: &Scope, seen: &Seen) -> (Switches, Switches) {
    let stop = order.events == Events::Stop && !writing_events(order, scope, seen).is_empty();
    let first = if stop { scope.switches.without_events() } else { scope.switches.clone() };
    let second = if order.server { first.refusing() } else { first.clone() };
    (first, second)
}

fn prepared_blockers<'a>(order: &'a Order, prepared: &'a [String]) -> impl Iterator<Item = Blocker> + 'a {
    let names = prepared.iter().map(|name| format!("xa {name}"));
    let open = names.filter(|name| !order.accepted.iter().any(|pattern| super::account::means(pattern, name)));
    open.map(|name| Blocker { what: format!("{name}: a prepared transaction that can be committed at any time"), owner: None })
}

#[async_trait]
impl Inspect for FreezeWrites {
    fn name(&self) -> &'static str {
        "mysql.freeze_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let scope = order.scope(&mut session).await?;
        let seen = Seen::read(&mut session).await?;
        let ways = open_ways(&mut session, &order, &scope, &seen).await?;
        let mut blockers = bypass::blockers(&ways);
        blockers.extend(prepared_blockers(&order, &seen.prepared));
        let (first, second) = wanted(&order, &scope, &seen);
        let denied = scope.denied();
        let mut statements = unlogged(order.binlog);
        statements.extend(scope.switches.statements_to(&first));
        statements.extend(revokes(&denied));
        statements.push(match order.sessions {
            Sessions::Await => "-- wait until the sessions of the accounts have gone".to_owned(),
            Sessions::Cut | Sessions::CutBetweenTransactions => "KILL CONNECTION <each session of the accounts>".to_owned(),
        });
        statements.extend(first.statements_to(&second));
        statements.push(format!("LOCK TABLES <every table of {}> READ", scope.databases.join(", ")));
        statements.push("UNLOCK TABLES".to_owned());
        let mut undo = unlogged(order.binlog);
        undo.extend(second.statements_to(&scope.switches));
        undo.extend(grants(&scope.given_back()));
        let sessions = cut::open(&mut session, &scope.logins).await?.len();
        let identity = session.identity();
        session.close().await;
        Ok(Inspection {
            identity,
            state: json!({
                "accounts": scope.frozen.iter().map(Account::label).collect::<Vec<_>>(), "databases": scope.databases,
                "privileges_to_take": denied.len(), "sessions": sessions, "also_denied": scope.also_denied(),
                "switches": scope.switches.to_value(),
            }),
            statements,
            undo_statements: undo,
            blockers,
            expected_ms: Some(300),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, target) = (Order::of(call)?, own_target(call)?);
        let mut session = open(call, target).await?;
        let scope = order.scope(&mut session).await?;
        let saved = Saved::take(&mut session, &scope).await?;
        let flights = canary::fly_all(call, target, &mut session, &order.canaries, &scope.databases).await?;
        if let Some(why) = flights.iter().find_map(Flight::broken) {
            return Err(ActionError::untouched(why).hint("correct the canary; nothing was changed"));
        }
        let identity = session.identity();
        session.close().await;
        let canaries: Vec<_> = flights.iter().map(Flight::facts).collect();
        Ok(json!({
            "identity": identity, "saved": saved.to_value(), "canaries": canaries,
            "denied": super::grant::to_value(&scope.denied()),
        }))
    }

    /// Whether the denial stands can be seen; whether everybody who wrote before it was cut cannot, once somebody is connected again.
    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, saved) = (Order::of(call)?, Saved::from_value(&snapshot["saved"])?);
        let mut session = open(call, own_target(call)?).await?;
        let scope = order.scope(&mut session).await?;
        let (_, second) = wanted(&order, &scope, &Seen::read(&mut session).await?);
        let (left, switches) = (scope.denied().len(), scope.switches.statements_to(&second));
        let was = scope.denied_of(&saved.grants);
        let taken = was.difference(&scope.held()).count();
        let turned = saved.switches != scope.switches;
        let sessions = settled(&mut session, &scope).await?;
        let changes = barrier::changes_left(&mut session, &scope.logins).await?;
        let finding = if taken == 0 && !turned && (left > 0 || !switches.is_empty()) {
            Finding::NotApplied
        } else if left > 0 || !switches.is_empty() {
            Finding::Partial(format!("{taken} of {} privileges are taken, {} switches are not turned", was.len(), switches.len()))
        } else if sessions > 0 || !changes.is_empty() {
            Finding::Partial(format!(
                "the privileges are taken, and {} of the accounts may be older than that: apply again, it cuts them",
                super::count_of(sessions.max(changes.len()), "session")
            ))
        } else {
            Finding::Applied
        };
        let (fence, at) = barrier::read(&mut session).await?;
        session.close().await;
        // Nothing of the accounts can have been written since, so a later fence is a safe one.
        let outputs = outputs(&scope, fence, &at, 0, 0);
        Ok(Probed { finding, outputs, facts: json!({ "taken": taken, "left": left, "sessions": sessions, "changes": changes }) })
    }
}

/// How many sessions the accounts have; those that are just going are waited for.
async fn settled(session: &mut Session, scope: &Scope) -> Result<usize, ActionError> {
    let mut sessions = usize::MAX;
    for _ in 0..10 {
        sessions = cut::open(session, &scope.logins).await?.len();
        if sessions == 0 {
            break;
        }
        session.patience().clone().sleep(std::time::Duration::from_millis(50)).await?;
    }
    Ok(sessions)
}

fn outputs(scope: &Scope, fence: Option<String>, at: &str, cut: usize, waited_ms: u128) -> Value {
    json!({
        "fence": fence, "fenced_at": at, "accounts": scope.frozen.len(), "sessions_cut": cut,
        "barrier_ms": u64::try_from(waited_ms).unwrap_or(u64::MAX),
    })
}

/// The positive control: a canary whose account still has something to lose must have been let through. One that lost everything in
/// an earlier attempt cannot be.
fn controlled(order: &Order, scope: &Scope, snapshot: &Value) -> Result<(), ActionError> {
    let denied = scope.denied();
    let loses = |user: &str| {
        let accounts = scope.frozen.iter().filter(|account| account.user == user);
        accounts.flat_map(|account| scope.grants.with_roles(account)).any(|holder| denied.iter().any(|g| g.account == holder))
    };
    let flights = snapshot["canaries"].as_array().into_iter().flatten();
    for (canary, flight) in order.canaries.iter().zip(flights) {
        if loses(&canary.user) && flight["accepted"].as_array().is_none_or(Vec::is_empty) {
            let name = flight["canary"].as_str().unwrap_or_default();
            return Err(ActionError::untouched(format!(
                "the canary of {name} is refused before the freeze, so it would prove nothing"
            ))
            .hint("choose a table that the account may write to"));
        }
    }
    Ok(())
}

async fn freeze(call: &Call, order: &Order, snapshot: &Value) -> Result<Applied, ActionError> {
    let target = own_target(call)?;
    let mut session = open(call, target).await?;
    let scope = order.scope(&mut session).await?;
    let seen = Seen::read(&mut session).await?;
    bypass::refuse(&open_ways(&mut session, order, &scope, &seen).await?)?;
    if let Some(blocker) = prepared_blockers(order, &seen.prepared).next() {
        return Err(ActionError::untouched(blocker.what).hint("`XA COMMIT` or `XA ROLLBACK` it, or accept it by its name"));
    }
    let (first, second) = wanted(order, &scope, &seen);
    let denied = scope.denied();
    controlled(order, &scope, snapshot)?;
    let beside = open(call, target).await?;
    for sql in unlogged(order.binlog) {
        session.execute(&sql).await?;
    }
    let mut changes = scope.switches.statements_to(&first);
    changes.extend(revokes(&denied));
    for sql in &changes {
        session.execute(sql).await.map_err(|error| error.of_change(sql))?;
    }
    let cut =
        end_sessions(&mut session, &scope.logins, order.sessions, order.barrier).await.map_err(ActionError::after_change)?;
    for sql in first.statements_to(&second) {
        session.execute(&lock_wait(order.barrier)).await.map_err(|e| ActionError::from(e).after_change())?;
        session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
    }
    let fence = barrier::pass(call, target, beside, &scope.databases, order.barrier).await.map_err(ActionError::after_change)?;
    let prepared = barrier::names(&session.rows(barrier::PREPARED).await.map_err(|e| ActionError::from(e).after_change())?);
    stable(&mut session, order, &scope, &prepared).await.map_err(ActionError::after_change)?;
    session.recorder().progress(&format!("writes of {} are refused", super::count_of(scope.frozen.len(), "account")));
    session.close().await;
    Ok(Applied { outputs: outputs(&scope, fence.position, &fence.at, cut, fence.waited.as_millis()) })
}

/// Behind the barrier nothing is left that could become a change.
async fn stable(session: &mut Session, order: &Order, scope: &Scope, prepared: &[String]) -> Result<(), ActionError> {
    if let Some(blocker) = prepared_blockers(order, prepared).next() {
        return Err(ActionError::touched(blocker.what));
    }
    match barrier::changes_left(session, &scope.logins).await?.first() {
        Some(left) => Err(ActionError::touched(format!("the freeze does not hold: {left}"))),
        None => Ok(()),
    }
}

/// Nothing is left to take, no switch is open, and there is no way past the freeze; what the order means on the server now.
async fn is_closed(session: &mut Session, order: &Order) -> Result<Scope, ActionError> {
    let would =
        |sql: &str, what: &str| ActionError::touched(format!("the freeze does not hold: `{sql}` would still {what} something"));
    let scope = order.scope(session).await?;
    if let Some(sql) = revokes(&scope.denied()).first() {
        return Err(would(sql, "take"));
    }
    let seen = Seen::read(session).await?;
    let (_, second) = wanted(order, &scope, &seen);
    if let Some(sql) = scope.switches.statements_to(&second).first() {
        return Err(would(sql, "change"));
    }
    bypass::refuse(&open_ways(session, order, &scope, &seen).await?)?;
    stable(session, order, &scope, &seen.prepared).await?;
    Ok(scope)
}

async fn prove(call: &Call, order: &Order, applied: &Applied) -> Result<Evidence, ActionError> {
    let failed = |what: String| ActionError::touched(format!("the freeze does not hold: {what}"));
    let target = own_target(call)?;
    let mut session = open(call, target).await?;
    let databases = super::order::databases(&mut session, &order.databases).await?;
    let (identity, canaries) = (session.identity(), canary::ready(&mut session, &order.canaries, &databases).await?);
    // What the server says of the privileges is read while the canaries fly.
    let (flights, closed) = tokio::join!(canary::fly(call, target, &identity, &canaries), is_closed(&mut session, order));
    let (scope, flights) = (closed?, flights?);
    canary::all_refused(&flights).map_err(failed)?;
    let at = applied.outputs["fenced_at"].as_str().unwrap_or_default();
    let (position, changed) = barrier::read_since(&mut session, &scope.databases, at).await?;
    let moved = json!(position) != applied.outputs["fence"];
    if let Some(table) = changed.first() {
        return Err(failed(format!("{table} was changed after the fence, by somebody who is not frozen")));
    }
    let covered = |account: &&Account| order.canaries.iter().any(|canary| canary.user == account.user);
    let uncovered: Vec<_> = scope.frozen.iter().filter(|account| !covered(account)).map(Account::label).collect();
    session.close().await;
    Ok(Evidence::new(json!({
        "identity": identity, "accounts": scope.frozen.iter().map(Account::label).collect::<Vec<_>>(),
        "privileges_left": 0, "canaries": flights.iter().map(Flight::facts).collect::<Vec<_>>(),
        "accounts_without_canary": uncovered, "prepared": 0, "transactions": 0, "position": position,
        "position_moved": moved, "tables_changed_since": changed.len(), "also_denied": scope.also_denied(),
    })))
}

async fn thaw(call: &Call, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let saved = Saved::from_value(&snapshot["saved"])?;
    let target = own_target(call)?;
    let mut session = open(call, target).await?;
    for sql in unlogged(order.binlog) {
        session.execute(&sql).await?;
    }
    let (mut facts, changed) = restore(&mut session, &saved).await?;
    let logins = saved.holders.iter().filter(|account| !account.role).map(|account| account.user.clone()).collect();
    // A session that was opened under the freeze would stay refused until its next `USE`.
    let cut = match (changed, order.sessions) {
        (true, Sessions::Cut | Sessions::CutBetweenTransactions) => {
            end_sessions(&mut session, &logins, Sessions::Cut, order.barrier).await.map_err(ActionError::after_change)?
        }
        (false, _) | (true, Sessions::Await) => 0,
    };
    let databases = super::order::databases(&mut session, &order.databases).await.map_err(ActionError::after_change)?;
    let flights =
        canary::fly_all(call, target, &mut session, &order.canaries, &databases).await.map_err(ActionError::after_change)?;
    canary::as_before(&flights, &snapshot["canaries"])
        .map_err(|why| ActionError::touched(format!("writes are not accepted as before: {why}")))?;
    facts["identity"] = session.identity();
    facts["sessions_cut"] = json!(cut);
    facts["canaries"] = flights.iter().map(Flight::facts).collect();
    session.close().await;
    Ok(Evidence::new(facts))
}

/// What a person sends where the undo could not: everything that the freeze can have taken.
fn by_hand(order: &Order, snapshot: &Value) -> Vec<String> {
    let mut statements = unlogged(order.binlog);
    if let Ok(saved) = Saved::from_value(&snapshot["saved"]) {
        statements.extend(saved.by_hand(super::grant::from_value(&snapshot["denied"]).unwrap_or_default()));
    }
    statements
}

#[async_trait]
impl Act for FreezeWrites {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        freeze(call, &Order::of(call)?, snapshot).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, &Order::of(call)?, applied).await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let undone = thaw(call, &order, snapshot).await;
        undone.map_err(|error| if error.manual.is_empty() { error.manual(by_hand(&order, snapshot)) } else { error })
    }
}
