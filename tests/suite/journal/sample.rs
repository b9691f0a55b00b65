//! Events of every kind, and a reference journal made of them.

use pointsman::journal::head::Clocks;
use pointsman::journal::memory::Memory;
use pointsman::journal::{Nonce, Writer};
use pointsman::model::{
    Actor, Authentication, Digest, Finding, PersonId, RoleName, RunId, RunOutcome, StepId, Timestamp, Touch, Value,
};
use pointsman::run::{Event, Record, Resolver, RollbackCause, RunNote, SkipReason};
use serde_json::json;

pub const NONCE: Nonce = Nonce::from_bytes([7; 16]);

pub fn clocks() -> Clocks {
    Clocks { at: at(0), uptime_ms: 1_000, boot: "4f6b1c62-7a60-4a86-9f0b-8f7f2f6d3c11".to_owned() }
}

pub fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(1_795_219_200_000 + i64::try_from(second).unwrap() * 1_000)
}

pub fn started() -> Event {
    Event::RunStarted {
        run: RunId::new("shop-to-cloud-20261121-k3p9"),
        runbook: "shop-to-cloud".to_owned(),
        plan: Digest::of(b"{}"),
        starter: Actor::local(1000, "alice"),
    }
}

pub fn executor(pid: u32) -> Event {
    Event::ExecutorStarted { pid, host: "night".to_owned(), boot: clocks().boot, version: "0.1.0".to_owned() }
}

/// A small event; `n` makes it differ from the others.
pub fn note(n: u64) -> Event {
    Event::ProgressNoted { step: StepId::new("copy"), attempt: 1, text: format!("{n} rows") }
}

