//! What a replica says about itself: its source, its threads, its errors, its position; one reading, both dialects.

use std::time::Duration;

use serde_json::json;

use super::gtid::Position;
use super::name::literal;
use super::session::{Dialect, Session, text};
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// The pause between two looks at a replica from which something is awaited while the application is refused.
pub(super) const EVERY: Duration = Duration::from_millis(2);

/// One reading of `SHOW … STATUS`.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    dialect: Dialect,
    row: Object,
}

/// What a thread of a replica does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thread {
    /// It works.
    Running,
    /// It tries to reach the source.
    Connecting,
    /// It is stopped.
    Stopped,
}

/// Errors at which trying again is no use: the account, its rights, its host.
const REFUSED: [u16; 6] = [1044, 1045, 1129, 1130, 1227, 1698];

impl Replica {
    /// Reads the status of a channel; none where the server follows nobody on it.
    pub(super) async fn read(session: &mut Session, channel: &str) -> Result<Option<Self>, ActionError> {
        let sql = statement(session.dialect());
        let rows = session.rows(sql).await?;
        Ok(Self::of(session.dialect(), rows, channel))
    }

    /// The same without a record, for looks that repeat.
    pub(super) async fn read_silently(session: &mut Session, channel: &str) -> Result<Option<Self>, ActionError> {
        let rows = session.silently(statement(session.dialect())).await?;
        Ok(Self::of(session.dialect(), rows, channel))
    }

    /// Whether the server applies, on any channel, what the server with this id writes: what it lacks of it is on its way.
    pub(super) async fn is_fed_by(session: &mut Session, server_id: &Value) -> Result<bool, ActionError> {
        let dialect = session.dialect();
        let rows = session.silently(statement(dialect)).await?;
        let mut all = rows.into_iter().map(|row| Self { dialect, row });
        let feeds = |replica: Self| {
            replica.field("Master_Server_Id").parse::<u64>().ok() == server_id.as_u64()
                && replica.reader() == Thread::Running
                && replica.applier() == Thread::Running
        };
        Ok(all.any(feeds))
    }

    /// From the answer to [`statement`].
    pub(super) fn of(dialect: Dialect, rows: Vec<Object>, channel: &str) -> Option<Self> {
        let name = match dialect {
            Dialect::MariaDb => "Connection_name",
            Dialect::MySql => "Channel_Name",
        };
        let row = rows.into_iter().find(|row| text(row, name).unwrap_or_default().eq_ignore_ascii_case(channel))?;
        Some(Self { dialect, row })
    }

    /// One with this status.
    #[cfg(test)]
    pub(super) const fn of_row(dialect: Dialect, row: Object) -> Self {
        Self { dialect, row }
    }

    /// A field by MariaDB's name for it; MySQL's newer names say `Source` and `Replica`.
    pub(super) fn field(&self, name: &str) -> String {
        let newer = || name.replace("Master", "Source").replace("Slave", "Replica");
        text(&self.row, name).or_else(|| text(&self.row, &newer())).unwrap_or_default()
    }

    /// The thread that reads from the source.
    pub(super) fn reader(&self) -> Thread {
        match self.field("Slave_IO_Running").as_str() {
            "Yes" => Thread::Running,
            "No" => Thread::Stopped,
            // `Connecting`, and `Preparing` of MariaDB.
            _ => Thread::Connecting,
        }
    }

    /// The thread that applies.
    pub(super) fn applier(&self) -> Thread {
        if self.field("Slave_SQL_Running") == "Yes" { Thread::Running } else { Thread::Stopped }
    }

    /// Where the source is.
    pub(super) fn source(&self) -> String {
        format!("{}:{}", self.field("Master_Host"), self.field("Master_Port"))
    }

    /// What the reading thread last said was wrong; empty when nothing.
    pub(super) fn reader_error(&self) -> String {
        self.error("Last_IO_Errno", "Last_IO_Error")
    }

    /// What the applying thread last said was wrong; empty when nothing.
    pub(super) fn applier_error(&self) -> String {
        self.error("Last_SQL_Errno", "Last_SQL_Error")
    }

