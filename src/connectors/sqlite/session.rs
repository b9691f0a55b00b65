//! One session with one database: opened, identified, recorded, and ended in time.
//!
//! SQLite blocks, so a session lives on a thread that may block. A watcher beside it interrupts the running statement when
//! the time is up; waiting for locks is done here in small slices, because SQLite's own waiting cannot be interrupted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags, Params, Row};
use serde_json::json;

use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::{ActionError, Call, Noted, Recorder, Target};
use crate::model::{Span, Value};

/// What a session may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Read; SQLite itself refuses anything else.
    Read,
    /// Read and write.
    Write,
}

/// An open, identified session.
pub(super) struct Session {
    connection: Connection,
    recorder: Recorder,
    patience: Patience,
    busy: Duration,
    path: PathBuf,
    application_id: i64,
}

/// One slice of waiting for a lock.
const BUSY_SLICE: Duration = Duration::from_millis(40);

/// What went wrong with a statement.
#[derive(Debug, thiserror::Error)]
pub(super) enum StatementError {
    /// SQLite refused it.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The verb has to end.
    #[error("{0}")]
    Stopped(#[from] Stopped),
}

impl From<StatementError> for ActionError {
    fn from(error: StatementError) -> Self {
        Self::untouched(error.to_string())
    }
}

/// Opens a session with `target` on a blocking thread and does `work` there. Ends soon after the call's deadline in any case.
pub(super) async fn with_session<T, W>(call: &Call, target: &Target, access: Access, work: W) -> Result<T, ActionError>
where
    T: Send + 'static,
    W: FnOnce(&Session) -> Result<T, ActionError> + Send + 'static,
{
    let session = open(call, target, access).await?;
    run(session, work).await.1
}

/// Opens a session and asserts the identity of the database.
pub(super) async fn open(call: &Call, target: &Target, access: Access) -> Result<Session, ActionError> {
    let path = call.base_dir.join(target.settings.text("path")?);
    let busy = target.settings.opt_span("busy_timeout")?.unwrap_or(Span::from_secs(5)).as_duration();
    let expected = target.settings.map("identity")?.get("application_id").and_then(Value::as_i64);
    let (recorder, patience) = (call.recorder.clone(), Patience::of(call));
    let opened = tokio::task::spawn_blocking(move || Session::open(path, access, recorder, patience, busy, expected)).await;
    opened.unwrap_or_else(|panic| Err(ActionError::untouched(format!("opening the database ended in a panic: {panic}"))))
}

/// Does `work` with an open session on a blocking thread, and hands the session back.
pub(super) async fn run<T, W>(session: Session, work: W) -> (Option<Session>, Result<T, ActionError>)
where
    T: Send + 'static,
    W: FnOnce(&Session) -> Result<T, ActionError> + Send + 'static,
{
    let patience = session.patience.clone();
    let watch = Watch(session.connection.get_interrupt_handle());
    let mut task = tokio::task::spawn_blocking(move || {
        let result = work(&session);
        (session, result)
    });
    let joined = tokio::select! {
        joined = &mut task => joined,
        _ = patience.over() => loop {
            // An interrupt between two statements is lost, so it is repeated until the work has noticed.
            watch.0.interrupt();
            if let Ok(joined) = tokio::time::timeout(BUSY_SLICE, &mut task).await {
                break joined;
            }
        },
    };
    match joined {
        Ok((session, result)) => (Some(session), result),
        Err(panic) => (None, Err(ActionError::in_doubt(format!("the session ended in a panic: {panic}")))),
    }
}

/// Interrupts the running statement when nobody waits for it any more.
struct Watch(InterruptHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Session {
    fn open(
        path: PathBuf,
        access: Access,
        recorder: Recorder,
        patience: Patience,
        busy: Duration,
        expected: Option<i64>,
    ) -> Result<Self, ActionError> {
        let flags = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let failed = |error: rusqlite::Error| {
            ActionError::untouched(format!("{} cannot be opened as a SQLite database: {error}", path.display()))
                .hint("the file must exist; Pointsman never creates a database")
        };
        let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(BUSY_SLICE).map_err(failed)?;
        let mut session = Self { connection, recorder, patience, busy, path, application_id: 0 };
        // A cascade that a canary sets off would be undone with it, but it could take long.
        session
            .silently(|c| c.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL"))
            .map_err(|e| session.no_database(&e))?;
        session.application_id = session
            .silently(|c| {
                c.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
                c.query_row("PRAGMA application_id", [], |row| row.get(0))
            })
            .map_err(|e| session.no_database(&e))?;
        if let Some(expected) = expected.filter(|expected| *expected != session.application_id) {
            let found = session.application_id;
            return Err(ActionError::untouched(format!(
                "{} is another database: its application_id is {found}, the target says {expected}",
                session.path.display()
            )));
        }
        Ok(session)
    }

    fn no_database(&self, error: &StatementError) -> ActionError {
        ActionError::untouched(format!("{} cannot be read as a SQLite database: {error}", self.path.display()))
    }

    /// Who the database is.
    pub(super) fn identity(&self) -> Value {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        json!({ "path": path.display().to_string(), "application_id": self.application_id })
    }

    /// The file, for messages and for statements that a person can send.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where statements and progress are noted.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The connection itself, for statements that are prepared by hand.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs a statement without parameters, and records it.
    pub(super) fn execute(&self, sql: &str) -> Result<usize, StatementError> {
        self.recorded(Recorder::statement, sql, |rows| format!("ok, {rows} rows"), |c| c.execute(sql, []))
    }

    /// Reads one row, and records the statement.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params + Clone,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StatementError> {
        self.recorded(Recorder::question, sql, |_| "1 row".to_owned(), |c| c.query_row(sql, params.clone(), &read))
    }

    /// Reads all rows, and records the statement.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params + Clone,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StatementError> {
        self.recorded(
            Recorder::question,
            sql,
            |rows: &Vec<T>| format!("{} rows", rows.len()),
            |c| c.prepare(sql)?.query_map(params.clone(), &read)?.collect(),
        )
    }

    /// Does something and records it as `shown`, with its duration and its end.
    pub(super) fn recorded<T>(
        &self,
        noted: Noted,
        shown: &str,
        answer: impl FnOnce(&T) -> String,
        ask: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StatementError> {
        let begun = Instant::now();
        let result = self.silently(ask);
        let end = match &result {
            Ok(value) => answer(value),
            Err(error) => error.to_string(),
        };
        noted(&self.recorder, shown, begun.elapsed(), &end);
        result
    }

    /// Does something without a record: for looks that repeat and are summed up by their caller.
    pub(super) fn silently<T>(&self, mut ask: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T, StatementError> {
        let lock = self.patience.at_most(self.busy);
        loop {
            self.patience.check()?;
            match ask(&self.connection) {
                Err(error) if is_busy(&error) && lock.check().is_ok() => {}
                // A statement that was interrupted because the time is up says so.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                    self.patience.check()?;
                    return Err(error.into());
                }
                result => return Ok(result?),
            }
        }
    }

    /// Begins a write transaction: returns once every other write transaction has ended. Gives up after `within`.
    pub(super) fn begin_immediate(&self, within: Duration) -> Result<Transaction<'_>, StatementError> {
        let begun = Instant::now();
        let waiting = self.patience.at_most(within);
        let result = loop {
            if let Err(stopped) = self.patience.check() {
                break Err(stopped.into());
            }
            match self.connection.execute_batch("BEGIN IMMEDIATE") {
                Err(error) if is_busy(&error) && waiting.check().is_ok() => {}
                result => break result.map_err(StatementError::from),
            }
        };
        let end = result.as_ref().map_or_else(ToString::to_string, |()| "ok, no other write transaction is open".to_owned());
        self.recorder.statement("BEGIN IMMEDIATE", begun.elapsed(), &end);
        result.map(|()| Transaction { session: self, over: false })
    }

    /// The lock wait that the target allows.
    pub(super) const fn busy_timeout(&self) -> Duration {
        self.busy
    }
}

/// Whether another connection holds the lock.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// A write transaction; rolled back unless it is committed.
pub(super) struct Transaction<'a> {
    session: &'a Session,
    over: bool,
}

