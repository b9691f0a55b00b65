//! What a user may do in a virtual host, as rows; and the row that denies writing.
//!
//! The `write` expression of a frozen row matches nothing and says in a comment whose freeze it is and how far it came:
//! `denied` while connections with a cached grant may still be open, `closed` when they are gone. So a look after a crash tells.

use serde_json::json;

use super::broker::{Broker, Trouble};
use crate::connectors::{ActionError, Call};
use crate::model::Value;

/// One row: three expressions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Permission {
    pub(super) configure: String,
    pub(super) write: String,
    pub(super) read: String,
}

/// Whose freeze a row carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Owner {
    pub(super) run: String,
    pub(super) step: String,
}

/// How far a freeze came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Writing is denied; connections with a cached grant may be open.
    Denied,
    /// Those connections are closed too.
    Closed,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Closed => "closed",
        }
    }
}

impl Owner {
    /// The step of this call.
    pub(super) fn of(call: &Call) -> Self {
        // A comment of an expression ends at the first closing parenthesis.
        Self { run: call.run.to_string().replace(')', "_"), step: call.step.to_string().replace(')', "_") }
    }

    /// An expression that matches nothing, with the owner in a comment.
    pub(super) fn tag(&self, phase: Phase) -> String {
        format!("^$(?#pointsman/{}/{}/{})", self.run, self.step, phase.word())
    }
}

impl Permission {
    /// A row of the API.
    pub(super) fn from_row(row: &Value) -> Option<Self> {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        Some(Self { configure: text("configure")?, write: text("write")?, read: text("read")? })
    }

    /// For the API and for snapshots.
    pub(super) fn to_row(&self) -> Value {
        json!({ "configure": self.configure, "write": self.write, "read": self.read })
    }

    /// The same with another `write`.
    pub(super) fn writing(&self, write: &str) -> Self {
        Self { write: write.to_owned(), ..self.clone() }
    }

    /// Whether writing is denied altogether: the broker reads an empty expression as `^$`, and no exchange or queue has an empty
    /// name (the default exchange is checked as `amq.default`).
    pub(super) fn denies(&self) -> bool {
        matches!(self.write.as_str(), "" | "^$") || self.frozen().is_some()
    }

    /// Whose freeze the row carries, and how far it came.
    pub(super) fn frozen(&self) -> Option<(Owner, Phase)> {
        let inner = self.write.strip_prefix("^$(?#pointsman/")?.strip_suffix(')')?;
        let (rest, phase) = inner.rsplit_once('/')?;
        let (run, step) = rest.split_once('/')?;
        let phase = match phase {
            "denied" => Phase::Denied,
            "closed" => Phase::Closed,
            _ => return None,
        };
        Some((Owner { run: run.to_owned(), step: step.to_owned() }, phase))
    }

    /// The same as a person sends it.
    pub(super) fn by_hand(&self, vhost: &str, user: &str) -> String {
        let [vhost, user, configure, write, read] = [vhost, user, &self.configure, &self.write, &self.read].map(quoted);
        format!("rabbitmqctl set_permissions -p {vhost} {user} {configure} {write} {read}")
    }
}

/// One word for a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Broker {
    /// The row of a user in the target's virtual host; none when it has none.
    pub(super) async fn permission(&self, user: &str) -> Result<Option<Permission>, ActionError> {
        let row = self.read_if_there(&["permissions", self.vhost(), user]).await;
        Ok(row.map_err(|trouble| trouble.reading("permissions"))?.as_ref().and_then(Permission::from_row))
    }

    /// The rows of everybody in the target's virtual host.
    pub(super) async fn permissions(&self) -> Result<Vec<(String, Permission)>, ActionError> {
        let rows = self.read(&["vhosts", self.vhost(), "permissions"], "").await;
        let rows = rows.map_err(|trouble| trouble.reading("permissions"))?;
        let mut found: Vec<_> =
            entries(&rows).filter_map(|row| Some((row["user"].as_str()?.to_owned(), Permission::from_row(row)?))).collect();
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// The topic permissions of a user in the target's virtual host, in a fixed order.
    pub(super) async fn topic_permissions(&self, user: &str) -> Result<Vec<Value>, ActionError> {
        let rows = self.read_if_there(&["topic-permissions", self.vhost(), user]).await;
        let rows = rows.map_err(|trouble| trouble.reading("topic permissions"))?.unwrap_or_default();
        let key = |row: &Value| row["exchange"].as_str().unwrap_or_default().to_owned();
        let mut found: Vec<_> = entries(&rows)
            .map(|row| json!({ "exchange": row["exchange"], "write": row["write"], "read": row["read"] }))
            .collect();
        found.sort_unstable_by_key(key);
        Ok(found)
    }

    /// Sets the row of a user.
    pub(super) async fn set_permission(&self, user: &str, row: &Permission) -> Result<(), Trouble> {
        self.put(&["permissions", self.vhost(), user], &row.to_row()).await
    }
}

/// The entries of an answer: a list, or one object.
pub(super) fn entries(answer: &Value) -> impl Iterator<Item = &Value> {
    let (list, one) = match answer {
        Value::Array(list) => (list.as_slice(), None),
        Value::Object(_) => (&[][..], Some(answer)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (&[][..], None),
    };
    list.iter().chain(one)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_frozen_row_says_whose_freeze_it_is() {
        let owner = Owner { run: "shop-1".to_owned(), step: "freeze/old".to_owned() };
        let row = Permission { configure: String::new(), write: owner.tag(Phase::Closed), read: ".*".to_owned() };
        assert_eq!(row.frozen(), Some((owner, Phase::Closed)));
        assert!(row.denies() && row.writing("").denies() && row.writing("^$").denies());
        assert!(!row.writing(".*").denies() && !row.writing("^$|orders").denies());
        assert_eq!(row.writing("^$(?#pointsman/x/y/else)").frozen(), None);
    }

    #[test]
    fn what_a_person_sends_is_quoted() {
        let row = Permission { configure: "^$".to_owned(), write: "a'b".to_owned(), read: ".*".to_owned() };
        assert_eq!(row.by_hand("/", "shop"), "rabbitmqctl set_permissions -p '/' 'shop' '^$' 'a'\\''b' '.*'");
    }
}
