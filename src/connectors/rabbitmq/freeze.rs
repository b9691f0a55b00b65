//! `rabbitmq.freeze_writes`: the right to publish is taken from users, then their connections are closed.
//!
//! The order is the point: an open connection keeps a grant that it used once, so the rows alone freeze nothing for up to a
//! minute; and a connection that is closed first comes back with the old right.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::broker::Broker;
use super::bypass;
use super::canary::{self, Expected, Writer};
use super::permission::{Owner, Permission, Phase, quoted};
use super::{own_target, sessions};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, count_of};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct FreezeWrites;

/// What a step asks for.
struct Order {
    writers: Vec<Writer>,
    owner: Owner,
    close_within: Duration,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self {
            writers: Writer::all(call)?,
            owner: Owner::of(call),
            close_within: call.params.opt_span("close_within")?.unwrap_or(Span::from_secs(15)).as_duration(),
        })
    }

    fn users(&self) -> Vec<&str> {
        self.writers.iter().map(|writer| writer.user.as_str()).collect()
    }

    /// The rows of the users, now. A user without a row cannot even connect: naming one is a mistake.
    async fn rows(&self, broker: &Broker) -> Result<BTreeMap<String, Permission>, ActionError> {
        let mut rows = BTreeMap::new();
        for user in self.users() {
            let row = broker.permission(user).await?.ok_or_else(|| {
                ActionError::untouched(format!("{user} has no permission in {}, so there is nothing to freeze", broker.vhost()))
            })?;
            rows.insert(user.to_owned(), row);
        }
        Ok(rows)
    }

    /// Whether this row is this step's freeze, and how far it came.
    fn own(&self, row: &Permission) -> Option<Phase> {
        row.frozen().filter(|(owner, _)| *owner == self.owner).map(|(_, phase)| phase)
    }
}

/// The rows of a snapshot.
fn saved(snapshot: &Value) -> Result<BTreeMap<String, Permission>, ActionError> {
    let rows = snapshot["rows"].as_object().ok_or_else(|| ActionError::untouched("the snapshot holds no rows"))?;
    let read = |(user, row): (&String, &Value)| {
        let row =
            Permission::from_row(row).ok_or_else(|| ActionError::untouched(format!("the saved row of {user} is broken")))?;
        Ok((user.clone(), row))
    };
    rows.iter().map(read).collect()
}

async fn topics(broker: &Broker, users: &[&str]) -> Result<Value, ActionError> {
    let mut found = serde_json::Map::new();
    for user in users {
        found.insert((*user).to_owned(), Value::Array(broker.topic_permissions(user).await?));
    }
    Ok(Value::Object(found))
}

