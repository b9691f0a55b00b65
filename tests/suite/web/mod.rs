//! The console: who is let in, what is refused, and that it shows and orders what the command line does.

mod api;
mod guarded;
#[cfg(feature = "oidc")]
mod oidc;
mod passkeys;
mod replaying;
mod signing_in;
mod watching;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use pointsman::engine::Home;
use pointsman::log::token::Tokens;
use pointsman::model::{Timestamp, Value};
use pointsman::views::Invocation;
use pointsman::web::session::{Ground, Lasting};
use pointsman::web::{Console, May, Settings, Users, Who, app};
use serde_json::json;
use tower::ServiceExt as _;

pub const ORIGIN: &str = "http://127.0.0.1:8470";
pub const PASSWORD: &str = "correct horse battery staple";

/// A console over a home of its own, with a clock that the test turns.
pub struct Bench {
    pub console: Arc<Console>,
    pub app: Router,
    pub folder: tempfile::TempDir,
    /// A folder that goes when this does.
    pub beside: Option<tempfile::TempDir>,
    clock: Arc<AtomicI64>,
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// A session, as a browser keeps it.
#[derive(Clone)]
pub struct Signed {
    pub cookie: String,
    pub csrf: String,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let read = clock.clone();
        let mut users = Users::default();
        users.set("alice", PASSWORD, May::Operate).unwrap();
        users.set("wall", PASSWORD, May::View).unwrap();
        let file = folder.path().join("users.yaml");
        users.store(&file).unwrap();
        let mut settings = Settings {
            home: Home::new(folder.path().join("home")),
            how: Invocation::default(),
            program: env!("CARGO_BIN_EXE_pointsman").into(),
            runbooks: Some(folder.path().join("runbooks")),
            users: Some(Arc::new(Users::open(&file).unwrap())),
            oidc: None,
            login: "ops".to_owned(),
            lasting: Lasting::default(),
            origins: [ORIGIN.to_owned()].into(),
            collector: Tokens::default(),
            now: Arc::new(move || Timestamp::from_millis(read.load(Ordering::SeqCst))),
        };
        change(&mut settings);
        let console = Arc::new(Console::new(settings));
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);
        let app = app(console.clone()).layer(MockConnectInfo(peer));
        Self { console, app, folder, beside: None, clock }
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub fn session(&self, may: May) -> Signed {
        let who = Who::Starter { login: "ops".to_owned() };
        let (token, visitor) = self.console.sessions.begin(who, may, Ground::Link, self.console.now()).unwrap();
        Signed { cookie: format!("{}={token}", self.console.cookie()), csrf: visitor.csrf }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap();
        Reply { status: head.status, headers: head.headers, text }
    }

    pub async fn get(&self, path: &str, signed: &Signed) -> Reply {
        self.send(ours(&Method::GET, path, Some(signed)).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, signed: Option<&Signed>, body: Value) -> Reply {
        self.send(ours(&Method::POST, path, signed).body(Body::from(body.to_string())).unwrap()).await
    }
}

/// A request as one of our own pages makes it.
pub fn ours(method: &Method, path: &str, signed: Option<&Signed>) -> axum::http::request::Builder {
    let mut request = Request::builder().method(method.clone()).uri(path).header("host", "127.0.0.1:8470");
    if *method != Method::GET {
        request = request.header("origin", ORIGIN).header("content-type", "application/json");
    }
    if let Some(signed) = signed {
        request = request.header("cookie", &signed.cookie).header("x-pointsman-csrf", &signed.csrf);
    }
    request
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| json!({ "text": self.text }))
    }

    /// The code of a refusal; nothing where the request came through.
    pub fn refusal(&self) -> Option<String> {
        let is_problem = self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
        is_problem.then(|| self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}
