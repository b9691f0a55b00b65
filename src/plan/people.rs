//! Persons and roles of a runbook against the roster.

use super::build::{Builder, quoted};
use super::{Approvers, Exclusion};
use crate::catalog::Nature;
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, SourceSpan, nearest};
use crate::model::{PersonId, RoleName};
use crate::runbook::{Spanned, Work};

impl Builder<'_> {
    /// Without a roster, decisions are those of local users of this host: allowed, and worth a warning.
    pub fn roster_is_there(&mut self) {
        if self.roster.is_some() {
            return;
        }
        let decision = self.links.steps.iter().find_map(|written| match (&written.step.work, written.spec) {
            (Work::Action(call), Some(spec)) if spec.nature == Nature::Approval => Some(call.action.span),
            _ => written.step.confirm.as_ref().map(|confirm| confirm.span),
        });
        if let Some(span) = decision {
            let message = "there is no roster, so whoever is logged in on this host decides, in any role";
            self.report.push(
                Diagnostic::warning(codes::NO_ROSTER, span, message)
                    .help("write `roster: people.yaml` with the persons, their roles and their keys"),
            );
        }
    }

    /// Reports a person whom the roster does not have.
    pub fn known_person(&mut self, person: Option<&Spanned<PersonId>>) {
        let (Some(person), Some(roster)) = (person, self.roster) else { return };
        if roster.persons.contains_key(&person.value) {
            return;
        }
        let persons = roster.persons.keys().map(PersonId::as_str);
        let help = match nearest(person.value.as_str(), persons.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the roster has {}", quoted(persons)),
        };
        let message = format!("the roster has no person `{}`", person.value);
        self.report.push(Diagnostic::error(codes::UNKNOWN_PERSON, person.span, message).help(help));
    }

    /// Reports a role that nobody of the roster has.
    pub fn known_role(&mut self, role: Option<&Spanned<RoleName>>) -> bool {
        let (Some(role), Some(roster)) = (role, self.roster) else { return true };
        if roster.has_role(&role.value) {
            return true;
        }
        let mut roles: Vec<&str> = roster.persons.values().flat_map(|person| person.roles.iter().map(RoleName::as_str)).collect();
        roles.sort_unstable();
        roles.dedup();
        let help = match nearest(role.value.as_str(), roles.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if roles.is_empty() => "nobody of the roster has a role".to_owned(),
            None => format!("the roles of the roster are {}", quoted(roles)),
        };
        let message = format!("nobody of the roster has the role `{}`", role.value);
        self.report.push(Diagnostic::error(codes::UNKNOWN_ROLE, role.span, message).help(help));
        false
    }

    /// Reports an approval that can never be complete.
    pub fn quorum(&mut self, approvers: &Approvers, not: &[Exclusion], span: SourceSpan) {
        if !self.known_role(Some(&Spanned::new(approvers.role.clone(), span))) {
            return;
        }
        let Some(roster) = self.roster else { return };
        let author = self.runbook.owner.as_ref().filter(|_| not.contains(&Exclusion::Author)).map(|owner| &owner.value);
        let editors = self.edited_by.as_deref().ok().filter(|_| not.contains(&Exclusion::Editor)).unwrap_or_default();
        let with_role = roster.persons.iter().filter(|(_, person)| person.roles.contains(&approvers.role));
        let names: Vec<&str> =
            with_role.map(|(id, _)| id).filter(|id| Some(*id) != author && !editors.contains(id)).map(PersonId::as_str).collect();
        if names.len() < approvers.count as usize {
            let excluded: Vec<&str> = author.into_iter().chain(editors).map(PersonId::as_str).collect();
            let without =
                if excluded.is_empty() { String::new() } else { format!(" other than the excluded {}", quoted(excluded)) };
            let message = format!(
                "{} approvals of `{}` are asked for, and {} of the roster have this role{without}",
                approvers.count,
                approvers.role,
                names.len()
            );
            let help = if names.is_empty() { "ask another role".to_owned() } else { format!("they are {}", quoted(names)) };
            self.report.push(Diagnostic::error(codes::QUORUM, span, message).help(help));
        }
    }
}
