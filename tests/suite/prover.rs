//! The proof's small machine against the real one: random nights are driven through the state machine of the engine, with failures,
//! crashes and people, and every state of facts that they come through must be one that the proof reached.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use pointsman::diagnostic::Source;
use pointsman::model::{Actor, Finding, RunId, RunOutcome, Timestamp, Touch, Value};
use pointsman::plan::{BuildInput, Plan, Section, build};
use pointsman::rehearsal::Chance;
use pointsman::run::{
    Command, Conductor, Effect, Event, Failure, Input, Instance, Look, Phase, Preparation, Record, Recording, StepStatus, Success,
};
use pointsman::runbook::parse;
use pointsman::safety::{Part, Reached};

/// How many random nights.
const NIGHTS: u64 = 200;

/// A runbook with random needs around the steps of a move, and a random way back.
fn runbook(chance: &mut Chance) -> String {
    let mut text = "pointsman: 1\nrunbook: night\ntargets:\n  old: { connector: sqlite, path: old.db }\n  new: { connector: sqlite, path: new.db }\n  shop: { connector: file, path: shop.json }\nmove: { from: old, to: new, entry: shop }\nsteps:\n".to_owned();
    let bodies = [
        ("close", "action: sqlite.freeze_writes, target: new"),
        ("freeze", "action: sqlite.freeze_writes, target: old, with: { tables: [a] }"),
        ("freeze-more", "action: sqlite.freeze_writes, target: old, with: { tables: [b] }"),
        ("near", "action: sqlite.wait_fence, target: new, with: { table: t, column: c, at_least: 1, within: 1m }"),
        ("count", "action: check.tables, with: { source: old, target: new, tables: [a] }"),
        ("look", "action: http.check, with: { url: \"http://shop/\" }"),
        ("go", "action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? }"),
        ("open", "action: sqlite.allow_writes, target: new"),
        ("switch", "action: switch.file, target: shop, with: { set: { database: new }, to: new }"),
        ("reopen", "action: sqlite.allow_writes, target: old, with: { tables: [a] }"),
    ];
    let mut there: Vec<&str> = Vec::new();
    let with_return = chance.in_hundred(50);
    for (id, body) in bodies {
        let chosen = matches!(id, "go") || chance.in_hundred(75);
        if !chosen || (id == "reopen" && chance.in_hundred(60)) {
            continue;
        }
        let mut needs: Vec<&str> = (0..chance.below(3)).filter_map(|_| chance.pick(&there).copied()).collect();
        if id == "switch" && with_return {
            needs.push("go");
        }
        needs.sort_unstable();
        needs.dedup();
        let mut extra = String::new();
        match chance.below(12) {
            0 if id == "look" => extra.push_str(", on_failure: continue"),
            1 if id != "switch" => extra.push_str(", on_failure: hold"),
            2 if body.contains("freeze") || body.contains("allow") => extra.push_str(", undo: { nothing: \"so\" }"),
            3 if body.contains("allow") => extra.push_str(", undo: { impossible: \"so\" }"),
            4 if id != "go" => extra.push_str(", retry: { max_attempts: 2, backoff: 1s }"),
            _ => {}
        }
        if id == "switch" && with_return {
            extra.push_str(", point_of_no_return: \"so\"");
        }
        let _ = writeln!(text, "  {id}: {{ needs: [{}], {body}{extra} }}", needs.join(", "));
        there.push(id);
    }
    match chance.below(4) {
        0 => text.push_str("rollback:\n  steps:\n    back: { undo: everything }\n    look-back: { needs: [back], action: http.check, with: { url: \"http://shop/\" } }\n"),
        1 => text.push_str("rollback:\n  steps:\n    look-back: { action: http.check, with: { url: \"http://shop/\" }, on_failure: continue }\n    back: { needs: [look-back], undo: everything }\n"),
        2 if there.contains(&"freeze") => {
            text.push_str("rollback:\n  steps:\n    first: { undo: [freeze] }\n    thaw: { action: sqlite.allow_writes, target: old, with: { tables: [b] } }\n    back: { needs: [first], undo: everything }\n");
        }
        _ => {}
    }
    if chance.in_hundred(25) {
        text.push_str("finally:\n  thaw-last: { action: sqlite.allow_writes, target: old, with: { tables: [a] } }\n");
    }
    text
}

fn plan(text: &str) -> Option<Plan> {
    let source = Source::new("night.yaml", text);
    let runbook = parse(&source).0?;
    build(BuildInput::of(&runbook, &source)).plan
}

