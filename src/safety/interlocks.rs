//! The first interlocks: a freeze has a way back, the new side opens behind the freeze and the comparison, the old side stays
//! closed.

use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report};
use crate::plan::{Fact, Movement, Places, Plan, PlannedUndo, Section, StepIndex};

/// Every broken interlock of a plan, each with an order of steps that breaks it.
pub fn interlocks(plan: &Plan, places: &Places) -> Report {
    let mut rules = Rules::new(plan, places);
    rules.freezes_have_a_way_back();
    if let Some(movement) = &plan.content().movement {
        rules.opens_behind_the_freeze(movement);
        rules.old_side_stays_closed(movement);
    }
    rules.report
}

struct Rules<'a> {
    plan: &'a Plan,
    places: &'a Places,
    /// The forward steps that make something true.
    facts: Vec<(StepIndex, Vec<Fact>)>,
    /// For each step, whether it is a point of no return or comes after one.
    after_return: Vec<bool>,
    report: Report,
}

impl<'a> Rules<'a> {
    fn new(plan: &'a Plan, places: &'a Places) -> Self {
        let facts = plan.section(Section::Forward).map(|at| (at, plan.step(at).facts())).filter(|(_, facts)| !facts.is_empty());
        Self { plan, places, facts: facts.collect(), after_return: plan.from_return_on(), report: Report::default() }
    }

    /// The steps that make a fact true for which `is` holds.
    fn making(&self, is: impl Fn(&Fact) -> bool) -> Vec<StepIndex> {
        self.facts.iter().filter(|(_, facts)| facts.iter().any(&is)).map(|(at, _)| *at).collect()
    }

    fn freezes_have_a_way_back(&mut self) {
        for at in self.making(|fact| matches!(fact, Fact::WritesDenied(_))) {
            let step = self.plan.step(at);
            let why = match &step.undo {
                PlannedUndo::Auto | PlannedUndo::Action { .. } => continue,
                PlannedUndo::NotNeeded => "it has no undo".to_owned(),
                PlannedUndo::Nothing { why } => format!("the runbook says that nothing has to be undone: {why}"),
                PlannedUndo::Impossible { why } => format!("it cannot be undone: {why}"),
            };
            if self.after_return[at.get()] {
                continue;
            }
            let message = format!("`{}` denies writes, and a run that turns back leaves them denied: {why}", step.id);
            self.report.push(
                Diagnostic::error(codes::FREEZE_KEPT, self.places.of(at), message)
                    .help("leave `undo` out, so that the exact state before the freeze is restored"),
            );
        }
    }

    /// Whoever opens the new side has the freeze of the old side behind it, and a comparison behind that.
    fn opens_behind_the_freeze(&mut self, movement: &Movement) {
        let (from, to) = (movement.from.as_str(), movement.to.as_str());
        let freezes = self.making(|fact| matches!(fact, Fact::WritesDenied(target) if target == from));
        let checks = self.making(|fact| matches!(fact, Fact::Agree(a, b) if (a == from && b == to) || (a == to && b == from)));
        let opens = self.making(|fact| match fact {
            Fact::WritesAllowed(target) => target == to,
            Fact::Route(entry, side) => side == to && movement.entry.as_ref().is_none_or(|written| covers(written, entry)),
            Fact::WritesDenied(_) | Fact::Drained(_) | Fact::Agree(..) => false,
        });
        for open in opens {
            let before = self.plan.before(open);
            let surely = |steps: &[StepIndex]| -> Vec<StepIndex> {
                let is_sure = |at: &&StepIndex| before[at.get()] && self.plan.step(**at).when.is_none();
                steps.iter().filter(is_sure).copied().collect()
            };
            let frozen = surely(&freezes);
            if frozen.is_empty() {
                self.opens_too_early(open, &before, &freezes, from);
                continue;
            }
            let compared = surely(&checks);
            if compared.is_empty() {
                let message =
                    format!("`{}` opens `{to}`, and nothing before it compares `{from}` with `{to}`", self.plan.step(open).id);
                self.report.push(
                    Diagnostic::warning(codes::OPEN_UNCHECKED, self.places.of(open), message)
                        .help("add `check.tables` between the freeze and this step"),
                );
                continue;
            }
            let is_fresh = |check: &StepIndex| {
                let before_check = self.plan.before(*check);
                frozen.iter().any(|freeze| before_check[freeze.get()])
            };
            if !compared.iter().any(is_fresh) {
                self.compared_too_early(open, compared[0], frozen[0], from);
            }
        }
    }

