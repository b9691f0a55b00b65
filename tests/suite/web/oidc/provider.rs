//! A small provider that speaks the real protocol over a real socket, and misbehaves where it is told to. It counts what it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pointsman::model::Value;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use signature::Signer as _;

pub const CLIENT: &str = "pointsman";
pub const SECRET: &str = "the-secret-of-the-client";

/// What is wrong with what a code is redeemed for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    Nothing,
    EdDsa,
    WrongNonce,
    NoNonce,
    WrongAudience,
    TwoAudiences,
    OtherParty,
    OtherIssuer,
    Expired,
    FromTheFuture,
    Old,
    NoSignature,
    SharedSecret,
    PublicKeyAsSecret,
    UnknownKey,
    OtherKey,
    ChangedClaims,
    EmailUnverified,
    NoEmail,
    Stranger,
    OutsideTheGroup,
    NoToken,
    Garbage,
    Refused,
    Redirected,
    Endless,
}

impl Fault {
    pub const ALL: [Self; 24] = [
        Self::WrongNonce,
        Self::NoNonce,
        Self::WrongAudience,
        Self::TwoAudiences,
        Self::OtherParty,
        Self::OtherIssuer,
        Self::Expired,
        Self::FromTheFuture,
        Self::Old,
        Self::NoSignature,
        Self::SharedSecret,
        Self::PublicKeyAsSecret,
        Self::UnknownKey,
        Self::OtherKey,
        Self::ChangedClaims,
        Self::EmailUnverified,
        Self::NoEmail,
        Self::Stranger,
        Self::OutsideTheGroup,
        Self::NoToken,
        Self::Garbage,
        Self::Refused,
        Self::Redirected,
        Self::Endless,
    ];
}

/// What the provider says about itself otherwise than it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Rightly,
    OtherIssuer,
    PlainEnds,
    Nonsense,
    Nothing,
}

/// The inside of the provider, for the test to turn and to count.
pub struct Inside {
    pub issuer: String,
    pub fault: Fault,
    pub says: Says,
    /// Whether it promises to name itself in each answer.
    pub names_itself: bool,
    /// The time of the console, in seconds.
    pub now: i64,
    pub key: Key,
    /// How often each was asked, and each fault done.
    pub counts: BTreeMap<String, usize>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
}

/// A key pair for ES256 and one for EdDSA, under one name each.
pub struct Key {
    pub name: &'static str,
    ec: p256::ecdsa::SigningKey,
    ed: ed25519_dalek::SigningKey,
}

impl Key {
    pub fn new(name: &'static str, seed: u8) -> Self {
        let ec = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
        Self { name, ec, ed: ed25519_dalek::SigningKey::from_bytes(&[seed; 32]) }
    }

    fn public(&self) -> Value {
        let point = self.ec.verifying_key().to_encoded_point(false);
        let (x, y) = (b64(point.x().unwrap()), b64(point.y().unwrap()));
        json!([
            { "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.name, "x": x, "y": y },
            { "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": format!("{}-ed", self.name), "x": b64(self.ed.verifying_key().as_bytes()) },
        ])
    }
}

#[derive(Clone)]
pub struct Provider(pub Arc<Mutex<Inside>>);

impl Provider {
    /// A provider that listens from now on.
    pub async fn start(now: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self::silent(issuer, now);
        provider.listen(listener);
        provider
    }

    /// One to which nobody listens yet.
    pub fn silent(issuer: String, now: i64) -> Self {
        let inside = Inside {
            issuer,
            fault: Fault::Nothing,
            says: Says::Rightly,
            names_itself: false,
            now,
            key: Key::new("first", 7),
            counts: BTreeMap::new(),
            codes: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(inside)))
    }

    pub fn listen(&self, listener: tokio::net::TcpListener) {
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .route("/token", post(redeem))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }

    pub fn set(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    pub fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().counts.get(what).copied().unwrap_or_default()
    }

    /// The person says yes: what the browser is sent back with.
    pub fn consent(&self, question: &str) -> (String, String) {
        let asked = parameters(question);
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
        assert_eq!((asked["code_challenge_method"].as_str(), asked["code_challenge"].len()), ("S256", 43));
        assert!(
            asked["scope"].split(' ').any(|scope| scope == "openid") && asked["nonce"].len() >= 43 && asked["state"].len() >= 43
        );
        let mut inside = self.0.lock().unwrap();
        let code = format!("code-of-{}", inside.codes.len());
        let state = asked["state"].clone();
        inside.codes.insert(code.clone(), asked);
        (code, state)
    }
}

