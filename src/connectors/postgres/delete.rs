//! `postgres.delete`: rows that conditions choose, counted first, deleted in one transaction, and rolled back when their number differs.

use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::filter::{Column, filter};
use super::name::{literal, quoted};
use super::saved::{commit, roll_back};
use super::session::{Session, open, text};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Arguments, Condition, Finding, Object, Value};

/// The action.
#[derive(Debug)]
pub struct Delete;

/// What is sent and expected, and how it is shown.
struct Order {
    session: Session,
    place: String,
    clause: String,
    /// The clause without secrets: once a text is quoted, a secret in it would not be known again.
    shown: String,
    rows: Condition,
}

impl Order {
    async fn of(call: &Call) -> Result<Self, ActionError> {
        let session = open(call, own_target(call)?).await?;
        // A policy that hides rows from this account then is an error, and not a smaller count.
        session.silently("SET row_security = off; SET search_path = pg_catalog, pg_temp").await?;
        let name = call.params.text("table")?;
        let (schema, table) = name.split_once('.').unwrap_or(("public", name));
        let rows = session.rows(&columns_question(schema, table)).await?;
        let Some(first) = rows.first() else {
            return Err(ActionError::untouched(format!("there is no table `{schema}.{table}`")));
        };
        let kind = text(first, "relkind").unwrap_or_default();
        if !matches!(kind.as_str(), "r" | "p") {
            return Err(ActionError::untouched(format!(
                "`{schema}.{table}` is no table: what it deletes elsewhere is not known"
            )));
        }
        let column =
            |row: &Object| Some(Column { name: text(row, "name")?, kind: text(row, "kind")?, category: text(row, "category")? });
        let known: Vec<_> = rows.iter().filter_map(column).collect();
        let clause = filter(&known, &call.params.conditions("where")?)?;
        let redacted = call.recorder.redact_value(&json!({ "where": call.params.map("where")? }));
        let redacted = Arguments::new(redacted.as_object().cloned().unwrap_or_default()).conditions("where");
        let shown = redacted.ok().and_then(|shown| filter(&known, &shown).ok()).unwrap_or_else(|| " WHERE …".to_owned());
        let rows = call.params.get("rows").ok_or_else(|| ActionError::untouched("parameter `rows`: is missing"))?;
        // Rows of tables that only inherit from it are rows of their own; partitions are its rows.
        let only = if kind == "r" { "ONLY " } else { "" };
        Ok(Self {
            session,
            place: format!("{only}{}.{}", quoted(schema), quoted(table)),
            clause,
            shown,
            rows: Condition::parse(rows).map_err(ActionError::untouched)?,
        })
    }

    async fn counted(&self) -> Result<u64, ActionError> {
        let begun = Instant::now();
        let rows = self.session.silently(&format!("SELECT count(*)::text AS c FROM {}{}", self.place, self.clause)).await;
        let found = rows.as_ref().map(|rows| rows.first().and_then(|row| text(row, "c")).unwrap_or_default());
        let end = found.as_ref().map_or_else(ToString::to_string, |count| format!("{count} rows"));
        let shown = format!("SELECT count(*)::text AS c FROM {}{}", self.place, self.shown);
        self.session.recorder().statement(&shown, begun.elapsed(), &end);
        let found = found.map_err(|error| ActionError::untouched(error.to_string()))?;
        found.parse().map_err(|_| ActionError::untouched(format!("`{found}` is no number of rows")))
    }

    fn deletion(&self, clause: &str) -> String {
        format!("DELETE FROM {}{clause}", self.place)
    }

    fn check(&self, rows: u64, word: &str) -> Result<(), ActionError> {
        let checked = self.rows.check(Some(&json!(rows)));
        checked.map_err(|why| ActionError::untouched(format!("rows {word}: {why}; nothing was deleted")))
    }

    async fn run(&self) -> Result<u64, ActionError> {
        let session = &self.session;
        self.check(self.counted().await?, "that would be deleted")?;
        session.execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '5s'").await?;
        // Until the commit is sent nothing lasts: a connection that breaks takes the transaction with it.
        let deleted = session.execute_shown(&self.deletion(&self.clause), &self.deletion(&self.shown)).await;
        let checked = match deleted {
            Ok(deleted) => self.check(deleted, "deleted").map(|()| deleted),
            Err(error) => Err(ActionError::untouched(format!("the deletion was not committed: {error}"))),
        };
        match checked {
            Ok(deleted) => commit(session).await.map(|()| deleted),
            Err(error) => {
                roll_back(session).await;
                Err(error)
            }
        }
    }
}

/// The columns of a table, with the kind of relation that it is. A domain has the type that it is made of.
fn columns_question(schema: &str, table: &str) -> String {
    format!(
        "SELECT c.relkind, a.attname AS name, coalesce(b.typname, t.typname) AS kind, coalesce(b.typcategory, t.typcategory) AS category \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
         JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0) \
         WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        literal(schema),
        literal(table)
    )
}

#[async_trait]
impl Inspect for Delete {
    fn name(&self) -> &'static str {
        "postgres.delete"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call).await?;
        let rows = order.counted().await?;
        Ok(Inspection {
            identity: order.session.identity(),
            state: json!({ "rows": rows, "rows_expected": order.rows.to_string(), "as_expected": order.check(rows, "").is_ok() }),
            statements: vec![
                "BEGIN".to_owned(),
                order.deletion(&order.shown),
                format!("COMMIT if it deleted {} rows, else ROLLBACK", order.rows),
            ],
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call).await?;
        Ok(json!({ "identity": order.session.identity(), "rows": order.counted().await? }))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (now, before) = (Order::of(call).await?.counted().await?, snapshot["rows"].as_u64().unwrap_or_default());
        let finding = match now {
            0 => Finding::Applied,
            same if same == before => Finding::NotApplied,
            other => Finding::Unknown(format!("{other} rows meet the conditions, and {before} did before")),
        };
        let outputs = json!({ "rows": before.saturating_sub(now) });
        Ok(Probed { finding, outputs, facts: json!({ "rows": now, "before": before }) })
    }
}

#[async_trait]
impl Act for Delete {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let rows = Order::of(call).await?.run().await?;
        Ok(Applied { outputs: json!({ "rows": rows }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call).await.map_err(ActionError::after_change)?;
        let left = order.counted().await.map_err(ActionError::after_change)?;
        if left > 0 {
            return Err(ActionError::touched(format!("{left} rows meet the conditions again: somebody still writes them")));
        }
        let identity = order.session.identity();
        Ok(Evidence::new(json!({ "identity": identity, "deleted": applied.outputs["rows"], "left": left })))
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let table = call.params.text("table")?;
        Err(ActionError::untouched("deleted rows are kept nowhere: only the author knows where they can come from")
            .manual(vec![format!("-- bring the rows of {table} back from a copy")]))
    }
}
