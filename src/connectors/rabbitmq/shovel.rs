//! `rabbitmq.check_shovels`: shovels exist and run. A shovel that runs says nothing about what waits in its source: drain that.

use async_trait::async_trait;
use serde_json::json;

use super::broker::Broker;
use super::depth::is_meant;
use super::own_target;
use super::permission::entries;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Span, Value};

/// The action.
#[derive(Debug)]
pub struct CheckShovels;

/// The shovels that the step names, as `[name, state]`. Every name must mean one.
async fn states(broker: &Broker, call: &Call) -> Result<Vec<(String, String)>, ActionError> {
    let names = call.params.texts("names")?;
    let rows = broker.read_if_there(&["shovels"]).await.map_err(|trouble| trouble.reading("shovels"))?;
    let rows = rows.ok_or_else(|| {
        ActionError::untouched("the broker does not say how its shovels are")
            .hint("enable the plugin `rabbitmq_shovel_management`")
    })?;
    // A dynamic shovel belongs to a virtual host, one of the configuration file to none.
    let here = |row: &&Value| row["vhost"].as_str().is_none_or(|vhost| vhost == broker.vhost());
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("unknown").to_owned();
    let found: Vec<_> = entries(&rows)
        .filter(here)
        .map(|row| (text(row, "name"), text(row, "state")))
        .filter(|(name, _)| is_meant(&names, name))
        .collect();
    for pattern in &names {
        if !found.iter().any(|(name, _)| is_meant(std::slice::from_ref(pattern), name)) {
            return Err(ActionError::untouched(format!("no shovel in {} is named `{pattern}`", broker.vhost())));
        }
    }
    Ok(found)
}

fn idle(states: &[(String, String)]) -> Option<String> {
    let idle: Vec<_> = states
        .iter()
        .filter(|(_, state)| state != "running")
        .map(|(name, state)| format!("the shovel {name} is {state}"))
        .collect();
    (!idle.is_empty()).then(|| idle.join("; "))
}

async fn check(call: &Call) -> Result<Value, ActionError> {
    let broker = Broker::open(call, own_target(call)?).await?;
    let span = |key: &str, default| Ok::<_, ActionError>(call.params.opt_span(key)?.unwrap_or(default).as_duration());
    let patience = broker.patience().at_most(span("within", Span::from_secs(10))?);
    let every = span("every", Span::from_millis(500))?;
    loop {
        let found = states(&broker, call).await?;
        let Some(why) = idle(&found) else {
            return Ok(json!({ "identity": broker.identity(), "running": found.len() }));
        };
        if let Err(stopped) = patience.sleep(every).await {
            return Err(ActionError::untouched(format!("{why}: {stopped}")));
        }
    }
}

#[async_trait]
impl Inspect for CheckShovels {
    fn name(&self) -> &'static str {
        "rabbitmq.check_shovels"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let broker = Broker::open(call, own_target(call)?).await?;
        let found = states(&broker, call).await?;
        Ok(Inspection {
            identity: broker.identity(),
            state: json!({ "shovels": found }),
            statements: vec!["GET /api/shovels".to_owned()],
            blockers: idle(&found).map(|what| Blocker { what, owner: None }).into_iter().collect(),
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
impl Act for CheckShovels {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let found = check(call).await?;
        Ok(Applied { outputs: json!({ "running": found["running"] }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(check(call).await?))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
