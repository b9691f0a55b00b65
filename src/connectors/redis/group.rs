//! The nodes of a target: the master, its replicas, and whoever may become master. Access rules are per node, so a freeze that
//! forgets one of them is lifted by the next failover.

use std::collections::HashMap;

use serde_json::json;

use super::address::Address;
use super::session::{Session, connect};
use crate::connectors::{ActionError, Call, Target};
use crate::model::{Arguments, Value};

/// Every node of a target, each with an open, identified session; the node behind `url` comes first.
pub(super) struct Group {
    pub(super) nodes: Vec<Node>,
}

/// One node.
pub(super) struct Node {
    pub(super) session: Session,
    info: HashMap<String, String>,
}

impl Group {
    /// Opens a session with every node. One that cannot be reached is an error: nobody can tell what it accepts.
    pub(super) async fn open(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let (mut nodes, mut missing) = (Vec::new(), Vec::new());
        for (at, address) in Address::all(target)?.iter().enumerate() {
            match Node::open(call, target, address, at == 0).await {
                Ok(node) => nodes.push(node),
                Err(error) => missing.push(error),
            }
        }
        if let Some(error) = missing.into_iter().next() {
            return Err(error);
        }
        let group = Self { nodes };
        group.assert_distinct()?;
        Ok(group)
    }

    /// Opens a session with every node that can be reached, and says what is wrong with the others.
    pub(super) async fn reachable(call: &Call, target: &Target) -> Result<(Self, Vec<(Address, ActionError)>), ActionError> {
        let (mut nodes, mut missing) = (Vec::new(), Vec::new());
        for address in Address::all(target)? {
            // A failover may have moved the roles; what a role said before the freeze does not bind the way back.
            match Node::open(call, target, &address, false).await {
                Ok(node) => nodes.push(node),
                Err(error) => missing.push((address, error)),
            }
        }
        Ok((Self { nodes }, missing))
    }

    /// Two addresses of one server would look like two nodes that are frozen.
    fn assert_distinct(&self) -> Result<(), ActionError> {
        let mut seen: HashMap<&str, &Address> = HashMap::new();
        for node in &self.nodes {
            if let Some(other) = seen.insert(node.found("run_id"), &node.session.address) {
                return Err(ActionError::untouched(format!("{} and {other} are the same server", node.session.address)));
            }
        }
        Ok(())
    }

    /// The one node that is master.
    pub(super) fn master(&mut self) -> Result<&mut Node, ActionError> {
        let masters: Vec<_> = (0..self.nodes.len()).filter(|at| self.nodes[*at].is_master()).collect();
        match masters[..] {
            [at] => Ok(&mut self.nodes[at]),
            [] => Err(ActionError::untouched("none of the nodes is the master, and only the master takes writes")),
            _ => {
                let named: Vec<_> = masters.iter().map(|at| self.nodes[*at].session.address.to_string()).collect();
                Err(ActionError::untouched(format!("{} are all masters: they are no group", named.join(" and "))))
            }
        }
    }

    /// Replicas that are connected to a node of the group and are not in it: a failover to one of them would lift a freeze.
    pub(super) fn unlisted(&self, ignored: &[String]) -> Vec<String> {
        let ports: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|node| [node.found("tcp_port").to_owned(), node.session.address.port.to_string()])
            .collect();
        let mut found = Vec::new();
        for node in &self.nodes {
            for at in 0..node.info.get("connected_slaves").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0) {
                let parts: HashMap<_, _> =
                    node.found(&format!("slave{at}")).split(',').filter_map(|part| part.split_once('=')).collect();
                let (ip, port) = (parts.get("ip").copied().unwrap_or("?"), parts.get("port").copied().unwrap_or("?"));
                let name = format!("{ip}:{port}");
                if !ports.iter().any(|listed| listed == port) && !ignored.contains(&name) && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// Who the nodes are.
    pub(super) fn identity(&self) -> Value {
        self.nodes.iter().map(Node::identity).collect()
    }
}

impl Node {
    async fn open(call: &Call, target: &Target, address: &Address, first: bool) -> Result<Self, ActionError> {
        let mut session = connect(call, target, address).await?;
        session.assert_identity(&Arguments::new(target.settings.map("identity")?), first).await?;
        let info = session.info(&["server", "replication"]).await?;
        Ok(Self { session, info })
    }

    /// What INFO said when the session was opened.
    pub(super) fn found(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    pub(super) fn is_master(&self) -> bool {
        self.found("role") == "master"
    }

    pub(super) fn name(&self) -> String {
        self.session.address.to_string()
    }

    fn identity(&self) -> Value {
        json!({
            "address": self.name(), "role": self.found("role"), "run_id": self.found("run_id"),
            "replication_id": self.found("master_replid"), "version": self.found("redis_version"),
        })
    }

    /// Where the replication stream of this node is now: `<replication id>:<offset>`.
    pub(super) async fn position(&mut self) -> Result<String, ActionError> {
        let info = self.session.info(&["replication"]).await?;
        let found = |name: &str| info.get(name).cloned().unwrap_or_default();
        Ok(format!("{}:{}", found("master_replid"), found("master_repl_offset")))
    }
}
