//! The rules during a run: what is known of the facts from the journal, and which start would break a rule.
//!
//! What an attempt in doubt did is not known, and what is not known counts as what would break the rule.

use std::collections::BTreeMap;

use super::facts::{Facts, Var, VarId};
use super::own::law_of;
use super::rules::{Claim, Expr, Law, questions};
use crate::model::{Span, Timestamp};
use crate::plan::{InterlockLaw, Plan, StepIndex};

/// The rules of a plan, ready to be held against a run.
#[derive(Debug)]
pub struct Watch {
    facts: Facts,
    laws: Vec<Guarded>,
    /// For each unit, the rules that its start or its undo can break.
    of_unit: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Guarded {
    words: String,
    law: Law,
    fresh: Option<(Span, Vec<VarId>)>,
}

/// How far a unit of work has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing of it is at its target.
    Clean,
    /// Something of it may be there.
    Begun,
    /// All of it is there, proven.
    Done,
    /// It was there, or may have been, and was undone.
    Undone,
}

/// What is known of the facts. Part of the fold of a journal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    values: Vec<Option<bool>>,
    progress: BTreeMap<usize, Progress>,
    before: BTreeMap<usize, Vec<(VarId, Option<bool>)>>,
    proven: BTreeMap<VarId, Timestamp>,
}

/// A start that would break a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The rule, in words.
    pub rule: String,
    /// What is not as it must be.
    pub reason: String,
}

/// A fact as a person reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldFact {
    /// What it is about.
    pub fact: String,
    /// What is known of it, in words.
    pub text: String,
    /// Its value; none where that is not known.
    pub value: Option<bool>,
    /// When a step last proved it, while it holds.
    pub since: Option<Timestamp>,
}

impl Watch {
    /// The rules of a plan; none for a plan without `move` and without rules of its own.
    pub fn new(plan: &Plan) -> Option<Self> {
        let content = plan.content();
        if content.movement.is_none() && content.interlocks.is_empty() {
            return None;
        }
        let facts = Facts::new(plan);
        let mut laws: Vec<Guarded> = Vec::new();
        for (claim, law) in questions(plan, &facts).into_iter().flat_map(|question| question.laws) {
            match claim {
                // A way back that leaves something behind is refused as a plan; a run that is on it is let through.
                Claim::OneWriter(_) | Claim::Proven(_) => laws.push(Guarded { words: claim.in_words(&facts), law, fresh: None }),
                Claim::Thawed(_) | Claim::WritableAtEnd | Claim::NothingLost(_) | Claim::FlowsBack(_) | Claim::Own(_) => {}
            }
        }
        for interlock in &content.interlocks {
            let Ok(law) = law_of(&facts, &interlock.law) else { continue };
            let fresh = match &interlock.law {
                InterlockLaw::Before { requires, fresh: Some(fresh), .. } => {
                    let mut proofs = Vec::new();
                    requires.each(&mut |said| proofs.extend(facts.var_of(said)));
                    proofs.retain(|var| matches!(facts.vars[*var], Var::Proven(_)));
                    Some((*fresh, proofs))
                }
                InterlockLaw::Before { .. } | InterlockLaw::Never(_) | InterlockLaw::AlwaysEnds(_) => None,
            };
            laws.push(Guarded { words: format!("{} ({})", interlock.name, interlock.text), law, fresh });
        }
        let of_unit =
            (0..facts.units.len()).map(|unit| (0..laws.len()).filter(|law| facts.concerns(unit, &laws[*law].law)).collect());
        let of_unit = of_unit.collect();
        Some(Self { facts, laws, of_unit })
    }

    /// The facts of the plan.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is known before the first step.
    pub fn at_first(&self) -> Known {
        Known { values: self.facts.initial.iter().map(|value| Some(*value)).collect(), ..Known::default() }
    }

    /// The unit of a step, if it changes any fact.
    pub fn unit_of(&self, step: StepIndex) -> Option<usize> {
        let unit = self.facts.unit_of[step.get()];
        (!self.facts.units[unit].sets.is_empty()).then_some(unit)
    }

    /// The steps that act in a unit.
    pub fn steps_of(&self, unit: usize) -> &[StepIndex] {
        &self.facts.units[unit].steps
    }