    fn opens_too_early(&mut self, open: StepIndex, before: &[bool], freezes: &[StepIndex], from: &str) {
        let id = &self.plan.step(open).id;
        let message = format!("`{id}` can open the new side while `{from}` still takes writes: they would be lost");
        let diagnostic = Diagnostic::error(codes::OPEN_BEFORE_FREEZE, self.places.of(open), message);
        self.report.push(match freezes.first() {
            None => diagnostic.help(format!("no step of this runbook denies writes to `{from}`: add one, and its id to `needs`")),
            Some(&freeze) => {
                let name = &self.plan.step(freeze).id;
                if before[freeze.get()] {
                    diagnostic
                        .also(self.places.of(freeze), "this freeze has a `when` and may be skipped")
                        .help(format!("take the `when` of `{name}` away"))
                } else {
                    diagnostic.also(self.places.of(freeze), "nothing makes this freeze come first").help(format!(
                        "this order breaks it: {}\nadd `{name}` to its `needs`",
                        self.order_without(open, before, freeze)
                    ))
                }
            }
        });
    }

    fn compared_too_early(&mut self, open: StepIndex, check: StepIndex, freeze: StepIndex, from: &str) {
        let (check_id, freeze_id) = (&self.plan.step(check).id, &self.plan.step(freeze).id);
        let message = format!(
            "`{check_id}` can compare while `{from}` still takes writes, so its answer is stale at `{}`",
            self.plan.step(open).id
        );
        let order = self.order_without(check, &self.plan.before(check), freeze);
        self.report.push(
            Diagnostic::error(codes::CHECK_BEFORE_FREEZE, self.places.of(check), message)
                .also(self.places.of(freeze), "nothing makes this freeze come first")
                .help(format!("this order breaks it: {order}\nadd `{freeze_id}` to the `needs` of `{check_id}`")),
        );
    }

    /// Once it was frozen, the old side takes writes again only in a rollback.
    fn old_side_stays_closed(&mut self, movement: &Movement) {
        let from = movement.from.as_str();
        let freezes = self.making(|fact| matches!(fact, Fact::WritesDenied(target) if target == from));
        for thaw in self.making(|fact| matches!(fact, Fact::WritesAllowed(target) if target == from)) {
            // Before the freeze it is a preparation.
            if freezes.iter().any(|freeze| self.plan.before(*freeze)[thaw.get()]) {
                continue;
            }
            let message = format!(
                "`{}` lets `{from}` take writes again while the run goes forward: two sides would take writes",
                self.plan.step(thaw).id
            );
            let diagnostic = Diagnostic::error(codes::OLD_REOPENED, self.places.of(thaw), message)
                .help("a rollback thaws what it froze by itself: take this step away, or move it to `rollback.steps`");
            self.report.push(match freezes.first() {
                Some(freeze) => diagnostic.also(self.places.of(*freeze), "frozen here"),
                None => diagnostic,
            });
        }
    }

    /// An order in which `step` runs while `missing` has not started.
    fn order_without(&self, step: StepIndex, before: &[bool], missing: StepIndex) -> String {
        const SHOWN: usize = 6;
        let ids: Vec<&str> = before.iter().zip(self.plan.steps()).filter(|(b, _)| **b).map(|(_, s)| s.id.as_str()).collect();
        let skipped = ids.len().saturating_sub(SHOWN);
        let lead = if skipped > 0 { format!("… {skipped} more → ") } else { String::new() };
        let shown: Vec<&str> = ids[skipped..].iter().copied().chain([self.plan.step(step).id.as_str()]).collect();
        format!("{lead}{}, while {} has not started", shown.join(" → "), self.plan.step(missing).id)
    }
}

/// Whether the entry that `move` names is the one whose route changes: the target, or a part of it.
fn covers(written: &str, entry: &str) -> bool {
    written == entry || written.split('/').next() == Some(entry) || entry.split('/').next() == Some(written)
}
