//! What a freeze by access rules does not see by itself: clients that wait in a blocking command, and users that nobody named.

use std::collections::HashMap;

use super::account::{Account, Chosen};
use super::canary::{Denied, dry_run};
use super::reply;
use super::session::Session;
use crate::connectors::ActionError;

/// A client that waits in a blocking command. It was let in before the freeze: when an element arrives, the server hands it out
/// without asking again for permission (measured on 7.0), and that is a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Blocked {
    id: String,
    user: String,
    command: String,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "client {} of `{}` in {}", self.id, self.user, self.command)
    }
}

/// The clients of frozen users that wait in a command which is denied to them.
pub(super) async fn blocked(session: &mut Session, frozen: &[Account], denied: &[Denied]) -> Result<Vec<Blocked>, ActionError> {
    let listed = reply::text(&session.ask(&["CLIENT", "LIST"]).await?).unwrap_or_default();
    let mut found = Vec::new();
    for line in listed.lines() {
        let part: HashMap<&str, &str> = line.split(' ').filter_map(|part| part.split_once('=')).collect();
        let of = |name: &str| part.get(name).copied().unwrap_or_default();
        let (user, command) = (of("user"), of("cmd"));
        if of("flags").contains('b')
            && frozen.iter().any(|account| account.name == user)
            && denied.iter().any(|denied| denied.is(command))
        {
            found.push(Blocked { id: of("id").to_owned(), user: user.to_owned(), command: command.to_owned() });
        }
    }
    Ok(found)
}

/// Ends the waiting as a timeout would: the client gets its empty answer and keeps its connection.
pub(super) async fn unblock(session: &mut Session, blocked: &[Blocked]) -> Result<(), ActionError> {
    for client in blocked {
        session.change(&["CLIENT", "UNBLOCK", &client.id]).await?;
    }
    Ok(())
}

/// Users that are switched on, were not frozen, and may run something that is denied to the others. The user of Pointsman and those
/// under `except` are among them, because a person has to answer for them.
pub(super) async fn writers_left(
    session: &mut Session,
    accounts: &[Account],
    frozen: &[Account],
    denied: &[Denied],
) -> Result<Vec<String>, ActionError> {
    let mut left = Vec::new();
    for account in accounts.iter().filter(|a| a.is_on() && !frozen.iter().any(|frozen| frozen.name == a.name)) {
        if !dry_run(session, &account.name, denied).await?.is_frozen() {
            left.push(account.name.clone());
        }
    }
    Ok(left)
}

/// Patterns and names under `users` that mean nobody on any node are mistakes.
pub(super) fn nobody(chosen: &Chosen, found: &[Account]) -> Option<String> {
    let single = |pattern: &&String| {
        let alone = Chosen { users: vec![(*pattern).clone()], except: Vec::new() };
        alone.among(found, "").is_ok_and(|found| found.is_empty())
    };
    chosen.users.iter().find(single).cloned()
}
