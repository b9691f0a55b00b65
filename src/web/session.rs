//! Sessions: who is signed in, for how long. Kept in memory; when the console ends, everybody signs in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::access::{May, Visitor, Who};
use super::ticket;
use crate::model::{Digest, Timestamp};

/// How many sessions there are at most. The one that was unused longest makes room.
const MOST: usize = 1_000;

/// What a session stands on. Once that is no longer so, the session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// The link that was printed where the console was started: it counts once, and nobody takes it back.
    Link,
    /// The entry of a file by which somebody was let in.
    Entry(Digest),
}

/// How long a session lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lasting {
    /// Without a request.
    pub idle: Duration,
    /// At all.
    pub absolute: Duration,
}

impl Default for Lasting {
    fn default() -> Self {
        Self { idle: Duration::from_secs(2 * 3_600), absolute: Duration::from_secs(12 * 3_600) }
    }
}

/// Every session that there is.
#[derive(Debug)]
pub struct Sessions {
    lasting: Lasting,
    /// By the digest of the token: what a memory dump shows signs nobody in.
    held: Mutex<HashMap<Digest, Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    visitor: Visitor,
    ground: Ground,
    began: Timestamp,
    used: Timestamp,
}

impl Sessions {
    /// No session yet.
    pub fn new(lasting: Lasting) -> Self {
        Self { lasting, held: Mutex::default() }
    }

    /// Begins a session; gives its token, which only the cookie holds from now on, and the visitor.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn begin(&self, who: Who, may: May, ground: Ground, now: Timestamp) -> Result<(String, Visitor), getrandom::Error> {
        let (token, csrf) = (ticket::random()?, ticket::random()?);
        let visitor = Visitor { who, may, csrf };
        let mut held = self.locked();
        held.retain(|_, session| session.is_valid(self.lasting, now));
        if held.len() >= MOST
            && let Some(oldest) = held.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            held.remove(&oldest);
        }
        held.insert(Digest::of(token.as_bytes()), Session { visitor: visitor.clone(), ground, began: now, used: now });
        drop(held);
        Ok((token, visitor))
    }

    /// The visitor behind a token, whose session goes on by it, and what it stands on.
    pub fn used(&self, token: &str, now: Timestamp) -> Option<(Visitor, Ground)> {
        let mut held = self.locked();
        let key = Digest::of(token.as_bytes());
        let session = held.get_mut(&key)?;
        if !session.is_valid(self.lasting, now) {
            held.remove(&key);
            return None;
        }
        session.used = now;
        Some((session.visitor.clone(), session.ground))
    }

    /// Whose session a token still is, and what it stands on. Asking does not make it last longer.
    pub fn held(&self, token: &str, now: Timestamp) -> Option<(Visitor, Ground)> {
        let held = self.locked();
        let session = held.get(&Digest::of(token.as_bytes())).filter(|session| session.is_valid(self.lasting, now))?;
        Some((session.visitor.clone(), session.ground))
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.locked().remove(&Digest::of(token.as_bytes()));
    }

    /// Ends a session of which only the digest of its token is known.
    pub fn end_known(&self, key: &Digest) {
        self.locked().remove(key);
    }

    /// How many there are.
    pub fn count(&self, now: Timestamp) -> usize {
        self.locked().values().filter(|session| session.is_valid(self.lasting, now)).count()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_valid(&self, lasting: Lasting, now: Timestamp) -> bool {
        now.since(self.used) < lasting.idle && now.since(self.began) < lasting.absolute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_after_its_time_in_any_case() {
        let sessions = Sessions::new(Lasting { idle: Duration::from_secs(10), absolute: Duration::from_secs(25) });
        let who = Who::Starter { login: "ops".to_owned() };
        let (token, _) = sessions.begin(who.clone(), May::View, Ground::Link, at(0)).expect("randomness");
        assert!(sessions.used(&token, at(9)).is_some() && sessions.used(&token, at(18)).is_some());
        assert!(sessions.held(&token, at(24)).is_some());
        assert!(sessions.used(&token, at(25)).is_none(), "it lasted longer than it may at all");
        let (token, _) = sessions.begin(who, May::View, Ground::Link, at(30)).expect("randomness");
        assert!(sessions.held(&token, at(39)).is_some() && sessions.held(&token, at(40)).is_none());
        assert!(sessions.used(&token, at(40)).is_none() && sessions.used(&token, at(31)).is_none());
        assert!(sessions.used("guess", at(30)).is_none());
    }
}
