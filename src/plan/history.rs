//! How long steps took, in runs and rehearsals for real: samples by step, and their quantiles. The waiting of persons is apart.

use std::collections::BTreeMap;

use crate::model::{Span, StepId};

/// What earlier runs of a runbook showed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// From how many runs it is.
    pub runs: usize,
    work: BTreeMap<StepId, Vec<u64>>,
    undos: BTreeMap<StepId, Vec<u64>>,
    people: BTreeMap<StepId, Vec<u64>>,
}

/// What a sample is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Took {
    /// One attempt that succeeded, from its preparation to its proof.
    Work,
    /// One undo that succeeded.
    Undo,
    /// The answer of persons.
    People,
}

impl History {
    /// What so many runs showed; their samples are added one by one.
    pub fn of_runs(runs: usize) -> Self {
        Self { runs, ..Self::default() }
    }

    /// Adds a sample.
    pub fn add(&mut self, took: Took, step: &StepId, span: Span) {
        let samples = match took {
            Took::Work => &mut self.work,
            Took::Undo => &mut self.undos,
            Took::People => &mut self.people,
        };
        let samples = samples.entry(step.clone()).or_default();
        let at = samples.partition_point(|sample| *sample <= span.as_millis());
        samples.insert(at, span.as_millis());
    }

    /// The samples of a step, in order of length.
    pub fn samples(&self, took: Took, step: &StepId) -> &[u64] {
        let samples = match took {
            Took::Work => &self.work,
            Took::Undo => &self.undos,
            Took::People => &self.people,
        };
        samples.get(step).map_or(&[], Vec::as_slice)
    }

    /// The length that `percent` of a hundred samples do not exceed.
    pub fn quantile(&self, took: Took, step: &StepId, percent: usize) -> Option<Span> {
        quantile(self.samples(took, step), percent).map(Span::from_millis)
    }
}

/// The value that `percent` of a hundred of these do not exceed, by nearest rank; `sorted` is in order.
pub fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_by_nearest_rank() {
        let step = StepId::new("a");
        let mut history = History::default();
        assert_eq!(history.quantile(Took::Work, &step, 50), None);
        for ms in [50, 10, 40, 20, 30] {
            history.add(Took::Work, &step, Span::from_millis(ms));
        }
        let at = |percent| history.quantile(Took::Work, &step, percent).map(Span::as_millis);
        assert_eq!((at(50), at(90), at(1), at(100)), (Some(30), Some(50), Some(10), Some(50)));
        assert_eq!(history.quantile(Took::Undo, &step, 50), None, "an undo is no attempt");
    }
}
