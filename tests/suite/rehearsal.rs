//! Rehearsals of real runbooks: every failure and every death of the executor ends with one side whole, and a runbook that does
//! not is found out.

use std::path::Path;
use std::sync::Arc;

use pointsman::demo::{Side as DemoSide, Story, story::STEPS};
use pointsman::diagnostic::Source;
use pointsman::engine::read_roster;
use pointsman::model::{Object, RoleName, RunOutcome, Span, StepId, Value};
use pointsman::plan::{BuildInput, History, Plan, Took, build};
use pointsman::rehearsal::{Readiness, Remedy, Side, Steps, Trouble, Wishes, rehearsal};
use pointsman::runbook::parse;

use super::diagnostics::root;

/// The plan of a file, with its roster.
fn plan(path: &Path) -> Arc<Plan> {
    // The one parameter of the shipped runbooks that has no default.
    let is_one_module = path.parent().is_some_and(|folder| folder.ends_with("module-by-module"));
    let params = is_one_module.then(|| ("module".to_owned(), Value::from("orders")));
    planned(path, &std::fs::read_to_string(path).unwrap(), params.into_iter().collect())
}

fn planned(path: &Path, text: &str, params: Object) -> Arc<Plan> {
    let source = Source::new("runbook.yaml", text);
    let (runbook, report) = parse(&source);
    let runbook = runbook.unwrap_or_else(|| panic!("{}: {:?}", path.display(), report.sorted()));
    let folder = path.parent().unwrap();
    let roster = runbook.roster.as_ref().map(|name| read_roster(folder, &name.value).unwrap().roster.unwrap());
    let base_dir = folder.to_string_lossy().into_owned();
    let built = build(BuildInput { runbook: &runbook, source: &source, roster, params, base_dir, edited_by: Ok(Vec::new()) });
    Arc::new(built.plan.unwrap_or_else(|| panic!("{}: {:?}", path.display(), built.report.sorted())))
}

fn text(text: &str) -> Arc<Plan> {
    planned(&root().join("tests/plans/none.yaml"), text, Object::new())
}

fn each() -> Wishes {
    Wishes { fail: Steps::Each, ..Wishes::default() }
}

fn whole(name: &str, found: &Readiness) {
    let findings: Vec<String> = found.findings().iter().map(|f| format!("{:?} → {:?}", f.troubles, f.end)).collect();
    assert!(findings.is_empty(), "{name}:\n{}", findings.join("\n"));
}

/// Everything fails, and the executor dies at every moment of each of these nights.
fn ends_whole(name: &str) {
    let file = root().join("runbooks").join(name).join("runbook.yaml");
    let found = rehearsal(&plan(&file), &History::default(), &Wishes { crash: true, ..each() });
    whole(name, &found);
    let idle: Vec<_> = found.points.iter().filter(|point| point.night.struck == 0).map(|point| &point.trouble).collect();
    assert!(idle.is_empty(), "{name}: never tried: {idle:?}");
    let crashes: u64 = found.crashes.iter().map(|crashes| crashes.nights).sum();
    assert!(crashes > 500, "{name}: only {crashes} deaths of the executor");
    assert!(found.crashes.iter().any(|c| c.old > 0) && found.crashes.iter().any(|c| c.new > 0), "both ends are reached");
    let never: Vec<_> = found.undos.iter().filter(|(_, count)| **count == 0).collect();
    assert!(never.is_empty(), "{name}: undos that no night exercised: {never:?}");
}

#[test]
fn the_quickstart_ends_whole_whatever_fails_and_whenever_the_executor_dies() {
    ends_whole("quickstart");
}

#[test]
fn mysql_to_cloud_ends_whole_whatever_fails_and_whenever_the_executor_dies() {
    ends_whole("mysql-to-cloud");
}

