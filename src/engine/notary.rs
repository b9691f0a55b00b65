//! What only the shell can look up about a signed statement: the installation, and the chain at the record that it names.

use std::fs;

use super::Home;
use crate::authority::Statement;
use crate::journal::{Reader, RunFolder};
use crate::log::{LogFolder, Verifier};
use crate::model::Digest;
use crate::run::Command;

/// The name and the id of the installation's key, or `none` where it has no key.
pub fn installation(home: &Home) -> String {
    let text = fs::read_to_string(LogFolder::of_home(home.path()).public_key()).unwrap_or_default();
    let Some(key) = Verifier::parse(&text) else { return "none".to_owned() };
    // The public key is `name+id+key`; the name and the id are what people know it by.
    let text = key.to_string();
    text.rsplit_once('+').map_or_else(|| text.clone(), |(known, _)| known.to_owned())
}

/// The last record of a journal, and the chain up to it.
pub fn head(folder: &RunFolder) -> Option<(u64, Digest)> {
    let last = Reader::open(&folder.journal()).ok()?.map_while(Result::ok).last()?;
    Some((last.record.seq, last.chain))
}

/// The chain of a journal up to record `seq`, if there is one.
pub fn chain_at(folder: &RunFolder, seq: u64) -> Option<Digest> {
    let entries = Reader::open(&folder.journal()).ok()?;
    let found = entries.map_while(Result::ok).find(|entry| entry.record.seq >= seq)?;
    (found.record.seq == seq).then_some(found.chain)
}

/// The same order, with what was looked up about it.
pub(super) fn looked_up(command: Command, home: &Home, folder: &RunFolder) -> Command {
    match command {
        Command::Submit(mut submission) => {
            submission.installation = installation(home);
            let named = Statement::parse(&submission.signed.statement).ok().map(|statement| statement.journal.0);
            submission.chain = named.and_then(|seq| chain_at(folder, seq));
            Command::Submit(submission)
        }
        other => other,
    }
}
