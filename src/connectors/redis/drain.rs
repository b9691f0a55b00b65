//! `redis.drain`: lists, sorted sets and streams are empty, stay empty, and nobody can feed them. Empty alone is no proof.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value as Reply;
use serde_json::json;

use super::account::{Chosen, accounts, own_name};
use super::canary::{commands, dry_run};
use super::group::Group;
use super::own_target;
use super::reply;
use super::session::{Session, open};
use crate::connectors::emptying::Emptying;
use crate::connectors::watch::{Pace, span};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct Drain;

/// The commands that put something into a queue; a frozen producer may run none of them.
const FEEDING: [&str; 12] =
    ["lpush", "rpush", "lpushx", "rpushx", "linsert", "lmove", "rpoplpush", "zadd", "zincrby", "xadd", "restore", "rename"];

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    keys: Vec<String>,
    groups: Vec<String>,
    producers: Chosen,
    stable_for: Duration,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let keys = call.params.texts("keys")?;
        if keys.is_empty() {
            return Err(ActionError::untouched("`keys` names no queue"));
        }
        Ok(Self {
            keys,
            groups: call.params.texts("groups")?,
            producers: Chosen { users: call.params.texts("producers")?, except: Vec::new() },
            stable_for: span(call, "stable_for", 1_000)?,
            pace: Pace::of(call)?,
        })
    }
}

/// The group of the producers: where the queues are, or what `fed_by` names.
fn feeder(call: &Call) -> Result<&Target, ActionError> {
    match call.params.opt_text("fed_by")? {
        None => own_target(call),
        Some(name) => {
            call.targets.get(name).ok_or_else(|| ActionError::untouched(format!("the target `{name}` of `fed_by` is not known")))
        }
    }
}

/// What is still pending in one queue.
async fn pending(session: &mut Session, order: &Order, key: &str) -> Result<u64, ActionError> {
    let kind = reply::text(&session.silently(&["TYPE", key]).await?).unwrap_or_default();
    let count = |reply: &Reply| {
        reply::number(reply)
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| ActionError::untouched(format!("`{key}` has no length")))
    };
    match kind.as_str() {
        // An empty list or sorted set does not exist.
        "none" => Ok(0),
        "list" => count(&session.silently(&["LLEN", key]).await?),
        "zset" => count(&session.silently(&["ZCARD", key]).await?),
        "stream" => stream(session, order, key).await,
        other => Err(ActionError::untouched(format!("`{key}` is a {other}, and not a list, sorted set or stream"))),
    }
}

/// What the groups of a stream have not been given, and what they were given and have not acknowledged.
async fn stream(session: &mut Session, order: &Order, key: &str) -> Result<u64, ActionError> {
    let groups = session.silently(&["XINFO", "GROUPS", key]).await?;
    let (mut total, mut seen) = (0_u64, Vec::new());
    for group in reply::items(&groups) {
        let name = reply::field(group, "name").and_then(reply::text).unwrap_or_default();
        if !order.groups.is_empty() && !order.groups.contains(&name) {
            continue;
        }
        let number = |field: &str| reply::field(group, field).and_then(reply::number).and_then(|count| u64::try_from(count).ok());
        let unacknowledged = number("pending");
        let unacknowledged =
            unacknowledged.ok_or_else(|| ActionError::untouched(format!("group `{name}` of `{key}` says nothing pending")))?;
        let lag = match number("lag") {
            Some(lag) => lag,
            // The server cannot tell after entries were deleted; what is behind the last delivered id can be counted.
            None => {
                let last = reply::field(group, "last-delivered-id").and_then(reply::text).unwrap_or_default();
                let behind = session.silently(&["XRANGE", key, &format!("({last}"), "+", "COUNT", "10000"]).await?;
                reply::items(&behind).len() as u64
            }
        };
        total += unacknowledged + lag;
        seen.push(name);
    }
    if let Some(missing) = order.groups.iter().find(|group| !seen.contains(group)) {
        return Err(ActionError::untouched(format!("`{key}` has no group `{missing}`")));
    }
    if seen.is_empty() {
        return Err(ActionError::untouched(format!("the stream `{key}` has no group, so nobody says what was read of it")));
    }
    Ok(total)
}

