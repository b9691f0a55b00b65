//! When the usual people do not answer: another role after the deadline, the broken glass, and protected steps.

use std::time::Duration;

use pointsman::authority::Decision;
use pointsman::model::{Actor, PersonId, RoleName, StepId};
use pointsman::run::{Answer, Command, Event, Input, Phase, StepStatus};

use super::{ROSTER, RUNBOOK, Stage};

const MINUTE: Duration = Duration::from_secs(60);

/// The gate of two with more keys of its own.
fn stage(more: &str) -> Stage {
    Stage::of(&RUNBOOK.replace("not: [starter, author], ", &format!("{more}, ")), ROSTER)
}

fn say(stage: &mut Stage, person: &str, role: &str, decision: Decision) -> Answer {
    let signed = stage.sign(&stage.statement(person, role, decision));
    stage.submit(signed)
}

fn unsigned(stage: &mut Stage, person: &str, role: &str, command: Command) -> Answer {
    let actor = Actor { person: Some(PersonId::new(person)), roles: vec![RoleName::new(role)], ..Actor::local(1, person) };
    stage.turn(vec![Input::Ordered(command, actor)]).remove(0)
}

#[test]
fn after_the_deadline_another_role_fills_a_place_and_the_deadline_itself_none() {
    let mut stage = stage("deadline: 10m, on_deadline: escalate, escalate_to: commander");
    assert!(
        matches!(say(&mut stage, "bob", "commander", Decision::Approve), Answer::Forbidden(why) if why.contains("none of the roles"))
    );
    assert_eq!(say(&mut stage, "alice", "dba", Decision::Approve), Answer::Accepted);
    stage.later(11 * MINUTE);
    stage.settle();
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople, "a deadline never approves");
    assert_eq!(say(&mut stage, "bob", "commander", Decision::Approve), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
}

#[test]
fn two_persons_break_the_glass_and_one_alone_waits_for_the_delay() {
    let glass = "break_glass: { role: dba, delay: 30m }";
    let mut two = stage(glass);
    assert_eq!(say(&mut two, "alice", "dba", Decision::BreakGlass), Answer::Accepted);
    assert_eq!(say(&mut two, "alice", "dba", Decision::BreakGlass), Answer::AlreadyDone);
    assert_eq!(two.status("gate"), StepStatus::AwaitingPeople, "one person is not two");
    assert_eq!(say(&mut two, "bob", "dba", Decision::BreakGlass), Answer::Accepted);
    assert_eq!(two.status("act"), StepStatus::Succeeded);
    assert_eq!(two.state().outputs(two.at("gate"))["break_glass"], true);

    let mut one = stage(glass);
    assert_eq!(say(&mut one, "alice", "dba", Decision::BreakGlass), Answer::Accepted);
    one.later(29 * MINUTE);
    one.settle();
    assert_eq!(one.status("gate"), StepStatus::AwaitingPeople);
    one.later(2 * MINUTE);
    one.settle();
    assert_eq!(one.status("act"), StepStatus::Succeeded);
    assert!(one.book.records.iter().any(|record| matches!(record.event, Event::WaitEnded { .. })));
    assert_eq!(one.replayed().step(one.at("act")).status, StepStatus::Succeeded);
}

#[test]
fn a_deadline_does_not_open_what_one_person_broke_without_a_delay() {
    let mut stage = stage("break_glass: { role: dba }, deadline: 10m, on_deadline: hold");
    assert_eq!(say(&mut stage, "alice", "dba", Decision::BreakGlass), Answer::Accepted);
    stage.later(60 * MINUTE);
    stage.settle();
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople);
}

#[test]
fn a_no_stops_what_the_broken_glass_began() {
    let mut stage = stage("break_glass: { role: dba, delay: 30m }");
    assert_eq!(say(&mut stage, "alice", "dba", Decision::BreakGlass), Answer::Accepted);
    let reject = Command::Reject { step: StepId::new("gate"), reason: "no emergency".to_owned() };
    assert_eq!(unsigned(&mut stage, "bob", "dba", reject), Answer::Accepted);
    stage.later(60 * MINUTE);
    stage.settle();
    assert_ne!(stage.status("act"), StepStatus::Succeeded);
    assert!(!matches!(stage.state().phase(), Phase::Forward));
}

