//! `expect`: conditions on the outputs of a step.

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::document as code;
use crate::model::Condition;
use crate::runbook::document::{Expectation, Spanned};

impl Lowering {
    pub(super) fn expectations(&mut self, block: &Block<'_>) -> Vec<Expectation> {
        let Some(entry) = block.get("expect") else { return Vec::new() };
        let Some(entries) = entry.value.entries() else {
            self.wrong_kind(&entry.value, "`expect`", "a map from outputs to conditions");
            return Vec::new();
        };
        let mut expectations = Vec::with_capacity(entries.len());
        for inner in entries {
            let value = inner.value.to_value();
            match Condition::parse(&value) {
                Ok(_) => {
                    expectations.push(Expectation { output: inner.key.clone(), condition: Spanned::new(value, inner.value.span) })
                }
                Err(help) => {
                    let message = format!("the condition on `{}` is not well formed", inner.key.value);
                    self.error(code::CONDITION, inner.value.span, message, help);
                }
            }
        }
        expectations
    }
}
