//! Writes that are sent to be refused.
//!
//! ACL DRYRUN asks the server itself about every command that a freeze denies, for every user, without running any. A real write
//! goes further: it is sent in a session of the user, on a key that does not exist, by a command that changes nothing there
//! even when nobody refuses it.

use serde_json::{Value, json};

use super::account::Account;
use super::reply;
use super::session::{Fault, Session, connect_as};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Arguments;

/// A command, and how many words it needs before the server looks at permissions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Denied {
    words: Vec<String>,
    name: String,
}

impl Denied {
    /// Whether this is it.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// The commands behind what a freeze denies: categories are taken apart by the server itself.
pub(super) async fn commands(session: &mut Session, denied: &[String]) -> Result<Vec<Denied>, ActionError> {
    let mut names: Vec<String> = Vec::new();
    for what in denied {
        match what.strip_prefix('@') {
            Some(category) => {
                let listed = session.ask(&["COMMAND", "LIST", "FILTERBY", "ACLCAT", category]).await?;
                names.extend(reply::texts(&listed));
            }
            None => names.push(what.clone()),
        }
    }
    names.sort_unstable();
    names.dedup();
    let words: Vec<&str> = ["COMMAND", "INFO"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let found = session.silently(&words).await?;
    let mut commands = Vec::new();
    for (name, info) in names.iter().zip(reply::items(&found)) {
        let arity = reply::items(info).get(1).and_then(reply::number);
        let Some(arity) = arity.and_then(|arity| usize::try_from(arity.unsigned_abs()).ok()) else {
            return Err(ActionError::untouched(format!("{} knows no command `{name}`", session.address)));
        };
        let mut words: Vec<String> = name.split('|').map(str::to_owned).collect();
        words.extend((words.len()..arity).map(|_| "pointsman".to_owned()));
        commands.push(Denied { words, name: name.clone() });
    }
    if commands.is_empty() {
        return Err(ActionError::untouched(format!("{} knows no command of {}", session.address, denied.join(", "))));
    }
    Ok(commands)
}

/// What a user may still run of these.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct DryRun {
    pub(super) allowed: Vec<String>,
    pub(super) refused: usize,
    /// The server did not get as far as permissions.
    pub(super) unclear: Vec<String>,
}

impl DryRun {
    /// Whether every one is refused.
    pub(super) fn is_frozen(&self) -> bool {
        self.allowed.is_empty() && self.unclear.is_empty()
    }

    /// The first of what is not refused.
    pub(super) fn open(&self) -> String {
        const SHOWN: usize = 5;
        let all: Vec<_> = self.allowed.iter().chain(&self.unclear).map(String::as_str).collect();
        let more = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
        format!("{}{more}", all[..all.len().min(SHOWN)].join(", "))
    }
}

/// Asks the node about every command for a user.
pub(super) async fn dry_run(session: &mut Session, user: &str, commands: &[Denied]) -> Result<DryRun, ActionError> {
    let asked: Vec<Vec<String>> = commands
        .iter()
        .map(|denied| ["ACL", "DRYRUN", user].map(str::to_owned).into_iter().chain(denied.words.iter().cloned()).collect())
        .collect();
    let shown = format!("ACL DRYRUN {} ({} commands)", reply::shown(&[user]), commands.len());
    let answers = session.batch(&shown, &asked).await?;
    let mut found = DryRun::default();
    for (denied, answer) in commands.iter().zip(&answers) {
        let said = match answer {
            redis::Value::ServerError(error) => reply::error(error),
            other => reply::text(other).unwrap_or_default(),
        };
        if said.contains("no permissions to run") {
            found.refused += 1;
        } else if said == "OK" || said.contains("no permissions to access") {
            found.allowed.push(denied.name.clone());
        } else {
            found.unclear.push(format!("{} ({said})", denied.name));
        }
    }
    Ok(found)
}

/// Commands that change nothing on a key that does not exist, with a value where they need one.
const HARMLESS: [(&str, &[&str]); 12] = [
    ("del", &[]),
    ("unlink", &[]),
    ("set", &["pointsman", "XX"]),
    ("persist", &[]),
    ("expire", &["1"]),
    ("lpushx", &["pointsman"]),
    ("rpushx", &["pointsman"]),
    ("hdel", &["pointsman"]),
    ("srem", &["pointsman"]),
    ("zrem", &["pointsman"]),
    ("lpop", &[]),
    ("rpop", &[]),
];

/// How a real write of a user ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Write {
    /// It was not refused for the user's sake; a replica that takes no writes from anybody says so afterwards.
    Accepted,
    /// The user has no permission to run it.
    Refused(String),
    /// It failed for another reason and proves nothing.
    Broken(String),
}

/// A user's own session, and a write for it.
pub(super) struct Canary {
    pub(super) user: String,
    session: Session,
    words: Vec<String>,
}

