//! The steps of all sections under their ids, and the graph of their needs.

use std::collections::HashMap;

use super::{Graph, Section};
use crate::catalog::{self, ActionSpec};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report, nearest};
use crate::model::StepId;
use crate::runbook::{Runbook, Spanned, Step, Work};

/// A step as written, with its section and what the catalog knows of its action.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub section: Section,
    pub step: &'a Step,
    pub spec: Option<&'static ActionSpec>,
}

/// All steps of a runbook and their graph. A step is known by its position here.
pub(super) struct Links<'a> {
    pub steps: Vec<Written<'a>>,
    pub graph: Graph,
    index: HashMap<StepId, usize>,
}

impl<'a> Links<'a> {
    /// Collects the steps and reports every id, need and cycle that is wrong.
    pub fn new(runbook: &'a Runbook, report: &mut Report) -> Self {
        let rollback = runbook.rollback.iter().flat_map(|rollback| &rollback.steps);
        let sections = [
            (Section::Forward, runbook.steps.iter().collect::<Vec<_>>()),
            (Section::Rollback, rollback.collect()),
            (Section::Finally, runbook.finally.iter().collect()),
        ];
        let mut steps: Vec<Written<'a>> = Vec::new();
        let mut index: HashMap<StepId, usize> = HashMap::new();
        for (section, list) in sections {
            for step in list {
                if let Some(&first) = index.get(&step.id.value) {
                    let message = format!("the id `{}` stands in two sections", step.id.value);
                    report.push(
                        Diagnostic::error(codes::DUPLICATE_STEP, step.id.span, message)
                            .also(steps[first].step.id.span, "here first")
                            .help("ids are unique over `steps`, `rollback.steps` and `finally`: rename one of them"),
                    );
                } else {
                    index.insert(step.id.value.clone(), steps.len());
                }
                let spec = match &step.work {
                    Work::Action(call) => catalog::action(&call.action.value),
                    Work::Undo(_) => None,
                };
                steps.push(Written { section, step, spec });
            }
        }
        let mut links = Self { steps, graph: Graph::default(), index };
        let needs = (0..links.steps.len()).map(|at| links.needs_of(at, report)).collect();
        links.graph = Graph::new(needs);
        links.report_cycles(report);
        links
    }

    /// The step with this id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// A step that does not exist, with the id that was probably meant.
    pub fn unknown(&self, id: &Spanned<StepId>) -> Diagnostic {
        let diagnostic = Diagnostic::error(codes::UNKNOWN_STEP, id.span, format!("there is no step `{}`", id.value));
        match nearest(id.value.as_str(), self.index.keys().map(StepId::as_str)) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic,
        }
    }

    fn needs_of(&self, at: usize, report: &mut Report) -> Vec<usize> {
        let written = self.steps[at];
        let mut needs = Vec::new();
        for need in &written.step.needs {
            let Some(found) = self.find(need.value.as_str()) else {
                report.push(self.unknown(need));
                continue;
            };
            let other = self.steps[found];
            if found == at {
                report.push(
                    Diagnostic::error(codes::NEEDS_SELF, need.span, format!("the step `{}` needs itself", need.value))
                        .help("take it out of `needs`"),
                );
            } else if other.section != written.section {
                let message =
                    format!("`{}` stands in `{}`, and this step in `{}`", need.value, word(other.section), word(written.section));
                report.push(
                    Diagnostic::error(codes::NEEDS_SECTION, need.span, message)
                        .also(other.step.id.span, "the step that is needed")
                        .help("a step needs steps of its own section only: each section starts when the one before it is over"),
                );
            } else {
                needs.push(found);
            }
        }
        needs
    }

    fn report_cycles(&self, report: &mut Report) {
        for cycle in self.graph.cycles() {
            let id = |at: usize| self.steps[at].step.id.value.as_str();
            let edge = |from: usize, to: usize| {
                let needs = &self.steps[from].step.needs;
                needs.iter().find(|need| need.value.as_str() == id(to)).map_or(self.steps[from].step.id.span, |need| need.span)
            };
            let next = |place: usize| cycle[(place + 1) % cycle.len()];
            let message = format!("{} steps wait for each other, so none of them can start", cycle.len());
            let mut diagnostic = Diagnostic::error(codes::CYCLE, edge(cycle[0], next(0)), message).label(format!(
                "`{}` needs `{}`",
                id(cycle[0]),
                id(next(0))
            ));
            for (place, &node) in cycle.iter().enumerate().skip(1).take(7) {
                diagnostic = diagnostic.also(edge(node, next(place)), format!("`{}` needs `{}`", id(node), id(next(place))));
            }
            report.push(diagnostic.help(format!("take one of these needs away:\n{}", drawn(&cycle, id))));
        }
    }
}

/// The cycle as a picture: the steps under each other, and an arrow from the last one back to the first.
fn drawn<'s>(cycle: &[usize], id: impl Fn(usize) -> &'s str) -> String {
    let longest = cycle.iter().map(|&node| id(node).chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (place, &node) in cycle.iter().enumerate() {
        if cycle.len() > 12 && (6..cycle.len() - 5).contains(&place) {
            if place == 6 {
                lines.push(format!("│  … {} more", cycle.len() - 11));
            }
            continue;
        }
        let lead = match place {
            0 => "┌→",
            _ if place + 1 == cycle.len() => "└─",
            _ => "│ ",
        };
        let after = if place + 1 == cycle.len() { "needs the first" } else { "needs ↓" };
        lines.push(format!("{lead} {:longest$}  {after}", id(node)));
    }
    lines.join("\n")
}

/// A section as the author writes it.
pub(super) const fn word(section: Section) -> &'static str {
    match section {
        Section::Forward => "steps",
        Section::Rollback => "rollback.steps",
        Section::Finally => "finally",
    }
}