/// The records of one run.
#[derive(Default)]
struct Pen {
    records: Vec<Record>,
    now: i64,
}

impl Recording for Pen {
    fn record(&mut self, event: Event) -> &Record {
        let (seq, at) = (self.records.len() as u64 + 1, Timestamp::from_millis(self.now));
        self.records.push(Record { seq, epoch: 1, at, uptime_ms: 0, event });
        self.records.last().unwrap()
    }
}

/// What was seen on the way.
#[derive(Default, Debug)]
struct Seen {
    states: u64,
    failures: u64,
    crashes: u64,
    orders: u64,
    refusals: u64,
    ends: BTreeSet<String>,
}

struct Night<'a> {
    chance: Chance,
    applied: BTreeSet<Instance>,
    seen: &'a mut Seen,
    checked: usize,
}

impl Night<'_> {
    /// What a verb answers, and what it does to the truth.
    fn answer(&mut self, effect: &Effect) -> Option<Input> {
        let draw = self.chance.below(100);
        self.seen.failures += u64::from(draw < 30);
        let broken = |in_doubt| Failure { touch: Touch::Possible, in_doubt, ..Failure::untouched("random") };
        Some(match effect {
            Effect::Cancel(_) => return None,
            Effect::Prepare(spec) => {
                let ready = Preparation { identity: Value::Null, snapshot: serde_json::json!({ "before": 1 }) };
                Input::Prepared(spec.instance, spec.attempt, if draw < 4 { Err(Failure::untouched("random")) } else { Ok(ready) })
            }
            Effect::Apply(spec) => {
                let result = match draw {
                    0..6 => Err(Failure::untouched("random")),
                    6..12 => {
                        Err(Failure { touch: if spec.mutating { Touch::Possible } else { Touch::Untouched }, ..broken(false) })
                    }
                    12..18 if spec.mutating => Err(broken(true)),
                    _ => Ok(Success::default()),
                };
                if result.is_ok() || (draw >= 6 && draw.is_multiple_of(2)) {
                    self.applied.insert(spec.instance);
                }
                Input::Applied(spec.instance, spec.attempt, result)
            }
            Effect::Probe(spec) => {
                let finding = if self.applied.contains(&spec.instance) { Finding::Applied } else { Finding::NotApplied };
                let look = Look { finding, outputs: Value::Null, evidence: Value::Null };
                Input::Probed(spec.instance, spec.attempt, if draw < 20 { Err(Failure::untouched("random")) } else { Ok(look) })
            }
            Effect::Undo(spec) | Effect::UndoByAction(spec) => {
                let result = match draw {
                    0..8 => Err(broken(false)),
                    8..14 => Err(broken(true)),
                    _ => Ok(Value::Null),
                };
                if result.is_ok() || draw.is_multiple_of(2) {
                    self.applied.remove(&spec.instance);
                }
                Input::Undone(spec.instance, spec.attempt, result)
            }
        })
    }

    /// Somebody orders something that fits.
    fn order(&mut self, conductor: &Conductor) -> Option<Input> {
        let state = conductor.state();
        let asked: Vec<Instance> = state
            .instances()
            .filter(|i| {
                let status = state.step(*i).status;
                status.needs_person() || status == StepStatus::BackingOff
            })
            .collect();
        let command = match (self.chance.below(20), self.chance.pick(&asked).copied()) {
            (0, _) => Command::Rollback { reason: String::new() },
            (1, _) if self.chance.in_hundred(30) => Command::Abort { reason: String::new() },
            (_, Some(i)) => {
                let step = state.id(i).clone();
                match state.step(i).status {
                    StepStatus::AwaitingPeople => Command::Approve { step, note: String::new() },
                    StepStatus::InDoubt => {
                        let finding = if self.applied.contains(&i) { Finding::Applied } else { Finding::NotApplied };
                        Command::Resolve { step, finding, seen: String::new() }
                    }
                    StepStatus::UndoInDoubt | StepStatus::UndoFailed => Command::Retry { step },
                    StepStatus::Held if state.planned(i).section != Section::Forward && self.chance.in_hundred(30) => {
                        Command::Abort { reason: String::new() }
                    }
                    _ => Command::Retry { step },
                }
            }
            _ => return None,
        };
        self.seen.orders += 1;
        let by = if self.chance.in_hundred(50) { Actor::local(1, "ann") } else { Actor::local(2, "ben") };
        Some(Input::Ordered(command, by))
    }

    /// Holds what every record left against the proof.
    fn check(&mut self, plan: &Arc<Plan>, pen: &Pen, reached: &Reached, text: &str) {
        let mut state = Conductor::new(plan.clone());
        for record in &pen.records {
            state.replay(record).unwrap();
            let at = usize::try_from(record.seq).unwrap();
            if at <= self.checked {
                continue;
            }
            self.checked = at;
            let part = match state.state().phase() {
                Phase::New | Phase::Forward => Part::Forward,
                Phase::RollingBack => Part::Back,
                Phase::Aborting => Part::Aborting,
                Phase::Finally(_) | Phase::Ended(_) => Part::Over,
            };
            self.seen.states += 1;
            self.seen.refusals += u64::from(matches!(record.event, Event::StartRefused { .. }));
            if let Err(what) = reached.includes(state.state().known_facts(), part) {
                let story: Vec<String> = pen.records[..at].iter().map(|record| format!("{:?}", record.event)).collect();
                panic!("the proof does not know this state: {what}\n{text}\n{}", story.join("\n"));
            }
        }
    }

    fn live(&mut self, plan: &Arc<Plan>, reached: &Reached, text: &str) {
        let mut pen = Pen::default();
        let mut conductor = Conductor::new(plan.clone());
        let (run, starter) = (RunId::new("night"), Actor::local(1, "ann"));
        conductor.note(Event::RunStarted { run, runbook: "night".to_owned(), plan: plan.digest(), starter }, &mut pen);
        let (mut inputs, mut pending): (Vec<Input>, Vec<Effect>) = (Vec::new(), Vec::new());
        for turn in 0..400 {
            pen.now += 500;
            let now = Timestamp::from_millis(pen.now);
            pending.extend(conductor.turn(std::mem::take(&mut inputs), now, &mut pen).effects);
            if let Phase::Ended(outcome) = conductor.state().phase() {
                self.seen.ends.insert(outcome.to_string());
                let again = matches!(outcome, RunOutcome::NeedsAttention | RunOutcome::Aborted) && self.chance.in_hundred(50);
                if !again || turn > 300 {
                    break;
                }
                inputs.push(Input::Ordered(Command::Rollback { reason: String::new() }, Actor::local(1, "ann")));
                continue;
            }
            if self.chance.in_hundred(4) {
                // Whatever was under way happened, or did not; its answer is lost.
                self.seen.crashes += 1;
                for effect in std::mem::take(&mut pending) {
                    let _ = self.answer(&effect);
                }
                conductor = Conductor::new(plan.clone());
                pen.records.iter().for_each(|record| conductor.replay(record).unwrap());
                conductor.recover("random", &mut pen);
            } else if self.chance.in_hundred(30)
                && let Some(order) = self.order(&conductor)
            {
                inputs.push(order);
            } else if !pending.is_empty() {
                let at = usize::try_from(self.chance.below(pending.len() as u64)).unwrap();
                let effect = pending.remove(at);
                inputs.extend(self.answer(&effect));
            }
        }
        self.check(plan, &pen, reached, text);
    }
}

