//! One session with one server: opened, told apart, identified, recorded, and ended in time.
//!
//! A query whose caller goes away keeps running on the server. So when the time is up the server is told to cancel it, and the
//! answer is waited for: only where it does not come is the end of the statement in doubt. A transaction that is left open with
//! nobody behind it is ended by the server itself ([`ABANDONED`]).

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::link::{Link, told};
use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::{ActionError, Call, Recorder, Target};
use crate::model::{Arguments, Object, Value};

/// An open, identified session.
pub(super) struct Session {
    client: Client,
    link: Link,
    recorder: Recorder,
    patience: Patience,
    identity: Value,
}

/// Why a statement failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum StatementError {
    /// The server refused it: it had no effect.
    #[error("{message} (SQLSTATE {code})")]
    Server {
        /// The SQLSTATE.
        code: String,
        /// What it said.
        message: String,
    },
    /// The connection broke, or nobody answered: nobody saw the end.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// The time was up; nothing was sent, or the server said that it stopped.
    #[error("{0}")]
    Stopped(#[from] Stopped),
}

impl StatementError {
    /// The SQLSTATE, where the server answered.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Server { code, .. } => Some(code),
            Self::Lost(_) | Self::Stopped(_) => None,
        }
    }

    /// This error of a statement that changes something by itself: a broken connection leaves it in doubt.
    pub(super) fn of_change(self, what: &str) -> ActionError {
        match self {
            Self::Lost(_) => ActionError::in_doubt(format!("nobody saw how `{what}` ended: {self}")),
            Self::Server { .. } | Self::Stopped(_) => ActionError::touched(format!("`{what}` failed: {self}")),
        }
    }
}

impl From<StatementError> for ActionError {
    /// For statements that only look, and for those in a transaction that was not committed.
    fn from(error: StatementError) -> Self {
        Self::untouched(error.to_string())
    }
}

impl From<tokio_postgres::Error> for StatementError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // The server ended the session: what it was doing may or may not have happened.
            Some(refusal) if refusal.code().code().starts_with("57P") => Self::Lost(told(&error)),
            Some(refusal) => Self::Server { code: refusal.code().code().to_owned(), message: refusal.message().to_owned() },
            None => Self::Lost(told(&error)),
        }
    }
}

/// `query_canceled`.
const CANCELLED: &str = "57014";

/// How long a statement that was told to stop may take to say so.
const STOPPING: Duration = Duration::from_millis(200);

/// After this long without a statement the server ends a transaction that nobody drives, and its locks with it.
const ABANDONED: Duration = Duration::from_secs(10);

/// Opens a session with a target, and asserts who the server is.
pub(super) async fn open(call: &Call, target: &Target) -> Result<Session, ActionError> {
    let session = open_link(call, Link::of(call, target)?).await?;
    let ends = session.patience.left().as_millis().max(1) + 1000;
    let setup = format!(
        "SET statement_timeout = {ends}; SET idle_in_transaction_session_timeout = {}; SET standard_conforming_strings = on; \
         SET client_min_messages = warning; SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'",
        ABANDONED.as_millis()
    );
    session.silently(&setup).await?;
    let session = Session { identity: session.who().await?, ..session };
    assert_identity(&target.settings, &session.identity).map_err(|why| {
        ActionError::untouched(format!("{} is another server: {why}", target.name))
            .hint("compare the target's `url` and `identity`; nothing was changed")
    })?;
    Ok(session)
}

