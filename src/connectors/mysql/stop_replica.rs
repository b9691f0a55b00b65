//! `mysql.stop_replica`: the replica reads and applies nothing more; its settings stay as they are.

use async_trait::async_trait;
use serde_json::json;

use super::following::{Following, by_hand, start};
use super::replica::{Replica, Thread, named};
use super::session::{Session, open};
use super::wait_replica::not_a_replica;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct StopReplica;

pub(super) fn channel(call: &Call) -> Result<String, ActionError> {
    Ok(call.params.opt_text("channel")?.unwrap_or_default().to_owned())
}

async fn look(session: &mut Session, channel: &str) -> Result<Replica, ActionError> {
    Replica::read(session, channel).await?.ok_or_else(|| not_a_replica(channel))
}

fn is_stopped(replica: &Replica) -> bool {
    replica.reader() == Thread::Stopped && replica.applier() == Thread::Stopped
}

async fn position(session: &mut Session) -> Result<Option<String>, ActionError> {
    let sql = match session.dialect() {
        super::session::Dialect::MariaDb => "SELECT @@global.gtid_slave_pos AS position",
        super::session::Dialect::MySql => "SELECT @@global.gtid_executed AS position",
    };
    Ok(session.value(sql).await?)
}

#[async_trait]
impl Inspect for StopReplica {
    fn name(&self) -> &'static str {
        "mysql.stop_replica"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let replica = look(&mut session, &channel).await?;
        let dialect = session.dialect();
        let found = Inspection {
            identity: session.identity(),
            state: json!({ "replica": replica.facts(), "applied": position(&mut session).await? }),
            statements: vec![named(dialect, &channel, "STOP", "")],
            undo_statements: vec![named(dialect, &channel, "START", "")],
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let replica = look(&mut session, &channel).await?;
        let snapshot = json!({ "following": Following::of(&replica).to_json() });
        session.close().await;
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let replica = look(&mut session, &channel).await?;
        let finding = match (replica.reader() == Thread::Stopped, replica.applier() == Thread::Stopped) {
            (true, true) => Finding::Applied,
            (false, false) => Finding::NotApplied,
            (true, false) => Finding::Partial("only the IO thread is stopped".to_owned()),
            (false, true) => Finding::Partial("only the SQL thread is stopped".to_owned()),
        };
        let outputs = json!({ "applied": position(&mut session).await? });
        Ok(Probed { finding, outputs, facts: replica.facts() })
    }
}

#[async_trait]
impl Act for StopReplica {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        if !is_stopped(&look(&mut session, &channel).await?) {
            let sql = named(session.dialect(), &channel, "STOP", "");
            session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
        }
        let applied = position(&mut session).await.map_err(ActionError::after_change)?;
        session.close().await;
        Ok(Applied { outputs: json!({ "applied": applied }) })
    }

    async fn prove(&self, call: &Call, snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await.map_err(ActionError::after_change)?, channel(call)?);
        let replica = look(&mut session, &channel).await.map_err(ActionError::after_change)?;
        if !is_stopped(&replica) {
            return Err(ActionError::touched(format!("the replica runs again: {}", replica.facts())));
        }
        let changed = Following::from_json(&snapshot["following"])?.differences(&Following::of(&replica));
        if !changed.is_empty() {
            return Err(ActionError::touched(format!("somebody changed how it follows: {}", changed.join(", "))));
        }
        let now = position(&mut session).await.map_err(ActionError::after_change)?;
        if json!(now) != applied.outputs["applied"] {
            return Err(ActionError::touched(format!("the position moved to {now:?} after the replica was stopped")));
        }
        let facts = json!({ "identity": session.identity(), "replica": replica.facts(), "applied": now });
        session.close().await;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let before = Following::from_json(&snapshot["following"])?;
        let dialect = session.dialect();
        let manual = vec![before.change(dialect, &channel, "").1, named(dialect, &channel, "START", "")];
        let replica = look(&mut session, &channel).await.map_err(|error| by_hand(error, manual.clone()))?;
        let changed = before.differences(&Following::of(&replica));
        if !changed.is_empty() {
            let text = format!("somebody changed how it follows, so it is not started: {}", changed.join(", "));
            return Err(ActionError::untouched(text).manual(manual));
        }
        let started = start(&mut session, &channel, before.reads, before.applies).await;
        let replica = started.map_err(|error| by_hand(error, manual))?;
        let facts = json!({ "identity": session.identity(), "replica": replica.facts(), "differences": changed });
        session.close().await;
        Ok(Evidence::new(facts))
    }
}