impl Transaction<'_> {
    /// Makes it durable.
    ///
    /// # Errors
    /// Untouched when the lock did not come and everything was rolled back; in doubt when nobody can tell.
    pub(super) fn commit(mut self) -> Result<(), ActionError> {
        self.over = true;
        let session = self.session;
        match session.recorded(Recorder::statement, "COMMIT", |()| "ok".to_owned(), |c| c.execute_batch("COMMIT")) {
            Ok(()) => Ok(()),
            Err(error) => {
                let open = !session.connection.is_autocommit();
                if open && session.connection.execute_batch("ROLLBACK").is_ok() {
                    session.recorder.statement("ROLLBACK", Duration::ZERO, "ok");
                    return Err(ActionError::untouched(format!("the commit failed and was rolled back: {error}")));
                }
                Err(ActionError::in_doubt(format!("nobody can tell how the commit ended: {error}")))
            }
        }
    }

    /// Takes it back.
    pub(super) fn roll_back(mut self) {
        self.over = true;
        self.session.roll_back();
    }
}

impl Session {
    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            let begun = Instant::now();
            let result = self.connection.execute_batch("ROLLBACK");
            let end = result.as_ref().map_or_else(ToString::to_string, |()| "ok".to_owned());
            self.recorder.statement("ROLLBACK", begun.elapsed(), &end);
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.session.roll_back();
        }
    }
}
