//! What a step asks to run.

use std::path::PathBuf;

use crate::connectors::{ActionError, Call};
use crate::model::{Condition, Value};

/// A program with everything that is needed to start it.
#[derive(Clone)]
pub(in crate::connectors) struct Program {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// What is added to the clean environment; values may be secrets.
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: PathBuf,
    pub(super) stdin: Option<String>,
}

/// A program and what its end must be.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) program: Program,
    exit_codes: Vec<i64>,
    stdout: Option<Condition>,
}

impl Program {
    /// A program that only looks, in the runbook's folder.
    pub(in crate::connectors) fn looking(call: &Call, argv: Vec<String>) -> Result<Self, ActionError> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(ActionError::untouched("the list names no program"));
        }
        Ok(Self { argv, env: Vec::new(), cwd: call.base_dir.clone(), stdin: None })
    }

    /// For people and for the record: the words as a shell would need them, and the names of the variables, never their values.
    pub(super) fn shown(&self) -> String {
        let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c));
        let quoted = |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) };
        let names = self.env.iter().map(|(name, _)| format!("{name}=… "));
        names.chain([self.argv.iter().map(quoted).collect::<Vec<_>>().join(" ")]).collect()
    }
}

impl Order {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let argv = match (params.texts("argv")?, params.opt_text("shell")?) {
            (argv, None) if !argv.is_empty() => argv,
            (argv, Some(line)) if argv.is_empty() => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()],
            (argv, _) if !argv.is_empty() => return Err(ActionError::untouched("give either `argv` or `shell`, not both")),
            _ => return Err(ActionError::untouched("give `argv` with the program and its arguments")),
        };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let env: Vec<_> = params.map("env")?.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        if let Some((name, _)) = env.iter().find(|(name, _)| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(ActionError::untouched(format!("`{name}` is no name of an environment variable")));
        }
        let codes =
            params.get("exit_codes").and_then(Value::as_array).map(|codes| codes.iter().filter_map(Value::as_i64).collect());
        let program = Program {
            env,
            cwd: params.opt_text("cwd")?.map_or_else(|| call.base_dir.clone(), |cwd| call.base_dir.join(cwd)),
            stdin: params.opt_text("stdin")?.map(str::to_owned),
            ..Program::looking(call, argv)?
        };
        Ok(Self {
            program,
            exit_codes: codes.unwrap_or_else(|| vec![0]),
            stdout: params.get("stdout").map(Condition::parse).transpose().map_err(ActionError::untouched)?,
        })
    }

    /// Whether an exit code means success.
    pub(super) fn accepts(&self, code: i32) -> bool {
        self.exit_codes.contains(&i64::from(code))
    }

    /// Whether what was printed is as expected.
    pub(super) fn check_stdout(&self, printed: &str) -> Result<(), String> {
        self.stdout.as_ref().map_or(Ok(()), |condition| condition.check(Some(&Value::from(printed))))
    }
}
