//! Plans that are compared across profiles: the digest without targets, and the plan whose gates ask for no signature.

use serde_json::json;

use super::{Plan, PlannedUndo, SignatureRule, StepKind, Template, Wait};
use crate::model::Digest;

impl Plan {
    /// The digest that a rehearsal against other targets shares with the live run: the exact text of the runbook, and the
    /// steps that it and the parameters made, with their order, actions, target names, gates, policies and ways back.
    ///
    /// Left out is what differs between profiles: settings of targets, the values of parameters and whatever follows from
    /// them inside of `with`, lengths of time, the window, the folder and the people.
    pub fn rehearsal_digest(&self) -> Digest {
        let steps = self.steps().iter().map(|step| {
            let undo = match &step.undo {
                PlannedUndo::NotNeeded => json!("not_needed"),
                PlannedUndo::Auto => json!("auto"),
                PlannedUndo::Action { action, target, .. } => json!({ "action": action, "target": target }),
                PlannedUndo::Nothing { .. } => json!("nothing"),
                PlannedUndo::Impossible { .. } => json!("impossible"),
            };
            let kind = match &step.kind {
                StepKind::Action => json!("action"),
                StepKind::Group { .. } => json!("group"),
                StepKind::Spread { over, .. } => json!({ "spread": over.text() }),
                StepKind::Undo(scope) => json!({ "undo": scope }),
            };
            json!({
                "id": step.id, "section": step.section, "kind": kind, "action": step.action, "target": step.target,
                "needs": step.needs, "when": step.when.as_ref().map(Template::text), "on_failure": step.on_failure,
                "in_doubt": step.in_doubt, "undo": undo, "point_of_no_return": step.point_of_no_return,
                "confirm": step.confirm, "protected": step.protected, "mutating": step.mutating,
            })
        });
        let content = self.content();
        let whole = json!({
            "runbook": content.runbook,
            "source": content.source,
            "targets": content.targets.iter().map(|(name, target)| (name.to_string(), target.connector.clone())).collect::<Vec<_>>(),
            "steps": steps.collect::<Vec<_>>(),
        });
        Digest::of(whole.to_string().as_bytes())
    }

    /// The same plan with gates that take the approval of any local user who is one of the people.
    #[must_use]
    pub fn without_signatures(&self) -> Self {
        let mut content = self.content().clone();
        for step in &mut content.steps {
            if let Some(Wait::Approval { signature, .. }) = &mut step.wait {
                *signature = SignatureRule::Accepted;
            }
        }
        if let Some(roster) = &mut content.roster {
            roster.allowed_signers = None;
        }
        Self::freeze(content).expect("invariant: the same steps are a plan again")
    }
}
