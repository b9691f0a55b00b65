//! `mysql.kill_sessions`: ends sessions and waits until they are gone. There is no way back and none is needed: whoever needs a session
//! opens one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::selection::{Open, Selection};
use super::session::{Session, StatementError, open};
use super::{count_of, own_target};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct KillSessions;

/// The pause between two looks.
const EVERY: Duration = Duration::from_millis(50);

/// There is no such connection (any more).
const NO_SUCH_THREAD: u16 = 1094;

fn within(call: &Call) -> Result<Duration, ActionError> {
    Ok(call.params.opt_span("within")?.unwrap_or(Span::from_secs(10)).as_duration())
}

fn names(sessions: &[Open]) -> BTreeSet<String> {
    sessions.iter().map(Open::name).collect()
}

/// How many there are of whom.
fn counted<'a>(sessions: impl IntoIterator<Item = &'a Open>) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for session in sessions {
        *owners.entry(session.owner()).or_default() += 1;
    }
    owners
}

/// The sessions that the snapshot names.
fn meant(snapshot: &Value) -> Result<BTreeSet<String>, ActionError> {
    let named = snapshot["sessions"].as_array().ok_or_else(|| ActionError::untouched("the snapshot names no sessions"))?;
    Ok(named.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[async_trait]
impl Inspect for KillSessions {
    fn name(&self) -> &'static str {
        "mysql.kill_sessions"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let selection = Selection::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let found = selection.open(&mut session).await?;
        let inspection = Inspection {
            identity: session.identity(),
            state: json!({ "sessions": found.len(), "of": counted(&found) }),
            statements: found.iter().map(|open| format!("KILL CONNECTION {}", open.id)).collect(),
            expected_ms: Some(100),
            ..Inspection::default()
        };
        session.close().await;
        Ok(inspection)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let selection = Selection::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let found = selection.open(&mut session).await?;
        let snapshot = json!({ "identity": session.identity(), "sessions": names(&found) });
        session.close().await;
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (selection, meant) = (Selection::of(call)?, meant(snapshot)?);
        let mut session = open(call, own_target(call)?).await?;
        let found = names(&selection.open(&mut session).await?);
        session.close().await;
        let left = meant.intersection(&found).count();
        let finding = match left {
            0 => Finding::Applied,
            all if all == meant.len() => Finding::NotApplied,
            some => Finding::Partial(format!("{} of {} are left", some, count_of(meant.len(), "session"))),
        };
        let outputs = json!({ "sessions_cut": meant.len() - left });
        Ok(Probed { finding, outputs, facts: json!({ "meant": meant.len(), "left": left }) })
    }
}

/// Ends them; answers how many. A session that goes by itself meanwhile is none of them.
async fn kill(session: &mut Session, sessions: &[Open]) -> Result<usize, ActionError> {
    let mut cut = 0;
    for open in sessions {
        let sql = format!("KILL CONNECTION {}", open.id);
        match session.execute(&sql).await {
            Ok(_) => cut += 1,
            Err(StatementError::Server { code: NO_SUCH_THREAD, .. }) => {}
            Err(StatementError::Server { message, .. }) if cut == 0 => {
                return Err(ActionError::untouched(format!("{} cannot be ended: {message}", open.described())));
            }
            Err(error) => return Err(error.of_change(&sql)),
        }
    }
    Ok(cut)
}

/// Waits until none of them is there; a session that rolls a long transaction back stays until it has.
async fn gone(session: &mut Session, sessions: &[Open], within: Duration) -> Result<(), ActionError> {
    let patience = session.patience().at_most(within);
    let named: Vec<String> = sessions.iter().map(|open| open.id.to_string()).collect();
    let sql = format!("SELECT ID AS id FROM information_schema.processlist WHERE ID IN ({})", named.join(", "));
    while !sessions.is_empty() {
        let left = session.silently(&sql).await?;
        let is_left = |open: &&Open| left.iter().any(|row| row.get("id").and_then(|id| id.as_i64()) == Some(open.id));
        let Some(first) = sessions.iter().find(is_left) else { break };
        if let Err(stopped) = patience.sleep(EVERY).await {
            return Err(ActionError::untouched(format!(
                "{} did not go after being told to ({stopped}), such as {}: it may be rolling a long transaction back",
                count_of(left.len(), "session"),
                first.described()
            ))
            .hint("give it more time under `within`"));
        }
    }
    Ok(())
}

#[async_trait]
impl Act for KillSessions {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let selection = Selection::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let found = selection.open(&mut session).await?;
        let cut = kill(&mut session, &found).await?;
        gone(&mut session, &found, within(call)?).await.map_err(ActionError::after_change)?;
        session.recorder().progress(&format!("{} cut", count_of(cut, "session")));
        session.close().await;
        Ok(Applied { outputs: json!({ "sessions_cut": cut }) })
    }

    /// None of those that were there is left. Who has connected again is named, and refused where the step says so.
    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let proof = async {
            let (selection, meant) = (Selection::of(call)?, meant(snapshot)?);
            let mut session = open(call, own_target(call)?).await?;
            let found = selection.open(&mut session).await?;
            let (left, again): (Vec<_>, Vec<_>) = found.iter().partition(|open| meant.contains(&open.name()));
            if let Some(open) = left.first() {
                return Err(ActionError::touched(format!("it is still there: {}", open.described())));
            }
            let refuse = call.params.opt_text("reconnects")? == Some("refuse");
            if let Some(open) = again.first().filter(|_| refuse) {
                let message = format!("{} connected again: {}", count_of(again.len(), "session"), open.described());
                return Err(ActionError::touched(message).hint("stop who connects, or take the login or the network first"));
            }
            let facts = json!({ "identity": session.identity(), "left": 0, "connected_again": counted(again) });
            session.close().await;
            Ok(Evidence::new(facts))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(json!({ "undo": "sessions that were ended stay ended; whoever needs one connects again" })))
    }
}
