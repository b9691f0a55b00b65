//! The attack table of `docs/audit.md`: what every attacker can do to every record, at every level of witness, and what a
//! verification of the bundle then says. Each case is a bundle that is forged as well as that attacker can, and verified.

use std::fmt::Write as _;

use pointsman::audit::bundle::Part;
use pointsman::audit::{Trust, WitnessLevel, verify_bundle};
use pointsman::journal::frame::{Place, begin, seal};
use pointsman::journal::{Nonce, wire};
use pointsman::log::tree::leaf_hash;
use pointsman::log::{Checkpoint, Note, Signed, Signer, Tree, Use};
use pointsman::model::{Digest, RunId, RunOutcome};
use pointsman::run::Event;

use crate::journal::sample::{at, executor, note, started};

const RECORDS: u64 = 34;
const RUNS: u64 = 8;
const PLAN: &[u8] = b"{}";

/// Who attacks, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attacker {
    /// Changes the bundle and cannot compute hashes.
    File,
    /// Computes everything anew that needs no key: checksums, chain, leaves, root, proofs.
    Recomputer,
    /// The same, and signs with a key that they made.
    Stranger,
    /// Has the private key of the installation: an administrator of its host.
    Administrator,
    /// Has the private key of the witness too.
    Both,
}

const ATTACKERS: [(Attacker, &str); 5] = [
    (Attacker::File, "changes bytes and lines of the bundle"),
    (Attacker::Recomputer, "computes every checksum, hash and proof anew"),
    (Attacker::Stranger, "and signs with a key of their own"),
    (Attacker::Administrator, "has the installation's private key"),
    (Attacker::Both, "and the witness's"),
];

/// What is done to a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mutation {
    Text,
    Time,
    Flip,
    Delete,
    Duplicate,
    Forge,
    Swap,
    Truncate,
    OtherRun,
    Epoch,
    Withhold,
    Plan,
}

const MUTATIONS: [Mutation; 12] = [
    Mutation::Text,
    Mutation::Time,
    Mutation::Flip,
    Mutation::Delete,
    Mutation::Duplicate,
    Mutation::Forge,
    Mutation::Swap,
    Mutation::Truncate,
    Mutation::OtherRun,
    Mutation::Epoch,
    Mutation::Withhold,
    Mutation::Plan,
];

/// The exit code of a verification that was given the key, what the level has outside, and `--require` that level.
fn expected(attacker: Attacker, level: WitnessLevel) -> u8 {
    match (attacker, level) {
        (Attacker::File | Attacker::Recomputer | Attacker::Stranger, _) => 20,
        (Attacker::Administrator | Attacker::Both, WitnessLevel::L0) => 0,
        (Attacker::Both, WitnessLevel::L2) => 0,
        (Attacker::Administrator | Attacker::Both, WitnessLevel::L1 | WitnessLevel::L2 | WitnessLevel::L3) => 10,
    }
}

/// A record before it is a frame.
#[derive(Clone)]
struct Draft {
    second: u64,
    epoch: u64,
    event: Event,
}

/// A run, and what of it left its host in time.
struct World {
    nonce: Nonce,
    drafts: Vec<Draft>,
    frames: Vec<Vec<u8>>,
    log: Signer,
    witness: Signer,
    honest: Signed,
}

fn drafts(seed: u64) -> Vec<Draft> {
    let mut events = vec![started(), executor(1)];
    events.extend((2..RECORDS - 1).map(|n| note(n * 10 + seed)));
    events.push(Event::RunEnded { outcome: RunOutcome::Succeeded });
    (0..).zip(events).map(|(second, event)| Draft { second, epoch: 1, event }).collect()
}

/// Frames as a journal holds them.
fn frames(nonce: Nonce, drafts: &[Draft]) -> Vec<Vec<u8>> {
    let mut prev = Digest::ZERO;
    let frame = |(draft, seq): (&Draft, u64)| {
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        wire::encode(at(draft.second), draft.second * 1_000, &draft.event, &mut bytes).unwrap();
        prev = seal(&mut bytes, start, Place { seq, batch: seq, epoch: draft.epoch, nonce, prev });
        bytes
    };
    drafts.iter().zip(1..).map(frame).collect()
}

