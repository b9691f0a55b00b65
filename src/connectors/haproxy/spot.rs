//! One text that every process holds for itself: the value of a map's entry, or whether a frontend is open.

use async_trait::async_trait;
use serde_json::json;

use super::fleet::Fleet;
use super::hand::{self, Changed, Hand};
use super::server::name;
use super::session::Session;
use crate::connectors::{ActionError, Call, Evidence};
use crate::model::{Finding, Value};

/// Where the text is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// An entry of a map.
    Entry { map: String, key: String },
    /// A frontend.
    Door { frontend: String },
}

/// What a process holds there; none where a map has no such entry.
pub(super) type Held = Option<String>;

pub(super) const OPEN: &str = "OPEN";
pub(super) const PAUSED: &str = "PAUSED";

impl Spot {
    pub(super) fn entry(map: &str, key: &str) -> Result<Self, ActionError> {
        if map.starts_with('#') {
            return Err(ActionError::untouched(format!("`{map}` is a position, which a reload can change"))
                .hint("name the map by its file, as the configuration does"));
        }
        Ok(Self::Entry { map: word(map)?.to_owned(), key: word(key)?.to_owned() })
    }

    pub(super) fn door(frontend: &str) -> Result<Self, ActionError> {
        Ok(Self::Door { frontend: name(frontend)?.to_owned() })
    }

    /// Reads it from one process.
    pub(super) async fn read(&self, session: &mut Session) -> Result<Held, ActionError> {
        match self {
            Self::Entry { map, key } => {
                // Not `get map`: it answers which entry matches, and that need not be the one with this key.
                let answer = session.ask(&format!("show map {map}")).await?;
                entry(&answer, key).map_err(|why| ActionError::untouched(format!("{}: map `{map}`: {why}", session.address)))
            }
            Self::Door { frontend } => {
                let rows = super::stats::rows(session, frontend).await?;
                let row = rows.iter().find(|row| row.server == "FRONTEND");
                let status = row.map(|row| row.text("status").to_owned());
                let wrong = |why: String| Err(ActionError::untouched(format!("{}: {why}", session.address)));
                match status.as_deref() {
                    None => wrong(format!("there is no frontend `{frontend}`")),
                    Some(OPEN | PAUSED) => Ok(status),
                    Some(other) => wrong(format!("the frontend `{frontend}` is {other}: nothing opens it but a restart")),
                }
            }
        }
    }

    /// The commands that turn `now` into `want`.
    fn commands(&self, now: &Held, want: &Held) -> Vec<String> {
        let change = match (self, want) {
            _ if now == want => return Vec::new(),
            (Self::Entry { map, key }, None) => format!("del map {map} {key}"),
            (Self::Entry { map, key }, Some(value)) if now.is_none() => format!("add map {map} {key} {value}"),
            (Self::Entry { map, key }, Some(value)) => format!("set map {map} {key} {value}"),
            (Self::Door { frontend }, Some(word)) if word == OPEN => format!("enable frontend {frontend}"),
            (Self::Door { frontend }, _) => format!("disable frontend {frontend}"),
        };
        vec![change]
    }

    fn differing(&self, now: &Held, want: &Held) -> Option<String> {
        let word = |held: &Held| held.clone().map_or_else(|| "missing".to_owned(), |text| format!("`{text}`"));
        let what = match self {
            Self::Entry { map, key } => format!("the entry `{key}` of `{map}`"),
            Self::Door { frontend } => format!("the frontend `{frontend}`"),
        };
        (now != want).then(|| format!("{what} is {}, not {}", word(now), word(want)))
    }

    /// What every process holds.
    pub(super) async fn see(&self, fleet: &mut Fleet) -> Result<Vec<Held>, ActionError> {
        let mut all = Vec::new();
        for session in &mut fleet.0 {
            all.push(self.read(session).await?);
        }
        Ok(all)
    }

    /// What would be sent to turn `seen` into `wanted`, with the address in front.
    pub(super) fn statements(&self, fleet: &Fleet, seen: &[Held], wanted: &[Held]) -> Vec<String> {
        let all = fleet.0.iter().zip(seen).zip(wanted);
        let of = |((session, now), want): ((&Session, &Held), &Held)| {
            let address = session.address.clone();
            self.commands(now, want).into_iter().map(move |command| format!("{address}: {command}")).collect::<Vec<_>>()
        };
        all.flat_map(of).collect()
    }

    /// Reads every process once more and holds it to `wanted`.
    pub(super) async fn hold(&self, fleet: &mut Fleet, wanted: &[Held]) -> Result<(), ActionError> {
        for (session, want) in fleet.0.iter_mut().zip(wanted) {
            if let Some(why) = self.differs(session, want).await.map_err(ActionError::after_change)? {
                return Err(hand::not_held(session, &why));
            }
        }
        Ok(())
    }

