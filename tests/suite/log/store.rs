//! Entries and checkpoints on disk.

use std::fs;

use pointsman::audit::{Finding, Standing, Subject, verify_logged};
use pointsman::journal::reader::Reader;
use pointsman::journal::{Files, Nonce, RunFolder, Writer};
use pointsman::log::entry::ENTRY;
use pointsman::log::tree::{consistency_holds, leaf_hash};
use pointsman::log::{Log, LogError, Tree};

use super::Home;
use crate::journal::sample::{at, clocks, commit, executor, note, started};

/// The leaves of a journal, hashed here from its bytes.
fn leaves(run: &RunFolder) -> Vec<pointsman::model::Digest> {
    let bytes = fs::read(run.journal()).unwrap();
    let mut starts: Vec<usize> = Reader::open(&run.journal()).unwrap().map(|entry| entry.unwrap().offset as usize).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|frame| leaf_hash(&bytes[frame[0]..frame[1]])).collect()
}

#[test]
fn every_frame_of_every_run_is_a_leaf_in_the_order_of_its_journal() {
    let home = Home::new();
    let (one, two) = (home.run("one"), home.run("two"));
    let mut log = home.open();
    assert_eq!(log.follow_all(&home.runs()).unwrap(), 10);
    assert_eq!(log.follow_all(&home.runs()).unwrap(), 0);
    home.go_on(&one);
    assert_eq!(log.follow_all(&home.runs()).unwrap(), 3);
    // The first leaf is the diary's: that the key was made.
    let mut tree = Tree::default();
    tree.push(log.tree().leaf(0).unwrap());
    let of_one = leaves(&one);
    tree.extend([&of_one[..5], &leaves(&two)[..], &of_one[5..]].concat());
    assert_eq!(log.tree(), &tree);
    let signed = log.sign().unwrap();
    assert_eq!((signed.checkpoint.size, signed.checkpoint.root), (14, tree.root()));
    assert_eq!(log.sign().unwrap(), signed, "nothing came, and it signed something else");
    assert_eq!(Log::open(&home.log()).unwrap().signed(), Some(&signed));
}

#[test]
fn what_a_crash_kept_from_the_log_is_added_and_no_signed_entry_is_lost_unseen() {
    let home = Home::new();
    let run = home.run("one");
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    let signed = log.sign().unwrap().checkpoint;
    home.go_on(&run);
    log.follow_all(&home.runs()).unwrap();
    let whole = log.tree().clone();
    let bytes = fs::read(home.log().leaves()).unwrap();
    let kept = usize::try_from(signed.size).unwrap() * ENTRY;
    // A hole of zeros behind a signed zero takes nothing away.
    let zeros = bytes[..kept].iter().rev().take_while(|byte| **byte == 0).count();
    let (mut repaired, mut halted) = (0, 0);
    for cut in 0..=bytes.len() {
        // A crash leaves the beginning of what was written, or holes of zeros in it.
        for torn in [bytes[..cut].to_vec(), [&bytes[..cut], &vec![0; bytes.len() - cut][..]].concat()] {
            fs::write(home.log().leaves(), &torn).unwrap();
            let signed_is_whole = torn.get(..kept) == Some(&bytes[..kept]);
            match Log::open(&home.log()) {
                Ok(mut log) => {
                    assert!(signed_is_whole, "cut at {cut} of {kept} signed bytes");
                    log.follow_all(&home.runs()).unwrap();
                    assert_eq!(log.tree(), &whole);
                    repaired += 1;
                }
                Err(error) => {
                    assert!(!signed_is_whole && matches!(error, LogError::Shortened { .. }), "{cut}: {error}");
                    halted += 1;
                }
            }
        }
    }
    assert_eq!((repaired, halted), (2 * (3 * ENTRY + 1) + zeros, 2 * kept - zeros));
}

