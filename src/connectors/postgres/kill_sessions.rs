//! `postgres.kill_sessions`: sessions of some roles end, such as those of a pool that still holds the old server.

use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::backend::{COLUMNS, end, shown, still_there};
use super::name::{literal, literals};
use super::scope::chosen_roles;
use super::session::{Session, open, text};
use crate::connectors::pattern::Pattern;
use crate::connectors::watch::span;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, count_of, own_target};
use crate::model::{Finding, Object, Span, Value};

/// The action.
#[derive(Debug)]
pub struct KillSessions;

/// The sessions that the step means now.
async fn meant(call: &Call, session: &Session) -> Result<Vec<Object>, ActionError> {
    let patterns = call.params.texts("roles")?;
    if patterns.is_empty() {
        return Err(ActionError::untouched("`roles` names no role"));
    }
    let except = chosen_roles(session, &call.params.texts("except")?).await?;
    let roles = chosen_roles(session, &patterns).await?.into_iter().filter(|role| !except.contains(role));
    let roles: Vec<_> = roles.map(|role| role.name).collect();
    let databases = databases(call, session).await?;
    let mut conditions = vec![
        format!("usename = ANY ({})", literals(&roles)),
        format!("datname = ANY ({})", literals(&databases)),
        "backend_type = 'client backend'".to_owned(),
        "pid <> pg_catalog.pg_backend_pid()".to_owned(),
        // Other sessions of this run, such as those of a step that runs beside this one.
        format!("NOT pg_catalog.starts_with(application_name, {})", literal(&format!("pointsman/{}/", call.run))),
    ];
    if call.params.get("idle_only").is_some() && call.params.flag("idle_only")? {
        conditions.push("state = 'idle'".to_owned());
    }
    if let Some(span) = call.params.opt_span("older_than")? {
        let ms = span.as_duration().as_millis();
        conditions.push(format!("coalesce(state_change, backend_start) <= clock_timestamp() - interval '{ms} milliseconds'"));
    }
    let sql = format!("SELECT {COLUMNS} FROM pg_catalog.pg_stat_activity WHERE {} ORDER BY pid", conditions.join(" AND "));
    Ok(session.rows(&sql).await?)
}

async fn databases(call: &Call, session: &Session) -> Result<Vec<String>, ActionError> {
    let patterns = call.params.texts("databases")?;
    let own = session.identity()["database"].as_str().unwrap_or_default().to_owned();
    if patterns.is_empty() {
        return Ok(vec![own]);
    }
    let rows = session.rows("SELECT datname::text AS name FROM pg_catalog.pg_database").await?;
    let all: Vec<_> = rows.iter().filter_map(|row| text(row, "name")).collect();
    let mut chosen = Vec::new();
    for pattern in &patterns {
        let meant = Pattern::new(pattern)?;
        let found: Vec<_> = all.iter().filter(|name| meant.means(name)).cloned().collect();
        if found.is_empty() {
            return Err(ActionError::untouched(format!("no database matches `{pattern}`")));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

fn saved(value: &Value) -> Vec<Object> {
    value["sessions"].as_array().into_iter().flatten().filter_map(Value::as_object).cloned().collect()
}

fn outputs(sessions: &[Object]) -> Value {
    json!({ "sessions_cut": sessions.len(), "sessions": sessions })
}

#[async_trait]
impl Inspect for KillSessions {
    fn name(&self) -> &'static str {
        "postgres.kill_sessions"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let session = open(call, own_target(call)?).await?;
        let meant = meant(call, &session).await?;
        let pid = |row: &Object| text(row, "pid").map(|pid| format!("SELECT pg_terminate_backend({pid}) /* {} */", shown(row)));
        Ok(Inspection {
            identity: session.identity(),
            state: outputs(&meant),
            statements: meant.iter().filter_map(pid).collect(),
            expected_ms: Some(100),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let session = open(call, own_target(call)?).await?;
        // What tells a session from every other; a name that an application chose for itself is not kept.
        let key = |row: &Object| json!({ "pid": row.get("pid"), "start": row.get("start") });
        let sessions: Vec<_> = meant(call, &session).await?.iter().map(key).collect();
        Ok(json!({ "identity": session.identity(), "sessions": sessions }))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let session = open(call, own_target(call)?).await?;
        let before = saved(snapshot);
        let left = still_there(&session, &before).await?;
        let finding = match left.len() {
            _ if before.is_empty() => Finding::NotApplied,
            0 => Finding::Applied,
            all if all == before.len() => Finding::NotApplied,
            some => Finding::Partial(format!("{some} of {} are still there", count_of(before.len(), "session"))),
        };
        Ok(Probed { finding, outputs: outputs(&before), facts: json!({ "before": before.len(), "left": left }) })
    }
}

#[async_trait]
impl Act for KillSessions {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (session, begun) = (open(call, own_target(call)?).await?, Instant::now());
        let meant = meant(call, &session).await?;
        end(&session, &meant, span(call, "within", 10_000)?).await?;
        let took = Span::from_millis(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        session.recorder().progress(&format!("{} ended in {took}", count_of(meant.len(), "session")));
        Ok(Applied { outputs: outputs(&meant) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let proof = async {
            let session = open(call, own_target(call)?).await?;
            let ended = saved(&applied.outputs);
            if let Some(row) = still_there(&session, &ended).await?.first() {
                return Err(ActionError::touched(format!("{} is still there", shown(row))));
            }
            // That clients come back is no failure, and worth knowing.
            let back = meant(call, &session).await?;
            if let (Some(row), Some("refuse")) = (back.first(), call.params.opt_text("reconnects")?) {
                return Err(ActionError::touched(format!(
                    "{} came back, such as {}",
                    count_of(back.len(), "session"),
                    shown(row)
                )));
            }
            let facts = json!({ "ended": ended.len(), "left": 0, "new_since": back.len(), "identity": session.identity() });
            Ok(Evidence::new(facts))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(json!({ "undo": "sessions that were ended do not come back; their clients connect anew" })))
    }
}
