//! `postgres.query`: one SELECT in a read-only transaction, held to conditions.

use async_trait::async_trait;

use super::session::{Session, open};
use crate::connectors::rows::{Expectation, Rows, answered};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Object, Value};

/// The action.
#[derive(Debug)]
pub struct Query;

/// A SELECT with its values and the conditions on its answer.
struct Question {
    sql: String,
    bind: Vec<Option<String>>,
    expectation: Expectation,
}

impl Question {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let values = call.params.get("bind").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |value: &Value| match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
            Value::Array(_) | Value::Object(_) => Err(ActionError::untouched("`bind` takes texts, numbers, yes or no, and null")),
        };
        Ok(Self {
            sql: call.params.text("sql")?.trim().trim_end_matches(';').to_owned(),
            bind: values.iter().map(text).collect::<Result<_, _>>()?,
            expectation: Expectation::of(&call.params)?,
        })
    }

    /// As it is sent: the rows as JSON texts. The line break ends a comment at the end of the statement.
    fn sent(&self) -> String {
        format!("SELECT pg_catalog.row_to_json(r)::text FROM ({}\n) r", self.sql)
    }

    async fn ask(&self, session: &Session) -> Result<Rows, ActionError> {
        let failed = |error: &dyn std::fmt::Display| ActionError::untouched(format!("`{}` failed: {error}", self.sql));
        session.execute("BEGIN TRANSACTION READ ONLY").await.map_err(|error| failed(&error))?;
        let answer = session.bound(&self.sent(), &self.bind).await.map_err(|error| failed(&error))?;
        session.execute("ROLLBACK").await.map_err(|error| failed(&error))?;
        let mut rows = Rows::default();
        for row in answer {
            let read = || serde_json::from_str::<Object>(row.as_deref().unwrap_or("{}")).map_err(|error| failed(&error));
            rows.push(read)?;
        }
        Ok(rows)
    }
}

#[async_trait]
impl Inspect for Query {
    fn name(&self) -> &'static str {
        "postgres.query"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let question = Question::of(call)?;
        let session = open(call, own_target(call)?).await?;
        Ok(Inspection {
            identity: session.identity(),
            state: call.recorder.redact_value(&question.ask(&session).await?.facts()),
            statements: vec![question.sent()],
            ..Inspection::default()
        })
    }

    async fn capture(&self, _call: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for Query {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let question = Question::of(call)?;
        let session = open(call, own_target(call)?).await?;
        let answer = question.ask(&session).await?;
        let checked = question.expectation.check(&answer);
        checked.map_err(|why| ActionError::untouched(call.recorder.redact(&format!("`{}`: {why}", question.sql))))?;
        Ok(Applied { outputs: call.recorder.redact_value(&answer.outputs()) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        answered(call, applied)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
