//! The servers of a backend as one process sees them, and the commands that turn one state into another.

use serde_json::json;

use super::session::{AskError, Session};
use crate::connectors::ActionError;
use crate::model::Value;

/// One server in one process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Server {
    pub(super) setting: Setting,
    /// The weight of the configuration file.
    pub(super) initial: u32,
    /// Whether its health checks, if it has any, let it take traffic.
    pub(super) is_up: bool,
}

/// What the runtime API can set of a server, and what undo puts back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) weight: u32,
}

/// The administrative state of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Ready,
    /// No new traffic, except what persists on it.
    Drain,
    /// No traffic at all.
    Maintenance,
}

impl Mode {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maint",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Ready, Self::Drain, Self::Maintenance].into_iter().find(|mode| mode.word() == word)
    }
}

/// Forced into maintenance, and forced to drain: the bits of `srv_admin_state` that the runtime API sets and clears.
const FORCED_MAINTENANCE: u32 = 0x01;
const FORCED_DRAIN: u32 = 0x08;
/// In maintenance for another reason: it follows another server, or its name does not resolve.
const OTHER_MAINTENANCE: u32 = 0x02 | 0x20 | 0x40;
/// `srv_op_state`: 2 is running, 1 is starting up slowly.
const STOPPED: u32 = 0;
const STOPPING: u32 = 3;

impl Server {
    /// Whether it takes new traffic now.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.setting.mode, Mode::Ready) && self.setting.weight > 0 && self.is_up
    }

    fn parse(line: &[&str], column: impl Fn(&str) -> Option<usize>) -> Option<Self> {
        let field = |name: &str| line.get(column(name)?).copied();
        let number = |name: &str| field(name)?.parse::<u32>().ok();
        let admin = number("srv_admin_state")?;
        let mode = if admin & FORCED_MAINTENANCE != 0 {
            Mode::Maintenance
        } else if admin & FORCED_DRAIN != 0 {
            Mode::Drain
        } else {
            Mode::Ready
        };
        let state = number("srv_op_state")?;
        // A server in forced maintenance is stopped by that; whether it would be up is not known before it is ready again.
        let is_up = admin & OTHER_MAINTENANCE == 0 && state != STOPPED && state != STOPPING;
        let setting = Setting { name: field("srv_name")?.to_owned(), mode, weight: number("srv_uweight")? };
        Some(Self { setting, initial: number("srv_iweight")?, is_up })
    }
}

impl Setting {
    pub(super) fn to_value(&self) -> Value {
        json!({ "name": self.name, "state": self.mode.word(), "weight": self.weight })
    }

    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let weight = u32::try_from(value["weight"].as_u64()?).ok()?;
        Some(Self { name: value["name"].as_str()?.to_owned(), mode: Mode::parse(value["state"].as_str()?)?, weight })
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{} is {} with weight {}", self.name, self.mode.word(), self.weight)
    }
}

/// Reads the servers of `backend`.
pub(super) async fn servers(session: &mut Session, backend: &str) -> Result<Vec<Server>, ActionError> {
    let answer = session.ask(&format!("show servers state {}", name(backend)?)).await?;
    parse(&answer).ok_or_else(|| ActionError::untouched(format!("{}: backend `{backend}`: {}", session.address, answer.trim())))
}

fn parse(answer: &str) -> Option<Vec<Server>> {
    let mut lines = answer.lines().skip_while(|line| !line.starts_with("# "));
    let header: Vec<_> = lines.next()?.trim_start_matches("# ").split(' ').collect();
    let column = |name: &str| header.iter().position(|found| *found == name);
    lines.filter(|line| !line.trim().is_empty()).map(|line| Server::parse(&line.split(' ').collect::<Vec<_>>(), column)).collect()
}

/// A name as HAProxy allows it in a configuration file; anything else could end the command and begin another.
pub(super) fn name(text: &str) -> Result<&str, ActionError> {
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if is_name { Ok(text) } else { Err(ActionError::untouched(format!("`{text}` is no name of HAProxy"))) }
}

/// The commands that turn `now` into `wanted`. What opens comes before what closes, so that no backend is empty in between.
pub(super) fn commands(backend: &str, now: &[Server], wanted: &[Setting]) -> Vec<String> {
    let (mut opening, mut closing) = (Vec::new(), Vec::new());
    for want in wanted {
        let Some(found) = now.iter().find(|server| server.setting.name == want.name) else { continue };
        let (found, place) = (&found.setting, format!("{backend}/{}", want.name));
        if found.weight != want.weight {
            let rises = want.weight > found.weight;
            // Absolute always: `50%` is relative to the configured weight, and half of a configured 0 is 0.
            (if rises { &mut opening } else { &mut closing }).push(format!("set server {place} weight {}", want.weight));
        }
        if found.mode != want.mode {
            let opens = want.mode == Mode::Ready || found.mode == Mode::Maintenance;
            (if opens { &mut opening } else { &mut closing }).push(format!("set server {place} state {}", want.mode.word()));
        }
    }
    opening.append(&mut closing);
    opening
}

/// How many sessions each of the servers `names` has now, with those that wait in its queue.
pub(super) async fn sessions(session: &mut Session, backend: &str, names: &[String]) -> Result<u64, AskError> {
    let rows = super::stats::rows(session, backend).await?;
    Ok(rows.iter().filter(|row| names.contains(&row.server)).map(|row| row.number("scur") + row.number("qcur")).sum())
}
