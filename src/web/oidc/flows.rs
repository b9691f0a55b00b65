//! Sign-ins that were begun here and are being finished at the provider: each counts once, for a while, in the browser in which
//! it was begun.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::refusal::Refusal;
use crate::model::{Digest, IdentityProvider, Timestamp};

/// How many there are at most. The oldest makes room.
const MOST: usize = 1_000;

/// How long somebody may take at the provider.
pub const LASTING: Duration = Duration::from_secs(10 * 60);

/// One sign-in.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The provider, as its file described it then.
    pub provider: Arc<IdentityProvider>,
    /// What the token has to repeat.
    pub nonce: String,
    /// What proves that whoever redeems the code also asked for it.
    pub verifier: String,
    /// The session of before, which ends by this one.
    pub before: Option<Digest>,
    /// The digest of what only the browser has in which it was begun.
    pub browser: Digest,
    /// When it was begun.
    pub began: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Flows(Mutex<HashMap<Digest, Flow>>);

impl Flows {
    /// Keeps a sign-in under the state that the provider has to repeat.
    pub fn keep(&self, state: &str, flow: Flow) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = flow.began;
        kept.retain(|_, flow| now.since(flow.began) < LASTING);
        if kept.len() >= MOST
            && let Some(oldest) = kept.iter().min_by_key(|(_, flow)| flow.began).map(|(key, _)| *key)
        {
            kept.remove(&oldest);
        }
        kept.insert(Digest::of(state.as_bytes()), flow);
    }

    /// Takes the sign-in of a state. Whatever comes of it, that state counts no more.
    ///
    /// # Errors
    /// When there is none, or it is not for this browser or this time.
    pub fn take(&self, state: &str, browser: Option<&str>, now: Timestamp) -> Result<Flow, Refusal> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(state.as_bytes()));
        let flow = taken.ok_or(Refusal::Unknown)?;
        if browser.map(|browser| Digest::of(browser.as_bytes())) != Some(flow.browser) {
            return Err(Refusal::OtherBrowser);
        }
        if now.since(flow.began) >= LASTING {
            return Err(Refusal::Late);
        }
        Ok(flow)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::SecretRef;

    fn flow(seconds: i64) -> Flow {
        let provider = IdentityProvider {
            issuer: String::new(),
            name: String::new(),
            client_id: String::new(),
            client_secret: SecretRef::Env(String::new()),
            address: String::new(),
            scopes: Vec::new(),
            claim: String::new(),
            require: None,
            persons: BTreeMap::new(),
        };
        let began = Timestamp::from_millis(seconds * 1_000);
        Flow {
            provider: Arc::new(provider),
            nonce: String::new(),
            verifier: String::new(),
            before: None,
            browser: Digest::of(b"b"),
            began,
        }
    }

    #[test]
    fn a_sign_in_counts_once_for_a_while_in_its_browser() {
        let (flows, at) = (Flows::default(), |seconds: i64| Timestamp::from_millis(seconds * 1_000));
        for (state, browser, now, wanted) in [
            ("a", Some("b"), 599, None),
            ("b", Some("b"), 600, Some(Refusal::Late)),
            ("c", Some("x"), 1, Some(Refusal::OtherBrowser)),
            ("d", None, 1, Some(Refusal::OtherBrowser)),
        ] {
            flows.keep(state, flow(0));
            assert_eq!(flows.take(state, browser, at(now)).err(), wanted);
            assert_eq!(flows.take(state, Some("b"), at(1)).err(), Some(Refusal::Unknown), "{state} counted twice");
        }
    }

    #[test]
    fn the_oldest_makes_room() {
        let flows = Flows::default();
        for number in 0..=MOST {
            flows.keep(&number.to_string(), flow(i64::try_from(number).expect("small") / 100));
        }
        let kept = flows.0.lock().expect("not poisoned").len();
        assert_eq!(kept, MOST);
        assert!(flows.take("1000", Some("b"), Timestamp::from_millis(10_000)).is_ok());
    }
}
