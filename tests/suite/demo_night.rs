//! The demo with every story it can tell: each runs as a person would start it, in a folder of its own, and its exit code and its
//! files are looked at. Nothing is taken from what it says about itself except that it said it.

use std::path::Path;
use std::process::{Command, Stdio};

use pointsman::demo::shop::Ledger;
use pointsman::demo::story::STEPS;
use pointsman::demo::{Folder, Side, Story, Verdict};

fn tell(story: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["demo", "--unattended", "--dir"])
        .arg(folder.path().join("shop"))
        .args(story)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "demo {} ended with {}:\n{said}", story.join(" "), output.status);
    (folder, said)
}

fn check(folder: &Path, side: Side, said: &str) {
    let folder = Folder::new(folder.join("shop"));
    let verdict = Verdict::of(&folder).unwrap();
    assert!(verdict.is_whole(), "{verdict:?}\n{said}");
    assert_eq!(verdict.live, side, "{said}");
    assert!(verdict.acknowledged >= 200, "the shop sold before and after: {verdict:?}");
    assert_eq!(verdict.found, verdict.acknowledged, "{said}");
    let last = Ledger::read(&folder).unwrap().acknowledged().last().and_then(|entry| entry.side);
    assert_eq!(last, Some(side), "the last order went to the live side");
}

fn every_step(word: &str, story: fn(&'static str) -> Story) {
    let mut told = 0;
    for step in STEPS {
        let (folder, said) = tell(&[word, step]);
        check(folder.path(), story(step).side(), &said);
        if word == "--kill" {
            assert!(said.contains(&format!("was killed with SIGKILL in the middle of {step}.")), "{said}");
            assert!(said.contains("$ pointsman resume "), "{said}");
        }
        told += 1;
    }
    assert_eq!(told, STEPS.len());
}

#[test]
fn a_plain_night_ends_on_the_new_side() {
    let (folder, said) = tell(&[]);
    check(folder.path(), Side::New, &said);
    for line in ["lost                                   0", "duplicated                             0"] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn a_rejected_night_ends_on_the_old_side() {
    let (folder, said) = tell(&["--reject"]);
    check(folder.path(), Side::Old, &said);
}

#[test]
fn the_shop_is_whole_whichever_step_fails() {
    every_step("--fail", Story::Fail);
}

#[test]
fn the_shop_is_whole_whichever_step_the_executor_is_killed_in() {
    every_step("--kill", Story::Kill);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "precious").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["demo", "--unattended", "--dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made beside a stranger's file");
}
