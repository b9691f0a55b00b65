//! `haproxy.check`: state, sessions and rates of a frontend, a backend or a server, held to conditions in every process.

use async_trait::async_trait;
use serde_json::json;

use super::fleet::Fleet;
use super::server::{Server, name, servers};
use super::session::Session;
use super::stats::Row;
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Condition, Object, Span, Value};

/// The action.
#[derive(Debug)]
pub struct Check;

/// What a step asks for.
struct Order {
    proxy: String,
    /// The server, or `FRONTEND`, or `BACKEND`.
    row: String,
    expect: Vec<(String, Condition)>,
}

/// Words for what people ask for most, and the column that holds it.
const WORDS: [(&str, &str); 5] = [
    ("sessions", "scur"),
    ("queued", "qcur"),
    ("sessions_per_second", "rate"),
    ("requests_per_second", "req_rate"),
    ("open_servers", "act"),
];

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let row = match (call.params.opt_text("server")?, call.params.opt_text("side")?) {
            (Some(_), Some(_)) => return Err(ActionError::untouched("`server` and `side` exclude each other")),
            (Some(server), None) => name(server)?.to_owned(),
            (None, Some("frontend")) => "FRONTEND".to_owned(),
            (None, Some(_) | None) => "BACKEND".to_owned(),
        };
        let expect = call.params.conditions("expect")?;
        if expect.is_empty() {
            return Err(ActionError::untouched("`expect` names nothing: without a condition every answer would pass"));
        }
        Ok(Self { proxy: name(call.params.text("proxy")?)?.to_owned(), row, expect })
    }

    /// What one process says about everything that is asked.
    async fn ask(&self, session: &mut Session) -> Result<Object, ActionError> {
        let rows = super::stats::rows(session, &self.proxy).await?;
        let found = rows.into_iter().find(|row| row.server == self.row);
        let row =
            found.ok_or_else(|| ActionError::untouched(format!("{}: `{}` has no {}", session.address, self.proxy, self.row)))?;
        let server = match self.row.as_str() {
            "FRONTEND" | "BACKEND" => None,
            name => servers(session, &self.proxy).await?.into_iter().find(|server| server.setting.name == name),
        };
        Ok(self.expect.iter().map(|(key, _)| (key.clone(), value(key, &row, server.as_ref()))).collect())
    }

    /// The answers of all processes, in their order.
    async fn answers(&self, fleet: &mut Fleet) -> Result<Vec<Object>, ActionError> {
        let mut all = Vec::new();
        for session in &mut fleet.0 {
            all.push(self.ask(session).await?);
        }
        Ok(all)
    }

    /// What is not as expected, in the first process where something is not.
    fn differs(&self, fleet: &Fleet, answers: &[Object]) -> Option<String> {
        for (session, answer) in fleet.0.iter().zip(answers) {
            for (key, condition) in &self.expect {
                if let Err(why) = condition.check(answer.get(key).filter(|value| !value.is_null())) {
                    return Some(format!("{}: {}/{}: {key}: {why}", session.address, self.proxy, self.row));
                }
            }
        }
        None
    }
}

/// One value; null where this kind of row has none. Numbers are numbers.
fn value(key: &str, row: &Row, server: Option<&Server>) -> Value {
    match (key, server) {
        ("state", Some(server)) => json!(server.setting.mode.word()),
        ("weight", Some(server)) => json!(server.setting.weight),
        _ => {
            let column = WORDS.iter().find(|(word, _)| *word == key).map_or(key, |(_, column)| column);
            let text = row.text(column);
            match text.parse::<u64>() {
                Ok(number) => json!(number),
                Err(_) if text.is_empty() => Value::Null,
                Err(_) => json!(text),
            }
        }
    }
}

#[async_trait]
impl Inspect for Check {
    fn name(&self) -> &'static str {
        "haproxy.check"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let answers = order.answers(&mut fleet).await?;
        let now = order.differs(&fleet, &answers).unwrap_or_else(|| "as expected".to_owned());
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "processes": answers, "now": now }),
            statements: fleet.0.iter().map(|session| format!("{}: show stat {} 7 -1", session.address, order.proxy)).collect(),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for Check {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let span = |key: &str, ms: u64| Ok::<_, ActionError>(call.params.opt_span(key)?.unwrap_or(Span::from_millis(ms)));
        let (every, within) = (span("every", 1_000)?.as_duration(), span("within", 0)?.as_duration());
        let (patience, mut last) = (Patience::of(call).at_most(within), String::new());
        loop {
            let answers = order.answers(&mut fleet).await?;
            let Some(why) = order.differs(&fleet, &answers) else {
                return Ok(Applied { outputs: json!({ "processes": answers }) });
            };
            if why != last {
                call.recorder.progress(&why);
                last.clone_from(&why);
            }
            if patience.sleep(every).await.is_err() {
                return Err(ActionError::untouched(why));
            }
        }
    }

    /// The answers that were held to the conditions are the evidence; asking twice would prove no more.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        Ok(Evidence::new(json!({ "asked": format!("{}/{}", order.proxy, order.row), "processes": applied.outputs["processes"] })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
