//! `rabbitmq.drain`: queues hold nothing, ready or unacknowledged, stay so, and nobody can feed them. Empty alone is no proof.
//!
//! Once nobody feeds, what a queue holds can only shrink, so an older count is never too small; that is what makes a quorum
//! queue's ticks usable, when they are watched for longer than a tick.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use lapin::{Channel, Connection};
use reqwest::Method;
use serde_json::json;

use super::broker::Broker;
use super::depth::{Depth, EXACT, is_meant, totals};
use super::feed;
use super::own_target;
use crate::connectors::emptying::Emptying;
use crate::connectors::watch::{Pace, span};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct Drain;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    queues: Vec<String>,
    except: Vec<String>,
    stable_for: Duration,
    quorum_stable_for: Duration,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self {
            queues: call.params.texts("queues")?,
            except: call.params.texts("except")?,
            stable_for: span(call, "stable_for", 2_000)?,
            quorum_stable_for: span(call, "quorum_stable_for", 15_000)?,
            pace: Pace::of(call)?,
        })
    }

    /// The queues and what each holds, without the exact word of AMQP. Every pattern must mean a queue.
    async fn totals(&self, broker: &Broker) -> Result<Vec<Depth>, ActionError> {
        let found = totals(broker, |name| is_meant(&self.queues, name) && !is_meant(&self.except, name)).await?;
        for pattern in &self.queues {
            if !found.iter().any(|depth| is_meant(std::slice::from_ref(pattern), &depth.queue)) {
                return Err(ActionError::untouched(format!("no queue in {} is named `{pattern}`", broker.vhost())));
            }
        }
        Ok(found)
    }

    fn stable_for(&self, depths: &[Depth]) -> Duration {
        if depths.iter().any(|depth| depth.is_quorum) { self.stable_for.max(self.quorum_stable_for) } else { self.stable_for }
    }
}

/// Both ways to count, side by side.
struct Gauge<'a> {
    broker: &'a Broker,
    order: &'a Order,
    connection: Connection,
    channel: Channel,
}

impl<'a> Gauge<'a> {
    async fn open(broker: &'a Broker, order: &'a Order) -> Result<Self, ActionError> {
        let (connection, channel) = broker.wire().open(broker.own_user(), broker.own_password()).await?;
        Ok(Self { broker, order, connection, channel })
    }

    /// The larger of what the queue's totals and a passive declare say.
    async fn read(&self) -> Result<Vec<Depth>, ActionError> {
        let mut depths = self.order.totals(self.broker).await?;
        for depth in &mut depths {
            let declared = self.broker.wire().declared(&self.channel, &depth.queue).await?;
            depth.ready = depth.ready.max(declared.ready);
            depth.consumers = Some(declared.consumers);
        }
        Ok(depths)
    }

    async fn close(self) {
        // Everything was read; a connection that does not end cleanly changes nothing.
        let _ = self.connection.close(200, "done".into()).await;
    }
}

/// How the queues went down.
struct Drained {
    queues: BTreeSet<String>,
    count: u64,
    waited_ms: u64,
}

fn pending(depths: &[Depth]) -> u64 {
    depths.iter().map(Depth::pending).sum()
}

fn names(depths: &[Depth]) -> BTreeSet<String> {
    depths.iter().map(|depth| depth.queue.clone()).collect()
}

/// The queues that still hold something, for people.
fn holding(depths: &[Depth]) -> String {
    let held: Vec<_> = depths.iter().filter(|depth| depth.pending() > 0).map(Depth::said).collect();
    held.join("; ")
}

async fn wait_until_empty(gauge: &Gauge<'_>) -> Result<Drained, ActionError> {
    let (broker, order) = (gauge.broker, gauge.order);
    let mut emptying = Emptying::begin(order.pace, broker.patience());
    let result = loop {
        let depths = match gauge.read().await {
            Ok(depths) => depths,
            Err(error) => break Err(error),
        };
        let left = pending(&depths);
        if emptying.saw(left) {
            let text = if left == 0 { "the queues hold nothing".to_owned() } else { holding(&depths) };
            broker.recorder().progress(&text);
        }
        if emptying.is_empty_for(order.stable_for(&depths)) {
            break Ok(Drained { queues: names(&depths), count: emptying.drained(), waited_ms: emptying.watch().waited_ms() });
        }
        if let Some(idle) = emptying.stalled() {
            break Err(ActionError::untouched(format!("nothing went for {idle}: {}", holding(&depths)))
                .hint("see whether its consumers are alive"));
        }
        if let Err(stopped) = emptying.watch().pause().await {
            let state = if left == 0 {
                "the queues hold nothing, and not yet for as long as they must".to_owned()
            } else {
                holding(&depths)
            };
            break Err(ActionError::untouched(format!("{state}: {stopped}")));
        }
    };
    let shown = broker.shown(&Method::GET, &["queues", broker.vhost()], EXACT, None);
    let end = format!("asked {} times, last answer {} messages", emptying.watch().asked(), emptying.last());
    broker.recorder().question(&format!("{shown}; queue.declare passive for each"), emptying.watch().elapsed(), &end);
    result
}

#[async_trait]
impl Inspect for Drain {
    fn name(&self) -> &'static str {
        "rabbitmq.drain"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let gauge = Gauge::open(&broker, &order).await?;
        let depths = gauge.read().await;
        gauge.close().await;
        let depths = depths?;
        let feeding = feed::look(&broker, call, &names(&depths)).await?;
        let mut blockers: Vec<_> =
            feeding.open.iter().map(|what| Blocker { what: format!("the queues are fed: {what}"), owner: None }).collect();
        let idle = depths.iter().filter(|depth| depth.pending() > 0 && depth.consumers == Some(0));
        blockers.extend(idle.map(|depth| Blocker { what: depth.said(), owner: None }));
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({ "queues": depths.iter().map(Depth::facts).collect::<Vec<_>>(), "fed": feeding.facts }),
            statements: vec![broker.shown(&Method::GET, &["queues", broker.vhost()], EXACT, None)],
            blockers,
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

#[async_trait]
impl Act for Drain {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let queues = names(&order.totals(&broker).await?);
        feed::look(&broker, call, &queues).await?.refuse()?;
        let gauge = Gauge::open(&broker, &order).await?;
        let drained = wait_until_empty(&gauge).await;
        gauge.close().await;
        let drained = drained?;
        feed::look(&broker, call, &drained.queues).await?.refuse()?;
        Ok(Applied { outputs: json!({ "drained": drained.count, "waited_ms": drained.waited_ms }) })
    }

    /// Counts once more after it was seen again that nobody can feed the queues.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let queues = names(&order.totals(&broker).await?);
        let feeding = feed::look(&broker, call, &queues).await?;
        feeding.refuse()?;
        let gauge = Gauge::open(&broker, &order).await?;
        let depths = gauge.read().await;
        gauge.close().await;
        let depths = depths?;
        if pending(&depths) > 0 {
            return Err(ActionError::untouched(format!("not empty any more: {}", holding(&depths))));
        }
        Ok(Evidence::new(json!({
            "identity": broker.identity(), "queues": depths.iter().map(Depth::facts).collect::<Vec<_>>(), "fed": feeding.facts,
        })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
