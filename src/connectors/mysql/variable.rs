//! The server's own switches that a freeze turns and a thaw turns back: `read_only`, `super_read_only`, the event scheduler.

use serde_json::json;

use super::session::{Session, StatementError, text};
use crate::model::Value;

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
        let rows = session
            .rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'event_scheduler')")
            .await?;
        let find = |name: &str| {
            let row = rows.iter().find(|row| text(row, "Variable_name").as_deref() == Some(name))?;
            text(row, "Value")
        };
        Ok(Self {
            read_only: find("read_only"),
            super_read_only: find("super_read_only"),
            event_scheduler: find("event_scheduler"),
        })
    }

    /// These, with writes to the whole server refused.
    pub(super) fn refusing(&self) -> Self {
        let on = || Some("ON".to_owned());
        Self { read_only: on(), super_read_only: self.super_read_only.as_ref().and_then(|_| on()), ..self.clone() }
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
