//! Signing in: with the ticket that was printed, with a password, and how that is refused.

use axum::body::Body;
use axum::http::{Method, Request};
use pointsman::engine::logbook;
use pointsman::log::diary::Entry;
use pointsman::log::store::Origin;
use pointsman::log::{Log, LogFolder};
use pointsman::web::{May, Users};
use serde_json::json;

use super::{Bench, ORIGIN, PASSWORD, Reply, Signed, ours};

fn signed(reply: &Reply) -> Signed {
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
    let csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
    Signed { cookie: cookie.split(';').next().unwrap().to_owned(), csrf }
}

#[tokio::test]
async fn a_ticket_signs_in_once() {
    let bench = Bench::with(|settings| settings.users = None);
    let ticket = bench.console.tickets.issue().unwrap();
    assert_eq!(bench.post("/api/v1/session", None, json!({ "ticket": "guess" })).await.status, 401);
    let reply = bench.post("/api/v1/session", None, json!({ "ticket": ticket })).await;
    let session = signed(&reply);
    assert_eq!((reply.json()["user"]["name"].as_str(), reply.json()["mode"].as_str()), (Some("ops"), Some("local")));
    assert_eq!(bench.post("/api/v1/session", None, json!({ "ticket": ticket })).await.status, 401, "it counted twice");
    assert_eq!(bench.get("/api/v1/runs", &session).await.status, 200);
    let out = ours(&Method::DELETE, "/api/v1/session", Some(&session)).body(Body::empty()).unwrap();
    let reply = bench.send(out).await;
    assert!(reply.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(bench.get("/api/v1/runs", &session).await.status, 401);
    // Without users nobody signs in with a password.
    let reply = bench.post("/api/v1/session", None, json!({ "user": "alice", "password": PASSWORD })).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn a_password_signs_in_and_a_session_of_before_ends() {
    let bench = Bench::new();
    let home = bench.console.settings.home.clone();
    logbook::open(&home, Origin::Init, bench.console.now()).unwrap();
    for (user, password) in [("alice", "correct horse battery stable"), ("mallory", PASSWORD), ("alice", "")] {
        let reply = bench.post("/api/v1/session", None, json!({ "user": user, "password": password })).await;
        assert_eq!((reply.status.as_u16(), reply.json()["detail"].as_str()), (401, Some("the name or the password is wrong")));
        assert!(reply.headers.get("set-cookie").is_none());
    }
    let wall = signed(&bench.post("/api/v1/session", None, json!({ "user": "wall", "password": PASSWORD })).await);
    assert_eq!(bench.get("/api/v1/runs", &wall).await.status, 200);
    let alice = signed(&bench.post("/api/v1/session", Some(&wall), json!({ "user": "alice", "password": PASSWORD })).await);
    assert_eq!(bench.get("/api/v1/runs", &wall).await.status, 401, "the session of before goes on");
    assert_eq!(bench.get("/api/v1/runs", &alice).await.status, 200);
    // The diary is written beside the answers.
    let written = || {
        let log = Log::open(&LogFolder::of_home(home.path())).unwrap();
        let entries = log.diary().unwrap();
        let refused = entries.iter().filter(|line| matches!(line.event, Entry::SignInRefused { .. })).count();
        let came = entries.iter().filter(|line| matches!(line.event, Entry::SignedIn { .. })).count();
        (refused, came)
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while written() != (3, 2) {
        assert!(std::time::Instant::now() < end, "{:?} in the diary", written());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_file_of_users_is_read_again_and_sessions_of_changed_users_end() {
    let bench = Bench::new();
    let file = bench.folder.path().join("users.yaml");
    let sign_in = async |user: &str, password: &str| {
        let reply = bench.post("/api/v1/session", None, json!({ "user": user, "password": password })).await;
        (reply.status == 200).then(|| signed(&reply)).ok_or(reply.status.as_u16())
    };
    let looks = async |session: &Signed| bench.get("/api/v1/runs", session).await.status.as_u16();
    let (alice, wall) = (sign_in("alice", PASSWORD).await.unwrap(), sign_in("wall", PASSWORD).await.unwrap());
    let mut users = Users::load(&file).unwrap();
    users.set("bob", "another long password", May::View).unwrap();
    users.remove("wall");
    users.store(&file).unwrap();
    assert_eq!((looks(&alice).await, looks(&wall).await), (200, 401), "alice stayed, wall was removed");
    assert_eq!(sign_in("wall", PASSWORD).await.err(), Some(401));
    let bob = sign_in("bob", "another long password").await.unwrap();
    users.set("alice", "the password is another", May::Operate).unwrap();
    users.set("bob", "another long password", May::Operate).unwrap();
    users.store(&file).unwrap();
    assert_eq!((looks(&alice).await, looks(&bob).await), (401, 401), "a password and what somebody may do were changed");
    let bob = sign_in("bob", "another long password").await.unwrap();
    // A file that cannot be understood throws nobody out, and lets nobody in.
    std::fs::write(&file, "users: [").unwrap();
    assert_eq!((looks(&bob).await, sign_in("bob", "another long password").await.err()), (200, Some(500)));
    users.store(&file).unwrap();
    assert!(sign_in("bob", "another long password").await.is_ok());
}

#[tokio::test]
async fn passwords_are_not_tried_for_long() {
    let bench = Bench::new();
    let mut codes = Vec::new();
    for _ in 0..8 {
        let reply = bench.post("/api/v1/session", None, json!({ "user": "alice", "password": "guess guess guess" })).await;
        codes.push(reply.status.as_u16());
    }
    assert_eq!(codes, [401, 401, 401, 401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_one_that_no_other_host_can_set() {
    let bench = Bench::with(|settings| settings.origins = ["https://night.example".to_owned()].into());
    let request = Request::builder().method(Method::POST).uri("/api/v1/session").header("host", "night.example");
    let request = request.header("origin", "https://night.example").header("content-type", "application/json");
    let body = json!({ "user": "alice", "password": PASSWORD }).to_string();
    let reply = bench.send(request.body(Body::from(body)).unwrap()).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-pointsman=") && cookie.contains("; Secure"), "{cookie}");
    assert!(reply.headers.contains_key("strict-transport-security"));
    assert!(!cookie.contains(ORIGIN));
}
