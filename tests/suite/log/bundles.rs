//! Bundles: what is in one, and that a change anywhere in it is noticed, by the program and by the verifier in Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use pointsman::audit::{Report, Standing, Subject, Trust, Withhold, WitnessLevel, bundle, trust, verify_bundle};
use pointsman::journal::{Files, RunFolder, open};
use pointsman::log::{Log, Signed, Signer, Verifier};
use pointsman::model::RunOutcome;
use pointsman::run::Event;

use super::{Home, witnessed};
use crate::journal::sample::{clocks, commit};

/// A home whose run is over, with other runs around it, and a checkpoint in between that a witness has signed.
struct Night {
    _home: Home,
    run: RunFolder,
    log: Log,
    witness: Signer,
    pasted: Signed,
}

impl Night {
    fn new() -> Self {
        let home = Home::new();
        let (run, other) = (home.run("one"), home.run("two"));
        let mut log = home.open();
        log.follow_all(&home.runs()).unwrap();
        let pasted = log.sign().unwrap();
        log.publish(&pasted).unwrap();
        home.go_on(&other);
        log.follow_all(&home.runs()).unwrap();
        let mut opened = open(Files::lock(&run).unwrap(), clocks()).unwrap();
        commit(&mut opened.writer, [Event::RunEnded { outcome: RunOutcome::Succeeded }]);
        opened.writer.settle().unwrap();
        drop(opened);
        log.follow_all(&home.runs()).unwrap();
        let (witness, _) = witnessed(&mut log);
        home.go_on(&other);
        log.follow_all(&home.runs()).unwrap();
        log.sign().unwrap();
        Self { _home: home, run, log, witness, pasted }
    }

    fn bundle(&self, withhold: &Withhold) -> String {
        let mut out = Vec::new();
        bundle(&self.run, &self.log, withhold, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust { keys: vec![self.log.verifier().clone()], ..Trust::default() }
    }
}

fn verify(text: &str, trust: &Trust) -> Report {
    verify_bundle(&mut text.as_bytes(), trust).unwrap()
}

fn text_of(report: &Report, subject: Subject) -> &str {
    report.claims.iter().find(|claim| claim.subject == subject).unwrap().finding.text()
}

#[test]
fn a_bundle_proves_as_much_as_is_brought_along() {
    let night = Night::new();
    let text = night.bundle(&Withhold::default());
    let mut trust = night.trust();
    let report = verify(&text, &trust);
    assert_eq!((report.standing, report.records, report.witness), (Standing::Holds, 6, WitnessLevel::L0), "{report:?}");
    assert_eq!(report.outcome, Some(RunOutcome::Succeeded));
    assert_eq!(verify(&text, &Trust::default()).standing, Standing::Weaker, "a key from nowhere was believed");

    trust.required = WitnessLevel::L2;
    assert_eq!(verify(&text, &trust).standing, Standing::Weaker);
    trust.witnesses = vec![night.witness.verifier()];
    let report = verify(&text, &trust);
    assert_eq!((report.standing, report.witness), (Standing::Holds, WitnessLevel::L2), "{report:?}");

    // The pasted lines are from before the end: they prove the beginning, and no more.
    trust.witnesses.clear();
    trust.required = WitnessLevel::L0;
    trust.pasted = vec![trust::pasted(&night.pasted.note.text).unwrap()];
    let report = verify(&text, &trust);
    assert_eq!((report.standing, report.witness), (Standing::Holds, WitnessLevel::L0));
    assert!(text_of(&report, Subject::Witness).contains("not the last records"), "{report:?}");
    trust.pasted[0].root = pointsman::model::Digest::of(b"another log");
    assert_eq!(verify(&text, &trust).standing, Standing::Tampered, "a fork was not seen");
    trust.pasted[0].size = 3;
    assert_eq!(verify(&text, &trust).standing, Standing::Weaker, "lines that the bundle says nothing about");
}

#[test]
fn what_is_withheld_is_not_in_the_bundle_and_the_proof_holds() {
    let night = Night::new();
    let withhold = Withhold { records: [2].into(), texts: vec!["2 rows".to_owned()], plan: true };
    let text = night.bundle(&withhold);
    let report = verify(&text, &night.trust());
    assert_eq!((report.standing, report.records), (Standing::Holds, 6), "{report:?}");
    assert!(text_of(&report, Subject::Payloads).contains("records 2, 4 say is withheld"), "{report:?}");
    assert_eq!(text.matches("\nwithheld ").count(), 2);
    // One in the place of another is noticed, and so is one that is left out.
    let lines: Vec<&str> = text.lines().collect();
    let at: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("withheld ")).collect();
    let without: String = lines.iter().enumerate().filter(|(n, _)| *n != at[0]).map(|(_, line)| format!("{line}\n")).collect();
    assert_eq!(verify(&without, &night.trust()).standing, Standing::Tampered);
    let first = Withhold { records: [1].into(), ..Withhold::default() };
    assert!(bundle(&night.run, &night.log, &first, &mut Vec::new()).is_err());
}