/// A bundle of frames in a log with entries of others between them: `extra` more of these at the end.
struct Bundle {
    key: String,
    plan: Vec<u8>,
    rows: Vec<(u64, Row)>,
    tree: Tree,
}

enum Row {
    Frame(Vec<u8>),
    Withheld(Digest),
}

impl Bundle {
    fn of(key: &Signer, frames: &[Vec<u8>], extra: u64) -> Self {
        let (mut tree, mut rows) = (Tree::default(), Vec::new());
        for (number, frame) in (0_u64..).zip(frames) {
            if number.is_multiple_of(5) {
                tree.push(leaf_hash(&number.to_be_bytes()));
            }
            rows.push((tree.size(), Row::Frame(frame.clone())));
            tree.push(leaf_hash(frame));
        }
        (0..extra).for_each(|n| tree.push(leaf_hash(&[n as u8, 7])));
        Self { key: key.verifier().to_string(), plan: PLAN.to_vec(), rows, tree }
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: "night/pointsman/1".to_owned(), size: self.tree.size(), root: self.tree.root() }
    }

    fn text(&self, signed: &Signed) -> Vec<u8> {
        let mut out = Vec::new();
        let mut write = |part: Part| part.write(&mut out).unwrap();
        write(Part::Run(RunId::new("shop-to-cloud-20261121-k3p9").to_string()));
        write(Part::Key(self.key.clone()));
        write(Part::Plan(self.plan.clone()));
        for (index, row) in &self.rows {
            write(match row {
                Row::Frame(frame) => Part::Frame(*index, frame.clone()),
                Row::Withheld(leaf) => Part::Withheld(*index, *leaf),
            });
        }
        let indexes: Vec<u64> = self.rows.iter().map(|(index, _)| *index).collect();
        self.tree.others(&indexes, self.tree.size()).unwrap_or_default().into_iter().for_each(|other| write(Part::Other(other)));
        write(Part::Checkpoint(signed.clone()));
        out
    }
}

fn sign(checkpoint: Checkpoint, by: &[&Signer]) -> Signed {
    let mut note = Note::of(checkpoint.to_string());
    note.signatures = by.iter().map(|signer| signer.sign(&note.text, 1_795_219_200)).collect();
    Signed { checkpoint, note }
}

impl World {
    fn new(seed: u64) -> Self {
        let nonce = Nonce::from_bytes([seed as u8; 16]);
        let drafts = drafts(seed);
        let frames = frames(nonce, &drafts);
        let log = Signer::of_seed("night/pointsman/1", Use::Log, [seed as u8 + 1; 32]);
        let witness = Signer::of_seed("witness.example/w", Use::Witness, [seed as u8 + 101; 32]);
        let honest = sign(Bundle::of(&log, &frames, 0).checkpoint(), &[&log, &witness]);
        Self { nonce, drafts, frames, log, witness, honest }
    }

    /// What a verifier has who wants to be as sure as `level` makes them.
    fn trust(&self, level: WitnessLevel) -> Trust {
        let mut trust = Trust { keys: vec![self.log.verifier()], required: level, ..Trust::default() };
        match level {
            WitnessLevel::L0 => {}
            WitnessLevel::L1 => trust.pasted.push(self.honest.checkpoint.clone()),
            WitnessLevel::L2 => trust.witnesses.push(self.witness.verifier()),
            WitnessLevel::L3 => trust.stored.push(self.honest.checkpoint.clone()),
        }
        trust
    }

