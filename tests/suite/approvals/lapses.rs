//! What was approved is held against the run until it is used: what no longer holds does not count, and closes the gate again.

use std::fs;
use std::time::Duration;

use pointsman::authority::Decision;
use pointsman::model::{Actor, Rehearsed, RunId, Timestamp, Value};
use pointsman::run::{Answer, Command, Event, Input, RunNote, StepStatus};

use super::{ROSTER, RUNBOOK, Stage};

fn lapsed(stage: &Stage) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::ApprovalLapsed { by, reason, .. } => Some(format!("{}: {reason}", by.name())),
        Event::GateReopened { reason, .. } => Some(format!("gate: {reason}")),
        _ => None,
    };
    stage.book.records.iter().filter_map(|record| text(&record.event)).collect()
}

/// The files were changed, and the engine tells.
fn changed(stage: &Stage) -> Input {
    Input::PeopleChanged(stage.roster().map_or(Value::Null, |roster| serde_json::to_value(roster).unwrap()))
}

#[test]
fn the_first_half_of_a_quorum_lapses_before_the_second_comes() {
    let mut stage = Stage::new();
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    stage.later(Duration::from_secs(3_700));
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.approved(), ["bob"]);
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople);
    assert!(lapsed(&stage)[0].contains("alice: the statement counted until"), "{:?}", lapsed(&stage));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
}

#[test]
fn a_gate_that_opened_and_was_not_used_in_time_closes_again() {
    let mut stage = Stage::new();
    let pause = Command::Pause { reason: "wait".to_owned() };
    let eve = || Actor { person: Some(pointsman::model::PersonId::new("eve")), ..Actor::local(7, "eve") };
    stage.turn(vec![Input::Ordered(pause, eve())]);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!((stage.status("gate"), stage.status("act")), (StepStatus::Succeeded, StepStatus::Pending));
    stage.later(Duration::from_secs(3_700));
    stage.turn(vec![Input::Ordered(Command::Continue, eve())]);
    assert_eq!((stage.status("gate"), stage.status("act")), (StepStatus::AwaitingPeople, StepStatus::Pending));
    assert!(lapsed(&stage)[0].contains("gate: the approval of alice no longer holds"), "{:?}", lapsed(&stage));
    assert_eq!(stage.replayed().step(stage.at("gate")).status, StepStatus::AwaitingPeople);
    // A statement of before does not open it: it names a record from before the gate asked again.
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
    // Used is used: an hour later nothing is taken back.
    stage.later(Duration::from_secs(7_200));
    stage.settle();
    assert_eq!(stage.status("gate"), StepStatus::Succeeded);
}

#[test]
fn a_roster_edited_mid_run_closes_the_gates_and_gives_nobody_anything() {
    let mut stage = Stage::new();
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    let early = stage.sign(&stage.statement("bob", "dba", Decision::Approve));
    // Carol is made a dba while the run waits, and bob loses the role.
    let edited = ROSTER.replace("[tester]", "[tester, dba]").replace("[dba, commander]", "[commander]");
    fs::write(stage.folder.path().join("people.yaml"), edited).unwrap();
    stage.turn(vec![changed(&stage)]);
    assert!(stage.approved().is_empty());
    assert!(lapsed(&stage)[0].contains("alice: the roster"), "{:?}", lapsed(&stage));
    assert!(matches!(stage.approve("carol", "dba"), Answer::Forbidden(_)), "what the edit gives does not count");
    assert!(matches!(stage.submit(early), Answer::Forbidden(_)), "what the edit takes does not count either");
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted, "whom both name can go on");
    assert_eq!(stage.replayed().grants(stage.at("gate")).len(), 1);
}

#[test]
fn a_key_taken_out_of_the_signers_mid_run_counts_no_more() {
    let mut stage = Stage::new();
    let signers = fs::read_to_string(stage.folder.path().join("signers")).unwrap();
    let without: String = signers.lines().filter(|line| !line.starts_with("alice")).map(|line| format!("{line}\n")).collect();
    fs::write(stage.folder.path().join("signers"), without).unwrap();
    stage.turn(vec![changed(&stage)]);
    assert!(matches!(stage.approve("alice", "dba"), Answer::Forbidden(why) if why.contains("do not give the key")));
    // A roster that cannot be read lets nobody approve.
    stage.turn(vec![Input::PeopleChanged(Value::Null)]);
    assert!(matches!(stage.approve("bob", "dba"), Answer::Forbidden(_)));
}

