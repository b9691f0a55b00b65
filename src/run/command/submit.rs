//! A signed statement: the decision is what the statement says, and its giver is whoever signed it.

use super::{Command, Decision as Decided, already_done, forbidden, not_applicable};
use crate::authority::{Decision, Signed, Statement, Unsigned, verify};
use crate::model::{Actor, Authentication, Digest, Finding, Timestamp};
use crate::run::{Instance, State, StepStatus};

/// A statement with its signature, and what only the shell can look up about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submission {
    /// The exact bytes and their signature.
    pub signed: Signed,
    /// What the person says with it: a note, a reason, what was seen. It is recorded, and not part of what is signed.
    pub words: String,
    /// The installation that the run lives in: the id of its key, or `none`.
    pub installation: String,
    /// The chain of the journal up to the record that the statement names, if there is such a record.
    pub chain: Option<Digest>,
}

pub(super) fn decide(state: &State, submission: &Submission, submitter: &Actor, now: Timestamp) -> Decided {
    let (statement, by) = match authenticate(state, submission, now) {
        Ok(authentic) => authentic,
        Err(why) => return refuse(state, submitter, why.to_string()),
    };
    let Some(i) = state.find(&statement.gate) else {
        return refuse(state, submitter, format!("the plan has no step `{}`", statement.gate));
    };
    // The same statement again is the same order again: whoever sent it did not see the answer.
    if state.grants(i).iter().any(|grant| grant.signed().is_some_and(|(text, _)| text == submission.signed.statement)) {
        return already_done();
    }
    if let Err(why) = hold(state, i, &statement, submission, now) {
        return refuse(state, submitter, format!("{} as {}: {why}", statement.approver, statement.role));
    }
    match command(state, i, &statement, &submission.words) {
        Ok(command) => command.decide(state, &by, now),
        Err(why) => not_applicable(why),
    }
}

fn authenticate(state: &State, submission: &Submission, now: Timestamp) -> Result<(Statement, Actor), Unsigned> {
    let mut found = None;
    for roster in state.rosters() {
        found = Some(verify(roster, &submission.signed, now)?);
    }
    let (statement, key) = found.ok_or(Unsigned::NoSigners)?;
    let Signed { statement: text, signature } = submission.signed.clone();
    let by = Actor {
        person: Some(statement.approver.clone()),
        roles: vec![statement.role.clone()],
        deputy_for: statement.deputy_for.clone(),
        by: Authentication::Signature { key, signature, statement: text },
    };
    Ok((statement, by))
}

/// Everything that the statement is bound to, as it is now.
fn hold(state: &State, i: Instance, statement: &Statement, submission: &Submission, now: Timestamp) -> Result<(), String> {
    if statement.installation != submission.installation {
        return Err("the statement is for another installation".to_owned());
    }
    if state.nonces().contains(&statement.nonce) {
        return Err("the nonce of the statement was used before".to_owned());
    }
    state.warrants(i, statement, now)?;
    if submission.chain != Some(statement.journal.1) {
        return Err(format!("the statement names record {} with a chain that this journal does not have", statement.journal.0));
    }
    Ok(())
}

/// The order that a decision is, at this step.
fn command(state: &State, i: Instance, statement: &Statement, words: &str) -> Result<Command, String> {
    let (step, words) = (statement.gate.clone(), words.to_owned());
    let awaits_confirm = state.step(i).status == StepStatus::AwaitingConfirm;
    let resolve = |finding| Command::Resolve { step: step.clone(), finding, seen: words.clone() };
    Ok(match statement.decision {
        Decision::Approve if awaits_confirm => return Err(format!("step `{step}` is confirmed with `confirm`")),
        Decision::Approve => Command::Approve { step, note: words },
        Decision::Confirm if !awaits_confirm => return Err(format!("step `{step}` awaits no confirmation")),
        Decision::Confirm => Command::Approve { step, note: words },
        Decision::Reject => Command::Reject { step, reason: words },
        Decision::Withdraw => Command::Withdraw { step },
        Decision::Retry => Command::Retry { step },
        Decision::Skip => Command::Skip { step, reason: words },
        Decision::ResolveApplied => resolve(Finding::Applied),
        Decision::ResolveNotApplied => resolve(Finding::NotApplied),
        Decision::ResolvePartial => resolve(Finding::Partial(words.clone())),
        Decision::BreakGlass => Command::BreakGlass { step, reason: words },
    })
}

/// A statement that does not hold is on record, with who brought it.
fn refuse(state: &State, submitter: &Actor, why: String) -> Decided {
    let (events, answer) = forbidden(why);
    super::on_record(state, "submit", submitter, events, answer)
}
