//! What a gate does when its usual people do not answer: another role after the deadline, and the glass that can be broken.

use super::build::Builder;
use super::{Approvers, BreakGlass, Exclusion, OnDeadline};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, SourceSpan};
use crate::model::{RoleName, Span, Value};
use crate::runbook::{Node, Spanned};

impl Builder<'_> {
    /// The role that decides too once the deadline has passed; it stands with `on_deadline: escalate` and with nothing else.
    pub(super) fn escalation(
        &mut self,
        role: Option<&str>,
        on_deadline: OnDeadline,
        node: Option<&Node>,
        at: SourceSpan,
    ) -> Option<RoleName> {
        let span = |key: &str| node.and_then(|node| node.get(key)).map_or(at, |entry| entry.value.span);
        match (role, on_deadline == OnDeadline::Escalate) {
            (Some(role), true) => {
                let role = RoleName::new(role);
                self.known_role(Some(&Spanned::new(role.clone(), span("escalate_to"))));
                Some(role)
            }
            (None, false) => None,
            (Some(_), false) => {
                let message = "`escalate_to` is never used: the deadline does something else";
                let help = "write `on_deadline: escalate`";
                self.report.push(Diagnostic::error(codes::ALTERNATIVES, span("escalate_to"), message).help(help));
                None
            }
            (None, true) => {
                let message = "nobody is named who decides after the deadline";
                let help = "write `escalate_to: commander`";
                self.report.push(Diagnostic::error(codes::ALTERNATIVES, span("on_deadline"), message).help(help));
                None
            }
        }
    }

    /// Who may break the glass: never one person at once.
    pub(super) fn glass(&mut self, written: Option<&Value>, span: SourceSpan) -> Option<BreakGlass> {
        let written = written.and_then(Value::as_object)?;
        let role = RoleName::new(written.get("role").and_then(Value::as_str)?);
        self.known_role(Some(&Spanned::new(role.clone(), span)));
        let persons = written.get("persons").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()).unwrap_or(2);
        let delay = written.get("delay").and_then(Value::as_str).and_then(|text| Span::parse(text).ok());
        if persons < 2 {
            let message = "one person alone would open the gate at once";
            let help = "write `persons: 2`, and a `delay` after which one is enough";
            self.report.push(Diagnostic::error(codes::QUORUM, span, message).help(help));
        }
        Some(BreakGlass { role, persons, delay })
    }

    /// One person of each of these roles.
    pub(super) fn one_of_each(&mut self, roles: &Value, span: SourceSpan, not: &[Exclusion]) -> Vec<Approvers> {
        let names = roles.as_array().into_iter().flatten().filter_map(Value::as_str);
        let wanted: Vec<Approvers> = names.map(|role| Approvers { role: RoleName::new(role), count: 1 }).collect();
        wanted.iter().for_each(|approvers| self.quorum(approvers, not, span));
        if wanted.is_empty() {
            self.report.push(Diagnostic::error(codes::QUORUM, span, "nobody is asked").help("write `roles: [dba, commander]`"));
        }
        wanted
    }
}
