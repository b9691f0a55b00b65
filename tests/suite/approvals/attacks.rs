//! The list of attacks on approvals, each as a test. A refusal leaves the gate as it was, and is on record with its reason.

use std::time::Duration;

use pointsman::authority::{Decision, NAMESPACE, Signed, Statement};
use pointsman::model::{Actor, Digest, Object, PersonId, RoleName, RunId, StepId, Value};
use pointsman::run::{Answer, Command, Input, StepStatus};

use super::{PERSONS, ROSTER, RUNBOOK, Stage, chain, new_key, openssh_takes, plan, sign};

/// What is done to a statement before it is signed.
type Alteration = Box<dyn FnOnce(&mut Statement)>;

/// Submits what is signed, and demands that it is refused for a reason with these words.
fn refused(stage: &mut Stage, signed: Signed, part: &str) {
    let before = stage.approved().len();
    match stage.submit(signed) {
        Answer::Forbidden(why) => assert!(why.contains(part), "{why}\nshould say: {part}"),
        other => panic!("{other:?}, and it should be refused: {part}"),
    }
    assert!(stage.refusal().contains(part), "{}", stage.refusal());
    assert_eq!(stage.approved().len(), before, "a refused approval counts");
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople);
}

/// Alice's approval with something about it changed, well signed by her.
fn altered(stage: &Stage, alter: impl FnOnce(&mut Statement)) -> Signed {
    let mut statement = stage.statement("alice", "dba", Decision::Approve);
    alter(&mut statement);
    stage.sign(&statement)
}

#[test]
fn two_persons_with_the_role_open_the_gate_and_the_record_says_how() {
    let mut stage = Stage::new();
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople);
    assert_eq!(stage.approve("bob", "dba"), Answer::Accepted);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
    let by = stage.state().grants(stage.at("gate"))[0].clone();
    assert!(by.to_string().contains("SSH signature, key SHA256:"), "{by}");
    // What the record carries is enough for OpenSSH alone.
    let (statement, signature) = by.signed().unwrap();
    let signed = Signed { statement: statement.to_owned(), signature: signature.to_owned() };
    assert!(openssh_takes(stage.folder.path(), "alice", &signed, stage.now));
    let replayed = stage.replayed();
    assert_eq!(format!("{:?}", replayed.nonces()), format!("{:?}", stage.state().nonces()));
    assert_eq!(replayed.step(stage.at("act")).status, StepStatus::Succeeded);
}

#[test]
fn a_statement_about_something_else_is_refused() {
    let mut stage = Stage::new();
    let other = || Digest::of(b"another");
    let attacks: Vec<(&str, Alteration)> = vec![
        ("another plan", Box::new(move |s| s.plan = other())),
        ("another run", Box::new(|s| s.run = RunId::new("signed-2"))),
        ("another set of parameters", Box::new(move |s| s.params = other())),
        ("another set of targets", Box::new(move |s| s.targets = other())),
        ("another scope", Box::new(|s| s.scope = "act..act2".to_owned())),
        ("another evidence", Box::new(move |s| s.evidence = other())),
        ("another installation", Box::new(|s| s.installation = "none".to_owned())),
        ("no step", Box::new(|s| s.gate = StepId::new("gate2"))),
        ("chain that this journal does not have", Box::new(move |s| s.journal.1 = other())),
        ("chain that this journal does not have", Box::new(|s| s.journal = (9_999, chain(9_999)))),
        ("this is being asked since record", Box::new(|s| s.journal = (1, chain(1)))),
    ];
    for (part, alter) in attacks {
        let signed = altered(&stage, alter);
        refused(&mut stage, signed, part);
    }
    // A statement for another gate of the same plan says so in the plan's own words.
    let elsewhere = stage.sign(&stage.statement_at("act", "alice", "dba", Decision::Approve));
    assert!(!matches!(stage.submit(elsewhere), Answer::Accepted | Answer::AlreadyDone));
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted, "after all this the true one counts");
}

