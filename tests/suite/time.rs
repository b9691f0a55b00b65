//! Time that means something: the rollback clock, the hold when it runs out, lengths from history, the expected finish.

use std::sync::Arc;

use pointsman::model::{Actor, Digest, Object, RunId, RunOutcome, Span, StepId, Timestamp, Value};
use pointsman::plan::{BuildInput, History, Plan, Took, build};
use pointsman::rehearsal::{Side, Wishes, rehearsal};
use pointsman::run::{Event, Instance, Record, State};
use pointsman::runbook::parse;

use super::cli::Bench;
use super::diagnostics::root;

const OPENS: &str = "2030-01-01T00:00";

fn night(closes: &str, rest: &str) -> Arc<Plan> {
    let text =
        format!("pointsman: 1\nrunbook: night\nwindow: {{ opens: {OPENS}, closes: {closes}, time_zone: UTC }}\nsteps:\n{rest}");
    let source = pointsman::diagnostic::Source::new("night.yaml", &text);
    let (runbook, report) = parse(&source);
    let runbook = runbook.unwrap_or_else(|| panic!("{:?}", report.sorted()));
    let base_dir = root().to_string_lossy().into_owned();
    let built = build(BuildInput {
        runbook: &runbook,
        source: &source,
        roster: None,
        params: Object::new(),
        base_dir,
        edited_by: Ok(Vec::new()),
    });
    Arc::new(built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted())))
}

fn acting(id: &str, needs: &str, timeout: &str) -> String {
    format!(
        "  {id}:\n    needs: [{needs}]\n    action: command\n    with: {{ argv: [\"true\"] }}\n    timeout: {timeout}\n    in_doubt: ask\n    \
         undo: {{ action: command, with: {{ argv: [\"true\"] }} }}\n"
    )
}

/// A fold of a run in which these steps have begun, or have succeeded.
fn after(plan: &Arc<Plan>, begun: &[(&str, bool)]) -> State {
    let at = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    let started = Event::RunStarted {
        run: RunId::new("night-1"),
        runbook: "night".to_owned(),
        plan: Digest::ZERO,
        starter: Actor::local(1, "ann"),
    };
    let mut events = vec![started];
    for (step, over) in begun {
        let (step, attempt) = (StepId::new(step), 1);
        events.push(Event::AttemptStarted {
            step: step.clone(),
            attempt,
            params: Value::Null,
            identity: Value::Null,
            snapshot: Value::Null,
            timeout_ms: 1,
        });
        if *over {
            events.push(Event::AttemptSucceeded { step, attempt, outputs: Value::Null, evidence: Value::Null });
        }
    }
    let mut state = State::new(plan.clone());
    for (seq, event) in (1..).zip(events) {
        state.apply(&Record { seq, epoch: 1, at, uptime_ms: 0, event }).unwrap();
    }
    state
}

#[test]
fn the_clock_is_the_window_less_the_longest_chain_of_undos() {
    let steps = acting("a", "", "10m") + &acting("b", "a", "20m") + &acting("c", "a", "5m");
    let plan = night("2030-01-01T06:00", &steps);
    let minutes = |begun: &[(&str, bool)]| after(&plan, begun).rollback_clock().unwrap().path_back.as_millis() / 60_000;
    assert_eq!(minutes(&[]), 0, "nothing ran, so nothing is undone");
    assert_eq!(minutes(&[("a", false)]), 10, "what is under way is undone too");
    assert_eq!(minutes(&[("a", true), ("c", true)]), 15);
    assert_eq!(minutes(&[("a", true), ("c", true), ("b", false)]), 30, "b and c are undone side by side, then a");
    let clock = after(&plan, &[("a", true), ("b", true)]).rollback_clock().unwrap();
    assert_eq!(clock.last_moment().to_string(), "2030-01-01T05:30:00.000Z");
    assert_eq!(clock.left_ms(Timestamp::parse("2030-01-01T05:31:00Z").unwrap()), -60_000);
}

