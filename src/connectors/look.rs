//! A look at the world that changes nothing, once or again and again until the answer is as expected.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::command::{End, run_looking};
use super::dotted::look;
#[cfg(feature = "http")]
use super::http;
use super::patience::Patience;
use super::{ActionError, Call};
use crate::model::{Arguments, Condition, Span, Value};

/// What to look at.
pub(super) enum Look {
    /// An HTTP answer.
    #[cfg(feature = "http")]
    Http(Box<http::Order>),
    /// A program that exits 0, and what it prints.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// A condition on what it prints.
        stdout: Option<Condition>,
    },
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// A condition on its text.
        text: Option<Condition>,
        /// Conditions on its JSON.
        json: Vec<(String, Condition)>,
    },
}

/// How often and how long to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rhythm {
    pub(super) every: Duration,
    pub(super) within: Duration,
}

/// What a poll came to.
pub(super) struct Polled {
    pub(super) asked: u64,
    pub(super) waited: Duration,
    pub(super) answer: Value,
}

impl Look {
    /// The look that is given under one of `http`, `command` and `file`; exactly one must be there.
    pub(super) fn of(call: &Call, params: &Arguments) -> Result<Self, ActionError> {
        let given: Vec<_> = ["http", "command", "file"].into_iter().filter(|key| params.get(key).is_some()).collect();
        match given[..] {
            ["http"] => Self::http(params),
            ["command"] if params.get("command").is_some_and(Value::is_array) => {
                Ok(Self::Command { argv: params.texts("command")?, stdout: None })
            }
            ["command"] => {
                let inner = Arguments::new(params.map("command")?);
                let stdout = inner.get("stdout").map(Condition::parse).transpose().map_err(ActionError::untouched)?;
                Ok(Self::Command { argv: inner.texts("argv")?, stdout })
            }
            ["file"] => {
                let inner = Arguments::new(params.map("file")?);
                let text = inner.get("text").map(Condition::parse).transpose().map_err(ActionError::untouched)?;
                Ok(Self::File { path: call.base_dir.join(inner.text("path")?), text, json: inner.conditions("json")? })
            }
            _ => Err(ActionError::untouched("give exactly one thing to look at")),
        }
    }

    #[cfg(feature = "http")]
    fn http(params: &Arguments) -> Result<Self, ActionError> {
        let order = http::Order::nested(params, "http")?;
        order.map(|order| Self::Http(Box::new(order))).ok_or_else(|| ActionError::untouched("`http` names no request"))
    }

    #[cfg(not(feature = "http"))]
    fn http(_params: &Arguments) -> Result<Self, ActionError> {
        Err(ActionError::untouched("this build of Pointsman speaks no HTTP"))
    }

    /// For people and for the record.
    pub(super) fn shown(&self, call: &Call) -> String {
        call.recorder.redact(&match self {
            #[cfg(feature = "http")]
            Self::Http(order) => order.shown(),
            Self::Command { argv, .. } => argv.join(" "),
            Self::File { path, .. } => format!("read {}", path.display()),
        })
    }

    /// Looks once: the answer where it is as expected, else why it is not. Both are redacted.
    pub(super) async fn ask(&self, call: &Call, patience: &Patience) -> Result<Value, String> {
        let result = match self {
            #[cfg(feature = "http")]
            Self::Http(order) => match order.send(call, patience, &self.shown(call)).await {
                Ok(answer) => order.expect.check(&answer).map(|()| answer.outputs(&call.recorder)),
                Err(trouble) => Err(trouble.to_string()),
            },
            Self::Command { argv, stdout } => match run_looking(call, argv.clone(), patience).await {
                Ok(ended) if ended.end == End::Code(0) => {
                    let printed = json!(ended.raw_stdout());
                    let checked = stdout.as_ref().map_or(Ok(()), |condition| condition.check(Some(&printed)));
                    checked.map(|()| json!({ "stdout": ended.stdout.text }))
                }
                Ok(ended) => Err(format!("it {}", ended.end)),
                Err(error) => Err(error.message),
            },
            Self::File { path, text, json } => match std::fs::read_to_string(path) {
                Ok(found) => check_file(&found, text.as_ref(), json).map(|()| json!({ "bytes": found.len() })),
                Err(error) => Err(error.to_string()),
            },
        };
        result.map_err(|why| call.recorder.redact(&format!("{}: {why}", self.shown(call))))
    }
}

fn check_file(found: &str, text: Option<&Condition>, json: &[(String, Condition)]) -> Result<(), String> {
    if let Some(condition) = text {
        condition.check(Some(&Value::from(found)))?;
    }
    if json.is_empty() {
        return Ok(());
    }
    let document: Value = serde_json::from_str(found).map_err(|error| format!("it is no JSON: {error}"))?;
    json.iter().try_for_each(|(path, condition)| condition.check(look(&document, path)).map_err(|why| format!("{path}: {why}")))
}

impl Rhythm {
    /// Reads `every` and `within`.
    pub(super) fn of(params: &Arguments, within: Span) -> Result<Self, ActionError> {
        Ok(Self {
            every: params.opt_span("every")?.unwrap_or(Span::from_secs(1)).as_duration(),
            within: params.opt_span("within")?.unwrap_or(within).as_duration(),
        })
    }

    /// The same under a key, if it is there.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP checks have a rhythm under a key"))]
    pub(super) fn nested(params: &Arguments, key: &str) -> Result<Option<Self>, ActionError> {
        params.get(key).map(|_| Self::of(&Arguments::new(params.map(key)?), Span::from_secs(60))).transpose()
    }

    /// Looks until the answer is as expected; the last answer is in the error.
    pub(super) async fn poll(&self, call: &Call, look: &Look) -> Result<Polled, ActionError> {
        let (begun, patience) = (Instant::now(), Patience::of(call).at_most(self.within));
        let (mut asked, mut last) = (0, String::new());
        loop {
            asked += 1;
            match look.ask(call, &patience).await {
                Ok(answer) => return Ok(Polled { asked, waited: begun.elapsed(), answer }),
                Err(why) => {
                    // The last look may have been cut off by the deadline; then the one before says more.
                    if why != last && (last.is_empty() || patience.check().is_ok()) {
                        call.recorder.progress(&why);
                        last = why;
                    }
                }
            }
            if let Err(stopped) = patience.sleep(self.every).await {
                let text =
                    format!("not as expected after {:.1} s and {asked} looks, {stopped}; {last}", begun.elapsed().as_secs_f64());
                return Err(ActionError::untouched(text));
            }
        }
    }
}