    /// Why this step must not start now, if a rule says so.
    pub fn refuses(&self, known: &Known, step: StepIndex, passed: bool, now: Timestamp) -> Option<Refusal> {
        let unit = self.facts.unit_of[step.get()];
        let after = self.after(known, &self.facts.units[unit].sets);
        self.broken(known, &after, unit, Some(now), passed)
    }

    /// Why this step must not be undone now, if a rule says so.
    pub fn refuses_undo(&self, known: &Known, step: StepIndex, passed: bool) -> Option<Refusal> {
        let unit = self.facts.unit_of[step.get()];
        let work = &self.facts.units[unit];
        let after = if work.undo_sets.is_empty() {
            let mut after = known.clone();
            for (var, value) in known.before.get(&unit).into_iter().flatten().take(work.sets.len()) {
                after.values[*var] = *value;
            }
            self.settle(&mut after);
            after
        } else {
            self.after(known, &work.undo_sets)
        };
        self.broken(known, &after, unit, None, passed)
    }

    fn broken(&self, known: &Known, after: &Known, unit: usize, starts: Option<Timestamp>, passed: bool) -> Option<Refusal> {
        for guarded in self.of_unit[unit].iter().map(|law| &self.laws[*law]) {
            let reason = match (&guarded.law, starts) {
                (Law::Never(expr), _) => {
                    let was = known.value(expr, passed);
                    (after.value(expr, passed) != Some(false) && was == Some(false))
                        .then(|| format!("it would no longer hold, as far as is known: {}", self.says(known, expr)))
                }
                // Behind a first attempt the effect may be there already: another attempt makes nothing worse.
                (Law::Before(units, expr), Some(now)) if units.contains(&unit) && known.is_clean(unit) => {
                    let is_unmet = known.value(expr, passed) != Some(true);
                    let stale = guarded.fresh.as_ref().and_then(|(fresh, proofs)| self.stale(known, *fresh, proofs, now));
                    is_unmet.then(|| format!("what it requires is not known to hold: {}", self.says(known, expr))).or(stale)
                }
                (Law::Before(..) | Law::AtFirstWrite(_) | Law::AtEnd(..), _) => None,
            };
            if let Some(reason) = reason {
                return Some(Refusal { rule: guarded.words.clone(), reason });
            }
        }
        None
    }

    fn stale(&self, known: &Known, fresh: Span, proofs: &[VarId], now: Timestamp) -> Option<String> {
        proofs.iter().find_map(|proof| {
            let proven = known.proven.get(proof)?;
            let age = Span::from_millis(u64::try_from(now.as_millis() - proven.as_millis()).unwrap_or(0));
            (age > fresh).then(|| format!("{} is {age} old, and at most {fresh} is allowed", self.facts.vars[*proof]))
        })
    }

    /// The facts that a rule is about, as they are known.
    fn says(&self, known: &Known, expr: &Expr) -> String {
        let mut vars = Vec::new();
        expr.vars(&mut vars);
        vars.sort_unstable();
        vars.dedup();
        let said =
            vars.into_iter().filter(|var| !matches!(self.facts.vars[*var], Var::Written)).map(|var| match known.values[var] {
                Some(value) => self.facts.says((var, value)),
                None => format!("{} is not known", self.facts.vars[var]),
            });
        said.collect::<Vec<_>>().join(", ")
    }

    /// Every fact in words, with what is known of it and since when that is proven.
    pub fn told(&self, known: &Known) -> Vec<ToldFact> {
        let vars = self.facts.vars.iter().zip(&known.values).enumerate();
        vars.filter_map(|(at, (var, value))| {
            let text = value.map_or_else(|| Some(format!("{var} is not known")), |value| self.facts.stands((at, value)))?;
            let since = known.proven.get(&at).copied().filter(|_| *value == Some(true));
            Some(ToldFact { fact: var.to_string(), text, value: *value, since })
        })
        .collect()
    }

    /// What would be known if the unit had succeeded.
    fn after(&self, known: &Known, sets: &[(VarId, bool)]) -> Known {
        let mut after = known.clone();
        sets.iter().for_each(|(var, value)| after.values[*var] = Some(*value));
        self.settle(&mut after);
        after
    }

