//! The text by which a subscriber reaches its source. PostgreSQL stores it, so a password in it is stored too; it is never shown.

use super::link::Link;
use super::place::{host_and_port, source_target};
use crate::connectors::{ActionError, Call};
use crate::model::Arguments;

/// `keyword='value'` pairs, as libpq reads them.
pub(super) struct Conninfo {
    parts: Vec<(&'static str, String)>,
    password: Option<String>,
}

/// Keys that are handed on as they are.
const HANDED_ON: [&str; 7] = ["user", "service", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey"];

impl Conninfo {
    /// What `connection` says, and where it says nothing, the address of the source's target. The database is always that one's.
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let source = source_target(call)?;
        let given = Arguments::new(call.params.map("connection")?);
        let service = given.opt_text("service")?.is_some();
        if !service && given.opt_text("user")?.is_none() {
            return Err(ActionError::untouched("`connection` names no account: give `user`, or a `service` that has one"));
        }
        let mut parts = Vec::new();
        let host = given.opt_text("host")?.map(str::to_owned);
        let port = given.opt_integer("port")?;
        if service {
            parts.extend(host.map(|host| ("host", host)));
            parts.extend(port.map(|port| ("port", port.to_string())));
        } else {
            let (own_host, own_port) = host_and_port(call, source)?;
            parts.push(("host", host.unwrap_or(own_host)));
            parts.push(("port", port.map_or_else(|| own_port.to_string(), |port| port.to_string())));
        }
        parts.push(("dbname", Link::of(call, source)?.database().to_owned()));
        for key in HANDED_ON {
            parts.extend(given.opt_text(key)?.map(|value| (key, value.to_owned())));
        }
        Ok(Self { parts, password: given.opt_text("password")?.map(str::to_owned) })
    }

    /// As it is sent.
    pub(super) fn text(&self) -> String {
        let password = self.password.as_ref().map(|password| ("password", password.clone()));
        let all: Vec<_> = self.parts.iter().cloned().chain(password).map(|(key, value)| pair(key, &value)).collect();
        all.join(" ")
    }

    /// For people and for the record.
    pub(super) fn shown(&self) -> String {
        let password = self.password.as_ref().map(|_| "password=…".to_owned());
        let all: Vec<_> = self.parts.iter().map(|(key, value)| pair(key, value)).chain(password).collect();
        all.join(" ")
    }

    /// Whether a password goes to the subscriber, which stores it.
    pub(super) const fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

fn pair(key: &str, value: &str) -> String {
    format!("{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::{Conninfo, pair};

    #[test]
    fn values_are_quoted_and_the_password_is_sent_and_not_shown() {
        assert_eq!(pair("user", "o'b\\x y"), "user='o\\'b\\\\x y'");
        let info = Conninfo { parts: vec![("host", "h".to_owned())], password: Some("it's".to_owned()) };
        assert_eq!(info.text(), "host='h' password='it\\'s'");
        assert!(!info.shown().contains("it") && info.has_password());
    }
}
