//! The rules of one `network.acl` step: a table of its own in nftables, ahead of every other filter, for IPv4 and IPv6 alike.

use std::net::IpAddr;

use crate::connectors::{ActionError, Call};

/// What is cut off, and from whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ruleset {
    /// Run and step.
    pub(super) owner: String,
    /// The table's name: letters, digits and underscores only.
    pub(super) table: String,
    pub(super) inbound: bool,
    pub(super) ports: Vec<u16>,
    /// Peers as addresses or networks; everybody when empty.
    pub(super) peers: Vec<String>,
    pub(super) except: Vec<String>,
}

/// Whether a text is an address or a network.
fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= longest))
}

/// An address for `ss`, which takes what follows the last colon for a port.
fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

impl Ruleset {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let ports = params.get("ports").and_then(|ports| ports.as_array()).cloned().unwrap_or_default();
        let ports: Option<Vec<u16>> =
            ports.iter().map(|port| u16::try_from(port.as_u64()?).ok().filter(|port| *port > 0)).collect();
        let ports = ports.filter(|ports| !ports.is_empty());
        let ports = ports.ok_or_else(|| ActionError::untouched("`ports` must list at least one port"))?;
        let (peers, except) = (params.texts("peers")?, params.texts("except")?);
        if let Some(wrong) = peers.iter().chain(&except).find(|text| !is_network(text)) {
            return Err(ActionError::untouched(format!("`{wrong}` is no address and no network")));
        }
        let plain = |text: &str| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect() };
        Ok(Self {
            owner: format!("{}/{}", call.run, call.step),
            table: format!("pointsman_{}_{}", plain(call.run.as_str()), plain(call.step.as_str())),
            inbound: params.opt_text("direction")? != Some("out"),
            ports,
            peers,
            except,
        })
    }

    /// The table as nftables reads it: made anew in one transaction.
    pub(super) fn text(&self) -> String {
        let (hook, peer) = if self.inbound { ("input", "saddr") } else { ("output", "daddr") };
        let ports = self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let mut rules = String::new();
        let of = |six: bool, list: &[String]| -> Vec<String> {
            list.iter().filter(|text| text.contains(':') == six).cloned().collect()
        };
        for (family, six) in [("ip", false), ("ip6", true)] {
            let except = of(six, &self.except);
            if !except.is_empty() {
                rules.push_str(&format!("    {family} {peer} {{ {} }} accept\n", except.join(", ")));
            }
        }
        let verdict = "counter reject with tcp reset";
        if self.peers.is_empty() {
            rules.push_str(&format!("    tcp dport {{ {ports} }} {verdict}\n"));
        }
        for (family, six) in [("ip", false), ("ip6", true)] {
            let peers = of(six, &self.peers);
            if !peers.is_empty() {
                rules.push_str(&format!("    {family} {peer} {{ {} }} tcp dport {{ {ports} }} {verdict}\n", peers.join(", ")));
            }
        }
        // Ahead of connection tracking's usual chains, so an accept of established connections comes too late.
        format!(
            "add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n  comment \"{owner}\"\n  chain {hook} {{\n    \
             type filter hook {hook} priority -190; policy accept;\n{rules}  }}\n}}\n",
            table = self.table,
            owner = self.owner.replace('"', ""),
        )
    }

    /// The arguments of `ss` that choose the sockets this ruleset is about.
    pub(super) fn sockets(&self) -> Vec<String> {
        let side = if self.inbound { "sport" } else { "dport" };
        let any = |parts: Vec<String>| format!("( {} )", parts.join(" or "));
        let mut filter = any(self.ports.iter().map(|port| format!("{side} = :{port}")).collect());
        if !self.peers.is_empty() {
            filter.push_str(&format!(" and {}", any(self.peers.iter().map(|peer| format!("dst {}", bracketed(peer))).collect())));
        }
        for except in &self.except {
            filter.push_str(&format!(" and not dst {}", bracketed(except)));
        }
        vec!["-H".to_owned(), "-n".to_owned(), "-t".to_owned(), "state".to_owned(), "connected".to_owned(), filter]
    }

    /// The arguments of `conntrack -D` that forget the connections, one list per port, family and peer.
    pub(super) fn forgetting(&self) -> Vec<Vec<String>> {
        let mut lists = Vec::new();
        for port in &self.ports {
            for family in ["ipv4", "ipv6"] {
                let own: Vec<_> = self.peers.iter().filter(|peer| peer.contains(':') == (family == "ipv6")).collect();
                let base = ["conntrack", "-D", "-f", family, "-p", "tcp", "--dport"].map(str::to_owned);
                let base: Vec<_> = base.into_iter().chain([port.to_string()]).collect();
                if self.peers.is_empty() {
                    lists.push(base);
                    continue;
                }
                for peer in own {
                    let side = if self.inbound { "-s" } else { "-d" };
                    lists.push(base.iter().cloned().chain([side.to_owned(), peer.clone()]).collect());
                }
            }
        }
        lists
    }
}