/// The deaths of the executor in the quiet night alone: each of these nights with each failure is `pointsman rehearse`'s matter.
#[test]
fn every_shipped_runbook_ends_whole_whatever_fails_or_whenever_the_executor_dies() {
    let folders = std::fs::read_dir(root().join("runbooks")).unwrap().map(|entry| entry.unwrap().path().join("runbook.yaml"));
    let mut files: Vec<_> = folders.filter(|path| path.exists()).collect();
    files.sort();
    let mut problems = Vec::new();
    for file in &files {
        let plan = plan(file);
        let failing = rehearsal(&plan, &History::default(), &each());
        let dying = rehearsal(&plan, &History::default(), &Wishes { crash: true, ..Wishes::default() });
        assert!(dying.crashes[0].nights > 50, "{}: {} deaths", file.display(), dying.crashes[0].nights);
        for found in [failing, dying] {
            let told = found.findings().into_iter().map(|f| format!("{}: {:?} → {:?}", file.display(), f.troubles, f.end));
            problems.extend(told);
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_example_ends_whole_whatever_fails() {
    let mut rehearsed = 0;
    let mut files: Vec<_> = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(char::is_numeric)) {
        let found = rehearsal(&plan(file), &History::default(), &Wishes { seeds: 50, ..each() });
        whole(&file.display().to_string(), &found);
        rehearsed += 1;
    }
    assert!(rehearsed >= 15, "only {rehearsed} examples");
}

/// `demo_night` holds every one of these ends against the real shop with its real databases.
#[test]
fn the_ends_of_the_quickstart_are_those_of_the_real_demo() {
    let plan = plan(&root().join("runbooks/quickstart/runbook.yaml"));
    let found = rehearsal(&plan, &History::default(), &each());
    let mut compared = 0;
    for step in STEPS {
        let expected = match Story::Fail(step).side() {
            DemoSide::Old => Side::Old,
            DemoSide::New => Side::New,
        };
        // What the demo breaks fails before the step changes anything; an answer that is lost is looked after.
        let fails = |trouble: &Trouble| matches!(trouble, Trouble::Fails(_) | Trouble::Refused(_) | Trouble::NobodyAnswers(_));
        for point in found.points.iter().filter(|p| p.trouble.step() == Some(&StepId::new(step)) && fails(&p.trouble)) {
            assert_eq!(point.night.end.side, expected, "{step}: {:?}", point.trouble);
            compared += 1;
        }
    }
    assert!(compared >= STEPS.len(), "only {compared} ends compared");
}

const ONE_WAY: &str = "pointsman: 1
runbook: one-way
steps:
  freeze:
    action: command
    with: { argv: [\"true\"] }
    in_doubt: ask
    undo: { impossible: nobody knows how }
  open:
    needs: [freeze]
    action: command
    with: { argv: [\"true\"] }
    in_doubt: ask
    undo: { action: command, with: { argv: [\"true\"] } }
";

#[test]
fn a_step_that_cannot_be_undone_is_a_finding() {
    let found = rehearsal(&text(ONE_WAY), &History::default(), &each());
    let findings = found.findings();
    assert!(!findings.is_empty(), "a run that fails at `open` leaves `freeze`");
    for finding in findings {
        assert!(matches!(&finding.end.side, Side::Neither(why) if why[0].contains("freeze cannot be undone")), "{finding:?}");
        assert_eq!(finding.end.outcome, Some(RunOutcome::NeedsAttention));
    }
}

const GATE: &str = "pointsman: 1
runbook: gate
roster: people.yaml
steps:
  before:
    action: command
    with: { argv: [\"true\"] }
    in_doubt: ask
    undo: { action: command, with: { argv: [\"true\"] } }
  go:
    needs: [before]
    action: gate.approval
    with: { approvers: { commander: 1 }, prompt: Go? DEADLINE }
  behind:
    needs: [go]
    action: command
    with: { argv: [\"true\"] }
    in_doubt: ask
    undo: { action: command, with: { argv: [\"true\"] } }
";

fn gate(deadline: &str) -> Arc<Plan> {
    text(&GATE.replace(" DEADLINE", deadline))
}

fn absent(deadline: &str) -> Readiness {
    rehearsal(&gate(deadline), &History::default(), &Wishes { absent: vec![RoleName::new("commander")], ..Wishes::default() })
}

#[test]
fn an_absent_role_is_found_where_no_deadline_ends_the_wait() {
    let found = absent("");
    assert_eq!(found.quiet.end.outcome, None);
    assert_eq!(found.quiet.end.waits_at[0].0, StepId::new("go"));
    assert_eq!(found.findings().len(), 1);
    let found = absent(", deadline: 15m, on_deadline: rollback");
    assert_eq!((&found.quiet.end.outcome, &found.quiet.end.side), (&Some(RunOutcome::RolledBack), &Side::Old));
    assert!(found.quiet.took_ms >= 900_000, "virtual time passed: {}", found.quiet.took_ms);
    whole("a deadline", &found);
}

#[test]
fn people_take_their_time_and_are_named() {
    let wishes = Wishes { answer: Span::from_secs(600), ..Wishes::default() };
    let found = rehearsal(&gate(""), &History::default(), &wishes);
    let need = &found.quiet.needs[0];
    assert_eq!((need.role.as_str(), need.what, need.answered_ms - need.asked_ms), ("commander", "approve", 600_000));
    assert_eq!(found.quiet.end.side, Side::New);
}

const WAITS: &str = "pointsman: 1
runbook: waits
steps:
  work:
    action: command
    with: { argv: [\"true\"] }
    timeout: 5s
    in_doubt: ask
    undo: { action: command, with: { argv: [\"true\"] } }
  catch-up:
    needs: [work]
    action: sqlite.drain
    target: old
    with: { table: jobs, pending: { state: pending }, producers: [orders], within: 40s }
    timeout: 1m
targets:
  old: { connector: sqlite, path: old.db }
";

#[test]
fn a_plateau_ends_at_the_deadline_of_the_wait() {
    let found = rehearsal(&text(WAITS), &History::default(), &Wishes { plateau: true, ..Wishes::default() });
    assert_eq!(found.quiet.end.side, Side::Old, "{:?}", found.quiet);
    assert!(found.quiet.struck > 0 && found.quiet.took_ms > 40_000, "{:?}", found.quiet);
}

#[test]
fn a_slow_step_takes_longer_until_its_timeout_ends_it() {
    let slow = |hundredths| Wishes { slow: vec![(StepId::new("work"), hundredths)], ..Wishes::default() };
    let quiet = rehearsal(&text(WAITS), &History::default(), &Wishes::default()).quiet;
    let slower = rehearsal(&text(WAITS), &History::default(), &slow(150)).quiet;
    assert_eq!((&slower.end.side, slower.struck), (&Side::New, 0));
    assert_eq!(slower.took_ms - quiet.took_ms, 1_500);
    let late = rehearsal(&text(WAITS), &History::default(), &slow(300)).quiet;
    assert_eq!((&late.end.side, late.struck), (&Side::New, 1), "a person says what it left: {late:?}");
    assert!(late.needs.iter().any(|need| need.what == "resolve"), "{late:?}");
}

#[test]
fn lengths_come_from_history_where_there_is_one() {
    let mut history = History::of_runs(3);
    for seconds in [2, 3, 4] {
        history.add(Took::Work, &StepId::new("work"), Span::from_secs(seconds));
    }
    let plan = text(WAITS);
    let found = rehearsal(&plan, &history, &Wishes::default());
    let (_, from, until) = &found.quiet.steps[0];
    assert_eq!(until.unwrap() - from, 3_000, "the median");
    assert_eq!(found.unmeasured, [StepId::new("catch-up")]);
}

#[test]
fn the_same_wishes_give_the_same_report() {
    let plan = plan(&root().join("runbooks/quickstart/runbook.yaml"));
    let json = || {
        let found = rehearsal(&plan, &History::default(), &Wishes { seeds: 100, ..each() });
        pointsman::views::readiness::json(&found)
    };
    let first: Value = json();
    assert_eq!(first, json());
    assert_eq!(first["ready"], true);
}

/// Every undo of the shipped runbooks fails: mended or done by hand the old side is whole again, given up the run says what is left.
#[test]
fn every_undo_that_fails_is_mended_done_by_hand_or_said_to_be_left() {
    let mut compared = 0;
    for name in ["quickstart", "mysql-to-cloud", "postgres-major-upgrade", "cache-and-queue"] {
        let plan = plan(&root().join("runbooks").join(name).join("runbook.yaml"));
        let found = rehearsal(&plan, &History::default(), &Wishes { fail_undo: Steps::Each, ..Wishes::default() });
        whole(name, &found);
        for point in &found.undo_points {
            let (end, step) = (&point.night.end, point.trouble.step().unwrap());
            assert!(point.night.struck > 0, "{name}: {:?} behind {:?} was never tried", point.trouble, point.behind);
            match &point.trouble {
                Trouble::UndoFails(_, Remedy::GivenUp) => {
                    assert_eq!(end.outcome, Some(RunOutcome::NeedsAttention), "{name}: {:?}", point.trouble);
                    let Side::Neither(left) = &end.side else {
                        panic!("{name}: {step} was given up and {:?} is whole", end.side)
                    };
                    assert!(left.iter().any(|left| left.contains(step.as_str())), "{name}: {step}: {left:?}");
                }
                _ => assert_eq!(
                    (end.outcome, &end.side),
                    (Some(RunOutcome::RolledBack), &Side::Old),
                    "{name}: {:?}",
                    point.trouble
                ),
            }
            compared += 1;
        }
    }
    assert!(compared > 60, "only {compared} undos");
}

#[test]
fn an_undo_that_fails_needs_somebody_and_the_report_says_whom_and_what_is_left() {
    let plan = plan(&root().join("runbooks/quickstart/runbook.yaml"));
    let wishes = Wishes { fail_undo: Steps::Each, crash: true, ..Wishes::default() };
    let found = rehearsal(&plan, &History::default(), &wishes);
    whole("quickstart", &found);
    let did = |remedy: Remedy| {
        let of = found.undo_points.iter().filter(move |p| matches!(p.trouble, Trouble::UndoFails(_, r) if r == remedy));
        of.flat_map(|point| point.night.needs.iter().map(|need| need.what)).collect::<Vec<_>>()
    };
    assert!(did(Remedy::TriedAgain).contains(&"retry") && did(Remedy::DoneByHand).contains(&"resolve"));
    assert!(did(Remedy::GivenUp).contains(&"skip"));
    let text = pointsman::views::ink::text(&pointsman::views::readiness::text(&plan, &found));
    for part in ["When an undo fails", "its undo fails; mended and tried again", "; left: ", "is still in place"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Undos never failed"));
}
