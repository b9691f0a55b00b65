//! How a replica follows its source: every setting that its status shows, kept before it is taken away and set again word by word.

use std::collections::BTreeMap;

use serde_json::json;

use super::name::literal;
use super::replica::{EVERY, Replica, Thread, named};
use super::session::{Dialect, Session};
use crate::connectors::ActionError;
use crate::model::Value;

/// The settings of one channel, by MariaDB's names of the fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Following {
    fields: BTreeMap<String, String>,
    pub(super) reads: bool,
    pub(super) applies: bool,
}

/// How a field of the status is set again.
enum Setting {
    Text(&'static str),
    Number(&'static str),
    Flag(&'static str),
    List(&'static str),
}

use Setting::{Flag, List, Number, Text};

/// The fields that say how a replica follows; `MASTER_` is `SOURCE_` in MySQL.
const FIELDS: [(&str, Setting); 25] = [
    ("Master_Host", Text("MASTER_HOST")),
    ("Master_Port", Number("MASTER_PORT")),
    ("Master_User", Text("MASTER_USER")),
    ("Connect_Retry", Number("MASTER_CONNECT_RETRY")),
    ("Using_Gtid", Number("MASTER_USE_GTID")),
    ("Auto_Position", Number("MASTER_AUTO_POSITION")),
    ("SQL_Delay", Number("MASTER_DELAY")),
    ("Slave_heartbeat_period", Number("MASTER_HEARTBEAT_PERIOD")),
    ("Master_SSL_Allowed", Flag("MASTER_SSL")),
    ("Master_SSL_CA_File", Text("MASTER_SSL_CA")),
    ("Master_SSL_CA_Path", Text("MASTER_SSL_CAPATH")),
    ("Master_SSL_Cert", Text("MASTER_SSL_CERT")),
    ("Master_SSL_Cipher", Text("MASTER_SSL_CIPHER")),
    ("Master_SSL_Key", Text("MASTER_SSL_KEY")),
    ("Master_SSL_Crl", Text("MASTER_SSL_CRL")),
    ("Master_SSL_Crlpath", Text("MASTER_SSL_CRLPATH")),
    ("Master_SSL_Verify_Server_Cert", Flag("MASTER_SSL_VERIFY_SERVER_CERT")),
    // These five are MySQL's alone.
    ("Master_TLS_Version", Text("MASTER_TLS_VERSION")),
    ("Master_public_key_path", Text("MASTER_PUBLIC_KEY_PATH")),
    ("Get_Master_public_key", Number("GET_MASTER_PUBLIC_KEY")),
    ("Master_Bind", Text("MASTER_BIND")),
    ("Master_Retry_Count", Number("MASTER_RETRY_COUNT")),
    ("Replicate_Ignore_Server_Ids", List("IGNORE_SERVER_IDS")),
    ("Replicate_Do_Domain_Ids", List("DO_DOMAIN_IDS")),
    ("Replicate_Ignore_Domain_Ids", List("IGNORE_DOMAIN_IDS")),
];

impl Following {
    /// The settings in a status.
    pub(super) fn of(replica: &Replica) -> Self {
        let fields = FIELDS.iter().map(|(name, _)| ((*name).to_owned(), replica.field(name)));
        Self {
            fields: fields.filter(|(_, value)| !value.is_empty()).collect(),
            reads: replica.reader() != Thread::Stopped,
            applies: replica.applier() != Thread::Stopped,
        }
    }

    /// For a snapshot; the password is in none of it, because no server tells it.
    pub(super) fn to_json(&self) -> Value {
        json!({ "settings": self.fields, "reads": self.reads, "applies": self.applies })
    }

    /// From a snapshot.
    pub(super) fn from_json(value: &Value) -> Result<Self, ActionError> {
        let fields = value["settings"].as_object().ok_or_else(|| ActionError::untouched("the snapshot names no settings"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            fields: fields.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            reads: value["reads"].as_bool().unwrap_or(false),
            applies: value["applies"].as_bool().unwrap_or(false),
        })
    }

    /// The settings that differ, each with both values; empty where this is the same way of following.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let none = String::new();
        let names = self.fields.keys().chain(other.fields.keys().filter(|name| !self.fields.contains_key(*name)));
        names
            .map(|name| (name, self.fields.get(name).unwrap_or(&none), other.fields.get(name).unwrap_or(&none)))
            .filter(|(_, mine, theirs)| mine != theirs)
            .map(|(name, mine, theirs)| format!("{name} is `{theirs}` and was `{mine}`"))
            .collect()
    }

    /// The statement that follows in this way again, to send and to show.
    pub(super) fn change(&self, dialect: Dialect, channel: &str, password: &str) -> (String, String) {
        let mut parts = Vec::new();
        for (name, setting) in &FIELDS {
            let Some(value) = self.fields.get(*name) else { continue };
            let (key, value) = match setting {
                Text(key) => (key, literal(value)),
                Number(key) => (key, value.to_ascii_lowercase()),
                Flag(key) => (key, if value == "Yes" { "1" } else { "0" }.to_owned()),
                List(key) => (key, format!("({value})")),
            };
            parts.push(format!("{key} = {value}"));
        }
        statement(dialect, channel, &parts, password)
    }
}

/// A statement that makes a server follow, to send and to show; `MASTER_` in the parts becomes `SOURCE_` for MySQL.
pub(super) fn statement(dialect: Dialect, channel: &str, parts: &[String], password: &str) -> (String, String) {
    let with = |password: &str| match dialect {
        Dialect::MariaDb => {
            let name = if channel.is_empty() { String::new() } else { format!(" {}", literal(channel)) };
            format!("CHANGE MASTER{name} TO {}, MASTER_PASSWORD = {password}", parts.join(", "))
        }
        Dialect::MySql => {
            let parts: Vec<_> = parts.iter().map(|part| part.replacen("MASTER_", "SOURCE_", 1)).collect();
            let name = if channel.is_empty() { String::new() } else { format!(" FOR CHANNEL {}", literal(channel)) };
            format!("CHANGE REPLICATION SOURCE TO {}, SOURCE_PASSWORD = {password}{name}", parts.join(", "))
        }
    };
    (with(&literal(password)), with("'***'"))
}

/// Starts the threads that shall run and waits until they do; the error says what the server says.
pub(super) async fn start(session: &mut Session, channel: &str, reads: bool, applies: bool) -> Result<Replica, ActionError> {
    let dialect = session.dialect();
    let gone = || ActionError::touched("the server follows nobody any more");
    let now = Following::of(&Replica::read(session, channel).await?.ok_or_else(gone)?);
    let threads = match (applies && !now.applies, reads && !now.reads) {
        (true, true) => Some(""),
        (true, false) => Some(" SQL_THREAD"),
        (false, true) => Some(" IO_THREAD"),
        (false, false) => None,
    };
    if let Some(threads) = threads {
        let sql = named(dialect, channel, "START", threads);
        session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
    }
    let patience = session.patience().clone();
    loop {
        let replica = Replica::read_silently(session, channel).await.map_err(ActionError::after_change)?.ok_or_else(gone)?;
        let ready = (!reads || replica.reader() == Thread::Running) && (!applies || replica.applier() == Thread::Running);
        if ready {
            return Ok(replica);
        }
        let errors = [replica.reader_error(), replica.applier_error()].join(" ");
        let ended = (reads && replica.reader() == Thread::Stopped) || (applies && replica.applier() == Thread::Stopped);
        if ended || replica.is_refused() {
            return Err(ActionError::touched(format!("the replication does not run: {}", errors.trim())));
        }
        if let Err(stopped) = patience.sleep(EVERY).await {
            return Err(ActionError::touched(format!("the replication does not run yet, {stopped}: {}", errors.trim())));
        }
    }
}

/// `touched`, with what a person can send by hand.
pub(super) fn by_hand(error: ActionError, statements: Vec<String>) -> ActionError {
    error.after_change().manual(statements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Object;

    fn row(fields: &[(&str, &str)]) -> Object {
        fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    #[test]
    fn mysql_is_spoken_to_in_its_own_words() {
        let status = row(&[
            ("Source_Host", "10.0.0.5"),
            ("Source_Port", "3306"),
            ("Source_User", "repl"),
            ("Replica_IO_Running", "Yes"),
            ("Replica_SQL_Running", "No"),
            ("Auto_Position", "1"),
            ("SQL_Delay", "60"),
            ("Source_SSL_Allowed", "Yes"),
            ("Source_TLS_Version", "TLSv1.3"),
            ("Get_Source_public_key", "1"),
            ("Source_Retry_Count", "86400"),
            ("Replicate_Ignore_Server_Ids", "77,78"),
        ]);
        let following = Following::of(&Replica::of_row(Dialect::MySql, status));
        assert_eq!((following.reads, following.applies), (true, false));
        let (sent, shown) = following.change(Dialect::MySql, "west", "it's");
        assert_eq!(
            sent,
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '10.0.0.5', SOURCE_PORT = 3306, SOURCE_USER = 'repl', \
             SOURCE_AUTO_POSITION = 1, SOURCE_DELAY = 60, SOURCE_SSL = 1, SOURCE_TLS_VERSION = 'TLSv1.3', \
             GET_SOURCE_PUBLIC_KEY = 1, SOURCE_RETRY_COUNT = 86400, IGNORE_SERVER_IDS = (77,78), SOURCE_PASSWORD = 'it''s' \
             FOR CHANNEL 'west'"
        );
        assert!(shown.contains("SOURCE_PASSWORD = '***'") && !shown.contains("it"));
        assert_eq!(Following::from_json(&following.to_json()), Ok(following));
    }

    #[test]
    fn mariadb_is_spoken_to_in_its_own_words() {
        let status = row(&[("Master_Host", "db"), ("Using_Gtid", "Slave_Pos"), ("Slave_heartbeat_period", "7.500")]);
        let following = Following::of(&Replica::of_row(Dialect::MariaDb, status));
        assert_eq!(
            following.change(Dialect::MariaDb, "west", "x").1,
            "CHANGE MASTER 'west' TO MASTER_HOST = 'db', MASTER_USE_GTID = slave_pos, MASTER_HEARTBEAT_PERIOD = 7.500, \
             MASTER_PASSWORD = '***'"
        );
    }
}
