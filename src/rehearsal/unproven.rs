//! What a rehearsal of a plan cannot say, in sentences: the honest end of the readiness report.

use super::model::reads;
use super::wishes::{Steps, Wishes};
use crate::plan::{Param, Plan, PlannedUndo, Section, SignatureRule, StepKind, Wait};

/// The sentences, in the order of their weight.
pub(super) fn list(plan: &Plan, wishes: &Wishes) -> Vec<String> {
    let mut list = vec!["No system was touched: what each action does and answers is what the catalog says of it.".to_owned()];
    let named = |find: &dyn Fn(&crate::plan::PlannedStep) -> bool| {
        let ids: Vec<&str> = plan.steps().iter().filter(|step| find(step)).map(|step| step.id.as_str()).collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    };
    let mut say = |steps: Option<String>, text: &str| list.extend(steps.map(|steps| text.replace("{}", &steps)));
    say(
        named(&|step| matches!(&step.wait, Some(Wait::Approval { signature, .. }) if *signature == SignatureRule::Required)),
        "Nobody signed: whether the keys of the approvers of {} work is for a try before the night.",
    );
    say(
        named(&|step| step.when.as_ref().is_some_and(|when| !reads(when).is_empty())),
        "Whether {} runs depends on answers that were made up.",
    );
    say(
        named(&|step| matches!(step.kind, StepKind::Spread { .. })),
        "The list of {} is known to the run alone: two items stood for it.",
    );
    say(
        named(&|step| step.section == Section::Forward && matches!(step.undo, PlannedUndo::Nothing { .. }) && step.mutating),
        "{}: left as it is on the way back, because the runbook says so.",
    );
    say(
        named(&|step| {
            step.mutating && step.action.ends_with("command") && !matches!(step.with, Param::Value(crate::model::Value::Null))
        }),
        "{}: what a program really does, nobody modelled.",
    );
    if wishes.fail_undo == Steps::none() {
        list.push("Undos never failed: `--fail-undo each` lets them, and shows what people then have to do.".to_owned());
    }
    if wishes.fail != Steps::Each {
        list.push("Not every step failed: `--fail each` tries them all.".to_owned());
    }
    if !wishes.crash {
        list.push("The executor never died: `--crash each` kills it at every turn.".to_owned());
    }
    list
}
