//! The time inside each freeze against what clients can bear: as it is expected, and not as the worst case allows it.

use super::history::Took;
use super::{FreezeTime, History, Plan, StepIndex, Wait};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report};
use crate::model::Span;
use crate::runbook::Runbook;

/// One freeze against what clients bear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bearing {
    /// What is frozen, from where to where.
    pub freeze: FreezeTime,
    /// What clients bear.
    pub bear: Span,
    /// How long nobody writes when every step takes its median.
    pub usual: Span,
    /// The same when every step is as slow as one time in ten.
    pub slow: Span,
    /// Persons who are waited for inside, and of whom nobody knows how long they take; they come on top.
    pub people: Vec<StepIndex>,
    /// How many steps inside were never measured: a default stands for each.
    pub unmeasured: usize,
}

impl Bearing {
    /// Whether clients bear it, as far as can be foretold.
    pub fn fits(&self) -> bool {
        self.slow <= self.bear && self.people.is_empty()
    }
}

impl Plan {
    /// Every freeze against what clients bear; none where the runbook does not say what that is.
    pub fn bearings(&self, history: &History) -> Vec<Bearing> {
        let Some(bear) = self.content().movement.as_ref().and_then(|movement| movement.clients_bear) else { return Vec::new() };
        let asks = |at: StepIndex| matches!(self.step(at).wait, Some(Wait::Approval { .. } | Wait::Manual { .. }));
        let takes = |at: StepIndex, percent| match asks(at) {
            true => history.quantile(Took::People, &self.step(at).id, percent).unwrap_or_default(),
            false => self.expected(history, at, percent),
        };
        let (usual, slow) = (self.chain(|at| takes(at, 50)), self.chain(|at| takes(at, 90)));
        let inside = |freeze: &FreezeTime, chain: &super::forecast::Chain| {
            let end = freeze.until.map_or(chain.whole, |until| chain.finish[until.get()]);
            let start = chain.finish[freeze.from.get()].saturating_sub(chain.takes[freeze.from.get()]);
            Span::from_millis(end.saturating_sub(start))
        };
        let unknown = |at: &StepIndex| history.samples(Took::People, &self.step(*at).id).is_empty();
        let measured = |at: &&StepIndex| history.samples(Took::Work, &self.step(**at).id).is_empty();
        let all = self.freeze_times().into_iter().map(|freeze| Bearing {
            bear,
            usual: inside(&freeze, &usual),
            slow: inside(&freeze, &slow),
            people: freeze.waits.iter().map(|wait| wait.step).filter(|at| asks(*at)).filter(unknown).collect(),
            unmeasured: freeze.path.iter().filter(|at| self.step(**at).wait.is_none()).filter(measured).count(),
            freeze,
        });
        all.collect()
    }

    /// What is to be said about freezes that clients do not bear.
    pub fn unborne(&self, runbook: &Runbook, history: &History) -> Report {
        let mut report = Report::default();
        let Some(place) = runbook.movement.as_ref().and_then(|movement| movement.clients_bear.as_ref()) else { return report };
        for bearing in self.bearings(history).iter().filter(|bearing| !bearing.fits()) {
            let FreezeTime { frozen, from, until, .. } = &bearing.freeze;
            let asked: Vec<String> = bearing.people.iter().map(|at| format!("`{}`", self.step(*at).id)).collect();
            let people =
                if asked.is_empty() { String::new() } else { format!(", and until people answer at {}", asked.join(", ")) };
            let message =
                format!("nobody writes to `{frozen}` for {} at P90{people}, and clients bear {}", bearing.slow, bearing.bear);
            let source = match (history.runs, bearing.unmeasured) {
                (0, _) => "from default lengths, since nothing was ever measured; ".to_owned(),
                (_, 0) => String::new(),
                (_, open) => format!("{open} of its steps were never measured; "),
            };
            let end = until.map_or_else(|| "the end".to_owned(), |until| format!("`{}`", self.step(until).id));
            let help = format!(
                "{source}ask people before `{}`, and do between it and {end} only what has to be there",
                self.step(*from).id
            );
            report.push(Diagnostic::warning(codes::CLIENTS_WAIT, place.span, message).help(help));
        }
        report
    }
}
