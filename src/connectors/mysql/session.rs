//! One session with one server: opened, told apart, identified, recorded, and ended in time.
//!
//! A query whose caller goes away keeps running on the server. So when the time is up a second connection sends `KILL QUERY`, and
//! the answer of the killed statement is waited for: only where it does not come is the end of the statement in doubt.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{ChangeUserOpts, Conn, Error, Row};
use serde_json::json;

use super::link::{Link, told};
pub(super) use super::statement_error::StatementError;
use crate::connectors::kept::{self, Kept};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Call, Recorder, Target};
use crate::model::{Arguments, Object, Value};

/// Which of the two servers answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    /// MariaDB.
    MariaDb,
    /// MySQL, and what calls itself so.
    MySql,
}

/// An open, identified session.
pub(super) struct Session {
    conn: Conn,
    link: Link,
    recorder: Recorder,
    patience: Patience,
    dialect: Dialect,
    identity: Value,
    /// Where it may wait for the next verb, where it may.
    home: Option<(Kept, Target)>,
    /// Whether anything but questions was sent: a variable, a lock or a transaction may be left then.
    touched: bool,
}

/// A session between two verbs.
struct Resting {
    conn: Conn,
    link: Link,
    dialect: Dialect,
    identity: Value,
    since: Instant,
}

#[async_trait]
impl kept::Session for Resting {
    async fn end(self: Box<Self>) {
        let _ = tokio::time::timeout(STOPPING, self.conn.disconnect()).await;
    }
}

/// How long a session may wait for a verb of the same moment without logging in again: nobody gives or takes a privilege meanwhile.
const STILL_FRESH: Duration = Duration::from_millis(500);

/// `KILL QUERY` stopped the statement.
const INTERRUPTED: [u16; 2] = [1317, 1969];

/// How long a statement that was told to stop may take to say so.
const STOPPING: Duration = Duration::from_millis(400);

/// What every session is set to, so that texts mean the same everywhere. MariaDB would make an account that is missing in a GRANT,
/// without a password; MySQL does not, and does not know the word.
const SETUP: &str = "SET SESSION sql_mode = CONCAT('STRICT_TRANS_TABLES' /*M! , ',NO_AUTO_CREATE_USER' */), time_zone = '+00:00', \
                     autocommit = 1";

/// A session with a target, whose server was asserted to be the right one when the session was opened: a connection does not move
/// to another server. It is one that waits, where one does.
pub(super) async fn open(call: &Call, target: &Target) -> Result<Session, ActionError> {
    if let Some(session) = waiting(call, target).await {
        return Ok(session);
    }
    let mut session = open_link(call, target, Link::of(call, target)?).await?;
    assert_identity(&target.settings, &session).map_err(|why| {
        ActionError::untouched(format!("{} is another server: {why}", target.name))
            .hint("compare the target's `url` and `identity`; nothing was changed")
    })?;
    session.home = Some((call.kept.clone(), target.clone()));
    Ok(session)
}

/// A session that waits for a verb and still answers.
async fn waiting(call: &Call, target: &Target) -> Option<Session> {
    let Resting { mut conn, link, dialect, identity, since } = call.kept.take(target)?;
    let begun = Instant::now();
    // Logs in again: an open session would keep the privileges of its login. Whoever ended it meanwhile has ended nothing of ours:
    // a new one is opened then.
    if since.elapsed() > STILL_FRESH {
        tokio::time::timeout(STOPPING, conn.change_user(ChangeUserOpts::default())).await.ok()?.ok()?;
    }
    let home = Some((call.kept.clone(), target.clone()));
    let (recorder, patience) = (call.recorder.clone(), Patience::of(call));
    let mut session = Session { conn, link, recorder, patience, dialect, identity, home, touched: false };
    tokio::time::timeout(STOPPING, session.set_up()).await.ok()?.ok()?;
    let end = format!("ok, connection {} again", session.connection_id());
    session.recorder.question(&format!("connect {}", session.link.address()), begun.elapsed(), &end);
    Some(session)
}

