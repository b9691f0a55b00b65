//! The way back beside the undos: what the author's own steps of `rollback` take in the worst case.

use super::critical_path::Timeline;
use super::{Plan, Section, StepKind};
use crate::model::Span;

impl Plan {
    /// The longest chain of steps of `rollback.steps` that act themselves; the undos between them are counted apart.
    pub fn beside_undos(&self) -> Span {
        let own = |step: &super::PlannedStep| step.section == Section::Rollback && !matches!(step.kind, StepKind::Undo(_));
        let included: Vec<bool> = self.steps().iter().map(own).collect();
        let timeline = Timeline::new(self, &included);
        let last = timeline.latest(self.section(Section::Rollback).filter(|at| included[at.get()]));
        last.map_or(Span::default(), |last| timeline.finish(last))
    }
}
