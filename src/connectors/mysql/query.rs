//! `mysql.query`: one SELECT, held to conditions, in a transaction in which the server refuses every change.

use std::time::Instant;

use async_trait::async_trait;

use super::bound::question;
use super::session::{Session, StatementError, open};
use crate::connectors::rows::{Expectation, Rows, answered};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct Query;

async fn ask(session: &mut Session, call: &Call) -> Result<Rows, ActionError> {
    let sql = call.params.text("sql")?;
    let asked = question(sql, &call.params.map("bind")?)?;
    session.execute("START TRANSACTION READ ONLY").await?;
    let begun = Instant::now();
    let found = session.silently(&asked).await;
    // Recorded as it was written: a secret among the values would not be known again once it is quoted.
    let found = found.map_err(|error| said(&error));
    let end = found.as_ref().map_or_else(Clone::clone, |rows| format!("{} rows", rows.len()));
    session.recorder().question(sql, begun.elapsed(), &end);
    let found = found.map_err(|why| ActionError::untouched(call.recorder.redact(&format!("`{sql}` failed: {why}"))))?;
    session.execute("ROLLBACK").await?;
    let mut rows = Rows::default();
    for row in found {
        rows.push(|| Ok::<_, ActionError>(row))?;
    }
    Ok(rows)
}

/// The server's words, without the piece of the statement that it repeats after `near`: half a secret is not known again.
fn said(error: &StatementError) -> String {
    let words = error.to_string();
    match words.split_once(" near '") {
        Some((before, _)) => format!("{before} (error {})", error.code().unwrap_or_default()),
        None => words,
    }
}

#[async_trait]
impl Inspect for Query {
    fn name(&self) -> &'static str {
        "mysql.query"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        Expectation::of(&call.params)?;
        let mut session = open(call, own_target(call)?).await?;
        let found = Inspection {
            state: call.recorder.redact_value(&ask(&mut session, call).await?.facts()),
            identity: session.identity(),
            statements: vec![call.params.text("sql")?.to_owned()],
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
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
        let expectation = Expectation::of(&call.params)?;
        let mut session = open(call, own_target(call)?).await?;
        let found = ask(&mut session, call).await?;
        session.close().await;
        let wrong = |why: String| ActionError::untouched(call.recorder.redact(&why));
        let sql = call.params.text("sql")?;
        expectation.check(&found).map_err(|why| wrong(format!("`{sql}`: {why}")))?;
        Ok(Applied { outputs: call.recorder.redact_value(&found.outputs()) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        answered(call, applied)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
