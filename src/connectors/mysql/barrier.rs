//! The barrier and what must hold behind it: every transaction that could still change one of the tables has ended, then the fence.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::name::quoted;
use super::order::among;
use super::session::{Dialect, Session, StatementError, open, text};
use super::variable::lock_wait;
use crate::connectors::{ActionError, Call, Target};
use crate::model::Object;

/// A position behind which nothing of the frozen accounts is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fence {
    /// The GTIDs; none where the server keeps no binary log with them.
    pub(super) position: Option<String>,
    /// The server's clock at that moment, UTC.
    pub(super) at: String,
    /// How long the barrier was waited for.
    pub(super) waited: Duration,
}

/// The server gave up waiting for a lock.
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// Takes a read lock on every table, on a connection of its own that is open already, reads the fence under it and lets go. The
/// lock is granted once no transaction holds a change of one of the tables; readers are not held up.
pub(super) async fn pass(
    call: &Call,
    target: &Target,
    mut session: Session,
    databases: &[String],
    within: Duration,
) -> Result<Fence, ActionError> {
    session.hurry(within);
    let tables = tables(&mut session, databases).await?;
    let begun = Instant::now();
    session.execute(&lock_wait(within)).await?;
    if !tables.is_empty() {
        let listed: Vec<_> = tables.iter().map(|table| format!("{table} READ")).collect();
        let shown = format!(
            "LOCK TABLES {}",
            if listed.len() > 20 { format!("{} tables READ", listed.len()) } else { listed.join(", ") }
        );
        let locked = session.execute_shown(&format!("LOCK TABLES {}", listed.join(", ")), &shown).await;
        if let Err(error) = locked {
            let timeout = matches!(error, StatementError::Stopped(_)) || error.code() == Some(LOCK_WAIT_TIMEOUT);
            session.close().await;
            return Err(if timeout { blocked(call, target, within).await } else { error.into() });
        }
    }
    let waited = begun.elapsed();
    let read = read(&mut session).await;
    session.execute("UNLOCK TABLES").await?;
    session.close().await;
    let (position, at) = read?;
    Ok(Fence { position, at, waited })
}

/// The position now, and the server's clock.
pub(super) async fn read(session: &mut Session) -> Result<(Option<String>, String), StatementError> {
    Ok(position(&session.rows(question(session.dialect())).await?))
}

const fn question(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MariaDb => {
            "SELECT @@global.log_bin AS logs, @@global.gtid_binlog_pos AS position, CAST(UTC_TIMESTAMP() AS CHAR) AS at"
        }
        Dialect::MySql => {
            "SELECT @@global.gtid_mode AS logs, @@global.gtid_executed AS position, CAST(UTC_TIMESTAMP() AS CHAR) AS at"
        }
    }
}

fn position(rows: &[Object]) -> (Option<String>, String) {
    let cell = |name| rows.first().and_then(|row| text(row, name));
    let logs = cell("logs").is_some_and(|word| ["1", "ON"].contains(&word.as_str()));
    let position = cell("position").filter(|_| logs).map(|position| position.replace(['\n', ' '], ""));
    (position, cell("at").unwrap_or_default())
}

async fn tables(session: &mut Session, databases: &[String]) -> Result<Vec<String>, StatementError> {
    let sql = format!(
        "SELECT table_schema AS db, table_name AS name FROM information_schema.tables \
         WHERE table_schema IN {} AND table_type NOT LIKE '%VIEW' AND table_type NOT LIKE 'TEMPORARY' ORDER BY 1, 2",
        among(databases)
    );
    let rows = session.rows(&sql).await?;
    let name = |row: &Object| Some(format!("{}.{}", quoted(&text(row, "db")?), quoted(&text(row, "name")?)));
    Ok(rows.iter().filter_map(name).collect())
}

/// Who is in the way: every open transaction with its owner.
async fn blocked(call: &Call, target: &Target, within: Duration) -> ActionError {
    let named = match transactions(call, target).await {
        Ok(found) if found.is_empty() => "nobody with an open transaction was seen".to_owned(),
        Ok(found) => found.join("; "),
        Err(error) => format!("who it is could not be read: {error}"),
    };
    ActionError::untouched(format!("the barrier was not passed in {} ms: {named}", within.as_millis()))
        .hint("end what is named, or give `barrier_within` more time")
}

async fn transactions(call: &Call, target: &Target) -> Result<Vec<String>, ActionError> {
    let mut session = open(call, target).await?;
    let rows = session.rows(OPEN_TRANSACTIONS).await?;
    session.close().await;
    Ok(rows.iter().map(described).collect())
}

const OPEN_TRANSACTIONS: &str = "SELECT t.trx_mysql_thread_id AS id, CAST(t.trx_started AS CHAR) AS since, t.trx_rows_modified AS changed, \
     p.USER AS user, p.HOST AS host FROM information_schema.innodb_trx t \
     LEFT JOIN information_schema.processlist p ON p.ID = t.trx_mysql_thread_id ORDER BY t.trx_started";

fn described(row: &Object) -> String {
    let cell = |name| text(row, name).unwrap_or_else(|| "nobody".to_owned());
    format!(
        "connection {} of {}@{} has a transaction since {}, {} rows changed",
        cell("id"),
        cell("user"),
        cell("host"),
        cell("since"),
        cell("changed")
    )
}

/// What could still become a change of the accounts behind the fence: their open transactions, and those that nobody holds. The
/// server's list is a little behind, so it is asked again for a moment.
pub(super) async fn changes_left(session: &mut Session, logins: &BTreeSet<String>) -> Result<Vec<String>, ActionError> {
    const LAG: Duration = Duration::from_millis(600);
    let end = Instant::now() + LAG;
    loop {
        let rows = session.rows(OPEN_TRANSACTIONS).await?;
        let theirs = rows.iter().filter(|row| row.get("changed").and_then(|value| value.as_i64()).unwrap_or(0) > 0);
        let theirs = theirs.filter(|row| text(row, "user").is_none_or(|user| logins.contains(&user)));
        let found: Vec<_> = theirs.map(described).collect();
        if found.is_empty() || Instant::now() > end {
            return Ok(found);
        }
        session.patience().clone().sleep(super::cut::FRESH).await?;
    }
}

/// Transactions that were prepared for a commit by somebody who may be gone: each can still be committed, by a name that no
/// privilege stops.
pub(super) const PREPARED: &str = "XA RECOVER";

/// Their names, from the answer.
pub(super) fn names(rows: &[Object]) -> Vec<String> {
    rows.iter().filter_map(|row| text(row, "data")).collect()
}

/// The position now, and the tables that somebody changed after this moment; an empty one names none.
pub(super) async fn read_since(
    session: &mut Session,
    databases: &[String],
    at: &str,
) -> Result<(Option<String>, Vec<String>), StatementError> {
    let mut questions = vec![question(session.dialect()).to_owned()];
    if !at.is_empty() {
        if session.dialect() == Dialect::MySql {
            // Otherwise the answer may be a day old.
            session.silently("SET SESSION information_schema_stats_expiry = 0").await?;
        }
        questions.push(format!(
            "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables \
             WHERE table_schema IN {} AND update_time > {}",
            among(databases),
            super::name::literal(at)
        ));
    }
    let answers = session.together(&questions).await?;
    let changed = answers.iter().skip(1).flatten().filter_map(|row| text(row, "name")).collect();
    Ok((position(answers.first().map_or(&[], Vec::as_slice)).0, changed))
}
