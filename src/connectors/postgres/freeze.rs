//! `postgres.freeze_writes`: snapshot, control, deny, cut, barrier, fence; and the exact thaw.
//!
//! The order is the point. A fence that is read before the barrier misses what open transactions still write; a barrier before the
//! deny misses what begins after it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::barrier::{self, Cut, NotPassed, Passed};
use super::bypass::{Bypass, inventory, may_act_as, prepared, unsigned};
use super::canary::{self, Canary, Expected, canaries};
use super::grant::{Grant, Grants};
use super::proof;
use super::saved::{Saved, begin, commit, login_statement, roll_back};
use super::scope::{Scope, Selection};
use super::session::{Session, open};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, count_of, own_target};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct FreezeWrites;

/// What a step asks for.
struct Order {
    selection: Selection,
    barrier: Duration,
    terminate: bool,
    cut: Cut,
    deny_login: bool,
    canaries: Vec<Canary>,
    accepted: Vec<String>,
}

/// What is there now.
struct Sight {
    session: Session,
    scope: Scope,
    grants: Grants,
    /// The rows that the freeze takes away.
    denied: BTreeSet<Grant>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self {
            selection: Selection::of(call)?,
            barrier: call.params.opt_span("barrier_within")?.unwrap_or(Span::from_secs(10)).as_duration(),
            terminate: call.params.opt_text("long_transactions")? == Some("terminate"),
            cut: match call.params.opt_text("cut")? {
                Some("writers") => Cut::Writers,
                Some("none") => Cut::Nobody,
                _ => Cut::All,
            },
            deny_login: call.params.opt_text("login")? == Some("deny"),
            canaries: canaries(call)?,
            accepted: call.params.texts("accept_bypasses")?,
        })
    }

    async fn look(&self, call: &Call) -> Result<Sight, ActionError> {
        let session = open_clean(call).await?;
        let scope = self.selection.scope(&session).await?;
        if scope.tables().is_empty() {
            return Err(ActionError::untouched("there is no table to freeze"));
        }
        let grants = Grants::of(&session, &scope).await?;
        let denied = grants.through(&scope.acting);
        Ok(Sight { session, scope, grants, denied })
    }

    /// What is sent to deny, from now on.
    fn statements(&self, sight: &Sight) -> Vec<String> {
        let mut script = sight.grants.revokes(&sight.denied);
        if self.deny_login {
            script.extend(sight.scope.roles.iter().filter(|r| r.login).map(|role| login_statement(&role.name, false)));
        }
        script
    }
}

/// Opens a session in which names mean the server's own.
pub(super) async fn open_clean(call: &Call) -> Result<Session, ActionError> {
    let session = open(call, own_target(call)?).await?;
    session.silently("SET search_path = pg_catalog, pg_temp").await?;
    Ok(session)
}

impl Sight {
    fn saved(&self) -> Saved {
        let mut watched: BTreeSet<String> = self.denied.iter().map(|row| row.grantee.clone()).collect();
        watched.extend(self.scope.acting.iter().cloned());
        watched.insert(String::new());
        Saved::of(&self.scope, &self.grants, watched)
    }

    async fn bypasses(&self) -> Result<Vec<Bypass>, ActionError> {
        let kept: Vec<_> = self.grants.rows.iter().filter(|row| !self.denied.contains(row)).collect();
        inventory(&self.session, &self.scope, &kept).await
    }

    /// What the account of this session cannot do.
    async fn obstacles(&self) -> Result<Vec<String>, ActionError> {
        let mut found = Vec::new();
        let user = self.session.value("SELECT session_user::text").await?.unwrap_or_default();
        if self.scope.acting.contains(&user) {
            found.push(format!("{user}, the account of this target, is one of the roles to freeze or lends them its rights"));
        }
        if self.session.identity()["in_recovery"] == json!(true) {
            found.push("the server is a standby and takes no change".to_owned());
        }
        let owner = |row: &Grant| self.grants.objects.get(&row.object).map(|object| object.owner.clone());
        let grantors: BTreeSet<_> =
            self.denied.iter().map(|row| row.grantor.clone()).chain(self.denied.iter().filter_map(owner)).collect();
        for role in grantors {
            if !may_act_as(&self.session, &role).await? {
                found.push(format!("{user} may not act as {role}, who gave rights that have to be taken away"));
            }
        }
        let open = proof::not_lockable(&self.session, &self.scope).await?;
        if !open.is_empty() {
            found.push(format!("{user} may not lock {}: grant it UPDATE on them, directly", open.join(", ")));
        }
        Ok(found)
    }
}

