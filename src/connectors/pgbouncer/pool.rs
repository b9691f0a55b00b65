//! One pooled database over every process of the pooler: what it is, and how it is paused and resumed.
//!
//! `SHOW DATABASES` says `paused` as soon as a PAUSE begins, and goes on saying so when the session that sent it is gone. So
//! paused counts here only together with "no server connection is left".

use std::time::Duration;

use serde_json::json;

use super::console::{Console, ConsoleError, Row, quoted};
use crate::connectors::ActionError;
use crate::connectors::patience::Patience;
use crate::model::Value;

/// How long a RESUME or a look may take when a pause is taken back.
const TAKE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What one process says of one database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct View {
    pub(super) address: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) dbname: String,
    pub(super) paused: bool,
    pub(super) disabled: bool,
    /// `session`, `transaction` or `statement`, the weakest of its pools.
    pub(super) session_pooling: bool,
    /// Server connections, of which `busy` serve a client now.
    pub(super) servers: usize,
    pub(super) busy: usize,
    /// Clients that wait for a server connection.
    pub(super) waiting: u64,
    /// Who uses the busy ones, for the message.
    pub(super) users: Vec<String>,
}

impl View {
    /// Whether a PAUSE has come to its end here.
    pub(super) const fn is_held(&self) -> bool {
        self.paused && self.servers == 0
    }

    pub(super) fn to_value(&self) -> Value {
        json!({
            "address": self.address, "host": self.host, "port": self.port, "dbname": self.dbname,
            "paused": self.paused, "server_connections": self.servers, "clients_waiting": self.waiting,
        })
    }
}

/// Asks one process about `database`.
pub(super) async fn view(console: &Console, database: &str, patience: &Patience) -> Result<View, ActionError> {
    let rows = console.silently("SHOW DATABASES", patience).await?;
    let of = |row: &&Row| row.get("name").is_some_and(|name| name == database);
    let row = rows.iter().find(of).ok_or_else(|| {
        ActionError::untouched(format!("{} has no database `{database}`", console.address))
            .hint("a database that only the entry `*` covers cannot be paused or switched by itself: give it an entry")
    })?;
    let cell = |key: &str| row.get(key).cloned().unwrap_or_default();
    let pools = console.silently("SHOW POOLS", patience).await?;
    let own = |row: &&Row| row.get("database").is_some_and(|name| name == database);
    let modes: Vec<&str> = pools.iter().filter(own).filter_map(|row| row.get("pool_mode")).map(String::as_str).collect();
    let mut mode = cell("pool_mode");
    if mode.is_empty() {
        let settings = console.silently("SHOW CONFIG", patience).await?;
        let found = settings.iter().find(|row| row.get("key").is_some_and(|key| key == "pool_mode"));
        mode = found.and_then(|row| row.get("value")).cloned().unwrap_or_default();
    }
    let servers = console.silently("SHOW SERVERS", patience).await?;
    let servers: Vec<&Row> = servers.iter().filter(own).collect();
    let busy: Vec<&&Row> = servers.iter().filter(|row| row.get("state").is_some_and(|state| state == "active")).collect();
    let waiting = pools.iter().filter(own).filter_map(|row| row.get("cl_waiting")?.parse::<u64>().ok()).sum();
    let user = |row: &&&Row| {
        let of = |key: &str| row.get(key).cloned().unwrap_or_default();
        format!("{} on server process {}", of("user"), of("remote_pid"))
    };
    Ok(View {
        address: console.address.clone(),
        host: cell("host"),
        port: cell("port"),
        dbname: cell("database"),
        paused: cell("paused") == "1",
        disabled: cell("disabled") == "1",
        session_pooling: mode == "session" || modes.contains(&"session"),
        servers: servers.len(),
        busy: busy.len(),
        waiting,
        users: busy.iter().map(user).collect(),
    })
}

/// Asks every process.
pub(super) async fn views(consoles: &[Console], database: &str, patience: &Patience) -> Result<Vec<View>, ActionError> {
    let mut found = Vec::new();
    for console in consoles {
        found.push(view(console, database, patience).await?);
    }
    Ok(found)
}

