//! `rabbitmq.allow_writes`: gives users the right to publish, and proves it by a message that no queue takes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::broker::Broker;
use super::canary::{self, Expected, Writer};
use super::permission::{Permission, quoted};
use super::{own_target, sessions};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct AllowWrites;

/// Rows by user; none where a user has no row.
type Rows = BTreeMap<String, Option<Permission>>;

async fn rows(broker: &Broker, writers: &[Writer]) -> Result<Rows, ActionError> {
    let mut found = Rows::new();
    for writer in writers {
        found.insert(writer.user.clone(), broker.permission(&writer.user).await?);
    }
    Ok(found)
}

/// What the step asks for, given what is there. A user without a row gets the right to write and no other.
fn wanted(writers: &[Writer], rows: &Rows) -> Result<Rows, ActionError> {
    let nothing = Permission { configure: String::new(), write: String::new(), read: String::new() };
    let want = |writer: &Writer| {
        let missing = || ActionError::untouched(format!("`write` of {} is missing", writer.user));
        let write = writer.write.as_deref().ok_or_else(missing)?;
        let row = rows.get(&writer.user).cloned().flatten().unwrap_or_else(|| nothing.clone());
        Ok((writer.user.clone(), Some(row.writing(write))))
    };
    writers.iter().map(want).collect()
}

fn saved(snapshot: &Value) -> Result<Rows, ActionError> {
    let rows = snapshot["rows"].as_object().ok_or_else(|| ActionError::untouched("the snapshot holds no rows"))?;
    Ok(rows.iter().map(|(user, row)| (user.clone(), Permission::from_row(row))).collect())
}

fn by_hand(vhost: &str, before: &Rows) -> Vec<String> {
    let line = |(user, row): (&String, &Option<Permission>)| match row {
        Some(row) => row.by_hand(vhost, user),
        None => format!("rabbitmqctl clear_permissions -p {} {}", quoted(vhost), quoted(user)),
    };
    before.iter().map(line).collect()
}

#[async_trait]
impl Inspect for AllowWrites {
    fn name(&self) -> &'static str {
        "rabbitmq.allow_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (writers, broker) = (Writer::all(call)?, Broker::open(call, own_target(call)?).await?);
        let now = rows(&broker, &writers).await?;
        let mut statements = Vec::new();
        for (user, row) in wanted(&writers, &now)?.into_iter().filter(|(user, row)| now.get(user) != Some(row)) {
            let path = ["permissions", broker.vhost(), &user];
            statements.push(broker.shown(&Method::PUT, &path, "", row.map(|row| row.to_row()).as_ref()));
        }
        let shown: BTreeMap<_, _> = now.iter().map(|(user, row)| (user, row.as_ref().map(Permission::to_row))).collect();
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({ "rows": shown }),
            statements,
            undo_statements: by_hand(broker.vhost(), &now),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (writers, broker) = (Writer::all(call)?, Broker::open(call, own_target(call)?).await?);
        let now = rows(&broker, &writers).await?;
        let shown: BTreeMap<_, _> = now.iter().map(|(user, row)| (user, row.as_ref().map(Permission::to_row))).collect();
        Ok(json!({ "identity": broker.identity(), "rows": shown }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (writers, broker) = (Writer::all(call)?, Broker::open(call, own_target(call)?).await?);
        let now = rows(&broker, &writers).await?;
        let wanted = wanted(&writers, &now)?;
        let done = now.iter().filter(|(user, row)| wanted.get(*user) == Some(*row)).count();
        let finding = match done {
            0 => Finding::NotApplied,
            done if done == now.len() => Finding::Applied,
            done => Finding::Partial(format!("{done} of {} users may write as asked", now.len())),
        };
        Ok(Probed { finding, outputs: json!({ "users": now.len() }), facts: json!({ "as_asked": done, "users": now.len() }) })
    }
}

async fn deny_again(broker: &Broker, call: &Call, before: &Rows) -> Result<Evidence, ActionError> {
    let mut restored = Vec::new();
    for (user, row) in before {
        if broker.permission(user).await? == *row {
            continue;
        }
        let done = restored.len();
        let sent = match row {
            Some(row) => broker.set_permission(user, row).await,
            None => broker.delete(&["permissions", broker.vhost(), user]).await.map(|_| ()),
        };
        sent.map_err(|trouble| trouble.changing(&format!("restoring the permissions of {user}"), done))?;
        restored.push(user.as_str());
    }
    // A connection that published in the meantime keeps its grant.
    let within = call.params.opt_span("close_within")?.unwrap_or(Span::from_secs(15)).as_duration();
    let closing = sessions::close(broker, &restored, within, restored.len()).await?;
    for (user, row) in before {
        if broker.permission(user).await.map_err(ActionError::after_change)? != *row {
            return Err(ActionError::touched(format!("the permissions of {user} are not what they were")));
        }
    }
    let facts = json!({ "identity": broker.identity(), "restored": restored, "closed": closing.closed.len() });
    Ok(Evidence::new(facts))
}

#[async_trait]
impl Act for AllowWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (writers, broker) = (Writer::all(call)?, Broker::open(call, own_target(call)?).await?);
        let now = rows(&broker, &writers).await?;
        let mut changed = 0;
        for (user, row) in wanted(&writers, &now)? {
            let Some(row) = row.filter(|row| now.get(&user).and_then(Option::as_ref) != Some(row)) else { continue };
            let put = broker.set_permission(&user, &row).await;
            put.map_err(|trouble| trouble.changing(&format!("allowing {user} to write"), changed))?;
            changed += 1;
        }
        Ok(Applied { outputs: json!({ "users": writers.len() }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let writers = Writer::all(call)?;
        let broker = Broker::open(call, own_target(call)?).await.map_err(ActionError::after_change)?;
        let now = rows(&broker, &writers).await.map_err(ActionError::after_change)?;
        if let Some((user, _)) = wanted(&writers, &now)?.iter().find(|(user, row)| now.get(*user) != Some(*row)) {
            return Err(ActionError::touched(format!("the permissions of {user} are not as asked")));
        }
        let all: Vec<_> = writers.iter().collect();
        let canaries = canary::send(&broker, &all, Expected::Accepted)
            .await
            .map_err(|why| ActionError::touched(format!("writes are not accepted: {why}")))?;
        Ok(Evidence::new(json!({ "identity": broker.identity(), "users": now.len(), "canaries": canaries })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let before = saved(snapshot)?;
        let manual = by_hand(snapshot["identity"]["vhost"].as_str().unwrap_or("/"), &before);
        let undone = async {
            let broker = Broker::open(call, own_target(call)?).await?;
            deny_again(&broker, call, &before).await
        };
        undone.await.map_err(|error| error.manual(manual))
    }
}
