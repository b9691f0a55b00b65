//! The built-in rules, as questions about a plan: which variables matter, and what must hold of them.
//!
//! A rule about all kinds of writes, or about all proofs, is asked for each of them alone: what breaks it for one breaks it, and
//! each question has few variables.

use super::condition::Condition;
use super::facts::{Facts, Sides, Var, VarId};
use super::search::Rule;
use super::task::Slice;
use crate::plan::{Plan, Section};

/// What a broken rule means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// The old side and the new side never take writes at the same time.
    OneWriter(VarId),
    /// Who freezes thaws, on every way back.
    Thawed(VarId),
    /// A run ends with users at a side that takes their writes.
    WritableAtEnd,
    /// What was written to the new side is not left behind.
    NothingLost(VarId),
    /// The new side opens behind this proof.
    Proven(VarId),
    /// What is written to the new side flows back from the first write on.
    FlowsBack(VarId),
    /// A rule of the runbook's own, by its place among them.
    Own(usize),
}

/// A condition over the variables of the plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expr {
    Is(VarId, bool),
    Passed,
    Not(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

/// How a condition is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Law {
    Never(Expr),
    /// Before any of these units starts.
    Before(Vec<usize>, Expr),
    AtFirstWrite(Expr),
    /// At the end of a run that succeeded, and of one that turned back.
    AtEnd(Expr, Expr),
}

/// Rules that one search answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Question {
    pub vars: Vec<VarId>,
    pub laws: Vec<(Claim, Law)>,
}

impl Question {
    /// The units that its rules name.
    pub fn named(&self) -> Vec<usize> {
        let named = self.laws.iter().flat_map(|(_, law)| match law {
            Law::Before(units, _) => units.clone(),
            Law::Never(_) | Law::AtFirstWrite(_) | Law::AtEnd(..) => Vec::new(),
        });
        named.collect()
    }
}

/// The questions that the built-in rules ask of a plan.
pub(super) fn questions(plan: &Plan, facts: &Facts) -> Vec<Question> {
    let mut questions = Vec::new();
    if let Some(sides) = &facts.sides {
        let asker = Asker { plan, facts, sides };
        questions.extend(sides.old.iter().map(|part| asker.about_sides(*part)));
        questions.extend(asker.about_proofs());
        questions.extend(asker.about_flow());
    }
    questions.extend(frozen_elsewhere(facts));
    questions
}

struct Asker<'a> {
    plan: &'a Plan,
    facts: &'a Facts,
    sides: &'a Sides,
}

