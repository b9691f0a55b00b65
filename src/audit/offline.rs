//! Verification of a bundle, with nothing but the bundle and what the verifier brings along. Everything is computed anew from
//! the bytes of the records.

use std::io::BufRead;

use super::bundle::{BundleError, Part, read};
use super::claim::{Claim, Finding, Report, Standing, Subject};
use super::seal::Seal;
use super::trust::Trust;
use super::verify::{Story, claim, malformed};
use crate::journal::Nonce;
use crate::journal::frame::Header;
use crate::log::tree::{leaf_hash, root_with};
use crate::log::{Checkpoint, Signed, WitnessLevel};
use crate::model::{Digest, Value};

/// Verifies a bundle.
///
/// # Errors
/// When the file cannot be read. What is no bundle is a finding.
pub fn verify_bundle(file: &mut dyn BufRead, trust: &Trust) -> std::io::Result<Report> {
    let mut check = Check::default();
    let bytes = match read(file, &mut |part| check.take(part)) {
        Ok(bytes) => bytes,
        Err(BundleError::Io(error)) => return Err(error),
        Err(error) => return Ok(malformed(error.to_string(), 0)),
    };
    let Some(signed) = check.seal.signed.clone() else { return Ok(malformed(BundleError::Short.to_string(), bytes)) };
    // What the runbook asked for when the run was started counts, also where whoever verifies asks for less.
    let trust = Trust { required: trust.required.max(check.asked), ..trust.clone() };
    let (checkpoint, witness, level) = check.seal.claims(&trust, check.last());
    let mut claims = vec![
        check.chain(),
        check.payloads(),
        check.story.first_record(),
        check.plan(),
        check.log(&signed.checkpoint),
        checkpoint,
        witness,
        check.end(),
    ];
    claims.sort_by_key(|claim| claim.subject);
    Ok(Report {
        standing: standing(&claims),
        run: check.story.run.clone(),
        records: check.seq,
        chain: check.previous.unwrap_or(Digest::ZERO),
        bytes,
        epoch: check.epoch,
        outcome: check.story.outcome,
        witness: level,
        claims,
    })
}

/// As in a folder, and what is not proven is weaker than what a bundle is for.
pub(super) fn standing(claims: &[Claim]) -> Standing {
    match super::verify::standing(claims) {
        Standing::Holds if claims.iter().any(|claim| matches!(claim.finding, Finding::Unproven(_))) => Standing::Weaker,
        standing => standing,
    }
}

/// What was seen so far.
#[derive(Default)]
struct Check {
    run: String,
    story: Story,
    seal: Seal,
    plan: Option<Digest>,
    /// How far the runbook wants a proof to reach.
    asked: WitnessLevel,
    leaves: Vec<(u64, Digest)>,
    others: Vec<Digest>,
    withheld: Vec<u64>,
    nonce: Option<Nonce>,
    /// The number of the last record.
    seq: u64,
    epoch: u64,
    /// The hash of the last record, where it is shown.
    previous: Option<Digest>,
    flaw: Option<String>,
}

impl Check {
    fn take(&mut self, part: Part) {
        match part {
            Part::Run(run) => self.run = run,
            Part::Key(key) => self.seal.key = Some(key),
            Part::Rotations(text) => self.seal.rotations = text,
            Part::Plan(plan) => {
                self.plan = Some(Digest::of(&plan));
                self.asked = asked(&plan);
            }
            Part::Frame(index, frame) => self.frame(index, &frame),
            Part::Withheld(index, leaf) => {
                self.seq += 1;
                self.previous = None;
                self.withheld.push(self.seq);
                self.leaves.push((index, leaf));
            }
            Part::Other(hash) => self.others.push(hash),
            Part::Earlier(signed, proof) => self.seal.earlier.push((signed, proof)),
            Part::Checkpoint(signed) => self.seal.signed = Some(signed),
        }
    }

    fn frame(&mut self, index: u64, frame: &[u8]) {
        self.seq += 1;
        self.leaves.push((index, leaf_hash(frame)));
        if let Err(flaw) = self.follow(frame) {
            self.flaw.get_or_insert_with(|| format!("record {}: {flaw}", self.seq));
        }
        self.previous = Some(Digest::of(frame));
    }

