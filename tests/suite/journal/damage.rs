//! Every way to damage a reference journal: each case is halted, or repaired with no acknowledged loss.
//!
//! The counts stand in `docs/faults.md`; this test writes them there with UPDATE_GOLDEN=1 and fails when they are stale.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pointsman::journal::head::{FRAMES_START, Heads, SLOT};
use pointsman::journal::memory::Memory;
use pointsman::journal::recovery::examine_from;
use pointsman::journal::stream::{Cursor, Frames, Step};
use pointsman::journal::{Nonce, OpenError, ReadAt, Verdict, Writer, examine, open};
use pointsman::run::{Event, Record};

use super::crashes::Dice;
use super::ledger;
use super::sample::{NONCE, clocks, commit, create, executor, note, read_all, started};

/// A settled journal of some hundred records in three epochs, with the places between its frames.
struct Reference {
    bytes: Vec<u8>,
    heads: Heads,
    /// `cursors[n]` stands after record n.
    cursors: Vec<Cursor>,
    records: Vec<Record>,
}

impl Reference {
    fn new() -> Self {
        Self::of(NONCE, 120)
    }

    fn of(nonce: Nonce, count: u64) -> Self {
        let memory = Memory::new(3);
        let mut writer = Writer::create(memory.clone(), nonce, clocks()).unwrap();
        let mut dice = Dice::new(5);
        commit(&mut writer, [started(), executor(1)]);
        while writer.appended().seq < count {
            if writer.appended().seq / 40 >= writer.epoch() {
                writer = open(memory.clone(), clocks()).unwrap().writer;
                commit(&mut writer, [executor(1)]);
            }
            let first = writer.appended().seq;
            commit(&mut writer, (0..=dice.below(4)).map(|n| note(first + n)));
        }
        writer.settle().unwrap();
        Self::from(&memory, &writer)
    }

    fn from(memory: &Memory, writer: &Writer) -> Self {
        let bytes = memory.bytes();
        let heads = Heads::from_bytes(bytes.first_chunk().unwrap());
        let mut frames = Frames::new(writer.nonce(), Cursor::START);
        let mut cursors = vec![Cursor::START];
        while let Step::Frame { .. } = frames.next(&Bytes(&bytes)).unwrap() {
            cursors.push(frames.cursor());
        }
        Self { heads, cursors, records: read_all(writer), bytes }
    }

    fn frame(&self, seq: usize) -> &[u8] {
        &self.bytes[self.start(seq)..self.start(seq + 1)]
    }

    fn start(&self, seq: usize) -> usize {
        usize::try_from(self.cursors[seq - 1].position.offset).unwrap()
    }

    fn last(&self) -> usize {
        self.records.len()
    }

    /// The record whose frame holds this byte.
    fn record_at(&self, byte: usize) -> usize {
        self.cursors.partition_point(|cursor| cursor.position.offset <= byte as u64)
    }

    /// Opens a damaged copy. Whatever happens, no acknowledged record may be missing afterwards.
    fn try_open(&self, bytes: Vec<u8>) -> Outcome {
        let before = bytes.clone();
        let memory = Memory::holding(bytes);
        match open(memory.clone(), clocks()) {
            Ok(opened) => {
                let found = read_all(&opened.writer);
                assert_eq!(found[..], self.records[..], "opened with other records: {:?}", opened.verdict);
                if opened.verdict == Verdict::Clean && opened.repaired.is_none() { Outcome::Clean } else { Outcome::Repaired }
            }
            Err(OpenError::Corrupt(_) | OpenError::NotAJournal) => {
                assert_eq!(memory.bytes(), before, "a journal that was refused was changed");
                Outcome::Halted
            }
            Err(error @ OpenError::Io { .. }) => panic!("{error}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Clean,
    Repaired,
    Halted,
}

pub struct Bytes<'b>(pub &'b [u8]);

impl ReadAt for Bytes<'_> {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let start = usize::try_from(offset).unwrap().min(self.0.len());
        let len = buffer.len().min(self.0.len() - start);
        buffer[..len].copy_from_slice(&self.0[start..start + len]);
        Ok(len)
    }
}

