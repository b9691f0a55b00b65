//! A statement and its signature, held against the roster's keys at a given moment.

use super::signature::{SignatureError, SshSignature};
use super::signers::{NotAllowed, Revoked, Signers, SignersError};
use super::statement::{NAMESPACE, Statement, StatementError};
use crate::model::{Roster, Timestamp};

/// What a person submits: the exact bytes that they signed, and their signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The text of the statement.
    pub statement: String,
    /// The armoured signature.
    pub signature: String,
}

/// Why a submission is nobody's decision.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsigned {
    /// The roster names no file of keys.
    #[error("the roster names no `allowed_signers`, so nobody's signature can be checked")]
    NoSigners,
    /// A file of keys cannot be read.
    #[error("the roster's keys cannot be read: {0}")]
    Keys(SignersError),
    /// The statement is not one.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The signature is not one, or not of this statement.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The key is not this person's now.
    #[error(transparent)]
    Key(#[from] NotAllowed),
}

/// The statement that was signed, and the fingerprint of the key, if the signature is the approver's by this roster at this
/// moment. Whether what it says holds is another question.
///
/// # Errors
/// Why it is not.
pub fn verify(roster: &Roster, signed: &Signed, at: Timestamp) -> Result<(Statement, String), Unsigned> {
    let statement = Statement::parse(&signed.statement)?;
    let signature = SshSignature::parse(&signed.signature)?;
    signature.check(NAMESPACE, signed.statement.as_bytes())?;
    allow(roster, &statement, &signature, at)?;
    Ok((statement, signature.signer().fingerprint()))
}

/// Whether the key of a signature that was verified before is still the approver's, by this roster and at this moment.
///
/// # Errors
/// Why it is not.
pub fn key_still_holds(roster: &Roster, statement: &Statement, signature: &str, at: Timestamp) -> Result<(), Unsigned> {
    allow(roster, statement, &SshSignature::parse(signature)?, at)
}

fn allow(roster: &Roster, statement: &Statement, signature: &SshSignature, at: Timestamp) -> Result<(), Unsigned> {
    let first = |errors: Vec<SignersError>| {
        Unsigned::Keys(errors.into_iter().next().unwrap_or(SignersError { line: 0, problem: "it is empty".to_owned() }))
    };
    let file = roster.allowed_signers.as_ref().ok_or(Unsigned::NoSigners)?;
    let signers = Signers::parse(&file.text).map_err(first)?;
    if let Some(file) = &roster.revoked_keys {
        Revoked::parse(&file.text).map_err(first)?.pass(signature.signer())?;
    }
    signers.allow(statement.approver.as_str(), signature.signer(), NAMESPACE, at)?;
    Ok(())
}