#[test]
fn every_state_of_the_real_machine_is_one_that_the_proof_reached() {
    let mut seen = Seen::default();
    let (mut nights, mut states, mut too_large) = (0, 0, 0);
    for seed in 0..NIGHTS {
        let mut chance = Chance::new(seed);
        let text = runbook(&mut chance);
        let Some(plan) = plan(&text) else { continue };
        let plan = Arc::new(plan);
        let Some(reached) = Reached::new(&plan) else {
            too_large += 1;
            continue;
        };
        states += reached.count();
        for _ in 0..6 {
            nights += 1;
            let mut night =
                Night { chance: Chance::new(seed * 97 + nights), applied: BTreeSet::new(), seen: &mut seen, checked: 0 };
            night.live(&plan, &reached, &text);
        }
    }
    assert!(too_large * 20 < NIGHTS, "{too_large} plans are too large for the proof");
    println!("{nights} nights over {states} states of facts: {seen:?}");
    assert!(nights > NIGHTS * 3, "only {nights} nights: too many random runbooks are no plans");
    assert!(seen.failures > 1_000 && seen.crashes > 200 && seen.orders > 500 && seen.refusals > 20, "{seen:?}");
    assert_eq!(seen.ends.len(), 4, "not every end was reached: {seen:?}");
}
