//! The open connections of users: listed as the broker tracks them, closed, and waited for until they are gone.
//!
//! The tracked list is exact. The list with statistics lags, and a connection that is not yet in it cannot be closed by name.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::broker::{Broker, Trouble};
use super::permission::entries;
use crate::connectors::ActionError;
use crate::model::Value;

/// Between two looks at what is still open.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A connection that logged in just before the deny is tracked by then.
const SETTLE: Duration = Duration::from_millis(250);
/// So often a close is asked for whose list of connections changed under it.
const ASK_AT_MOST: u32 = 10;

/// What closing did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Closing {
    /// The connections that were closed.
    pub(super) closed: BTreeSet<String>,
}

/// The connections of a user in the target's virtual host, and how many it has in others.
pub(super) async fn connections(broker: &Broker, user: &str) -> Result<(BTreeSet<String>, usize), ActionError> {
    let rows = broker.read(&["connections", "username", user], "").await.map_err(|t| t.reading("connections"))?;
    Ok(split(broker, &rows))
}

fn split(broker: &Broker, rows: &Value) -> (BTreeSet<String>, usize) {
    let mut here = BTreeSet::new();
    let mut elsewhere = 0;
    for row in entries(rows) {
        if row["vhost"].as_str() == Some(broker.vhost()) {
            here.insert(row["name"].as_str().unwrap_or_default().to_owned());
        } else {
            elsewhere += 1;
        }
    }
    (here, elsewhere)
}

/// Closes what these users have open in the virtual host, looks once more for what was just logging in, and closes that too.
/// `before` says whether something was changed before, for an honest error.
pub(super) async fn close(broker: &Broker, users: &[&str], within: Duration, before: usize) -> Result<Closing, ActionError> {
    let mut closing = Closing::default();
    if users.is_empty() {
        return Ok(closing);
    }
    let patience = broker.patience().at_most(within);
    let after = |error: ActionError| if before > 0 { ActionError::touched(error.message) } else { error };
    for pass in 0..2 {
        if pass > 0 {
            patience.sleep(SETTLE).await.map_err(|stopped| ActionError::touched(format!("closing connections: {stopped}")))?;
        }
        for user in users {
            let (open, elsewhere) = connections(broker, user).await.map_err(after)?;
            if open.is_empty() {
                continue;
            }
            let done = before + closing.closed.len();
            ask(broker, user, &open, elsewhere == 0, done).await?;
            closing.closed.extend(open);
        }
        gone(broker, users, &closing.closed, &patience).await?;
    }
    Ok(closing)
}

/// Asks for connections to be closed: all of a user at once, or by name where it has others in other virtual hosts.
///
/// A connection that ends by itself under the request makes the broker answer 500, with the rest of the list perhaps still open
/// (its reader process is gone when it is called). That is no refusal: the list is read again, and what is left is asked for again.
async fn ask(broker: &Broker, user: &str, open: &BTreeSet<String>, all: bool, done: usize) -> Result<(), ActionError> {
    let failed = |trouble: Trouble, done| trouble.changing(&format!("closing the connections of {user}"), done);
    let (mut left, mut all, mut done) = (open.clone(), all, done);
    for _ in 1..ASK_AT_MOST {
        match ask_once(broker, user, &left, all).await {
            Err(Trouble::Refused(500, _)) => done = done.max(1),
            asked => return asked.map_err(|trouble| failed(trouble, done)),
        }
        let slept = broker.patience().sleep(LOOK_EVERY).await;
        slept.map_err(|stopped| ActionError::touched(format!("closing connections: {stopped}")))?;
        let rows = broker.read(&["connections", "username", user], "").await;
        let (here, elsewhere) = split(broker, &rows.map_err(|trouble| failed(trouble, done).after_change())?);
        left.retain(|name| here.contains(name));
        all = elsewhere == 0 && left.len() == here.len();
        if left.is_empty() {
            return Ok(());
        }
    }
    ask_once(broker, user, &left, all).await.map_err(|trouble| failed(trouble, done))
}

async fn ask_once(broker: &Broker, user: &str, open: &BTreeSet<String>, all: bool) -> Result<(), Trouble> {
    if all {
        return broker.delete(&["connections", "username", user]).await.map(|_| ());
    }
    for name in open {
        // One that the statistics do not know yet answers "not found"; it is asked for again while it is waited for.
        broker.delete(&["connections", name]).await?;
    }
    Ok(())
}

/// Waits until none of these is open. A client that does not answer is cut by the broker after some seconds.
async fn gone(
    broker: &Broker,
    users: &[&str],
    closed: &BTreeSet<String>,
    patience: &crate::connectors::patience::Patience,
) -> Result<(), ActionError> {
    let begun = Instant::now();
    let mut asked = begun;
    loop {
        let mut open = BTreeSet::new();
        for user in users {
            let rows = broker.read_silently(&["connections", "username", user], "").await;
            let rows = rows.map_err(|trouble| ActionError::touched(format!("connections were closed, and then: {trouble}")))?;
            let (here, elsewhere) = split(broker, &rows);
            let left: BTreeSet<_> = here.intersection(closed).cloned().collect();
            if !left.is_empty() && asked.elapsed() >= Duration::from_secs(1) {
                ask(broker, user, &left, elsewhere == 0 && left.len() == here.len(), closed.len()).await?;
            }
            open.extend(left);
        }
        if asked.elapsed() >= Duration::from_secs(1) {
            asked = Instant::now();
        }
        if open.is_empty() {
            return Ok(());
        }
        if let Err(stopped) = patience.sleep(LOOK_EVERY).await {
            let names: Vec<_> = open.iter().take(5).cloned().collect();
            return Err(ActionError::touched(format!(
                "{} connections are still open after {} s, such as {}: {stopped}",
                open.len(),
                begun.elapsed().as_secs(),
                names.join(", ")
            )));
        }
    }
}

/// For the evidence.
pub(super) fn facts(closing: &Closing) -> Value {
    json!(closing.closed.len())
}
