//! Accounts and roles, and the patterns by which a step names them.

use serde_json::json;

use super::name::quoted;
use crate::connectors::ActionError;
use crate::model::Value;

/// Somebody who can hold privileges.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Account {
    /// The name before the `@`.
    pub(super) user: String,
    /// What is after it; empty for a role of MariaDB.
    pub(super) host: String,
    /// Whether it is a role of MariaDB, which has no host. A role of MySQL is an account like any other.
    pub(super) role: bool,
}

impl Account {
    /// An account.
    pub(super) fn new(user: impl Into<String>, host: impl Into<String>) -> Self {
        Self { user: user.into(), host: host.into(), role: false }
    }

    /// `user@host`, or `role name`: as a step names it and a person reads it.
    pub(super) fn label(&self) -> String {
        if self.role { format!("role {}", self.user) } else { format!("{}@{}", self.user, self.host) }
    }

    /// As a statement names it.
    pub(super) fn sql(&self) -> String {
        match (self.role, self.user.as_str()) {
            (true, "PUBLIC") => "PUBLIC".to_owned(),
            (true, role) => quoted(role),
            (false, user) => format!("{}@{}", quoted(user), quoted(&self.host)),
        }
    }

    /// For a snapshot.
    pub(super) fn to_value(&self) -> Value {
        json!({ "user": self.user, "host": self.host, "role": self.role })
    }

    /// From a snapshot.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            user: value["user"].as_str()?.to_owned(),
            host: value["host"].as_str()?.to_owned(),
            role: value["role"].as_bool()?,
        })
    }
}

/// Whether a pattern, in which `*` means anything, means this text. `%` and `_` mean themselves: they are parts of accounts.
pub(super) fn means(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            let starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            starts.into_iter().any(|at| means(rest, &tail[at..]))
        }),
    }
}

/// The names that the patterns mean; a pattern that means nothing is an error, because it is probably misspelt.
pub(super) fn meant<'a, T>(
    patterns: &[String],
    what: &str,
    all: &'a [T],
    name: impl Fn(&T) -> String,
) -> Result<Vec<&'a T>, ActionError> {
    for pattern in patterns {
        if !all.iter().any(|item| means(pattern, &name(item))) {
            return Err(ActionError::untouched(format!("`{pattern}` means no {what} of this server")));
        }
    }
    Ok(all.iter().filter(|item| patterns.iter().any(|pattern| means(pattern, &name(item)))).collect())
}

#[cfg(test)]
mod tests {
    use super::{Account, means};

    #[test]
    fn only_the_star_means_anything() {
        assert!(means("shop_app@%", "shop_app@%"));
        assert!(!means("shop_app@%", "shop_app@10.0.0.1"));
        assert!(!means("shop_app@%", "shopxapp@%"));
        assert!(means("shop_app@*", "shop_app@10.0.0.1"));
        assert!(means("*@*", "é@ß"));
        assert!(means("a*b*c", "aXbYbZc"));
        assert!(!means("a*b*c", "aXbYbZ"));
    }

    #[test]
    fn accounts_are_written_as_the_server_reads_them() {
        assert_eq!(Account::new("a`b", "%").sql(), "`a``b`@`%`");
        assert_eq!(Account { role: true, ..Account::new("PUBLIC", "") }.sql(), "PUBLIC");
    }
}
