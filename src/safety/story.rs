//! How a rule is broken, as a numbered story that a person can follow, and what to write instead.

use std::collections::BTreeSet;

use super::facts::{Facts, Var, VarId};
use super::moves::Move;
use super::rules::Claim;
use super::search::{Stage, Step, Trace};
use super::task::Slice;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::plan as codes;
use crate::plan::{OnFailure, Places, Plan, Section, StepIndex, StepKind, Wait};

/// Tells one trace.
pub(super) struct Teller<'a> {
    pub plan: &'a Plan,
    pub places: &'a Places,
    pub facts: &'a Facts,
    pub slice: &'a Slice,
    pub trace: &'a Trace,
}

impl Claim {
    /// The rule, as a sentence.
    pub fn in_words(&self, facts: &Facts) -> String {
        let (from, to) = facts.sides.as_ref().map_or(("", ""), |sides| (sides.from.as_str(), sides.to.as_str()));
        match self {
            Self::OneWriter(_) => format!("`{from}` and `{to}` never take writes at the same time"),
            Self::Thawed(var) => format!("a run that turned back leaves {} open", facts.vars[*var]),
            Self::WritableAtEnd => "a run ends where users can write".to_owned(),
            Self::NothingLost(_) => format!("no way back leaves writes to `{to}` behind"),
            Self::Proven(var) => format!("`{to}` opens behind {}", facts.vars[*var]),
            Self::FlowsBack(var) => format!("{} before the first write to `{to}`", facts.vars[*var]),
            Self::Own(number) => format!("rule {number} of the runbook"),
        }
    }
}