#[test]
fn there_is_no_clock_past_the_point_of_no_return_and_none_without_a_window() {
    let gate = "  go:\n    needs: [a]\n    action: gate.approval\n    with: { approvers: { commander: 1 }, prompt: Go? }\n";
    let last = acting("b", "go", "20m").replace("    undo:", "    point_of_no_return: gone\n    undo:");
    let steps = acting("a", "", "10m") + gate + &last;
    let plan = night("2030-01-01T06:00", &steps);
    assert!(after(&plan, &[("a", true)]).rollback_clock().is_some());
    assert_eq!(after(&plan, &[("a", true), ("b", false)]).rollback_clock(), None);
}

/// The virtual clock of the rehearsal, and the very state machine of a live run.
#[test]
fn a_clock_that_runs_out_holds_the_run_until_a_person_says_what_to_do() {
    let steps = acting("a", "", "10m")
        + "  pause:\n    needs: [a]\n    action: gate.hold\n    with: { duration: 55m }\n"
        + &acting("b", "pause", "10m");
    let held = rehearsal(&night("2030-01-01T01:00", &steps), &History::default(), &Wishes::default()).quiet;
    assert_eq!((held.end.outcome, &held.end.side), (Some(RunOutcome::RolledBack), &Side::Old), "{held:?}");
    let order = held.needs.iter().find(|need| need.what == "rollback").unwrap_or_else(|| panic!("nobody was asked: {held:?}"));
    assert_eq!(order.asked_ms, 50 * 60_000, "ten minutes before the window closes");
    assert!(held.steps.iter().all(|(step, ..)| step.as_str() != "b"), "nothing new started: {held:?}");
    let free = rehearsal(&night("2030-01-01T03:00", &steps), &History::default(), &Wishes::default()).quiet;
    assert_eq!((free.end.side, free.needs.len()), (Side::New, 0), "a longer window asks nobody");
}

#[test]
fn the_forecast_takes_medians_and_shows_slack() {
    let steps = acting("a", "", "10m") + &acting("b", "a", "20m") + &acting("c", "a", "5m");
    let plan = night("2030-01-01T06:00", &steps);
    let mut history = History::of_runs(3);
    for (step, seconds) in [("a", [1, 2, 3]), ("b", [10, 20, 90]), ("c", [4, 5, 6])] {
        seconds.into_iter().for_each(|s| history.add(Took::Work, &StepId::new(step), Span::from_secs(s)));
    }
    let forecast = plan.forecast(&history, |_, usual| usual);
    assert_eq!((forecast.usual, forecast.slow), (Span::from_secs(22), Span::from_secs(93)));
    let path: Vec<&str> = forecast.path.iter().map(|at| plan.step(*at).id.as_str()).collect();
    assert_eq!(path, ["a", "b"]);
    let slack: Vec<_> = forecast.slack.iter().map(|(at, span)| (plan.step(*at).id.as_str(), *span)).collect();
    assert_eq!(slack, [("c", Span::from_secs(15))]);
    assert_eq!(forecast.measured, (3, 3));
    let done = after(&plan, &[("a", true)]);
    let left =
        plan.forecast(&history, |at, usual| if done.step(Instance::of(at)).status.is_over() { Span::default() } else { usual });
    assert_eq!(left.usual, Span::from_secs(20));
}

#[test]
fn runs_become_history_and_history_becomes_a_forecast() {
    let bench = Bench::new();
    let steps = "steps:\n  one:\n    action: command\n    with: { argv: [sleep, \"0.2\"] }\n    in_doubt: ask\n    undo: { nothing: it \
                 only sleeps }\n  two:\n    needs: [one]\n    action: command.check\n    with: { argv: [\"true\"] }\n";
    let file = bench.runbook("measured", steps);
    let file = file.to_str().unwrap();
    assert_eq!(bench.json(&["plan", file, "--json"])["expected"], Value::Null, "nothing was ever measured");
    for _ in 0..2 {
        assert_eq!(bench.say(&["run", file]).code, 0);
    }
    let expected = bench.json(&["plan", file, "--json"])["expected"].clone();
    assert_eq!((&expected["runs"], &expected["measured"], &expected["steps"]), (&2.into(), &2.into(), &2.into()), "{expected}");
    assert!(expected["work_p50_ms"].as_u64().unwrap() >= 200, "it slept for 200 ms: {expected}");
    let said = bench.say(&["plan", file]);
    assert!(said.out.contains("Time, expected from 2 runs"), "{said:?}");
    let found = bench.json(&["rehearse", file, "--json"]);
    assert_eq!((&found["measured_runs"], &found["unmeasured"]), (&2.into(), &serde_json::json!([])), "{found}");
}

