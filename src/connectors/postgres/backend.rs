//! Sessions of others at a server: told apart, ended, and waited for until they are gone.

use std::time::Duration;

use super::name::literals;
use super::session::{Session, text};
use crate::connectors::{ActionError, count_of};
use crate::model::Object;

/// One session; a process number alone may be handed out again.
pub(super) const COLUMNS: &str = "pid::text AS pid, coalesce(backend_start::text, '') AS start, usename::text AS role, datname::text AS database, \
     application_name AS application, coalesce(state, '') AS state, \
     round(extract(epoch FROM clock_timestamp() - coalesce(state_change, backend_start)))::text AS seconds";

/// Ends sessions that are still the ones that were found, and waits until they are gone, at most `within`.
pub(super) async fn end(session: &Session, sessions: &[Object], within: Duration) -> Result<(), ActionError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let these = among(sessions);
    session
        .execute(&format!("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE {these}"))
        .await
        .map_err(|error| error.of_change("pg_terminate_backend"))?;
    let patience = session.patience().at_most(within);
    loop {
        let left = still_there(session, sessions).await.map_err(ActionError::after_change)?;
        if left.is_empty() {
            return Ok(());
        }
        patience.sleep(Duration::from_millis(10)).await.map_err(|stopped| {
            let first = left.first().map(shown).unwrap_or_default();
            ActionError::touched(format!("{} did not end, such as {first}: {stopped}", count_of(left.len(), "session")))
        })?;
    }
}

/// Those of some sessions that have not ended.
pub(super) async fn still_there(session: &Session, sessions: &[Object]) -> Result<Vec<Object>, ActionError> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS} FROM pg_catalog.pg_stat_activity WHERE {}", among(sessions));
    Ok(session.silently(&sql).await?)
}

fn among(sessions: &[Object]) -> String {
    let cell = |row: &Object, name: &str| text(row, name).unwrap_or_default();
    let keys: Vec<_> = sessions.iter().map(|row| format!("{} {}", cell(row, "pid"), cell(row, "start"))).collect();
    format!("pid::text || ' ' || coalesce(backend_start::text, '') = ANY ({})", literals(&keys))
}

/// For people: pid, role, application, what it does.
pub(super) fn shown(row: &Object) -> String {
    let cell = |name: &str| text(row, name).unwrap_or_default();
    format!("pid {} of {} ({}, {})", cell("pid"), cell("role"), cell("application"), cell("state"))
}
