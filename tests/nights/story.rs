//! What goes wrong in a night: a step after which the run fails, and a step in which the executor is killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_yaml::{Mapping, Value};

use crate::executor::{Ended, Executor};

/// The trouble of one night.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Story<'a> {
    /// Right after this step another one fails, on which everything depends that depended on it.
    pub fails_after: Option<&'a str>,
    /// The executor is killed as soon as this step has begun.
    pub killed_in: Option<&'a str>,
    /// The executor is killed once more as soon as the way back has begun.
    pub killed_in_undo: bool,
}

/// The name of the step that fails.
pub const SABOTAGE: &str = "sabotage";

/// The steps of a runbook, in the order of the file.
pub fn steps(runbook: &Path) -> Vec<String> {
    let document: Value = serde_yaml::from_str(&std::fs::read_to_string(runbook).unwrap()).unwrap();
    document["steps"].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// Writes the runbook with a step that fails right after `after`, beside a copy of its roster.
pub fn sabotaged(runbook: &Path, after: &str, folder: &Path) -> PathBuf {
    let mut document: Value = serde_yaml::from_str(&std::fs::read_to_string(runbook).unwrap()).unwrap();
    let steps = document["steps"].as_mapping_mut().unwrap();
    let mut waiting = 0;
    for (_, step) in steps.iter_mut() {
        let Some(needs) = step.get_mut("needs").and_then(Value::as_sequence_mut) else { continue };
        if needs.iter().any(|need| need.as_str() == Some(after)) {
            needs.push(SABOTAGE.into());
            waiting += 1;
        }
    }
    let mut step = Mapping::new();
    step.insert("needs".into(), vec![Value::from(after)].into());
    step.insert("action".into(), "command.check".into());
    step.insert("with".into(), serde_yaml::from_str("{ argv: [\"false\"] }").unwrap());
    steps.insert(SABOTAGE.into(), step.into());
    println!("sabotage after {after}, {waiting} steps wait for it");
    std::fs::copy(runbook.with_file_name("people.yaml"), folder.join("people.yaml")).unwrap();
    let path = folder.join(format!("fails-after-{after}.yaml"));
    std::fs::write(&path, serde_yaml::to_string(&document).unwrap()).unwrap();
    path
}

/// How the executor met its story.
#[derive(Debug)]
pub struct Told {
    pub ended: Ended,
    /// How often it was killed while the step was at work, and while the way back was.
    pub kills: usize,
}

impl Story<'_> {
    /// Lets the executor go on until its end: approves the gate, kills where the story says so, and takes the run up again. A run
    /// that waits for a person because the sabotage is behind the point of no return is told to pass it over.
    pub fn tell(&self, executor: &mut Executor) -> Told {
        let end = Instant::now() + Duration::from_secs(240);
        let (mut approved, mut skipped, mut kills) = (false, false, 0);
        let mut to_kill = [self.killed_in, self.killed_in_undo.then_some("undo")];
        let mut asked = Instant::now();
        loop {
            let log = executor.log();
            for (index, kill) in to_kill.iter_mut().enumerate() {
                let Some(step) = kill else { continue };
                let begun = if index == 0 { has_begun(&log, step) } else { undo_has_begun(&log) };
                if begun {
                    *kill = None;
                    executor.kill();
                    executor.resume();
                    kills += 1;
                }
            }
            if executor.is_over() {
                return Told { ended: executor.end(Duration::from_secs(1)), kills };
            }
            if asked.elapsed() > Duration::from_millis(150) && (!approved || !skipped) {
                asked = Instant::now();
                if !approved && says(&log, "go-live", "asks") {
                    let answer = executor.order(&["approve", "go-live"]);
                    approved = answer.status.success();
                }
                if !skipped && executor.step(SABOTAGE).as_deref() == Some("held") {
                    let answer = executor.order(&["skip", SABOTAGE, "--reason", "it was put there to fail"]);
                    skipped = answer.status.success();
                    assert!(skipped, "{}", String::from_utf8_lossy(&answer.stderr));
                }
            }
            assert!(Instant::now() < end, "{self:?} did not end:\n{}", executor.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn has_begun(log: &str, step: &str) -> bool {
    says(log, step, "started")
}

fn says(log: &str, step: &str, word: &str) -> bool {
    log.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(step) && words.next() == Some(word)
    })
}

fn undo_has_begun(log: &str) -> bool {
    log.lines().any(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ").starts_with("undo started"))
}
