//! `witness`: who outside this host has to have seen the record, and how often.

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::document as code;
use crate::model::{Span, WitnessLevel};
use crate::runbook::document::{Spanned, WitnessPolicy};
use crate::runbook::language;

/// The least and the greatest age of a checkpoint that a runbook can ask for. A run signs one every minute without being asked,
/// and nobody may ask for fewer.
const HEARTBEAT: (Span, Span) = (Span::from_secs(1), Span::from_secs(60));

impl Lowering {
    pub(super) fn witness(&mut self, block: &Block<'_>) -> Option<WitnessPolicy> {
        let witness = self.inner(block, "witness", &language::WITNESS)?;
        let level = self.word(&witness, "level");
        let heartbeat = self.heartbeat(&witness);
        let level = level?.map(|word| if word == "L3" { WitnessLevel::L3 } else { WitnessLevel::L2 });
        Some(WitnessPolicy { span: witness.span(), level, heartbeat })
    }

    fn heartbeat(&mut self, witness: &Block<'_>) -> Option<Spanned<Span>> {
        let heartbeat = self.duration(witness, "heartbeat")?;
        let (least, greatest) = HEARTBEAT;
        if !(least..=greatest).contains(&heartbeat.value) {
            let message = format!("a heartbeat of {} is out of range", heartbeat.value);
            let help = format!("write a duration from `{least}` to `{greatest}`: a run signs a checkpoint at least every minute");
            self.error(code::HEARTBEAT, heartbeat.span, message, help);
        }
        Some(heartbeat)
    }
}