/// Runs `case` for every number below `count` on all processors; gives the sum of what the cases count.
pub fn count_all(count: usize, case: impl Fn(usize) -> usize + Sync) -> usize {
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let chunk = next.fetch_add(64, Ordering::Relaxed);
                    if chunk >= count {
                        break;
                    }
                    sum.fetch_add((chunk..count.min(chunk + 64)).map(&case).sum(), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

#[test]
fn every_damage_is_halted_or_repaired() {
    let reference = Reference::new();
    assert!(reference.last() >= 120 && reference.records.last().unwrap().epoch == 3);
    assert_eq!(reference.try_open(reference.bytes.clone()), Outcome::Clean, "a false alarm on a clean journal");
    let rows = [
        ledger::row("records of the reference journal", reference.last()),
        ledger::row("bytes of its records", reference.bytes.len() - FRAMES_START as usize),
        ledger::row("flipped bits in records, all halted", flips_in_records(&reference)),
        ledger::row("of these, also opened as a whole file", flips_opened(&reference)),
        ledger::row("flipped bits in the head, the slot disbelieved each time", flips_in_head(&reference)),
        ledger::row("of these, also opened as a whole file, with every record", flips_in_head_opened(&reference)),
        ledger::row("flipped bits in the poison mark, all copied with every record", flips_in_mark(&reference)),
        ledger::row("truncations, all halted", truncations(&reference)),
        ledger::row("deleted records, all halted", deletions(&reference)),
        ledger::row("duplicated records, all halted", duplicates(&reference)),
        ledger::row("swapped pairs of records, all halted", swaps(&reference)),
        ledger::row("records of another run spliced in, all halted", splices(&reference)),
        ledger::row("records forged with right checksums, all halted", forgeries(&reference)),
        ledger::row("heads rolled back, all halted or opened with every record", heads_rolled_back(&reference)),
        ledger::row("journals rolled back under a newer head, all halted", journals_rolled_back(&reference)),
    ];
    ledger::check("journal damage", &rows);
}

/// Every bit of every record. The records before the damaged one are known to be good, so the reading starts there.
fn flips_in_records(reference: &Reference) -> usize {
    let start = FRAMES_START as usize;
    count_all(reference.bytes.len() - start, |n| {
        let byte = start + n;
        let record = reference.record_at(byte);
        let cursor = reference.cursors[record - 1];
        let mut damaged = Overlay { bytes: &reference.bytes, byte, value: 0 };
        for bit in 0..8 {
            damaged.value = reference.bytes[byte] ^ (1 << bit);
            let found = examine_from(&damaged, reference.heads.clone(), cursor, &mut |_, _| {}).unwrap();
            assert!(matches!(found.verdict, Verdict::Corrupt(_)), "byte {byte} bit {bit}: {:?}", found.verdict);
            assert_eq!(found.end.position.seq as usize, record - 1, "the damage was placed wrongly");
        }
        8
    })
}

/// The reference with one byte changed, without a copy.
struct Overlay<'b> {
    bytes: &'b [u8],
    byte: usize,
    value: u8,
}

impl ReadAt for Overlay<'_> {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        // A short read: the scan never needs more than it asks for, and a small buffer is quick.
        let wanted = buffer.len().min(2_048);
        let read = Bytes(self.bytes).read_at(&mut buffer[..wanted], offset)?;
        if let Some(at) = (self.byte as u64).checked_sub(offset).filter(|at| *at < read as u64) {
            buffer[usize::try_from(at).unwrap()] = self.value;
        }
        Ok(read)
    }
}

/// One bit of every fifth byte, through the whole of opening: the shortcut above must not see more than opening does.
fn flips_opened(reference: &Reference) -> usize {
    let start = FRAMES_START as usize;
    count_all((reference.bytes.len() - start) / 5, |n| {
        let mut bytes = reference.bytes.clone();
        bytes[start + 5 * n] ^= 1 << (n % 8);
        assert_eq!(reference.try_open(bytes), Outcome::Halted, "byte {}", start + 5 * n);
        1
    })
}

