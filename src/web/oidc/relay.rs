//! The talk with a provider: its description, the question to it, and what a code is worth. What the protocol asks to be checked,
//! the library checks; what it leaves to its user (`azp`, `iat`, who answers) is checked here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreGrantType, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError,
    Client, ClientId, ClientSecret, ConfigurationError, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdToken, IdTokenFields, IdTokenVerifier, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadata, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::flows::Flow;
use super::refusal::Refusal;
use super::wire::{NoAnswer, Wire};
use super::{CALLBACK, plain};
use crate::model::identity_provider::protected;
use crate::model::{IdentityProvider, Object, Timestamp, Value};

/// Whether this program can ask an identity provider.
pub const HAS_OIDC: bool = true;

/// How long what a provider says about itself is believed.
const DESCRIBED: Duration = Duration::from_secs(15 * 60);
/// How long nobody tries again after a provider could not be asked.
const DOWN: Duration = Duration::from_secs(5);
/// How often keys are fetched because a token names one that is not known.
const KEYS: Duration = Duration::from_secs(30);
/// How far the clocks of the provider and of this host may be apart, and how old a token may be that was just made.
const SKEW: i64 = 120;
const OLDEST: i64 = 600;

/// Signatures that count: none with a shared secret, and never none at all.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a provider says about itself beyond what the library knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More {
    authorization_response_iss_parameter_supported: Option<bool>,
    end_session_endpoint: Option<String>,
}

impl AdditionalProviderMetadata for More {}

/// Every claim that the library has no name for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rest {
    #[serde(flatten)]
    rest: Object,
}

impl AdditionalClaims for Rest {}

type Description = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Fields =
    IdTokenFields<Rest, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

type Token = IdToken<Rest, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

type ErrorAnswer = StandardErrorResponse<CoreErrorResponseType>;

/// A client of the provider, whose ends are known.
type ClientOf = Client<
    Rest,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    ErrorAnswer,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The way to a provider, and what it said about itself.
#[derive(Debug)]
pub struct Relay {
    wire: Wire,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    described: Option<Described>,
    /// When and why the provider could not be asked.
    down: Option<(String, Timestamp, Refusal)>,
}

#[derive(Clone, Debug)]
struct Described {
    issuer: String,
    description: Description,
    at: Timestamp,
    /// When keys were last fetched because one was not known.
    keys_at: Option<Timestamp>,
}

impl Relay {
    pub fn new() -> Result<Self, String> {
        Ok(Self { wire: Wire::new()?, known: Mutex::default() })
    }

