//! `postgres.allow_writes`: gives roles the writes on a new side, and proves that they get past. Its undo is the exact state before.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;

use super::canary::{self, Expected, canaries};
use super::freeze::{framed, open_clean};
use super::grant::{Grant, Grants};
use super::saved::{Saved, begin, commit, login_statement};
use super::scope::{Scope, Selection};
use super::session::Session;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, count_of};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct AllowWrites;

/// What is there now, and what is missing.
struct Sight {
    session: Session,
    scope: Scope,
    grants: Grants,
    missing: BTreeSet<Grant>,
    logins: Vec<String>,
}

async fn look(call: &Call) -> Result<Sight, ActionError> {
    let selection = Selection::of(call)?;
    let session = open_clean(call).await?;
    let scope = selection.scope(&session).await?;
    let grants = Grants::of(&session, &scope).await?;
    let mut privileges = call.params.texts("privileges")?;
    if privileges.is_empty() {
        privileges = ["INSERT", "UPDATE", "DELETE"].map(str::to_owned).to_vec();
    }
    let mut missing = BTreeSet::new();
    for relation in &scope.relations {
        let sequence = ["USAGE".to_owned()];
        let wanted = if relation.kind == 'S' { &sequence[..] } else { &privileges };
        for (role, privilege) in scope.roles.iter().flat_map(|role| wanted.iter().map(move |privilege| (role, privilege))) {
            let row = Grant {
                object: format!("r{}", relation.oid),
                column: String::new(),
                grantor: relation.owner.clone(),
                grantee: role.name.clone(),
                privilege: privilege.to_uppercase(),
                option: false,
            };
            let is = |there: &Grant| Grant { grantor: row.grantor.clone(), option: false, ..there.clone() } == row;
            if !grants.rows.iter().any(is) {
                missing.insert(row);
            }
        }
    }
    let allowed = call.params.opt_text("login")? == Some("allow");
    let logins = scope.roles.iter().filter(|role| allowed && !role.login).map(|role| role.name.clone()).collect();
    Ok(Sight { session, scope, grants, missing, logins })
}

impl Sight {
    fn statements(&self) -> Vec<String> {
        let mut script = self.grants.grants(&self.missing);
        script.extend(self.logins.iter().map(|role| login_statement(role, true)));
        script
    }

    fn takes_back(&self) -> Vec<String> {
        let mut script = self.grants.revokes(&self.missing);
        script.extend(self.grants.grants(&self.grants.deleted_with(&self.missing)));
        script.extend(self.logins.iter().map(|role| login_statement(role, false)));
        script
    }

    fn outputs(&self, given: usize) -> Value {
        json!({ "tables": self.scope.tables().len(), "granted": given })
    }

    fn holds(&self) -> bool {
        self.missing.is_empty() && self.logins.is_empty()
    }
}

#[async_trait]
impl Inspect for AllowWrites {
    fn name(&self) -> &'static str {
        "postgres.allow_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let sight = look(call).await?;
        Ok(Inspection {
            identity: sight.session.identity(),
            state: json!({
                "roles": sight.scope.role_names(), "tables": sight.scope.tables().len(), "grants_to_give": sight.missing.len(),
            }),
            statements: framed(sight.statements()),
            undo_statements: framed(sight.takes_back()),
            blockers: Vec::new(),
            expected_ms: Some(50 + sight.scope.relations.len() as u64),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let sight = look(call).await?;
        let watched = sight.scope.role_names().into_iter().collect();
        let mut snapshot = Saved::of(&sight.scope, &sight.grants, watched).to_value(sight.session.identity());
        snapshot["by_hand"] = json!(sight.takes_back());
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (sight, saved) = (look(call).await?, Saved::from_value(snapshot)?);
        let difference = saved.difference(&sight.session).await?.0;
        let finding = if sight.holds() {
            Finding::Applied
        } else if difference.is_empty() {
            Finding::NotApplied
        } else {
            Finding::Partial(format!("{} are missing", count_of(sight.missing.len(), "grant")))
        };
        let facts = json!({ "missing": sight.missing.len(), "given": difference.extra.len() });
        Ok(Probed { finding, outputs: sight.outputs(difference.extra.len()), facts })
    }
}

async fn canaries_pass(call: &Call, sight: &Sight) -> Result<Value, ActionError> {
    let failed = |why: String| ActionError::touched(format!("writes are not accepted: {why}"));
    let (session, scope) = (&sight.session, &sight.scope);
    let list = canaries(call)?;
    canary::send(call, session, scope, &list, Expected::SomeAccepted).await.map_err(failed)?;
    canary::send(call, session, scope, &list, Expected::AsGranted).await.map_err(failed)
}

#[async_trait]
impl Act for AllowWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let sight = look(call).await?;
        if !sight.holds() {
            begin(&sight.session, &sight.statements()).await?;
            commit(&sight.session).await?;
            sight.session.recorder().progress(&format!("writes to {} are given", count_of(sight.scope.tables().len(), "table")));
        }
        Ok(Applied { outputs: sight.outputs(sight.missing.len()) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let proof = async {
            let sight = look(call).await?;
            if let Some(row) = sight.missing.first() {
                return Err(ActionError::touched(format!("not given: {}", row.shown(&sight.grants))));
            }
            if let Some(role) = sight.logins.first() {
                return Err(ActionError::touched(format!("{role} may not log in")));
            }
            let canaries = canaries_pass(call, &sight).await?;
            Ok(Evidence::new(json!({
                "identity": sight.session.identity(), "tables": sight.scope.tables().len(), "canaries": canaries,
            })))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let saved = Saved::from_value(snapshot)?;
        let undone = async {
            let session = open_clean(call).await?;
            let mut facts = saved.restore(&session).await?;
            if let Ok(scope) = Selection::of(call)?.scope(&session).await {
                let sent = canary::send(call, &session, &scope, &canaries(call)?, Expected::AsGranted).await;
                facts["canaries"] = sent.map_err(|why| ActionError::touched(format!("the grants are as before, but {why}")))?;
            }
            Ok(Evidence::new(facts))
        };
        let by_hand = snapshot["by_hand"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let by_hand = framed(by_hand.map(str::to_owned).collect()).into_iter().map(|statement| format!("{statement};"));
        undone.await.map_err(|error: ActionError| error.manual(by_hand.collect()))
    }
}
