//! Verification of a run's folder: what holds, what was tampered with, what is malformed; and the records as lines.

use std::fs;

use pointsman::audit::{Finding, Report, Standing, Subject, lines, verify};
use pointsman::journal::{Files, RunFolder, open};
use pointsman::model::RunOutcome;
use pointsman::run::Event;

use super::files::run_folder;
use super::sample::{clocks, commit, executor, note};

fn standing(folder: &RunFolder) -> (Standing, Report) {
    let report = verify(folder).unwrap();
    (report.standing, report)
}

/// The subjects whose claim does not hold.
fn broken(report: &Report) -> Vec<Subject> {
    let fails = |finding: &Finding| matches!(finding, Finding::Tampered(_) | Finding::Malformed(_));
    report.claims.iter().filter(|claim| fails(&claim.finding)).map(|claim| claim.subject).collect()
}

#[test]
fn a_whole_run_holds_and_says_what_that_does_not_prove() {
    let (_home, folder) = run_folder();
    let mut opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    commit(&mut opened.writer, [executor(2)]);
    let (now, live) = standing(&folder);
    assert_eq!((now, live.outcome), (Standing::Holds, None));
    commit(&mut opened.writer, [Event::RunEnded { outcome: RunOutcome::Succeeded }]);
    opened.writer.settle().unwrap();
    let (standing, report) = standing(&folder);
    assert_eq!(standing, Standing::Holds, "{report:?}");
    assert!(report.holds() && standing.exit_code() == 0);
    assert_eq!((report.records, report.epoch, report.outcome), (7, 2, Some(RunOutcome::Succeeded)));
    assert_eq!(report.chain, opened.writer.durable().chain);
    assert_eq!(report.run.unwrap().as_str(), "shop-to-cloud-20261121-k3p9");
    assert!(report.witness.bound().contains("not protected against an administrator of this host"));
    let subjects: Vec<_> = report.claims.iter().map(|claim| claim.subject.name()).collect();
    assert_eq!(subjects, ["chain", "head", "tail", "payloads", "first-record", "plan", "epochs", "kept", "end"]);
}

#[test]
fn a_changed_record_is_tampered_with() {
    let (_home, folder) = run_folder();
    let mut bytes = fs::read(folder.journal()).unwrap();
    let middle = bytes.len() - 400;
    bytes[middle] ^= 4;
    fs::write(folder.journal(), bytes).unwrap();
    let (standing, report) = standing(&folder);
    assert_eq!((standing, standing.exit_code()), (Standing::Tampered, 20));
    assert_eq!(broken(&report), [Subject::Chain]);
}

#[test]
fn a_changed_or_missing_plan_is_tampered_with() {
    let (_home, folder) = run_folder();
    fs::write(folder.plan(), b"{ }").unwrap();
    let (changed, report) = standing(&folder);
    assert_eq!((changed, broken(&report)), (Standing::Tampered, vec![Subject::Plan]));
    fs::remove_file(folder.plan()).unwrap();
    assert_eq!(standing(&folder).0, Standing::Tampered);
}

#[test]
fn what_a_repair_kept_must_still_be_there() {
    let (_home, folder) = run_folder();
    let journal = fs::OpenOptions::new().append(true).open(folder.journal()).unwrap();
    std::io::Write::write_all(&mut &journal, b"half a record").unwrap();
    let (torn, report) = standing(&folder);
    assert_eq!(torn, Standing::Holds, "a torn tail is no damage: {report:?}");
    let mut opened = open(Files::lock(&folder).unwrap(), clocks()).unwrap();
    let repaired = opened.repaired.unwrap();
    assert_eq!(fs::read(folder.path().join(&repaired.kept)).unwrap(), b"half a record");
    commit(&mut opened.writer, [Event::JournalRepaired { bytes: repaired.bytes, kept: repaired.kept.clone() }]);
    assert_eq!(standing(&folder).0, Standing::Holds);
    fs::remove_file(folder.path().join(&repaired.kept)).unwrap();
    let (gone, report) = standing(&folder);
    assert_eq!((gone, broken(&report)), (Standing::Tampered, vec![Subject::Kept]));
}

#[test]
fn a_second_start_of_the_run_is_tampered_with_and_a_missing_one_malformed() {
    let (_home, folder) = run_folder();
    let mut writer = open(Files::lock(&folder).unwrap(), clocks()).unwrap().writer;
    commit(&mut writer, [super::sample::started()]);
    let (standing_now, report) = standing(&folder);
    assert_eq!((standing_now, broken(&report)), (Standing::Tampered, vec![Subject::FirstRecord]));
    let home = tempfile::TempDir::new().unwrap();
    let other = RunFolder::create(home.path().join("run-2"), b"{}").unwrap();
    let nonce = pointsman::journal::Nonce::random().unwrap();
    let mut writer = pointsman::journal::Writer::create(Files::lock(&other).unwrap(), nonce, clocks()).unwrap();
    assert_eq!(standing(&other).0, Standing::Malformed, "a journal without a record is no run");
    commit(&mut writer, [note(1)]);
    let (standing_now, report) = standing(&other);
    assert_eq!((standing_now, standing_now.exit_code()), (Standing::Malformed, 30), "{report:?}");
}

#[test]
fn what_is_no_journal_is_malformed() {
    let (_home, folder) = run_folder();
    fs::write(folder.journal(), b"hello").unwrap();
    assert_eq!(standing(&folder).0.exit_code(), 30);
    fs::write(folder.journal(), vec![b'x'; 20_000]).unwrap();
    assert_eq!(standing(&folder).0.exit_code(), 30);
    fs::remove_file(folder.journal()).unwrap();
    assert_eq!(standing(&folder).0.exit_code(), 30);
}

#[test]
fn no_alarm_while_another_process_writes() {
    let (_home, folder) = run_folder();
    let mut writer = open(Files::lock(&folder).unwrap(), clocks()).unwrap().writer;
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = 0;
            loop {
                let (standing, report) = standing(&folder);
                assert_eq!(standing, Standing::Holds, "{report:?}");
                lines(&folder, &mut std::io::sink()).unwrap();
                looks += 1;
                if report.outcome.is_some() {
                    return looks;
                }
            }
        });
        for n in 0..300 {
            commit(&mut writer, (0..n % 5 + 1).map(note));
        }
        commit(&mut writer, [Event::RunEnded { outcome: RunOutcome::Aborted }]);
        assert!(looking.join().unwrap() > 3, "it never looked while the run was live");
    });
}

#[test]
fn records_are_shown_as_json_lines() {
    let (_home, folder) = run_folder();
    let mut out = Vec::new();
    assert_eq!(lines(&folder, &mut out).unwrap(), 5);
    let shown: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<_> = shown[2].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["seq", "epoch", "batch", "chain", "at", "uptime_ms", "event"]);
    assert_eq!((shown[3]["seq"].as_u64(), shown[3]["batch"].as_u64()), (Some(4), Some(3)));
    assert_eq!(shown[2]["event"]["type"], "progress_noted");
    let report = verify(&folder).unwrap();
    assert_eq!(shown[4]["chain"], report.chain.to_string());
}
