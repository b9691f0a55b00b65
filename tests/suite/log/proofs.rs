//! The proof of one record: that it is verified by both programs, and that a change anywhere in it is noticed.

use std::fs;

use pointsman::audit::{Proof, Standing, Subject, Trust, Withhold, WitnessLevel, bundle, prove, trust, verify_proof};
use pointsman::log::{Signer, Use};

use super::bundles::{python_is_here, said_by_python};
use super::{Home, witnessed};

#[test]
fn one_record_is_proven_and_no_change_of_its_proof_goes_unnoticed() {
    let home = Home::new();
    let (run, other) = (home.run("one"), home.run("two"));
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    let (witness, seen) = witnessed(&mut log);
    home.go_on(&other);
    log.follow_all(&home.runs()).unwrap();
    let newest = log.sign().unwrap();

    let mut known = Trust { keys: vec![log.verifier().clone()], ..Trust::default() };
    for record in 1..=5 {
        let report = verify_proof(&prove(&run, &log, record).unwrap().to_string(), &known);
        assert_eq!((report.standing, report.witness), (Standing::Holds, WitnessLevel::L0), "{report:?}");
        assert_eq!(report.run.is_some(), record == 1, "only record 1 names the run");
    }
    assert!(prove(&run, &log, 6).is_err() && prove(&run, &log, 0).is_err());
    // A record that came after the witness is proven by the newest checkpoint.
    assert_eq!(prove(&other, &log, 8).unwrap().signed, newest);

    let proof = prove(&run, &log, 3).unwrap();
    assert_eq!(proof.signed.checkpoint, seen.checkpoint, "the one that the witness has signed");
    let text = proof.to_string();
    assert_eq!(Proof::parse(&text), Some(proof));
    known.witnesses = vec![witness.verifier()];
    known.required = WitnessLevel::L2;
    let report = verify_proof(&text, &known);
    assert_eq!((report.standing, report.witness), (Standing::Holds, WitnessLevel::L2), "{report:?}");
    assert_eq!(verify_proof(&text, &Trust { keys: Vec::new(), ..known.clone() }).standing, Standing::Weaker);
    let stranger = Signer::of_seed(log.verifier().name(), Use::Log, [9; 32]).verifier();
    assert_eq!(verify_proof(&text, &Trust { keys: vec![stranger], ..known.clone() }).standing, Standing::Tampered);
    let pasted = trust::pasted(&seen.note.text).unwrap();
    let at_ticket = Trust { witnesses: Vec::new(), pasted: vec![pasted.clone()], required: WitnessLevel::L1, ..known.clone() };
    assert_eq!(verify_proof(&text, &at_ticket).standing, Standing::Holds);
    let forked =
        trust::pasted(&newest.note.text).map(|newest| pointsman::log::Checkpoint { size: pasted.size, ..newest }).unwrap();
    assert_eq!(verify_proof(&text, &Trust { pasted: vec![forked], ..at_ticket }).standing, Standing::Tampered);

    // A whole record of another place, and of another run.
    for foreign in [prove(&run, &log, 4).unwrap(), prove(&other, &log, 3).unwrap()] {
        let taken = Proof { frame: foreign.frame, ..Proof::parse(&text).unwrap() };
        assert_eq!(verify_proof(&taken.to_string(), &known).standing, Standing::Tampered);
    }
    let cases = changed(&text);
    for (number, case) in cases.iter().enumerate() {
        let report = verify_proof(case, &known);
        assert_ne!(report.standing, Standing::Holds, "case {number}: {report:?}");
    }
    assert!(cases.len() > 800, "{}", cases.len());
    if python_is_here() {
        let folder = tempfile::tempdir().unwrap();
        let sample: Vec<&String> = std::iter::once(&text).chain(cases.iter().step_by(7)).collect();
        for (number, case) in sample.iter().enumerate() {
            fs::write(folder.path().join(format!("{number:05}")), case).unwrap();
        }
        let said = said_by_python("verify_proof", log.verifier(), &witness.verifier(), folder.path());
        assert!(said.len() == sample.len() && said[0] == 0, "{said:?}");
        for (number, (python, case)) in said.iter().zip(&sample).enumerate() {
            let ours = verify_proof(case, &known).standing.exit_code();
            assert_eq!((ours == 0, ours == 10), (*python == 0, *python == 10), "case {number}: ours {ours}, Python {python}");
        }
    }
    let mut whole = Vec::new();
    bundle(&run, &log, &Withhold::default(), &mut whole).unwrap();
    assert_eq!(verify_proof(&String::from_utf8(whole).unwrap(), &known).standing, Standing::Malformed);
    let subjects: Vec<Subject> = report.claims.iter().map(|claim| claim.subject).collect();
    assert!(subjects.is_sorted() && subjects.len() == 5, "{subjects:?}");
}

/// Every byte made another one, and every line left out or doubled.
fn changed(text: &str) -> Vec<String> {
    let mut cases = Vec::new();
    for (at, _) in text.char_indices() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap();
        let other = if first == 'A' { 'B' } else { 'A' };
        cases.push(format!("{}{other}{}", &text[..at], &rest[first.len_utf8()..]));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        cases.push([&lines[..at], &lines[at + 1..]].concat().concat());
        // The same signature twice is the same signature.
        if !lines[at].starts_with('—') {
            cases.push([&lines[..=at], &lines[at..]].concat().concat());
        }
    }
    cases.push(format!("{text}\n"));
    cases
}
