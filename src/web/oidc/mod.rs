//! Signing in through an identity provider (OpenID Connect): beside the console's own users, and with no more rights than they
//! have.

pub mod flows;
pub mod person;
pub mod refusal;

#[cfg(feature = "oidc")]
mod relay;
#[cfg(not(feature = "oidc"))]
#[path = "without_relay.rs"]
mod relay;
#[cfg(feature = "oidc")]
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::access::May;
use super::reread::Reread;
use super::ticket::random;
use crate::diagnostic::Source;
use crate::diagnostic::render::{Paint, render};
use crate::engine::secret_at;
use crate::model::identity_provider::{Extent, IdentityProvider};
use crate::model::{Digest, PersonId, Timestamp};
use crate::runbook::parse_identity_provider;
use flows::{Flow, Flows};
pub use refusal::Refusal;
pub use relay::HAS_OIDC;
use relay::Relay;

/// Where the provider sends people back to.
pub const CALLBACK: &str = "/api/v1/oidc/callback";
/// Where a sign-in begins.
pub const START: &str = "/api/v1/oidc/start";

/// The way in through one provider.
#[derive(Debug)]
pub struct SignOn {
    file: Reread<IdentityProvider>,
    folder: PathBuf,
    flows: Flows,
    relay: Relay,
}

/// A sign-in that begins.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes next.
    pub address: String,
    /// What only this browser keeps.
    pub browser: String,
}

/// What the provider sends back with a browser.
#[derive(Debug, Default)]
pub struct Answer {
    /// What was given to it.
    pub state: Option<String>,
    /// What can be redeemed for a token.
    pub code: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
}

/// Somebody who may come in.
#[derive(Debug)]
pub struct Arrived {
    /// The person.
    pub person: PersonId,
    /// What they may do.
    pub may: May,
    /// The provider.
    pub issuer: String,
    /// The entry by which they come in.
    pub entry: Digest,
    /// The session of before.
    pub before: Option<Digest>,
}

impl SignOn {
    /// Reads the file of a provider, now and whenever it is another, and tries its secret once.
    ///
    /// # Errors
    /// When the file is wrong, or the secret is not where it says.
    pub fn open(path: &Path) -> Result<Self, String> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let way = Self { file: Reread::open(path, load)?, folder, flows: Flows::default(), relay: Relay::new()? };
        secret_at(&way.file.last().client_secret, &way.folder)?;
        Ok(way)
    }

    /// The provider, as its file described it when it could last be understood.
    pub fn provider(&self) -> Arc<IdentityProvider> {
        self.file.last()
    }

    /// What the file says of a person, as a digest: at another provider, or under another condition, it is another.
    pub fn entry(&self, issuer: &str, person: &PersonId) -> Option<Digest> {
        let provider = self.file.last();
        if provider.issuer == issuer { entry(&provider, person) } else { None }
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// When the provider cannot be asked, or its file cannot be used.
    pub async fn begin(&self, before: Option<Digest>, now: Timestamp) -> Result<Begun, Refusal> {
        let provider = self.file.now().map_err(|_| Refusal::Broken("the file of the provider cannot be used".to_owned()))?;
        let drawn = || random().map_err(|error| Refusal::Broken(format!("there is no randomness: {error}")));
        let (state, browser, nonce, verifier) = (drawn()?, drawn()?, drawn()?, drawn()?);
        let flow = Flow { provider, nonce, verifier, before, browser: Digest::of(browser.as_bytes()), began: now };
        let address = self.relay.question(&flow, &state, now).await?;
        self.flows.keep(&state, flow);
        Ok(Begun { address, browser })
    }

    /// Finishes a sign-in.
    ///
    /// # Errors
    /// Why nobody is let in.
    pub async fn finish(&self, answer: Answer, browser: Option<&str>, now: Timestamp) -> Result<Arrived, Refusal> {
        let flow = self.flows.take(answer.state.as_deref().unwrap_or_default(), browser, now)?;
        let provider = self.file.now().map_err(|_| Refusal::Broken("the file of the provider cannot be used".to_owned()))?;
        if (&provider.issuer, &provider.client_id) != (&flow.provider.issuer, &flow.provider.client_id) {
            return Err(Refusal::Unknown);
        }
        // An answer that came from another provider is not even read: its code is not for this one.
        if answer.iss.as_ref().is_some_and(|iss| *iss != provider.issuer) {
            return Err(Refusal::OtherIssuer);
        }
        if answer.iss.is_none() && self.relay.names_itself(&flow, now).await? {
            return Err(Refusal::OtherIssuer);
        }
        let code = match (answer.error, answer.code) {
            (Some(error), _) if error == "access_denied" => return Err(Refusal::Denied),
            (Some(error), _) => return Err(Refusal::Provider(plain(&error))),
            (None, Some(code)) => code,
            (None, None) => return Err(Refusal::Malformed),
        };
        let claims = self.relay.redeem(&flow, code, self.secret(&provider).await?, now).await?;
        let (person, may) = person::recognise(&provider, &claims)?;
        let entry = entry(&provider, &person).ok_or(Refusal::Unknown)?;
        Ok(Arrived { person, may, issuer: provider.issuer.clone(), entry, before: flow.before })
    }

    /// Where somebody signs out at the provider too, if it has such a place.
    pub async fn farewell(&self) -> Option<String> {
        self.relay.farewell(&self.file.last()).await
    }

    /// The secret, read just before use. Its program may take a while.
    async fn secret(&self, provider: &IdentityProvider) -> Result<String, Refusal> {
        let (place, folder) = (provider.client_secret.clone(), self.folder.clone());
        let read = tokio::task::spawn_blocking(move || secret_at(&place, &folder)).await;
        read.map_err(|error| error.to_string()).flatten().map_err(Refusal::Broken)
    }
}

/// What one entry stands for, with everything that decides whether it lets somebody in.
fn entry(provider: &IdentityProvider, person: &PersonId) -> Option<Digest> {
    let admission = provider.persons.get(person)?;
    let may = match admission.may {
        Extent::View => "view",
        Extent::Operate => "operate",
    };
    let require = provider.require.as_ref().map(|require| (&require.claim, &require.value));
    let whole = (&provider.issuer, &provider.client_id, &provider.claim, require, person, &admission.is, may);
    Some(Digest::of(format!("{whole:?}").as_bytes()))
}

/// A code of an error: what a provider may write there, and no more of it than a line holds.
fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(40).collect()
}

fn load(path: &Path) -> Result<IdentityProvider, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let source = Source::new(path.to_string_lossy(), text);
    let (provider, report) = parse_identity_provider(&source);
    provider.ok_or_else(|| format!("the file of the identity provider is wrong\n{}", render(&report, &source, Paint::Plain)))
}
