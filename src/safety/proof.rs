//! The proof: every question about a plan, searched to its end, and what came of it.

use std::collections::BTreeMap;

use super::entry::about_entry;
use super::facts::{Facts, Var};
use super::own::own_questions;
use super::rules::{Claim, questions};
use super::search::{Rule, search};
use super::story::Teller;
use super::task::Slice;
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Code, Diagnostic, Report, SourceSpan};
use crate::plan::{Places, Plan};

/// What was proven of a plan, and what not.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Every broken rule, each with the shortest story that breaks it, and every rule that could not be proven.
    pub report: Report,
    /// How many rules were held against every state.
    pub rules: usize,
    /// How many states there are, of all searches together.
    pub states: usize,
    /// How many rules could not be held against every state.
    pub not_proven: usize,
}

/// Proves the rules of a plan over every state that a run of it can reach.
pub fn prove(plan: &Plan, places: &Places) -> Proof {
    let facts = Facts::new(plan);
    let mut proof = Proof::default();
    // One story for each mistake: the shortest.
    let mut found: BTreeMap<(Code, SourceSpan), (usize, Diagnostic)> = BTreeMap::new();
    let mut all = questions(plan, &facts);
    all.extend(own_questions(plan, &facts, places, &mut proof.report));
    for question in all {
        let Some(slice) = Slice::new(&facts, &question.vars, &question.named()) else {
            question.laws.iter().for_each(|(claim, _)| proof.leave_open(claim, plan, places, &facts));
            continue;
        };
        let rules: Vec<Rule> = question.laws.iter().map(|(_, law)| law.over(&slice)).collect();
        let outcome = search(&slice, &rules);
        proof.states += outcome.states;
        for ((claim, _), broken) in question.laws.iter().zip(&outcome.broken) {
            if let Some(trace) = broken {
                let diagnostic = Teller { plan, places, facts: &facts, slice: &slice, trace }.explain(claim);
                let length = trace.steps.len();
                let key = (diagnostic.code, diagnostic.primary.span);
                if found.get(&key).is_none_or(|(known, _)| length < *known) {
                    found.insert(key, (length, diagnostic));
                }
            } else if outcome.whole {
                proof.rules += 1;
            } else {
                proof.leave_open(claim, plan, places, &facts);
            }
        }
    }
    // Where the new side opens beside the old one, that is what has to be mended first.
    let opens_beside = found.keys().any(|(code, _)| *code == codes::OPEN_BEFORE_FREEZE);
    found.retain(|(code, _), _| !(opens_beside && *code == codes::WRITES_LOST));
    found.into_values().for_each(|(_, diagnostic)| proof.report.push(diagnostic));
    proof.nothing_compares(&facts, plan, places);
    proof.report.extend(about_entry(plan, &facts, places));
    proof
}

impl Proof {
    /// What was proven, in one clause; none where no rule applies.
    pub fn in_words(&self) -> Option<String> {
        let Self { rules, states, not_proven, .. } = self;
        match (rules, not_proven) {
            (0, 0) => None,
            (1, 0) => Some(format!("1 safety rule holds in every state ({states} states)")),
            (_, 0) => Some(format!("{rules} safety rules hold in every state ({states} states)")),
            _ => Some(format!("{rules} safety rules hold in every state ({states} states), and {not_proven} are NOT proven")),
        }
    }

    /// The new side opens, and no step of the runbook compares it with the old one.
    fn nothing_compares(&mut self, facts: &Facts, plan: &Plan, places: &Places) {
        let Some(sides) = &facts.sides else { return };
        let agree = Var::Proven(format!("agree({}, {})", sides.from, sides.to));
        let Some(opener) = facts.openers().first().map(|unit| facts.units[*unit].lead) else { return };
        if facts.find(&agree).is_none_or(|agree| !facts.is_waited_for(plan, agree)) {
            let message = format!(
                "`{}` opens `{}`, and nothing before it compares `{}` with it",
                plan.step(opener).id,
                sides.to,
                sides.from
            );
            self.report.push(
                Diagnostic::warning(codes::OPEN_UNCHECKED, places.of(opener), message)
                    .help("add `check.tables` between the freeze and this step"),
            );
        }
    }

    /// A rule that could not be held against every state is never passed over in silence.
    fn leave_open(&mut self, claim: &Claim, plan: &Plan, places: &Places, facts: &Facts) {
        self.not_proven += 1;
        let message = format!("not proven: {}", claim.in_words(facts));
        let place =
            plan.steps().len().checked_sub(1).map_or_else(SourceSpan::default, |_| places.of(crate::plan::StepIndex::new(0)));
        self.report.push(
            Diagnostic::warning(codes::NOT_PROVEN, place, message)
                .help("the plan has too many steps that matter to this rule, in too many orders: order them by `needs`, or make one step of several"),
        );
    }
}