async fn all(session: &mut Session, order: &Order) -> Result<u64, ActionError> {
    let mut total = 0;
    for key in &order.keys {
        total += pending(session, order, key).await?;
    }
    Ok(total)
}

/// The producers that may still put something in, at any node of their group.
async fn feeding(call: &Call, order: &Order) -> Result<(usize, Vec<String>), ActionError> {
    let mut group = Group::open(call, feeder(call)?).await?;
    let feeding = FEEDING.map(str::to_owned);
    let (mut asked, mut open) = (0, Vec::new());
    for node in &mut group.nodes {
        let name = node.name();
        let own = own_name(&mut node.session).await?;
        let found = accounts(&mut node.session).await?;
        let producers = order.producers.among(&found, &own)?;
        if producers.is_empty() {
            return Err(ActionError::untouched(format!("no user at {name} is among `producers`")));
        }
        let commands = commands(&mut node.session, &feeding).await?;
        for user in producers {
            asked += 1;
            let found = dry_run(&mut node.session, &user.name, &commands).await?;
            if !found.is_frozen() {
                open.push(format!("`{}` may run {} at {name}", user.name, found.open()));
            }
        }
    }
    Ok((asked, open))
}

async fn nobody_feeds(call: &Call, order: &Order) -> Result<usize, ActionError> {
    let (asked, open) = feeding(call, order).await?;
    if open.is_empty() {
        return Ok(asked);
    }
    Err(ActionError::untouched(format!("nothing proves that the queue is not fed: {}", open.join(", ")))
        .hint("freeze the producers first with `redis.freeze_writes`"))
}

async fn wait_until_empty(session: &mut Session, order: &Order) -> Result<Applied, ActionError> {
    let named = order.keys.join(", ");
    let mut emptying = Emptying::begin(order.pace, session.patience());
    let result = loop {
        let pending = all(session, order).await?;
        if emptying.saw(pending) {
            session.recorder().progress(&format!("{pending} pending in {named}"));
        }
        if emptying.is_empty_for(order.stable_for) {
            let waited_ms = emptying.watch().waited_ms();
            break Ok(Applied { outputs: json!({ "drained": emptying.drained(), "waited_ms": waited_ms }) });
        }
        if let Some(idle) = emptying.stalled() {
            break Err(ActionError::untouched(format!("{pending} are pending in {named} and none went for {idle}"))
                .hint("see whether its consumer is alive, and whether the freeze took its right to read from the queue"));
        }
        if let Err(stopped) = emptying.watch().pause().await {
            break Err(ActionError::untouched(format!("{pending} are pending in {named}: {stopped}")));
        }
    };
    let (watch, last) = (emptying.watch(), emptying.last());
    session.note(&format!("length of {named}"), watch.elapsed(), &format!("asked {} times, last {last}", watch.asked()));
    result
}

#[async_trait]
impl Inspect for Drain {
    fn name(&self) -> &'static str {
        "redis.drain"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let (asked, open) = feeding(call, &order).await?;
        let mut session = open_queue(call).await?;
        let pending = all(&mut session, &order).await?;
        Ok(Inspection {
            identity: session.identity().await?,
            state: json!({ "pending": pending, "producers": asked, "not_frozen": open.len() }),
            statements: order.keys.iter().map(|key| format!("length of {key}")).collect(),
            blockers: open.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            ..Inspection::default()
        })
    }

    async fn capture(&self, _call: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

/// A session with the node that holds the queues.
async fn open_queue(call: &Call) -> Result<Session, ActionError> {
    open(call, own_target(call)?).await
}

#[async_trait]
impl Act for Drain {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        nobody_feeds(call, &order).await?;
        let applied = wait_until_empty(&mut open_queue(call).await?, &order).await?;
        nobody_feeds(call, &order).await?;
        Ok(applied)
    }

    /// Counts once more after the producers were seen frozen: from there on nobody could have fed it.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let producers = nobody_feeds(call, &order).await?;
        let mut session = open_queue(call).await?;
        let pending = all(&mut session, &order).await?;
        if pending > 0 {
            return Err(ActionError::untouched(format!("{pending} are pending again in {}", order.keys.join(", "))));
        }
        Ok(Evidence::new(json!({ "identity": session.identity().await?, "pending": pending, "frozen_producers": producers })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