    /// The address at which the provider asks the person.
    pub async fn question(&self, flow: &Flow, state: &str, now: Timestamp) -> Result<String, Refusal> {
        let provider = &flow.provider;
        let client = client_of(provider, self.description(provider, now).await?, None)?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(flow.verifier.clone()));
        let (state, nonce) = (state.to_owned(), flow.nonce.clone());
        let code = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request =
            client.authorize_url(code, || CsrfToken::new(state), || Nonce::new(nonce)).set_pkce_challenge(challenge);
        for scope in &provider.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        Ok(request.url().0.to_string())
    }

    /// Whether the provider says in every answer who answers.
    pub async fn names_itself(&self, flow: &Flow, now: Timestamp) -> Result<bool, Refusal> {
        let description = self.description(&flow.provider, now).await?;
        Ok(description.additional_metadata().authorization_response_iss_parameter_supported == Some(true))
    }

    /// Redeems a code; gives what the proven token says.
    pub async fn redeem(&self, flow: &Flow, code: String, secret: String, now: Timestamp) -> Result<Object, Refusal> {
        let provider = &flow.provider;
        let description = self.description(provider, now).await?;
        let by_form = takes_the_secret_in_the_form_only(&description);
        let mut client = client_of(provider, description.clone(), Some(ClientSecret::new(secret)))?;
        if by_form {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(no_token_endpoint)?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()));
        let answer = request.request_async(&self.wire).await.map_err(|error| no_token(&error))?;
        let token: &Token = answer.id_token().ok_or(Refusal::Unproven("there is none"))?;
        match proven(token, &description, flow, now) {
            Err(Unproven::Key) => {
                let fresh = self.other_keys(provider, now).await?;
                proven(token, &fresh, flow, now)
            }
            found => found,
        }
        .map_err(Unproven::told)
    }

    /// Where somebody signs out at the provider, if it was asked at all and has such a place.
    pub async fn farewell(&self, provider: &IdentityProvider) -> Option<String> {
        let known = self.known.lock().await;
        let described = known.described.as_ref().filter(|described| described.issuer == provider.issuer)?;
        let place = described.description.additional_metadata().end_session_endpoint.as_deref();
        let mut address = reqwest::Url::parse(place.filter(|place| protected(place).is_some())?).ok()?;
        address.query_pairs_mut().append_pair("client_id", &provider.client_id);
        Some(address.to_string())
    }

    /// What the provider says about itself, asked again after a while.
    async fn description(&self, provider: &IdentityProvider, now: Timestamp) -> Result<Description, Refusal> {
        let mut known = self.known.lock().await;
        if let Some(described) = known.of(provider).filter(|described| now.since(described.at) < DESCRIBED) {
            return Ok(described.description.clone());
        }
        if let Some((issuer, at, why)) = &known.down
            && *issuer == provider.issuer
            && now.since(*at) < DOWN
        {
            return Err(why.clone());
        }
        match self.discovered(provider).await {
            Ok(description) => {
                let described =
                    Described { issuer: provider.issuer.clone(), description: description.clone(), at: now, keys_at: None };
                *known = Known { described: Some(described), down: None };
                Ok(description)
            }
            Err(why) => {
                known.down = Some((provider.issuer.clone(), now, why.clone()));
                Err(why)
            }
        }
    }

    async fn discovered(&self, provider: &IdentityProvider) -> Result<Description, Refusal> {
        let issuer = IssuerUrl::new(provider.issuer.clone());
        let issuer = issuer.map_err(|_| Refusal::Broken("the `issuer` of the provider is no address".to_owned()))?;
        let found = Description::discover_async(issuer, &self.wire).await.map_err(|error| undescribed(&error))?;
        let ends = [Some(found.authorization_endpoint().as_str()), found.token_endpoint().map(|end| end.as_str())];
        if ends.iter().flatten().any(|end| protected(end).is_none()) {
            return Err(Refusal::Unreachable("it wants to be asked without TLS".to_owned()));
        }
        Ok(found)
    }

    /// The description with the keys that the provider has now. They are not fetched for every token that somebody makes up.
    async fn other_keys(&self, provider: &IdentityProvider, now: Timestamp) -> Result<Description, Refusal> {
        let mut known = self.known.lock().await;
        let described = known.described.as_mut().filter(|described| described.issuer == provider.issuer);
        let described = described.ok_or_else(|| Unproven::Key.told())?;
        if described.keys_at.is_some_and(|at| now.since(at) < KEYS) {
            return Ok(described.description.clone());
        }
        described.keys_at = Some(now);
        let place = described.description.jwks_uri().clone();
        let keys = CoreJsonWebKeySet::fetch_async(&place, &self.wire).await.map_err(|error| undescribed(&error))?;
        described.description = described.description.clone().set_jwks(keys);
        Ok(described.description.clone())
    }
}

impl Known {
    fn of(&self, provider: &IdentityProvider) -> Option<&Described> {
        self.described.as_ref().filter(|described| described.issuer == provider.issuer)
    }
}

