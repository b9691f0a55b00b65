//! The way back: the undo of each step, the rollback branch, and the rules around the point of no return.

use std::collections::HashSet;

use super::build::Builder;
use super::scope::Reader;
use super::{InDoubt, OnFailure, Param, PlannedStep, PlannedUndo, Retry, Section, StepIndex, StepKind, UndoScope};
use crate::catalog::{Nature, UndoSpec};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::plan as codes;
use crate::model::{Span, StepId};
use crate::runbook::{OnFailureChoice, Undo, Work};

/// The id of the step that a runbook without a rollback branch has in its place.
const UNDO_EVERYTHING: &str = "undo-everything";

impl Builder<'_> {
    /// The undo of a written step.
    pub fn undo(&mut self, at: usize, reader: &Reader) -> PlannedUndo {
        let written = self.links.steps[at];
        let (Some(spec), Work::Action(call)) = (written.spec, &written.step.work) else { return PlannedUndo::NotNeeded };
        self.continue_is_safe(at);
        match written.section {
            Section::Forward => {}
            Section::Rollback | Section::Finally => {
                let why = "steps of this section are not undone".to_owned();
                return if spec.undo == UndoSpec::NotNeeded { PlannedUndo::NotNeeded } else { PlannedUndo::Nothing { why } };
            }
        }
        let declared = written.step.undo.as_ref().map(|undo| (&undo.value, undo.span));
        match (declared, spec.undo) {
            (Some((Undo::Nothing { why }, _)), _) => PlannedUndo::Nothing { why: why.value.clone() },
            (Some((Undo::Impossible { why }, _)), _) => PlannedUndo::Impossible { why: why.value.clone() },
            (Some((Undo::Action(undo), span)), _) => {
                let reader = Reader { after_itself: true, ..reader.clone() };
                let with = self.call(undo, &reader, span);
                PlannedUndo::Action {
                    action: undo.action.value.clone(),
                    target: undo.target.as_ref().map(|target| target.value.clone()),
                    with,
                }
            }
            (_, UndoSpec::NotNeeded) => PlannedUndo::NotNeeded,
            (_, UndoSpec::Auto(_)) => PlannedUndo::Auto,
            (Some((Undo::Auto, span)), UndoSpec::Impossible(_) | UndoSpec::Undeclared) => {
                let message = format!("`{}` has no undo of its own", spec.name);
                self.report.push(Diagnostic::error(codes::UNDO_ABSENT, span, message).help(FORMS));
                PlannedUndo::NotNeeded
            }
            (None, UndoSpec::Impossible(why)) => PlannedUndo::Impossible { why: why.to_owned() },
            (None, UndoSpec::Undeclared) => {
                let message = "nobody says how this step is undone";
                self.report.push(
                    Diagnostic::error(codes::UNDO_UNDECLARED, written.step.id.span, message)
                        .also(call.action.span, "only the author knows what this changes")
                        .help(FORMS),
                );
                PlannedUndo::NotNeeded
            }
        }
    }

    /// Going on without a step is only for steps on which nothing safe depends.
    fn continue_is_safe(&mut self, at: usize) {
        let written = self.links.steps[at];
        let Some(spec) = written.spec else { return };
        let choice = written.step.on_failure.as_ref().or(self.runbook.defaults.on_failure.as_ref());
        let Some(choice) = choice.filter(|choice| choice.value == OnFailureChoice::Continue) else { return };
        let reason = if written.section != Section::Forward {
            return;
        } else if written.step.point_of_no_return.is_some() {
            "it is the point of no return".to_owned()
        } else if spec.nature == Nature::Approval && spec.name != "gate.roll_call" {
            "it is an approval: going on without it would be an approval".to_owned()
        } else if !spec.facts.is_empty() {
            format!("interlocks depend on what `{}` makes true", spec.name)
        } else {
            return;
        };
        let message = format!("the run cannot go on without `{}`: {reason}", written.step.id.value);
        self.report.push(
            Diagnostic::error(codes::CONTINUE_REFUSED, choice.span, message)
                .also(written.step.id.span, "this step")
                .help("write `on_failure: rollback` or `on_failure: hold`"),
        );
    }

    /// Completes the rollback branch, and checks what depends on all of both branches. It comes when they are assembled.
    pub fn rollback_branch(&mut self) {
        self.gates_before_return();
        self.left_by_rollback();
        if self.runbook.rollback.as_ref().is_none_or(|rollback| rollback.steps.is_empty()) {
            let id = (1..).map(|n| if n == 1 { UNDO_EVERYTHING.to_owned() } else { format!("{UNDO_EVERYTHING}-{n}") });
            let id = id.into_iter().find(|id| self.links.find(id).is_none()).unwrap_or_default();
            let place = self.runbook.rollback.as_ref().map_or(self.runbook.name.span, |rollback| rollback.span);
            self.push(undo_everything(StepId::new(id)), place);
        }
    }

    /// Every way to a point of no return leads through an approval. Steps wait for all their needs, so "every way" is "some
    /// step before it is one that is never skipped".
    fn gates_before_return(&mut self) {
        let mut after_return: HashSet<usize> = HashSet::new();
        for &at in self.links.graph.order() {
            let written = self.links.steps[at];
            if written.section != Section::Forward {
                continue;
            }
            if written.step.point_of_no_return.is_some()
                || self.links.graph.needs(at).iter().any(|need| after_return.contains(need))
            {
                after_return.insert(at);
            }
            if let Some(point) = &written.step.point_of_no_return {
                let before = self.links.graph.ancestors(at);
                let is_gate = |other: usize| {
                    let other = self.links.steps[other];
                    other.spec.is_some_and(|spec| spec.nature == Nature::Approval)
                };
                let gates: Vec<usize> = before.into_iter().filter(|&other| is_gate(other)).collect();
                let skipped = gates.iter().find(|&&gate| self.links.steps[gate].step.when.is_some());
                if gates.iter().all(|&gate| self.links.steps[gate].step.when.is_some()) {
                    let message = "nobody has to approve before this point of no return";
                    let mut diagnostic = Diagnostic::error(codes::RETURN_GATE, point.span, message)
                        .help("add a step with `action: gate.approval`, and its id to `needs`");
                    if let Some(&gate) = skipped {
                        diagnostic = diagnostic.also(self.links.steps[gate].step.id.span, "this approval may be skipped");
                    }
                    self.report.push(diagnostic);
                }
            }
        }
        self.impossible_before_return(&after_return);
    }

    fn impossible_before_return(&mut self, after_return: &HashSet<usize>) {
        for at in 0..self.links.steps.len() {
            let written = self.links.steps[at];
            let planned = self.planned[at].map(|index| &self.steps[index.get()]);
            let Some(PlannedUndo::Impossible { why }) = planned.map(|step| &step.undo) else { continue };
            if written.section == Section::Forward && !after_return.contains(&at) {
                let message = format!("a rollback stops at `{}` and needs a person: {why}", written.step.id.value);
                let span = written.step.undo.as_ref().map_or(written.step.id.span, |undo| undo.span);
                self.report.push(
                    Diagnostic::warning(codes::UNDO_IMPOSSIBLE, span, message)
                        .help("give the reason as its `point_of_no_return`, or move it behind one"),
                );
            }
        }
    }

    /// A written branch that names what it undoes must name every step that has something to undo.
    fn left_by_rollback(&mut self) {
        let Some(rollback) = self.runbook.rollback.as_ref().filter(|rollback| !rollback.steps.is_empty()) else { return };
        let mut covered: HashSet<StepIndex> = HashSet::new();
        for step in &self.steps {
            match &step.kind {
                StepKind::Undo(UndoScope::Everything) => return,
                StepKind::Undo(UndoScope::Steps(steps)) => covered.extend(steps),
                StepKind::Action | StepKind::Group { .. } | StepKind::Spread { .. } => {}
            }
        }
        let branch = rollback.steps.first().map_or(rollback.span, |step| step.id.span);
        let left: Vec<usize> = (0..self.steps.len())
            .filter(|&at| {
                let step = &self.steps[at];
                step.section == Section::Forward
                    && matches!(step.undo, PlannedUndo::Auto | PlannedUndo::Action { .. })
                    && !covered.contains(&StepIndex::new(at))
            })
            .collect();
        for at in left {
            let message = format!("the rollback branch does not undo `{}`", self.steps[at].id);
            self.report.push(
                Diagnostic::warning(codes::ROLLBACK_LEAVES, self.places.of(StepIndex::new(at)), message)
                    .also(branch, "the branch")
                    .help("add a step with `undo: everything`, or name it in an `undo: [ … ]` list"),
            );
        }
    }
}

const FORMS: &str = "write `undo:` with another action, `{ nothing: \"why\" }` or `{ impossible: \"why\" }`";

fn undo_everything(id: StepId) -> PlannedStep {
    PlannedStep {
        id,
        section: Section::Rollback,
        kind: StepKind::Undo(UndoScope::Everything),
        action: String::new(),
        target: None,
        needs: Vec::new(),
        with: Param::empty(),
        when: None,
        group: None,
        item: None,
        timeout: Span::from_secs(300),
        retry: Retry { max_attempts: 1, backoff: Span::from_secs(1), max_elapsed: None },
        on_failure: OnFailure::Hold,
        in_doubt: InDoubt::Ask,
        undo: PlannedUndo::NotNeeded,
        point_of_no_return: None,
        owner: None,
        confirm: None,
        protected: false,
        expect: Vec::new(),
        mutating: false,
        ensures: true,
        has_probe: false,
        wait: None,
    }
}
