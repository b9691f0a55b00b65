//! What a step asks to run at a host, and what its end must be.

use serde_json::json;

use super::exec::End;
use super::host::Host;
use super::shell::{quoted, shown, words};
use crate::connectors::command::Printed;
use crate::connectors::{ActionError, Call};
use crate::model::{Condition, Value};

/// A program with everything that is needed to start it.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) argv: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    pub(super) stdin: String,
    exit_codes: Vec<i64>,
    stdout: Option<Condition>,
}

impl Order {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let argv = params.texts("argv")?;
        if argv.first().is_none_or(String::is_empty) {
            return Err(ActionError::untouched("give `argv` with the program and its arguments"));
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let env: Vec<_> = params.map("env")?.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let is_name = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some((name, _)) = env.iter().find(|(name, _)| !is_name(name)) {
            return Err(ActionError::untouched(format!("`{name}` is no name of an environment variable")));
        }
        let codes =
            params.get("exit_codes").and_then(Value::as_array).map(|codes| codes.iter().filter_map(Value::as_i64).collect());
        let order = Self {
            argv,
            env,
            cwd: params.opt_text("cwd")?.map(str::to_owned),
            stdin: params.opt_text("stdin")?.unwrap_or_default().to_owned(),
            exit_codes: codes.unwrap_or_else(|| vec![0]),
            stdout: params.get("stdout").map(Condition::parse).transpose().map_err(ActionError::untouched)?,
        };
        let texts = order.argv.iter().chain(order.env.iter().map(|(_, value)| value)).chain(&order.cwd);
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(ActionError::untouched("no word of a program can hold a zero byte"));
        }
        Ok(order)
    }

    /// A program of its own that only looks, such as `prove` and `probe`; none when the step has none.
    pub(super) fn extra(call: &Call, key: &str) -> Result<Option<Vec<String>>, ActionError> {
        let argv = call.params.texts(key)?;
        Ok((!argv.is_empty()).then_some(argv))
    }

    /// For people and for the record: names of variables, never their values.
    pub(super) fn shown(&self, host: &Host) -> String {
        self.env.iter().map(|(name, _)| format!("{name}=… ")).chain([host.shown_line(&self.argv)]).collect()
    }

    /// The same where no session is at hand.
    pub(super) fn shown_bare(&self) -> String {
        self.env.iter().map(|(name, _)| format!("{name}=… ")).chain([shown(&self.argv)]).collect()
    }

    /// The lines that set the environment and the folder.
    pub(super) fn setting(&self, host: &Host) -> String {
        let (run, step, attempt) = &host.owner;
        let own = [("RUN", run.clone()), ("STEP", step.clone()), ("ATTEMPT", attempt.to_string())];
        let own = own.into_iter().map(|(name, value)| (format!("POINTSMAN_{name}"), value));
        let mut text: String = own
            .chain(self.env.iter().cloned())
            .map(|(name, value)| format!("{name}={}; export {name}\n", quoted(&value)))
            .collect();
        if let Some(cwd) = &self.cwd {
            text.push_str(&format!("cd -- {} || exit 126\n", quoted(cwd)));
        }
        text
    }

    /// The words that start the program. `sudo` clears the environment, so it is told which names to keep.
    pub(super) fn starting(&self, host: &Host) -> String {
        if host.address().prefix.is_empty() || self.env.is_empty() {
            return host.line(&self.argv);
        }
        let names: Vec<_> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        let keep = format!("--preserve-env={}", names.join(","));
        let sudo = ["sudo", "-n", &keep, "--"];
        format!("{} {}", words(&sudo), words(&self.argv))
    }

    /// Whether this end is as asked.
    pub(super) fn check(&self, end: &End, printed: &str) -> Result<(), String> {
        match end {
            End::Code(code) if self.exit_codes.contains(&i64::from(*code)) => {}
            End::Code(_) | End::Signal(_) => return Err(end.to_string()),
        }
        let condition = self.stdout.as_ref();
        condition
            .map_or(Ok(()), |condition| condition.check(Some(&Value::from(printed))))
            .map_err(|why| format!("printed something else: {why}"))
    }
}

/// What steps can read of an end.
pub(super) fn outputs(end: &End, out: &Printed, err: &Printed) -> Value {
    let code = match end {
        End::Code(code) => json!(code),
        End::Signal(_) => Value::Null,
    };
    json!({ "exit_code": code, "stdout": out.text, "stderr": err.text })
}

/// The last words of a program, for an error message.
pub(super) fn last_words(out: &Printed, err: &Printed) -> String {
    let text = if err.text.trim().is_empty() { &out.text } else { &err.text };
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if last.is_empty() { String::new() } else { format!(": {}", last.chars().take(300).collect::<String>()) }
}
