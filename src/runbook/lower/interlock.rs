//! The rules of a runbook's own: exactly one kind each, their words kept for the planner.

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::plan as code;
use crate::runbook::document::{Interlock, InterlockText};
use crate::runbook::language;

impl Lowering {
    pub(super) fn interlocks(&mut self, block: &Block<'_>) -> Vec<Interlock> {
        let mut interlocks = Vec::new();
        for (name, node) in self.named(block, "interlocks", &language::INTERLOCK) {
            let place = format!("the interlock `{}`", name.value);
            let Some(rule) = self.block(node, &language::INTERLOCK, &place, name.span) else { continue };
            let given = [
                self.text(&rule, "never").map(InterlockText::Never),
                self.text(&rule, "before").map(InterlockText::Before),
                self.text(&rule, "always-ends").map(InterlockText::AlwaysEnds),
            ];
            let mut given: Vec<InterlockText> = given.into_iter().flatten().collect();
            match given.len() {
                1 => interlocks.extend(given.pop().map(|law| Interlock { name, law })),
                count => {
                    let message = format!("{place} is one rule, and {count} stand here");
                    self.error(code::INTERLOCK_SYNTAX, name.span, message, "give it one of `never`, `before` and `always-ends`");
                }
            }
        }
        interlocks
    }
}