/// Opens a session over another way, such as one of an application's account; the caller says what the identity is worth.
pub(super) async fn open_link(call: &Call, target: &Target, link: Link) -> Result<Session, ActionError> {
    let patience = Patience::of(call);
    let begun = Instant::now();
    let connected = tokio::select! {
        connected = link.connect() => connected,
        stopped = patience.over() => return Err(stopped.into()),
    };
    let opened = connected.map_err(|error| {
        ActionError::untouched(format!("no session with {} at {}: {}", target.name, link.address(), told(&error)))
    });
    let end = opened.as_ref().map_or_else(ToString::to_string, |conn| format!("ok, connection {}", conn.id()));
    call.recorder.question(&format!("connect {} (tls {})", link.address(), link.tls), begun.elapsed(), &end);
    let (conn, recorder) = (opened?, call.recorder.clone());
    let (dialect, identity) = (Dialect::MySql, Value::Null);
    let mut session = Session { conn, link, recorder, patience, dialect, identity, home: None, touched: false };
    session.set_up().await?;
    session.identify().await?;
    Ok(session)
}

fn assert_identity(settings: &Arguments, session: &Session) -> Result<(), String> {
    let expected = settings.map("identity").map_err(|error| error.to_string())?;
    for (key, value) in &expected {
        let found = &session.identity[key.as_str()];
        let same = match (value, found) {
            (Value::String(expected), Value::String(found)) => expected.eq_ignore_ascii_case(found),
            _ => value == found,
        };
        match (value.is_null() || same, found.is_null()) {
            (true, _) => {}
            (false, true) => return Err(format!("it has no {key}, the target says {value}")),
            (false, false) => return Err(format!("its {key} is {found}, the target says {value}")),
        }
    }
    Ok(())
}

impl Session {
    async fn set_up(&mut self) -> Result<(), StatementError> {
        self.send(SETUP).await?;
        self.touched = false;
        Ok(())
    }

    async fn identify(&mut self) -> Result<(), StatementError> {
        // What stands in the comment is MySQL's alone.
        let sql = "SELECT @@global.server_id AS server_id, @@global.hostname AS hostname, @@global.port AS port, @@global.version AS version, \
                   @@global.version_comment AS version_comment /*!50700 , @@global.server_uuid AS server_uuid */";
        let row = self.silently(sql).await?.into_iter().next().unwrap_or_default();
        let find = |name: &str| text(&row, name);
        let version = find("version").unwrap_or_default();
        let maria = version.contains("MariaDB") || find("version_comment").is_some_and(|comment| comment.contains("MariaDB"));
        self.dialect = if maria { Dialect::MariaDb } else { Dialect::MySql };
        let number = |name: &str| find(name).and_then(|value| value.parse::<i64>().ok());
        self.identity = json!({
            "server_id": number("server_id"), "server_uuid": find("server_uuid"),
            "hostname": find("hostname"), "port": number("port"), "version": version, "tls": self.link.tls,
        });
        Ok(())
    }

    /// MariaDB or MySQL.
    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Who the server is: `server_id`, `server_uuid` (MySQL), `hostname`, `port`, `version`, `tls`.
    pub(super) fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// The server's number of this connection.
    pub(super) fn connection_id(&self) -> u32 {
        self.conn.id()
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Where statements and progress are noted.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Reads rows by column name, and records the statement. Whole numbers are numbers, everything else is text.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Object>, StatementError> {
        let begun = Instant::now();
        let result = self.silently(sql).await;
        let end = result.as_ref().map_or_else(ToString::to_string, |rows| format!("{} rows", rows.len()));
        self.recorder.question(sql, begun.elapsed(), &end);
        result
    }

    /// The first row.
    pub(super) async fn one(&mut self, sql: &str) -> Result<Option<Object>, StatementError> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// The first column of the first row, as text.
    pub(super) async fn value(&mut self, sql: &str) -> Result<Option<String>, StatementError> {
        let row = self.one(sql).await?;
        Ok(row.as_ref().and_then(|row| row.keys().next().and_then(|name| text(row, name))))
    }

    /// Runs a statement that changes something, and records it; answers how many rows it touched.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<u64, StatementError> {
        self.execute_shown(sql, sql).await
    }

    /// The same, recorded as `shown`.
    pub(super) async fn execute_shown(&mut self, sql: &str, shown: &str) -> Result<u64, StatementError> {
        let begun = Instant::now();
        let result = self.silently(sql).await.map(|_| self.conn.affected_rows());
        let end = result.as_ref().map_or_else(ToString::to_string, |rows| format!("ok, {rows} rows"));
        self.recorder.statement(shown, begun.elapsed(), &end);
        result
    }