#[test]
fn a_deputy_speaks_with_the_voice_of_whom_they_stand_for() {
    let mut stage = Stage::new();
    let deputy = |stage: &Stage, person: &str, absent: &str| {
        let mut statement = stage.statement(person, "dba", Decision::Approve);
        statement.deputy_for = Some(pointsman::model::PersonId::new(absent));
        stage.sign(&statement)
    };
    let not_hers = deputy(&stage, "carol", "bob");
    assert!(matches!(stage.submit(not_hers), Answer::Forbidden(why) if why.contains("no deputy")));
    let hers = deputy(&stage, "carol", "alice");
    assert_eq!(stage.submit(hers), Answer::Accepted);
    assert!(matches!(stage.approve("alice", "dba"), Answer::Forbidden(why) if why.contains("same voice")));
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
    let by = stage.state().grants(stage.at("gate"))[0].to_string();
    assert!(by.ends_with("deputy of alice"), "{by}");
}

#[test]
fn the_deputy_of_somebody_excluded_is_excluded() {
    let mut stage = Stage::of(&RUNBOOK.replace("owner: dave", "owner: alice"), ROSTER);
    let mut statement = stage.statement("carol", "dba", Decision::Approve);
    statement.deputy_for = Some(pointsman::model::PersonId::new("alice"));
    let signed = stage.sign(&statement);
    assert!(matches!(stage.submit(signed), Answer::Forbidden(why) if why.contains("owns this runbook")));
}

#[test]
fn a_step_that_could_not_be_prepared_has_used_nothing() {
    let text = RUNBOOK.replace("argv: [act] }", "argv: [act] }\n    retry: { max_attempts: 3, backoff: 2h }");
    let mut stage = Stage::of(&text, ROSTER);
    stage.unreachable = true;
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!((stage.status("gate"), stage.status("act")), (StepStatus::Succeeded, StepStatus::BackingOff));
    stage.unreachable = false;
    stage.later(Duration::from_secs(3 * 3_600));
    stage.settle();
    assert_eq!((stage.status("gate"), stage.status("act")), (StepStatus::AwaitingPeople, StepStatus::Pending));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
    assert_eq!(stage.replayed().step(stage.at("act")).status, StepStatus::Succeeded);
}

#[test]
fn a_gate_behind_which_a_person_has_said_no_stays_as_it_is() {
    let text = RUNBOOK.replace(
        "  act:\n    needs: [gate]",
        "  second:\n    needs: [gate]\n    action: gate.approval\n    on_failure: hold\n    with: { approvers: { dba: 1 }, prompt: \"and now?\" }\n  act:\n    needs: [second]",
    );
    let mut stage = Stage::of(&text, ROSTER);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("second"), StepStatus::AwaitingPeople);
    // The first gate closes again, and with it the question of the second.
    stage.later(Duration::from_secs(3_700));
    stage.settle();
    assert_eq!((stage.status("gate"), stage.status("second")), (StepStatus::AwaitingPeople, StepStatus::Pending));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    let no = stage.sign(&stage.statement_at("second", "alice", "dba", Decision::Reject));
    assert_eq!(stage.submit(no), Answer::Accepted);
    assert_eq!(stage.status("second"), StepStatus::Held);
    stage.later(Duration::from_secs(3_700));
    stage.settle();
    assert_eq!(stage.status("act"), StepStatus::Pending);
}

#[test]
fn evidence_that_grew_old_opens_nothing() {
    let mut stage = Stage::of(&RUNBOOK.replace("not: [starter", "evidence_within: 20m, not: [starter"), ROSTER);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    stage.later(Duration::from_secs(21 * 60));
    stage.settle();
    assert!(lapsed(&stage)[0].contains("the evidence of step look is older than 20m"), "{:?}", lapsed(&stage));
    assert!(matches!(stage.approve("bob", "dba"), Answer::Forbidden(why) if why.contains("older than 20m")));
    assert!(stage.approved().is_empty());
}

