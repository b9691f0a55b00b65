//! Writing and reading back, without faults.

use std::collections::BTreeSet;

use pointsman::journal::frame::MAX_PAYLOAD;
use pointsman::journal::memory::Memory;
use pointsman::journal::{JournalError, Reader, Verdict, open, wire};
use pointsman::run::Event;

use super::sample::{at, clocks, commit, create, every_event, note, read_all, started};

#[test]
fn every_event_is_read_as_it_was_written() {
    let mut tags = BTreeSet::new();
    for event in every_event() {
        let mut bytes = Vec::new();
        wire::encode(at(1), 5, &event, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let read = wire::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!((read.at, read.uptime_ms, &read.event), (at(1), 5, &event), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        tags.insert(json["event"]["type"].as_str().unwrap().to_owned());
    }
    let known: BTreeSet<String> = wire::TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    assert_eq!(tags, known, "a kind of event is missing in the samples");
}

#[test]
fn a_journal_is_read_back_in_a_new_epoch() {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    let mut written = commit(&mut writer, every_event());
    drop(writer);
    let mut opened = open(memory.clone(), clocks()).unwrap();
    assert_eq!((opened.writer.epoch(), &opened.repaired), (2, &None));
    assert_eq!(opened.verdict, Verdict::Unacknowledged { records: written.len() as u64 });
    written.extend(commit(&mut opened.writer, [note(1), note(2)]));
    opened.writer.settle().unwrap();
    assert_eq!(read_all(&opened.writer), written);
    drop(opened);
    let opened = open(memory.clone(), clocks()).unwrap();
    assert_eq!((opened.verdict, opened.writer.epoch()), (Verdict::Clean, 3));
    let entries: Vec<_> = Reader::over(memory).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), written);
    assert_eq!(entries.last().unwrap().record.epoch, 2);
}

#[test]
fn a_commit_costs_one_sync_and_an_idle_journal_none() {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    for n in 0..50 {
        let before = memory.syncs();
        commit(&mut writer, (0..=n).map(note));
        assert_eq!(memory.syncs() - before, 1);
    }
    let before = memory.syncs();
    writer.settle().unwrap();
    assert_eq!(memory.syncs() - before, 1, "the head follows by itself");
    writer.settle().unwrap();
    writer.commit().unwrap();
    assert_eq!(memory.syncs() - before, 1, "nothing was left to do");
    assert_eq!(Reader::over(memory).unwrap().head().acked, writer.durable());
}

#[test]
fn a_record_that_is_too_large_leaves_the_journal_well() {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    commit(&mut writer, [started()]);
    let text = "x".repeat(MAX_PAYLOAD);
    let large = Event::ExecutorStopped { reason: text.clone() };
    assert!(matches!(writer.append(at(2), 2, large), Err(JournalError::TooLarge { .. })));
    let fitting = Event::ExecutorStopped { reason: text[..MAX_PAYLOAD - 200].to_owned() };
    // More than one batch holds: the writer commits the first ones by itself.
    let records = commit(&mut writer, std::iter::repeat_n(fitting, 12));
    assert_eq!(records.last().unwrap().seq, 13);
    drop(writer);
    let opened = open(memory, clocks()).unwrap();
    assert_eq!(opened.writer.records().count(), 13);
}

#[test]
fn a_writer_that_was_taken_over_stops() {
    let memory = Memory::new(1);
    let mut old = create(&memory);
    commit(&mut old, [started()]);
    let mut new = open(memory.clone(), clocks()).unwrap().writer;
    old.append(at(2), 2, note(1)).unwrap();
    assert!(matches!(old.commit(), Err(JournalError::Fenced { holder: 2, epoch: 1 })));
    assert!(matches!(old.append(at(2), 2, note(1)), Err(JournalError::Poisoned(_))));
    commit(&mut new, [note(2)]);
    assert_eq!(read_all(&new).len(), 2);
}

#[test]
fn a_reader_follows_a_live_journal() {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    commit(&mut writer, [started()]);
    let mut reader = Reader::over(memory).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().record.seq, 1);
    assert!(reader.next().is_none());
    writer.append(at(2), 2, note(1)).unwrap();
    assert!(reader.next().is_none(), "a record is not told before it is durable");
    writer.commit().unwrap();
    commit(&mut writer, [note(2)]);
    assert_eq!(reader.by_ref().map(|entry| entry.unwrap().record.seq).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn numbers_are_read_exactly_as_they_were_written() {
    let mut dice = super::crashes::Dice::new(11);
    for _ in 0..20_000 {
        let number = f64::from_bits(dice.below(u64::MAX));
        if !number.is_finite() {
            continue;
        }
        let event = Event::AttemptSucceeded {
            step: pointsman::model::StepId::new("x"),
            attempt: 1,
            outputs: serde_json::json!(number),
            evidence: serde_json::json!([u64::MAX, i64::MIN, number / 3.0]),
        };
        let mut bytes = Vec::new();
        wire::encode(at(1), 5, &event, &mut bytes).unwrap();
        assert_eq!(wire::decode(&bytes).unwrap().event, event, "replay must give what the live run saw");
    }
}