#[async_trait]
impl Inspect for FreezeWrites {
    fn name(&self) -> &'static str {
        "postgres.freeze_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let sight = order.look(call).await?;
        let found = sight.bypasses().await?;
        let open = unsigned(&found, &order.accepted)?;
        let mut blockers: Vec<_> =
            open.iter().map(|bypass| Blocker { what: bypass.to_string(), owner: Some(bypass.name.clone()) }).collect();
        blockers.extend(sight.obstacles().await?.into_iter().map(|what| Blocker { what, owner: None }));
        let tables = sight.scope.tables();
        let mut statements = framed(order.statements(&sight));
        if order.cut != Cut::Nobody {
            statements.push(format!("SELECT pg_terminate_backend(pid) /* {:?} sessions of the roles */", order.cut));
        }
        let names: Vec<_> = tables.iter().map(|table| table.quoted()).collect();
        statements.push(format!("LOCK TABLE ONLY {} IN SHARE MODE", names.join(", ONLY ")));
        statements.push("SELECT pg_current_wal_insert_lsn()".to_owned());
        let mut undo = sight.grants.grants(&sight.denied);
        if order.deny_login {
            undo.extend(sight.scope.roles.iter().filter(|r| r.login).map(|role| login_statement(&role.name, true)));
        }
        Ok(Inspection {
            identity: sight.session.identity(),
            state: json!({
                "roles": sight.scope.role_names(), "acting_as": sight.scope.acting, "tables": tables.len(),
                "grants_to_take": sight.denied.len(), "bypasses": found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
            statements,
            undo_statements: framed(undo),
            blockers,
            expected_ms: Some(100 + tables.len() as u64),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let sight = Order::of(call)?.look(call).await?;
        Ok(sight.saved().to_value(sight.session.identity()))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, saved) = (Order::of(call)?, Saved::from_value(snapshot)?);
        let sight = order.look(call).await?;
        let difference = saved.difference(&sight.session).await?.0;
        let may_log_in = order.deny_login && sight.scope.roles.iter().any(|role| role.login);
        let facts = json!({
            "grants_left": sight.denied.len(), "taken": difference.missing.len(), "added": difference.extra.len(),
        });
        let without = |finding| Probed { finding, outputs: Value::Null, facts: facts.clone() };
        if difference.is_empty() && (!sight.denied.is_empty() || may_log_in) {
            return Ok(without(Finding::NotApplied));
        }
        if !sight.denied.is_empty() || may_log_in {
            return Ok(without(Finding::Partial(format!(
                "{} of the frozen roles are left and {} were taken",
                count_of(sight.denied.len(), "grant"),
                difference.missing.len()
            ))));
        }
        // The grants are gone; only a barrier tells whether everything that was open has ended, and its fence is later and safe.
        match barrier::pass(&sight.session, &sight.scope, order.barrier).await {
            Ok(passed) => {
                let outputs = outputs(&sight.scope, &passed, 0);
                Ok(Probed { finding: Finding::Applied, outputs, facts })
            }
            Err(NotPassed::Held(by)) => {
                Ok(without(Finding::Partial(format!("writes are denied, and open transactions have not ended: {by}"))))
            }
            Err(NotPassed::Statement(error)) => Ok(without(Finding::Unknown(error.to_string()))),
        }
    }
}

fn outputs(scope: &Scope, passed: &Passed, cut: usize) -> Value {
    json!({ "fence": passed.fence, "tables": scope.tables().len(), "sessions_cut": cut, "barrier_ms": passed.ms })
}

async fn deny(order: &Order, sight: &Sight) -> Result<(), ActionError> {
    let session = &sight.session;
    let statements = order.statements(sight);
    if statements.is_empty() {
        return Ok(());
    }
    begin(session, &statements).await?;
    let after = Grants::of(session, &sight.scope).await?;
    let left = after.through(&sight.scope.acting);
    if let Some(row) = left.first() {
        roll_back(session).await;
        // A REVOKE of a grant that somebody else gave is a warning and takes nothing away.
        return Err(ActionError::untouched(format!("{} cannot be taken away; everything was rolled back", row.shown(&after))));
    }
    commit(session).await?;
    session.recorder().progress(&format!("writes to {} are denied", count_of(sight.scope.tables().len(), "table")));
    Ok(())
}

async fn barrier_of(order: &Order, sight: &Sight) -> Result<Passed, ActionError> {
    let (session, scope) = (&sight.session, &sight.scope);
    let mut passed = barrier::pass(session, scope, order.barrier).await;
    if order.terminate && matches!(passed, Err(NotPassed::Held(_))) {
        barrier::sessions(session, scope, Cut::Writers).await?;
        passed = barrier::pass(session, scope, order.barrier).await;
    }
    passed.map_err(|error| {
        ActionError::touched(format!("the grants are taken away, and {error}"))
            .hint("end the transactions and retry, or roll back: the thaw gives every grant back")
    })
}

async fn freeze(call: &Call, order: &Order) -> Result<Applied, ActionError> {
    let sight = order.look(call).await?;
    let refused = |what: String| ActionError::untouched(format!("the freeze would not hold: {what}"));
    let open = unsigned(&sight.bypasses().await?, &order.accepted)?;
    if !open.is_empty() {
        let list: Vec<_> = open.iter().map(ToString::to_string).collect();
        return Err(refused(list.join("; ")).hint("close them, or sign for them under `accept_bypasses`, as kind or kind/name"));
    }
    if let Some(what) = sight.obstacles().await?.into_iter().next() {
        return Err(refused(what));
    }
    if !sight.denied.is_empty() {
        let control = canary::send(call, &sight.session, &sight.scope, &order.canaries, Expected::SomeAccepted).await;
        control.map_err(|why| ActionError::untouched(format!("before the freeze: {why}")))?;
    }
    deny(order, &sight).await?;
    let cut = barrier::sessions(&sight.session, &sight.scope, order.cut).await.map_err(ActionError::after_change)?;
    let passed = barrier_of(order, &sight).await.map_err(ActionError::after_change)?;
    let open = prepared(&sight.session).await.map_err(|error| ActionError::from(error).after_change())?;
    if !open.is_empty() && !order.accepted.iter().any(|line| line.starts_with("prepared_transaction")) {
        return Err(ActionError::touched(format!("prepared transactions are open: {}", open.join(", "))));
    }
    Ok(Applied { outputs: outputs(&sight.scope, &passed, cut) })
}

async fn thaw(call: &Call, saved: &Saved) -> Result<Evidence, ActionError> {
    let session = open_clean(call).await?;
    let mut facts = saved.restore(&session).await?;
    // A role or table that is gone must not stop the way back; then there is nothing left to send canaries to.
    if let Ok(scope) = Selection::of(call)?.scope(&session).await {
        let sent = canary::send(call, &session, &scope, &canaries(call)?, Expected::AsGranted).await;
        facts["canaries"] = sent.map_err(|why| ActionError::touched(format!("the grants are restored, but {why}")))?;
    }
    Ok(Evidence::new(facts))
}

#[async_trait]
impl Act for FreezeWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        freeze(call, &Order::of(call)?).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let proof = async {
            let sight = order.look(call).await?;
            let failed = |what: String| ActionError::touched(format!("the freeze does not hold: {what}"));
            if let Some(row) = sight.denied.first() {
                return Err(failed(row.shown(&sight.grants)));
            }
            if let Some(role) = sight.scope.roles.iter().find(|role| role.login && order.deny_login) {
                return Err(failed(format!("{} may log in", role.name)));
            }
            let found = sight.bypasses().await?;
            if let Some(bypass) = unsigned(&found, &order.accepted)?.first() {
                return Err(failed(bypass.to_string()));
            }
            let mut facts = proof::nobody_writes(&sight.session, &sight.scope, found.is_empty()).await.map_err(failed)?;
            let sent = canary::send(call, &sight.session, &sight.scope, &order.canaries, Expected::AllRefused).await;
            facts["canaries"] = sent.map_err(failed)?;
            facts["accepted_bypasses"] = json!(found.iter().map(ToString::to_string).collect::<Vec<_>>());
            facts["fence"] = applied.outputs["fence"].clone();
            Ok(Evidence::new(facts))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let saved = Saved::from_value(snapshot)?;
        thaw(call, &saved).await.map_err(|error| error.manual(saved.by_hand()))
    }
}

/// Statements in one transaction, as an inspection shows them.
pub(super) fn framed(middle: Vec<String>) -> Vec<String> {
    [vec!["BEGIN".to_owned()], middle, vec!["COMMIT".to_owned()]].concat()
}