#[test]
fn glass_is_broken_signed_and_only_by_whom_the_gate_names() {
    let mut stage = stage("break_glass: { role: commander }");
    let order = || Command::BreakGlass { step: StepId::new("gate"), reason: "fire".to_owned() };
    assert!(matches!(unsigned(&mut stage, "bob", "commander", order()), Answer::Forbidden(why) if why.contains("signed")));
    assert!(matches!(say(&mut stage, "alice", "dba", Decision::BreakGlass), Answer::Forbidden(_)));
    let mut plain = Stage::new();
    assert!(matches!(say(&mut plain, "bob", "commander", Decision::BreakGlass), Answer::NotApplicable(_)));
}

#[test]
fn a_poll_asks_one_person_of_every_role_and_a_roll_call_too() {
    for action in ["gate.poll", "gate.roll_call"] {
        let text = RUNBOOK
            .replace("gate.approval", action)
            .replace("approvers: { dba: 2 }, not: [starter, author]", "roles: [dba, commander]");
        let mut stage = Stage::of(&text, ROSTER);
        assert_eq!(say(&mut stage, "bob", "dba", Decision::Approve), Answer::Accepted);
        assert_eq!(say(&mut stage, "bob", "commander", Decision::Approve), Answer::AlreadyDone, "nobody counts twice");
        assert_eq!(say(&mut stage, "bob", "dba", Decision::Withdraw), Answer::Accepted);
        assert_eq!(say(&mut stage, "bob", "commander", Decision::Approve), Answer::Accepted);
        assert_eq!(say(&mut stage, "alice", "dba", Decision::Approve), Answer::Accepted);
        assert_eq!(stage.status("act"), StepStatus::Succeeded, "{action}");
    }
}

#[test]
fn a_confirmation_and_an_order_against_a_protected_step_are_signed() {
    let text = "pointsman: 1\nrunbook: signed\nroster: people.yaml\nsteps:\n  act:\n    action: command\n    \
                with: { argv: [act] }\n    in_doubt: ask\n    undo: { nothing: \"a test\" }\n    protected: true\n    \
                confirm: { role: dba }\n  after:\n    needs: [act]\n    action: gate.hold\n    with: { duration: 1s }\n    \
                protected: true\n";
    let mut stage = Stage::of(text, ROSTER);
    assert_eq!(stage.status("act"), StepStatus::AwaitingConfirm);
    let confirm = Command::Approve { step: StepId::new("act"), note: String::new() };
    assert!(matches!(unsigned(&mut stage, "alice", "dba", confirm), Answer::Forbidden(why) if why.contains("signed")));
    let wrong = stage.sign(&stage.statement_at("act", "alice", "dba", Decision::Approve));
    assert!(matches!(stage.submit(wrong), Answer::NotApplicable(_)), "a confirmation says `confirm`");
    let confirm = stage.sign(&stage.statement_at("act", "alice", "dba", Decision::Confirm));
    assert_eq!(stage.submit(confirm), Answer::Accepted);
    assert_eq!(stage.status("after"), StepStatus::AwaitingTime);
    let skip = || Command::Skip { step: StepId::new("after"), reason: "now".to_owned() };
    assert!(matches!(unsigned(&mut stage, "alice", "dba", skip()), Answer::Forbidden(why) if why.contains("signed")));
    let first = stage.sign(&stage.statement_at("after", "alice", "dba", Decision::Skip));
    assert!(matches!(stage.submit(first), Answer::Forbidden(why) if why.contains("second person")));
    let again = stage.sign(&stage.statement_at("after", "alice", "dba", Decision::Skip));
    assert!(matches!(stage.submit(again), Answer::Forbidden(_)), "the same person is no second one");
    let second = stage.sign(&stage.statement_at("after", "bob", "dba", Decision::Skip));
    assert_eq!(stage.submit(second), Answer::Accepted);
    assert_eq!(stage.status("after"), StepStatus::Skipped);
}