#[test]
fn a_replay_on_a_changed_plan_or_with_changed_parameters_is_refused() {
    let stage = Stage::new();
    let signed = stage.sign(&stage.statement("alice", "dba", Decision::Approve));
    let changed = RUNBOOK.replace("argv: [act]", "argv: [act, more]");
    let plan_of = |stage: &Stage, text: &str, params: Object| plan(stage.folder.path(), text, params);
    let (text, batch) = (plan_of(&stage, &changed, Object::new()), [("batch".to_owned(), Value::from("full"))]);
    let params = plan_of(&stage, RUNBOOK, batch.into_iter().collect());
    let mut other = Stage::begin_plan(stage.folder, text);
    refused(&mut other, signed.clone(), "another plan");
    let mut other = Stage::begin_plan(other.folder, params);
    refused(&mut other, signed, "another plan");
}

#[test]
fn it_counts_neither_too_early_nor_too_late_nor_when_the_clock_goes_back() {
    let mut stage = Stage::new();
    let minute = Duration::from_secs(60);
    let now = stage.now;
    let early = altered(&stage, |s| s.not_before = now.plus(minute));
    refused(&mut stage, early.clone(), "counts from");
    let brief = altered(&stage, |s| s.not_after = now.plus(minute));
    stage.later(2 * minute);
    refused(&mut stage, brief, "counted until");
    assert_eq!(stage.submit(early), Answer::Accepted, "its time has come");
    // The state machine's now never goes back, whatever the wall clock does: `engine::clock` holds that, and an approval that
    // has lapsed stays lapsed.
    stage.later(Duration::from_secs(7_200));
    stage.settle();
    assert!(stage.approved().is_empty());
    stage.now = now;
    stage.settle();
    assert!(stage.approved().is_empty());
}

#[test]
fn one_person_counts_once_with_however_many_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut signers = String::new();
    for person in PERSONS {
        signers.push_str(&format!("{person} {}\n", new_key(&folder.path().join(person), "ed25519")));
    }
    signers.push_str(&format!("alice {}\n", new_key(&folder.path().join("alice-2"), "ecdsa")));
    std::fs::write(folder.path().join("signers"), signers).unwrap();
    std::fs::write(folder.path().join("people.yaml"), ROSTER).unwrap();
    let mut stage = Stage::begin(folder, RUNBOOK);
    assert_eq!(stage.approve("alice", "dba"), Answer::Accepted);
    let second = stage.statement("alice", "dba", Decision::Approve).to_string();
    let signature = sign(&stage.key("alice-2"), NAMESPACE, &second);
    assert_eq!(stage.submit(Signed { statement: second, signature }), Answer::AlreadyDone);
    assert_eq!(stage.approved(), ["alice"]);
    assert_eq!(stage.status("gate"), StepStatus::AwaitingPeople);
}

#[test]
fn whoever_lacks_the_role_or_owns_the_runbook_or_is_nobody_is_refused() {
    let mut stage = Stage::new();
    let signed = stage.sign(&stage.statement("carol", "tester", Decision::Approve));
    refused(&mut stage, signed, "none of the roles");
    let claimed = stage.sign(&stage.statement("carol", "dba", Decision::Approve));
    refused(&mut stage, claimed, "does not have the role");
    let author = stage.sign(&stage.statement("dave", "dba", Decision::Approve));
    refused(&mut stage, author, "owns this runbook");
    let mut stranger = stage.statement("alice", "dba", Decision::Approve);
    stranger.approver = PersonId::new("mallory");
    let text = stranger.to_string();
    let signature = sign(&stage.key("alice"), NAMESPACE, &text);
    refused(&mut stage, Signed { statement: text, signature }, "do not give the key");
    // Somebody else's name over one's own key.
    let text = stage.statement("bob", "dba", Decision::Approve).to_string();
    let signature = sign(&stage.key("alice"), NAMESPACE, &text);
    refused(&mut stage, Signed { statement: text, signature }, "do not give the key");
}

#[test]
fn nobody_approves_unsigned_and_everybody_may_say_no() {
    let mut stage = Stage::new();
    let alice = || Actor { person: Some(PersonId::new("alice")), roles: vec![RoleName::new("dba")], ..Actor::local(1, "alice") };
    let approve = Command::Approve { step: StepId::new("gate"), note: String::new() };
    let answer = stage.turn(vec![Input::Ordered(approve, alice())]).remove(0);
    assert!(matches!(answer, Answer::Forbidden(why) if why.contains("has to be signed")));
    let reject = Command::Reject { step: StepId::new("gate"), reason: "no".to_owned() };
    assert_eq!(stage.turn(vec![Input::Ordered(reject, alice())]), [Answer::Accepted]);
}

