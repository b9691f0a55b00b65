//! `mysql.allow_writes`: opens a side. Its accounts get the privileges that they lack, the server accepts writes, and the application's
//! own writes are accepted. Its undo is the exact state before.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::account::Account;
use super::canary::{self, Canary, Flight};
use super::cut::{self, end_sessions};
use super::gift;
use super::grant::{self, Grant, grants, revokes};
use super::order::{Scope, Sessions};
use super::restore::{Saved, restore};
use super::session::{Session, open};
use super::variable::{Switches, lock_wait};
use super::{count_of, own_target, unlogged};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct AllowWrites;

/// What a step asks for.
#[derive(Debug)]
struct Order {
    accounts: Vec<String>,
    databases: Vec<String>,
    privileges: Vec<String>,
    server: bool,
    canaries: Vec<Canary>,
    cut: bool,
    within: Duration,
    binlog: bool,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let mut privileges = params.texts("privileges")?;
        if params.get("privileges").is_none() {
            privileges = ["insert", "update", "delete"].map(str::to_owned).to_vec();
        }
        let order = Self {
            accounts: params.texts("accounts")?,
            databases: params.texts("databases")?,
            privileges,
            server: params.flag("server")?,
            canaries: Canary::all(call)?,
            cut: params.get("cut_sessions").is_none() || params.flag("cut_sessions")?,
            within: params.opt_span("within")?.unwrap_or(Span::from_secs(10)).as_duration(),
            binlog: params.flag("binlog")?,
        };
        match (order.accounts.is_empty(), order.databases.is_empty() || order.privileges.is_empty()) {
            (true, _) if !order.server => {
                Err(ActionError::untouched("nothing is to be opened: name `accounts`, or say `server: true`"))
            }
            (false, true) => Err(ActionError::untouched("the accounts need `databases` to write to, and `privileges`")),
            (true | false, _) => Ok(order),
        }
    }
}

/// What is there now, and what has to change.
struct Sight {
    session: Session,
    scope: Scope,
    missing: BTreeSet<Grant>,
    wanted: Switches,
}

async fn look(call: &Call, order: &Order) -> Result<Sight, ActionError> {
    let mut session = open(call, own_target(call)?).await?;
    let scope = Scope::of(&mut session, &order.accounts, &order.databases).await?;
    let missing = gift::missing(&scope, &order.privileges)?;
    let wanted = if order.server { scope.switches.accepting() } else { scope.switches.clone() };
    Ok(Sight { session, scope, missing, wanted })
}

impl Sight {
    /// The server first: one that is read-only may refuse the grants too.
    fn statements(&self) -> Vec<String> {
        let mut statements = self.scope.switches.statements_to(&self.wanted);
        statements.extend(grants(&self.missing));
        statements
    }

    fn takes_back(&self) -> Vec<String> {
        let mut statements = revokes(&self.missing);
        statements.extend(self.wanted.statements_to(&self.scope.switches));
        statements
    }

    /// A server that stays read-only accepts nobody's writes, whatever is granted.
    fn blocker(&self) -> Option<String> {
        self.wanted.refuses().then(|| "the server is read-only, so no write would be accepted".to_owned())
    }

    fn outputs(&self, given: usize, cut: usize) -> Value {
        json!({ "accounts": self.scope.frozen.len(), "granted": given, "sessions_cut": cut })
    }

    fn accounts(&self) -> Vec<String> {
        self.scope.frozen.iter().map(Account::label).collect()
    }
}

#[async_trait]
impl Inspect for AllowWrites {
    fn name(&self) -> &'static str {
        "mysql.allow_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut sight = look(call, &order).await?;
        let sessions = cut::open(&mut sight.session, &sight.scope.logins).await?.len();
        let (mut statements, mut undo) = (unlogged(order.binlog), unlogged(order.binlog));
        statements.extend(sight.statements());
        if order.cut && !sight.missing.is_empty() {
            statements.push("KILL CONNECTION <each session of the accounts>".to_owned());
        }
        undo.push(lock_wait(order.within));
        undo.extend(sight.takes_back());
        let blocker = |what| Blocker { what, owner: None };
        let found = Inspection {
            identity: sight.session.identity(),
            state: json!({
                "accounts": sight.accounts(), "databases": sight.scope.databases, "privileges_to_give": sight.missing.len(),
                "sessions": sessions, "switches": sight.scope.switches.to_value(),
            }),
            statements,
            undo_statements: undo,
            blockers: sight.blocker().map(blocker).into_iter().collect(),
            expected_ms: Some(100),
        };
        sight.session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let mut sight = look(call, &order).await?;
        let saved = Saved::take(&mut sight.session, &sight.scope).await?;
        let flights = fly(call, &order, &mut sight).await?;
        if let Some(why) = flights.iter().find_map(Flight::broken) {
            return Err(ActionError::untouched(why).hint("correct the canary; nothing was changed"));
        }
        let snapshot = json!({
            "identity": sight.session.identity(), "saved": saved.to_value(), "missing": grant::to_value(&sight.missing),
            "canaries": flights.iter().map(Flight::facts).collect::<Vec<_>>(),
        });
        sight.session.close().await;
        Ok(snapshot)
    }

    /// Whether the accounts may write can be seen; whether a session of theirs is older than that cannot.
    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, saved) = (Order::of(call)?, Saved::from_value(&snapshot["saved"])?);
        let mut sight = look(call, &order).await?;
        let lacked = grant::from_value(&snapshot["missing"])?.len();
        let (left, sessions) = (sight.statements().len(), cut::open(&mut sight.session, &sight.scope.logins).await?.len());
        let difference = saved.difference(&mut sight.session).await?;
        let as_before = difference.statements(&saved).is_empty();
        let finding = if left > 0 && as_before {
            Finding::NotApplied
        } else if left > 0 {
            Finding::Partial(format!("{} would still be sent", count_of(left, "statement")))
        } else if order.cut && lacked > 0 && sessions > 0 {
            Finding::Partial(format!(
                "the accounts may write, and {} of theirs may be older than that and still be refused: apply again, it cuts them",
                count_of(sessions, "session")
            ))
        } else {
            Finding::Applied
        };
        let outputs = sight.outputs(difference.extra.len(), 0);
        sight.session.close().await;
        Ok(Probed { finding, outputs, facts: json!({ "left": left, "given": difference.extra.len(), "sessions": sessions }) })
    }
}

