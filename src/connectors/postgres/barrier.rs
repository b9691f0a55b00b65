//! The barrier: it returns when every transaction that wrote to a table in scope has ended, and reads the fence at that moment.
//!
//! A `REVOKE` does not wait: a transaction that wrote before it commits later. So every table is locked once `IN SHARE MODE`, which
//! conflicts with writers and not with readers. `ACCESS EXCLUSIVE` would stop the readers too and is never taken.

use std::time::{Duration, Instant};

use super::backend;
use super::name::literals;
use super::scope::Scope;
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;

/// What the barrier saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Passed {
    /// The position in the log at which no write of a frozen role is open: `0/16B3748`.
    pub(super) fence: String,
    /// How long it took.
    pub(super) ms: u64,
}

/// Why it was not passed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPassed {
    /// Transactions that hold locks did not end in time.
    #[error("open transactions did not end: {0}")]
    Held(String),
    /// A statement failed.
    #[error("{0}")]
    Statement(#[from] StatementError),
}

/// `lock_not_available`, `query_canceled`.
const TIMEOUTS: [&str; 2] = ["55P03", "57014"];

/// Waits for at most `within`, reads the fence while nobody can write, and lets go at once.
pub(super) async fn pass(session: &Session, scope: &Scope, within: Duration) -> Result<Passed, NotPassed> {
    let begun = Instant::now();
    let tables: Vec<_> = scope.tables().iter().map(|table| format!("ONLY {}", table.quoted())).collect();
    let wait = within.min(session.patience().left()).as_millis().max(1);
    // Names are in the same order every time, so that two freezes cannot lock each other out.
    // The one timeout is per lock; the other bounds them all.
    let limits = format!("BEGIN; SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {wait}");
    session.execute(&limits).await?;
    let lock = format!("LOCK TABLE {} IN SHARE MODE", tables.join(", "));
    let locked = session.execute_shown(&lock, &format!("LOCK TABLE ({} tables) IN SHARE MODE", tables.len())).await;
    let fence = match locked {
        Ok(_) => session.value("SELECT pg_current_wal_insert_lsn()::text").await,
        Err(error) => Err(error),
    };
    let held = match &fence {
        Err(error) => error.code().is_some_and(|code| TIMEOUTS.contains(&code)),
        Ok(_) => false,
    };
    if !matches!(fence, Err(StatementError::Lost(_))) {
        session.execute("ROLLBACK").await?;
    }
    if held {
        return Err(NotPassed::Held(holders(session, scope).await?.join("; ")));
    }
    let fence = fence?.unwrap_or_default();
    Ok(Passed { fence, ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) })
}

/// Sessions that hold a lock with which they write to a table in scope, as pid and words.
const HOLDERS: &str = "SELECT DISTINCT l.pid::text AS pid, coalesce(a.usename::text, 'nobody (a prepared transaction)') AS account, \
     coalesce(a.application_name, '') AS application, \
     coalesce(round(extract(epoch FROM clock_timestamp() - a.xact_start))::text, '?') AS age, \
     coalesce(a.usename::text = ANY (ROLES), false) AS ours \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'relation' AND l.relation = ANY (TABLES::oid[]) AND l.granted \
     AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
     AND l.pid IS DISTINCT FROM pg_backend_pid()";

fn holders_query(scope: &Scope) -> String {
    let tables: Vec<_> = scope.tables().iter().map(|table| table.oid.clone()).collect();
    HOLDERS.replace("ROLES", &literals(&scope.role_names())).replace("TABLES", &literals(&tables))
}

async fn holders(session: &Session, scope: &Scope) -> Result<Vec<String>, StatementError> {
    let rows = session.rows_shown(&holders_query(scope), "SELECT the sessions that hold write locks").await?;
    let cell = |row: &_, key: &str| text(row, key).unwrap_or_default();
    let words = |row: &_| {
        let (pid, account) = (cell(row, "pid"), cell(row, "account"));
        format!("pid {pid} of {account} ({}), open for {} s", cell(row, "application"), cell(row, "age"))
    };
    Ok(rows.iter().map(words).collect())
}

/// Which sessions are ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// Every session of the roles and their members.
    All,
    /// Those that hold a write lock on a table in scope.
    Writers,
    /// None.
    Nobody,
}

/// Ends sessions of the roles, and waits until they are gone. Answers how many there were.
pub(super) async fn sessions(session: &Session, scope: &Scope, cut: Cut) -> Result<usize, ActionError> {
    let roles = literals(&scope.role_names());
    let sql = match cut {
        Cut::Nobody => return Ok(0),
        Cut::All => format!(
            "SELECT DISTINCT a.pid::text AS pid, coalesce(a.backend_start::text, '') AS start FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = ANY ({roles}) \
             WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usename <> session_user \
             AND coalesce(a.backend_type, 'client backend') = 'client backend' \
             AND (a.usesysid = r.oid OR (pg_has_role(a.usesysid, r.oid, 'MEMBER') \
             AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = a.usesysid)))"
        ),
        Cut::Writers => format!(
            "SELECT DISTINCT a.pid::text AS pid, coalesce(a.backend_start::text, '') AS start FROM pg_stat_activity a \
             JOIN ({}) h ON h.pid = a.pid::text WHERE h.ours",
            holders_query(scope)
        ),
    };
    let found = session.rows_shown(&sql, &format!("SELECT the sessions to end ({cut:?})")).await?;
    backend::end(session, &found, GONE).await?;
    Ok(found.len())
}

/// How long a session that was told to end may take.
const GONE: Duration = Duration::from_secs(10);