fn flips_in_head(reference: &Reference) -> usize {
    count_all(2 * SLOT, |byte| {
        for bit in 0..8 {
            let mut bytes = reference.bytes[..FRAMES_START as usize].to_vec();
            bytes[byte] ^= 1 << bit;
            let heads = Heads::from_bytes(bytes.first_chunk().unwrap());
            assert_eq!(heads.slots.iter().flatten().count(), 1, "byte {byte} bit {bit}: a damaged slot was believed");
        }
        8
    })
}

fn flips_in_head_opened(reference: &Reference) -> usize {
    count_all(2 * SLOT / 8, |n| {
        let mut bytes = reference.bytes.clone();
        bytes[8 * n] ^= 1 << (n % 8);
        assert_ne!(reference.try_open(bytes), Outcome::Halted, "byte {}: the other slot was there", 8 * n);
        1
    })
}

fn flips_in_mark(reference: &Reference) -> usize {
    count_all(SLOT / 4, |n| {
        let mut bytes = reference.bytes.clone();
        bytes[2 * SLOT + 4 * n] ^= 1 << (n % 8);
        assert_eq!(reference.try_open(bytes), Outcome::Repaired);
        1
    })
}

/// Every length; the records before the cut are known to be good, and every seventh file is opened as a whole.
fn truncations(reference: &Reference) -> usize {
    count_all(reference.bytes.len(), |len| {
        if len % 7 == 0 || len < FRAMES_START as usize {
            assert_eq!(reference.try_open(reference.bytes[..len].to_vec()), Outcome::Halted, "cut at {len}");
        } else {
            let cursor = reference.cursors[reference.record_at(len) - 1];
            let found = examine_from(&Bytes(&reference.bytes[..len]), reference.heads.clone(), cursor, &mut |_, _| {}).unwrap();
            assert!(matches!(found.verdict, Verdict::Corrupt(_)), "cut at {len}: {:?}", found.verdict);
        }
        1
    })
}

/// The reference with other bytes in the place of some of its records.
fn with_records(reference: &Reference, from: usize, upto: usize, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = reference.bytes[..reference.start(from)].to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(&reference.bytes[reference.start(upto)..]);
    bytes
}

fn deletions(reference: &Reference) -> usize {
    count_all(reference.last(), |n| {
        let bytes = with_records(reference, n + 1, n + 2, &[]);
        assert_eq!(reference.try_open(bytes), Outcome::Halted, "record {} deleted", n + 1);
        1
    })
}

fn duplicates(reference: &Reference) -> usize {
    count_all(reference.last(), |n| {
        let frame = reference.frame(n + 1);
        let beside = with_records(reference, n + 2, n + 2, &[frame]);
        assert_eq!(reference.try_open(beside), Outcome::Halted, "record {} duplicated", n + 1);
        let mut behind = reference.bytes.clone();
        behind.extend_from_slice(frame);
        assert_eq!(reference.try_open(behind), Outcome::Halted, "record {} put at the end again", n + 1);
        2
    })
}

fn swaps(reference: &Reference) -> usize {
    let last = reference.last();
    count_all(last * last, |n| {
        let (a, b) = (n / last + 1, n % last + 1);
        if a >= b {
            return 0;
        }
        let between = &reference.bytes[reference.start(a + 1)..reference.start(b)];
        let bytes = with_records(reference, a, b + 1, &[reference.frame(b), between, reference.frame(a)]);
        let found = examine(&Bytes(&bytes)).unwrap();
        assert!(matches!(found.verdict, Verdict::Corrupt(_)), "records {a} and {b} swapped: {:?}", found.verdict);
        1
    })
}

/// The same runbook ran twice: same numbers, same texts, same lengths, another nonce.
fn splices(reference: &Reference) -> usize {
    let other = Reference::of(Nonce::from_bytes([8; 16]), 120);
    assert_eq!(other.bytes.len(), reference.bytes.len());
    count_all(reference.last(), |n| {
        let bytes = with_records(reference, n + 1, n + 2, &[other.frame(n + 1)]);
        assert_eq!(reference.try_open(bytes), Outcome::Halted, "record {} of another run", n + 1);
        let bytes = with_records(reference, n + 1, reference.last() + 1, &[&other.bytes[other.start(n + 1)..]]);
        assert_eq!(reference.try_open(bytes), Outcome::Halted, "from record {} on another run", n + 1);
        2
    })
}

