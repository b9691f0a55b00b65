//! Canaries: writes as the application itself, on the way that it takes. None of them can touch a row.
//!
//! `… WHERE false` is planned, checked for rights and run like any other write, and changes nothing; statement triggers that it
//! may set off are rolled back with it. Rights are checked before the first row would be.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::name::{literal, literals, quoted};
use super::scope::{Relation, Scope};
use super::session::{Session, StatementError, open_link, text};
use crate::connectors::{ActionError, Call};
use crate::model::{Object, Value};

/// An account that writes to see whether it may.
#[derive(Clone)]
pub(super) struct Canary {
    user: String,
    password: Option<String>,
    via: Option<String>,
    table: Option<String>,
}

/// How one canary write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    /// It was let past.
    Accepted,
    /// The server refused it for want of a right, or refused the login of a role that may not log in.
    Refused(String),
    /// Something else: it says nothing about rights.
    Broken(String),
}

/// Which end the canaries must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// At least one write of every account gets past: the control before a freeze.
    SomeAccepted,
    /// Every write is refused.
    AllRefused,
    /// Each ends as the grants say; what the account has a right to gets past.
    AsGranted,
}

/// The canaries that a step names.
pub(super) fn canaries(call: &Call) -> Result<Vec<Canary>, ActionError> {
    let Some(list) = call.params.get("canaries") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| ActionError::untouched("`canaries` must be a list"))?;
    let one = |value: &Value| {
        let cell = |key: &str| value[key].as_str().map(str::to_owned);
        let user = cell("user").ok_or_else(|| ActionError::untouched("a canary names no `user`"))?;
        Ok(Canary { user, password: cell("password"), via: cell("via"), table: cell("table") })
    };
    list.iter().map(one).collect()
}

/// Sends all canaries, and answers what came back; an error says which did not end as expected.
pub(super) async fn send(
    call: &Call,
    session: &Session,
    scope: &Scope,
    canaries: &[Canary],
    expected: Expected,
) -> Result<Value, String> {
    let mut facts = Vec::new();
    for canary in canaries {
        let begun = Instant::now();
        let found = one(call, session, scope, canary, expected).await;
        let end = found.as_ref().map_or_else(Clone::clone, |ends| ends.join("; "));
        let via = canary.via.as_deref().unwrap_or("the target's address");
        let shown = format!("canary as {} through {via}: INSERT, UPDATE, DELETE … WHERE false; ROLLBACK", canary.user);
        session.recorder().question(&shown, begun.elapsed(), &end);
        facts.push(json!({ "user": canary.user, "via": via, "ends": found? }));
    }
    Ok(json!(facts))
}

async fn one(call: &Call, session: &Session, scope: &Scope, canary: &Canary, expected: Expected) -> Result<Vec<String>, String> {
    let user = &canary.user;
    let tables: Vec<&Relation> = match &canary.table {
        Some(name) => vec![scope.find(name).ok_or_else(|| format!("the canary's table {name} does not exist"))?],
        None => scope.tables(),
    };
    let asked = |error: StatementError| format!("the canary {user} could not be prepared: {error}");
    let link = session.link().for_account(user, canary.password.as_deref(), canary.via.as_deref()).map_err(|e| e.message)?;
    let own = match open_link(call, link).await {
        Ok(own) => own,
        Err(error) if error.message.contains("28000") && expected == Expected::AllRefused => {
            return Ok(vec![format!("login refused: {}", error.message)]);
        }
        Err(error) => return Err(format!("the canary proves nothing: {}", error.message)),
    };
    let who = own.who().await.map_err(asked)?;
    for key in ["system_identifier", "database"] {
        if who[key] != session.identity()[key] {
            let there = &who[key];
            return Err(format!("the canary {user} proves nothing: it ended at another server or database ({key} {there})"));
        }
    }
    let writes = writes(session, user, &tables).await.map_err(asked)?;
    let (mut wrong, mut ends, mut accepted) = (Vec::new(), Vec::new(), 0_usize);
    for part in writes.chunks(AT_ONCE) {
        for (write, end) in part.iter().zip(attempts(&own, part).await.map_err(asked)?) {
            accepted += usize::from(end == End::Accepted);
            let shown = format!("{}: {}", write.name, word(&end));
            let right = match (&end, expected) {
                (End::Broken(_), _) => false,
                (_, Expected::SomeAccepted) => true,
                (end, Expected::AllRefused) => *end != End::Accepted,
                (end, Expected::AsGranted) => (*end == End::Accepted) == write.granted,
            };
            (if right { &mut ends } else { &mut wrong }).push(shown);
        }
    }
    if !wrong.is_empty() {
        return Err(format!("as {user}: {}", wrong.join("; ")));
    }
    if expected == Expected::SomeAccepted && accepted == 0 {
        return Err(format!("the canary {user} proves nothing: it may not write even now"));
    }
    Ok(ends)
}

