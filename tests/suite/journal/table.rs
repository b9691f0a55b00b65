//! The recovery table of `docs/journal.md`, row by row, and what opening then does.

use pointsman::journal::frame::{Place, begin, seal};
use pointsman::journal::head::{Head, Heads, SLOT};
use pointsman::journal::memory::Memory;
use pointsman::journal::recovery::ExamineError;
use pointsman::journal::writer::MAX_BATCH;
use pointsman::journal::{Corruption, OpenError, Opened, Verdict, Writer, examine, open};

use super::damage::Bytes;
use super::sample::{NONCE, clocks, commit, create, executor, note, read_all, started};

/// A settled journal of four records.
fn settled() -> (Memory, Writer) {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    commit(&mut writer, [started(), executor(1)]);
    commit(&mut writer, [note(1), note(2)]);
    writer.settle().unwrap();
    (memory, writer)
}

fn opened(bytes: Vec<u8>) -> (Opened, Memory) {
    let memory = Memory::holding(bytes);
    (open(memory.clone(), clocks()).unwrap(), memory)
}

fn refused(bytes: Vec<u8>) -> Corruption {
    let memory = Memory::holding(bytes.clone());
    let error = open(memory.clone(), clocks()).expect_err("a corrupt journal was opened");
    assert_eq!(memory.bytes(), bytes, "a refused journal was changed");
    let OpenError::Corrupt(corruption) = error else { panic!("{error}") };
    corruption
}

#[test]
fn acknowledged_and_nothing_follows_is_clean() {
    let (memory, _) = settled();
    let (opened, _) = opened(memory.bytes());
    assert_eq!((opened.verdict, opened.repaired), (Verdict::Clean, None));
}

#[test]
fn records_of_two_batches_that_follow_are_kept() {
    let (memory, mut writer) = settled();
    commit(&mut writer, [note(3), note(4)]);
    let head = memory.bytes()[..2 * SLOT].to_vec();
    commit(&mut writer, [note(5)]);
    let mut bytes = memory.bytes();
    // The head of the batch before was lost with the power; its records were not.
    bytes[..2 * SLOT].copy_from_slice(&head);
    let (opened, _) = opened(bytes);
    assert_eq!((opened.verdict, opened.repaired), (Verdict::Unacknowledged { records: 3 }, None));
    assert_eq!(read_all(&opened.writer).len(), 7);
}

#[test]
fn a_torn_tail_is_kept_as_a_copy_and_cut() {
    let (memory, mut writer) = settled();
    let before = memory.bytes().len();
    commit(&mut writer, [note(3), note(4)]);
    let mut bytes = memory.bytes();
    bytes.truncate(bytes.len() - 5);
    let torn = bytes.clone();
    let (opened, memory) = opened(bytes);
    let Verdict::TornTail { records: 1, offset, bytes } = opened.verdict else { panic!("{:?}", opened.verdict) };
    assert!(offset as usize > before && offset + bytes == torn.len() as u64);
    let repaired = opened.repaired.unwrap();
    assert_eq!((repaired.bytes, repaired.kept.as_str()), (bytes, "kept/torn-after-5-epoch-2"));
    assert_eq!(memory.kept()[&repaired.kept], torn[offset as usize..]);
    assert_eq!(memory.bytes().len() as u64, offset);
}

#[test]
fn a_record_behind_a_hole_of_another_batch_is_corrupt() {
    let (memory, mut writer) = settled();
    let hole = memory.bytes().len();
    commit(&mut writer, [note(3)]);
    let head = memory.bytes()[..2 * SLOT].to_vec();
    commit(&mut writer, [note(4)]);
    let mut bytes = memory.bytes();
    bytes[..2 * SLOT].copy_from_slice(&head);
    bytes[hole + 100] ^= 1;
    let Corruption::RecordAfterHole { hole: at, seq: 6, .. } = refused(bytes) else { panic!("another corruption") };
    assert_eq!(at, hole as u64);
}

#[test]
fn fewer_records_than_acknowledged_is_corrupt() {
    let (memory, _) = settled();
    let whole = memory.bytes();
    let cut = refused(whole[..whole.len() - 1].to_vec());
    assert!(matches!(cut, Corruption::AcknowledgedLost { acked: 4, last: 3, .. }), "{cut:?}");
    let last = examine(&Bytes(&whole[..whole.len() - 1])).unwrap().end.position.offset as usize;
    let shorter = refused(whole[..last].to_vec());
    assert!(matches!(shorter, Corruption::Shortened { acked: 4, last: 3, .. }), "{shorter:?}");
    let error = OpenError::Corrupt(shorter).to_string();
    assert!(error.contains(&format!("byte {last}")) && error.contains("pointsman journal salvage"), "{error}");
}

