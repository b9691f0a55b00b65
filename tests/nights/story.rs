//! What goes wrong in a night: a step after which the run fails, and a step in which the executor is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::User;
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

/// A night in which all goes well.
pub const NO_TROUBLE: Story<'static> = Story { fails_after: None, killed_in: None, killed_in_undo: false };

/// A step that fails follows `step`.
pub const fn failed_after(step: &str) -> Story<'_> {
    Story { fails_after: Some(step), ..NO_TROUBLE }
}

/// The executor is killed in `step` too.
pub const fn killed_in(step: &str) -> Story<'_> {
    Story { killed_in: Some(step), ..failed_after(step) }
}

/// The executor is killed in `step`, and once more on the way back.
pub const fn killed_both_ways(step: &str) -> Story<'_> {
    Story { killed_in_undo: true, ..killed_in(step) }
}

/// The name of the step that fails.
pub const SABOTAGE: &str = "sabotage";

/// The second person, whom a protected step asks too: a login that every Debian has.
pub fn colleague() -> User {
    User::from_name("daemon").unwrap().expect("Debian has a user daemon")
}

/// Whether a second login can be spoken for: only root can.
pub fn is_alone() -> bool {
    let alone = !nix::unistd::getuid().is_root();
    if alone {
        eprintln!("left out: giving an order as another login needs root");
    }
    alone
}

/// The steps of a runbook, in the order of the file.
pub fn steps(runbook: &Path) -> Vec<String> {
    let document: Value = serde_yaml::from_str(&std::fs::read_to_string(runbook).unwrap()).unwrap();
    document["steps"].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// Writes the roster of two persons who decide in this test.
pub fn two_persons(folder: &Path) {
    let you = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    let person = |id: &str, login: &str| format!("  {id}: {{ name: {id}, roles: [commander, dba], local_users: [{login}] }}\n");
    let people = format!("persons:\n{}{}", person("you", &you), person("colleague", &colleague().name));
    std::fs::write(folder.join("people.yaml"), people).unwrap();
}

/// Writes the runbook with a step that fails right after `after`, beside a roster of two persons.
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
    two_persons(folder);
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
    /// Lets the executor go on until its end: answers what the run asks, kills where the story says so, and takes the run up again.
    pub fn tell(&self, executor: &mut Executor) -> Told {
        let end = Instant::now() + Duration::from_secs(240);
        let mut kills = 0;
        let mut to_kill = [self.killed_in, self.killed_in_undo.then_some("undo")];
        let (mut asked, mut answered) = (Instant::now(), BTreeMap::new());
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
            if asked.elapsed() > Duration::from_millis(150) {
                asked = Instant::now();
                self.answer(executor, &mut answered);
            }
            assert!(Instant::now() < end, "{self:?} did not end:\n{}", executor.account());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Answers what the run waits for a person with, as the run itself proposes it: the gate is approved; of a step in doubt the look has
    /// said already that it is partly done; the sabotage is passed over; any other step that waits is tried again.
    fn answer(&self, executor: &Executor, answered: &mut BTreeMap<String, usize>) {
        for ask in executor.awaited() {
            let (step, status) = (ask["step"].as_str().unwrap(), ask["status"].as_str().unwrap());
            let expected = status == "awaiting_people" || *self != NO_TROUBLE;
            assert!(expected, "a night without trouble needs nobody but for its gate:\n{}", executor.account());
            let order: &[&str] = match status {
                "awaiting_people" => &["approve", step],
                "in_doubt" => &["resolve", step, "--as", "partial", "--evidence", "the look says so"],
                "held" if step == SABOTAGE => &["skip", step, "--reason", "it was put there to fail"],
                "held" => &["retry", step],
                // Such an undo ends the run by itself, and the story by its code.
                _ => continue,
            };
            let proposed = ask["commands"].as_array().unwrap().iter().filter_map(|command| command["command"].as_str());
            let words = format!(" {} night {step}", order[0]);
            assert!(proposed.into_iter().any(|command| command.contains(&words)), "`{words}` is not proposed: {ask}");
            let mut said = executor.order(order);
            if String::from_utf8_lossy(&said.stderr).contains("a second person") {
                said = executor.order_of(&colleague(), order);
                let why = String::from_utf8_lossy(&said.stderr);
                assert!(said.status.success() || !why.contains("ermission"), "the group cannot give orders: {why}");
            }
            // The run may have gone on since it was asked: then the answer is refused, and nothing is lost.
            if said.status.success() {
                let times = answered.entry(format!("{status} {step}")).or_default();
                *times += 1;
                assert!(*times <= 3, "{ask} was answered three times:\n{}", executor.account());
            }
        }
    }
}

fn has_begun(log: &str, step: &str) -> bool {
    log.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(step) && words.next() == Some("started")
    })
}

fn undo_has_begun(log: &str) -> bool {
    log.lines().any(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ").starts_with("undo started"))
}
