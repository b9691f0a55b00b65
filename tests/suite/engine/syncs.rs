//! What waits for the disk, and what does not.

use std::collections::BTreeSet;

use pointsman::engine::Ending;
use pointsman::journal::Reader;
use pointsman::model::RunOutcome;

use super::hands::{home, run, step};

const HEAD: &str = "pointsman: 1\nrunbook: engine-test\nsteps:\n";

fn look(at: usize) -> String {
    let needs = if at == 0 { String::new() } else { format!("    needs: [look-{}]\n", at - 1) };
    format!("  look-{at}:\n    action: command.check\n    with: {{ argv: [ok] }}\n{needs}")
}

#[test]
fn what_acts_finds_its_intent_on_the_disk() {
    let (_folder, home) = home();
    let looks: String = (0..3).map(look).collect();
    let text = format!("{HEAD}{looks}{}{}", step("a", "see", "    needs: [look-2]\n"), step("b", "see", "    needs: [a]\n"));
    let (ending, _, log) = run(&home, &text);
    assert_eq!(ending.unwrap(), Ending::Ended(RunOutcome::Succeeded));
    let seen: Vec<_> = log.iter().filter(|line| line.starts_with("on the disk")).collect();
    assert_eq!(seen, ["on the disk is its intent of a", "on the disk is its intent of b"]);
}

/// Two turns a look, and a sync for each, would be four hundred. A machine that takes 50 ms for a turn would still need fewer than
/// half of them.
#[test]
fn looks_share_their_syncs() {
    let (_folder, home) = home();
    let looks: String = (0..200).map(look).collect();
    let (ending, run, log) = run(&home, &format!("{HEAD}{looks}"));
    assert_eq!(ending.unwrap(), Ending::Ended(RunOutcome::Succeeded));
    assert_eq!(log.len(), 200);
    let entries: Vec<_> = Reader::open(&home.folder(&run).journal()).unwrap().map(Result::unwrap).collect();
    let batches: BTreeSet<u64> = entries.iter().map(|entry| entry.batch).collect();
    assert!(entries.len() > 400 && batches.len() < 200, "{} records in {} syncs", entries.len(), batches.len());
}
