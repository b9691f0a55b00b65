//! `redis.pause_writes`: writes wait at every node, for a time that the step names and the server counts.
//!
//! A pause has no owner, cannot be read on 7.0, and ends by itself whether or not anybody is done. So it is no freeze: it gives no
//! fact, its end is in the outputs, and the proof shows only that it holds at that moment. The canary is PFCOUNT of a key that
//! does not exist: it reads, and a pause of writes holds it back like a write.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::Value as Reply;
use serde_json::json;

use super::group::{Group, Node};
use super::restore::{after, client_of};
use super::session::{Fault, connect};
use super::{own_target, reply};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Timestamp, Value};

/// The action.
#[derive(Debug)]
pub struct PauseWrites;

/// A longer pause is no pause: clients have given up by then, and a forgotten one is an outage.
const LONGEST: Span = Span::from_secs(600);

/// What a step asks for.
struct Order {
    length: Span,
    ignored: Vec<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let length = call.params.opt_span("for")?.unwrap_or(Span::from_millis(0));
        if length.as_millis() == 0 || length.as_millis() > LONGEST.as_millis() {
            return Err(ActionError::untouched(format!("`for: {length}` is not above 0 and at most {LONGEST}"))
                .hint("a longer freeze takes `redis.freeze_writes`, which does not end by itself"));
        }
        Ok(Self { length, ignored: call.params.texts("ignore_replicas")? })
    }

    fn words(&self) -> [String; 4] {
        ["CLIENT".to_owned(), "PAUSE".to_owned(), self.length.as_millis().to_string(), "WRITE".to_owned()]
    }

    /// The nodes, the master last: a replica that is promoted meanwhile must be paused already.
    async fn group(&self, call: &Call) -> Result<Group, ActionError> {
        let mut group = Group::open(call, own_target(call)?).await?;
        group.master()?;
        group.refuse_unlisted(&self.ignored).await?;
        group.nodes.sort_by_key(Node::is_master);
        Ok(group)
    }
}

const UNPAUSE: [&str; 2] = ["CLIENT", "UNPAUSE"];

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whether commands that may write wait at a node now. Not by a timeout: the server itself says that the canary is blocked.
async fn is_paused(call: &Call, node: &mut Node) -> Result<bool, ActionError> {
    let mut canary = connect(call, own_target(call)?, &node.session.address).await?;
    let id = reply::text(&canary.ask(&["CLIENT", "ID"]).await?).unwrap_or_default();
    let words = ["PFCOUNT".to_owned(), format!("pointsman-canary-{}-{}", call.run, call.step)];
    let words = [words[0].as_str(), &words[1]];
    let (begun, patience) = (std::time::Instant::now(), canary.patience().clone());
    let found = {
        let asked = canary.silently(&words);
        tokio::pin!(asked);
        loop {
            tokio::select! {
                biased;
                answer = &mut asked => break match answer {
                    Ok(Reply::Int(_)) => Ok(false),
                    Ok(other) => Err(format!("it answered {}", reply::to_json(&other))),
                    Err(fault) => Err(fault.to_string()),
                },
                listed = look(node, &id) => if listed? { break Ok(true) },
            }
            patience.sleep(Duration::from_millis(10)).await?;
        }
    };
    let end = match &found {
        Ok(true) => "waits",
        Ok(false) => "answered",
        Err(why) => why,
    };
    node.session.note(&reply::shown(&words), begun.elapsed(), end);
    found.map_err(|why| ActionError::untouched(format!("{}: the canary proves nothing: {why}", node.name())))
}

/// Whether the node lists a client as blocked in the canary's command, which blocks for no other reason.
async fn look(node: &mut Node, id: &str) -> Result<bool, Fault> {
    let line = reply::text(&node.session.silently(&["CLIENT", "LIST", "ID", id]).await?).unwrap_or_default();
    let has = |name: &str, test: &dyn Fn(&str) -> bool| line.split(' ').any(|part| part.strip_prefix(name).is_some_and(test));
    Ok(has("flags=", &|flags| flags.contains('b')) && has("cmd=", &|command| command == "pfcount"))
}

/// Whether each node is paused, by its name.
async fn survey(call: &Call, group: &mut Group) -> Result<BTreeMap<String, bool>, ActionError> {
    let mut found = BTreeMap::new();
    for node in &mut group.nodes {
        found.insert(node.name(), is_paused(call, node).await?);
    }
    Ok(found)
}