    /// Whether the source turned the replica away, so that trying again is no use.
    pub(super) fn is_refused(&self) -> bool {
        self.field("Last_IO_Errno").parse().is_ok_and(|code| REFUSED.contains(&code))
    }

    fn error(&self, number: &str, message: &str) -> String {
        match self.field(number).as_str() {
            "" | "0" => String::new(),
            code => format!("{} (error {code})", self.field(message)),
        }
    }

    /// The transactions that a MySQL server has executed, its own and those of its sources; each is named by who wrote it.
    pub(super) fn executed(&self) -> Result<Position, ActionError> {
        Position::parse(self.dialect, &self.field("Executed_Gtid_Set")).map_err(ActionError::untouched)
    }

    /// What arrived from the source, applied or not; empty where the replica does not use GTIDs.
    pub(super) fn received(&self) -> Result<Position, ActionError> {
        let name = match self.dialect {
            Dialect::MariaDb => "Gtid_IO_Pos",
            Dialect::MySql => "Retrieved_Gtid_Set",
        };
        Position::parse(self.dialect, &self.field(name)).map_err(ActionError::untouched)
    }

    /// Whether the replica finds its place by GTIDs.
    pub(super) fn uses_gtid(&self) -> bool {
        match self.dialect {
            Dialect::MariaDb => !matches!(self.field("Using_Gtid").as_str(), "" | "No"),
            Dialect::MySql => self.field("Auto_Position") == "1",
        }
    }

    /// Everything that changes while a replica works; as long as it stays the same, nothing moves.
    pub(super) fn movement(&self) -> String {
        let names = ["Relay_Master_Log_File", "Exec_Master_Log_Pos", "Master_Log_File", "Read_Master_Log_Pos", "Relay_Log_File"];
        let rest = ["Relay_Log_Pos", "Gtid_IO_Pos", "Gtid_Slave_Pos", "Retrieved_Gtid_Set", "Executed_Gtid_Set"];
        names.iter().chain(&rest).map(|name| self.field(name)).collect::<Vec<_>>().join("|")
    }

    /// For people: the threads, the lag that the server claims, the errors.
    pub(super) fn facts(&self) -> Value {
        let number = |name: &str| self.field(name).parse::<i64>().map_or(Value::Null, |n| json!(n));
        json!({
            "source": self.source(), "io": self.field("Slave_IO_Running"), "sql": self.field("Slave_SQL_Running"),
            "seconds_behind": number("Seconds_Behind_Master"), "delay": number("SQL_Delay"),
            "io_error": self.reader_error(), "sql_error": self.applier_error(),
        })
    }
}

/// The statement that reads every channel of a server.
pub(super) const fn statement(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MariaDb => "SHOW ALL SLAVES STATUS",
        Dialect::MySql => "SHOW REPLICA STATUS",
    }
}

/// `'name'` after SLAVE (MariaDB), ` FOR CHANNEL 'name'` at the end (MySQL): what names a channel in a statement.
pub(super) fn named(dialect: Dialect, channel: &str, before: &str, after: &str) -> String {
    match dialect {
        Dialect::MariaDb if channel.is_empty() => format!("{before} SLAVE{after}"),
        Dialect::MariaDb => format!("{before} SLAVE {}{after}", literal(channel)),
        Dialect::MySql if channel.is_empty() => format!("{before} REPLICA{after}"),
        Dialect::MySql => format!("{before} REPLICA{after} FOR CHANNEL {}", literal(channel)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_named_as_each_dialect_does() {
        let all =
            |channel: &str| [Dialect::MariaDb, Dialect::MySql].map(|dialect| named(dialect, channel, "STOP", " SQL_THREAD"));
        assert_eq!(all(""), ["STOP SLAVE SQL_THREAD", "STOP REPLICA SQL_THREAD"]);
        assert_eq!(all("we'st"), ["STOP SLAVE 'we''st' SQL_THREAD", "STOP REPLICA SQL_THREAD FOR CHANNEL 'we''st'"]);
        assert_eq!(statement(Dialect::MySql), "SHOW REPLICA STATUS");
    }
}
