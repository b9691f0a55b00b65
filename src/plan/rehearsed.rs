//! Plans that are compared across profiles: the digest without targets, and the plan whose gates ask for no signature and no rehearsal.

use serde_json::json;

use super::{Plan, SignatureRule, Wait};
use crate::model::Digest;

impl Plan {
    /// The shape: the digest that the live night and its rehearsal against other targets share.
    ///
    /// In it is everything that is written in the runbook but for `targets`, `environment`, `window`, `roster`, `owner`, `title`
    /// and the defaults of parameters, with templates as they are written; and the steps that the parameters made of it, with
    /// their order and names. Left out are the values of parameters, the people, the folder, remarks and spaces.
    pub fn shape(&self) -> Digest {
        let content = self.content();
        let targets = content.targets.iter().map(|(name, target)| json!([name, target.connector]));
        let steps = self.steps().iter().map(|step| json!([step.id, step.section, step.action, step.target, step.needs]));
        let written = content.written.unwrap_or(content.source);
        let whole = json!([written, targets.collect::<Vec<_>>(), steps.collect::<Vec<_>>()]);
        Digest::of(whole.to_string().as_bytes())
    }

    /// The same plan with gates that take the approval of any local user who is one of the people, rehearsed or not.
    #[must_use]
    pub fn without_signatures(&self) -> Self {
        let mut content = self.content().clone();
        for step in &mut content.steps {
            if let Some(Wait::Approval { signature, rehearsed_within, .. }) = &mut step.wait {
                *signature = SignatureRule::Accepted;
                *rehearsed_within = None;
            }
        }
        if let Some(roster) = &mut content.roster {
            roster.allowed_signers = None;
        }
        Self::freeze(content).expect("invariant: the same steps are a plan again")
    }
}
