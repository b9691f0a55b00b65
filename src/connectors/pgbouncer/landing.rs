//! Where clients land: the same question through every process of the pooler and straight to the server, and the same answer.
//!
//! A PAUSE ends a server connection that is still logging in, and pgbouncer takes that for a login that failed: after the RESUME it opens
//! no other one for `server_login_retry` (15 s unless its file says less). Clients wait for that long, and so does this question.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::console::{Console, Way, said};
use super::own_target;
use crate::connectors::patience::Patience;
use crate::connectors::postgres::{FINGERPRINT, fingerprint};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Value;

/// A query through the pooler, where the runbook gives what it takes.
pub(super) struct Landing {
    /// An account of the pooled database.
    client: Option<(String, Option<String>)>,
    /// The server where it must land.
    server: Option<Target>,
}

impl Landing {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let settings = &own_target(call)?.settings;
        let user = settings.opt_text("client_user")?.map(str::to_owned);
        let password = settings.opt_text("client_password")?.map(str::to_owned);
        let named = match call.params.opt_text("to")? {
            Some(name) => Some(name),
            None => call.params.opt_text("lands_on")?,
        };
        let server = named.map(|name| {
            let unknown = || ActionError::untouched(format!("the target `{name}` is not known"));
            call.targets.get(name).cloned().ok_or_else(unknown)
        });
        Ok(Self { client: user.map(|user| (user, password)), server: server.transpose()? })
    }

    /// For people: whether it is asked, and why not.
    pub(super) const fn word(&self, held: bool) -> &'static str {
        match (&self.client, &self.server, held) {
            (_, _, true) => "not asked: clients are held until the RESUME",
            (None, _, _) => "not asked: the target has no `client_user`",
            (Some(_), None, _) => "not asked: the step does not say where clients must land",
            (Some(_), Some(_), false) => "asked at every process",
        }
    }

    /// Asks through every process and at the server itself.
    pub(super) async fn prove(&self, call: &Call, way: &Way, database: &str, consoles: &[Console]) -> Result<Value, ActionError> {
        let (Some((user, password)), Some(server)) = (&self.client, &self.server) else { return Ok(json!(self.word(false))) };
        let expected = fingerprint(call, server).await?;
        let mut answers = Vec::new();
        for console in consoles {
            let address = &console.address;
            let failed = |why: String| ActionError::untouched(format!("a query through {address} failed: {why}"));
            let patience = Patience::of(call);
            let account = (user.as_str(), password.as_deref());
            let client = served(call, way, console, account, database).await.map_err(failed)?;
            let begun = Instant::now();
            let asked = tokio::select! {
                asked = client.simple_query(FINGERPRINT) => asked.map_err(|error| failed(said(&error)))?,
                stopped = patience.over() => return Err(failed(stopped.to_string())),
            };
            let cells = asked.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((row.get(0)?.to_owned(), row.get(1)?.to_owned())),
                _ => None,
            });
            let (found, name) = cells.ok_or_else(|| failed("it answered no row".to_owned()))?;
            call.recorder.question(&format!("[{address}, {database}] {FINGERPRINT}"), begun.elapsed(), &found);
            if found != expected {
                return Err(ActionError::untouched(format!(
                    "a query through {address} lands on the server {found}, and `{}` is {expected}",
                    server.name
                )));
            }
            answers.push(json!({ "address": address, "server": found, "database": name }));
        }
        Ok(json!({ "asked": FINGERPRINT, "as": user, "expected": expected, "answers": answers }))
    }
}

/// What pgbouncer tells a new client while it waits before it tries its server again.
const BACKS_OFF: [&str; 2] = ["server_login_retry", "cannot connect to server"];

/// A client's connection, for which a pooler may take as long as it waits after a login that it counts as failed.
async fn served(
    call: &Call,
    way: &Way,
    console: &Console,
    (user, password): (&str, Option<&str>),
    database: &str,
) -> Result<Client, String> {
    let settings = console.settings(&Patience::of(call)).await.map_err(|error| error.to_string())?;
    let retry = settings.get("server_login_retry").and_then(|value| value.parse().ok()).unwrap_or(15.0);
    let within = way.connect_within + Duration::try_from_secs_f64(retry).unwrap_or_default();
    let patience = Patience::of(call).at_most(within);
    loop {
        match way.connect(&patience, &console.address, user, password, database).await {
            Err(why) if BACKS_OFF.iter().any(|words| why.contains(words)) => {
                patience.sleep(Duration::from_millis(100)).await.map_err(|_| why)?;
            }
            ended => return ended,
        }
    }
}
