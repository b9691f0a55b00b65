//! The runbook's own rules: their words as conditions over the variables of the plan, and what is wrong with them.

use super::facts::{Facts, Var, VarId};
use super::names::Lead;
use super::rules::{Claim, Expr, Law, Question};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report};
use crate::model::Span;
use crate::plan::interlock::Claim as Said;
use crate::plan::{InterlockLaw, Places, Plan, Section, StepIndex};

/// The questions of the runbook's own rules. Rules about what no step changes are reported instead.
pub(super) fn own_questions(plan: &Plan, facts: &Facts, places: &Places, report: &mut Report) -> Vec<Question> {
    let mut questions = Vec::new();
    for (number, interlock) in plan.content().interlocks.iter().enumerate() {
        if let InterlockLaw::Before { steps, requires, fresh: Some(fresh) } = &interlock.law {
            stale_proofs(plan, facts, places, (number, requires, *fresh), steps, report);
        }
        match law_of(facts, &interlock.law) {
            Ok(law) => questions.push(Question { vars: facts.vars_of(&law), laws: vec![(Claim::Own(number), law)] }),
            Err(fact) => {
                let message = format!("the rule `{}` is about {fact}, and no step of this runbook changes that", interlock.name);
                report.push(Diagnostic::error(codes::INTERLOCK_IDLE, places.of_interlock(number), message).help(
                    "docs/actions.md says which facts each action changes; name them as `pointsman plan --json` shows them",
                ));
            }
        }
    }
    questions
}

/// A rule over the variables of the plan. The error names a fact that no step changes.
pub(super) fn law_of(facts: &Facts, law: &InterlockLaw) -> Result<Law, String> {
    match law {
        InterlockLaw::Never(said) => facts.expr(said).map(Law::Never),
        InterlockLaw::AlwaysEnds(said) => facts.expr(said).map(|expr| Law::AtEnd(expr.clone(), expr)),
        InterlockLaw::Before { steps, requires, .. } => {
            let units = steps.iter().map(|step| facts.unit_of[step.get()]).collect();
            facts.expr(requires).map(|expr| Law::Before(units, expr))
        }
    }
}

/// Warns where a proof can be older than the rule allows, although nobody pauses the run.
fn stale_proofs(
    plan: &Plan,
    facts: &Facts,
    places: &Places,
    (number, requires, fresh): (usize, &Said, Span),
    steps: &[StepIndex],
    report: &mut Report,
) {
    let mut proofs: Vec<VarId> = Vec::new();
    requires.each(&mut |said| proofs.extend(facts.var_of(said).filter(|var| matches!(facts.vars[*var], Var::Proven(_)))));
    for step in steps {
        let before = plan.before(*step);
        for proof in &proofs {
            let provers = facts.units.iter().filter(|unit| {
                unit.section == Section::Forward && unit.sets.contains(&(*proof, true)) && before[unit.lead.get()]
            });
            // The last proof counts, and the youngest of several.
            let provers: Vec<StepIndex> = provers.map(|unit| unit.lead).collect();
            let ages: Vec<Option<Span>> = provers.iter().map(|lead| plan.longest_between(*lead, *step)).collect();
            let least = provers.iter().map(|lead| plan.shortest_between(*lead, *step)).min();
            if ages.is_empty() || ages.iter().any(|age| age.is_some_and(|age| age <= fresh)) {
                continue;
            }
            let name = &plan.content().interlocks[number].name;
            let (fact, id) = (&facts.vars[*proof], &plan.step(*step).id);
            let oldest = ages.into_iter().flatten().min();
            if let Some(age) = least.filter(|age| *age > fresh) {
                let message = format!("{fact} is {age} old at least when `{id}` starts, and the rule `{name}` allows {fresh}");
                let error = Diagnostic::error(codes::INTERLOCK_STALE, places.of(*step), message);
                let help = "the run would always refuse to start the step: prove it behind the holds that stand in between";
                report.push(error.also(places.of_interlock(number), "this rule").help(help));
                continue;
            }
            let message = match oldest {
                Some(age) => format!("{fact} can be {age} old when `{id}` starts, and the rule `{name}` allows {fresh}"),
                None => format!("nothing limits how old {fact} is when `{id}` starts, and the rule `{name}` allows {fresh}"),
            };
            report.push(
                Diagnostic::warning(codes::INTERLOCK_STALE, places.of(*step), message)
                    .also(places.of_interlock(number), "this rule")
                    .help("the run then refuses to start the step: prove it later, or give the waits in between a deadline"),
            );
        }
    }
}

