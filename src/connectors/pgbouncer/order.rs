//! What the steps of this connector have in common: which pooled database, how long, and what was there before.

use std::time::Duration;

use serde_json::json;

use super::console::{Console, Way, quoted};
use super::own_target;
use super::pool::{View, pause, resume_by_hand, views};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Blocker, Call};
use crate::model::{Span, Value};

/// One call, taken apart.
pub(super) struct Order {
    pub(super) way: Way,
    pub(super) database: String,
    /// How long a PAUSE may take.
    pub(super) within: Duration,
    /// How long clients may be held in all.
    pub(super) held_at_most: Duration,
}

impl Order {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let span = |key: &str, default: u64| {
            Ok::<_, ActionError>(call.params.opt_span(key)?.unwrap_or(Span::from_secs(default)).as_duration())
        };
        Ok(Self {
            way: Way::of(call, own_target(call)?)?,
            database: call.params.text("database")?.to_owned(),
            within: span("within", 10)?,
            held_at_most: span("held_at_most", 60)?,
        })
    }

    /// Opens a console to every process.
    pub(super) async fn open(&self, call: &Call) -> Result<Vec<Console>, ActionError> {
        self.way.open(call).await
    }

    /// What every process says now.
    pub(super) async fn views(&self, consoles: &[Console], call: &Call) -> Result<Vec<View>, ActionError> {
        views(consoles, &self.database, &Patience::of(call)).await
    }

    /// What every process says now, to somebody who only asks.
    pub(super) async fn look(&self, call: &Call) -> Result<Vec<View>, ActionError> {
        self.views(&self.open(call).await?, call).await
    }

    /// `verb` for the database at every process, as it is shown before it is sent.
    pub(super) fn each(&self, verb: &str, found: &[View]) -> Vec<String> {
        found.iter().map(|view| format!("[{}] {verb} {}", view.address, quoted(&self.database))).collect()
    }

    /// PAUSE at every process, for as long as a PAUSE may take.
    pub(super) async fn hold(
        &self,
        call: &Call,
        consoles: &[Console],
        helpers: &[Console],
        now: &[View],
    ) -> Result<Vec<View>, ActionError> {
        if let Some(view) = now.iter().find(|view| view.session_pooling) {
            let text = format!(
                "`{}` at {} is pooled by session: a PAUSE would wait until every client has disconnected",
                self.database, view.address
            );
            return Err(ActionError::untouched(text).hint("set `pool_mode = transaction` for this database"));
        }
        pause(consoles, helpers, &self.database, &Patience::of(call).at_most(self.within)).await
    }

    /// The RESUMEs that a person would send at the processes that the snapshot did not find paused.
    pub(super) fn resume_by_hand(&self, found: &[View], snapshot: &Value) -> Vec<String> {
        let free = found.iter().cloned().map(|view| View { paused: was_paused(snapshot, &view.address), ..view });
        resume_by_hand(&free.collect::<Vec<_>>(), &self.database)
    }

    /// What stands in the way of a PAUSE.
    pub(super) async fn blockers(&self, consoles: &[Console], found: &[View], call: &Call) -> Result<Vec<Blocker>, ActionError> {
        let mut blockers = Vec::new();
        let mut block = |what: String, owner: Option<String>| blockers.push(Blocker { what, owner });
        for (console, view) in consoles.iter().zip(found) {
            let at = &console.address;
            if view.session_pooling {
                block(
                    format!(
                        "`{}` at {at} is pooled by session: PAUSE would wait until every client has disconnected, which clients of a \
                         session pool do not do",
                        self.database
                    ),
                    None,
                );
            }
            if view.disabled {
                block(format!("`{}` is disabled at {at}", self.database), None);
            }
            if view.paused {
                block(
                    format!("`{}` is paused at {at} already", self.database),
                    Some("somebody else, or an earlier run".to_owned()),
                );
            }
            let settings = console.settings(&Patience::of(call)).await?;
            let number = |key: &str| settings.get(key).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
            let waits = number("query_wait_timeout");
            if waits > 0.0 && self.held_at_most.as_secs_f64() >= waits {
                let held = Span::from_millis(u64::try_from(self.held_at_most.as_millis()).unwrap_or(u64::MAX));
                block(
                    format!(
                        "{at} disconnects clients that wait longer than query_wait_timeout = {waits} s; they may be held for {held}"
                    ),
                    None,
                );
            }
            if number("so_reuseport") > 0.0 && !at.starts_with('/') {
                block(
                    format!(
                        "{at} is shared by several processes (so_reuseport): which of them answers is chance, so name the console of \
                         each by its own socket folder"
                    ),
                    None,
                );
            }
            for user in self.lasting(console, view, call).await? {
                block(format!("a transaction stays open through {at}; PAUSE waits for it"), Some(user));
            }
        }
        if self.within >= self.held_at_most {
            block(
                "`within` of the PAUSE is not below `held_at_most`: nothing would be left for what comes after it".to_owned(),
                None,
            );
        }
        Ok(blockers)
    }

    /// The transactions that are open at every look for a second. A pool at work has short ones all the time, and PAUSE waits for
    /// those as it should.
    async fn lasting(&self, console: &Console, view: &View, call: &Call) -> Result<Vec<String>, ActionError> {
        const LOOKS: u32 = 10;
        let (patience, mut open) = (Patience::of(call), view.users.clone());
        for _ in 0..LOOKS {
            if open.is_empty() {
                break;
            }
            patience.sleep(Duration::from_millis(100)).await?;
            let now = views(std::slice::from_ref(console), &self.database, &patience).await?;
            open.retain(|user| now.iter().any(|view| view.users.contains(user)));
        }
        Ok(open)
    }

    /// A snapshot of the state of every process.
    pub(super) fn snapshot(&self, found: &[View]) -> Value {
        let state = |view: &View| {
            json!({
                "address": view.address, "paused": view.paused, "host": view.host, "port": view.port, "dbname": view.dbname,
            })
        };
        json!({ "database": self.database, "processes": found.iter().map(state).collect::<Vec<_>>() })
    }
}

/// What the processes say, for people and for the evidence.
pub(super) fn shown(found: &[View]) -> Value {
    found.iter().map(View::to_value).collect()
}

/// Whether the snapshot says that `address` was paused; an unknown address counts as not paused.
pub(super) fn was_paused(snapshot: &Value, address: &str) -> bool {
    let processes = snapshot["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
    processes.iter().any(|process| process["address"] == address && process["paused"] == true)
}

/// The pairs that say how the processes of the snapshot and of now differ in what matters to `which`.
pub(super) fn differences(snapshot: &Value, now: &Value, which: &[&str]) -> Vec<String> {
    let of = |value: &Value| value["processes"].as_array().cloned().unwrap_or_default();
    let (before, now) = (of(snapshot), of(now));
    let mut found = Vec::new();
    for process in &before {
        let Some(other) = now.iter().find(|other| other["address"] == process["address"]) else {
            found.push(format!("{} is not there any more", process["address"]));
            continue;
        };
        for key in which {
            if process[*key] != other[*key] {
                found.push(format!("{}: {key} was {} and is {}", process["address"], process[*key], other[*key]));
            }
        }
    }
    found.extend(
        now.iter()
            .filter(|other| !before.iter().any(|process| process["address"] == other["address"]))
            .map(|other| format!("{} is new", other["address"])),
    );
    found
}