#[async_trait]
impl Inspect for PauseWrites {
    fn name(&self) -> &'static str {
        "redis.pause_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut group = order.group(call).await?;
        let paused = survey(call, &mut group).await?;
        let all = |words: &str| paused.keys().map(|name| format!("{name}: {words}")).collect::<Vec<_>>();
        let ours = paused.iter().filter(|(_, paused)| !**paused).map(|(name, _)| format!("{name}: {}", UNPAUSE.join(" ")));
        Ok(Inspection {
            identity: group.identity(),
            state: json!({ "paused_before": paused, "ends_by_itself_after_ms": order.length.as_millis() }),
            statements: all(&order.words().join(" ")),
            undo_statements: ours.collect(),
            expected_ms: Some(50),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let mut group = order.group(call).await?;
        let paused = survey(call, &mut group).await?;
        Ok(json!({ "identity": group.identity(), "paused": paused }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call)?;
        let mut group = order.group(call).await?;
        let paused = survey(call, &mut group).await?;
        let open: Vec<_> = paused.iter().filter(|(_, paused)| !**paused).map(|(name, _)| name.clone()).collect();
        let finding = match open.len() {
            0 => Finding::Applied,
            all if all == paused.len() => Finding::NotApplied,
            _ => Finding::Partial(format!("writes go on at {}", open.join(", "))),
        };
        let fence = group.master()?.position().await?;
        // Nobody can read how long it still holds.
        let outputs = json!({ "holds_until": null, "fence": fence, "nodes": paused.len() });
        Ok(Probed { finding, outputs, facts: json!({ "paused": paused }) })
    }
}

#[async_trait]
impl Act for PauseWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let mut group = order.group(call).await?;
        let (words, mut changed) = (order.words(), false);
        // Before it is sent: no node counts from earlier than this.
        let holds_until = now().plus(order.length.as_duration());
        for node in &mut group.nodes {
            let sent = node.session.change(&words.each_ref().map(String::as_str)).await;
            sent.map_err(|error| after(error, changed))?;
            changed = true;
        }
        let fence = group.master()?.position().await.map_err(ActionError::after_change)?;
        let nodes = super::count_of(group.nodes.len(), "node");
        call.recorder.progress(&format!("writes wait at {nodes}, until {holds_until} and no longer"));
        Ok(Applied { outputs: json!({ "holds_until": holds_until.to_string(), "fence": fence, "nodes": group.nodes.len() }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, applied).await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let lines = |name: &String| format!("{} {}", client_of(name), UNPAUSE.join(" "));
        let before: BTreeMap<String, bool> = serde_json::from_value(snapshot["paused"].clone())
            .map_err(|_| ActionError::untouched("the snapshot does not say which nodes were paused before"))?;
        let (mut group, missing) = Group::reachable(call, own_target(call)?).await?;
        let (mut sent, mut left, mut failures) = (0, Vec::new(), Vec::new());
        for (name, was_paused) in &before {
            if *was_paused {
                left.push(name.clone());
                continue;
            }
            let Some(node) = group.nodes.iter_mut().find(|node| node.name() == *name) else {
                let why = missing.iter().find(|(address, _)| address.to_string() == *name).map(|(_, error)| error.to_string());
                failures.push((why.unwrap_or_else(|| format!("{name} is not among the target's nodes any more")), name.clone()));
                continue;
            };
            match end(call, node).await {
                Ok(was_sent) => sent += u32::from(was_sent),
                Err(error) => failures.push((error.message, name.clone())),
            }
        }
        if failures.is_empty() {
            return Ok(Evidence::new(json!({
                "identity": group.identity(), "sent": sent, "writes_wait_at": [], "paused_by_others_before": left,
            })));
        }
        let text = failures.iter().map(|(why, _)| why.clone()).collect::<Vec<_>>().join("; ");
        Err(ActionError::touched(format!("the pause is not ended everywhere: {text}"))
            .hint("it ends by itself at the time that the step's output `holds_until` says")
            .manual(failures.iter().map(|(_, name)| lines(name)).collect()))
    }
}

/// Ends a pause where there is one, and sees that commands go on. Whether something was sent.
async fn end(call: &Call, node: &mut Node) -> Result<bool, ActionError> {
    if !is_paused(call, node).await? {
        return Ok(false);
    }
    node.session.change(&UNPAUSE).await?;
    if is_paused(call, node).await? {
        return Err(ActionError::touched(format!("{}: writes still wait: somebody paused them again", node.name())));
    }
    Ok(true)
}

async fn prove(call: &Call, applied: &Applied) -> Result<Evidence, ActionError> {
    let mut group = Order::of(call)?.group(call).await?;
    let until = applied.outputs["holds_until"].as_str();
    let paused = survey(call, &mut group).await?;
    if let Some((name, _)) = paused.iter().find(|(_, paused)| !**paused) {
        let over = until.map_or_else(String::new, |until| format!("; it was to hold until {until}"));
        return Err(ActionError::touched(format!("writes do not wait at {name}{over}")));
    }
    let left = until.and_then(Timestamp::parse).map(|until| u64::try_from(until.since(now()).as_millis()).unwrap_or(u64::MAX));
    let position = group.master()?.position().await?;
    Ok(Evidence::new(json!({
        "identity": group.identity(), "canary": "PFCOUNT waits, and the server lists it as blocked", "nodes": paused,
        "holds_until": until, "left_ms": left, "fence": applied.outputs["fence"], "position_now": position,
    })))
}
