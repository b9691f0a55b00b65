//! The nodes of a target: the master, its replicas, and whoever may become master. Access rules are per node, so a freeze that
//! forgets one of them is lifted by the next failover.

use std::collections::HashMap;

use serde_json::json;

use super::address::Address;
use super::reply;
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

    /// Refuses a group where a failover could go to somebody who is not in it.
    pub(super) async fn refuse_unlisted(&mut self, ignored: &[String]) -> Result<(), ActionError> {
        let unlisted = self.unlisted(ignored).await?;
        if unlisted.is_empty() {
            return Ok(());
        }
        Err(ActionError::untouched(format!(
            "{} replicates and is not among the target's `nodes`: a failover to it would lift the freeze",
            unlisted.join(", ")
        ))
        .hint(
            "name it under `nodes`, or under `ignore_replicas` if it can never be promoted; a node that the master sees under an \
             address that it does not know of (NAT) needs `replica-announce-ip`",
        ))
    }

    /// Replicas that are connected to a node of the group and are not in it, as that node sees them.
    async fn unlisted(&mut self, ignored: &[String]) -> Result<Vec<String>, ActionError> {
        let mut seen = Vec::new();
        for node in &self.nodes {
            for at in 0..node.info.get("connected_slaves").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0) {
                let parts: HashMap<_, _> =
                    node.found(&format!("slave{at}")).split(',').filter_map(|part| part.split_once('=')).collect();
                let part = |name: &str| parts.get(name).copied().unwrap_or("?").to_owned();
                seen.push((part("ip"), part("port")));
            }
        }
        let mut listed = Vec::new();
        if !seen.is_empty() {
            for node in &mut self.nodes {
                listed.push(node.known_as().await?);
            }
        }
        let is_listed =
            |ip: &String, port: &String| listed.iter().any(|(hosts, ports)| hosts.contains(ip) && ports.contains(port));
        let strangers = seen.iter().filter(|(ip, port)| !is_listed(ip, port)).map(|(ip, port)| format!("{ip}:{port}"));
        let mut found: Vec<_> = strangers.filter(|name| !ignored.contains(name)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
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

    /// Hosts and ports under which a master may show this node: what it announces, where its link to the master begins, and
    /// where this session reached it. A port alone is no name: groups often use the same one on every host.
    async fn known_as(&mut self) -> Result<(Vec<String>, Vec<String>), ActionError> {
        let mut hosts = vec![self.session.address.host.clone()];
        hosts.extend(self.session.peer.map(|peer| peer.to_string()));
        let mut ports = vec![self.session.address.port.to_string(), self.found("tcp_port").to_owned()];
        if !self.is_master() {
            let announced = self.session.ask(&["CONFIG", "GET", "replica-announce-*"]).await?;
            let said = |name: &str| reply::field(&announced, name).and_then(reply::text).filter(|said| !said.is_empty());
            hosts.extend(said("replica-announce-ip"));
            ports.extend(said("replica-announce-port").filter(|port| port != "0"));
            let links = reply::text(&self.session.ask(&["CLIENT", "LIST", "TYPE", "master"]).await?).unwrap_or_default();
            let begins = links.split(' ').filter_map(|part| part.strip_prefix("laddr=")?.rsplit_once(':'));
            hosts.extend(begins.map(|(host, _)| host.trim_matches(['[', ']']).to_owned()));
        }
        Ok((hosts, ports))
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
