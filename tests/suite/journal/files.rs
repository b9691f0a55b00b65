//! The journal on a real disk: creation, lock, salvage, disk full, a failing sync.

use std::fs;
use std::process::Command;

use pointsman::journal::{Files, JournalError, LockError, Nonce, OpenError, Reader, RunFolder, Writer, lock, open, salvage};
use tempfile::TempDir;

use super::sample::{at, clocks, commit, executor, note, read_all, started};

/// A run's folder with a journal that was settled and let go.
pub fn run_folder() -> (TempDir, RunFolder) {
    let home = TempDir::new().unwrap();
    let folder = RunFolder::create(home.path().join("run-1"), b"{}").unwrap();
    let mut writer = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks()).unwrap();
    commit(&mut writer, [started(), executor(1)]);
    commit(&mut writer, [note(1), note(2)]);
    commit(&mut writer, [note(3)]);
    writer.settle().unwrap();
    (home, folder)
}

#[test]
fn a_run_is_made_once_and_opened_again() {
    let (_home, folder) = run_folder();
    assert_eq!(fs::read(folder.plan()).unwrap(), b"{}");
    assert!(RunFolder::create(folder.path(), b"{}").is_err(), "a run was made over another");
    let again = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks());
    assert!(matches!(again, Err(JournalError::Failed { attempted: "create it", .. })), "{again:?}");
    drop(again);
    let opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    assert_eq!(read_all(&opened.writer).len(), 5);
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["journal", "lock", "plan.json"], "a temporary file was left");
}

#[test]
fn one_executor_at_a_time() {
    let (_home, folder) = run_folder();
    assert_eq!(lock::holder(&folder).unwrap(), None);
    let opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    let holder = lock::holder(&folder).unwrap().unwrap();
    assert_eq!((holder.pid, holder.epoch), (std::process::id(), 2));
    let Err(LockError::Held(Some(seen))) = Files::lock(&folder) else { panic!("the lock was given twice") };
    assert_eq!(seen, holder);
    drop(opened);
    assert!(Files::lock(&folder).is_ok());
}

#[test]
fn an_executor_whose_lock_file_was_replaced_stops() {
    let (_home, folder) = run_folder();
    let mut old = open(Files::lock(&folder).unwrap(), clocks()).unwrap().writer;
    commit(&mut old, [note(4)]);
    fs::remove_file(folder.lock()).unwrap();
    let mut new = open(Files::lock(&folder).unwrap(), clocks()).unwrap().writer;
    old.append(at(5), 5, note(5)).unwrap();
    let fenced = old.commit();
    assert!(matches!(fenced, Err(JournalError::Fenced { holder: 3, epoch: 2 })), "{fenced:?}");
    commit(&mut new, [note(6)]);
    assert_eq!(Reader::open(&folder.journal()).unwrap().map(Result::unwrap).count(), 7);
}

#[test]
fn salvage_copies_what_can_be_trusted() {
    let (home, folder) = run_folder();
    let mut bytes = fs::read(folder.journal()).unwrap();
    let entries: Vec<_> = Reader::open(&folder.journal()).unwrap().map(Result::unwrap).collect();
    let fourth = usize::try_from(entries[3].offset).unwrap();
    bytes[fourth + 120] ^= 1;
    fs::write(folder.journal(), &bytes).unwrap();
    let refused = open(Files::lock(&folder).unwrap(), clocks());
    assert!(matches!(refused, Err(OpenError::Corrupt(_))), "{refused:?}");
    drop(refused);
    let new = home.path().join("salvaged");
    let salvaged = salvage(&folder.journal(), &new).unwrap();
    assert_eq!((salvaged.records, salvaged.upto), (3, fourth as u64));
    assert_eq!(salvaged.left, (bytes.len() - fourth) as u64);
    assert_eq!(fs::read(folder.journal()).unwrap(), bytes, "the damaged file was touched");
    assert!(salvage(&folder.journal(), &new).is_err(), "salvage wrote over a file");
    fs::rename(&new, folder.journal()).unwrap();
    let opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    assert_eq!(read_all(&opened.writer), entries[..3].iter().map(|entry| entry.record.clone()).collect::<Vec<_>>());
    drop(opened);
    let report = pointsman::audit::verify(&folder).unwrap();
    assert_eq!(report.standing.exit_code(), 20, "a salvaged journal is never a whole one: {report:?}");
}

