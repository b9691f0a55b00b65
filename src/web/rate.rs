//! How much may be asked in how short a time: signing in hardly ever, everything else as often as a page does.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::problem::Problem;

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

const fn at_most(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

/// The limits of one console.
#[derive(Debug)]
pub struct Rates {
    sign_ins: Keyed<IpAddr>,
    names: Keyed<String>,
    visits: Keyed<IpAddr>,
    requests: Keyed<IpAddr>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            sign_ins: RateLimiter::hashmap(Quota::per_minute(at_most(20))),
            names: RateLimiter::hashmap(Quota::per_minute(at_most(6))),
            visits: RateLimiter::hashmap(Quota::per_minute(at_most(60))),
            requests: RateLimiter::hashmap(Quota::per_second(at_most(100)).allow_burst(at_most(600))),
        }
    }
}

impl Rates {
    /// Counts a request from an address.
    ///
    /// # Errors
    /// When there were too many.
    pub fn request(&self, from: IpAddr) -> Result<(), Problem> {
        let counted = self.requests.check_key(&from).map_err(|_| Problem::too_many("too many requests from this address"));
        if self.requests.len() > 10_000 {
            self.requests.retain_recent();
        }
        counted
    }

    /// Counts a way to an identity provider, or back from it: a sign-in takes both, and many people come from one address.
    ///
    /// # Errors
    /// When there were too many.
    pub fn visit(&self, from: IpAddr) -> Result<(), Problem> {
        let counted = self.visits.check_key(&from).map_err(|_| Problem::too_many("too many tries to sign in: wait a minute"));
        if self.visits.len() > 10_000 {
            self.visits.retain_recent();
        }
        counted
    }

    /// Counts a try to sign in, from an address and for a name: one address must not try many names, nor many addresses one name.
    ///
    /// # Errors
    /// When there were too many.
    pub fn sign_in(&self, from: IpAddr, name: &str) -> Result<(), Problem> {
        let too_many = |_| Problem::too_many("too many tries to sign in: wait a minute");
        self.sign_ins.check_key(&from).map_err(too_many)?;
        let name: String = name.chars().take(64).collect();
        self.names.check_key(&name).map_err(too_many)?;
        if self.names.len() > 10_000 || self.sign_ins.len() > 10_000 {
            self.names.retain_recent();
            self.sign_ins.retain_recent();
        }
        Ok(())
    }
}