    /// Takes in how far a unit has come now.
    pub fn learn(&self, known: &mut Known, unit: usize, progress: Progress, at: Timestamp) {
        let was = known.progress.get(&unit).copied().unwrap_or(Progress::Clean);
        if was == progress {
            return;
        }
        let work = &self.facts.units[unit];
        if matches!(was, Progress::Clean | Progress::Undone) {
            // What follows from a fact is kept too: an attempt that is proven to have left nothing takes nothing away.
            let follows =
                self.facts.keeps.iter().map(|keep| keep.proof).chain(self.facts.sides.iter().map(|sides| sides.written));
            let vars = work.sets.iter().map(|(var, _)| *var).chain(follows);
            known.before.insert(unit, vars.map(|var| (var, known.values[var])).collect());
        }
        match progress {
            Progress::Done => {
                for (var, value) in &work.sets {
                    known.values[*var] = Some(*value);
                    known.proven.insert(*var, at);
                }
            }
            Progress::Begun => {
                let before = known.before.get(&unit).cloned().unwrap_or_default();
                for ((var, value), (_, saved)) in work.sets.iter().zip(before) {
                    if saved != Some(*value) || known.values[*var] != Some(*value) {
                        known.values[*var] = None;
                    }
                }
            }
            // Its attempts left nothing: what was known before them is known again.
            Progress::Clean => {
                for (var, value) in known.before.remove(&unit).into_iter().flatten() {
                    known.values[var] = value;
                }
            }
            // What followed from it stays: who has written has written.
            Progress::Undone => {
                let before = known.before.remove(&unit).unwrap_or_default();
                for (var, value) in before.into_iter().take(work.sets.len()) {
                    known.values[var] = value;
                }
                work.undo_sets.iter().for_each(|(var, value)| known.values[*var] = Some(*value));
            }
        }
        known.progress.insert(unit, progress);
        self.settle(known);
    }

    /// What follows from the facts: who takes writes, and which proofs are gone.
    fn settle(&self, known: &mut Known) {
        if let Some(sides) = &self.facts.sides {
            let mut takes = Vec::new();
            takes.extend(
                sides
                    .has_switch
                    .then_some([(sides.routed, true), (sides.held, false), (sides.away, false)])
                    .into_iter()
                    .flatten(),
            );
            takes.extend(sides.has_opener.then_some((sides.new, false)));
            let may = !takes.is_empty() && takes.iter().all(|(var, value)| known.values[*var] != Some(!value));
            let does = may && takes.iter().all(|(var, value)| known.values[*var] == Some(*value));
            if does {
                known.values[sides.written] = Some(true);
            } else if may && known.values[sides.written] == Some(false) {
                known.values[sides.written] = None;
            }
        }
        for keep in &self.facts.keeps {
            let worst = |gone: Option<bool>| keep.set.iter().any(|var| known.values[*var] == gone);
            let written = |is: Option<bool>| keep.unset.iter().any(|var| known.values[*var] == is);
            if worst(Some(false)) || written(Some(true)) {
                known.values[keep.proof] = Some(false);
            } else if (worst(None) || written(None)) && known.values[keep.proof] == Some(true) {
                known.values[keep.proof] = None;
            }
        }
    }
}

impl Known {
    /// What is known of each variable.
    pub fn values(&self) -> &[Option<bool>] {
        &self.values
    }

    fn is_clean(&self, unit: usize) -> bool {
        self.progress.get(&unit).is_none_or(|progress| matches!(progress, Progress::Clean | Progress::Undone))
    }

    /// The value of a condition, as far as it is known.
    fn value(&self, expr: &Expr, passed: bool) -> Option<bool> {
        match expr {
            Expr::Is(var, wanted) => self.values[*var].map(|value| value == *wanted),
            Expr::Passed => Some(passed),
            Expr::Not(inner) => self.value(inner, passed).map(|value| !value),
            Expr::All(parts) => self.several(parts, passed, false),
            Expr::Any(parts) => self.several(parts, passed, true),
        }
    }

    /// One part with the deciding value decides; otherwise all must be known.
    fn several(&self, parts: &[Expr], passed: bool, decides: bool) -> Option<bool> {
        let values: Vec<Option<bool>> = parts.iter().map(|part| self.value(part, passed)).collect();
        if values.contains(&Some(decides)) { Some(decides) } else { (!values.contains(&None)).then_some(!decides) }
    }
}