impl Asker<'_> {
    fn about_sides(&self, part: VarId) -> Question {
        let sides = self.sides;
        let opens: Vec<Expr> = [(sides.has_opener, is_not(sides.new)), (sides.has_switch, is(sides.routed))]
            .into_iter()
            .filter_map(|(there, opens)| there.then_some(opens))
            .collect();
        let both = Expr::All(vec![is_not(part), Expr::Any(opens)]);
        let mut lost = vec![is_not(part), is(sides.written), Expr::Not(Box::new(both.clone()))];
        let mut vars = vec![part, sides.new, sides.routed, sides.held, sides.away, sides.written];
        if let Some(caught_up) = self.facts.find(&Var::Proven(format!("caught_up({})", sides.from))) {
            lost.push(is_not(caught_up));
            vars.push(caught_up);
        }
        let (ended, back) = self.writable_at_end(part);
        let always = Expr::All(Vec::new());
        let mut laws = vec![
            (Claim::OneWriter(part), Law::Never(both)),
            (Claim::Thawed(part), Law::AtEnd(always, is_not(part))),
            (Claim::WritableAtEnd, Law::AtEnd(ended, back)),
        ];
        if !self.is_switched_by_other_means() {
            laws.push((Claim::NothingLost(part), Law::Never(Expr::All(lost))));
        }
        Question { vars, laws }
    }

    /// Where no step with facts sends users to the new side, the point of no return behind the opening says when they go there.
    fn is_switched_by_other_means(&self) -> bool {
        let units = &self.facts.units;
        let points = || units.iter().filter(|unit| unit.section == Section::Forward && unit.no_return);
        let is_behind = |opener: usize| points().any(|point| self.plan.before(point.lead)[units[opener].lead.get()]);
        !self.sides.has_switch && self.facts.openers().into_iter().all(is_behind)
    }

    /// Where users are at the end, their writes are taken.
    fn writable_at_end(&self, part: VarId) -> (Expr, Expr) {
        let sides = self.sides;
        let mut ended = vec![is_not(sides.held), is_not(sides.away)];
        let denies_new = self.facts.units.iter().any(|unit| unit.sets.contains(&(sides.new, true)));
        if sides.has_opener || denies_new {
            ended.push(Expr::Any(vec![is_not(sides.routed), is_not(sides.new)]));
        }
        if sides.has_opener || sides.has_switch {
            let mut takes = Vec::new();
            takes.extend(sides.has_switch.then(|| is(sides.routed)));
            takes.extend(sides.has_opener.then(|| is_not(sides.new)));
            ended.push(Expr::Any(vec![is_not(part), Expr::All(takes)]));
        }
        (Expr::All(ended), Expr::All(vec![is_not(sides.routed), is_not(sides.held), is_not(sides.away)]))
    }

    fn about_proofs(&self) -> Vec<Question> {
        let sides = self.sides;
        let openers = self.facts.openers();
        let mut questions = Vec::new();
        for keep in &self.facts.keeps {
            let is_used = self.facts.is_waited_for(self.plan, keep.proof);
            let is_way_back = self.facts.vars[keep.proof] == Var::Proven(format!("caught_up({})", sides.from));
            if !is_used || is_way_back || openers.is_empty() {
                continue;
            }
            let law = Law::Before(openers.clone(), Expr::Any(vec![is(sides.written), is(keep.proof)]));
            let ask = |needed: &[VarId]| {
                let mut vars = vec![keep.proof, sides.new, sides.routed, sides.held, sides.away, sides.written];
                vars.extend(needed.iter().filter(|var| !matches!(self.facts.vars[**var], Var::Written)));
                vars.sort_unstable();
                vars.dedup();
                Question { vars, laws: vec![(Claim::Proven(keep.proof), law.clone())] }
            };
            if keep.set.len() <= TOGETHER {
                questions.push(ask(&keep.set));
            } else {
                questions.extend(keep.set.chunks(TOGETHER).map(ask));
            }
        }
        questions
    }

    /// Where the plan has data flow back, it flows before the first write.
    fn about_flow(&self) -> Option<Question> {
        let sides = self.sides;
        let flow = self.facts.find(&Var::Follows(format!("follows({}, {})", sides.to, sides.from)))?;
        let vars = vec![flow, sides.new, sides.routed, sides.held, sides.away, sides.written];
        Some(Question { vars, laws: vec![(Claim::FlowsBack(flow), Law::AtFirstWrite(is(flow)))] })
    }
}

/// How many conditions of one proof are asked about together.
const TOGETHER: usize = 5;

/// A freeze of something that is no side of the move has a way back too.
fn frozen_elsewhere(facts: &Facts) -> Vec<Question> {
    let is_side = |target: &str| facts.sides.as_ref().is_some_and(|sides| target == sides.from || target == sides.to);
    let parts = (0..facts.vars.len()).filter(|var| matches!(&facts.vars[*var], Var::Denied { target, .. } if !is_side(target)));
    let frozen =
        parts.filter(|var| facts.units.iter().any(|unit| unit.section == Section::Forward && unit.sets.contains(&(*var, true))));
    frozen
        .map(|var| Question { vars: vec![var], laws: vec![(Claim::Thawed(var), Law::AtEnd(Expr::All(Vec::new()), is_not(var)))] })
        .collect()
}

fn is(var: VarId) -> Expr {
    Expr::Is(var, true)
}

fn is_not(var: VarId) -> Expr {
    Expr::Is(var, false)
}

impl Law {
    /// The rule over the bits of one search.
    pub fn over(&self, slice: &Slice) -> Rule {
        match self {
            Self::Never(expr) => Rule::Never(expr.over(slice)),
            Self::Before(units, expr) => {
                let tasks = units.iter().filter_map(|unit| slice.task_of(*unit)).fold(0, |all, task| all | 1 << task);
                Rule::Before(tasks, expr.over(slice))
            }
            Self::AtFirstWrite(expr) => Rule::AtFirstWrite(expr.over(slice)),
            Self::AtEnd(succeeded, back) => Rule::AtEnd(succeeded.over(slice), back.over(slice)),
        }
    }
}

impl Expr {
    fn over(&self, slice: &Slice) -> Condition {
        match self {
            Self::Is(var, true) => Condition::True(slice.bit(*var)),
            Self::Is(var, false) => Condition::Open(slice.bit(*var)),
            Self::Passed => Condition::Passed,
            Self::Not(inner) => inner.over(slice).not(),
            Self::All(parts) => Condition::All(parts.iter().map(|part| part.over(slice)).collect()),
            Self::Any(parts) => Condition::Any(parts.iter().map(|part| part.over(slice)).collect()),
        }
    }
}