impl Facts {
    /// What a rule says, over the variables. The error names a fact that no step changes.
    pub(super) fn expr(&self, said: &Said) -> Result<Expr, String> {
        let several = |parts: &[Said]| parts.iter().map(|part| self.expr(part)).collect::<Result<Vec<_>, _>>();
        Ok(match said {
            Said::Passed => Expr::Passed,
            Said::Not(inner) => Expr::Not(Box::new(self.expr(inner)?)),
            Said::All(parts) => Expr::All(several(parts)?),
            Said::Any(parts) => Expr::Any(several(parts)?),
            Said::Open(target) => Expr::Not(Box::new(self.denied(target)?)),
            Said::Denied(target) => self.denied(target)?,
            Said::Route { entry, to } => {
                let place = self.names.place(to);
                match self.names.leads(entry, &place) {
                    Some(Lead::New) => self.known(said, Var::Routed)?,
                    Some(Lead::Elsewhere) => self.known(said, Var::Away)?,
                    Some(Lead::Old) => {
                        let (new, away) = (self.known(said, Var::Routed)?, self.known(said, Var::Away)?);
                        Expr::Not(Box::new(Expr::Any(vec![new, away])))
                    }
                    None => self.known(said, Var::Route { entry: entry.clone(), to: place })?,
                }
            }
            Said::Held(entry) => self.known(said, Var::Held(self.names.entry(entry)))?,
            Said::Proven { .. } => Expr::Is(self.var_of(said).ok_or_else(|| said.to_string())?, true),
        })
    }

    fn denied(&self, target: &str) -> Result<Expr, String> {
        let parts = self.denials(&self.names.place(target));
        if parts.is_empty() {
            return Err(format!("writes({target})"));
        }
        Ok(Expr::All(parts.into_iter().map(|var| Expr::Is(var, true)).collect()))
    }

    fn known(&self, said: &Said, var: Var) -> Result<Expr, String> {
        self.find(&var).map(|var| Expr::Is(var, true)).ok_or_else(|| said.to_string())
    }

    /// The variable of something that is proven or established.
    pub(super) fn var_of(&self, said: &Said) -> Option<VarId> {
        let Said::Proven { word, of } = said else { return None };
        let text = match of.as_slice() {
            [a, b] if word == "follows" => format!("follows({}, {})", self.names.place(a), self.names.place(b)),
            [a, b] => self.names.pair(word, a, b),
            [one] if word == "drained" => format!("drained({one})"),
            [one] => format!("{word}({})", self.names.place(one)),
            _ => return None,
        };
        self.find(&Var::Proven(text.clone())).or_else(|| self.find(&Var::Follows(text)))
    }

    /// Whether a rule can be broken by the start or the undo of a unit.
    pub(super) fn concerns(&self, unit: usize, law: &Law) -> bool {
        let work = &self.units[unit];
        match law {
            Law::Before(units, _) => units.contains(&unit),
            Law::Never(_) => {
                let vars = self.vars_of(law);
                work.sets.iter().chain(&work.undo_sets).any(|(var, _)| vars.contains(var))
            }
            Law::AtFirstWrite(_) | Law::AtEnd(..) => false,
        }
    }

    /// Every variable that a rule depends on, also by way of what keeps a proof true.
    fn vars_of(&self, law: &Law) -> Vec<VarId> {
        let mut vars = Vec::new();
        match law {
            Law::Never(expr) | Law::Before(_, expr) | Law::AtFirstWrite(expr) => expr.vars(&mut vars),
            Law::AtEnd(succeeded, back) => {
                succeeded.vars(&mut vars);
                back.vars(&mut vars);
            }
        }
        let mut at = 0;
        while at < vars.len() {
            let var = vars[at];
            at += 1;
            for keep in self.keeps.iter().filter(|keep| keep.proof == var) {
                vars.extend(keep.set.iter().chain(&keep.unset));
            }
            if let Some(sides) = self.sides.as_ref().filter(|sides| sides.written == var) {
                vars.extend([sides.new, sides.routed, sides.held, sides.away]);
            }
            let mut seen = std::collections::BTreeSet::new();
            vars.retain(|var| seen.insert(*var));
        }
        vars
    }
}

impl Expr {
    pub(super) fn vars(&self, found: &mut Vec<VarId>) {
        match self {
            Self::Is(var, _) => found.push(*var),
            Self::Passed => {}
            Self::Not(inner) => inner.vars(found),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.vars(found)),
        }
    }
}