/// The users whose passwords a step gives under `canaries`.
pub(super) fn given(params: &Arguments) -> Result<Vec<(String, Option<String>)>, ActionError> {
    let passwords = params.map("canaries")?;
    Ok(passwords.iter().map(|(user, secret)| (user.clone(), secret.as_str().map(str::to_owned))).collect())
}

impl Canary {
    /// Opens a session as `account`, for a write that it may do at the moment; none where it may do no harmless one.
    pub(super) async fn before(
        call: &Call,
        target: &Target,
        node: &mut Session,
        account: &Account,
        password: Option<&str>,
    ) -> Result<Option<Self>, ActionError> {
        let writes = writes(account, call);
        let dry = |words: &Vec<String>| {
            ["ACL", "DRYRUN", &account.name].map(str::to_owned).into_iter().chain(words.iter().cloned()).collect::<Vec<_>>()
        };
        let asked: Vec<_> = writes.iter().map(dry).collect();
        let shown = format!("ACL DRYRUN {} ({} canaries)", reply::shown(&[&account.name]), asked.len());
        let answers = if asked.is_empty() { Vec::new() } else { node.batch(&shown, &asked).await? };
        let allowed = writes.into_iter().zip(&answers).find(|(_, answer)| reply::text(answer).as_deref() == Some("OK"));
        let Some((words, _)) = allowed else { return Ok(None) };
        let session = connect_as(call, target, &node.address, Some(&account.name), password).await?;
        Ok(Some(Self { user: account.name.clone(), session, words }))
    }

    /// Opens a session as `account`, for any harmless write within its keys.
    pub(super) async fn frozen(
        call: &Call,
        target: &Target,
        node: &Session,
        account: &Account,
        password: Option<&str>,
    ) -> Result<Option<Self>, ActionError> {
        let Some(words) = writes(account, call).into_iter().next() else { return Ok(None) };
        let session = connect_as(call, target, &node.address, Some(&account.name), password).await?;
        Ok(Some(Self { user: account.name.clone(), session, words }))
    }

    /// Sends the write.
    pub(super) async fn send(&mut self) -> Result<Write, ActionError> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let begun = std::time::Instant::now();
        let answer = self.session.silently(&words).await;
        let found = match answer {
            Ok(redis::Value::Int(0) | redis::Value::Nil) => Write::Accepted,
            Ok(other) => Write::Broken(format!("it answered {}", reply::to_json(&other))),
            Err(Fault::Refused(why)) if why.starts_with("NOPERM") && why.contains("run the") => Write::Refused(why),
            Err(Fault::Refused(why)) if why.starts_with("READONLY") => Write::Accepted,
            Err(Fault::Refused(why)) => Write::Broken(why),
            Err(Fault::Lost(why)) => Write::Broken(why),
            Err(Fault::Stopped(stopped)) => return Err(stopped.into()),
        };
        let end = match &found {
            Write::Accepted => "accepted, it changed nothing".to_owned(),
            Write::Refused(why) | Write::Broken(why) => why.clone(),
        };
        self.session.note(&format!("as {}: {}", self.user, reply::shown(&words)), begun.elapsed(), &end);
        Ok(found)
    }

    /// For the evidence.
    pub(super) fn facts(&self, found: &Write) -> Value {
        let (word, said) = match found {
            Write::Accepted => ("accepted", None),
            Write::Refused(why) => ("refused", Some(why)),
            Write::Broken(why) => ("proves nothing", Some(why)),
        };
        json!({
            "node": self.session.address.to_string(), "user": self.user, "sent": self.words.join(" "), "end": word, "said": said,
        })
    }
}

/// Every harmless write within the keys of a user.
fn writes(account: &Account, call: &Call) -> Vec<Vec<String>> {
    let keys: Vec<_> = account.key_patterns().iter().filter_map(|pattern| canary_key(pattern, call)).collect();
    let write = |key: &String, (command, rest): &(&str, &[&str])| {
        [command, key.as_str()].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect()
    };
    keys.iter().flat_map(|key| HARMLESS.iter().map(move |harmless| write(key, harmless))).collect()
}

/// A key that nobody else uses, within a pattern that the user may write.
fn canary_key(pattern: &str, call: &Call) -> Option<String> {
    let pattern = match pattern.strip_prefix('~') {
        Some(pattern) => pattern,
        None => {
            let (mode, pattern) = pattern.strip_prefix('%')?.split_once('~')?;
            mode.contains(['W', 'w']).then_some(pattern)?
        }
    };
    let own = format!("pointsman-canary-{}-{}", call.run, call.step);
    (pattern.contains('*') && !pattern.contains(['?', '[', '\\'])).then(|| pattern.replacen('*', &own, 1).replace('*', ""))
}
