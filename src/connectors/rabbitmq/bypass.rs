//! Who else can write into the virtual host: other users, shovels, federation. A freeze of some users holds against none of them.

use super::broker::Broker;
use super::permission::entries;
use crate::connectors::{ActionError, Blocker, Call};
use crate::model::Value;

/// A way past a freeze.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bypass {
    /// What a step writes under `accept`.
    pub(super) id: String,
    what: String,
}

impl Bypass {
    /// For an inspection.
    pub(super) fn blocker(&self) -> Blocker {
        Blocker { what: format!("{}; end it, freeze it, or accept `{}`", self.what, self.id), owner: Some(self.id.clone()) }
    }
}

/// Everything that can write and is neither in `frozen` nor accepted by the step. Pointsman's own account is not counted.
pub(super) async fn unaccepted(broker: &Broker, call: &Call, frozen: &[&str]) -> Result<Vec<Bypass>, ActionError> {
    let accepted = call.params.texts("accept")?;
    let mut found = users(broker, frozen).await?;
    found.extend(shovels(broker).await?);
    found.extend(federation(broker).await?);
    found.retain(|bypass| !accepted.contains(&bypass.id));
    Ok(found)
}

/// Fails when something can write that nobody accepted.
pub(super) fn refuse(bypasses: &[Bypass]) -> Result<(), String> {
    if bypasses.is_empty() {
        return Ok(());
    }
    let whats: Vec<_> = bypasses.iter().map(|bypass| format!("{} (`{}`)", bypass.what, bypass.id)).collect();
    Err(whats.join("; "))
}

async fn users(broker: &Broker, frozen: &[&str]) -> Result<Vec<Bypass>, ActionError> {
    let rows = broker.permissions().await?;
    let others = rows.iter().filter(|(user, row)| !row.denies() && user != broker.own_user() && !frozen.contains(&user.as_str()));
    Ok(others
        .map(|(user, row)| Bypass { id: format!("user:{user}"), what: format!("the user {user} may write to {}", row.write) })
        .collect())
}

async fn shovels(broker: &Broker) -> Result<Vec<Bypass>, ActionError> {
    // The parameters are there without the plugin's own pages; the pages also know the shovels of the configuration file.
    let parameters = broker.read_if_there(&["parameters", "shovel"]).await.map_err(|t| t.reading("shovels"))?;
    let states = broker.read_if_there(&["shovels"]).await.map_err(|t| t.reading("shovels"))?;
    let mut found: Vec<Bypass> = Vec::new();
    for shovel in [parameters, states].iter().flatten().flat_map(entries) {
        let name = shovel["name"].as_str().unwrap_or_default();
        let id = match shovel["vhost"].as_str() {
            Some(vhost) if vhost != broker.vhost() => format!("shovel:{vhost}/{name}"),
            Some(_) | None => format!("shovel:{name}"),
        };
        if !found.iter().any(|bypass| bypass.id == id) {
            // A shovel with an address without a host needs no permission at all.
            found.push(Bypass { id, what: format!("the shovel {name} writes as a user of its own") });
        }
    }
    Ok(found)
}

async fn federation(broker: &Broker) -> Result<Vec<Bypass>, ActionError> {
    let policies = broker.read(&["policies", broker.vhost()], "").await.map_err(|t| t.reading("policies"))?;
    let federated = |policy: &&Value| {
        policy["definition"].as_object().is_some_and(|keys| keys.keys().any(|key| key.starts_with("federation-upstream")))
    };
    Ok(entries(&policies)
        .filter(federated)
        .map(|policy| {
            let name = policy["name"].as_str().unwrap_or_default();
            let what = format!("the policy {name} lets federation write without a permission here");
            Bypass { id: format!("federation:{name}"), what }
        })
        .collect())
}