#[test]
fn a_target_that_answers_as_another_server_closes_the_gate_before_anything_is_sent() {
    let text = RUNBOOK.replace("steps:\n", "targets:\n  db: { connector: sqlite, path: shop.db }\nsteps:\n");
    let query = "action: sqlite.query\n    target: db\n    with: { sql: \"SELECT 1\" }\n";
    let text = text
        .replace("action: command\n    with: { argv: [look] }\n    in_doubt: ask\n    undo: { nothing: \"a test\" }\n", query);
    let text =
        text.replace("action: command\n    with: { argv: [act] }\n    in_doubt: ask\n    undo: { nothing: \"a test\" }\n", query);
    let mut stage = Stage::of(&text, ROSTER);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    let early = stage.sign(&stage.statement("bob", "dba", Decision::Approve));
    stage.hostname = "db2";
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!((stage.status("gate"), stage.status("act")), (StepStatus::AwaitingPeople, StepStatus::Pending));
    assert!(lapsed(&stage)[0].contains("the target db answers as hostname \"db2\""), "{:?}", lapsed(&stage));
    assert!(matches!(stage.submit(early), Answer::Forbidden(why) if why.contains("another set of targets")));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded, "approved as what it is now");
    assert_eq!(stage.replayed().step(stage.at("act")).status, StepStatus::Succeeded);
}

/// A rehearsal as the executor finds it, which ended so long ago.
fn rehearsal(stage: &Stage, run: &str, ago: Duration) -> Input {
    let found = Rehearsed {
        run: RunId::new(run),
        profile: "staging".to_owned(),
        ended: Timestamp::from_millis(stage.now.as_millis() - i64::try_from(ago.as_millis()).unwrap()),
        shape: stage.state().plan().shape(),
        chain: super::chain(1),
        passed_over: Vec::new(),
        other_params: Vec::new(),
    };
    Input::Noted(RunNote::RehearsalSought { found: serde_json::to_value(found).unwrap(), reason: String::new() }.event())
}

#[test]
fn a_rehearsal_that_grew_too_old_or_is_another_one_closes_the_gate() {
    let hour = Duration::from_secs(3_600);
    let mut stage = Stage::of(&RUNBOOK.replace("not: [starter", "rehearsed_within: 168h, not: [starter"), ROSTER);
    assert!(matches!(stage.approve("alice", "dba"), Answer::Forbidden(why) if why.contains("nobody has looked for one yet")));
    let none = RunNote::RehearsalSought { found: Value::Null, reason: "late ended as rolled back".to_owned() };
    stage.turn(vec![Input::Noted(none.event())]);
    assert!(
        matches!(stage.approve("alice", "dba"), Answer::Forbidden(why) if why.contains("none counts: late ended as rolled back"))
    );
    // Half an hour before it is too old.
    let found = rehearsal(&stage, "first", 167 * hour + hour / 2);
    stage.turn(vec![found]);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    stage.later(hour * 3 / 4);
    assert!(matches!(stage.approve("bob", "dba"), Answer::Forbidden(why) if why.contains("the last one, first, ended at")));
    assert!(
        lapsed(&stage)[0].contains("alice: the gate asks for a rehearsal of these steps within 168h"),
        "{:?}",
        lapsed(&stage)
    );
    // What was signed about one rehearsal does not count for another.
    let found = rehearsal(&stage, "second", hour);
    stage.turn(vec![found]);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    let found = rehearsal(&stage, "third", hour);
    stage.turn(vec![found]);
    stage.settle();
    assert!(lapsed(&stage)[1].contains("alice: the statement is about another evidence"), "{:?}", lapsed(&stage));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
    // Used is used.
    stage.later(200 * hour);
    stage.settle();
    assert_eq!(stage.status("gate"), StepStatus::Succeeded);
}