#[test]
fn every_flipped_bit_of_signed_entries_and_of_their_checkpoint_is_noticed() {
    let home = Home::new();
    home.run("one");
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    log.sign().unwrap();
    drop(log);
    for path in [home.log().leaves(), home.log().checkpoint()] {
        let bytes = fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(Log::open(&home.log()).is_err(), "bit {bit} of {}", path.display());
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(Log::open(&home.log()).is_ok());
}

#[test]
fn entries_with_right_checksums_and_other_leaves_contradict_the_checkpoint() {
    let home = Home::new();
    let run = home.run("one");
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    log.sign().unwrap();
    drop(log);
    // An administrator writes the run anew, chain and all, and the entries to it.
    fs::remove_dir_all(run.path()).unwrap();
    fs::remove_file(home.log().leaves()).unwrap();
    let mut writer = {
        let run = RunFolder::create(run.path(), b"{}").unwrap();
        Writer::create(Files::lock(&run).unwrap(), Nonce::random().unwrap(), clocks()).unwrap()
    };
    commit(&mut writer, [started(), executor(1), note(7), note(8), note(9), note(10)]);
    writer.settle().unwrap();
    let key = fs::read_to_string(home.log().checkpoint()).unwrap();
    fs::remove_file(home.log().checkpoint()).unwrap();
    let mut log = Log::open(&home.log()).unwrap();
    log.follow_all(&home.runs()).unwrap();
    fs::write(home.log().checkpoint(), key).unwrap();
    assert!(matches!(Log::open(&home.log()), Err(LogError::Contradicted { size: 6 })));
    assert!(matches!(log.sign(), Err(LogError::Contradicted { size: 6 })), "it signed over a contradiction");
}

#[test]
fn checkpoints_of_two_writers_never_contradict_each_other() {
    let home = Home::new();
    let runs = [home.run("one"), home.run("two")];
    let mut writers = [home.open(), home.open()];
    let mut signed = Vec::new();
    for turn in 0..12 {
        let (run, log) = (&runs[turn % 2], &mut writers[turn / 2 % 2]);
        home.go_on(run);
        log.follow(&run.journal(), None).unwrap();
        signed.push(log.sign().unwrap().checkpoint);
    }
    let tree = Log::open(&home.log()).unwrap().tree().clone();
    assert_eq!(tree.size(), 1 + 10 + 12 * 3);
    for old in &signed {
        for new in signed.iter().filter(|new| new.size >= old.size) {
            let proof = tree.consistency(old.size, new.size).unwrap();
            assert!(consistency_holds(old.size, old.root, new.size, new.root, &proof));
        }
    }
}

#[test]
fn a_journal_that_was_written_anew_or_cut_is_not_what_the_log_has() {
    let home = Home::new();
    let (run, other) = (home.run("one"), home.run("two"));
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    log.sign().unwrap();
    let report = verify_logged(&run, &home.log()).unwrap();
    assert_eq!(report.standing, Standing::Holds, "{report:?}");
    let nonce = Reader::open(&run.journal()).unwrap().head().nonce;
    fs::remove_dir_all(run.path()).unwrap();
    let new = RunFolder::create(run.path(), b"{}").unwrap();
    let mut writer = Writer::create(Files::lock(&new).unwrap(), nonce, clocks()).unwrap();
    commit(&mut writer, [started(), executor(1)]);
    commit(&mut writer, [note(99), note(2), note(3), note(4)]);
    writer.settle().unwrap();
    drop(writer);
    let report = verify_logged(&new, &home.log()).unwrap();
    assert_eq!(report.standing.exit_code(), 20);
    let claim = report.claims.iter().find(|claim| claim.subject == Subject::Log).unwrap();
    assert!(matches!(&claim.finding, Finding::Tampered(text) if text.contains("record 3 is not")), "{claim:?}");
    // The chain alone sees nothing: it was computed anew.
    assert!(pointsman::audit::verify(&new).unwrap().holds());
    home.go_on(&other);
    let refused = log.follow_all(&home.runs());
    assert!(matches!(refused, Err(LogError::Foreign { seq: 5, .. })), "{refused:?}");
    let report = verify_logged(&other, &home.log()).unwrap();
    let text = report.claims.iter().find(|claim| claim.subject == Subject::Checkpoint).unwrap().finding.text().to_owned();
    assert!(
        text.contains("records 1 to 5 of this run") && text.contains("not signed yet"),
        "one bad journal kept another out: {text}"
    );
    assert_eq!(log.entries_of(Reader::open(&other.journal()).unwrap().head().nonce).unwrap().len(), 8);
}

#[test]
fn the_diary_is_in_the_log_and_goes_on_after_a_torn_entry() {
    let home = Home::new();
    let mut log = home.open();
    let refused = |n: u64| pointsman::log::diary::Entry::OrderRefused {
        run: "one".to_owned(),
        order: format!("approve {n}"),
        by: "uid 1000".to_owned(),
        reason: "not in the roster".to_owned(),
    };
    log.note(at(1), refused(1)).unwrap();
    let path = home.log().diary();
    let whole = fs::read(&path).unwrap();
    // A crash between the diary and the log: whole there, and not here.
    let leaves = fs::read(home.log().leaves()).unwrap();
    fs::write(home.log().leaves(), &leaves[..leaves.len() - ENTRY]).unwrap();
    // And one in the middle of the next entry.
    fs::write(&path, [&whole[..], &whole[..50]].concat()).unwrap();
    let mut log = Log::open(&home.log()).unwrap();
    log.note(at(2), refused(2)).unwrap();
    let diary = log.diary().unwrap();
    assert_eq!(diary.len(), 3);
    assert_eq!((diary[2].at, &diary[2].event), (at(2), &refused(2)));
    assert_eq!(log.tree().size(), 3);
}
