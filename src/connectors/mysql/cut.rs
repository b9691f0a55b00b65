//! Ending the sessions that a denial does not reach: an open session keeps the database privileges that it had at its last `USE`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::order::{Sessions, among};
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::model::{Object, Span};

/// The pause between two looks; the application is refused meanwhile.
const EVERY: Duration = Duration::from_millis(2);

/// The same where transactions are looked at. The server keeps the list that it shows until nobody has looked for a tenth of a
/// second: who asks more often sees the past for ever.
pub(super) const FRESH: Duration = Duration::from_millis(150);

/// How long a connection may take to say who it is, before it is cut unseen.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Who has connected and has not yet said who it is. It may have been let in with the privileges of a moment ago.
const NOT_YET: &str = "unauthenticated user";

/// Ends every session that is open now and belongs to one of the names, and waits until all are gone; answers how many there were.
/// Sessions that are opened meanwhile have the privileges of now and stay.
pub(super) async fn end_sessions(
    session: &mut Session,
    logins: &BTreeSet<String>,
    how: Sessions,
    within: Duration,
) -> Result<usize, ActionError> {
    if logins.is_empty() {
        return Ok(0);
    }
    let begun = Instant::now();
    let patience = session.patience().at_most(within);
    let mut left: BTreeSet<i64> = open(session, logins).await?.iter().filter_map(id).collect();
    let every = if how == Sessions::CutBetweenTransactions { FRESH } else { EVERY };
    if how == Sessions::CutBetweenTransactions && !left.is_empty() {
        patience.sleep(FRESH).await?;
    }
    let mut cut = 0;
    let mut told = BTreeSet::new();
    let result = loop {
        let now: BTreeMap<i64, Object> =
            open(session, logins).await?.into_iter().filter_map(|row| Some((id(&row)?, row))).collect();
        left.retain(|id| now.contains_key(id));
        if left.is_empty() {
            break Ok(cut);
        }
        let busy = if how == Sessions::CutBetweenTransactions { changing(session).await? } else { BTreeSet::new() };
        for id in left.iter().filter(|id| !busy.contains(id) && !told.contains(*id)).copied().collect::<Vec<_>>() {
            let unknown = user(&now[&id]) == NOT_YET;
            if how == Sessions::Await || (unknown && begun.elapsed() < UNKNOWN) {
                continue;
            }
            match session.execute(&format!("KILL CONNECTION {id}")).await {
                // It went by itself meanwhile.
                Err(StatementError::Server { code: 1094, .. }) => {}
                Err(error) => return Err(ActionError::untouched(format!("connection {id} cannot be cut: {error}"))),
                Ok(_) => cut += 1,
            }
            told.insert(id);
        }
        if let Err(stopped) = patience.sleep(every).await {
            let named: Vec<_> = left.iter().take(5).map(|id| described(&now[id], busy.contains(id))).collect();
            let more = if left.len() > 5 { format!(" and {} more", left.len() - 5) } else { String::new() };
            break Err(ActionError::untouched(format!(
                "{} of the accounts can still write with the privileges they opened with ({stopped}): {}{more}",
                super::count_of(left.len(), "session"),
                named.join("; ")
            ))
            .hint("end them, give `barrier_within` more time, or say `transactions: end`"));
        }
    };
    let took = Span::from_millis(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    if result.is_ok() {
        session.recorder().progress(&format!("no older session of the accounts is left after {took}, {cut} were cut"));
    }
    result
}

/// The sessions of these names, and those that have no name yet.
pub(super) async fn open(session: &mut Session, logins: &BTreeSet<String>) -> Result<Vec<Object>, StatementError> {
    let sql = format!(
        "SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command, TIME AS seconds FROM information_schema.processlist \
         WHERE (USER IN {} OR USER = '{NOT_YET}') AND ID <> {} ORDER BY ID",
        among(logins),
        session.connection_id()
    );
    let rows = session.silently(&sql).await?;
    // A name with another case is another account; the comparison of the list may not see that.
    Ok(rows.into_iter().filter(|row| user(row) == NOT_YET || logins.contains(&user(row))).collect())
}

/// The connections whose open transaction has changed something.
pub(super) async fn changing(session: &mut Session) -> Result<BTreeSet<i64>, StatementError> {
    let sql = "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx WHERE trx_rows_modified > 0";
    Ok(session.silently(sql).await?.iter().filter_map(id).collect())
}

fn id(row: &Object) -> Option<i64> {
    row.get("id").and_then(|value| value.as_i64())
}

fn user(row: &Object) -> String {
    text(row, "user").unwrap_or_default()
}

fn described(row: &Object, busy: bool) -> String {
    let cell = |name| text(row, name).unwrap_or_default();
    let doing = if busy { "in a transaction that changed something" } else { "open" };
    format!(
        "connection {} of {}@{}, {doing}, {} for {}s",
        cell("id"),
        cell("user"),
        cell("host"),
        cell("command"),
        cell("seconds")
    )
}
