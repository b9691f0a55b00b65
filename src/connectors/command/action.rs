//! `command`: a program that changes something. What it does is its own; what is known here is whether it started, how it
//! ended, and whether anything of it is still alive.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::child::{End, Ended, Failure, Role, run, run_looking};
use super::order::{Order, Program};
use super::survivor;
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Command;

/// What steps can read of an end.
pub(super) fn outputs(ended: &Ended) -> Value {
    let code = match ended.end {
        End::Code(code) => json!(code),
        End::Signal(_) => Value::Null,
    };
    json!({ "exit_code": code, "stdout": ended.stdout.text, "stderr": ended.stderr.text })
}

/// The inspection of a program: what would be run, and whether it is there.
pub(super) fn inspection(call: &Call, program: &Program, others: &[&Program]) -> Inspection {
    let blockers = std::iter::once(&program).chain(others).filter_map(|program| missing(program));
    Inspection {
        identity: json!({ "host": nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned()) }),
        state: json!({ "cwd": program.cwd.display().to_string() }),
        statements: vec![call.recorder.redact(&program.shown())],
        blockers: blockers.map(|what| Blocker { what, owner: None }).collect(),
        ..Inspection::default()
    }
}

/// Why a program cannot be started, where that can be seen beforehand.
fn missing(program: &Program) -> Option<String> {
    let name = &program.argv[0];
    if !program.cwd.is_dir() {
        return Some(format!("the folder {} does not exist", program.cwd.display()));
    }
    let found = if name.contains('/') {
        program.cwd.join(name).is_file()
    } else {
        let path = program.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.into());
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
    };
    (!found).then(|| format!("the program `{name}` is not there"))
}

/// The first words of a complaint, for an error message.
pub(super) fn complaint(ended: &Ended) -> String {
    let text = if ended.stderr.text.trim().is_empty() { &ended.stdout.text } else { &ended.stderr.text };
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if last.is_empty() { String::new() } else { format!(": {}", last.chars().take(300).collect::<String>()) }
}

fn extra(call: &Call, key: &str) -> Result<Option<Vec<String>>, ActionError> {
    let argv = call.params.texts(key)?;
    Ok((!argv.is_empty()).then_some(argv))
}

#[async_trait]
impl Inspect for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut others = Vec::new();
        for key in ["prove", "probe"] {
            others.extend(extra(call, key)?.map(|argv| Program::looking(call, argv)).transpose()?);
        }
        let mut inspection = inspection(call, &order.program, &others.iter().collect::<Vec<_>>());
        for alive in survivor::of_step(call) {
            inspection.blockers.push(Blocker { what: alive.to_string(), owner: Some(call.run.to_string()) });
        }
        Ok(inspection)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    /// First nobody of the attempt may be alive; then the author's program looks.
    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let patience = Patience::of(call);
        let unknown = |why: String| Probed { finding: Finding::Unknown(why), outputs: Value::Null, facts: Value::Null };
        if let Err((_, alive)) = survivor::wait_until_none(call, &patience.at_most(patience.left() / 2)).await {
            return Ok(unknown(alive.to_string()));
        }
        let Some(argv) = extra(call, "probe")? else {
            return Ok(unknown("nothing of the program is alive, and the step has no `probe` to look with".to_owned()));
        };
        let ended = run_looking(call, argv, &patience).await?;
        let finding = match ended.end {
            End::Code(0) => Finding::Applied,
            End::Code(1) => Finding::NotApplied,
            End::Code(_) | End::Signal(_) => Finding::Unknown(format!("the probe {}{}", ended.end, complaint(&ended))),
        };
        let outputs = json!({ "exit_code": null, "stdout": "", "stderr": "" });
        Ok(Probed { finding, outputs, facts: json!({ "probe": super::action::outputs(&ended) }) })
    }
}

#[async_trait]
impl Act for Command {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let patience = Patience::of(call);
        end_earlier(call, &patience).await?;
        let shown = call.recorder.redact(&order.program.shown());
        let ended = run(call, &order.program, Role::Acting, &patience).await.map_err(|failure| failed(&shown, &failure))?;
        let error = |what: String| ActionError::touched(call.recorder.redact(&what));
        match ended.end {
            End::Code(code) if order.accepts(code) => {}
            End::Code(_) | End::Signal(_) => return Err(error(format!("`{shown}` {}{}", ended.end, complaint(&ended)))),
        }
        order.check_stdout(&ended.stdout.raw).map_err(|why| error(format!("`{shown}` printed something else: {why}")))?;
        if ended.left > 0 {
            call.recorder.progress(&format!("{} processes of it run on", ended.left));
        }
        Ok(Applied { outputs: outputs(&ended) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let printed = Digest::of(applied.outputs["stdout"].to_string().as_bytes()).to_string();
        let code = &applied.outputs["exit_code"];
        let Some(argv) = extra(call, "prove")? else {
            let proof = "the program's own exit code; the step has no `prove`";
            return Ok(Evidence::new(json!({ "exit_code": code, "stdout": printed, "proof": proof })));
        };
        let touched = |what: String| ActionError::touched(call.recorder.redact(&what));
        let ended = run_looking(call, argv.clone(), &Patience::of(call)).await.map_err(|error| touched(error.message))?;
        if ended.end != End::Code(0) {
            return Err(touched(format!("the effect is not proven: `{}` {}{}", argv.join(" "), ended.end, complaint(&ended))));
        }
        let argv: Vec<_> = argv.iter().map(|word| call.recorder.redact(word)).collect();
        Ok(Evidence::new(json!({ "exit_code": code, "stdout": printed, "asked": argv, "answer": outputs(&ended) })))
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        Err(ActionError::untouched("only the author knows the way back from a program")
            .manual(vec![format!("# undo by hand: {}", call.recorder.redact(&order.program.shown()))]))
    }
}

/// A new attempt never runs beside an older one: what is alive of it is ended first.
async fn end_earlier(call: &Call, patience: &Patience) -> Result<(), ActionError> {
    let limit = (patience.left() / 4).min(Duration::from_secs(5));
    let begun = std::time::Instant::now();
    match survivor::end_of_step(call, limit / 2, limit).await {
        Ok(0) => Ok(()),
        Ok(count) => {
            call.recorder.statement(
                "end what is alive of earlier attempts",
                begun.elapsed(),
                &format!("{count} processes ended"),
            );
            Ok(())
        }
        Err(alive) => {
            let first = alive.first().map_or_else(String::new, ToString::to_string);
            Err(ActionError::in_doubt(format!("an earlier attempt cannot be ended: {first}")))
        }
    }
}

fn failed(shown: &str, failure: &Failure) -> ActionError {
    match failure {
        Failure::NotStarted(error) => ActionError::untouched(format!("`{shown}` could not be started: {error}")),
        Failure::Ended(stopped) => ActionError::touched(format!("`{shown}` was ended with everything it had started: {stopped}")),
        Failure::Alive(_, alive) => {
            let pids = alive.iter().map(|process| process.pid.to_string()).collect::<Vec<_>>().join(", ");
            ActionError::in_doubt(format!("`{shown}` could not be ended: pid {pids} live on"))
        }
        Failure::Lost(error) => ActionError::in_doubt(format!("the end of `{shown}` could not be awaited: {error}")),
    }
}
