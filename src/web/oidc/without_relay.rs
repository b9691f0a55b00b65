//! The same names as with OpenID Connect, in a program that was built without it: nobody comes in this way.

use super::flows::Flow;
use super::refusal::Refusal;
use crate::model::{IdentityProvider, Object, Timestamp};

/// Whether this program can ask an identity provider.
pub const HAS_OIDC: bool = false;

/// A way to a provider, which cannot be had.
#[derive(Debug)]
pub enum Relay {}

impl Relay {
    pub fn new() -> Result<Self, String> {
        Err("this program was built without OpenID Connect (feature `oidc`): build it with `--features full`".to_owned())
    }

    pub async fn question(&self, _flow: &Flow, _state: &str, _now: Timestamp) -> Result<String, Refusal> {
        match *self {}
    }

    pub async fn names_itself(&self, _flow: &Flow, _now: Timestamp) -> Result<bool, Refusal> {
        match *self {}
    }

    pub async fn redeem(&self, _flow: &Flow, _code: String, _secret: String, _now: Timestamp) -> Result<Object, Refusal> {
        match *self {}
    }

    pub async fn farewell(&self, _provider: &IdentityProvider) -> Option<String> {
        match *self {}
    }
}