    /// Whether a frame is whole and follows from what was shown before it.
    fn follow(&mut self, frame: &[u8]) -> Result<(), String> {
        let header = Header::parse(frame).map_err(|flaw| flaw.to_string())?;
        let payload = header.payload_of(frame).map_err(|flaw| flaw.to_string())?;
        if header.frame_len() != frame.len() {
            return Err("bytes follow its end".to_owned());
        }
        let expected = if self.seq == 1 { Some(Digest::ZERO) } else { self.previous };
        if header.seq != self.seq {
            return Err(format!("it says of itself that it is record {}", header.seq));
        }
        if *self.nonce.get_or_insert(header.nonce) != header.nonce {
            return Err("it belongs to another run".to_owned());
        }
        if expected.is_some_and(|expected| expected != header.prev) {
            return Err("it does not carry the hash of the record before it".to_owned());
        }
        if header.epoch < self.epoch || header.epoch == 0 {
            return Err("its epoch is lower than the one before it".to_owned());
        }
        self.epoch = header.epoch;
        self.story.read(&header, payload);
        Ok(())
    }

    /// The index of the last record in the log.
    fn last(&self) -> u64 {
        self.leaves.last().map_or(0, |(index, _)| *index)
    }

    fn chain(&self) -> Claim {
        let hidden = if self.withheld.is_empty() { String::new() } else { format!("; {} are withheld", self.withheld.len()) };
        let named = self.story.run.as_ref().is_some_and(|run| run.as_str() == self.run);
        let finding = match &self.flaw {
            Some(flaw) => Finding::Tampered(flaw.clone()),
            None if !named => {
                Finding::Tampered(format!("the bundle says that it is of the run {}, its first record does not", self.run))
            }
            None => Finding::Holds(format!(
                "records 1 to {} are whole, in sequence, of this run, and each carries the hash of the one before{hidden}",
                self.seq
            )),
        };
        claim(Subject::Chain, finding)
    }

    fn payloads(&self) -> Claim {
        if self.withheld.is_empty() {
            return self.story.payloads();
        }
        let numbers: Vec<String> = self.withheld.iter().take(20).map(u64::to_string).collect();
        let more = if self.withheld.len() > 20 { ", …" } else { "" };
        match self.story.payloads() {
            Claim { finding: Finding::Holds(text), subject } => {
                let text =
                    format!("{text}; what records {}{more} say is withheld, that they stand there is proven", numbers.join(", "));
                claim(subject, Finding::Holds(text))
            }
            other => other,
        }
    }

    fn plan(&self) -> Claim {
        let finding = match (self.story.plan, self.plan) {
            (None, _) => Finding::NotReached,
            (Some(started), None) => Finding::Holds(format!("the plan is withheld; record 1 says that it is {started}")),
            (Some(started), Some(plan)) if started == plan => {
                Finding::Holds(format!("the plan is the one that the run was started with, {plan}"))
            }
            (Some(started), Some(plan)) => {
                Finding::Tampered(format!("the plan hashes to {plan}, and record 1 says that the run was started with {started}"))
            }
        };
        claim(Subject::Plan, finding)
    }

    fn log(&self, Checkpoint { size, root, .. }: &Checkpoint) -> Claim {
        let finding = match root_with(&self.leaves, *size, &self.others) {
            Some(computed) if computed == *root => Finding::Holds(format!(
                "these records are entries of the log: their bytes lead to the root of its {size} entries"
            )),
            Some(_) => {
                Finding::Tampered(format!("the bytes of these records do not lead to the root of the log of {size} entries"))
            }
            None => Finding::Tampered(format!("the places of these records do not fit a log of {size} entries")),
        };
        claim(Subject::Log, finding)
    }

    fn end(&self) -> Claim {
        let finding = match self.story.outcome {
            Some(outcome) => Finding::Holds(format!(
                "the run ended: {outcome}. That it was not taken up again after record {} is for the log to tell, not for a bundle",
                self.seq
            )),
            None => {
                Finding::Unproven(format!("no record ends the run: what came after record {} is not in this bundle", self.seq))
            }
        };
        claim(Subject::End, finding)
    }
}

/// What a stored plan asks of witnesses. Whether it is the plan of the run is a claim of its own.
fn asked(plan: &[u8]) -> WitnessLevel {
    let plan: Value = serde_json::from_slice(plan).unwrap_or_default();
    let level = plan.pointer("/witness/level").and_then(Value::as_str).and_then(WitnessLevel::parse);
    level.unwrap_or_default()
}

impl Seal {
    /// The checkpoints that the bundle shows, the newest last.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Signed> {
        self.earlier.iter().map(|(signed, _)| signed).chain(&self.signed)
    }
}
