//! Which steps come before and behind which others. Steps wait for all their needs, so this holds in every order.

use super::{Plan, StepIndex};

impl Plan {
    /// For each step, whether it comes before `step`.
    pub fn before(&self, step: StepIndex) -> Vec<bool> {
        let mut before = vec![false; self.steps().len()];
        let mut rest = vec![step];
        while let Some(next) = rest.pop() {
            for need in &self.step(next).needs {
                if !std::mem::replace(&mut before[need.get()], true) {
                    rest.push(*need);
                }
            }
        }
        before
    }

    /// For each step, whether it is a point of no return or stands behind one.
    pub fn from_return_on(&self) -> Vec<bool> {
        let mut found = vec![false; self.steps().len()];
        for (at, step) in self.steps().iter().enumerate() {
            found[at] = step.point_of_no_return.is_some() || step.needs.iter().any(|need| found[need.get()]);
        }
        found
    }
}
