//! What is asked after a freeze besides the canaries: rights as the server computes them, locks, prepared transactions, counters.

use std::time::{Duration, Instant};

use serde_json::json;

use super::barrier;
use super::bypass::prepared;
use super::name::literals;
use super::scope::Scope;
use super::session::{Session, StatementError, text};
use crate::model::Value;

/// How long the table counters may keep moving: a backend reports what it did with a delay.
const SETTLING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

fn oids(scope: &Scope) -> String {
    literals(&scope.relations.iter().filter(|r| r.kind != 'S').map(|r| r.oid.clone()).collect::<Vec<_>>())
}

/// Tables that this session may not lock in SHARE mode.
pub(super) async fn not_lockable(session: &Session, scope: &Scope) -> Result<Vec<String>, StatementError> {
    let tables = literals(&scope.tables().iter().map(|table| table.oid.clone()).collect::<Vec<_>>());
    // What the roles to freeze lend is gone in a moment: owners among them lose it.
    let acting = literals(&scope.acting.iter().cloned().collect::<Vec<_>>());
    let sql = format!(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.oid = ANY ({tables}::oid[]) AND NOT \
         (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AND \
         (NOT has_table_privilege(session_user, c.oid, 'UPDATE, DELETE, TRUNCATE') OR (pg_get_userbyid(c.relowner) = ANY ({acting}) \
         AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE pg_get_userbyid(x.grantee) = session_user \
         AND x.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')))) ORDER BY 1"
    );
    Ok(session.rows(&sql).await?.iter().filter_map(|row| text(row, "name")).collect())
}

/// Fails when a role has a right to write by whatever way, when a transaction that writes is open or prepared, or when tables still
/// change. Counters are only held to that where nobody signed for a way past.
pub(super) async fn nobody_writes(session: &Session, scope: &Scope, still: bool) -> Result<Value, String> {
    let asked = |error: StatementError| error.to_string();
    let (tables, roles) = (oids(scope), literals(&scope.role_names()));
    let sql = format!(
        "SELECT r.rolname || ' on ' || c.oid::regclass::text AS name FROM pg_roles r CROSS JOIN pg_class c \
         WHERE r.rolname = ANY ({roles}) AND c.oid = ANY ({tables}::oid[]) \
         AND (has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') \
         OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')) LIMIT 5"
    );
    let rows = session.rows(&sql).await.map_err(asked)?;
    let may: Vec<_> = rows.iter().filter_map(|row| text(row, "name")).collect();
    if !may.is_empty() {
        return Err(format!("these may still write: {}", may.join(", ")));
    }
    let passed = barrier::pass(session, scope, Duration::from_secs(2)).await.map_err(|error| error.to_string())?;
    let open = prepared(session).await.map_err(asked)?;
    if still && !open.is_empty() {
        return Err(format!("prepared transactions are open: {}", open.join(", ")));
    }
    let counters = settled(session, scope, still).await?;
    Ok(json!({
        "identity": session.identity(), "tables": scope.tables().len(), "roles": scope.role_names(),
        "second_barrier_ms": passed.ms, "prepared_transactions": open.len(), "counters": counters,
    }))
}

/// Waits until the counters of inserts, updates and deletes stand still. That the log moves proves nothing: an idle server moves it.
async fn settled(session: &Session, scope: &Scope, required: bool) -> Result<Value, String> {
    let sql = format!(
        "SELECT pg_stat_clear_snapshot(), coalesce(sum(pg_stat_get_tuples_inserted(t) + pg_stat_get_tuples_updated(t) + \
         pg_stat_get_tuples_deleted(t)), 0)::text AS sum FROM unnest({}::oid[]) t",
        oids(scope)
    );
    let begun = Instant::now();
    let read = async || {
        let rows = session.silently(&sql).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(rows.first().and_then(|row| text(row, "sum")).unwrap_or_default())
    };
    let mut before = read().await?;
    loop {
        session.patience().sleep(PAUSE).await.map_err(|stopped| format!("while the counters were watched: {stopped}"))?;
        let now = read().await?;
        if now == before || !required {
            return Ok(json!({ "writes": now, "still": now == before }));
        }
        if begun.elapsed() > SETTLING {
            return Err(format!("tables in scope still change: from {before} to {now} rows written"));
        }
        before = now;
    }
}