#[test]
fn another_record_than_the_acknowledged_one_is_corrupt() {
    let (memory, mut writer) = settled();
    let before = writer.durable();
    let mut other = memory.bytes();
    commit(&mut writer, [note(3)]);
    writer.settle().unwrap();
    let place = Place { seq: 5, batch: 5, epoch: 1, nonce: NONCE, prev: before.chain };
    let start = begin(&mut other);
    other.extend_from_slice(br#"{"at":"2026-11-21T00:00:05.000Z","uptime_ms":5000,"event":{"type":"wait_ended","step":"x"}}"#);
    seal(&mut other, start, place);
    other[..2 * SLOT].copy_from_slice(&memory.bytes()[..2 * SLOT]);
    assert!(matches!(refused(other), Corruption::ChainBroken { seq: 5, .. }));
}

#[test]
fn more_than_a_crash_can_leave_is_corrupt() {
    let (memory, mut writer) = settled();
    let head = memory.bytes()[..2 * SLOT].to_vec();
    for n in 3..6 {
        commit(&mut writer, [note(n)]);
    }
    let mut bytes = memory.bytes();
    bytes[..2 * SLOT].copy_from_slice(&head);
    assert!(matches!(refused(bytes), Corruption::HeadBehind { acked: 4, .. }));
}

#[test]
fn an_epoch_that_the_head_does_not_know_is_corrupt() {
    let (memory, writer) = settled();
    let head = memory.bytes()[..2 * SLOT].to_vec();
    drop(writer);
    let mut writer = open(memory.clone(), clocks()).unwrap().writer;
    commit(&mut writer, [executor(2)]);
    let mut bytes = memory.bytes();
    bytes[..2 * SLOT].copy_from_slice(&head);
    assert!(matches!(refused(bytes), Corruption::HeadBehind { acked: 4, .. }));
}

#[test]
fn more_torn_bytes_than_one_batch_holds_is_corrupt() {
    let (memory, _) = settled();
    let mut bytes = memory.bytes();
    bytes.resize(bytes.len() + MAX_BATCH, b'x');
    let (opened, _) = opened(bytes.clone());
    assert!(matches!(opened.verdict, Verdict::TornTail { records: 0, .. }));
    bytes.push(b'x');
    assert!(matches!(refused(bytes), Corruption::TailTooLong { .. }));
}

#[test]
fn both_slots_bad_is_corrupt_with_more_than_one_record() {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    let without_head = |memory: &Memory| {
        let mut bytes = memory.bytes();
        bytes[..2 * SLOT].fill(0);
        bytes
    };
    assert!(matches!(examine(&Bytes(&without_head(&memory))), Err(ExamineError::NotAJournal)));
    commit(&mut writer, [started()]);
    let (opened, memory_after) = opened(without_head(&memory));
    assert_eq!((opened.verdict, read_all(&opened.writer).len()), (Verdict::HeadRebuilt, 1));
    assert_eq!(Heads::from_bytes(memory_after.bytes().first_chunk().unwrap()).slots.iter().flatten().count(), 2);
    commit(&mut writer, [note(1)]);
    assert_eq!(refused(without_head(&memory)), Corruption::HeadLost { records: 2 });
}

#[test]
fn slots_of_two_runs_are_corrupt() {
    let (memory, _) = settled();
    let mut bytes = memory.bytes();
    let heads = Heads::from_bytes(bytes.first_chunk().unwrap());
    let older = heads.older().unwrap();
    let foreign = Head { nonce: pointsman::journal::Nonce::from_bytes([1; 16]), ..older.clone() };
    bytes[usize::try_from(older.offset()).unwrap()..][..SLOT].copy_from_slice(&foreign.to_bytes());
    assert_eq!(refused(bytes), Corruption::HeadsDisagree);
}

#[test]
fn after_a_failed_sync_the_next_start_copies_the_valid_prefix() {
    let (memory, mut writer) = settled();
    memory.fail_at(memory.operations() + 1, pointsman::journal::memory::Fault::Error);
    writer.append(clocks().at, 1, note(3)).unwrap();
    writer.commit().unwrap_err();
    assert!(writer.is_poisoned());
    let old = memory.bytes();
    let opened = open(memory.clone(), clocks()).unwrap();
    let repaired = opened.repaired.unwrap();
    assert_eq!((repaired.bytes, repaired.kept.as_str()), (0, "kept/journal-before-epoch-2"));
    assert_eq!(memory.kept()[&repaired.kept], old);
    // The mark is gone, and the next start has nothing to repair.
    drop(opened.writer);
    assert_eq!(open(memory, clocks()).unwrap().repaired, None);
}
