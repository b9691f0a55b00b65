//! Views of states that were made by hand: no engine, no clock, the same text every time.

use std::sync::Arc;
use std::time::Duration;

use pointsman::diagnostic::Source;
use pointsman::model::{Actor, RunId, RunOutcome, StepId, Timestamp, Touch, Value};
use pointsman::plan::{BuildInput, Plan, build};
use pointsman::run::{Event, Record, RollbackCause, State};
use pointsman::runbook::parse;
use pointsman::views::line::Columns;
use pointsman::views::live::{Mood, frame};
use pointsman::views::status::{self, Life};
use pointsman::views::{Invocation, Line, Tone, card, ink, run_summary};
use serde_json::json;

pub const NIGHT: &str = "
pointsman: 1
runbook: night
title: Move the shop
window: { opens: 2026-11-21T00:00, closes: 2026-11-21T06:00, time_zone: Asia/Shanghai }
steps:
  freeze:
    action: command
    with: { argv: [freeze] }
    in_doubt: ask
    undo: { action: command, with: { argv: [thaw] } }
  copy:
    needs: [freeze]
    foreach: [users, orders]
    action: command
    with: { argv: [copy, '{{ item }}'] }
    in_doubt: ask
    undo: { nothing: copies are harmless }
  go-live:
    needs: [copy]
    action: gate.approval
    with: { approvers: { dba: 1, commander: 1 }, not: [starter], deadline: 15m, on_deadline: rollback, prompt: Switch to the new side? }
  switch:
    needs: [go-live]
    action: command
    with: { argv: [switch] }
    in_doubt: ask
    undo: { impossible: it is out }
    point_of_no_return: orders do not flow back
";

/// A run that is told event by event.
pub struct Tale {
    pub state: State,
    pub records: Vec<Record>,
    pub now: Timestamp,
}

impl Tale {
    pub fn of(text: &str) -> Self {
        let source = Source::new("night.yaml", text);
        let (runbook, report) = parse(&source);
        assert!(!report.has_errors(), "{report:?}");
        let runbook = runbook.unwrap();
        let input = BuildInput { base_dir: "/srv".to_owned(), ..BuildInput::of(&runbook, &source) };
        let plan = build(input).plan.unwrap();
        Self::begin(plan)
    }

    pub fn begin(plan: Plan) -> Self {
        let digest = plan.digest();
        let now = Timestamp::parse("2026-11-20T17:00:00Z").unwrap();
        let mut tale = Self { state: State::new(Arc::new(plan)), records: Vec::new(), now };
        tale.tell(
            0,
            Event::RunStarted { run: RunId::new("night-1"), runbook: "night".to_owned(), plan: digest, starter: alice() },
        )
    }

    /// `ms` later this happened.
    pub fn tell(&mut self, ms: u64, event: Event) -> Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        let seq = self.state.last_seq() + 1;
        let record = Record { seq, epoch: 1, at: self.now, uptime_ms: 0, event };
        self.state.apply(&record).unwrap();
        self.records.push(record);
        Self { state: self.state.clone(), records: self.records.clone(), now: self.now }
    }

    pub fn begins(&mut self, step: &str) {
        self.attempt(100, step, 1);
    }

    pub fn attempt(&mut self, ms: u64, step: &str, attempt: u32) {
        let step = StepId::new(step);
        let (params, identity) = (Value::Null, Value::Null);
        self.tell(
            ms,
            Event::AttemptStarted { step, attempt, params, identity, snapshot: json!({ "was": 1 }), timeout_ms: 60_000 },
        );
    }

    pub fn succeeds(&mut self, ms: u64, step: &str) {
        let (outputs, evidence) = (json!({ "rows": 812 }), Value::Null);
        self.tell(ms, Event::AttemptSucceeded { step: StepId::new(step), attempt: 1, outputs, evidence });
    }

    pub fn does(&mut self, ms: u64, step: &str) {
        self.begins(step);
        self.succeeds(ms, step);
    }

    pub fn fails(&mut self, ms: u64, step: &str, error: &str) {
        let (step, error) = (StepId::new(step), error.to_owned());
        self.tell(ms, Event::AttemptFailed { step, attempt: 1, error, touch: Touch::Possible, retry_at: None });
    }

    /// Up to the gate, which asks.
    pub fn up_to_the_gate() -> Self {
        let mut tale = Self::of(NIGHT);
        tale.does(1_200, "freeze");
        tale.begins("copy[users]");
        tale.begins("copy[orders]");
        tale.succeeds(2_000, "copy[users]");
        tale.succeeds(500, "copy[orders]");
        tale.tell(1, Event::GroupEnded { step: StepId::new("copy"), failed: Vec::new() });
        let until = Some(tale.now.plus(Duration::from_secs(900)));
        let prompt = "Switch to the new side?".to_owned();
        let evidence = json!({ "copy": { "rows": 812 } });
        tale.tell(1, Event::WaitStarted { step: StepId::new("go-live"), prompt, until, evidence });
        tale.tell(60_000, Event::ApprovalGranted { step: StepId::new("go-live"), by: bob(), note: "counts seen".to_owned() });
        tale
    }

    /// Turned back at the copy; the undo of the freeze failed.
    pub fn stuck() -> Self {
        let mut tale = Self::of(NIGHT);
        tale.does(1_200, "freeze");
        tale.begins("copy[users]");
        tale.fails(700, "copy[users]", "no space left on device");
        tale.tell(1, Event::RollbackStarted { cause: RollbackCause::StepFailed(StepId::new("copy[users]")) });
        let undo = tale.state.plan().steps().iter().find(|s| s.id.as_str().starts_with("undo")).map(|s| s.id.clone()).unwrap();
        tale.tell(1, Event::StepSpread { step: undo.clone(), items: vec![json!("freeze")] });
        let freeze = StepId::new("freeze");
        tale.tell(1, Event::UndoStarted { step: freeze.clone(), attempt: 1, params: Value::Null });
        let (error, manual) = ("thaw: connection refused".to_owned(), vec!["ALTER USER shop ACCOUNT UNLOCK;".to_owned()]);
        tale.tell(300, Event::UndoFailed { step: freeze.clone(), attempt: 1, error, manual });
        tale.tell(1, Event::GroupEnded { step: undo, failed: vec![freeze] });
        tale.tell(1, Event::FinallyStarted { outcome: RunOutcome::NeedsAttention });
        tale.tell(1, Event::RunEnded { outcome: RunOutcome::NeedsAttention });
        tale
    }
}

