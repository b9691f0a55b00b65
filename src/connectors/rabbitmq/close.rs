//! `rabbitmq.close_connections`: users have no connection in the virtual host any more, and none comes back for a while.
//!
//! Clients connect again by themselves, within milliseconds. So closing alone proves nothing: the step goes on looking, and what
//! came back is an error that says so, because closing again would change nothing either.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::broker::Broker;
use super::depth::is_meant;
use super::permission::{entries, quoted};
use super::{own_target, sessions};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, count_of};
use crate::model::{Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct CloseConnections;

/// Between two looks for what came back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a step asks for.
struct Order {
    users: Vec<String>,
    except: Vec<String>,
    close_within: Duration,
    quiet_for: Duration,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let span = |name: &str, default: u64| -> Result<Duration, ActionError> {
            Ok(call.params.opt_span(name)?.unwrap_or(Span::from_secs(default)).as_duration())
        };
        let users = call.params.texts("users")?;
        if users.is_empty() {
            return Err(ActionError::untouched("`users` names nobody; `[\"*\"]` means everybody but Pointsman's own account"));
        }
        Ok(Self {
            users,
            except: call.params.texts("except")?,
            close_within: span("close_within", 15)?,
            quiet_for: span("quiet_for", 5)?,
        })
    }

    /// The users of the broker that are meant. Pointsman's own is never among them, and every pattern must mean somebody.
    async fn named(&self, broker: &Broker) -> Result<Vec<String>, ActionError> {
        let own = broker.own_user();
        if self.users.iter().any(|user| user == own) {
            return Err(ActionError::untouched(format!("{own} is the account that Pointsman itself uses")));
        }
        let rows = broker.read(&["users"], "").await.map_err(|trouble| trouble.reading("its users"))?;
        let all: Vec<&str> = entries(&rows).filter_map(|row| row["name"].as_str()).filter(|name| *name != own).collect();
        for pattern in &self.users {
            if !all.iter().any(|name| is_meant(std::slice::from_ref(pattern), name)) {
                return Err(ActionError::untouched(format!("no user but Pointsman's own is named `{pattern}`")));
            }
        }
        let meant = all.into_iter().filter(|name| is_meant(&self.users, name) && !is_meant(&self.except, name));
        Ok(meant.map(str::to_owned).collect())
    }
}

/// How many connections each user has in the virtual host; those with none are left out.
async fn open(broker: &Broker, users: &[String]) -> Result<BTreeMap<String, usize>, ActionError> {
    let mut found = BTreeMap::new();
    for user in users {
        let (here, _) = sessions::connections(broker, user).await?;
        if !here.is_empty() {
            found.insert(user.clone(), here.len());
        }
    }
    Ok(found)
}

/// Who has connections, for people.
fn told(open: &BTreeMap<String, usize>) -> String {
    open.iter().map(|(user, count)| format!("{user} has {}", count_of(*count, "connection"))).collect::<Vec<_>>().join(", ")
}

/// An error for connections that are there although they were closed.
fn back(open: &BTreeMap<String, usize>, when: &str) -> ActionError {
    ActionError::touched(format!("{} {when}: its clients connect again by themselves", told(open)))
        .hint("stop the clients, or take their permission first (`rabbitmq.freeze_writes` closes connections itself)")
}

#[async_trait]
impl Inspect for CloseConnections {
    fn name(&self) -> &'static str {
        "rabbitmq.close_connections"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let users = order.named(&broker).await?;
        let (mut connections, mut statements) = (BTreeMap::new(), Vec::new());
        for user in &users {
            let (here, elsewhere) = sessions::connections(&broker, user).await?;
            // By name where the user has others in other virtual hosts, which are none of this step's business.
            match (here.is_empty(), elsewhere) {
                (true, _) => {}
                (false, 0) => statements.push(format!("DELETE /api/connections/username/{}", quoted(user))),
                (false, _) => statements.extend(here.iter().map(|name| format!("DELETE /api/connections/{}", quoted(name)))),
            }
            connections.insert(user, here.len());
        }
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({ "connections": connections }),
            statements,
            expected_ms: Some(u64::try_from(order.quiet_for.as_millis()).unwrap_or(u64::MAX)),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let users = order.named(&broker).await?;
        Ok(json!({ "connections": open(&broker, &users).await? }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let users = order.named(&broker).await?;
        let open = open(&broker, &users).await?;
        // Closing again what is open, or what came back, is what a second attempt would do anyway.
        let finding = if open.is_empty() { Finding::Applied } else { Finding::NotApplied };
        Ok(Probed { finding, outputs: json!({ "users": users.len(), "closed": 0 }), facts: json!({ "open": open }) })
    }
}

#[async_trait]
impl Act for CloseConnections {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, broker) = (Order::of(call)?, Broker::open(call, own_target(call)?).await?);
        let users = order.named(&broker).await?;
        let names: Vec<&str> = users.iter().map(String::as_str).collect();
        let closing = sessions::close(&broker, &names, order.close_within, 0).await?;
        let closed = closing.closed.len();
        call.recorder.progress(&format!("{} closed", count_of(closed, "connection")));
        let after = |error: ActionError| if closed > 0 { error.after_change() } else { error };
        let (begun, patience) = (Instant::now(), broker.patience().clone());
        loop {
            let open = open(&broker, &users).await.map_err(after)?;
            if !open.is_empty() {
                return Err(back(&open, &format!("{:.1} s after they were closed", begun.elapsed().as_secs_f64())));
            }
            if begun.elapsed() >= order.quiet_for {
                return Ok(Applied { outputs: json!({ "users": users.len(), "closed": closed }) });
            }
            patience.sleep(LOOK_EVERY).await.map_err(|stopped| {
                after(ActionError::untouched(format!("nothing came back so far, and not yet for long enough: {stopped}")))
            })?;
        }
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, target) = (Order::of(call)?, own_target(call)?);
        let broker = Broker::open(call, target).await.map_err(ActionError::after_change)?;
        let users = order.named(&broker).await.map_err(ActionError::after_change)?;
        let open = open(&broker, &users).await.map_err(ActionError::after_change)?;
        if !open.is_empty() {
            return Err(back(&open, "now"));
        }
        Ok(Evidence::new(json!({ "identity": broker.identity(), "users": users, "connections": 0 })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(json!({ "undo": "clients connect again by themselves; no right was taken" })))
    }
}