    /// The snapshot: what every process holds, by its address.
    pub(super) async fn capture(&self, fleet: &mut Fleet) -> Result<Value, ActionError> {
        let seen = self.see(fleet).await?;
        let one = |(session, held): (&Session, &Held)| {
            let mut value = session.process.to_value(&session.address);
            value["held"] = json!(held);
            value
        };
        Ok(json!({ "processes": fleet.0.iter().zip(&seen).map(one).collect::<Vec<_>>() }))
    }

    /// What is found after a crash.
    pub(super) fn finding(&self, seen: &[Held], wanted: &[Held], saved: &[Held]) -> Finding {
        if seen == wanted {
            return Finding::Applied;
        }
        if seen == saved {
            return Finding::NotApplied;
        }
        let told: Vec<_> = seen.iter().zip(wanted).filter_map(|(now, want)| self.differing(now, want)).collect();
        Finding::Partial(told.join("; "))
    }

    /// Puts back what was saved, and proves it.
    pub(super) async fn restore(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let saved = saved(snapshot)?;
        let mut facts = hand::restore(call, self, &saved).await?;
        facts["held"] = saved.iter().map(|(_, held)| json!(held)).collect();
        Ok(Evidence::new(facts))
    }
}

#[async_trait]
impl Hand for Spot {
    type Want = Held;

    async fn bring(&self, session: &mut Session, want: &Held) -> Result<Changed, ActionError> {
        let now = self.read(session).await?;
        hand::send(session, &self.commands(&now, want)).await
    }

    async fn differs(&self, session: &mut Session, want: &Held) -> Result<Option<String>, ActionError> {
        Ok(self.differing(&self.read(session).await?, want))
    }

    fn by_hand(&self, want: &Held) -> Vec<String> {
        // What is there is not known; for a map's entry that is away, `set` is refused and `add` is meant.
        let other = match self {
            Self::Entry { .. } => Some(String::new()),
            Self::Door { .. } => None,
        };
        self.commands(&other, want)
    }
}

/// What a snapshot saved, by address.
fn saved(snapshot: &Value) -> Result<Vec<(String, Held)>, ActionError> {
    let one = |value: &Value| {
        let held = if value["held"].is_null() { None } else { Some(value["held"].as_str()?.to_owned()) };
        Some((value["address"].as_str()?.to_owned(), held))
    };
    let all = snapshot["processes"].as_array().and_then(|all| all.iter().map(one).collect());
    all.ok_or_else(|| ActionError::untouched("the snapshot does not hold what the processes had"))
}

/// What was saved, in the order of the target's addresses.
pub(super) fn in_order(fleet: &Fleet, snapshot: &Value) -> Result<Vec<Held>, ActionError> {
    let saved = saved(snapshot)?;
    let find = |session: &Session| {
        let found = saved.iter().find(|(address, _)| *address == session.address);
        found.map(|(_, held)| held.clone()).ok_or_else(|| super::fleet::unknown(&session.address))
    };
    fleet.0.iter().map(find).collect()
}

/// A word of a command: a blank or a semicolon would end it and begin another.
pub(super) fn word(text: &str) -> Result<&str, ActionError> {
    let is_word = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !";\\\"'<>#".contains(c));
    if is_word {
        Ok(text)
    } else {
        Err(ActionError::untouched(format!("`{text}` cannot stand in a command of HAProxy as one word")))
    }
}

/// The value of a key in what `show map` answers: `<address> <key> <value>` per line.
fn entry(answer: &str, key: &str) -> Result<Held, String> {
    let mut found: Held = None;
    for line in answer.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (Some(place), Some(of)) = (words.next().filter(|place| place.starts_with("0x")), words.next()) else {
            return Err(line.trim().to_owned());
        };
        let value = words.next().unwrap_or_default();
        match &found {
            _ if of != key => {}
            Some(other) if other != value => {
                return Err(format!("the key `{key}` stands there twice, as `{other}` and as `{value}` (at {place})"));
            }
            Some(_) | None => found = Some(value.to_owned()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_key_and_by_nothing_like_it() {
        let answer = "0x55 shop.eu a\n0x56 shop 10 20\n0x57 shopping b\n\n";
        assert_eq!(entry(answer, "shop"), Ok(Some("10 20".to_owned())));
        assert_eq!(entry(answer, "sho"), Ok(None));
        assert!(entry("0x55 shop a\n0x56 shop b\n", "shop").is_err_and(|why| why.contains("twice")));
        let unknown = entry("Unknown map identifier. Please use #<id> or <file>.\n", "shop");
        assert!(unknown.is_err_and(|why| why.contains("Unknown map")));
    }

    #[test]
    fn a_word_cannot_end_a_command() {
        for text in ["a b", "a;b", "a\nb", "", "<<", "a\\"] {
            assert!(word(text).is_err(), "{text:?}");
        }
        assert_eq!(word("/etc/haproxy/side.map"), Ok("/etc/haproxy/side.map"));
    }
}
