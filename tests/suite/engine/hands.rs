//! Hands for tests: they take the place of `command`, write down every verb, and do what the first argument says.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pointsman::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, Registry};
use pointsman::diagnostic::Source;
use pointsman::engine::{Ending, EngineError, Executor, Home, load};
use pointsman::model::{Actor, Finding, RunId, Value};
use pointsman::plan::Plan;
use pointsman::plan::build::{BuildInput, build};
use pointsman::run::Event;
use tokio_util::sync::CancellationToken;

/// What the hands did, in order: `apply a`, `undo a`, …
pub type Log = Arc<Mutex<Vec<String>>>;

pub struct Hand {
    pub log: Log,
    name: &'static str,
}

impl Hand {
    fn word(call: &Call) -> String {
        call.params.texts("argv").unwrap().first().cloned().unwrap_or_default()
    }

    fn write(&self, verb: &str, call: &Call) {
        self.log.lock().unwrap().push(format!("{verb} {}", call.step));
    }
}

#[async_trait]
impl Inspect for Hand {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        match Self::word(call).as_str() {
            "blocked" => Err(ActionError::untouched("something stands in the way")),
            _ => Ok(Inspection { identity: serde_json::json!({ "who": "test" }), ..Inspection::default() }),
        }
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Ok(serde_json::json!({ "before": call.step.as_str() }))
    }

    async fn probe(&self, call: &Call, _: &Value) -> Result<Probed, ActionError> {
        self.write("probe", call);
        Ok(Probed { finding: Finding::NotApplied, outputs: Value::Null, facts: Value::Null })
    }
}

#[async_trait]
impl Act for Hand {
    async fn apply(&self, call: &Call, _: &Value) -> Result<Applied, ActionError> {
        self.write("apply", call);
        match Self::word(call).as_str() {
            "fail" => Err(ActionError::touched("it was asked to fail")),
            "lose" => Err(ActionError::in_doubt("the connection broke")),
            "slow" => {
                call.recorder.progress("half way");
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(30)) => Err(ActionError::touched("nobody came")),
                    () = call.cancel.cancelled() => Err(ActionError::untouched("cancelled")),
                }
            }
            "see" => {
                let (_, records) = load(&Home::new(&call.base_dir), &call.run, None).unwrap();
                let is_intent = |event: &Event| matches!(event, Event::AttemptStarted { step, .. } if *step == call.step);
                let seen = if records.iter().any(|record| is_intent(&record.event)) { "its intent" } else { "nothing" };
                self.write(&format!("on the disk is {seen} of"), call);
                Ok(Applied { outputs: Value::Null })
            }
            word => Ok(Applied { outputs: serde_json::json!({ "exit_code": 0, "stdout": word, "stderr": "" }) }),
        }
    }

    async fn prove(&self, _: &Call, _: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(applied.outputs.clone()))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        self.write("undo", call);
        assert_eq!(snapshot["before"], call.step.as_str());
        match Self::word(call).as_str() {
            "stuck" => Err(ActionError::touched("it does not go back").manual(vec!["put it back by hand".to_owned()])),
            _ => Ok(Evidence::new(snapshot.clone())),
        }
    }
}

/// A registry whose `command`, `command.check` and `switch.file` are test hands.
pub fn registry() -> (Registry, Log) {
    let log = Log::default();
    let mut registry = Registry::default();
    for name in ["command", "command.check"] {
        registry.add(Hand { log: log.clone(), name });
    }
    (registry, log)
}

/// The plan of a runbook's text.
pub fn plan(text: &str, base_dir: &Path) -> Plan {
    let source = Source::new("test.yaml", text);
    let (runbook, report) = pointsman::runbook::parse(&source);
    assert!(!report.has_errors(), "{:?}", report.sorted());
    let runbook = runbook.unwrap();
    let people = text.contains("roster:").then(|| {
        let people = Source::new("people.yaml", std::fs::read_to_string(base_dir.join("people.yaml")).unwrap());
        let (roster, report) = pointsman::runbook::parse_roster(&people);
        roster.unwrap_or_else(|| panic!("{:?}", report.sorted()))
    });
    let base_dir = base_dir.display().to_string();
    let built = build(BuildInput { roster: people, base_dir, ..BuildInput::of(&runbook, &source) });
    assert!(built.plan.is_some(), "{:?}", built.report.sorted());
    built.plan.unwrap()
}

/// One `command` step of a runbook.
pub fn step(id: &str, word: &str, more: &str) -> String {
    format!(
        "  {id}:\n    action: command\n    with: {{ argv: [{word}] }}\n    in_doubt: ask\n    undo: {{ nothing: \"a test\" }}\n{more}"
    )
}

/// Starts a run of a runbook's text and drives it to its end.
pub fn run(home: &Home, text: &str) -> (Result<Ending, EngineError>, RunId, Vec<String>) {
    let (registry, log) = registry();
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(home, plan(text, home.path()), None, me).unwrap();
    let id = executor.run_id().clone();
    let ending = block_on(executor.drive(registry, &mut (), CancellationToken::new()));
    let log = log.lock().unwrap().clone();
    (ending, id, log)
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    (folder, home)
}
