//! SQLite as a store of tables: every measure of a table in one SELECT, so that all are of one snapshot.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::types::Value as Cell;

use super::cell::to_text;
use super::schema::{columns, quoted, tables};
use super::session::{Access, Session, open, run};
use crate::connectors::tables::{Figure, Measure, Measured, TableStore};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Value;

/// A database whose sessions are kept while a check lasts: opening one reads the whole schema.
struct Store {
    call: Call,
    target: Target,
    idle: Mutex<Vec<Session>>,
}

/// The database behind `target` as a store of tables.
pub(in crate::connectors) fn open_store(call: &Call, target: &Target) -> Arc<dyn TableStore> {
    Arc::new(Store { call: call.clone(), target: target.clone(), idle: Mutex::default() })
}

impl Store {
    async fn with<T, W>(&self, work: W) -> Result<T, ActionError>
    where
        T: Send + 'static,
        W: FnOnce(&Session) -> Result<T, ActionError> + Send + 'static,
    {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = match idle {
            Some(session) => session,
            None => open(&self.call, &self.target, Access::Read).await?,
        };
        let (session, result) = run(session, work).await;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(session);
        result
    }
}

#[async_trait]
impl TableStore for Store {
    async fn identity(&self) -> Result<Value, ActionError> {
        self.with(|session| Ok(session.identity())).await
    }

    async fn tables(&self) -> Result<Vec<String>, ActionError> {
        self.with(|session| Ok(tables(session)?.into_iter().map(|table| table.name).collect())).await
    }

    async fn measure(&self, table: &str, measures: &[Measure]) -> Result<Measured, ActionError> {
        let (table, measures) = (table.to_owned(), measures.to_vec());
        self.with(move |session| measure(session, &table, &measures)).await
    }
}

fn measure(session: &Session, table: &str, measures: &[Measure]) -> Result<Measured, ActionError> {
    let known = columns(session, table)?;
    let mut terms = vec!["count(*)".to_owned()];
    let mut plan = Vec::new();
    for measure in measures {
        let column = match measure.column() {
            None => None,
            Some(name) => match known.iter().find(|column| column.name.eq_ignore_ascii_case(name)) {
                Some(column) => Some(quoted(&column.name)),
                None => {
                    plan.push(Err(format!("there is no column `{name}`")));
                    continue;
                }
            },
        };
        plan.push(Ok(terms.len()));
        match (measure, column) {
            (Measure::Min(_), Some(column)) => terms.push(format!("min({column})")),
            (Measure::Max(_), Some(column)) => terms.push(format!("max({column})")),
            (Measure::Sum(_), Some(column)) => {
                // `sum` overflows at 2^63 and is a float for anything but whole numbers: two halves, and a count of the others.
                terms.push(format!("sum({column} >> 32)"));
                terms.push(format!("sum({column} & 4294967295)"));
                terms.push(format!("count(*) FILTER (WHERE typeof({column}) NOT IN ('integer', 'null'))"));
            }
            (Measure::Count, _) | (Measure::Min(_) | Measure::Max(_) | Measure::Sum(_), None) => {
                terms.push("count(*)".to_owned())
            }
        }
    }
    let sql = format!("SELECT {} FROM {}", terms.join(", "), quoted(table));
    let cells = session.one(&sql, [], |row| (0..terms.len()).map(|at| row.get::<_, Cell>(at)).collect::<Result<Vec<_>, _>>())?;
    let figures = measures.iter().zip(plan).map(|(measure, at)| match at {
        Err(why) => Figure::NotVerified(why),
        Ok(at) => figure(measure, &cells[at..]),
    });
    let rows = if let Cell::Integer(rows) = cells[0] { u64::try_from(rows).unwrap_or(0) } else { 0 };
    Ok(Measured { rows, figures: figures.collect() })
}

fn figure(measure: &Measure, cells: &[Cell]) -> Figure {
    match measure {
        Measure::Count | Measure::Min(_) | Measure::Max(_) => Figure::Exact(to_text(&cells[0])),
        Measure::Sum(_) => match (&cells[0], &cells[1], &cells[2]) {
            (_, _, Cell::Integer(others)) if *others > 0 => {
                Figure::NotVerified(format!("{others} values are no whole numbers, and their sum is not exact"))
            }
            (Cell::Integer(high), Cell::Integer(low), _) => {
                Figure::Exact(Some((i128::from(*high) * (1 << 32) + i128::from(*low)).to_string()))
            }
            _ => Figure::Exact(None),
        },
    }
}
