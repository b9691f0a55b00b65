//! What was approved is held against the run until it is used: what no longer holds does not count, and closes the gate again.

use std::fs;
use std::time::Duration;

use pointsman::authority::Decision;
use pointsman::model::{Actor, Value};
use pointsman::run::{Answer, Command, Event, Input, StepStatus};

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
