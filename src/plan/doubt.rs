//! What a crash in the middle of a step means, and whether a second attempt is harmless.

use super::build::Builder;
use super::links::Written;
use super::{InDoubt, Param, Retry};
use crate::catalog::{ActionSpec, Repeat};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::plan as codes;
use crate::runbook::{InDoubtChoice, Work};

/// Whether a read-only look can tell if the step was applied: by the action itself, or by the `probe` of this step.
pub(super) fn has_probe(spec: &ActionSpec, with: &Param) -> bool {
    spec.has_probe || spec.is_mutating() && with.shown().get("probe").is_some_and(|probe| !probe.is_null())
}

/// The policy of a step that changes nothing.
pub(super) fn only_looks() -> InDoubt {
    InDoubt::Rerun { why: "it changes nothing".to_owned() }
}

impl Builder<'_> {
    /// The policy of a step; reports a mutating one that has none.
    pub fn in_doubt(&mut self, written: Written<'_>, with: &Param, retry: Retry) -> InDoubt {
        let (Some(spec), Work::Action(call)) = (written.spec, &written.step.work) else { return only_looks() };
        let step = written.step;
        let probe = has_probe(spec, with);
        let harmless = spec.repeat == Repeat::Ensures || step.idempotent.is_some();
        if spec.is_mutating() && !harmless && retry.max_attempts > 1 {
            let span = step.retry.as_ref().map_or(call.action.span, |retry| retry.span);
            let message = format!("`{}` may act twice, so only an attempt that touched nothing is tried again", spec.name);
            self.report.push(
                Diagnostic::warning(codes::RETRY_TWICE, span, message)
                    .help("if a second run is harmless, say why with `idempotent: \"…\"`"),
            );
        }
        let declared = step.in_doubt.as_ref().map(|choice| (choice.value, choice.span));
        match declared {
            Some((InDoubtChoice::Ask, _)) => InDoubt::Ask,
            Some((InDoubtChoice::Rerun, _)) => {
                InDoubt::Rerun { why: step.idempotent.as_ref().map_or_else(String::new, |why| why.value.clone()) }
            }
            Some((InDoubtChoice::Probe, span)) => {
                if !probe && spec.is_mutating() {
                    let message = format!("`{}` has no probe in this step, so nobody can look", spec.name);
                    let help = if spec.params.iter().any(|param| param.name == "probe") {
                        "give it a `probe` in `with`, or write `in_doubt: ask`"
                    } else {
                        "write `in_doubt: ask`"
                    };
                    self.report.push(Diagnostic::error(codes::PROBE_MISSING, span, message).help(help));
                }
                InDoubt::Probe
            }
            None if !spec.is_mutating() => only_looks(),
            None if probe => InDoubt::Probe,
            None if step.idempotent.is_some() => {
                InDoubt::Rerun { why: step.idempotent.as_ref().map_or_else(String::new, |why| why.value.clone()) }
            }
            None if super::assembly::is_notice(spec) => {
                InDoubt::Rerun { why: "a second notice is a nuisance and no damage".to_owned() }
            }
            None if spec.repeat == Repeat::Ensures => InDoubt::Rerun { why: "the action ensures a state".to_owned() },
            None => {
                let message = "nobody says what a crash in the middle of this step means";
                let probe =
                    if spec.params.iter().any(|param| param.name == "probe") { "a `probe` in `with` to look, or " } else { "" };
                self.report.push(
                    Diagnostic::error(codes::IN_DOUBT_MISSING, step.id.span, message)
                        .also(call.action.span, "may act twice when it is run again")
                        .help(format!(
                            "add {probe}`in_doubt: ask` to ask a person, or `idempotent: \"why a second run is harmless\"`"
                        )),
                );
                InDoubt::Ask
            }
        }
    }
}