/// How many writes are under way at the same time, one behind the other on the same connection.
const AT_ONCE: usize = 64;

/// One write to try.
struct Write {
    /// For people: `INSERT public.orders`.
    name: String,
    sql: String,
    /// Whether the grants allow it now.
    granted: bool,
}

/// The writes to try on some tables, all read in one question.
async fn writes(session: &Session, user: &str, tables: &[&Relation]) -> Result<Vec<Write>, StatementError> {
    let oids = literals(&tables.iter().map(|table| table.oid.clone()).collect::<Vec<_>>());
    let user = literal(user);
    // A column that the account may write, where it has rights on columns only; the first otherwise.
    let rows = session
        .silently(&format!(
            "SELECT c.oid::text AS oid, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped \
             AND attgenerated = '' ORDER BY has_column_privilege({user}, c.oid, attnum, 'UPDATE') DESC, attnum LIMIT 1) AS col, \
             has_any_column_privilege({user}, c.oid, 'INSERT') AND s.reach AS i, \
             has_any_column_privilege({user}, c.oid, 'UPDATE') AND s.reach AS u, \
             has_table_privilege({user}, c.oid, 'DELETE') AND s.reach AS d \
             FROM pg_class c CROSS JOIN LATERAL (SELECT has_schema_privilege({user}, c.relnamespace, 'USAGE') AS reach) s \
             WHERE c.oid = ANY ({oids}::oid[])"
        ))
        .await?;
    let known: BTreeMap<String, &Object> = rows.iter().filter_map(|row| Some((text(row, "oid")?, row))).collect();
    let mut writes = Vec::new();
    for table in tables {
        let (name, row) = (table.quoted(), known.get(&table.oid));
        let mut add = |operation: &str, sql: String, key: &str| {
            let granted = row.is_some_and(|row| super::scope::is(row, key));
            writes.push(Write { name: format!("{operation} {}", table.shown()), sql, granted });
        };
        add("INSERT", format!("INSERT INTO {name} SELECT WHERE false"), "i");
        add("DELETE", format!("DELETE FROM {name} WHERE false"), "d");
        if let Some(column) = row.and_then(|row| text(row, "col")) {
            add("UPDATE", format!("UPDATE {name} SET {} = DEFAULT WHERE false", quoted(&column)), "u");
        }
    }
    Ok(writes)
}

/// Each write in a transaction of its own, so that each has an end of its own.
async fn attempts(own: &Session, writes: &[Write]) -> Result<Vec<End>, StatementError> {
    let limits = "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'";
    let messages: Vec<_> = writes.iter().flat_map(|write| [format!("{limits}; {}", write.sql), "ROLLBACK".to_owned()]).collect();
    let mut sent = own.pipelined(&messages).await?.into_iter();
    let mut ends = Vec::new();
    while let (Some(write), Some(rolled_back)) = (sent.next(), sent.next()) {
        rolled_back?;
        ends.push(match write {
            Ok(()) => End::Accepted,
            Err(error @ (StatementError::Lost(_) | StatementError::Stopped(_))) => return Err(error),
            Err(error) if error.code() == Some("42501") => End::Refused(error.to_string()),
            Err(error) => End::Broken(error.to_string()),
        });
    }
    Ok(ends)
}

fn word(end: &End) -> String {
    match end {
        End::Accepted => "accepted and rolled back".to_owned(),
        End::Refused(why) => format!("refused: {why}"),
        End::Broken(why) => format!("says nothing about rights: {why}"),
    }
}