/// Every byte in turn becomes another one, every line is left out, doubled, and exchanged with the next.
#[test]
fn no_change_of_a_bundle_goes_unnoticed() {
    let night = Night::new();
    let text = night.bundle(&Withhold { records: [3].into(), ..Withhold::default() });
    let trust = Trust { witnesses: vec![night.witness.verifier()], required: WitnessLevel::L2, ..night.trust() };
    assert_eq!(verify(&text, &trust).standing, Standing::Holds);
    let mut refused = 0;
    let mut refuse = |changed: &[u8], what: &str| {
        let report = verify_bundle(&mut &changed[..], &trust).unwrap();
        assert_ne!(report.standing, Standing::Holds, "{what}: {report:?}");
        refused += 1;
    };
    for at in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        refuse(&changed, &format!("byte {at}"));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let part = |lines: &[&str]| lines.concat().into_bytes();
        let (before, rest) = lines.split_at(at);
        // Without the line of an earlier checkpoint, or without the plan, a bundle is whole and proves less.
        if !["plan", "earlier"].iter().any(|word| lines[at].starts_with(word)) {
            refuse(&part(&[before, &rest[1..]].concat()), &format!("without line {at}"));
        }
        let doubled = part(&[before, &rest[..1], rest].concat());
        if !lines[at].starts_with("earlier") {
            refuse(&doubled, &format!("line {at} twice"));
        }
        if let [one, two, after @ ..] = rest
            && !(one.starts_with("earlier") && two.starts_with("earlier"))
        {
            refuse(&part(&[before, &[*two, *one], after].concat()), &format!("line {at} and the next exchanged"));
        }
    }
    refuse(format!("{text}\n").as_bytes(), "a line more");
    assert!(refused > 3_500, "{refused}");
}

#[test]
fn the_verifier_in_python_says_the_same() {
    if !python_is_here() {
        return;
    }
    let night = Night::new();
    let text = night.bundle(&Withhold { records: [3].into(), ..Withhold::default() });
    let folder = tempfile::tempdir().unwrap();
    let trust = Trust { witnesses: vec![night.witness.verifier()], required: WitnessLevel::L2, ..night.trust() };
    // Each change is a line of its own in one file, so that one Python process sees all of them.
    let mut cases = vec![text.clone()];
    for at in (0..text.len()).step_by(29) {
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        cases.push(format!("{}{other}{}", &text[..at], &text[at + 1..]));
    }
    for (number, case) in cases.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:05}")), case).unwrap();
    }
    let said = said_by_python("verify", night.log.verifier(), &night.witness.verifier(), folder.path());
    assert_eq!(said.len(), cases.len());
    for (number, (python, case)) in said.iter().zip(&cases).enumerate() {
        let ours = verify(case, &trust).standing.exit_code();
        // Both refuse, or neither does. Whether damage is called malformed or tampered may differ.
        assert_eq!((ours == 0, ours == 10), (*python == 0, *python == 10), "case {number}: ours {ours}, Python {python}");
    }
    assert!(said[0] == 0 && said.len() > 80);
}

/// Whether the second verifier can be run; skipped by name where its library is missing.
pub(super) fn python_is_here() -> bool {
    if Command::new("python3").args(["-c", "import cryptography"]).status().is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(std::env::var_os("POINTSMAN_TEST_REQUIRE_ALL").is_none(), "python3-cryptography is needed and not here");
    eprintln!("skipped: python3-cryptography is not here");
    false
}

/// The exit codes of the second verifier over every file of a folder, where L2 is asked for.
pub(super) fn said_by_python(verify: &str, key: &Verifier, witness: &Verifier, folder: &Path) -> Vec<u8> {
    let output = Command::new("python3")
        .args(["-c", PYTHON, concat!(env!("CARGO_MANIFEST_DIR"), "/tools"), verify])
        .args([key.to_string(), witness.to_string()])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

const PYTHON: &str = r"
import os, sys
sys.path.insert(0, sys.argv[1])
import verify_bundle as v
verify, keys, witnesses, folder = getattr(v, sys.argv[2]), [v.Key(sys.argv[3])], [v.Key(sys.argv[4])], sys.argv[5]
for name in sorted(os.listdir(folder)):
    try:
        weak, _ = verify(open(os.path.join(folder, name), 'rb').read(), keys, witnesses, (), 2)
        print(10 if weak else 0)
    except v.Tampered:
        print(20)
    except (v.Malformed, ValueError, KeyError, IndexError):
        print(30)
";