#[test]
fn the_clock_counts_undos_that_wait_for_a_place() {
    let steps: String = (0..5).map(|n| acting(&format!("s{n}"), "", "60s")).collect();
    let begun: Vec<(String, bool)> = (0..5).map(|n| (format!("s{n}"), true)).collect();
    let begun: Vec<(&str, bool)> = begun.iter().map(|(step, over)| (step.as_str(), *over)).collect();
    let back = |places: u32| {
        let rest = format!("{steps}defaults: {{ max_concurrent: {places} }}\n");
        after(&night("2030-01-01T06:00", &rest), &begun).rollback_clock().unwrap().path_back
    };
    assert_eq!(back(5), Span::from_secs(60), "each has a place");
    assert_eq!(back(2), Span::from_secs(60 + 120), "the other four share two places");
    assert_eq!(back(1), Span::from_secs(300), "one behind the other");
    let plan = night("2030-01-01T06:00", &format!("{steps}defaults: {{ max_concurrent: 2 }}\n"));
    assert_eq!(after(&plan, &begun[..2]).rollback_clock().unwrap().path_back, Span::from_secs(60));
}

const BEARING: &str = "pointsman: 1
runbook: bearing
targets:
  old: { connector: sqlite, path: old.db }
  new: { connector: sqlite, path: new.db }
move: { from: old, to: new, clients_bear: 30s }
steps:
  look: { action: gate.hold, with: { duration: 5m } }
  go: { needs: [look], action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? } }
  freeze: { needs: [go], action: sqlite.freeze_writes, target: old }
  count: { needs: [freeze], action: check.tables, with: { source: old, target: new, tables: [orders] } }
  open:
    needs: [count]
    action: sqlite.allow_writes
    target: new
    point_of_no_return: the new side takes writes
";

fn bearing_plan(text: &str) -> Arc<Plan> {
    let source = pointsman::diagnostic::Source::new("bearing.yaml", text);
    let runbook = parse(&source).0.unwrap();
    let built = build(BuildInput::of(&runbook, &source));
    Arc::new(built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted())))
}

#[test]
fn the_time_inside_the_freeze_is_held_against_what_clients_bear() {
    let plan = bearing_plan(BEARING);
    let found = plan.bearings(&History::default());
    assert_eq!((found.len(), found[0].fits(), found[0].unmeasured), (1, true, 3), "{found:?}");
    assert!(found[0].slow < Span::from_secs(10), "neither the hold nor the gate before it counts: {found:?}");
    let mut history = History::of_runs(10);
    for (step, seconds) in [("freeze", [1, 2]), ("count", [20, 40]), ("open", [1, 1])] {
        seconds.into_iter().for_each(|s| history.add(Took::Work, &StepId::new(step), Span::from_secs(s)));
    }
    let found = plan.bearings(&history);
    assert_eq!((found[0].usual, found[0].slow), (Span::from_secs(22), Span::from_secs(43)));
    assert!(!found[0].fits() && found[0].unmeasured == 0);
    // Somebody is asked inside: nobody knows how long that takes, until it was measured.
    let asked = BEARING.replace("needs: [count]", "needs: [sure]").replace(
        "  open:",
        "  sure: { needs: [count], action: gate.approval, with: { approvers: { dba: 1 }, prompt: Sure? } }\n  open:",
    );
    let plan = bearing_plan(&asked);
    let found = plan.bearings(&History::default());
    assert!(!found[0].fits() && plan.step(found[0].people[0]).id.as_str() == "sure", "{found:?}");
    let mut history = History::of_runs(1);
    history.add(Took::People, &StepId::new("sure"), Span::from_secs(3));
    let found = plan.bearings(&history);
    assert!(found[0].fits() && found[0].people.is_empty(), "{found:?}");
}