/// Pauses `database` at every process and returns once none has a server connection left. Where that takes longer than
/// `waiting`, the pauses that this call began are ended by RESUME, through `helpers`: the session of a PAUSE that is ended so
/// never gets an answer.
///
/// # Errors
/// Untouched when every pause was taken back and seen to be; touched when that could not be seen.
pub(super) async fn pause(
    consoles: &[Console],
    helpers: &[Console],
    database: &str,
    waiting: &Patience,
) -> Result<Vec<View>, ActionError> {
    let before = views(helpers, database, waiting).await?;
    let command = format!("PAUSE {}", quoted(database));
    let mut why = None;
    let free: Vec<&Console> = consoles.iter().zip(&before).filter(|(_, view)| !view.paused).map(|(console, _)| console).collect();
    let sent = free.iter().map(|console| console.ask(&command, waiting));
    for answer in join(sent).await {
        why = why.or(answer.err().map(|error| error.to_string()));
    }
    let mut held = Vec::new();
    while why.is_none() {
        match views(helpers, database, waiting).await {
            Ok(now) if now.iter().all(View::is_held) => {
                held = now;
                break;
            }
            Ok(now) => {
                if now.iter().any(|view| !view.paused) {
                    why = Some("somebody resumed it meanwhile".to_owned());
                }
            }
            Err(error) => why = Some(error.message),
        }
        if let Err(stopped) = waiting.sleep(Duration::from_millis(20)).await {
            why = why.or(Some(stopped.to_string()));
        }
    }
    let Some(why) = why else { return Ok(held) };
    let own = Patience::for_itself(TAKE_BACK_WITHIN);
    let users = match views(helpers, database, &own).await {
        Ok(now) => now.iter().flat_map(|view| view.users.iter().map(|user| format!("{user} at {}", view.address))).collect(),
        Err(_) => Vec::new(),
    };
    let whose = if users.is_empty() { String::new() } else { format!("; still busy: {}", users.join(", ")) };
    let text = format!("PAUSE of `{database}` did not come to its end: {why}{whose}");
    match resume(helpers, database, &own, |address| before.iter().any(|view| view.address == address && !view.paused)).await {
        Ok(()) => Err(ActionError::untouched(format!("{text}; it was ended by RESUME, and clients are served again"))
            .hint("end the long transactions, or give `within` more time")),
        Err(error) => Err(ActionError::touched(format!("{text}; and it was not seen to be ended: {}", error.message))
            .manual(resume_by_hand(&before, database))),
    }
}

/// Resumes `database` at the processes that `which` names, and sees that it is served.
pub(super) async fn resume(
    consoles: &[Console],
    database: &str,
    patience: &Patience,
    which: impl Fn(&str) -> bool,
) -> Result<(), ActionError> {
    let mut first = None;
    for console in consoles.iter().filter(|console| which(&console.address)) {
        if let Err(error) = resume_one(console, database, patience).await {
            first = first.or(Some(error));
        }
    }
    first.map_or(Ok(()), Err)
}

async fn resume_one(console: &Console, database: &str, patience: &Patience) -> Result<(), ActionError> {
    let lost = |error: ConsoleError| match error {
        ConsoleError::Refused(text) => ActionError::touched(text),
        ConsoleError::Lost(text) => ActionError::in_doubt(text),
    };
    if !view(console, database, patience).await?.paused {
        return Ok(());
    }
    console.ask(&format!("RESUME {}", quoted(database)), patience).await.map_err(lost)?;
    if view(console, database, patience).await.map_err(|error| ActionError::touched(error.message))?.paused {
        return Err(ActionError::touched(format!("`{database}` is still paused at {} after RESUME", console.address)));
    }
    Ok(())
}

/// What a person sends where a resume failed.
pub(super) fn resume_by_hand(views: &[View], database: &str) -> Vec<String> {
    let free = views.iter().filter(|view| !view.paused);
    free.map(|view| format!("-- at the console of {}: RESUME {}", view.address, quoted(database))).collect()
}

/// Runs futures side by side and answers in their order.
pub(super) async fn join<T, F: Future<Output = T>>(futures: impl Iterator<Item = F>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut open = false;
        for (future, answer) in &mut pinned {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *answer = Some(value),
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().filter_map(|(_, answer)| answer).collect()
}