async fn fly(call: &Call, order: &Order, sight: &mut Sight) -> Result<Vec<Flight>, ActionError> {
    canary::fly_all(call, own_target(call)?, &mut sight.session, &order.canaries, &sight.scope.databases).await
}

async fn give(call: &Call, order: &Order) -> Result<Applied, ActionError> {
    let mut sight = look(call, order).await?;
    if let Some(why) = sight.blocker() {
        return Err(ActionError::untouched(why).hint("say `server: true`, or let `mysql.promote` open it before"));
    }
    let statements = sight.statements();
    if !statements.is_empty() {
        for sql in unlogged(order.binlog) {
            sight.session.execute(&sql).await?;
        }
    }
    for (at, sql) in statements.iter().enumerate() {
        let sent = sight.session.execute(sql).await;
        sent.map_err(|error| if at == 0 { error.of_first_change(sql) } else { error.of_change(sql) })?;
    }
    // An earlier attempt may have given the privileges and not come to the sessions.
    let cut = if order.cut && (!sight.missing.is_empty() || call.attempt > 1) {
        let ended = end_sessions(&mut sight.session, &sight.scope.logins, Sessions::Cut, order.within).await;
        ended.map_err(ActionError::after_change)?
    } else {
        0
    };
    sight.session.recorder().progress(&format!("{} may write", count_of(sight.scope.frozen.len(), "account")));
    let outputs = sight.outputs(sight.missing.len(), cut);
    sight.session.close().await;
    Ok(Applied { outputs })
}

async fn prove(call: &Call, order: &Order) -> Result<Evidence, ActionError> {
    let failed = |why: String| ActionError::touched(format!("writes are not accepted: {why}"));
    let mut sight = look(call, order).await?;
    if let Some(sql) = sight.statements().first() {
        return Err(failed(format!("`{sql}` would still change something")));
    }
    if let Some(why) = sight.blocker() {
        return Err(failed(why));
    }
    let flights = fly(call, order, &mut sight).await?;
    let privileges = if order.accounts.is_empty() { &[] } else { &order.privileges[..] };
    canary::all_accepted(&flights, privileges).map_err(failed)?;
    let covered = |account: &&Account| order.canaries.iter().any(|canary| canary.user == account.user);
    let uncovered: Vec<_> = sight.scope.frozen.iter().filter(|account| !covered(account)).map(Account::label).collect();
    let evidence = Evidence::new(json!({
        "identity": sight.session.identity(), "accounts": sight.accounts(), "privileges_missing": 0,
        "canaries": flights.iter().map(Flight::facts).collect::<Vec<_>>(), "accounts_without_canary": uncovered,
        "switches": sight.scope.switches.to_value(),
    }));
    sight.session.close().await;
    Ok(evidence)
}

/// Back to the snapshot: the privileges go, then the sessions that hold them, and only then the server may wait for what is open.
async fn take_back(call: &Call, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let (target, saved) = (own_target(call)?, Saved::from_value(&snapshot["saved"])?);
    let mut session = open(call, target).await?;
    for sql in unlogged(order.binlog).into_iter().chain([lock_wait(order.within)]) {
        session.execute(&sql).await?;
    }
    let privileges = saved.difference(&mut session).await?.of_privileges();
    for sql in &privileges {
        session.execute(sql).await.map_err(|error| error.of_change(sql))?;
    }
    let logins = saved.holders.iter().filter(|account| !account.role).map(|account| account.user.clone()).collect();
    let cut = if privileges.is_empty() {
        0
    } else {
        end_sessions(&mut session, &logins, Sessions::Cut, order.within).await.map_err(ActionError::after_change)?
    };
    let (mut facts, _) = restore(&mut session, &saved).await?;
    let databases = super::order::databases(&mut session, &order.databases).await.map_err(ActionError::after_change)?;
    let flights =
        canary::fly_all(call, target, &mut session, &order.canaries, &databases).await.map_err(ActionError::after_change)?;
    canary::as_before(&flights, &snapshot["canaries"])
        .map_err(|why| ActionError::touched(format!("writes are not accepted and refused as before: {why}")))?;
    facts["statements"] = json!(facts["statements"].as_u64().unwrap_or(0) + privileges.len() as u64);
    facts["identity"] = session.identity();
    facts["sessions_cut"] = json!(cut);
    facts["canaries"] = flights.iter().map(Flight::facts).collect();
    session.close().await;
    Ok(Evidence::new(facts))
}

/// What a person sends where the undo could not.
fn by_hand(order: &Order, snapshot: &Value) -> Vec<String> {
    let mut statements = unlogged(order.binlog);
    if let Ok(saved) = Saved::from_value(&snapshot["saved"]) {
        statements.extend(saved.by_hand_without(grant::from_value(&snapshot["missing"]).unwrap_or_default()));
    }
    statements
}

#[async_trait]
impl Act for AllowWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        give(call, &Order::of(call)?).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, &Order::of(call)?).await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let undone = take_back(call, &order, snapshot).await;
        undone.map_err(|error| if error.manual.is_empty() { error.manual(by_hand(&order, snapshot)) } else { error })
    }
}