/// Why a token proves nothing.
enum Unproven {
    /// No key of the provider has made its signature.
    Key,
    /// Anything else.
    Other(&'static str),
}

impl Unproven {
    const fn told(self) -> Refusal {
        match self {
            Self::Key => Refusal::Unproven("no key of the provider has signed it"),
            Self::Other(why) => Refusal::Unproven(why),
        }
    }
}

/// Why a token does not count whose `iat` is not of now.
const MADE: &str = "it was made at another time";

/// What a token says, once everything about it holds.
fn proven(token: &Token, description: &Description, flow: &Flow, now: Timestamp) -> Result<Object, Unproven> {
    let seconds = now.as_millis() / 1_000;
    let clock = DateTime::from_timestamp(seconds, 0).ok_or(Unproven::Other("the clock of this host is wrong"))?;
    let client = ClientId::new(flow.provider.client_id.clone());
    let verifier = IdTokenVerifier::new_public_client(client.clone(), description.issuer().clone(), description.jwks().clone());
    let made = |iat: DateTime<Utc>| {
        let is_of_now = (-SKEW..=OLDEST).contains(&(seconds - iat.timestamp()));
        is_of_now.then_some(()).ok_or_else(|| MADE.to_owned())
    };
    let verifier = verifier.set_allowed_algs(ALGORITHMS).set_time_fn(move || clock).set_issue_time_verifier_fn(made);
    let claims = token.claims(&verifier, &Nonce::new(flow.nonce.clone())).map_err(|error| unproven(&error))?;
    if claims.authorized_party().is_some_and(|party| *party != client) {
        return Err(Unproven::Other("it was made for another client"));
    }
    match serde_json::to_value(claims) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) | Err(_) => Err(Unproven::Other("what it says cannot be understood")),
    }
}

/// The library's error without what the token says.
fn unproven(error: &ClaimsVerificationError) -> Unproven {
    Unproven::Other(match error {
        ClaimsVerificationError::Expired(why) if why == MADE => MADE,
        ClaimsVerificationError::Expired(_) => "it has expired",
        ClaimsVerificationError::InvalidAudience(_) => "it was made for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "it was made by another provider",
        ClaimsVerificationError::InvalidNonce(_) => "it was made for another sign-in",
        ClaimsVerificationError::SignatureVerification(error) => match error {
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_) => return Unproven::Key,
            SignatureVerificationError::NoSignature => "it is not signed",
            SignatureVerificationError::DisallowedAlg(_) | SignatureVerificationError::UnsupportedAlg(_) => {
                "it is signed in a way that does not count"
            }
            _ => "its signature cannot be checked",
        },
        _ => "it is not as it should be",
    })
}

fn client_of(provider: &IdentityProvider, description: Description, secret: Option<ClientSecret>) -> Result<ClientOf, Refusal> {
    let address = RedirectUrl::new(format!("{}{CALLBACK}", provider.address));
    let address = address.map_err(|_| Refusal::Broken("the `address` of the console is none".to_owned()))?;
    let client = ClientOf::from_provider_metadata(description, ClientId::new(provider.client_id.clone()), secret);
    Ok(client.set_redirect_uri(address))
}

/// Whoever says nothing about it takes the secret in the header.
fn takes_the_secret_in_the_form_only(description: &Description) -> bool {
    description.token_endpoint_auth_methods_supported().is_some_and(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretPost) && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
    })
}

fn no_token_endpoint(_: ConfigurationError) -> Refusal {
    Refusal::Unreachable("it has no place where codes are redeemed".to_owned())
}

fn no_token(error: &RequestTokenError<NoAnswer, ErrorAnswer>) -> Refusal {
    match error {
        RequestTokenError::ServerResponse(said) => Refusal::Provider(plain(said.error().as_ref())),
        RequestTokenError::Request(error) => Refusal::Unreachable(error.to_string()),
        RequestTokenError::Parse(..) => Refusal::Unproven("the answer with it cannot be understood"),
        RequestTokenError::Other(_) => Refusal::Unproven("the answer with it is none"),
    }
}

fn undescribed(error: &DiscoveryError<NoAnswer>) -> Refusal {
    Refusal::Unreachable(match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, ..) => {
            format!("asked about itself it answers {}, and not as a provider does", status.as_u16())
        }
        DiscoveryError::Parse(_) => "what it says about itself cannot be understood".to_owned(),
        DiscoveryError::Validation(_) => "it calls itself by another address than `issuer` in its file".to_owned(),
        _ => "it cannot be asked about itself".to_owned(),
    })
}