/// The parameters of an address.
pub fn parameters(address: &str) -> BTreeMap<String, String> {
    reqwest::Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

async fn describe(State(provider): State<Provider>) -> Response {
    let mut inside = provider.0.lock().unwrap();
    inside.note("description");
    let issuer = inside.issuer.clone();
    let (named, ends) = match inside.says {
        Says::Rightly => (issuer.clone(), issuer.clone()),
        Says::OtherIssuer => ("https://other.example".to_owned(), issuer.clone()),
        Says::PlainEnds => (issuer.clone(), "http://login.example".to_owned()),
        Says::Nonsense => return Json(json!({ "issuer": issuer })).into_response(),
        Says::Nothing => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    Json(json!({
        "issuer": named, "authorization_endpoint": format!("{ends}/auth?tenant=1"), "token_endpoint": format!("{ends}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        // That it would take these too must not matter.
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256", "none"],
        "authorization_response_iss_parameter_supported": inside.names_itself,
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut inside = provider.0.lock().unwrap();
    inside.note("keys");
    Json(json!({ "keys": inside.key.public() }))
}

async fn redeem(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let mut inside = provider.0.lock().unwrap();
    inside.note("token");
    let given = parameters(&format!("http://x/?{body}"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    let asked = inside.codes.remove(given.get("code").map_or("", String::as_str));
    let challenge = b64(&Sha256::digest(given.get("code_verifier").map_or("", String::as_str).as_bytes()));
    let is_right = headers.get(header::AUTHORIZATION).is_some_and(|found| *found == *basic)
        && asked.as_ref().is_some_and(|asked| {
            asked["code_challenge"] == challenge && Some(&asked["redirect_uri"]) == given.get("redirect_uri")
        });
    let fault = inside.fault;
    inside.note(&format!("{fault:?}"));
    let asked = match asked {
        Some(asked) if is_right && fault != Fault::Refused => asked,
        _ => {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant", "error_description": "code-of-somebody" })))
                .into_response();
        }
    };
    match fault {
        Fault::Redirected => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{}/token", inside.issuer))]).into_response()
        }
        Fault::Endless => vec![b' '; 2 << 20].into_response(),
        Fault::Garbage => "this is no answer".into_response(),
        Fault::NoToken => Json(json!({ "access_token": "a", "token_type": "Bearer" })).into_response(),
        _ => Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": inside.token(&asked["nonce"]) }))
            .into_response(),
    }
}

impl Inside {
    fn note(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn token(&self, nonce: &str) -> String {
        let now = self.now;
        let mut claims = json!({
            "iss": self.issuer, "sub": "0042", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce,
            "email": "Alice@example.com", "email_verified": true, "groups": ["day", "night"],
        });
        match self.fault {
            Fault::WrongNonce => claims["nonce"] = json!("0".repeat(64)),
            Fault::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Fault::WrongAudience => claims["aud"] = json!("other"),
            Fault::TwoAudiences => claims["aud"] = json!([CLIENT, "other"]),
            Fault::OtherParty => claims["azp"] = json!("other"),
            Fault::OtherIssuer => claims["iss"] = json!("https://other.example"),
            Fault::Expired => claims["exp"] = json!(now - 1),
            Fault::FromTheFuture => claims["iat"] = json!(now + 150),
            Fault::Old => claims["iat"] = json!(now - 700),
            Fault::EmailUnverified => claims["email_verified"] = json!(false),
            Fault::NoEmail => drop(claims.as_object_mut().unwrap().remove("email")),
            Fault::Stranger => claims["email"] = json!("mallory@example.com"),
            Fault::OutsideTheGroup => claims["groups"] = json!(["day"]),
            _ => {}
        }
        self.signed(&claims)
    }

    fn signed(&self, claims: &Value) -> String {
        let other = Key::new("first", 9);
        let public = self.key.ec.verifying_key().to_encoded_point(false);
        let (alg, kid) = match self.fault {
            Fault::NoSignature => ("none", self.key.name.to_owned()),
            Fault::SharedSecret | Fault::PublicKeyAsSecret => ("HS256", self.key.name.to_owned()),
            Fault::UnknownKey => ("ES256", "nobody's".to_owned()),
            Fault::EdDsa => ("EdDSA", format!("{}-ed", self.key.name)),
            _ => ("ES256", self.key.name.to_owned()),
        };
        let head = b64(json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string().as_bytes());
        let text = format!("{head}.{}", b64(claims.to_string().as_bytes()));
        let by = |key: &Key| {
            let signature: p256::ecdsa::Signature = key.ec.sign(text.as_bytes());
            signature.to_bytes().to_vec()
        };
        let signature = match self.fault {
            Fault::NoSignature => Vec::new(),
            Fault::SharedSecret => hmac(SECRET.as_bytes(), text.as_bytes()),
            Fault::PublicKeyAsSecret => hmac(public.as_bytes(), text.as_bytes()),
            Fault::UnknownKey | Fault::OtherKey => by(&other),
            Fault::EdDsa => self.key.ed.sign(text.as_bytes()).to_vec(),
            _ => by(&self.key),
        };
        let text = if self.fault == Fault::ChangedClaims {
            let mut changed = claims.clone();
            changed["email"] = json!("wall@example.com");
            format!("{head}.{}", b64(changed.to_string().as_bytes()))
        } else {
            text
        };
        format!("{text}.{}", b64(&signature))
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key))
    } else {
        block[..key.len()].copy_from_slice(key)
    }
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
