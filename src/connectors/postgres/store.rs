//! PostgreSQL as a store of tables: every measure of a table in one SELECT, so that all are of one snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::figure::expression;
use super::name::{literal, quoted};
use super::session::{Session, StatementError, open, text};
use crate::connectors::tables::{Figure, Measure, Measured, TableStore};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Value;

/// A database whose sessions are kept while a check lasts, one for each table that is measured at the same time.
struct Store {
    call: Call,
    target: Target,
    idle: Mutex<Vec<Session>>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// A table, as a statement names it.
#[derive(Clone)]
struct Known {
    oid: String,
    /// With `ONLY` where rows of other tables would be counted too.
    from: String,
}

/// The database behind `target` as a store of tables.
pub(in crate::connectors) fn open_store(call: &Call, target: &Target) -> Arc<dyn TableStore> {
    Arc::new(Store { call: call.clone(), target: target.clone(), idle: Mutex::default(), known: Mutex::default() })
}

/// Partitions are rows of their parent and are counted there; tables that only inherit are counted by themselves.
const TABLES: &str = "SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

impl Store {
    async fn session(&self) -> Result<Session, ActionError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(session) = idle {
            return Ok(session);
        }
        let session = open(&self.call, &self.target).await?;
        // A policy that hides rows from this account then is an error, and not a smaller count.
        session.silently("SET row_security = off; SET default_transaction_read_only = on; SET extra_float_digits = 0").await?;
        Ok(session)
    }

    /// Keeps a session for the next table, unless its connection broke.
    fn keep<T>(&self, session: Session, result: &Result<T, StatementError>) {
        if matches!(result, Ok(_) | Err(StatementError::Server { .. })) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }

    async fn look_up(&self) -> Result<BTreeMap<String, Known>, ActionError> {
        let session = self.session().await?;
        let rows = session.rows(TABLES).await;
        self.keep(session, &rows);
        let known = rows?.into_iter().map(|row| {
            let cell = |name: &str| text(&row, name).unwrap_or_default();
            let only = if cell("kind") == "r" { "ONLY " } else { "" };
            let from = format!("{only}{}.{}", quoted(&cell("schema")), quoted(&cell("name")));
            (format!("{}.{}", cell("schema"), cell("name")), Known { oid: cell("oid"), from })
        });
        Ok(known.collect())
    }
}

#[async_trait]
impl TableStore for Store {
    async fn identity(&self) -> Result<Value, ActionError> {
        let session = self.session().await?;
        let identity = session.identity();
        self.keep(session, &Ok(()));
        Ok(identity)
    }

    async fn tables(&self) -> Result<Vec<String>, ActionError> {
        let known = self.look_up().await?;
        let names = known.keys().cloned().collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(names)
    }

    async fn measure(&self, table: &str, measures: &[Measure]) -> Result<Measured, ActionError> {
        let found = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        let known = found.ok_or_else(|| ActionError::untouched(format!("there is no table `{table}`")))?;
        let session = self.session().await?;
        let measured = measure(&session, &known, measures).await;
        self.keep(session, &measured);
        Ok(measured?)
    }
}

/// The columns of a table that are asked for, with the names of their types; a domain has the one it is made of.
async fn kinds(session: &Session, known: &Known, measures: &[Measure]) -> Result<BTreeMap<String, String>, StatementError> {
    let columns: Vec<_> = measures.iter().filter_map(Measure::column).map(literal).collect();
    if columns.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!(
        "SELECT a.attname AS name, CASE WHEN coalesce(b.typtype, t.typtype) = 'e' THEN 'enum' \
         ELSE coalesce(b.typname, t.typname) END AS kind FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = nullif(t.typbasetype, 0) \
         WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped AND a.attname IN ({})",
        known.oid,
        columns.join(", ")
    );
    let pair = |row: &crate::model::Object| Some((text(row, "name")?, text(row, "kind")?));
    Ok(session.silently(&sql).await?.iter().filter_map(pair).collect())
}

async fn measure(session: &Session, known: &Known, measures: &[Measure]) -> Result<Measured, StatementError> {
    let kinds = kinds(session, known, measures).await?;
    let terms: Vec<Result<String, String>> = measures
        .iter()
        .map(|measure| match measure.column() {
            None => expression(measure, ""),
            Some(column) => match kinds.get(column) {
                Some(kind) => expression(measure, kind),
                None => Err(format!("there is no column `{column}`")),
            },
        })
        .collect();
    let asked = terms.iter().enumerate().filter_map(|(at, term)| Some(format!("{} AS m{at}", term.as_ref().ok()?)));
    let list: Vec<_> = std::iter::once("pg_catalog.count(*)::text AS n".to_owned()).chain(asked).collect();
    let rows = session.rows(&format!("SELECT {} FROM {}", list.join(", "), known.from)).await?;
    let row = rows.first().cloned().unwrap_or_default();
    let figures = terms.into_iter().enumerate().map(|(at, term)| match term {
        Err(why) => Figure::NotVerified(why),
        Ok(_) => match text(&row, &format!("m{at}")) {
            Some(odd) if matches!(odd.as_str(), "NaN" | "Infinity" | "-Infinity" | "infinity" | "-infinity") => {
                Figure::NotVerified(format!("the figure is {odd}, which has no place among exact values"))
            }
            found => Figure::Exact(found),
        },
    });
    let figures = figures.collect();
    let count = text(&row, "n").and_then(|count| count.parse().ok());
    let rows = count.ok_or_else(|| StatementError::Lost("the count had no answer".to_owned()))?;
    Ok(Measured { rows, figures })
}