/// A record with another text of the same length and all checksums right; and the whole chain after it recomputed.
fn forgeries(reference: &Reference) -> usize {
    count_all(reference.last() - 2, |n| {
        let seq = n + 3;
        for upto in [seq, reference.last()] {
            let mut bytes = reference.bytes[..reference.start(seq)].to_vec();
            let mut before = reference.cursors[seq - 1];
            for forged in seq..=upto {
                let place = pointsman::journal::frame::Place {
                    seq: forged as u64,
                    batch: reference.cursors[forged].batch,
                    epoch: reference.cursors[forged].epoch,
                    nonce: NONCE,
                    prev: before.position.chain,
                };
                let start = pointsman::journal::frame::begin(&mut bytes);
                let old = reference.frame(forged);
                let mut payload = old[pointsman::journal::frame::HEADER..old.len() - 8].to_vec();
                if forged == seq {
                    let digit = payload.iter().position(u8::is_ascii_digit).unwrap();
                    payload[digit] = b'0' + (payload[digit] - b'0' + 1) % 10;
                }
                bytes.extend_from_slice(&payload);
                before.position.chain = pointsman::journal::frame::seal(&mut bytes, start, place);
            }
            bytes.extend_from_slice(&reference.bytes[reference.start(upto + 1)..]);
            assert_eq!(bytes.len(), reference.bytes.len());
            assert_eq!(reference.try_open(bytes), Outcome::Halted, "record {seq} forged");
        }
        2
    })
}

/// Both slots put back to what they said after each earlier commit of a growing journal.
fn heads_rolled_back(reference: &Reference) -> usize {
    let memory = Memory::new(9);
    let mut writer = create(&memory);
    commit(&mut writer, [started(), executor(1)]);
    let mut earlier = Vec::new();
    for n in 0..60 {
        commit(&mut writer, (0..n % 3 + 1).map(note));
        if n % 4 == 0 {
            writer.settle().unwrap();
        }
        if n == 30 {
            writer = open(memory.clone(), clocks()).unwrap().writer;
        }
        earlier.push((memory.bytes()[..2 * SLOT].to_vec(), writer.durable().seq, writer.epoch()));
    }
    writer.settle().unwrap();
    let whole = Reference::from(&memory, &writer);
    let outcomes: Vec<Outcome> = earlier
        .iter()
        .map(|(slots, ..)| {
            let mut bytes = whole.bytes.clone();
            bytes[..2 * SLOT].copy_from_slice(slots);
            whole.try_open(bytes)
        })
        .collect();
    // More than two batches behind is more than a crash can leave.
    assert!(outcomes[..55].iter().all(|outcome| *outcome == Outcome::Halted), "{outcomes:?}");
    assert!(outcomes.last() != Some(&Outcome::Halted));
    let _ = reference;
    earlier.len()
}

/// The records as they were, under the head as it is.
fn journals_rolled_back(reference: &Reference) -> usize {
    count_all(reference.last(), |n| {
        let bytes = reference.bytes[..reference.start(n + 1)].to_vec();
        assert_eq!(reference.try_open(bytes), Outcome::Halted, "rolled back to record {n}");
        1
    })
}

#[test]
fn every_torn_append_is_repaired() {
    let memory = Memory::new(4);
    let mut writer = create(&memory);
    commit(&mut writer, [started(), executor(1)]);
    commit(&mut writer, (0..20).map(note));
    writer.settle().unwrap();
    let settled = memory.bytes().len();
    // One batch that is acknowledged and not in the head yet, then one in flight.
    commit(&mut writer, (0..3).map(note));
    let acknowledged = Reference::from(&memory, &writer);
    let old = memory.bytes();
    commit(&mut writer, [note(7), Event::ExecutorStopped { reason: "x".repeat(3_000) }, note(8), note(9), note(10)]);
    let new = memory.bytes();
    let all = Reference::from(&memory, &writer);
    let torn = torn_appends(&acknowledged, &old, &new, &all);
    let holes = torn_sectors(&acknowledged, &old, &new, &all);
    let lost = holes_in_acknowledged(settled, &new);
    ledger::check(
        "torn appends",
        &[
            ledger::row("lengths of a torn batch, with nothing, zeros or garbage behind, all repaired", torn),
            ledger::row("subsets of its sectors lost, all repaired", holes),
            ledger::row("holes in a batch that another batch follows, all halted", lost),
        ],
    );
}

