//! A MySQL or MariaDB server as a store of tables: every measure of a table in one SELECT, so that all are of one snapshot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::figure::{Column, Term, terms};
use super::name::{literal, quoted};
use super::session::{Dialect, Session, open, text};
use crate::connectors::tables::{Figure, Measure, Measured, TableStore};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Value;

/// A server whose sessions are kept while a check lasts; there are as many as tables are measured at the same time.
struct Store {
    call: Call,
    target: Target,
    idle: Mutex<Vec<Session>>,
    /// Schema and table by the name that a runbook says: a name with a dot in it cannot be taken apart.
    names: Mutex<HashMap<String, (String, String)>>,
}

/// The server behind `target` as a store of tables. Where the target's address names a database, the store is that database and
/// its tables have plain names; otherwise it is every database and the names are `database.table`.
pub(in crate::connectors) fn open_store(call: &Call, target: &Target) -> Arc<dyn TableStore> {
    Arc::new(Store { call: call.clone(), target: target.clone(), idle: Mutex::default(), names: Mutex::default() })
}

/// What belongs to the server and not to an application.
const SYSTEM: &str = "'mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo'";

impl Store {
    async fn take(&self) -> Result<Session, ActionError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(session) => Ok(session),
            None => {
                let mut session = open(&self.call, &self.target).await?;
                limit(&mut session).await?;
                Ok(session)
            }
        }
    }

    /// Only after an answer: a session in which something broke may still be in the middle of it.
    fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    async fn list(&self, session: &mut Session) -> Result<Vec<String>, ActionError> {
        let listed = |scope: &str| {
            format!(
                "SELECT table_schema AS s, table_name AS t FROM information_schema.tables \
                 WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema {scope}"
            )
        };
        let mut answers = session.together(&["SELECT DATABASE() AS d".to_owned(), listed("= DATABASE()")]).await?;
        let database = answers[0].first().and_then(|row| text(row, "d"));
        let rows = match &database {
            Some(_) => answers.swap_remove(1),
            None => session.rows(&listed(&format!("NOT IN ({SYSTEM})"))).await?,
        };
        let mut names = HashMap::with_capacity(rows.len());
        for row in &rows {
            if let (Some(schema), Some(table)) = (text(row, "s"), text(row, "t")) {
                let name = if database.is_some() { table.clone() } else { format!("{schema}.{table}") };
                if names.insert(name.clone(), (schema, table)).is_some() {
                    return Err(ActionError::untouched(format!("two tables would be called `{name}`: a dot stands in a name")));
                }
            }
        }
        let mut listed: Vec<_> = names.keys().cloned().collect();
        listed.sort_unstable();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(listed)
    }

    async fn figures(&self, session: &mut Session, name: &str, measures: &[Measure]) -> Result<Measured, ActionError> {
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let (schema, table) = known.ok_or_else(|| ActionError::untouched(format!("there is no table `{name}`")))?;
        let columns = match measures.iter().any(|measure| measure.column().is_some()) {
            true => columns(session, &schema, &table).await?,
            false => Vec::new(),
        };
        let plan: Vec<Result<Term, String>> = measures.iter().map(|measure| terms(measure, &columns)).collect();
        let mut asked = vec!["COUNT(*) AS c".to_owned()];
        for (at, term) in plan.iter().enumerate() {
            if let Ok(Term::Asked { sql, .. }) = term {
                asked.push(format!("{sql} AS c{at}"));
            }
        }
        let sql = format!("SELECT {} FROM {}.{}", asked.join(", "), quoted(&schema), quoted(&table));
        let row = session.one(&sql).await?.ok_or_else(|| ActionError::untouched(format!("`{sql}` answered no row")))?;
        let count = text(&row, "c").unwrap_or_default();
        let rows = count.parse().map_err(|_| ActionError::untouched(format!("`{count}` is no number of rows")))?;
        let figures = plan.into_iter().enumerate().map(|(at, term)| match term {
            Err(why) => Figure::NotVerified(why),
            Ok(Term::Count) => Figure::Exact(Some(count.clone())),
            Ok(Term::Asked { shape, .. }) => Figure::Exact(text(&row, &format!("c{at}")).map(|found| shape.canonical(&found))),
        });
        Ok(Measured { rows, figures: figures.collect() })
    }
}

/// Lets the server itself end a statement that nobody waits for any more: a query whose client is gone runs on.
async fn limit(session: &mut Session) -> Result<(), ActionError> {
    let left = session.patience().left();
    let sql = match session.dialect() {
        Dialect::MariaDb => format!("SET SESSION max_statement_time = {:.3}", left.as_secs_f64().clamp(0.1, 31_000_000.0)),
        Dialect::MySql => format!("SET SESSION max_execution_time = {}", left.as_millis().clamp(100, 4_000_000_000)),
    };
    session.silently(&sql).await?;
    Ok(())
}

/// The columns of a table; none where there is no such table that the account may see.
pub(super) async fn columns(session: &mut Session, schema: &str, table: &str) -> Result<Vec<Column>, ActionError> {
    let sql = format!(
        "SELECT column_name AS n, data_type AS t, numeric_precision AS p FROM information_schema.columns \
         WHERE table_schema = {} AND table_name = {}",
        literal(schema),
        literal(table)
    );
    let rows = session.silently(&sql).await?;
    let column = |row| {
        Some(Column {
            name: text(row, "n")?,
            kind: text(row, "t")?.to_ascii_lowercase(),
            precision: text(row, "p").and_then(|digits| digits.parse().ok()).unwrap_or(0),
        })
    };
    Ok(rows.iter().filter_map(column).collect())
}

#[async_trait]
impl TableStore for Store {
    async fn identity(&self) -> Result<Value, ActionError> {
        let session = self.take().await?;
        let identity = session.identity();
        self.give_back(session);
        Ok(identity)
    }

    async fn tables(&self) -> Result<Vec<String>, ActionError> {
        let mut session = self.take().await?;
        let listed = self.list(&mut session).await?;
        self.give_back(session);
        Ok(listed)
    }

    async fn measure(&self, table: &str, measures: &[Measure]) -> Result<Measured, ActionError> {
        let mut session = self.take().await?;
        let measured = self.figures(&mut session, table, measures).await?;
        self.give_back(session);
        Ok(measured)
    }

    async fn rest(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for session in idle {
            session.close().await;
        }
    }
}