/// Opens a session over another way, such as one of an application's account through a pooler. Nothing is set and nothing is
/// asserted in it; [`Session::who`] tells where it ended.
pub(super) async fn open_link(call: &Call, link: Link) -> Result<Session, ActionError> {
    let patience = Patience::of(call);
    let begun = Instant::now();
    let connected = tokio::select! {
        connected = link.connect() => connected,
        stopped = patience.over() => Err(stopped.to_string()),
    };
    let end = connected.as_ref().map_or_else(Clone::clone, |_| "ok".to_owned());
    let shown = format!("connect {} as {} (tls {})", link.address(), link.user(), link.tls());
    call.recorder.question(&shown, begun.elapsed(), &end);
    let (client, _) = connected
        .map_err(|error| ActionError::untouched(format!("no session with {} as {}: {error}", link.address(), link.user())))?;
    Ok(Session { client, link, recorder: call.recorder.clone(), patience, identity: Value::Null })
}

fn assert_identity(settings: &Arguments, found: &Value) -> Result<(), String> {
    let expected = settings.map("identity").map_err(|error| error.to_string())?;
    for (key, value) in expected.iter().filter(|(_, value)| !value.is_null()) {
        let is = &found[key.as_str()];
        if value != is {
            return Err(format!("its {key} is {is}, the target says {value}"));
        }
    }
    Ok(())
}

impl Session {
    /// Asks the server who it is: `system_identifier`, `in_recovery`, `database`, `version`, `user`, `tls`.
    pub(super) async fn who(&self) -> Result<Value, StatementError> {
        let rows = self
            .silently(
                "SELECT system_identifier::text AS id, pg_catalog.pg_is_in_recovery() AS recovery, \
                 pg_catalog.current_database() AS database, pg_catalog.current_setting('server_version_num') AS version, \
                 session_user AS account FROM pg_catalog.pg_control_system()",
            )
            .await?;
        let row = rows.first();
        let cell = |name: &str| row.and_then(|row| text(row, name));
        Ok(json!({
            "system_identifier": cell("id"), "in_recovery": cell("recovery").as_deref() == Some("t"),
            "database": cell("database"), "version": cell("version"), "user": cell("account"), "tls": self.link.tls(),
        }))
    }

    /// What [`Session::who`] answered when the session was opened.
    pub(super) fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// How the server is reached.
    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Where statements and progress are noted.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Sends a statement, or several with `;` between, and records it; answers the rows by column name, every cell a text.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Object>, StatementError> {
        self.rows_shown(sql, sql).await
    }

    /// The same, recorded as `shown`.
    pub(super) async fn rows_shown(&self, sql: &str, shown: &str) -> Result<Vec<Object>, StatementError> {
        let begun = Instant::now();
        let result = self.silently(sql).await;
        let end = result.as_ref().map_or_else(ToString::to_string, |rows| format!("{} rows", rows.len()));
        self.recorder.question(shown, begun.elapsed(), &end);
        result
    }

    /// The first column of the first row, as text.
    pub(super) async fn value(&self, sql: &str) -> Result<Option<String>, StatementError> {
        let rows = self.rows(sql).await?;
        Ok(rows.first().and_then(|row| row.keys().next().and_then(|name| text(row, name))))
    }

    /// The same of a function that changes something.
    pub(super) async fn called(&self, sql: &str) -> Result<Option<String>, StatementError> {
        let begun = Instant::now();
        let result =
            self.silently(sql).await.map(|rows| rows.first().and_then(|row| row.keys().next().and_then(|name| text(row, name))));
        let end = result.as_ref().map_or_else(ToString::to_string, |answer| answer.clone().unwrap_or_default());
        self.recorder.statement(sql, begun.elapsed(), &end);
        result
    }

    /// Runs a statement that changes something, and records it; answers how many rows it touched.
    pub(super) async fn execute(&self, sql: &str) -> Result<u64, StatementError> {
        self.execute_shown(sql, sql).await
    }

