//! `sqlite.query`: one SELECT, held to conditions. The session is opened read-only, so SQLite itself refuses anything else.

use async_trait::async_trait;
use rusqlite::Statement;
use rusqlite::types::Value as Cell;

use super::cell::{from_json, to_json};
use super::own_target;
use super::session::{Access, Session, with_session};
use crate::connectors::rows::{Expectation, Rows, answered};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, Recorder};
use crate::model::{Arguments, Object, Value};

/// The action.
#[derive(Debug)]
pub struct Query;

/// A SELECT with its values and the conditions on its answer.
#[derive(Clone, Debug)]
pub(super) struct Question {
    sql: String,
    bind: Vec<(String, Cell)>,
    expectation: Expectation,
}

impl Question {
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        Ok(Self { sql: params.text("sql")?.to_owned(), bind: bindings(params)?, expectation: Expectation::of(params)? })
    }

    /// Asks it.
    pub(super) fn ask(&self, session: &Session) -> Result<Rows, ActionError> {
        let shown = |found: &Rows| format!("{} rows", found.count());
        let asked = session.recorded(Recorder::question, &self.sql, shown, |c| {
            let mut statement = c.prepare(&self.sql)?;
            if !statement.readonly() || statement.column_count() == 0 {
                return Err(rusqlite::Error::InvalidQuery);
            }
            bind(&mut statement, &self.bind)?;
            let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let mut rows = statement.raw_query();
            let mut found = Rows::default();
            while let Some(row) = rows.next()? {
                let cells = names.iter().enumerate();
                let object = cells.map(|(at, name)| Ok((name.clone(), to_json(&row.get::<_, Cell>(at)?))));
                found.push(|| object.collect::<rusqlite::Result<Object>>())?;
            }
            Ok(found)
        });
        asked.map_err(|error| ActionError::untouched(format!("`{}` failed: {error}", self.sql)))
    }

    /// Whether the answer is as expected; the error says what is not.
    pub(super) fn check(&self, found: &Rows) -> Result<(), String> {
        self.expectation.check(found)
    }
}

/// The values of `bind`.
pub(super) fn bindings(params: &Arguments) -> Result<Vec<(String, Cell)>, ActionError> {
    params.map("bind")?.iter().map(|(name, value)| Ok((format!(":{name}"), from_json(value)?))).collect()
}

/// Binds every value; a parameter without a value, or a value without a parameter, is an error.
pub(super) fn bind(statement: &mut Statement<'_>, values: &[(String, Cell)]) -> rusqlite::Result<()> {
    for at in 1..=statement.parameter_count() {
        let name = statement.parameter_name(at).unwrap_or("?").to_owned();
        if !values.iter().any(|(given, _)| *given == name) {
            return Err(rusqlite::Error::InvalidParameterName(format!("{name} has no value under `bind`")));
        }
    }
    for (name, value) in values {
        let at = statement.parameter_index(name)?;
        let at = at.ok_or_else(|| rusqlite::Error::InvalidParameterName(format!("{name} is not in the statement")))?;
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(())
}

#[async_trait]
impl Inspect for Query {
    fn name(&self) -> &'static str {
        "sqlite.query"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (question, recorder) = (Question::of(&call.params)?, call.recorder.clone());
        with_session(call, own_target(call)?, Access::Read, move |session| {
            Ok(Inspection {
                identity: session.identity(),
                state: recorder.redact_value(&question.ask(session)?.facts()),
                statements: vec![question.sql],
                ..Inspection::default()
            })
        })
        .await
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
        let (question, recorder) = (Question::of(&call.params)?, call.recorder.clone());
        with_session(call, own_target(call)?, Access::Read, move |session| {
            let answer = question.ask(session)?;
            question
                .check(&answer)
                .map_err(|why| ActionError::untouched(recorder.redact(&format!("`{}`: {why}", question.sql))))?;
            Ok(Applied { outputs: recorder.redact_value(&answer.outputs()) })
        })
        .await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        answered(call, applied)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