impl Teller<'_> {
    /// The broken rule as a diagnostic.
    pub fn explain(&self, claim: &Claim) -> Diagnostic {
        let (from, to) = self.facts.sides.as_ref().map_or(("", ""), |sides| (sides.from.as_str(), sides.to.as_str()));
        let last = self.last_actor();
        let name = |step: StepIndex| self.plan.step(step).id.clone();
        match claim {
            Claim::OneWriter(part) => self.two_writers(*part, from, to),
            Claim::Thawed(part) => {
                let freeze = self.setter(*part, true).unwrap_or(last);
                let message = format!("`{}` denies writes, and a run that turns back can end with them denied", name(freeze));
                let advice = match &self.plan.step(freeze).undo {
                    crate::plan::PlannedUndo::Auto | crate::plan::PlannedUndo::Action { .. } => {
                        "undo it on every way back, before anything that may be passed over"
                    }
                    _ => "leave `undo` out, so that the exact state before the freeze is restored",
                };
                self.diagnostic(codes::FREEZE_KEPT, freeze, message, advice)
            }
            Claim::WritableAtEnd => {
                let message = format!("after `{}` a run can end with users at a side that refuses their writes", name(last));
                let advice =
                    format!("open `{to}` before users are sent there, thaw `{from}` where they stay, and let go whom you hold");
                self.diagnostic(codes::NOBODY_WRITES, last, message, &advice)
            }
            Claim::NothingLost(_) => {
                let opened = self.opener().unwrap_or(last);
                let message = format!(
                    "after `{}` users write to `{to}`, and a run that turns back then leaves those writes there",
                    name(opened)
                );
                let advice = format!(
                    "give the reason as the `point_of_no_return` of `{}`: no run turns back behind it; or have `{from}` follow `{to}` \
                     and wait on the way back until it has caught up",
                    name(opened)
                );
                self.diagnostic(codes::WRITES_LOST, opened, message, &advice)
            }
            Claim::Proven(proof) => self.unproven(*proof, last, from, to),
            Claim::FlowsBack(flow) => {
                let setter = self.setter(*flow, true).unwrap_or(last);
                let message = format!("users can write to `{to}` before `{}` lets data flow back to `{from}`", name(setter));
                let advice = format!("add `{}` to the `needs` of `{}`", name(setter), name(last));
                Diagnostic {
                    severity: crate::diagnostic::Severity::Warning,
                    ..self.diagnostic(codes::FLOWS_TOO_LATE, last, message, &advice)
                }
            }
            Claim::Own(number) => {
                let interlock = &self.plan.content().interlocks[*number];
                let message = format!("a run can break the rule `{}`", interlock.name);
                let advice = format!("the rule is `{}`: mend the order or the way back, or the rule", interlock.text);
                let told = self
                    .diagnostic(codes::INTERLOCK_BROKEN, last, message, &advice)
                    .also(self.places.of(last), "the last step of the story");
                Diagnostic {
                    primary: crate::diagnostic::Label { span: self.places.of_interlock(*number), text: String::new() },
                    ..told
                }
            }
        }
    }

    fn two_writers(&self, part: VarId, from: &str, to: &str) -> Diagnostic {
        let last = self.last_actor();
        let id = &self.plan.step(last).id;
        let step = self.trace.steps.last();
        let opens_old = self.changes(self.trace.steps.len() - 1).contains(&(part, false));
        let is_back = self.trace.stage != Stage::Forward || step.is_some_and(|step| step.what == Move::Undone);
        if is_back {
            let message = format!("on the way back `{id}` leaves `{from}` and `{to}` both open to writes");
            return self.diagnostic(codes::BACK_OPENS_BOTH, last, message, &format!("close `{to}` before `{from}` is thawed"));
        }
        if opens_old {
            let message =
                format!("`{id}` lets `{from}` take writes again while the run goes forward: two sides would take writes");
            let advice = "a rollback thaws what it froze by itself: take this step away, or move it to `rollback.steps`";
            return self.diagnostic(codes::OLD_REOPENED, last, message, advice);
        }
        let message = format!("`{id}` can open the new side while `{from}` still takes writes: they would be lost");
        let freeze = self.setter(part, true);
        let advice = match freeze {
            None => format!("no step of this runbook denies writes to `{from}`: add one, and its id to `needs`"),
            Some(freeze) if self.plan.before(last)[freeze.get()] => {
                format!("`{}` may be passed over or undone: let nothing do that before `{id}`", self.plan.step(freeze).id)
            }
            Some(freeze) => format!("add `{}` to the `needs` of `{id}`", self.plan.step(freeze).id),
        };
        let diagnostic = self.diagnostic(codes::OPEN_BEFORE_FREEZE, last, message, &advice);
        match freeze {
            Some(freeze) if self.plan.before(last)[freeze.get()] => {
                diagnostic.also(self.places.of(freeze), "this freeze does not have to be in force")
            }
            Some(freeze) => diagnostic.also(self.places.of(freeze), "nothing makes this freeze come first"),
            None => diagnostic,
        }
    }

    fn unproven(&self, proof: VarId, last: StepIndex, from: &str, to: &str) -> Diagnostic {
        let id = &self.plan.step(last).id;
        let setter = self.setter(proof, true).unwrap_or(last);
        let by = &self.plan.step(setter).id;
        let is_agree = self.facts.vars[proof] == Var::Proven(format!("agree({from}, {to})"));
        let ran = self.trace.steps.iter().any(|step| step.what == Move::Succeeds && self.makes(step, proof));
        let diagnostic = match (is_agree, ran) {
            (true, true) => {
                let message = format!("`{by}` can compare while `{from}` still changes, so its answer is stale at `{id}`");
                self.diagnostic(codes::CHECK_BEFORE_FREEZE, setter, message, &self.missing_need(setter, proof))
            }
            (true, false) => {
                let message = format!("`{id}` opens `{to}`, and nothing before it surely compares `{from}` with `{to}`");
                self.diagnostic(codes::OPEN_UNCHECKED, last, message, &format!("add `{by}` to the `needs` of `{id}`"))
            }
            (false, true) => {
                let message = format!("`{by}` proves {} too early: it does not hold any more at `{id}`", self.facts.vars[proof]);
                self.diagnostic(codes::OPEN_UNPROVEN, setter, message, &self.missing_need(setter, proof))
            }
            (false, false) => {
                let message = format!("`{id}` opens `{to}` before `{by}` has proven {}", self.facts.vars[proof]);
                self.diagnostic(codes::OPEN_UNPROVEN, last, message, &format!("add `{by}` to the `needs` of `{id}`"))
            }
        };
        if setter == last {
            diagnostic
        } else {
            diagnostic.also(self.places.of(if ran { last } else { setter }), "the other step")
        }
    }

    /// Which steps a proof should have come after.
    fn missing_need(&self, setter: StepIndex, proof: VarId) -> String {
        let before = self.plan.before(setter);
        let keeps = self.facts.keeps.iter().filter(|keep| keep.proof == proof).flat_map(|keep| &keep.set);
        let missing: BTreeSet<String> = keeps
            .filter_map(|var| self.setter(*var, true))
            .filter(|step| !before[step.get()] && *step != setter)
            .map(|step| format!("`{}`", self.plan.step(step).id))
            .collect();
        if missing.is_empty() {
            return format!("let nothing change between `{}` and the opening", self.plan.step(setter).id);
        }
        format!("add {} to the `needs` of `{}`", missing.into_iter().collect::<Vec<_>>().join(", "), self.plan.step(setter).id)
    }

    fn diagnostic(&self, code: crate::diagnostic::Code, place: StepIndex, message: String, advice: &str) -> Diagnostic {
        Diagnostic::error(code, self.places.of(place), message)
            .help(format!("this story breaks it:\n{}\n{advice}", self.tell().join("\n")))
    }

    /// The forward step that gives a variable a value, the first of the plan.
    fn setter(&self, var: VarId, value: bool) -> Option<StepIndex> {
        let mut units = self.facts.units.iter();
        units.find(|unit| unit.section == Section::Forward && unit.sets.contains(&(var, value))).map(|unit| unit.lead)
    }

    /// The step with which users could write to the new side.
    fn opener(&self) -> Option<StepIndex> {
        let written = self.slice.bit(self.facts.sides.as_ref()?.written);
        let at = self.trace.worlds.iter().position(|world| world & written != 0)?;
        self.lead(self.trace.steps[at])
    }

    fn lead(&self, step: Step) -> Option<StepIndex> {
        self.slice.tasks.get(usize::from(step.task)).map(|task| self.facts.units[task.unit].lead)
    }

    /// The last step of the plan that did anything.
    fn last_actor(&self) -> StepIndex {
        let mut steps = self.trace.steps.iter().rev();
        steps.find_map(|step| self.lead(*step)).unwrap_or(StepIndex::new(0))
    }

    fn makes(&self, step: &Step, var: VarId) -> bool {
        let task = self.slice.tasks.get(usize::from(step.task));
        task.is_some_and(|task| self.facts.units[task.unit].sets.contains(&(var, true)))
    }

    /// What became true or false with one step of the trace.
    fn changes(&self, at: usize) -> Vec<(VarId, bool)> {
        let before = if at == 0 { self.slice.initial } else { self.trace.worlds[at - 1] };
        let after = self.trace.worlds[at];
        let vars = self.slice.vars.iter().enumerate().filter(|(bit, _)| (before ^ after) & (1 << bit) != 0);
        vars.map(|(bit, var)| (*var, after & (1 << bit) != 0)).collect()
    }

    /// The story, a line for each thing that happens.
    pub fn tell(&self) -> Vec<String> {
        let mut told = Told { lines: Vec::new(), steps: vec![false; self.plan.steps().len()], failed: None };
        for (at, step) in self.trace.steps.iter().enumerate() {
            self.line(at, *step, &mut told);
        }
        if told.lines.is_empty() {
            told.lines.push("nothing has happened yet".to_owned());
        }
        told.lines.iter().enumerate().map(|(number, line)| format!("  {}. {line}", number + 1)).collect()
    }

    fn line(&self, at: usize, step: Step, told: &mut Told) {
        let changes: Vec<String> = self
            .changes(at)
            .into_iter()
            .filter(|(var, _)| !matches!(self.facts.vars[*var], Var::Written))
            .map(|c| self.facts.says(c))
            .collect();
        let then = if changes.is_empty() { String::new() } else { format!(": {}", changes.join(", ")) };
        let name = self.name(step);
        let lead = self.lead(step);
        if let (Some(lead), true) = (lead, step.what.is_start()) {
            self.tell_before(lead, told);
        }
        let line = match step.what {
            Move::Begins | Move::UndoBegins | Move::Ends => return,
            Move::BranchDone => return self.mark(step, told),
            Move::Starts => format!("{name} starts"),
            Move::Succeeds => {
                self.mark(step, told);
                format!("{name} succeeds{then}")
            }
            Move::SucceedsEmpty => {
                self.mark(step, told);
                format!("{name} goes over an empty list, and does nothing")
            }
            Move::FailsAfter => {
                told.failed = lead;
                format!("{name} does its work and fails all the same{then}")
            }
            Move::FailsBefore => {
                told.failed = lead;
                format!("{name} fails half-way")
            }
            Move::PassedOver => {
                self.mark(step, told);
                format!("{name} is passed over: its `when` is false")
            }
            Move::Lost => format!("{name} fails, and the run goes on without what needs it"),
            Move::LostAfter => format!("{name} fails and leaves something behind{then}"),
            Move::TurnsBack => self.turning(told),
            Move::Aborted => "somebody orders `abort`".to_owned(),
            Move::Finishes => "every step is over: the run has succeeded".to_owned(),
            Move::Undone => format!("{name} is undone{then}"),
            Move::UndoFailsAfter => format!("the undo of {name} does its work and fails all the same{then}"),
            Move::UndoFailsBefore => format!("the undo of {name} fails"),
            Move::UndoTriedAgain => format!("somebody has the undo of {name} tried again"),
            Move::BranchLost => format!("{name} fails, and the way back goes on without what needs it"),
            Move::BackEnds => "the way back is over".to_owned(),
            Move::TakenUp => "somebody orders `rollback`, and the run is taken up again".to_owned(),
        };
        told.lines.push(line);
    }

    fn name(&self, step: Step) -> String {
        let Some(task) = self.slice.tasks.get(usize::from(step.task)) else { return String::new() };
        let id = &self.plan.step(self.facts.units[task.unit].lead).id;
        match self.slice.units_of(usize::from(step.task)).count() {
            1 => format!("`{id}`"),
            more => format!("`{id}` (with {} like it)", more - 1),
        }
    }

    fn mark(&self, step: Step, told: &mut Told) {
        for unit in self.slice.units_of(usize::from(step.task)) {
            let unit = &self.facts.units[unit];
            unit.steps.iter().chain([&unit.lead]).for_each(|at| told.steps[at.get()] = true);
        }
    }

    /// What has to have happened before a step, and was not told yet.
    fn tell_before(&self, step: StepIndex, told: &mut Told) {
        let before = self.plan.before(step);
        let untold: Vec<usize> = (0..before.len()).filter(|at| before[*at] && !told.steps[*at]).collect();
        let ids: Vec<String> = untold
            .iter()
            .map(|at| self.plan.step(StepIndex::new(*at)))
            .filter(|step| step.group.is_none())
            .map(|step| format!("`{}`", step.id))
            .collect();
        untold.iter().for_each(|at| told.steps[*at] = true);
        match ids.as_slice() {
            [] => {}
            [one] => told.lines.push(format!("{one} succeeds")),
            [first, second, .., last] if ids.len() > 4 => {
                told.lines.push(format!("{first}, {second}, … {last} succeed ({} steps)", ids.len()));
            }
            [some @ .., last] => told.lines.push(format!("{} and {last} succeed", some.join(", "))),
        }
    }

    /// Why the run turns back: the step that failed, or one that can fail now.
    fn turning(&self, told: &mut Told) -> String {
        let turns = |at: StepIndex| self.plan.step(at).on_failure == OnFailure::Rollback;
        if told.failed.is_some_and(turns) {
            return "the run turns back".to_owned();
        }
        let tracked: BTreeSet<usize> = self
            .slice
            .of(Section::Forward)
            .iter()
            .flat_map(|task| self.slice.units_of(*task))
            .flat_map(|unit| self.facts.units[unit].steps.iter().chain([&self.facts.units[unit].lead]))
            .map(|step| step.get())
            .collect();
        let forward = self.plan.section(Section::Forward).filter(|at| {
            let step = self.plan.step(*at);
            !told.steps[at.get()] && turns(*at) && matches!(step.kind, StepKind::Action) && step.group.is_none()
        });
        let can_fail = forward.filter_map(|at| {
            let before = self.plan.before(at);
            let untold = (0..before.len()).filter(|at| before[*at] && !told.steps[*at]);
            let untold: Vec<usize> = untold.collect();
            (!untold.iter().any(|at| tracked.contains(at))).then_some((untold.len(), at))
        });
        match can_fail.min_by_key(|(untold, at)| (*untold, at.get())) {
            Some((_, at)) => {
                self.tell_before(at, told);
                let verb = match self.plan.step(at).wait {
                    Some(Wait::Approval { .. }) => "is rejected",
                    Some(Wait::Manual { .. } | Wait::Hold { .. } | Wait::Window) | None => "fails",
                };
                format!("`{}` {verb}: the run turns back", self.plan.step(at).id)
            }
            None => "somebody orders `rollback`".to_owned(),
        }
    }
}

/// What was told already.
struct Told {
    lines: Vec<String>,
    steps: Vec<bool>,
    failed: Option<StepIndex>,
}

impl Move {
    fn is_start(self) -> bool {
        match self {
            Self::Starts
            | Self::Succeeds
            | Self::SucceedsEmpty
            | Self::FailsAfter
            | Self::FailsBefore
            | Self::Lost
            | Self::LostAfter => true,
            Self::Begins
            | Self::PassedOver
            | Self::TurnsBack
            | Self::Aborted
            | Self::Finishes
            | Self::UndoBegins
            | Self::Undone
            | Self::UndoFailsAfter
            | Self::UndoFailsBefore
            | Self::UndoTriedAgain
            | Self::BranchDone
            | Self::BranchLost
            | Self::BackEnds
            | Self::Ends
            | Self::TakenUp => false,
        }
    }
}
