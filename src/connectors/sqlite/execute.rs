//! `sqlite.execute`: one statement in one transaction, rolled back unless it changes as many rows as the author expected.

use async_trait::async_trait;
use serde_json::json;

use super::own_target;
use super::query::{Question, bind, bindings};
use super::session::{Access, Session, with_session};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, Recorder};
use crate::model::{Arguments, Condition, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Execute;

fn bound(call: &Call) -> Result<Condition, ActionError> {
    let rows = call.params.get("rows").ok_or_else(|| ActionError::untouched("parameter `rows`: is missing"))?;
    Condition::parse(rows).map_err(ActionError::untouched)
}

/// The query under `prove` or `probe`.
fn question(call: &Call, key: &str) -> Result<Option<Question>, ActionError> {
    call.params.get(key).map(|_| Question::of(&Arguments::new(call.params.map(key)?))).transpose()
}

#[async_trait]
impl Inspect for Execute {
    fn name(&self) -> &'static str {
        "sqlite.execute"
    }

    /// Prepares the statement, so that a wrong one shows before the night; it is not run.
    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (sql, shown) = (call.params.text("sql")?.to_owned(), bound(call)?.to_string());
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let parameters = session
                .silently(|c| Ok(c.prepare(&sql)?.parameter_count()))
                .map_err(|error| ActionError::untouched(format!("`{sql}` cannot be prepared: {error}")))?;
            Ok(Inspection {
                identity: session.identity(),
                state: json!({ "parameters": parameters, "rows_expected": shown }),
                statements: vec!["BEGIN IMMEDIATE".to_owned(), sql, format!("COMMIT if it changed {shown} rows, else ROLLBACK")],
                ..Inspection::default()
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        with_session(call, own_target(call)?, Access::Read, |session| Ok(json!({ "identity": session.identity() }))).await
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let Some(question) = question(call, "probe")? else {
            let finding = Finding::Unknown("the step has no `probe` query".to_owned());
            return Ok(Probed { finding, outputs: Value::Null, facts: Value::Null });
        };
        let recorder = call.recorder.clone();
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let answer = question.ask(session)?;
            let finding = if question.check(&answer).is_ok() { Finding::Applied } else { Finding::NotApplied };
            Ok(Probed { finding, outputs: json!({ "rows": null }), facts: recorder.redact_value(&answer.facts()) })
        })
        .await
    }
}

fn execute(session: &Session, call: &Call, condition: &Condition) -> Result<Applied, ActionError> {
    let sql = call.params.text("sql")?;
    let values = bindings(&call.params)?;
    session.silently(|c| c.execute_batch("PRAGMA foreign_keys = ON"))?;
    let transaction = session.begin_immediate(session.busy_timeout())?;
    let failed = |why: String| ActionError::untouched(format!("`{sql}` was rolled back: {why}"));
    let rows = session
        .recorded(
            Recorder::statement,
            sql,
            |rows| format!("{rows} rows"),
            |c| {
                let mut statement = c.prepare(sql)?;
                bind(&mut statement, &values)?;
                statement.raw_execute()
            },
        )
        .map_err(|error| failed(error.to_string()))?;
    if session.connection().is_autocommit() {
        return Err(ActionError::touched(format!("`{sql}` ended the transaction by itself")));
    }
    condition.check(Some(&json!(rows))).map_err(|why| failed(format!("rows changed: {why}")))?;
    transaction.commit()?;
    Ok(Applied { outputs: json!({ "rows": rows }) })
}

#[async_trait]
impl Act for Execute {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (condition, own) = (bound(call)?, call.clone());
        with_session(call, own_target(call)?, Access::Write, move |session| execute(session, &own, &condition)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let Some(question) = question(call, "prove")? else {
            let rows = &applied.outputs["rows"];
            return Ok(Evidence::new(json!({ "rows": rows, "proof": "committed with the expected number of rows" })));
        };
        let recorder = call.recorder.clone();
        let proof = with_session(call, own_target(call)?, Access::Read, move |session| {
            let answer = question.ask(session)?;
            let facts = recorder.redact_value(&answer.facts());
            question
                .check(&answer)
                .map_err(|why| ActionError::touched(recorder.redact(&format!("the effect is not there: {why}"))))?;
            Ok(Evidence::new(json!({ "identity": session.identity(), "answer": facts })))
        });
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Err(ActionError::untouched("only the author knows the way back from a statement")
            .manual(vec![format!("-- undo by hand: {}", call.recorder.redact(call.params.text("sql")?))]))
    }
}