/// At least one event of every kind, every form of every part among them.
pub fn every_event() -> Vec<Event> {
    let step = || StepId::new("freeze-old[3]");
    let alice = || Actor {
        person: Some(PersonId::new("alice")),
        roles: vec![RoleName::new("dba"), RoleName::new("commander")],
        deputy_for: None,
        by: Authentication::Signature {
            key: "SHA256:abc".to_owned(),
            signature: "-----BEGIN SSH SIGNATURE-----\n".to_owned(),
            statement: String::new(),
        },
    };
    let carol = || Actor {
        person: Some(PersonId::new("carol")),
        roles: vec![RoleName::new("dba")],
        deputy_for: Some(PersonId::new("alice")),
        by: Authentication::Signature {
            key: "SHA256:abc".to_owned(),
            signature: "-----BEGIN SSH SIGNATURE-----\n".to_owned(),
            statement: "pointsman-approval v1\n".to_owned(),
        },
    };
    let text = || "was \"quoted\" and\nbroken \u{1F6A6} \u{0}".to_owned();
    let value = || json!({"a": [1, -2, 3.5, true, null, "x"], "z": {"deep": {}}, "b": 18_446_744_073_709_551_615_u64});
    let mut events = vec![
        started(),
        executor(41),
        Event::ExecutorStopped { reason: text() },
        Event::JournalRepaired { bytes: 512, kept: "kept/torn-after-9-epoch-2".to_owned() },
        Event::ClockJumped { by_ms: -3_600_000 },
        Event::Paused { by: alice(), reason: text() },
        Event::Continued { by: alice() },
        Event::AbortOrdered { by: Actor::executor(), reason: text() },
        Event::FinallyStarted { outcome: RunOutcome::RolledBack },
        Event::RunReopened { by: alice() },
        Event::StepSkipped { step: step(), reason: SkipReason::WhenFalse },
        Event::StepSkipped { step: step(), reason: SkipReason::Ordered { by: alice(), reason: text() } },
        Event::StepSpread { step: step(), items: vec![json!("a"), json!(2), value()] },
        Event::GroupEnded { step: step(), failed: vec![step(), StepId::new("x")] },
        Event::WaitStarted { step: step(), prompt: text(), until: Some(at(60)), evidence: value() },
        Event::WaitStarted { step: step(), prompt: String::new(), until: None, evidence: Value::Null },
        // A wait whose end saturated: no calendar has that year, and the record must still be readable.
        Event::WaitStarted { step: step(), prompt: text(), until: Some(Timestamp::from_millis(i64::MAX)), evidence: json!([]) },
        Event::WaitEnded { step: step() },
        Event::WaitExpired { step: step() },
        Event::ApprovalGranted { step: step(), by: alice(), note: text() },
        Event::ApprovalWithdrawn { step: step(), by: alice() },
        Event::GlassBroken { step: step(), by: carol(), reason: text(), opens: Some(at(1_800)) },
        Event::ApprovalLapsed { step: step(), by: carol(), reason: text() },
        Event::GateReopened { step: step(), reason: text(), targets: json!({"new": {"server_id": 910}}) },
        Event::RosterChanged { roster: Value::Null },
        RunNote::Rehearsal { profile: "staging".to_owned() }.event(),
        RunNote::CalledFrom { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned() }.event(),
        RunNote::FreezeOutlasted { frozen: text(), bear_ms: 30_000 }.event(),
        RunNote::RehearsalSought { found: Value::Null, reason: text() }.event(),
        Event::WaitRejected { step: step(), by: alice(), reason: text() },
        Event::TaskReported { step: step(), by: alice(), answers: value() },
        Event::StepConfirmed { step: step(), by: alice() },
        Event::AttemptStarted {
            step: step(),
            attempt: 1,
            params: value(),
            identity: json!({"server_id": 101}),
            snapshot: value(),
            timeout_ms: u64::MAX,
        },
        Event::QuestionAsked {
            step: step(),
            attempt: 1,
            question: "SHOW GRANTS FOR 'shop_app'@'%'".to_owned(),
            duration_ms: 1,
            result: "2 rows".to_owned(),
        },
        Event::StatementSent {
            step: step(),
            attempt: 1,
            statement: "REVOKE INSERT ON shop.* FROM 'shop_app'@'%'".to_owned(),
            duration_ms: 36,
            result: "ok".to_owned(),
        },
        Event::OutputCaptured { step: step(), attempt: 1, stream: "stdout".to_owned(), text: text() },
        Event::ProgressNoted { step: step(), attempt: u32::MAX, text: text() },
        Event::AttemptSucceeded { step: step(), attempt: 1, outputs: value(), evidence: value() },
        Event::AttemptInterrupted { step: step(), attempt: 1, reason: text() },
        Event::LateResultIgnored { step: step(), attempt: 1, result: text() },
        Event::RetryOrdered { step: step(), by: alice() },
        Event::UndoStarted { step: step(), attempt: 1, params: value() },
        Event::UndoSucceeded { step: step(), attempt: 1, evidence: value() },
        Event::UndoFailed { step: step(), attempt: 1, error: text(), manual: vec![text(), "GRANT …".to_owned()] },
        Event::UndoInterrupted { step: step(), attempt: 1, reason: text() },
        Event::UndoResolved { step: step(), finding: Finding::Applied, by: alice() },
        Event::StartRefused { step: step(), reason: text() },
        Event::CommandRefused { command: "approve".to_owned(), by: Actor::local(0, "root"), reason: text() },
    ];
    for touch in [Touch::Untouched, Touch::Possible] {
        let retry_at = (touch == Touch::Untouched).then(|| at(5));
        events.push(Event::AttemptFailed { step: step(), attempt: 2, error: text(), touch, retry_at });
    }
    for finding in [Finding::Applied, Finding::NotApplied, Finding::Partial(text()), Finding::Unknown(text())] {
        events.push(Event::AttemptProbed { step: step(), attempt: 1, finding, evidence: value() });
    }
    for by in [Resolver::Probe, Resolver::Policy, Resolver::Person(alice())] {
        events.push(Event::AttemptResolved { step: step(), attempt: 1, finding: Finding::NotApplied, by, outputs: json!({}) });
    }
    for cause in [
        RollbackCause::StepFailed(step()),
        RollbackCause::Rejected(step()),
        RollbackCause::DeadlinePassed(step()),
        RollbackCause::Ordered { by: alice(), reason: text() },
    ] {
        events.push(Event::RollbackStarted { cause });
    }
    for outcome in [RunOutcome::Succeeded, RunOutcome::RolledBack, RunOutcome::NeedsAttention, RunOutcome::Aborted] {
        events.push(Event::RunEnded { outcome });
    }
    events
}

/// A new journal on a new disk.
pub fn create(memory: &Memory) -> Writer {
    Writer::create(memory.clone(), NONCE, clocks()).unwrap()
}

/// Appends one batch and commits it.
pub fn commit(writer: &mut Writer, events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let records = events
        .into_iter()
        .map(|event| {
            let seq = writer.appended().seq + 1;
            writer.append(at(seq), 1_000 * seq, event).unwrap()
        })
        .collect();
    writer.commit().unwrap();
    records
}

/// Every record that an open journal holds.
pub fn read_all(writer: &Writer) -> Vec<Record> {
    writer.records().collect::<Result<_, _>>().unwrap()
}
