//! The statement that a person is to sign: drafted from where the run stands, for the command line and for the console alike.

use super::{Home, notary};
use crate::authority::{Decision, Statement};
use crate::model::{PersonId, RoleName, Roster, RunId, Span, Timestamp};
use crate::run::{Instance, State};

/// What a statement is to be about.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// Where runs live.
    pub home: &'a Home,
    /// The run.
    pub run: &'a RunId,
    /// Where it stands.
    pub state: &'a State,
    /// The step.
    pub step: Instance,
    /// What is decided about it.
    pub decision: Decision,
    /// Who decides.
    pub person: PersonId,
    /// In which role; none takes the one that is asked for and that the person has, else the first one that they have.
    pub role: Option<RoleName>,
    /// For whom, where they are somebody's deputy in this.
    pub deputy_for: Option<PersonId>,
    /// How long the signature counts.
    pub valid_for: Span,
}

/// Why there is nothing to sign.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Nobody's signature could be held against a key.
    #[error("the roster of this run names no `allowed_signers`, so nothing can be signed")]
    NoSigners,
    /// The person decides in no role.
    #[error("{0} has no role in which to decide")]
    NoRole(PersonId),
    /// The journal has nothing that a statement could be bound to.
    #[error("the journal of the run has no record")]
    NoRecord,
    /// The system has no randomness.
    #[error("no nonce can be drawn: {0}")]
    NoChance(getrandom::Error),
}

impl Draft<'_> {
    /// The statement.
    ///
    /// # Errors
    /// When nothing can be signed, or this person has no role.
    pub fn statement(&self, now: Timestamp) -> Result<Statement, DraftError> {
        let roster = self.state.plan().content().roster.as_ref().filter(|roster| roster.has_signers());
        let role = self.role(roster.ok_or(DraftError::NoSigners)?)?;
        let bound = self.state.bound(self.step);
        let now = Timestamp::from_millis(now.as_millis() / 1_000 * 1_000);
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce).map_err(DraftError::NoChance)?;
        Ok(Statement {
            installation: notary::installation(self.home),
            run: bound.run,
            gate: bound.gate,
            decision: self.decision,
            plan: bound.plan,
            params: bound.params,
            targets: bound.targets,
            scope: bound.scope,
            journal: notary::head(&self.home.folder(self.run)).ok_or(DraftError::NoRecord)?,
            evidence: bound.evidence,
            approver: self.person.clone(),
            role,
            deputy_for: self.deputy_for.clone(),
            not_before: now,
            not_after: now.plus(self.valid_for.as_duration()),
            nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    fn role(&self, roster: &Roster) -> Result<RoleName, DraftError> {
        if let Some(role) = &self.role {
            return Ok(role.clone());
        }
        let holder = self.deputy_for.as_ref().unwrap_or(&self.person);
        let own = roster.roles_of(holder);
        let asked = self.state.deciding_roles(self.step);
        let fits = asked.iter().find(|role| own.contains(role)).or(own.first());
        fits.cloned().ok_or_else(|| DraftError::NoRole(holder.clone()))
    }
}
