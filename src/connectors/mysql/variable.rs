//! The server's own switches that a freeze turns and a thaw turns back: `read_only`, `super_read_only`, the event scheduler.

use std::time::Duration;

use serde_json::json;

use super::session::{Dialect, Session, StatementError, text};
use crate::model::{Object, Value};

/// How the switches stand. What a server does not have is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Switches {
    /// `ON` or `OFF`.
    pub(super) read_only: Option<String>,
    /// The same; MySQL only.
    pub(super) super_read_only: Option<String>,
    /// `ON`, `OFF` or `DISABLED`.
    pub(super) event_scheduler: Option<String>,
}

impl Switches {
    /// Reads them.
    pub(super) async fn read(session: &mut Session) -> Result<Self, StatementError> {
        Ok(Self::of(&session.rows(Self::question(session.dialect())).await?))
    }

    /// What has to be asked for them.
    pub(super) const fn question(dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::MariaDb => "SELECT @@global.read_only AS read_only, @@global.event_scheduler AS event_scheduler",
            Dialect::MySql => {
                "SELECT @@global.read_only AS read_only, @@global.super_read_only AS super_read_only, \
                 @@global.event_scheduler AS event_scheduler"
            }
        }
    }

    /// From the answer to [`Self::question`].
    pub(super) fn of(rows: &[Object]) -> Self {
        // A switch with two ways is shown as a number, one with more as a word.
        let find = |name: &str| {
            let word = text(rows.first()?, name)?;
            Some(match word.as_str() {
                "0" => "OFF".to_owned(),
                "1" => "ON".to_owned(),
                _ => word,
            })
        };
        Self { read_only: find("read_only"), super_read_only: find("super_read_only"), event_scheduler: find("event_scheduler") }
    }

    /// These, with writes to the whole server refused.
    pub(super) fn refusing(&self) -> Self {
        let on = || Some("ON".to_owned());
        Self { read_only: on(), super_read_only: self.super_read_only.as_ref().and_then(|_| on()), ..self.clone() }
    }

    /// These, with writes to the server accepted.
    pub(super) fn accepting(&self) -> Self {
        let off = |switch: &Option<String>| switch.as_ref().map(|_| "OFF".to_owned());
        Self { read_only: off(&self.read_only), super_read_only: off(&self.super_read_only), ..self.clone() }
    }

    /// These, accepting and refusing writes as others do.
    pub(super) fn as_writable_as(&self, other: &Self) -> Self {
        Self { event_scheduler: self.event_scheduler.clone(), ..other.clone() }
    }

    /// Whether the server refuses writes.
    pub(super) fn refuses(&self) -> bool {
        self.read_only.as_deref().is_some_and(|switch| switch != "OFF")
    }

    /// These, with the event scheduler stopped.
    pub(super) fn without_events(&self) -> Self {
        match self.event_scheduler.as_deref() {
            Some("ON") => Self { event_scheduler: Some("OFF".to_owned()), ..self.clone() },
            _ => self.clone(),
        }
    }

    /// The statements that lead from these to others. On the way to read-only the stronger switch brings the weaker one with it; on
    /// the way back it goes first.
    pub(super) fn statements_to(&self, wanted: &Self) -> Vec<String> {
        let pairs = [
            ("super_read_only", &self.super_read_only, &wanted.super_read_only),
            ("read_only", &self.read_only, &wanted.read_only),
            ("event_scheduler", &self.event_scheduler, &wanted.event_scheduler),
        ];
        // A scheduler that the server was started without cannot be turned at all.
        let changed = pairs.into_iter().filter(|(_, now, wanted)| now != wanted && wanted.as_deref() != Some("DISABLED"));
        changed.filter_map(|(name, _, wanted)| Some(format!("SET GLOBAL {name} = {}", wanted.as_ref()?))).collect()
    }

    /// The same in two parts: what opens the server comes before its privileges are given, what closes it after they are taken.
    /// A server with `super_read_only` refuses GRANT and REVOKE to everybody.
    pub(super) fn around(&self, wanted: &Self) -> (Vec<String>, Vec<String>) {
        self.statements_to(wanted).into_iter().partition(|sql| !sql.ends_with("read_only = ON"))
    }

    /// For a snapshot.
    pub(super) fn to_value(&self) -> Value {
        json!({
            "read_only": self.read_only, "super_read_only": self.super_read_only, "event_scheduler": self.event_scheduler,
        })
    }

    /// From a snapshot. Only the words that a switch can have are taken: they become part of a statement.
    pub(super) fn from_value(value: &Value) -> Self {
        let word = |name: &str| {
            let word = value[name].as_str()?;
            ["ON", "OFF", "DISABLED"].contains(&word).then(|| word.to_owned())
        };
        Self { read_only: word("read_only"), super_read_only: word("super_read_only"), event_scheduler: word("event_scheduler") }
    }
}

/// What bounds the wait for locks of the statements that follow in a session: turning `read_only` on waits for what is open, and
/// holds up others meanwhile.
pub(super) fn lock_wait(within: Duration) -> String {
    format!("SET SESSION lock_wait_timeout = {}", within.as_secs().clamp(1, 31_536_000))
}

#[cfg(test)]
mod tests {
    use super::Switches;

    fn switches(read_only: &str, super_read_only: Option<&str>) -> Switches {
        let word = |word: &str| Some(word.to_owned());
        Switches { read_only: word(read_only), super_read_only: super_read_only.and_then(word), event_scheduler: word("OFF") }
    }

    #[test]
    fn a_server_is_opened_before_its_privileges_are_given_and_closed_after_they_are_taken() {
        let (closed, open) = (switches("ON", Some("ON")), switches("OFF", Some("OFF")));
        let opening = ["SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"].map(str::to_owned).to_vec();
        assert_eq!(closed.around(&closed.accepting()), (opening, Vec::new()));
        let closing = ["SET GLOBAL super_read_only = ON", "SET GLOBAL read_only = ON"].map(str::to_owned).to_vec();
        assert_eq!(open.around(&open.refusing()), (Vec::new(), closing));
        // A server without the stronger switch is not sent its name.
        assert_eq!(switches("ON", None).accepting(), switches("OFF", None));
        assert!(closed.refuses() && !open.refuses());
    }
}
