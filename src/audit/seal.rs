//! What is signed in a bundle: the checkpoint, those before it, the keys, and how far beyond its host that reaches.

use super::claim::{Claim, Finding, Subject};
use super::trust::Trust;
use super::verify::claim;
use crate::log::rotation::{parse_all, successors};
use crate::log::tree::consistency_holds;
use crate::log::{Checkpoint, Found, Signed, Use, Verifier, WitnessLevel};
use crate::model::Digest;

/// The signed parts of a bundle.
#[derive(Default)]
pub(super) struct Seal {
    pub key: Option<String>,
    pub rotations: String,
    pub earlier: Vec<(Signed, Vec<Digest>)>,
    pub signed: Option<Signed>,
}

/// What somebody outside has seen of the log.
struct Seen<'s> {
    level: WitnessLevel,
    by: String,
    checkpoint: &'s Checkpoint,
}

impl Seal {
    /// The claims about the checkpoint and about witnesses; `last` is the index of the last record.
    pub fn claims(&self, trust: &Trust, last: u64) -> (Claim, Claim, WitnessLevel) {
        let Some(signed) = &self.signed else {
            return (
                claim(Subject::Checkpoint, Finding::NotReached),
                claim(Subject::Witness, Finding::NotReached),
                WitnessLevel::L0,
            );
        };
        let checkpoint = self.signature(signed, trust).unwrap_or_else(Finding::Tampered);
        let (witness, level) = self.witness(signed, trust, last).unwrap_or_else(|why| (Finding::Tampered(why), WitnessLevel::L0));
        (claim(Subject::Checkpoint, checkpoint), claim(Subject::Witness, witness), level)
    }

    /// Who signed the checkpoint.
    fn signature(&self, signed: &Signed, trust: &Trust) -> Result<Finding, String> {
        let key = self.key.as_deref().and_then(Verifier::parse).filter(|key| key.kind() == Use::Log);
        let key = key.ok_or("the key of the bundle is none")?;
        let rotations = parse_all(&self.rotations).ok_or("a key rotation is not signed by both keys")?;
        let Checkpoint { origin, size, .. } = &signed.checkpoint;
        if key.name() != origin {
            return Err(format!("the checkpoint is of the log {origin}, the key is of {}", key.name()));
        }
        if key.look_at(&signed.note) != Found::Signed(None) {
            return Err("the checkpoint is not signed by the key of the bundle".to_owned());
        }
        if trust.keys.is_empty() {
            return Ok(Finding::Unproven(format!(
                "{key} signs {size} entries; whether that is the key of the installation, only somebody who has it from elsewhere can tell (`--key`)"
            )));
        }
        let known = trust.keys.iter().find(|first| successors(first, &rotations).contains(&key));
        let first = known.ok_or_else(|| {
            format!("the checkpoint is signed by {key}, which is not the key that was given and does not follow from it")
        })?;
        let since = if *first == key { "" } else { ", which follows from the key that was given" };
        Ok(Finding::Holds(format!("{key}{since} signs {size} entries")))
    }

    /// Every key that this log has ever signed with, as far as the bundle shows.
    fn signers(&self) -> Vec<Verifier> {
        let rotations = parse_all(&self.rotations).unwrap_or_default();
        let keys = rotations.into_iter().flat_map(|rotation| [rotation.old, rotation.new]);
        keys.chain(self.key.as_deref().and_then(Verifier::parse)).collect()
    }

    /// Who outside has seen the log, and how far.
    fn witness(&self, signed: &Signed, trust: &Trust, last: u64) -> Result<(Finding, WitnessLevel), String> {
        let Checkpoint { size: new, root, origin } = &signed.checkpoint;
        let signers = self.signers();
        for (earlier, proof) in &self.earlier {
            let Checkpoint { size: old, root: old_root, origin: old_origin } = &earlier.checkpoint;
            if old_origin != origin || !consistency_holds(*old, *old_root, *new, *root, proof) {
                return Err(format!("the log of {new} entries does not begin with the {old} entries that were signed before"));
            }
            if !signers.iter().any(|key| key.look_at(&earlier.note) == Found::Signed(None)) {
                return Err(format!("the checkpoint over {old} entries is not signed by a key of this log"));
            }
        }
        let seen = self.seen(trust)?;
        let whole = seen.iter().filter(|seen| seen.checkpoint.size > last).max_by_key(|seen| seen.level);
        let level = whole.map_or(WitnessLevel::L0, |seen| seen.level);
        let text = match (whole, seen.iter().max_by_key(|seen| seen.checkpoint.size)) {
            (Some(seen), _) => {
                format!("{} has seen {} entries, and with them every record that is shown here", seen.by, seen.checkpoint.size)
            }
            (None, Some(seen)) => {
                format!("{} has seen {} entries, and not the last records that are shown here", seen.by, seen.checkpoint.size)
            }
            (None, None) => {
                "nobody outside its host has seen the log, as far as this file and what was given with it show".to_owned()
            }
        };
        // Somebody kept these lines to be sure of what is behind them: a bundle that is silent about them proves less.
        let unseen = trust.pasted.iter().find(|known| !self.shown().any(|shown| shown.checkpoint.size == known.size));
        let finding = match unseen {
            _ if level < trust.required => Finding::Unproven(format!("{level}, and {} is asked for: {text}", trust.required)),
            Some(known) => Finding::Unproven(format!(
                "it does not prove that the log goes on from the {} entries of the pasted checkpoint",
                known.size
            )),
            None => Finding::Holds(text),
        };
        Ok((finding, level))
    }

    /// The checkpoints that are known from outside. One that says otherwise than the bundle about the same size proves a fork.
    fn seen(&self, trust: &Trust) -> Result<Vec<Seen<'_>>, String> {
        let mut seen = Vec::new();
        for shown in self.shown() {
            let checkpoint = &shown.checkpoint;
            for witness in trust.witnesses.iter().filter(|witness| witness.kind() == Use::Witness) {
                match witness.look_at(&shown.note) {
                    Found::Signed(_) => {
                        seen.push(Seen { level: WitnessLevel::L2, by: format!("the witness {}", witness.name()), checkpoint });
                    }
                    Found::Absent => {}
                    Found::Wrong => return Err(format!("a signature of the witness {} does not fit", witness.name())),
                }
            }
            let sources = [(&trust.pasted, WitnessLevel::L1, "the ticket"), (&trust.stored, WitnessLevel::L3, "the store")];
            for (known, level, by) in sources {
                for known in known.iter().filter(|known| known.origin == checkpoint.origin && known.size == checkpoint.size) {
                    if known.root != checkpoint.root {
                        return Err(format!("{by} has another root over {} entries: the log was forked", known.size));
                    }
                    seen.push(Seen { level, by: by.to_owned(), checkpoint });
                }
            }
        }
        Ok(seen)
    }
}