    /// The same, recorded as `shown`.
    pub(super) async fn execute_shown(&self, sql: &str, shown: &str) -> Result<u64, StatementError> {
        let begun = Instant::now();
        let result = self.send(sql).await.map(|messages| {
            let touched = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::CommandComplete(rows) => *rows,
                _ => 0,
            };
            messages.iter().map(touched).sum()
        });
        let end = result.as_ref().map_or_else(ToString::to_string, |rows: &u64| format!("ok, {rows} rows"));
        self.recorder.statement(shown, begun.elapsed(), &end);
        result
    }

    /// Runs one statement with texts bound to `$1`, `$2`, …, and records it; answers the rows as JSON texts, one column. Write
    /// `SELECT row_to_json(r)::text FROM (…) r`; a parameter that is no text is cast in the statement (`$1::text::bigint`).
    pub(super) async fn bound(&self, sql: &str, values: &[Option<String>]) -> Result<Vec<Option<String>>, StatementError> {
        self.patience.check()?;
        let begun = Instant::now();
        let typed: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let result = self.in_time(self.client.query_typed(sql, &typed)).await;
        let result = result.and_then(|rows| Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<_>, _>>()?));
        let end = result.as_ref().map_or_else(ToString::to_string, |rows| format!("{} rows", rows.len()));
        self.recorder.question(sql, begun.elapsed(), &end);
        result
    }

    /// Sends messages one behind the other without waiting in between, unrecorded, and answers how each ended. Each is a simple
    /// query of its own: one that is refused does not keep the next from being sent.
    pub(super) async fn pipelined(&self, messages: &[String]) -> Result<Vec<Result<(), StatementError>>, StatementError> {
        self.patience.check()?;
        let asked: Vec<_> = messages.iter().map(|sql| Box::pin(self.client.simple_query(sql))).collect();
        let ends = self.in_time(async { Ok(in_order(asked).await) }).await?;
        Ok(ends.into_iter().map(|end| end.map(|_| ()).map_err(StatementError::from)).collect())
    }

    /// Sends a statement without a record: for looks that repeat and are summed up by their caller.
    pub(super) async fn silently(&self, sql: &str) -> Result<Vec<Object>, StatementError> {
        Ok(self.send(sql).await?.into_iter().filter_map(object).collect())
    }

    async fn send(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, StatementError> {
        self.patience.check()?;
        self.in_time(self.client.simple_query(sql)).await
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StatementError> {
        let mut asked = std::pin::pin!(asked);
        let stopped = tokio::select! {
            answer = &mut asked => return Ok(answer?),
            stopped = self.patience.over() => stopped,
        };
        let order = tokio::time::timeout(STOPPING, self.link.cancel(&self.client.cancel_token())).await;
        match tokio::time::timeout(STOPPING, asked).await {
            // It was done before the order to stop came.
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => match StatementError::from(error) {
                StatementError::Server { code, .. } if code == CANCELLED => Err(stopped.into()),
                other => Err(other),
            },
            Err(_) => {
                let told = if matches!(order, Ok(Ok(()))) { "was told to stop" } else { "could not be told to stop" };
                Err(StatementError::Lost(format!("{stopped}, and the server {told} and did not answer")))
            }
        }
    }
}

/// Waits for all of them; each is begun in the order of the list.
async fn in_order<F: Future + Unpin>(mut asked: Vec<F>) -> Vec<F::Output> {
    let mut ends: Vec<Option<F::Output>> = asked.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (asked, end) in asked.iter_mut().zip(&mut ends).filter(|(_, end)| end.is_none()) {
            if let Poll::Ready(answer) = Pin::new(asked).poll(context) {
                *end = Some(answer);
            }
        }
        if ends.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ends.into_iter().flatten().collect()
}

/// A cell of a row as text; none where it is null or missing.
pub(super) fn text(row: &Object, column: &str) -> Option<String> {
    row.get(column).and_then(Value::as_str).map(str::to_owned)
}

fn object(message: SimpleQueryMessage) -> Option<Object> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let cell = |at: usize| row.try_get(at).ok().flatten().map_or(Value::Null, |text| Value::String(text.to_owned()));
    Some(row.columns().iter().enumerate().map(|(at, column)| (column.name().to_owned(), cell(at))).collect())
}
