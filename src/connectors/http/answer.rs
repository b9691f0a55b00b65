//! An answer, and what it must be.

use serde_json::json;

use crate::connectors::dotted::look;
use crate::connectors::excerpt::excerpt;
use crate::connectors::{ActionError, Recorder};
use crate::model::{Arguments, Condition, Digest, Object, Value};

/// What is kept of a body in outputs and evidence.
const KEPT: usize = 64 * 1024;

/// What came back.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::connectors) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Object,
    pub(super) body: String,
    /// Whether the body went on beyond what is read.
    pub(super) is_cut: bool,
}

/// What an answer must be.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::connectors) struct Expectation {
    status: Option<Condition>,
    headers: Vec<(String, Condition)>,
    json: Vec<(String, Condition)>,
    text: Option<Condition>,
}

impl Expectation {
    /// Reads the map under `expect`.
    pub(in crate::connectors) fn of(params: &Arguments) -> Result<Self, ActionError> {
        let expect = Arguments::new(params.map("expect")?);
        let condition = |key: &str| expect.get(key).map(Condition::parse).transpose().map_err(ActionError::untouched);
        Ok(Self {
            status: condition("status")?,
            headers: expect.conditions("headers")?,
            json: expect.conditions("json")?,
            text: condition("text")?,
        })
    }

    /// Whether the answer is as expected; the error says what is not.
    pub(in crate::connectors) fn check(&self, answer: &Answer) -> Result<(), String> {
        match &self.status {
            Some(condition) => condition.check(Some(&json!(answer.status))).map_err(|why| format!("status: {why}"))?,
            None if (200..300).contains(&answer.status) => {}
            None => return Err(format!("status: expected 200 to 299, found {}", answer.status)),
        }
        for (name, condition) in &self.headers {
            let found = answer.headers.get(&name.to_ascii_lowercase());
            condition.check(found).map_err(|why| format!("header {name}: {why}"))?;
        }
        if let Some(condition) = &self.text {
            condition.check(Some(&json!(answer.body))).map_err(|why| format!("text: {why}"))?;
        }
        if self.json.is_empty() {
            return Ok(());
        }
        if answer.is_cut {
            return Err("the answer is too long to be read as JSON".to_owned());
        }
        let document = answer.json().ok_or_else(|| "the answer is no JSON".to_owned())?;
        for (path, condition) in &self.json {
            condition.check(look(&document, path)).map_err(|why| format!("{path}: {why}"))?;
        }
        Ok(())
    }
}

impl Answer {
    fn json(&self) -> Option<Value> {
        if self.is_cut { None } else { serde_json::from_str(&self.body).ok() }
    }

    /// What steps can read of it.
    pub(in crate::connectors) fn outputs(&self, recorder: &Recorder) -> Value {
        let body = recorder.redact(&self.body);
        let body = excerpt(&body, KEPT);
        recorder.redact_value(&json!({
            "status": self.status, "headers": self.headers, "body": body,
            "json": if self.body.len() <= KEPT { self.json() } else { None },
        }))
    }

    /// For the evidence: the status, and a digest of the redacted body.
    pub(in crate::connectors) fn facts(&self, recorder: &Recorder) -> Value {
        let body = Digest::of(recorder.redact(&self.body).as_bytes()).to_string();
        json!({ "status": self.status, "body": body, "bytes": self.body.len() })
    }
}
