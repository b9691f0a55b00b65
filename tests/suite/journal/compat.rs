//! Old journals are read for ever: `tests/compat/` holds one per version of the format, and none is ever changed.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman::audit::verify;
use pointsman::journal::memory::Memory;
use pointsman::journal::{Reader, RunFolder, Verdict, open};
use pointsman::run::Event;

use super::sample::{clocks, commit, create, every_event, executor};

fn corpus(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(version)
}

/// Every kind of event that there was when the corpus of version 1 was made. A new kind does not change the format of the others.
fn events_of_the_corpus() -> Vec<Event> {
    let is_younger = |event: &Event| {
        matches!(
            event,
            Event::QuestionAsked { .. }
                | Event::GlassBroken { .. }
                | Event::ApprovalLapsed { .. }
                | Event::GateReopened { .. }
                | Event::RosterChanged { .. }
                | Event::RunNoted { .. }
                | Event::StartRefused { .. }
        )
    };
    every_event().into_iter().filter(|event| !is_younger(event)).collect()
}

/// The bytes of version 1: every kind of event, in two epochs, settled.
fn version_1() -> Vec<u8> {
    let memory = Memory::new(1);
    let mut writer = create(&memory);
    let events = events_of_the_corpus();
    for batch in events.chunks(7) {
        commit(&mut writer, batch.to_vec());
    }
    let mut writer = open(memory.clone(), clocks()).unwrap().writer;
    commit(&mut writer, [executor(42)]);
    writer.settle().unwrap();
    memory.bytes()
}

#[test]
fn version_1_is_read_and_says_what_it_said() {
    let folder = RunFolder::at(corpus("v1"));
    if std::env::var_os("POINTSMAN_MAKE_COMPAT").is_some() && !folder.journal().exists() {
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(folder.journal(), version_1()).unwrap();
        fs::write(folder.plan(), b"{}").unwrap();
    }
    let stored = fs::read(folder.journal()).expect("the corpus of version 1 is part of the repository");
    let records: Vec<_> = Reader::open(&folder.journal()).unwrap().map(|entry| entry.unwrap().record).collect();
    let mut expected = events_of_the_corpus();
    expected.push(executor(42));
    assert_eq!(records.iter().map(|record| record.event.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((records[0].epoch, records.last().unwrap().epoch), (1, 2));
    let report = verify(&folder).unwrap();
    assert!(report.holds(), "{report:?}");
    let opened = open(Memory::holding(stored.clone()), clocks()).unwrap();
    assert_eq!((opened.verdict, opened.writer.epoch()), (Verdict::Clean, 3));
    // As long as version 1 is what is written, it is written like this. A change here is a new version and a new folder.
    assert!(stored == version_1(), "the format changed: raise the version in head.rs, keep tests/compat/v1 as it is");
}
