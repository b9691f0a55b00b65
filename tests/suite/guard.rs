//! The safety rules during a run: a start that would break one is refused, recorded, and waits for people.

use std::sync::Arc;

use pointsman::diagnostic::Source;
use pointsman::model::{Actor, RunId, RunOutcome, StepId, Timestamp, Value};
use pointsman::plan::{BuildInput, Plan, build};
use pointsman::run::{
    Answer, Command, Conductor, Effect, Event, Failure, Input, Phase, Preparation, Record, Recording, StepStatus, Success,
};
use pointsman::runbook::parse;

const NIGHT: &str = "pointsman: 1
runbook: night
targets:
  old: { connector: sqlite, path: old.db }
  new: { connector: sqlite, path: new.db }
move: { from: old, to: new }
interlocks:
  fresh:
    before: open requires agree(old, new) fresh 10m
steps:
  freeze: { action: sqlite.freeze_writes, target: old, on_failure: hold }
  count: { needs: [freeze], action: check.tables, with: { source: old, target: new, tables: [orders] } }
  go: { needs: [count], action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? } }
  open: { needs: [go], action: sqlite.allow_writes, target: new, point_of_no_return: \"so\" }
  smoke: { needs: [open], action: http.check, with: { url: \"http://shop/\" }, on_failure: hold }
";

#[derive(Default)]
struct Pen(Vec<Record>, i64);

impl Recording for Pen {
    fn record(&mut self, event: Event) -> &Record {
        let seq = self.0.len() as u64 + 1;
        self.0.push(Record { seq, epoch: 1, at: Timestamp::from_millis(self.1), uptime_ms: 0, event });
        self.0.last().unwrap()
    }
}

/// A run in which every verb succeeds but those of `fails`.
struct Night {
    plan: Arc<Plan>,
    conductor: Conductor,
    pen: Pen,
    fails: Option<&'static str>,
    undone: Vec<String>,
}

impl Night {
    fn new(text: &str, fails: Option<&'static str>) -> Self {
        let source = Source::new("night.yaml", text);
        let runbook = parse(&source).0.unwrap();
        let plan = Arc::new(build(BuildInput::of(&runbook, &source)).plan.unwrap());
        let mut night = Self { conductor: Conductor::new(plan.clone()), plan, pen: Pen::default(), fails, undone: Vec::new() };
        let (run, starter) = (RunId::new("night"), Actor::local(1, "ann"));
        let begun = Event::RunStarted { run, runbook: "night".to_owned(), plan: night.plan.digest(), starter };
        night.conductor.note(begun, &mut night.pen);
        night.go_on(Vec::new());
        night
    }

    /// Lets everything happen that happens by itself.
    fn go_on(&mut self, mut inputs: Vec<Input>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for _ in 0..100 {
            self.pen.1 += 10;
            let now = Timestamp::from_millis(self.pen.1);
            let turn = self.conductor.turn(std::mem::take(&mut inputs), now, &mut self.pen);
            answers.extend(turn.answers);
            inputs.extend(turn.effects.iter().filter_map(|effect| self.answer(effect)));
            if inputs.is_empty() {
                break;
            }
        }
        answers
    }

    fn answer(&mut self, effect: &Effect) -> Option<Input> {
        Some(match effect {
            Effect::Cancel(_) | Effect::Probe(_) => return None,
            Effect::Prepare(spec) => Input::Prepared(spec.instance, spec.attempt, Ok(Preparation::default())),
            Effect::Apply(spec) if self.fails == Some(spec.step.as_str()) => {
                Input::Applied(spec.instance, spec.attempt, Err(Failure::untouched("it does not want to")))
            }
            Effect::Apply(spec) => Input::Applied(spec.instance, spec.attempt, Ok(Success::default())),
            Effect::Undo(spec) | Effect::UndoByAction(spec) => {
                self.undone.push(spec.step.to_string());
                Input::Undone(spec.instance, spec.attempt, Ok(Value::Null))
            }
        })
    }

    fn order(&mut self, command: Command) -> Answer {
        self.order_by(command, Actor::local(1, "ann"))
    }

    fn order_by(&mut self, command: Command, by: Actor) -> Answer {
        self.go_on(vec![Input::Ordered(command, by)]).remove(0)
    }

    fn status(&self, step: &str) -> StepStatus {
        let state = self.conductor.state();
        state.step(state.find(&StepId::new(step)).unwrap()).status
    }

    fn refusals(&self) -> Vec<(String, String)> {
        let refused = self.pen.0.iter().filter_map(|record| match &record.event {
            Event::StartRefused { step, reason } => Some((step.to_string(), reason.clone())),
            _ => None,
        });
        refused.collect()
    }

    fn approve(&mut self) {
        let answer = self.order(Command::Approve { step: StepId::new("go"), note: String::new() });
        assert_eq!(answer, Answer::Accepted);
    }

    /// A new executor reads the same journal and knows the same.
    fn replayed(&self) -> Vec<Option<bool>> {
        let mut conductor = Conductor::new(self.plan.clone());
        self.pen.0.iter().for_each(|record| conductor.replay(record).unwrap());
        conductor.state().known_facts().to_vec()
    }
}

#[test]
fn a_night_as_planned_is_never_refused() {
    let mut night = Night::new(NIGHT, None);
    night.approve();
    assert_eq!(night.conductor.state().phase(), Phase::Ended(RunOutcome::Succeeded));
    assert_eq!(night.refusals(), []);
    assert_eq!(night.replayed(), night.conductor.state().known_facts());
}

#[test]
fn a_start_that_would_break_a_rule_waits_for_people() {
    // The freeze fails, and a person passes it over: nobody proved that the old side stands still.
    let mut night = Night::new(NIGHT, Some("freeze"));
    assert_eq!(night.status("freeze"), StepStatus::Held);
    assert_eq!(
        night.order(Command::Skip { step: StepId::new("freeze"), reason: "we stopped the application".to_owned() }),
        Answer::Accepted
    );
    night.approve();
    assert_eq!(night.status("open"), StepStatus::Held);
    let refusals = night.refusals();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].1.contains("`old` and `new` never take writes at the same time"), "{refusals:?}");
    // Another try is held against the rules again.
    let again = Command::Retry { step: StepId::new("open") };
    assert!(matches!(night.order(again.clone()), Answer::Forbidden(_)), "two persons order another try of a protected step");
    assert_eq!(night.order_by(again, Actor::local(2, "ben")), Answer::Accepted);
    assert_eq!((night.status("open"), night.refusals().len()), (StepStatus::Held, 2));
    // Nobody passes over the point of no return, nothing is in doubt, and the run can go back.
    assert!(matches!(night.order(Command::Skip { step: StepId::new("open"), reason: String::new() }), Answer::NotApplicable(_)));
    assert_eq!(night.order(Command::Rollback { reason: "no".to_owned() }), Answer::Accepted);
    assert_eq!(night.conductor.state().phase(), Phase::Ended(RunOutcome::RolledBack));
    assert_eq!(night.replayed(), night.conductor.state().known_facts());
}

#[test]
fn a_proof_that_is_too_old_is_refused() {
    let mut night = Night::new(NIGHT, None);
    night.pen.1 += 11 * 60 * 1_000;
    night.approve();
    assert_eq!(night.status("open"), StepStatus::Held);
    assert!(night.refusals()[0].1.contains("agree(old, new) is 11m"), "{:?}", night.refusals());
    assert_eq!(night.order(Command::Abort { reason: String::new() }), Answer::Accepted);
    assert_eq!(night.conductor.state().phase(), Phase::Ended(RunOutcome::Aborted));
}

#[test]
fn an_attempt_that_left_nothing_takes_no_proof_away() {
    let mut night = Night::new(NIGHT, None);
    night.fails = Some("open");
    night.approve();
    assert_eq!(night.refusals(), []);
    // It failed untouched, so the run went back.
    assert_eq!(night.conductor.state().phase(), Phase::Ended(RunOutcome::RolledBack));
    assert_eq!(night.undone, ["freeze"]);
}