pub fn alice() -> Actor {
    Actor::local(1000, "alice")
}

pub fn bob() -> Actor {
    Actor::local(1001, "bob")
}

fn how() -> Invocation {
    Invocation::default()
}

#[test]
fn the_status_of_a_run_that_waits_for_a_decision() {
    let tale = Tale::up_to_the_gate();
    insta::assert_snapshot!(redacted(&tale, &status::text(&tale.state, tale.now, Life::Driven, &how())));
}

#[test]
fn the_status_of_a_run_that_nobody_drives() {
    let mut tale = Tale::of(NIGHT);
    tale.begins("freeze");
    tale.tell(10, Event::AttemptInterrupted { step: StepId::new("freeze"), attempt: 1, reason: "the executor died".to_owned() });
    insta::assert_snapshot!(redacted(&tale, &status::text(&tale.state, tale.now, Life::Left, &how())));
}

#[test]
fn the_status_for_programs() {
    let tale = Tale::up_to_the_gate();
    let mut json = status::json(&tale.state, Life::Driven, &how());
    assert_eq!(json["plan"], tale.state.plan().digest().to_string());
    json["plan"] = json!("sha256:…");
    insta::assert_json_snapshot!(json);
}

#[test]
fn the_end_of_a_run_that_needs_attention() {
    let tale = Tale::stuck();
    insta::assert_snapshot!(ink::text(&run_summary::text(&tale.state, tale.now, &how())));
}

#[test]
fn the_rollback_card() {
    let tale = Tale::up_to_the_gate();
    insta::assert_snapshot!(ink::text(&card::text(&tale.state)));
    let mut tale = Tale::stuck();
    tale.now = tale.now.plus(Duration::from_secs(1));
    insta::assert_snapshot!("the_rollback_card_after_a_failed_undo", ink::text(&card::text(&tale.state)));
}

#[test]
fn the_lines_of_a_run() {
    let mut all = Vec::new();
    for tale in [Tale::up_to_the_gate(), Tale::stuck()] {
        let columns = Columns::of(tale.state.plan());
        let lines: Vec<Line> = tale.records.iter().map(|record| columns.numbered(record)).collect();
        all.push(redacted(&tale, &lines));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_live_frame() {
    let tale = Tale::up_to_the_gate();
    let shown = |height, mood| ink::text(&frame(&tale.state, tale.now, height, mood, &how()));
    insta::assert_snapshot!("the_live_frame", shown(40, Mood::Driving));
    insta::assert_snapshot!("the_live_frame_of_a_small_terminal", shown(14, Mood::Suspending));
}

#[test]
fn the_live_frame_fits_and_keeps_the_question() {
    let tale = Tale::up_to_the_gate();
    for height in 6..40 {
        let lines = frame(&tale.state, tale.now, height, Mood::Driving, &how());
        assert!(lines.len() <= height, "{} lines in {height}", lines.len());
        let text = ink::text(&lines);
        assert!(text.contains("pointsman approve night-1 go-live"), "{height}: {text}");
        assert!(text.starts_with("night-1"), "{height}: {text}");
    }
}

#[test]
fn a_long_plan_folds_up_around_what_is_busy() {
    let mut steps = String::new();
    for number in 0..500 {
        let needs = if number == 0 { String::new() } else { format!("needs: [s{}], ", number - 1) };
        steps.push_str(&format!(
            "  s{number}: {{ {needs}action: command, with: {{ argv: [x] }}, in_doubt: ask, undo: {{ nothing: test }} }}\n"
        ));
    }
    let mut tale = Tale::of(&format!("pointsman: 1\nrunbook: long\nsteps:\n{steps}"));
    for number in 0..250 {
        tale.does(1, &format!("s{number}"));
    }
    tale.begins("s250");
    let lines = frame(&tale.state, tale.now, 20, Mood::Driving, &how());
    assert!(lines.len() <= 20);
    let text = ink::text(&lines);
    assert!(text.contains("s250") && text.contains("running"), "{text}");
    assert!(text.contains("succeeded") && text.contains("pending"), "the rest is counted: {text}");
}

#[test]
fn tones_only_paint() {
    let tale = Tale::up_to_the_gate();
    let lines = status::text(&tale.state, tale.now, Life::Driven, &how());
    let mut painted = ink::ansi(&lines);
    for tone in Tone::ALL {
        if !tone.ansi().is_empty() {
            painted = painted.replace(tone.ansi(), "");
        }
    }
    assert_eq!(painted.replace("\u{1b}[0m", ""), ink::text(&lines));
}

/// The digest of a plan changes with every field that a plan gets.
fn redacted(tale: &Tale, lines: &[Line]) -> String {
    let digest = tale.state.plan().digest();
    ink::text(lines).replace(&digest.to_string(), "sha256:…").replace(&digest.short(), "…")
}
