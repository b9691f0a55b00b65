//! A subscription and its slot: the two ends of one link, read together and taken away together.
//!
//! `DROP SUBSCRIPTION` by itself reaches for the slot at the source, and fails where it cannot. Here both are taken away one after the
//! other: the subscription is disabled, its slot dropped at the source, and the subscription goes last, because it alone remembers
//! which slot is its own. So whatever is left after a crash can be found and finished.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::name::{literal, quoted};
use super::scope::is;
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// A subscription at the subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Subscription {
    pub(super) enabled: bool,
    /// None where it was detached from its slot.
    pub(super) slot: Option<String>,
    pub(super) publications: String,
    /// `none` or `any`; always `any` before PostgreSQL 16.
    pub(super) origin: String,
    /// Its comment.
    pub(super) tag: String,
    /// Whether the account of this session may change it.
    own: bool,
    /// Whether its apply worker runs.
    pub(super) worker: bool,
    /// Tables that are not ready.
    pub(super) copying: BTreeSet<String>,
    /// `schema.name` of the tables that it follows.
    pub(super) tables: BTreeSet<String>,
}

/// A logical slot at the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    /// The process that reads it.
    pub(super) reader: Option<String>,
    /// `streaming` where the reader has caught up.
    pub(super) state: String,
    /// What the subscriber has made durable.
    pub(super) confirmed: String,
    wal_status: String,
    database: String,
    here: String,
}

/// The major version: 15, 16, …
pub(super) fn major(session: &Session) -> u32 {
    let version = session.identity()["version"].as_str().and_then(|text| text.parse::<u32>().ok());
    version.unwrap_or_default() / 10_000
}

impl Subscription {
    /// The subscription of this database with this name.
    pub(super) async fn read(session: &Session, name: &str) -> Result<Option<Self>, StatementError> {
        let origin = if major(session) >= 16 { "s.suborigin" } else { "'any'" };
        let sql = format!(
            "SELECT s.subenabled, s.subslotname, array_to_string(s.subpublications, ', ') AS publications, {origin} AS origin, \
             pg_catalog.pg_has_role(session_user, s.subowner, 'USAGE') AS own, coalesce(pg_catalog.obj_description(s.oid, 'pg_subscription'), '') AS tag, EXISTS (SELECT \
             FROM pg_catalog.pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL) AS worker, s.oid \
             FROM pg_catalog.pg_subscription s WHERE s.subname = {} \
             AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
            literal(name)
        );
        let rows = session.silently(&sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let cell = |name: &str| text(row, name).unwrap_or_default();
        let sql = format!(
            "SELECT n.nspname || '.' || c.relname AS name, r.srsubstate = 'r' AS ready FROM pg_catalog.pg_subscription_rel r \
             JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE r.srsubid = {}",
            cell("oid")
        );
        let tables = session.silently(&sql).await?;
        let named = |rows: &mut dyn Iterator<Item = &Object>| rows.filter_map(|row| text(row, "name")).collect();
        Ok(Some(Self {
            enabled: is(row, "subenabled"),
            slot: text(row, "subslotname"),
            publications: cell("publications"),
            origin: cell("origin"),
            tag: cell("tag"),
            own: is(row, "own"),
            worker: is(row, "worker"),
            copying: named(&mut tables.iter().filter(|row| !is(row, "ready"))),
            tables: named(&mut tables.iter()),
        }))
    }

    /// Why the account of this session may not change the subscription; none where it may.
    pub(super) fn denied(&self, name: &str) -> Option<String> {
        (!self.own).then(|| {
            format!(
                "the account at the subscriber may not change the subscription `{name}`: it is neither its owner nor a superuser, \
                 and before PostgreSQL 16 only a superuser can become its owner"
            )
        })
    }

    /// For evidence and snapshots. The connection is not read: a password may be in it.
    pub(super) fn facts(&self) -> Value {
        json!({
            "enabled": self.enabled, "slot": self.slot, "publications": self.publications, "origin": self.origin,
            "comment": self.tag, "worker": self.worker, "tables": self.tables.len(), "not_ready": self.copying,
        })
    }
}

impl Slot {
    /// The logical slot with this name.
    pub(super) async fn read(session: &Session, name: &str) -> Result<Option<Self>, StatementError> {
        let sql = format!(
            "SELECT s.active_pid::text AS reader, coalesce(r.state, '') AS state, s.confirmed_flush_lsn::text AS confirmed, \
             s.wal_status, s.database, pg_catalog.current_database() AS here FROM pg_catalog.pg_replication_slots s \
             LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid \
             WHERE s.slot_name = {} AND s.slot_type = 'logical'",
            literal(name)
        );
        let rows = session.silently(&sql).await?;
        Ok(rows.first().map(|row| {
            let cell = |name: &str| text(row, name).unwrap_or_default();
            Self {
                reader: text(row, "reader"),
                state: cell("state"),
                confirmed: cell("confirmed"),
                wal_status: cell("wal_status"),
                database: cell("database"),
                here: cell("here"),
            }
        }))
    }

