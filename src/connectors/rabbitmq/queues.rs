//! `rabbitmq.check_queues`: depth, consumers and state of queues, held to conditions; counted and never taken from statistics.

use async_trait::async_trait;
use lapin::Channel;
use reqwest::Method;
use serde_json::json;

use super::broker::Broker;
use super::depth::{EXACT, is_meant};
use super::own_target;
use super::permission::entries;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Condition, Span, Value};

/// The action.
#[derive(Debug)]
pub struct CheckQueues;

/// What can be asked of a queue.
const KEYS: [&str; 6] = ["ready", "unacknowledged", "messages", "consumers", "state", "type"];

/// What a step asks for.
struct Order {
    queues: Vec<String>,
    except: Vec<String>,
    expect: Vec<(String, Condition)>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let expect = call.params.conditions("expect")?;
        if expect.is_empty() {
            return Err(ActionError::untouched("`expect` names nothing: without a condition every queue would pass"));
        }
        if let Some((unknown, _)) = expect.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
            return Err(ActionError::untouched(format!("`{unknown}` under `expect` is none of {}", KEYS.join(", "))));
        }
        Ok(Self { queues: call.params.texts("queues")?, except: call.params.texts("except")?, expect })
    }

    /// What every queue holds now. Every pattern must mean one.
    async fn ask(&self, broker: &Broker) -> Result<Vec<Value>, ActionError> {
        let rows = broker.read(&["queues", broker.vhost()], EXACT).await;
        let rows = rows.map_err(|trouble| trouble.reading("its queues"))?;
        let name = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
        let meant: Vec<_> =
            entries(&rows).filter(|row| is_meant(&self.queues, &name(row)) && !is_meant(&self.except, &name(row))).collect();
        for pattern in &self.queues {
            if !meant.iter().any(|row| is_meant(std::slice::from_ref(pattern), &name(row))) {
                return Err(ActionError::untouched(format!("no queue in {} is named `{pattern}`", broker.vhost())));
            }
        }
        let (connection, channel) = broker.wire().open(broker.own_user(), broker.own_password()).await?;
        let mut found = Vec::new();
        for row in meant {
            match counted(broker, &channel, row).await {
                Ok(queue) => found.push(queue),
                Err(error) => {
                    let _ = connection.close(200, "done".into()).await;
                    return Err(error);
                }
            }
        }
        // Everything was read; a connection that does not end cleanly changes nothing.
        let _ = connection.close(200, "done".into()).await;
        Ok(found)
    }

    /// What is not as expected, by queue.
    fn differs(&self, found: &[Value]) -> Option<String> {
        let mut told = Vec::new();
        for queue in found {
            for (key, condition) in &self.expect {
                if let Err(why) = condition.check(queue.get(key).filter(|value| !value.is_null())) {
                    told.push(format!("{}: {key}: {why}", queue["queue"].as_str().unwrap_or_default()));
                }
            }
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// One queue. Ready messages and consumers come from a passive declare; what a quorum queue or a stream has unacknowledged is as old as
/// its tick, and the answer says so. A queue that is down is not asked: nobody can count what it holds.
async fn counted(broker: &Broker, channel: &Channel, row: &Value) -> Result<Value, ActionError> {
    let (queue, state) = (row["name"].as_str().unwrap_or_default(), row["state"].as_str().unwrap_or("unknown"));
    let kind = row["type"].as_str().unwrap_or("unknown");
    let mut found = json!({ "queue": queue, "state": state, "type": kind });
    if !matches!(state, "running" | "idle") {
        return Ok(found);
    }
    let declared = broker.wire().declared(channel, queue).await?;
    let (is_exact, unacked) = (kind == "classic", row["messages_unacknowledged"].as_u64());
    found["ready"] = json!(declared.ready);
    found["consumers"] = json!(declared.consumers);
    found["unacknowledged"] = json!(unacked);
    found["messages"] = json!(unacked.map(|unacked| declared.ready + unacked));
    found["unacknowledged_is"] = json!(if is_exact { "counted" } else { "as old as the queue's tick" });
    Ok(found)
}

async fn check(call: &Call) -> Result<(Broker, Vec<Value>), ActionError> {
    let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
    let span = |key: &str, default| Ok::<_, ActionError>(call.params.opt_span(key)?.unwrap_or(default).as_duration());
    let patience = broker.patience().at_most(span("within", Span::from_millis(0))?);
    let (every, mut last) = (span("every", Span::from_millis(500))?, String::new());
    loop {
        let found = order.ask(&broker).await?;
        let Some(why) = order.differs(&found) else { return Ok((broker, found)) };
        if why != last {
            call.recorder.progress(&why);
            last.clone_from(&why);
        }
        if patience.sleep(every).await.is_err() {
            return Err(ActionError::untouched(why));
        }
    }
}

#[async_trait]
impl Inspect for CheckQueues {
    fn name(&self) -> &'static str {
        "rabbitmq.check_queues"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let found = order.ask(&broker).await?;
        let now = order.differs(&found).unwrap_or_else(|| "as expected".to_owned());
        let shown = broker.shown(&Method::GET, &["queues", broker.vhost()], EXACT, None);
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({ "queues": found, "now": now }),
            statements: vec![shown, "queue.declare passive for each".to_owned()],
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for CheckQueues {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (_, found) = check(call).await?;
        Ok(Applied { outputs: json!({ "queues": found }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (broker, found) = check(call).await?;
        Ok(Evidence::new(json!({ "identity": broker.identity(), "queues": found })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
