//! `redis.check`: one command that only reads, held to a condition. The server itself says whether a command only reads.

use async_trait::async_trait;
use redis::Value as Reply;
use serde_json::json;

use super::session::{Session, open};
use super::{own_target, reply};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Condition, Digest, Value};

/// The action.
#[derive(Debug)]
pub struct Check;

/// Commands without the flag `readonly` that change nothing: they are about the server and not about keys.
const ABOUT_THE_SERVER: [&str; 8] = ["info", "ping", "role", "time", "lastsave", "config|get", "cluster|info", "acl|whoami"];

/// What a step asks for.
struct Order {
    command: Vec<String>,
    expect: Option<Condition>,
    field: Option<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let command = call.params.texts("command")?;
        if command.is_empty() {
            return Err(ActionError::untouched("`command` is empty: write it as `[GET, shop:environment]`"));
        }
        Ok(Self {
            command,
            expect: call.params.get("expect").map(Condition::parse).transpose().map_err(ActionError::untouched)?,
            field: call.params.opt_text("field")?.map(str::to_owned),
        })
    }

    fn shown(&self) -> String {
        reply::shown(&self.command.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Refuses a command that the server does not call a reading one.
    async fn assert_reading(&self, session: &mut Session) -> Result<(), ActionError> {
        let first = self.command[0].to_ascii_lowercase();
        let full = self.command.get(1).map(|second| format!("{first}|{}", second.to_ascii_lowercase()));
        let named: Vec<&str> = [Some(first.as_str()), full.as_deref()].into_iter().flatten().collect();
        let words: Vec<&str> = ["COMMAND", "INFO"].into_iter().chain(named.iter().copied()).collect();
        let found = session.ask(&words).await?;
        // The one with a subcommand, where there is such a command, is the one that the server would run.
        let known = reply::items(&found).iter().zip(&named).rev().find(|(info, _)| !matches!(info, Reply::Nil));
        let Some((info, name)) = known else {
            return Err(ActionError::untouched(format!("{} knows no command `{first}`", session.address)));
        };
        let flags = reply::items(info).get(2).map(reply::texts).unwrap_or_default();
        let has = |flag: &str| flags.iter().any(|found| found == flag);
        let reads = has("readonly") && !has("write") && !has("blocking") && !has("admin");
        if reads || ABOUT_THE_SERVER.contains(name) {
            return Ok(());
        }
        Err(ActionError::untouched(format!(
            "`{name}` is not a command that only reads ({}), so it is not sent",
            flags.join(", ")
        )))
    }

    async fn ask(&self, session: &mut Session) -> Result<Value, ActionError> {
        self.assert_reading(session).await?;
        let words: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let answer = session
            .ask(&words)
            .await
            .map_err(|fault| ActionError::untouched(session.recorder().redact(&format!("`{}` failed: {fault}", self.shown()))))?;
        let Some(field) = &self.field else { return Ok(reply::to_json(&answer)) };
        if let Some(found) = reply::field(&answer, field) {
            return Ok(reply::to_json(found));
        }
        // INFO answers one text of `name:value` lines.
        let lines = reply::text(&answer).map(|text| reply::info(&text)).unwrap_or_default();
        Ok(lines.get(field).map_or(Value::Null, |found| found.parse::<i64>().map_or_else(|_| json!(found), |n| json!(n))))
    }
}

#[async_trait]
impl Inspect for Check {
    fn name(&self) -> &'static str {
        "redis.check"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let answer = order.ask(&mut session).await?;
        Ok(Inspection {
            identity: session.identity().await?,
            state: call.recorder.redact_value(&json!({ "answer": answer })),
            statements: vec![call.recorder.redact(&order.shown())],
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
        let order = Order::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let answer = order.ask(&mut session).await?;
        if let Some(expect) = &order.expect {
            let found = Some(&answer).filter(|answer| !answer.is_null());
            expect.check(found).map_err(|why| {
                ActionError::untouched(call.recorder.redact(&format!("{}: `{}`: {why}", session.address, order.shown())))
            })?;
        }
        Ok(Applied { outputs: call.recorder.redact_value(&json!({ "answer": answer })) })
    }

    /// The answer that was held to the condition is the evidence; asking twice would prove no more.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let asked = call.recorder.redact(&Order::of(call)?.shown());
        let digest = Digest::of(applied.outputs["answer"].to_string().as_bytes()).to_string();
        Ok(Evidence::new(json!({ "asked": asked, "answer": applied.outputs["answer"], "digest": digest })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