/// Whether a tool that a test needs is here; the gate of a release sets POINTSMAN_TEST_REQUIRE_ALL, and there it must be.
fn missing(tool: &str, works: bool) -> bool {
    if !works {
        assert!(std::env::var_os("POINTSMAN_TEST_REQUIRE_ALL").is_none(), "{tool} is needed and does not work here");
        eprintln!("skipped: {tool} does not work here");
    }
    !works
}

#[test]
fn a_full_disk_poisons_the_writer_and_loses_nothing_acknowledged() {
    let home = TempDir::new().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=128k", "pointsman-test"]).arg(home.path()).status();
    if missing("mount -t tmpfs", mounted.is_ok_and(|status| status.success())) {
        return;
    }
    let result = std::panic::catch_unwind(|| fill(home.path()));
    assert!(Command::new("umount").arg("-l").arg(home.path()).status().unwrap().success());
    result.unwrap();
}

fn fill(home: &std::path::Path) {
    let folder = RunFolder::create(home.join("run-1"), b"{}").unwrap();
    let ballast = home.join("ballast");
    fs::write(&ballast, vec![0; 76_000]).unwrap();
    let mut writer = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks()).unwrap();
    let mut acknowledged = commit(&mut writer, [started()]);
    let failed = loop {
        let n = acknowledged.len() as u64;
        let record = writer.append(at(n), n, note(n)).unwrap();
        match writer.commit() {
            Ok(()) => acknowledged.push(record),
            Err(error) => break error,
        }
        assert!(n < 1_000, "the disk never became full");
    };
    let JournalError::Failed { source, .. } = &failed else { panic!("{failed}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{failed}");
    assert!(matches!(writer.commit(), Err(JournalError::Poisoned(_))));
    drop(writer);
    // The copy that the next start has to make needs room; without it nothing is changed.
    assert!(matches!(open(Files::lock(&folder).unwrap(), clocks()), Err(OpenError::Io { .. })));
    fs::remove_file(&ballast).unwrap();
    let mut opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    assert!(opened.repaired.is_some());
    let found = read_all(&opened.writer);
    assert!(found.len() >= acknowledged.len());
    assert_eq!(found[..acknowledged.len()], acknowledged[..]);
    commit(&mut opened.writer, [note(1)]);
}

/// Run by the test below in a process of its own, whose third fdatasync fails.
#[test]
fn part_of_a_failing_sync_on_a_real_file() {
    let Some(folder) = std::env::var_os("POINTSMAN_TEST_FAILING_SYNC") else { return };
    let folder = RunFolder::at(folder);
    let mut writer = open(Files::lock(&folder).unwrap(), clocks()).unwrap().writer;
    let mut committed = 0;
    let failed = loop {
        writer.append(at(9), 9, note(9)).unwrap();
        match writer.commit() {
            Ok(()) => committed += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, JournalError::Failed { attempted: "sync records", .. }), "{failed}");
    for _ in 0..3 {
        assert!(matches!(writer.settle(), Err(JournalError::Poisoned(_))), "a failed sync was tried again");
    }
    println!("committed {committed} before the sync failed");
}

#[test]
fn a_failing_sync_on_a_real_file_is_never_tried_again() {
    let works = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output().is_ok_and(|run| run.status.success());
    if missing("strace", works) {
        return;
    }
    let (_home, folder) = run_folder();
    let before = Reader::open(&folder.journal()).unwrap().count();
    // Opening syncs three times; the second commit after it is the fifth.
    let run = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=5"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "journal::files::part_of_a_failing_sync_on_a_real_file", "--nocapture"])
        .env("POINTSMAN_TEST_FAILING_SYNC", folder.path())
        .output()
        .unwrap();
    let (out, trace) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && out.contains("committed 1 before"), "{out}{trace}");
    assert_eq!(trace.matches("fdatasync(").count(), 5, "a sync followed the one that failed:\n{trace}");
    assert_eq!(trace.matches("(INJECTED)").count(), 1, "{trace}");
    let opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    assert_eq!(opened.repaired.unwrap().kept, "kept/journal-before-epoch-3");
    assert!(opened.writer.records().count() > before);
}