#[test]
fn another_namespace_or_another_statement_is_refused() {
    let mut stage = Stage::new();
    let statement = stage.statement("alice", "dba", Decision::Approve).to_string();
    for namespace in ["file", "git", "pointsman-approval@v2", "pointsman-approval@v1x"] {
        let signature = sign(&stage.key("alice"), namespace, &statement);
        refused(&mut stage, Signed { statement: statement.clone(), signature }, "namespace");
    }
    let signature = stage.sign(&stage.statement("alice", "dba", Decision::Approve)).signature;
    refused(&mut stage, Signed { statement, signature }, "does not fit");
}

#[test]
fn a_malleable_signature_is_refused() {
    let mut stage = Stage::new();
    let signed = stage.sign(&stage.statement("alice", "dba", Decision::Approve));
    // s and s + L are the same number modulo the order of the group: a signature that anybody can make of another.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut blob = super::mutations::blob(&signed.signature);
    let at = blob.len() - 32;
    let mut carry = 0_u16;
    for (byte, add) in blob[at..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let signature = super::mutations::armour(&blob);
    refused(&mut stage, Signed { signature, ..signed.clone() }, "does not fit");
    assert_eq!(stage.submit(signed), Answer::Accepted);
}

#[test]
fn a_nonce_counts_once_and_the_same_statement_is_the_same_order() {
    let mut stage = Stage::new();
    let statement = stage.statement("alice", "dba", Decision::Approve);
    let signed = stage.sign(&statement);
    assert_eq!(stage.submit(signed.clone()), Answer::Accepted);
    assert_eq!(stage.submit(signed.clone()), Answer::AlreadyDone);
    let reused = Statement { approver: PersonId::new("bob"), ..stage.statement("bob", "dba", Decision::Approve) };
    let reused = stage.sign(&Statement { nonce: statement.nonce, ..reused });
    refused(&mut stage, reused, "nonce");
    // Withdrawn, and brought again: the nonce is burnt.
    let withdraw = stage.sign(&stage.statement("alice", "dba", Decision::Withdraw));
    assert_eq!(stage.submit(withdraw), Answer::Accepted);
    assert!(stage.approved().is_empty());
    refused(&mut stage, signed, "nonce");
}

#[test]
fn half_approvals_that_race_open_the_gate_once() {
    let mut stage = Stage::new();
    // Both sign against the same head, and the same one is brought twice in one turn.
    let alice = stage.sign(&stage.statement("alice", "dba", Decision::Approve));
    let bob = stage.sign(&stage.statement("bob", "dba", Decision::Approve));
    let inputs = [&alice, &bob, &alice, &bob].map(|signed| stage.input(signed.clone())).into_iter().collect();
    let answers = stage.turn(inputs);
    assert_eq!(answers, [Answer::Accepted, Answer::Accepted, Answer::AlreadyDone, Answer::AlreadyDone]);
    let opened = stage.book.records.iter().filter(|r| matches!(r.event, pointsman::run::Event::ApprovalGranted { .. })).count();
    assert_eq!(opened, 2);
    assert_eq!(stage.status("act"), StepStatus::Succeeded);
}

#[test]
fn a_statement_says_one_thing() {
    let mut stage = Stage::new();
    let true_one = stage.statement("alice", "dba", Decision::Approve).to_string();
    let forms = [
        true_one.replace('\n', "\r\n"),
        true_one.replace("approver: alice\n", "approver: alice\napprover: bob\n"),
        true_one.replace("approver: alice", "approver: \u{430}lice"),
        true_one.replace("approver: alice", "approver: Alice"),
        true_one.replace("role: dba", "role:  dba"),
        format!("{true_one}\n"),
    ];
    for statement in forms {
        let signature = sign(&stage.key("alice"), NAMESPACE, &statement);
        let signed = Signed { statement, signature };
        assert!(matches!(stage.submit(signed), Answer::Forbidden(_)));
        assert!(stage.approved().is_empty());
    }
}
