//! How much a queue holds, exactly: what the queue itself counts, and not what the statistics remember.
//!
//! The ordinary answers of the management API are seconds old: they said 100 where the broker held 0. Asked without statistics
//! and with totals, a classic queue counts ready and unacknowledged messages at that moment. A quorum queue's totals are as old
//! as its last tick (5 s); its ready messages are exact by passive declare.

use serde_json::json;

use super::broker::{Broker, Trouble};
use super::permission::entries;
use crate::connectors::ActionError;
use crate::model::Value;

/// Without statistics, with totals.
pub(super) const EXACT: &str = "disable_stats=true&enable_queue_totals=true";

/// One queue at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Depth {
    pub(super) queue: String,
    pub(super) ready: u64,
    pub(super) unacked: u64,
    /// Whether the totals come from a tick and not from the queue at this moment.
    pub(super) is_quorum: bool,
    /// How many consumers it has; not known from the totals alone.
    pub(super) consumers: Option<u64>,
}

impl Depth {
    /// Ready and unacknowledged together.
    pub(super) const fn pending(&self) -> u64 {
        self.ready + self.unacked
    }

    /// For people.
    pub(super) fn said(&self) -> String {
        let Self { queue, ready, unacked, consumers, .. } = self;
        let consumers = match consumers {
            Some(0) => ", and it has no consumer",
            Some(_) | None => "",
        };
        format!("{queue} holds {ready} ready and {unacked} unacknowledged messages{consumers}")
    }

    /// For the evidence.
    pub(super) fn facts(&self) -> Value {
        json!({ "queue": self.queue, "ready": self.ready, "unacknowledged": self.unacked, "consumers": self.consumers })
    }
}

/// The depths of the queues that `chosen` names, from one answer. Fails for a queue that cannot be counted.
pub(super) async fn totals(broker: &Broker, chosen: impl Fn(&str) -> bool) -> Result<Vec<Depth>, ActionError> {
    let rows = broker.read_silently(&["queues", broker.vhost()], EXACT).await;
    let rows = rows.map_err(|trouble: Trouble| trouble.reading("the depths of queues"))?;
    let mut found = Vec::new();
    for row in entries(&rows) {
        let queue = row["name"].as_str().unwrap_or_default();
        if !chosen(queue) {
            continue;
        }
        let wrong = |why: &str| ActionError::untouched(format!("{queue} cannot be drained: {why}"));
        let is_quorum = match row["type"].as_str() {
            Some("classic") => false,
            Some("quorum") => true,
            other => return Err(wrong(&format!("a queue of type {} keeps what was read", other.unwrap_or("unknown")))),
        };
        if row["exclusive"] == true {
            return Err(wrong("it belongs to one connection and ends with it"));
        }
        let (Some(ready), Some(unacked), "running" | "idle") =
            (row["messages_ready"].as_u64(), row["messages_unacknowledged"].as_u64(), row["state"].as_str().unwrap_or_default())
        else {
            return Err(wrong(&format!("its state is {}, and nobody can count what it holds", row["state"])));
        };
        found.push(Depth { queue: queue.to_owned(), ready, unacked, is_quorum, consumers: None });
    }
    Ok(found)
}

/// Whether a name is meant by one of the patterns; `*` stands for any run of characters.
pub(super) fn is_meant(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| fits(pattern, name))
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|left| (0..=left.len()).any(|at| left.is_char_boundary(at) && fits(rest, &left[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(fits("orders", "orders") && !fits("orders", "orders.dead") && fits("orders*", "orders.dead"));
        assert!(fits("*", "") && fits("a*c*e", "abcde") && !fits("a*c*e", "abcd") && fits("*é", "café"));
    }
}
