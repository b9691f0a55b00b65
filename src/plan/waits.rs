//! What an engine wait waits for, from its typed parameters.

use super::build::Builder;
use super::{Approvers, Exclusion, OnDeadline, Param, SignatureRule, Wait};
use crate::catalog::{ActionSpec, Nature};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, SourceSpan};
use crate::model::{RoleName, Roster, Span, Value};
use crate::runbook::{Node, Runbook, Spanned, Step, Work};

impl Builder<'_> {
    /// The wait of a step whose action is one; none after a report.
    pub fn wait(&mut self, spec: &ActionSpec, step: &Step, with: &Param) -> Option<Wait> {
        let Work::Action(call) = &step.work else { return None };
        let node = call.with.as_ref();
        for late in late_keys(with).filter(|key| *key != "prompt") {
            let span = place(node, late, call.action.span);
            let message = format!("`{late}` must be known when the plan is made: only `params` and `item` can be read here");
            self.report.push(Diagnostic::error(codes::TEMPLATE_PLACE, span, message));
        }
        let values = with.shown();
        let text = |name: &str| values.get(name).and_then(Value::as_str);
        let span = |name: &str| text(name).and_then(|text| Span::parse(text).ok());
        match spec.nature {
            Nature::Approval => {
                let not = exclusions(values.get("not"));
                self.editor(&not, place(node, "not", call.action.span));
                let approvers = match values.get("roles") {
                    Some(roles) => self.one_of_each(roles, place(node, "roles", call.action.span), &not),
                    None => self.approvers(values.get("approvers"), node, &not, call.action.span),
                };
                let signature = self.signature(text("signature"), place(node, "signature", call.action.span));
                let (deadline, on_deadline) = (span("deadline"), on_deadline(text("on_deadline")));
                let escalate_to = self.escalation(text("escalate_to"), on_deadline, node, call.action.span);
                let break_glass = self.glass(values.get("break_glass"), place(node, "break_glass", call.action.span));
                let (evidence_within, rehearsed_within) = (span("evidence_within"), span("rehearsed_within"));
                Some(Wait::Approval {
                    approvers,
                    not,
                    deadline,
                    on_deadline,
                    signature,
                    evidence_within,
                    rehearsed_within,
                    escalate_to,
                    break_glass,
                })
            }
            Nature::Hold => span("duration").map(|duration| Wait::Hold { duration }),
            Nature::Window => {
                if self.runbook.window.is_none() {
                    let message = "the step waits for the window, and the runbook has none";
                    self.report.push(
                        Diagnostic::error(codes::WINDOW_MISSING, call.action.span, message)
                            .help("add `window:` with `opens`, `closes` and `time_zone`"),
                    );
                }
                Some(Wait::Window)
            }
            Nature::Manual => {
                let role = text("role").map(RoleName::new);
                if let Some(role) = &role {
                    self.known_role(Some(&Spanned::new(role.clone(), place(node, "role", call.action.span))));
                }
                let form = values.get("form").and_then(Value::as_object);
                let form =
                    form.into_iter().flatten().map(|(field, kind)| (field.clone(), kind.as_str().unwrap_or("text").to_owned()));
                Some(Wait::Manual {
                    role,
                    form: form.collect(),
                    deadline: span("deadline"),
                    on_deadline: on_deadline(text("on_deadline")),
                })
            }
            Nature::ReadOnly | Nature::Mutating | Nature::Notify => None,
        }
    }

    /// A gate that excludes the last editor needs to know who that is.
    fn editor(&mut self, not: &[Exclusion], span: SourceSpan) {
        if let (true, Err(why)) = (not.contains(&Exclusion::Editor), self.edited_by) {
            let message = "the gate excludes who edited the runbook last, and nobody can tell who that is";
            self.report.push(Diagnostic::error(codes::EDITOR, span, message).help(why.clone()));
        }
    }

    /// What the runbook says about signatures; where it says nothing, the roster does.
    fn signature(&mut self, word: Option<&str>, span: SourceSpan) -> SignatureRule {
        let has_signers = self.roster.is_some_and(Roster::has_signers);
        match word {
            Some("required") if !has_signers => {
                let message = "the gate asks for signatures, and nobody's can be checked";
                let help = "name a file in the roster: `allowed_signers: signers`";
                self.report.push(Diagnostic::error(codes::NO_SIGNERS, span, message).help(help));
                SignatureRule::Required
            }
            Some("accepted") => SignatureRule::Accepted,
            Some(_) => SignatureRule::Required,
            None if has_signers => SignatureRule::Required,
            None => SignatureRule::Accepted,
        }
    }

    fn approvers(&mut self, written: Option<&Value>, node: Option<&Node>, not: &[Exclusion], at: SourceSpan) -> Vec<Approvers> {
        let mut approvers = Vec::new();
        let Some(roles) = written.and_then(Value::as_object) else { return approvers };
        let places = node.and_then(|node| node.get("approvers")).map(|entry| &entry.value);
        for (role, count) in roles {
            let span = places.and_then(|map| map.get(role)).map_or(at, |entry| entry.key.span);
            let count = count.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
            if count == 0 {
                let message = format!("at least one approval of `{role}` is needed");
                self.report
                    .push(Diagnostic::error(codes::QUORUM, span, message).help("leave the role out, or ask for one person"));
                continue;
            }
            let wanted = Approvers { role: RoleName::new(role), count };
            self.quorum(&wanted, not, span);
            approvers.push(wanted);
        }
        if roles.is_empty() {
            let message = "an approval needs at least one role";
            self.report
                .push(Diagnostic::error(codes::QUORUM, places.map_or(at, |map| map.span), message).help("write `{ dba: 1 }`"));
        }
        approvers
    }
}

/// The keys whose values only the run knows.
fn late_keys(with: &Param) -> impl Iterator<Item = &str> {
    let entries = match with {
        Param::Map(entries) => entries.as_slice(),
        Param::Value(_) | Param::Template(_) | Param::Secret(_) | Param::List(_) => &[],
    };
    entries.iter().filter(|(_, param)| !matches!(param, Param::Value(_))).map(|(key, _)| key.as_str())
}

fn place(node: Option<&Node>, key: &str, otherwise: SourceSpan) -> SourceSpan {
    node.and_then(|node| node.get(key)).map_or(otherwise, |entry| entry.value.span)
}

const EXCLUSIONS: [(&str, Exclusion); 3] =
    [("starter", Exclusion::Starter), ("author", Exclusion::Author), ("editor", Exclusion::Editor)];

/// Whether a gate of the runbook excludes who edited it last, so that somebody has to find out.
pub fn excludes_editor(runbook: &Runbook) -> bool {
    let steps = runbook.steps.iter().chain(runbook.rollback.iter().flat_map(|rollback| &rollback.steps)).chain(&runbook.finally);
    let calls = steps.filter_map(|step| match &step.work {
        Work::Action(call) => call.with.as_ref()?.get("not")?.value.items(),
        Work::Undo(_) => None,
    });
    calls.flatten().any(|item| item.text() == Some("editor"))
}

fn exclusions(written: Option<&Value>) -> Vec<Exclusion> {
    let words = written.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    words.filter_map(|word| EXCLUSIONS.into_iter().find(|(known, _)| *known == word)).map(|(_, exclusion)| exclusion).collect()
}

fn on_deadline(word: Option<&str>) -> OnDeadline {
    match word {
        Some("reject") => OnDeadline::Reject,
        Some("rollback") => OnDeadline::Rollback,
        Some("escalate") => OnDeadline::Escalate,
        _ => OnDeadline::Hold,
    }
}
