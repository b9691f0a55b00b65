//! `mysql.delete`: rows that conditions choose, counted first, deleted in one transaction, and rolled back when their number differs.

use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::filter::filter;
use super::name::{literal, quoted};
use super::session::{Session, open, text};
use super::store::columns;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Arguments, Condition, Finding, Object, Value};

/// The action.
#[derive(Debug)]
pub struct Delete;

/// What is sent and expected, and how it is shown.
struct Order {
    place: String,
    clause: String,
    /// The clause without secrets: once a text is quoted, a secret in it would not be known again.
    shown: String,
    rows: Condition,
    /// Schema and table, as literals.
    table: (String, String),
}

impl Order {
    async fn of(call: &Call, session: &mut Session) -> Result<Self, ActionError> {
        let name = call.params.text("table")?;
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (schema.to_owned(), table.to_owned()),
            None => {
                let database = session.value("SELECT DATABASE()").await?;
                let none =
                    || ActionError::untouched(format!("`{name}` names no database, and neither does the target's address"));
                (database.ok_or_else(none)?, name.to_owned())
            }
        };
        let known = columns(session, &schema, &table).await?;
        if known.is_empty() {
            return Err(ActionError::untouched(format!("there is no table `{schema}.{table}`, or the account may not see it")));
        }
        let clause = filter(&known, &call.params.conditions("where")?)?;
        let redacted = call.recorder.redact_value(&json!({ "where": call.params.map("where")? }));
        let redacted = Arguments::new(redacted.as_object().cloned().unwrap_or_else(Object::new)).conditions("where");
        let shown = redacted.ok().and_then(|shown| filter(&known, &shown).ok()).unwrap_or_else(|| " WHERE …".to_owned());
        let rows = call.params.get("rows").ok_or_else(|| ActionError::untouched("parameter `rows`: is missing"))?;
        Ok(Self {
            place: format!("{}.{}", quoted(&schema), quoted(&table)),
            clause,
            shown,
            rows: Condition::parse(rows).map_err(ActionError::untouched)?,
            table: (literal(&schema), literal(&table)),
        })
    }

    async fn counted(&self, session: &mut Session) -> Result<u64, ActionError> {
        let begun = Instant::now();
        let rows = session.silently(&format!("SELECT COUNT(*) AS c FROM {}{}", self.place, self.clause)).await;
        let found = rows.as_ref().map(|rows| rows.first().and_then(|row| text(row, "c")).unwrap_or_default());
        let shown = format!("SELECT COUNT(*) AS c FROM {}{}", self.place, self.shown);
        let end = found.as_ref().map_or_else(ToString::to_string, |count| format!("{count} rows"));
        session.recorder().statement(&shown, begun.elapsed(), &end);
        let found = found.map_err(|error| ActionError::untouched(error.to_string()))?;
        found.parse().map_err(|_| ActionError::untouched(format!("`{found}` is no number of rows")))
    }

    fn deletion(&self, clause: &str) -> String {
        format!("DELETE FROM {}{clause}", self.place)
    }

    /// An engine that cannot roll back would keep what was deleted by mistake.
    async fn can_be_rolled_back(&self, session: &mut Session) -> Result<(), ActionError> {
        let (schema, table) = &self.table;
        let sql = format!(
            "SELECT e.engine AS engine, e.transactions AS transactions FROM information_schema.tables t \
             JOIN information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = {schema} AND t.table_name = {table}"
        );
        let row = session.one(&sql).await?.unwrap_or_default();
        let found = |name: &str| text(&row, name).unwrap_or_default();
        if found("transactions") == "YES" {
            return Ok(());
        }
        Err(ActionError::untouched(format!("the engine `{}` of the table cannot roll back", found("engine"))))
    }

    fn check(&self, rows: u64, word: &str) -> Result<(), ActionError> {
        self.rows
            .check(Some(&json!(rows)))
            .map_err(|why| ActionError::untouched(format!("rows {word}: {why}; nothing was deleted")))
    }

    async fn run(&self, session: &mut Session) -> Result<u64, ActionError> {
        let counted = self.counted(session).await?;
        self.check(counted, "that would be deleted")?;
        session.execute("START TRANSACTION").await?;
        // Until the commit is sent nothing lasts: a connection that breaks takes the transaction with it.
        let deleted = session.execute_shown(&self.deletion(&self.clause), &self.deletion(&self.shown)).await;
        let deleted = deleted.map_err(|error| ActionError::untouched(format!("the deletion was not committed: {error}")))?;
        if let Err(error) = self.check(deleted, "deleted") {
            session.execute("ROLLBACK").await?;
            return Err(error);
        }
        session.execute("COMMIT").await.map_err(|error| error.of_change("COMMIT"))?;
        Ok(deleted)
    }
}

#[async_trait]
impl Inspect for Delete {
    fn name(&self) -> &'static str {
        "mysql.delete"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, &mut session).await?;
        order.can_be_rolled_back(&mut session).await?;
        let rows = order.counted(&mut session).await?;
        let found = Inspection {
            identity: session.identity(),
            state: json!({ "rows": rows, "rows_expected": order.rows.to_string(), "as_expected": order.check(rows, "").is_ok() }),
            statements: vec![
                "START TRANSACTION".to_owned(),
                order.deletion(&order.shown),
                format!("COMMIT if it deleted {} rows, else ROLLBACK", order.rows),
            ],
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, &mut session).await?;
        let snapshot = json!({ "identity": session.identity(), "rows": order.counted(&mut session).await? });
        session.close().await;
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, &mut session).await?;
        let (now, before) = (order.counted(&mut session).await?, snapshot["rows"].as_u64().unwrap_or_default());
        let finding = match now {
            0 => Finding::Applied,
            same if same == before => Finding::NotApplied,
            other => Finding::Unknown(format!("{other} rows meet the conditions, and {before} did before")),
        };
        Ok(Probed {
            finding,
            outputs: json!({ "rows": before.saturating_sub(now) }),
            facts: json!({ "rows": now, "before": before }),
        })
    }
}

#[async_trait]
impl Act for Delete {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, &mut session).await?;
        order.can_be_rolled_back(&mut session).await?;
        let rows = order.run(&mut session).await?;
        session.close().await;
        Ok(Applied { outputs: json!({ "rows": rows }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let mut session = open(call, own_target(call)?).await.map_err(ActionError::after_change)?;
        let order = Order::of(call, &mut session).await.map_err(ActionError::after_change)?;
        let left = order.counted(&mut session).await.map_err(ActionError::after_change)?;
        if left > 0 {
            return Err(ActionError::touched(format!("{left} rows meet the conditions again: somebody still writes them")));
        }
        let facts = json!({ "identity": session.identity(), "deleted": applied.outputs["rows"], "left": left });
        session.close().await;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let table = call.params.text("table")?;
        Err(ActionError::untouched("deleted rows are kept nowhere: only the author knows where they can come from")
            .manual(vec![format!("-- bring the rows of {table} back from a copy")]))
    }
}
