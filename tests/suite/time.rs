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