/// Examines what a crash left, and opens every eighth: every acknowledged record must be there, and nothing that was never
/// written. The hash of a place stands for all records before it.
fn survives(acknowledged: &Reference, all: &Reference, bytes: Vec<u8>, case: usize) {
    let found = examine(&Bytes(&bytes)).unwrap();
    assert!(!matches!(found.verdict, Verdict::Corrupt(_)), "false alarm: {:?}", found.verdict);
    let last = usize::try_from(found.end.position.seq).unwrap();
    assert!(last >= acknowledged.last(), "an acknowledged record was lost");
    assert_eq!(found.end, all.cursors[last]);
    if case.is_multiple_of(8) {
        let opened = open(Memory::holding(bytes), clocks()).unwrap_or_else(|error| panic!("false alarm: {error}"));
        assert_eq!(read_all(&opened.writer)[..], all.records[..last]);
    }
}

/// The batch cut at every length, the head before or after its write, and three kinds of bytes behind the cut.
fn torn_appends(acknowledged: &Reference, old: &[u8], new: &[u8], all: &Reference) -> usize {
    count_all(new.len() - old.len() + 1, |written| {
        let mut cases = 0;
        for slots in [old, new] {
            for fill in 0..3 {
                let mut bytes = new[..old.len() + written].to_vec();
                bytes[..2 * SLOT].copy_from_slice(&slots[..2 * SLOT]);
                let mut dice = Dice::new(written as u64);
                let missing = new.len() - bytes.len();
                match fill {
                    0 => {}
                    1 => bytes.resize(new.len(), 0),
                    _ => bytes.extend((0..missing).map(|_| u8::try_from(dice.below(256)).unwrap())),
                }
                survives(acknowledged, all, bytes, written + cases);
                cases += 1;
            }
        }
        cases
    })
}

/// The batch with any subset of its 512-byte sectors missing.
fn torn_sectors(acknowledged: &Reference, old: &[u8], new: &[u8], all: &Reference) -> usize {
    let first = old.len() / 512;
    let sectors = new.len().div_ceil(512) - first;
    assert!((4..12).contains(&sectors), "{sectors} sectors");
    count_all(1 << sectors, |lost| {
        for slots in [old, new] {
            let mut bytes = new.to_vec();
            bytes[..2 * SLOT].copy_from_slice(&slots[..2 * SLOT]);
            for sector in (0..sectors).filter(|sector| lost & (1 << sector) != 0) {
                let start = ((first + sector) * 512).max(old.len());
                let end = ((first + sector + 1) * 512).min(bytes.len());
                bytes[start..end].fill(0);
            }
            survives(acknowledged, all, bytes, lost);
        }
        2
    })
}

/// A byte of the batch before the last one: that batch was synced before the last one was written, so this is no crash.
fn holes_in_acknowledged(settled: usize, new: &[u8]) -> usize {
    let heads = Heads::from_bytes(new.first_chunk().unwrap());
    let in_head = usize::try_from(heads.newest().unwrap().acked.offset).unwrap();
    count_all(in_head - settled, |n| {
        // With the head that speaks of it, and with the head before.
        for slots in [true, false] {
            let mut bytes = new.to_vec();
            bytes[settled + n] ^= 0x10;
            if !slots {
                let newest = usize::try_from(heads.newest().unwrap().generation % 2).unwrap();
                bytes[newest * SLOT..][..SLOT].fill(0);
            }
            let found = examine(&Bytes(&bytes));
            assert!(
                matches!(&found, Ok(found) if matches!(found.verdict, Verdict::Corrupt(_))),
                "byte {}: {found:?}",
                settled + n
            );
        }
        2
    })
}