/// A fold in which the freeze began, was proven, and perhaps was opened; each a second behind the other.
#[test]
fn a_freeze_that_lasts_longer_than_clients_bear_is_noted_once() {
    use pointsman::run::{Conductor, Input, Preparation, Recording, RunNote, Success};
    #[derive(Default)]
    struct Book(Vec<Record>, Timestamp);
    impl Recording for Book {
        fn record(&mut self, event: Event) -> &Record {
            let seq = self.0.len() as u64 + 1;
            self.0.push(Record { seq, epoch: 1, at: self.1, uptime_ms: 0, event });
            self.0.last().unwrap()
        }
    }
    let text =
        BEARING.replace("  go: { needs: [look], action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? } }\n", "");
    let text = text.replace(
        "  look: { action: gate.hold, with: { duration: 5m } }\n",
        "  go: { action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? } }\n",
    );
    let plan = bearing_plan(&text);
    let mut book = Book(Vec::new(), Timestamp::from_millis(0));
    let mut conductor = Conductor::new(plan.clone());
    let starter = Actor::local(1, "ann");
    let (run, runbook) = (RunId::new("bearing-1"), "bearing".to_owned());
    conductor.note(Event::RunStarted { run, runbook, plan: plan.digest(), starter }, &mut book);
    let at = |step: &str| Instance::of(plan.find(&StepId::new(step)).unwrap());
    let mut turn = |conductor: &mut Conductor, seconds: i64, input: Option<Input>| {
        book.1 = Timestamp::from_millis(seconds * 1_000);
        conductor.turn(input.into_iter().collect(), book.1, &mut book);
        let told = |record: &&Record| matches!(&record.event, Event::RunNoted { note: RunNote::FreezeOutlasted { .. } });
        book.0.iter().filter(told).count()
    };
    turn(&mut conductor, 0, None);
    let approve = pointsman::run::Command::Approve { step: StepId::new("go"), note: String::new() };
    turn(&mut conductor, 1, Some(Input::Ordered(approve, Actor::local(2, "bob"))));
    assert_eq!(conductor.state().next_timer(), None, "nothing is frozen");
    turn(&mut conductor, 2, Some(Input::Prepared(at("freeze"), 1, Ok(Preparation::default()))));
    assert_eq!(conductor.state().next_timer(), Some(Timestamp::from_millis(32_000)));
    turn(&mut conductor, 3, Some(Input::Applied(at("freeze"), 1, Ok(Success::default()))));
    assert_eq!(turn(&mut conductor, 31, None), 0);
    assert_eq!(conductor.state().frozen_now().next().map(|(frozen, _)| frozen.to_owned()), Some("old".to_owned()));
    assert_eq!(turn(&mut conductor, 32, None), 1);
    assert_eq!(turn(&mut conductor, 60, None), 1, "once");
    assert_eq!(conductor.state().next_timer(), None);
    for step in ["count", "open"] {
        turn(&mut conductor, 61, Some(Input::Prepared(at(step), 1, Ok(Preparation::default()))));
        turn(&mut conductor, 62, Some(Input::Applied(at(step), 1, Ok(Success::default()))));
    }
    assert_eq!(conductor.state().frozen_now().count(), 0, "the new side is open");
}

#[test]
fn what_clients_bear_is_shown_in_plan_and_readiness() {
    let plan = bearing_plan(BEARING);
    let shown = pointsman::views::ink::text(&pointsman::views::bearing::of_plan(&plan, &History::default()));
    assert!(shown.contains("bear 30s; nobody writes to old for") && shown.contains("from default lengths"), "{shown}");
    let found = rehearsal(&plan, &History::default(), &Wishes::default());
    let text = pointsman::views::ink::text(&pointsman::views::readiness::text(&plan, &found));
    assert!(text.contains("clients") && text.contains("bear 30s:"), "{text}");
}