    /// The bundle as this attacker forges it.
    fn forge(&self, attacker: Attacker, mutation: Mutation, at: usize) -> Vec<u8> {
        if attacker == Attacker::File {
            return self.tear(mutation, at);
        }
        let (drafts, plan) = self.rewrite(mutation, at);
        let mut frames = frames(self.nonce, &drafts);
        if mutation == Mutation::Withhold {
            // The record is another one, and nobody is to see it.
            frames = self::frames(self.nonce, &self.rewrite(Mutation::Text, at).0);
        }
        let stranger = Signer::of_seed("night/pointsman/1", Use::Log, [99; 32]);
        let key = if attacker == Attacker::Stranger { &stranger } else { &self.log };
        // A size that nobody outside has seen, so that no root can be held against it.
        let mut bundle = Bundle::of(key, &frames, 3);
        if bundle.tree.size() == self.honest.checkpoint.size {
            bundle = Bundle::of(key, &frames, 4);
        }
        bundle.plan = plan;
        if mutation == Mutation::Withhold {
            bundle.rows[at].1 = Row::Withheld(leaf_hash(&frames[at]));
        }
        let signed = match attacker {
            Attacker::File | Attacker::Recomputer => self.honest.clone(),
            Attacker::Stranger | Attacker::Administrator => sign(bundle.checkpoint(), &[key]),
            Attacker::Both => sign(bundle.checkpoint(), &[key, &self.witness]),
        };
        bundle.text(&signed)
    }

    /// The records as they are meant to have been.
    fn rewrite(&self, mutation: Mutation, at: usize) -> (Vec<Draft>, Vec<u8>) {
        let mut drafts = self.drafts.clone();
        let mut plan = PLAN.to_vec();
        match mutation {
            Mutation::Text | Mutation::Flip | Mutation::Withhold => drafts[at].event = note(4_711),
            Mutation::Time => drafts[at].second += 1,
            Mutation::Delete => drop(drafts.remove(at)),
            Mutation::Duplicate => drafts.insert(at, drafts[at].clone()),
            Mutation::Forge => drafts.insert(at, Draft { event: note(4_712), ..drafts[at].clone() }),
            Mutation::Swap => drafts.swap(at, at + 1),
            Mutation::Truncate => {
                drafts.truncate(at);
                drafts.push(self.drafts[self.drafts.len() - 1].clone());
            }
            Mutation::OtherRun => drafts[at] = self::drafts(77)[at].clone(),
            Mutation::Epoch => drafts[at..].iter_mut().for_each(|draft| draft.epoch = 2),
            Mutation::Plan => {
                plan = b"{ }".to_vec();
                if let Event::RunStarted { plan: digest, .. } = &mut drafts[0].event {
                    *digest = Digest::of(&plan);
                }
            }
        }
        if mutation == Mutation::Swap && at + 2 == drafts.len() {
            // The end stays the end: whoever forges as well as they can does not give themselves away so.
            drafts.swap(at, at + 1);
            drafts[at].event = note(4_713);
        }
        (drafts, plan)
    }

    /// The same, by somebody who only has an editor.
    fn tear(&self, mutation: Mutation, at: usize) -> Vec<u8> {
        let mut bundle = Bundle::of(&self.log, &self.frames, 0);
        let whole = std::mem::take(&mut bundle.rows);
        let mut rows: Vec<Vec<u8>> = self.frames.clone();
        let change = |frame: &mut Vec<u8>, at: usize| frame[at] ^= 1;
        match mutation {
            Mutation::Text | Mutation::Time => {
                let middle = rows[at].len() / 2;
                change(&mut rows[at], middle);
            }
            Mutation::Flip => change(&mut rows[at], 9),
            Mutation::Delete => drop(rows.remove(at)),
            Mutation::Duplicate => rows.insert(at, rows[at].clone()),
            Mutation::Forge => rows.insert(at, frames(self.nonce, &drafts(78))[at].clone()),
            Mutation::Swap => rows.swap(at, at + 1),
            Mutation::Truncate => rows.truncate(at),
            Mutation::OtherRun => rows[at] = frames(Nonce::from_bytes([200; 16]), &self.drafts)[at].clone(),
            Mutation::Epoch => change(&mut rows[at], 32),
            Mutation::Withhold => {}
            Mutation::Plan => bundle.plan = b"{ }".to_vec(),
        }
        let places = whole.iter().map(|(index, _)| *index).chain(bundle.tree.size()..);
        bundle.rows = places.zip(rows).map(|(index, frame)| (index, Row::Frame(frame))).collect();
        if mutation == Mutation::Withhold {
            bundle.rows[at].1 = Row::Withheld(leaf_hash(b"something else"));
        }
        // The other hashes are those of the whole bundle: an editor computes none.
        let text = String::from_utf8(bundle.text(&self.honest)).unwrap();
        let others = Bundle::of(&self.log, &self.frames, 0).text(&self.honest);
        let others: String =
            String::from_utf8(others).unwrap().split_inclusive('\n').filter(|line| line.starts_with("other ")).collect();
        let (head, tail) = text.split_at(text.find("checkpoint ").unwrap());
        let head: String = head.split_inclusive('\n').filter(|line| !line.starts_with("other ")).collect();
        format!("{head}{others}{tail}").into_bytes()
    }
}

