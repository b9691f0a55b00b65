//! The way back of a change to access rules: exactly the rules that were saved, on every node, proven by reading them again.

use serde_json::json;

use super::account::{Account, accounts, same_rules};
use super::group::{Group, Node};
use super::session::Session;
use super::{own_target, reply};
use crate::connectors::{ActionError, Call, Evidence};
use crate::model::{Arguments, Value};

/// Whether the rules are written to the ACL file, so that they survive a restart of the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Saved {
    /// Where the node has an ACL file.
    WherePossible,
    /// A node without an ACL file is an error.
    Required,
    /// Never.
    Never,
}

impl Saved {
    /// Reads `save`.
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        Ok(match params.opt_text("save")? {
            Some("required") => Self::Required,
            Some("never") => Self::Never,
            _ => Self::WherePossible,
        })
    }

    /// Fails before anything is changed where it is required and cannot be.
    pub(super) async fn possible(self, session: &mut Session) -> Result<(), ActionError> {
        if self == Self::Required && !has_file(session).await? {
            return Err(ActionError::untouched(format!("{} has no ACL file: a restart would lift the freeze", session.address))
                .hint("start it with `aclfile`, or accept this with `save: if_possible`"));
        }
        Ok(())
    }
}

/// Whether the node keeps its users in an ACL file.
pub(super) async fn has_file(session: &mut Session) -> Result<bool, ActionError> {
    let answer = session.ask(&["CONFIG", "GET", "aclfile"]).await?;
    Ok(reply::field(&answer, "aclfile").and_then(reply::text).is_some_and(|path| !path.is_empty()))
}

/// Writes the node's rules to its ACL file; whether they are there now.
pub(super) async fn save(session: &mut Session, saved: Saved) -> Result<bool, ActionError> {
    if saved == Saved::Never || !has_file(session).await? {
        return Ok(false);
    }
    session.change(&["ACL", "SAVE"]).await?;
    Ok(true)
}

/// An error after something may have been changed.
pub(super) fn after(error: ActionError, changed: bool) -> ActionError {
    if changed { error.after_change() } else { error }
}

/// What one node has to get back.
fn saved_rules(rules: &Value) -> Vec<(String, Vec<(String, String)>)> {
    let users = |users: &Value| {
        let pairs = users.as_object().into_iter().flatten();
        pairs.filter_map(|(user, rules)| Some((user.clone(), rules.as_str()?.to_owned()))).collect()
    };
    rules.as_object().into_iter().flatten().map(|(node, found)| (node.clone(), users(found))).collect()
}

/// What a person can type to restore the rules.
pub(super) fn by_hand(rules: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (node, users) in saved_rules(rules) {
        let client = client_of(&node);
        for (user, rules) in users {
            let quoted = |word: String| format!("'{}'", word.replace('\'', "'\\''"));
            let words: Vec<_> = Account::restore(&user, &rules).into_iter().skip(2).map(quoted).collect();
            lines.push(format!("{client} ACL SETUSER {}", words.join(" ")));
        }
        lines.push(format!("{client} ACL SAVE  # if it has an ACL file"));
    }
    lines
}

/// How a person begins a command for a node.
pub(super) fn client_of(node: &str) -> String {
    let (host, port) = node.rsplit_once(':').unwrap_or((node, "6379"));
    format!("redis-cli -h {} -p {port}", host.trim_matches(['[', ']']))
}

/// Gives every user its saved rules back, on every node that can be reached; the others are an error at the end.
pub(super) async fn restore(call: &Call, rules: &Value, saved: Saved) -> Result<Evidence, ActionError> {
    let (mut group, missing) = Group::reachable(call, own_target(call)?).await?;
    let (mut facts, mut wrong, mut changed, mut in_doubt) = (Vec::new(), Vec::new(), false, false);
    // The master first: it is where the writers wait.
    group.nodes.sort_by_key(|node| !node.is_master());
    for (address, users) in saved_rules(rules) {
        let Some(node) = group.nodes.iter_mut().find(|node| node.name() == address) else {
            let why = missing.iter().find(|(missing, _)| missing.to_string() == address).map(|(_, error)| error.to_string());
            wrong.push(why.unwrap_or_else(|| format!("{address} is not among the target's nodes any more")));
            continue;
        };
        match restore_node(node, &users, saved, &mut changed).await {
            Ok(fact) => facts.push(fact),
            Err(error) => {
                in_doubt |= error.in_doubt;
                wrong.push(error.message);
            }
        }
    }
    if !wrong.is_empty() {
        let error = ActionError::touched(format!("the rules are not restored everywhere: {}", wrong.join("; ")));
        return Err(ActionError { in_doubt, ..error });
    }
    Ok(Evidence::new(json!({ "identity": group.identity(), "nodes": facts })))
}

async fn restore_node(
    node: &mut Node,
    users: &[(String, String)],
    saved: Saved,
    changed: &mut bool,
) -> Result<Value, ActionError> {
    let session = &mut node.session;
    let before = accounts(session).await?;
    let mut sent = 0;
    for (user, rules) in users {
        let Some(account) = before.iter().find(|account| account.name == *user) else {
            // SETUSER would make a new user, without a password and perhaps without anything else it had.
            return Err(ActionError::touched(format!("{}: the user `{user}` is gone", session.address)));
        };
        if !same_rules(&account.rules(), rules) {
            let words = Account::restore(user, rules);
            *changed = true;
            session.change(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            sent += 1;
        }
    }
    let now = accounts(session).await?;
    let (mut lost, mut extra) = (Vec::new(), Vec::new());
    for (user, rules) in users {
        let found = now.iter().find(|account| account.name == *user);
        let earlier = before.iter().find(|account| account.name == *user);
        let is = found.map(Account::rules).unwrap_or_default();
        if !same_rules(&is, rules) {
            lost.push(format!("{user} {rules}"));
            extra.push(format!("{user} {is}"));
        }
        if !found.zip(earlier).is_some_and(|(found, earlier)| found.keeps(earlier)) {
            extra.push(format!("{user}: passwords, flags, keys or channels changed meanwhile"));
        }
    }
    if !lost.is_empty() || !extra.is_empty() {
        let address = &session.address;
        return Err(ActionError::touched(format!("{address}: missing {}; instead {}", lost.join(", "), extra.join(", "))));
    }
    let durable = save(session, saved).await?;
    Ok(json!({
        "node": node.name(), "users": users.len(), "sent": sent, "missing": lost, "extra": extra, "survives_restart": durable,
    }))
}