    /// Why it cannot be the slot of a subscription to this database of the source; none where it can.
    pub(super) fn foreign(&self) -> Option<String> {
        (self.database != self.here)
            .then(|| format!("belongs to the database `{}` of the source, not to `{}`", self.database, self.here))
    }

    /// For evidence.
    pub(super) fn facts(&self) -> Value {
        json!({
            "active": self.reader.is_some(), "state": self.state, "confirmed": self.confirmed, "wal_status": self.wal_status,
        })
    }
}

/// The statement that drops a slot at the source.
pub(super) fn drop_slot_statement(slot: &str) -> String {
    format!("SELECT pg_catalog.pg_drop_replication_slot({})", literal(slot))
}

/// The statements that take a subscription away from the subscriber, once its slot is gone or given up.
pub(super) fn detach_statements(name: &str) -> Vec<String> {
    let name = quoted(name);
    vec![
        "BEGIN".to_owned(),
        format!("ALTER SUBSCRIPTION {name} DISABLE"),
        format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
        format!("DROP SUBSCRIPTION {name}"),
        "COMMIT".to_owned(),
    ]
}

/// How long the reader of a slot may take to end by itself, and after it was told to.
const BY_ITSELF: Duration = Duration::from_secs(3);
const TOLD: Duration = Duration::from_secs(15);

/// Stops a subscription, so that nobody reads its slot any more.
pub(super) async fn disable(subscriber: &Session, name: &str) -> Result<(), ActionError> {
    let sql = format!("ALTER SUBSCRIPTION {} DISABLE", quoted(name));
    subscriber.execute(&sql).await.map_err(|error| match error {
        StatementError::Server { .. } => ActionError::untouched(format!("`{sql}` was refused: {error}")),
        StatementError::Lost(_) | StatementError::Stopped(_) => error.of_change(&sql),
    })?;
    Ok(())
}

/// Drops a slot at the source once nobody reads it; a reader that does not end by itself is ended. A no-op where it is gone.
pub(super) async fn drop_slot(source: &Session, slot: &str) -> Result<(), ActionError> {
    let (begun, mut told) = (Instant::now(), false);
    loop {
        let Some(found) = Slot::read(source, slot).await.map_err(|error| ActionError::touched(error.to_string()))? else {
            return Ok(());
        };
        if let Some(why) = found.foreign() {
            return Err(ActionError::touched(format!("the slot `{slot}` {why}")));
        }
        let Some(reader) = found.reader else { break };
        if begun.elapsed() > BY_ITSELF && !told {
            let sql = format!("SELECT pg_catalog.pg_terminate_backend({reader})");
            source.execute(&sql).await.map_err(|error| ActionError::touched(format!("the reader of `{slot}` stays: {error}")))?;
            told = true;
        }
        let rest = TOLD.saturating_sub(begun.elapsed());
        source.patience().at_most(rest).sleep(Duration::from_millis(50)).await.map_err(|stopped| {
            ActionError::touched(format!("process {reader} of the source still reads the slot `{slot}`: {stopped}"))
        })?;
    }
    let sql = drop_slot_statement(slot);
    match source.execute(&sql).await {
        // Somebody else was faster.
        Err(StatementError::Server { code, .. }) if code == "42704" => Ok(()),
        other => other.map(|_| ()).map_err(|error| error.of_change(&sql)),
    }
}

/// Takes the subscription away from the subscriber without a word to the source. A no-op where it is gone.
pub(super) async fn detach(subscriber: &Session, name: &str) -> Result<(), ActionError> {
    if Subscription::read(subscriber, name).await.map_err(|error| ActionError::touched(error.to_string()))?.is_none() {
        return Ok(());
    }
    let script = detach_statements(name);
    let sent = subscriber.execute(&script.join(";\n")).await;
    sent.map(|_| ()).map_err(|error| error.of_change("DROP SUBSCRIPTION"))
}