/// One attacker against every record, at every level; gives how many cases there were.
fn attack(attacker: Attacker) -> usize {
    let mut cases = 0;
    for world in (0..RUNS).map(World::new) {
        let trusts = WitnessLevel::ALL.map(|level| (level, world.trust(level)));
        let honest = Bundle::of(&world.log, &world.frames, 0).text(&world.honest);
        for (level, trust) in &trusts {
            let report = verify_bundle(&mut &honest[..], trust).unwrap();
            assert!(report.holds() && report.witness >= *level, "the honest bundle at {level}: {report:?}");
        }
        // Record 1 and the last one are there in every forgery: without them a bundle gives itself away.
        for at in 1..world.frames.len() - 1 {
            for mutation in MUTATIONS {
                let forged = world.forge(attacker, mutation, at);
                assert_ne!(forged, honest);
                for (level, trust) in &trusts {
                    let report = verify_bundle(&mut &forged[..], trust).unwrap();
                    let code = report.standing.exit_code();
                    let wanted = expected(attacker, *level);
                    assert_eq!(code, wanted, "{attacker:?}, {mutation:?} of record {}, {level}: {report:?}", at + 1);
                    cases += 1;
                }
            }
        }
    }
    cases
}

const CASES_OF_ONE: usize = (RUNS * (RECORDS - 2)) as usize * MUTATIONS.len() * WitnessLevel::ALL.len();

#[test]
fn somebody_with_an_editor() {
    assert_eq!(attack(Attacker::File), CASES_OF_ONE);
}

#[test]
fn somebody_who_computes_everything_anew() {
    assert_eq!(attack(Attacker::Recomputer), CASES_OF_ONE);
}

#[test]
fn somebody_with_a_key_of_their_own() {
    assert_eq!(attack(Attacker::Stranger), CASES_OF_ONE);
}

#[test]
fn an_administrator_with_the_key_of_the_installation() {
    assert_eq!(attack(Attacker::Administrator), CASES_OF_ONE);
}

#[test]
fn an_administrator_with_the_key_of_the_witness_too() {
    assert_eq!(attack(Attacker::Both), CASES_OF_ONE);
}

/// The table in the documentation is this one.
#[test]
fn the_documentation_has_this_table() {
    let mut table = "| who attacks | L0 | L1 | L2 | L3 |\n|---|---|---|---|---|\n".to_owned();
    for (attacker, what) in ATTACKERS {
        let codes = WitnessLevel::ALL.map(|level| expected(attacker, level).to_string());
        writeln!(table, "| {what} | {} |", codes.join(" | ")).unwrap();
    }
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).unwrap();
    assert!(docs.contains(&table), "docs/audit.md needs this table:\n{table}");
    let cases = (CASES_OF_ONE * ATTACKERS.len()).to_string();
    assert!(docs.contains(&cases) && CASES_OF_ONE * ATTACKERS.len() >= 60_000, "docs/audit.md needs the number {cases}");
}