#[async_trait]
impl Inspect for FreezeWrites {
    fn name(&self) -> &'static str {
        "rabbitmq.freeze_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let rows = order.rows(&broker).await?;
        let (mut statements, mut undo, mut blockers) = (Vec::new(), Vec::new(), Vec::new());
        let mut open = 0;
        for (user, row) in &rows {
            let path = ["permissions", broker.vhost(), user];
            for phase in [Phase::Denied, Phase::Closed] {
                let put = row.writing(&order.owner.tag(phase)).to_row();
                statements.push(broker.shown(&Method::PUT, &path, "", Some(&put)));
            }
            undo.push(broker.shown(&Method::PUT, &path, "", Some(&row.to_row())));
            let (here, elsewhere) = sessions::connections(&broker, user).await?;
            open += here.len();
            let scope = if elsewhere == 0 { "username/" } else { "" };
            let shown = if elsewhere == 0 { quoted(user) } else { format!("(each of {})", here.len()) };
            statements.push(format!("DELETE /api/connections/{scope}{shown}"));
            if let Some((owner, _)) = row.frozen().filter(|(owner, _)| owner.run != order.owner.run) {
                let what = format!("{user} is frozen already by run {}, step {}", owner.run, owner.step);
                blockers.push(Blocker { what, owner: Some(owner.run) });
            }
        }
        blockers.extend(bypass::unaccepted(&broker, call, &order.users()).await?.iter().map(bypass::Bypass::blocker));
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({
                "rows": rows.iter().map(|(user, row)| (user.clone(), row.to_row())).collect::<BTreeMap<_, _>>(),
                "connections": open,
            }),
            statements,
            undo_statements: undo,
            blockers,
            expected_ms: Some(1_000 + 200 * rows.len() as u64),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let rows: serde_json::Map<_, _> =
            order.rows(&broker).await?.into_iter().map(|(user, row)| (user, row.to_row())).collect();
        let topics = topics(&broker, &order.users()).await?;
        Ok(json!({ "identity": broker.identity(), "rows": rows, "topics": topics }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let rows = order.rows(&broker).await?;
        let phases: Vec<_> = rows.values().map(|row| order.own(row)).collect();
        let count = |wanted: Option<Phase>| phases.iter().filter(|phase| **phase == wanted).count();
        let (open, denied, closed) = (count(None), count(Some(Phase::Denied)), count(Some(Phase::Closed)));
        let finding = match (open, denied) {
            (0, 0) => Finding::Applied,
            (open, 0) if open == phases.len() => Finding::NotApplied,
            (open, denied) => Finding::Partial(format!(
                "{open} of {} users may write, and connections of {denied} may still hold a cached grant",
                phases.len()
            )),
        };
        let outputs = json!({ "users": rows.len(), "closed": 0 });
        Ok(Probed { finding, outputs, facts: json!({ "may_write": open, "denied": denied, "closed": closed }) })
    }
}

async fn freeze(
    broker: &Broker,
    call: &Call,
    order: &Order,
    before: &BTreeMap<String, Permission>,
) -> Result<Applied, ActionError> {
    let users = order.users();
    let rows = order.rows(broker).await?;
    for (user, row) in &rows {
        let expected = before.get(user).map(|saved| saved.writing(&row.write));
        if expected.as_ref() != Some(row) || (order.own(row).is_none() && before.get(user) != Some(row)) {
            return Err(ActionError::untouched(format!("somebody changed the permissions of {user} since they were saved")));
        }
    }
    let bypasses = bypass::unaccepted(broker, call, &users).await?;
    bypass::refuse(&bypasses).map_err(|why| {
        ActionError::untouched(format!("the freeze would not hold: {why}")).hint("name under `accept` what may go on writing")
    })?;
    // The positive control, where nobody refuses yet.
    let open: Vec<_> = order.writers.iter().filter(|writer| rows.get(&writer.user).is_some_and(|row| !row.denies())).collect();
    canary::send(broker, &open, Expected::Accepted)
        .await
        .map_err(|why| ActionError::untouched(format!("the canary fails before the freeze: {why}")))?;
    let mut changed = 0;
    for (user, row) in rows.iter().filter(|(_, row)| order.own(row).is_none()) {
        let denied = row.writing(&order.owner.tag(Phase::Denied));
        let put = broker.set_permission(user, &denied).await;
        put.map_err(|trouble| trouble.changing(&format!("denying {user} to write"), changed))?;
        changed += 1;
    }
    let halfway: Vec<_> = rows.iter().filter(|(_, row)| order.own(row) != Some(Phase::Closed)).collect();
    let names: Vec<_> = halfway.iter().map(|(user, _)| user.as_str()).collect();
    let closing = sessions::close(broker, &names, order.close_within, changed).await?;
    for (user, row) in halfway {
        let closed = row.writing(&order.owner.tag(Phase::Closed));
        let put = broker.set_permission(user, &closed).await;
        put.map_err(|trouble| trouble.changing(&format!("noting at {user} that its connections are closed"), 1))?;
    }
    broker.recorder().progress(&format!(
        "{} may not write; {} closed",
        count_of(users.len(), "user"),
        count_of(closing.closed.len(), "connection")
    ));
    Ok(Applied { outputs: json!({ "users": users.len(), "closed": sessions::facts(&closing) }) })
}

async fn prove(broker: &Broker, call: &Call, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let failed = |what: String| ActionError::touched(format!("the freeze does not hold: {what}"));
    let (before, rows) = (saved(snapshot)?, order.rows(broker).await?);
    for (user, row) in &rows {
        let wanted = before.get(user).map(|saved| saved.writing(&order.owner.tag(Phase::Closed)));
        if wanted.as_ref() != Some(row) {
            return Err(failed(format!("the permissions of {user} are {}", row.to_row())));
        }
    }
    if topics(broker, &order.users()).await? != snapshot["topics"] {
        return Err(failed("topic permissions changed".to_owned()));
    }
    bypass::refuse(&bypass::unaccepted(broker, call, &order.users()).await?).map_err(failed)?;
    let writers: Vec<_> = order.writers.iter().collect();
    let canaries = canary::send(broker, &writers, Expected::Refused).await.map_err(failed)?;
    Ok(Evidence::new(json!({
        "identity": broker.identity(), "users": rows.len(), "canaries": canaries, "accepted": call.params.texts("accept")?,
    })))
}

async fn thaw(broker: &Broker, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let before = saved(snapshot)?;
    let mut restored = Vec::new();
    for (user, row) in &before {
        if broker.permission(user).await?.as_ref() != Some(row) {
            let put = broker.set_permission(user, row).await;
            put.map_err(|trouble| trouble.changing(&format!("restoring the permissions of {user}"), restored.len()))?;
            restored.push(user.as_str());
        }
    }
    let after = |error: ActionError| ActionError::touched(error.message);
    let now = order.rows(broker).await.map_err(after)?;
    if now != before || topics(broker, &order.users()).await.map_err(after)? != snapshot["topics"] {
        return Err(ActionError::touched("the permissions are not what they were"));
    }
    // Whoever was denied before the freeze still is, and a user that nothing was restored for was never asked.
    let open: Vec<_> = order
        .writers
        .iter()
        .filter(|writer| restored.contains(&writer.user.as_str()) && now.get(&writer.user).is_some_and(|row| !row.denies()))
        .collect();
    let canaries = canary::send(broker, &open, Expected::Accepted)
        .await
        .map_err(|why| ActionError::touched(format!("writes are not accepted again: {why}")))?;
    Ok(Evidence::new(json!({ "identity": broker.identity(), "restored": restored, "rows": now.len(), "canaries": canaries })))
}

#[async_trait]
impl Act for FreezeWrites {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, before) = (Order::of(call)?, saved(snapshot)?);
        let broker = Broker::open(call, own_target(call)?).await?;
        freeze(&broker, call, &order, &before).await
    }

    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let broker = Broker::open(call, own_target(call)?).await.map_err(ActionError::after_change)?;
        prove(&broker, call, &order, snapshot).await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, before) = (Order::of(call)?, saved(snapshot)?);
        let vhost = snapshot["identity"]["vhost"].as_str().unwrap_or("/").to_owned();
        let by_hand = before.iter().map(|(user, row)| row.by_hand(&vhost, user)).collect();
        let undone = async {
            let broker = Broker::open(call, own_target(call)?).await?;
            thaw(&broker, &order, snapshot).await
        };
        undone.await.map_err(|error| error.manual(by_hand))
    }
}