    /// Asks several questions in one round trip, each answer in its place: where the server has more to do than it can, every round
    /// trip of its own would wait for its turn.
    pub(super) async fn together(&mut self, questions: &[impl AsRef<str>]) -> Result<Vec<Vec<Object>>, StatementError> {
        let begun = Instant::now();
        let sql = questions.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("; ");
        let result = self.send(&sql).await;
        let counts =
            |answers: &Vec<Vec<Object>>| answers.iter().map(|rows| rows.len().to_string()).collect::<Vec<_>>().join(", ");
        let end = result.as_ref().map_or_else(ToString::to_string, |answers| format!("{} rows", counts(answers)));
        self.recorder.question(&sql, begun.elapsed(), &end);
        let mut answers = result?;
        answers.resize_with(questions.len(), Vec::new);
        Ok(answers)
    }

    /// Sends a statement without a record: for looks that repeat and are summed up by their caller.
    pub(super) async fn silently(&mut self, sql: &str) -> Result<Vec<Object>, StatementError> {
        Ok(self.send(sql).await?.into_iter().next().unwrap_or_default())
    }

    /// Sends what may be several statements; the rows of each.
    async fn send(&mut self, sql: &str) -> Result<Vec<Vec<Object>>, StatementError> {
        self.patience.check()?;
        self.touched |= !["SELECT ", "SHOW ", "XA RECOVER"].iter().any(|word| sql.starts_with(word));
        let (patience, id) = (self.patience.clone(), self.conn.id());
        let mut asked = Box::pin(answers(&mut self.conn, sql));
        let stopped = tokio::select! {
            answers = &mut asked => return Ok(answers?),
            stopped = patience.over() => stopped,
        };
        // The order to stop may come late and meet the next statement: there is none after this verb.
        self.home = None;
        let killed = kill_query(&self.link, id).await;
        match tokio::time::timeout(STOPPING, asked).await {
            // It was done before the order to stop came.
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(Error::Server(error))) if INTERRUPTED.contains(&error.code) => Err(stopped.into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(StatementError::Lost(format!("{stopped}, and {killed}"))),
        }
    }

    /// The same patience, but no longer than `span` from now, for what follows.
    pub(super) fn hurry(&mut self, span: Duration) {
        self.patience = self.patience.at_most(span);
    }

    /// Ends the session in an orderly way: it waits for the next verb, as if it were new, or says goodbye.
    pub(super) async fn close(self) {
        let Self { mut conn, link, dialect, identity, home, touched, .. } = self;
        if let Some((kept, target)) = home
            && kept.has_room(&target)
            && (!touched || matches!(tokio::time::timeout(STOPPING, conn.reset()).await, Ok(Ok(true))))
        {
            return kept.keep(&target, Resting { conn, link, dialect, identity, since: Instant::now() }).await;
        }
        let _ = tokio::time::timeout(STOPPING, conn.disconnect()).await;
    }
}

/// The rows of every statement in a text.
async fn answers(conn: &mut Conn, sql: &str) -> Result<Vec<Vec<Object>>, Error> {
    let mut result = conn.query_iter(sql).await?;
    let mut found = Vec::new();
    loop {
        found.push(result.collect::<Row>().await?.into_iter().map(object).collect());
        if result.is_empty() {
            return Ok(found);
        }
    }
}

/// Stops the statement that runs on a connection, from another one; says what came of it.
async fn kill_query(link: &Link, id: u32) -> String {
    let order = async {
        let mut other = link.connect().await?;
        other.query_drop(format!("KILL QUERY {id}")).await?;
        other.disconnect().await
    };
    match tokio::time::timeout(STOPPING, order).await {
        Ok(Ok(())) => "the server was told to stop the statement and did not answer".to_owned(),
        Ok(Err(error)) => format!("the server could not be told to stop the statement: {error}"),
        Err(_) => "the server could not be told to stop the statement in time".to_owned(),
    }
}

/// A cell of a row as text; none where it is null or missing.
pub(super) fn text(row: &Object, column: &str) -> Option<String> {
    match row.get(column)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn object(row: Row) -> Object {
    let columns = row.columns();
    let cells = row.unwrap().into_iter();
    columns.iter().zip(cells).map(|(column, cell)| (column.name_str().into_owned(), cell_value(column, &cell))).collect()
}

fn cell_value(column: &mysql_async::Column, cell: &mysql_async::Value) -> Value {
    let bytes = match cell {
        mysql_async::Value::NULL => return Value::Null,
        mysql_async::Value::Bytes(bytes) => bytes,
        // Only the binary protocol has others; texts are asked for here.
        other => return Value::String(other.as_sql(true)),
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Value::String(bytes.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02X}")));
    };
    let whole = matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
    ) && !column.flags().contains(ColumnFlags::ZEROFILL_FLAG);
    let number = whole.then(|| text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)));
    number.and_then(Result::ok).unwrap_or_else(|| Value::String(text.to_owned()))
}
