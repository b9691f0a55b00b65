//! Signing in through an identity provider: the way in, and every way in which it is refused.

mod provider;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request};
use pointsman::engine::logbook;
use pointsman::log::diary::Entry;
use pointsman::log::store::Origin;
use pointsman::log::{Log, LogFolder};
use pointsman::web::SignOn;
use provider::{CLIENT, Fault, Key, Provider, SECRET, Says, parameters};

use super::{Bench, ORIGIN, Reply, Signed, ours};

const NOW: i64 = 1_800_000_000;
const PERSONS: &str = "persons:\n  alice: { is: alice@example.com }\n  wall: { is: wall@example.com, may: view }\n";

/// A console with this provider, and with an installation that keeps a diary.
fn bench(provider: &Provider) -> Bench {
    let issuer = provider.0.lock().unwrap().issuer.clone();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let file = folder.path().join("oidc.yaml");
    std::fs::write(&file, described(&issuer, PERSONS)).unwrap();
    let way = Arc::new(SignOn::open(&file).unwrap());
    let mut bench = Bench::with(|settings| settings.oidc = Some(way));
    bench.beside = Some(folder);
    logbook::open(&bench.console.settings.home, Origin::Init, bench.console.now()).unwrap();
    bench
}

fn described(issuer: &str, persons: &str) -> String {
    format!(
        "issuer: {issuer}\nname: Example\nclient_id: {CLIENT}\nclient_secret: {{ file: secret }}\naddress: {ORIGIN}\nscopes: [email, groups]\n\
         claim: email\nrequire: {{ claim: groups, value: night }}\n{persons}"
    )
}

/// The value of a cookie that a reply sets.
fn cookie(reply: &Reply, name: &str) -> Option<(String, String)> {
    let lines = reply.headers.get_all("set-cookie").into_iter().map(|line| line.to_str().unwrap());
    lines.filter_map(|line| line.split_once('=').filter(|(found, _)| *found == name)).map(|(_, rest)| rest).next().map(|rest| {
        let (value, rest) = rest.split_once(';').unwrap();
        (value.to_owned(), rest.to_owned())
    })
}

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.headers["location"].to_str().unwrap()
}

impl Bench {
    /// As a browser follows a link of ours; gives where it goes and what it keeps.
    async fn depart(&self, before: Option<&Signed>) -> (String, String) {
        let reply = self.send(ours(&Method::GET, "/api/v1/oidc/start", before).body(Body::empty()).unwrap()).await;
        let (value, rest) = cookie(&reply, "pointsman-oidc").unwrap();
        assert_eq!(rest, " Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
        (location(&reply).to_owned(), value)
    }

    /// As a browser comes back from another site: with the cookie that may come along, and no other.
    async fn come_back(&self, query: &str, browser: Option<&str>) -> Reply {
        let mut request = Request::builder().uri(format!("/api/v1/oidc/callback?{query}")).header("host", "127.0.0.1:8470");
        request = request.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
        if let Some(browser) = browser {
            request = request.header("cookie", format!("pointsman-oidc={browser}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn sign_in(&self, provider: &Provider, before: Option<&Signed>) -> Reply {
        let (question, browser) = self.depart(before).await;
        let (code, state) = provider.consent(&question);
        self.come_back(&format!("code={code}&state={state}&session_state=x"), Some(&browser)).await
    }

    /// The session that a reply began.
    async fn begun(&self, reply: &Reply) -> Signed {
        assert_eq!(location(reply), "/");
        let (token, rest) = cookie(reply, "pointsman").unwrap();
        assert_eq!(rest, " Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(cookie(reply, "pointsman-oidc").unwrap().0, "", "the cookie of the way stays");
        let signed = Signed { cookie: format!("pointsman={token}"), csrf: String::new() };
        let session = self.get("/api/v1/session", &signed).await.json();
        Signed { csrf: session["csrf"].as_str().unwrap().to_owned(), ..signed }
    }

    /// What the diary says of signing in, once it has that many entries.
    async fn diary(&self, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let log = Log::open(&LogFolder::of_home(self.console.settings.home.path())).unwrap();
            let lines = log.diary().unwrap().into_iter().filter_map(|line| match line.event {
                Entry::SignedIn { user, how, .. } => Some(format!("{user} by {}", how.unwrap())),
                Entry::SignInRefused { user, how, why, .. } => Some(format!("`{user}` by {}: {}", how.unwrap(), why.unwrap())),
                _ => None,
            });
            let lines: Vec<String> = lines.collect();
            if lines.len() >= count {
                assert_eq!(lines.len(), count, "{lines:?}");
                return lines;
            }
            assert!(Instant::now() < end, "{lines:?} in the diary, and not {count}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn somebody_comes_in_through_the_provider() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    assert_eq!(provider.count("description"), 0, "nobody is asked before somebody signs in");
    let session = bench.send(ours(&Method::GET, "/api/v1/session", None).body(Body::empty()).unwrap()).await.json();
    assert_eq!((session["mode"].as_str(), session["provider"]["name"].as_str()), (Some("users"), Some("Example")));
    assert_eq!(session["provider"]["start"], format!("{ORIGIN}/api/v1/oidc/start"));

    let (question, _) = bench.depart(None).await;
    let asked = parameters(&question);
    assert_eq!(asked["redirect_uri"], format!("{ORIGIN}/api/v1/oidc/callback"));
    assert_eq!((asked["scope"].as_str(), asked["tenant"].as_str()), ("openid email groups", "1"));

    let local = bench.post("/api/v1/session", None, serde_json::json!({ "user": "wall", "password": super::PASSWORD })).await;
    let local = Signed {
        cookie: local.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned(),
        csrf: String::new(),
    };
    assert_eq!(bench.get("/api/v1/runs", &local).await.status, 200);
    let alice = bench.begun(&bench.sign_in(&provider, Some(&local)).await).await;
    assert_eq!(bench.get("/api/v1/runs", &local).await.status, 401, "the session of before goes on");
    let user = bench.get("/api/v1/session", &alice).await.json();
    assert_eq!((user["user"]["person"].as_str(), user["user"]["may"].as_str()), (Some("alice"), Some("operate")));
    provider.set(|inside| inside.fault = Fault::EdDsa);
    bench.begun(&bench.sign_in(&provider, None).await).await;
    assert_eq!((provider.count("description"), provider.count("keys"), provider.count("token")), (1, 1, 2));

    // Who signs out here is still signed in there, and is told where that ends.
    let out = ours(&Method::DELETE, "/api/v1/session", Some(&alice)).body(Body::empty()).unwrap();
    let issuer = provider.0.lock().unwrap().issuer.clone();
    assert_eq!(bench.send(out).await.json()["farewell"], format!("{issuer}/logout?client_id=pointsman"));
    assert_eq!(bench.get("/api/v1/runs", &alice).await.status, 401);
    let mut diary = bench.diary(3).await;
    diary.sort_unstable();
    assert_eq!(diary, [format!("alice by {issuer}"), format!("alice by {issuer}"), "wall by password".to_owned()]);
}

/// Nothing that the provider sent stands anywhere on the disk.
fn nothing_is_kept(bench: &Bench) {
    let mut stack = vec![bench.console.settings.home.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                stack.push(entry);
            } else if let Ok(bytes) = std::fs::read(&entry) {
                read += 1;
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("code-of") && !text.contains("eyJ") && !text.contains(SECRET), "{}", entry.display());
            }
        }
    }
    assert!(read > 0, "no file was read");
}

#[tokio::test]
async fn a_token_that_proves_nothing_lets_nobody_in() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    let mut table = String::new();
    for (number, fault) in Fault::ALL.into_iter().enumerate() {
        provider.set(|inside| inside.fault = fault);
        let reply = bench.sign_in(&provider, None).await;
        assert!(cookie(&reply, "pointsman").is_none(), "{fault:?} lets somebody in");
        assert_eq!(provider.count(&format!("{fault:?}")), 1, "{fault:?} did not happen");
        let why = bench.diary(number + 1).await.last().unwrap().replace(&provider.0.lock().unwrap().issuer, "ISSUER");
        table.push_str(&format!("{fault:?}: {}\n    {why}\n", location(&reply)));
    }
    insta::assert_snapshot!(table);
    // One key that nobody knows and two signatures that no key made: the keys were fetched again for the first of them only.
    assert_eq!((provider.count("description"), provider.count("keys")), (1, 2));
    provider.set(|inside| inside.fault = Fault::Nothing);
    bench.begun(&bench.sign_in(&provider, None).await).await;
    nothing_is_kept(&bench);
}

#[tokio::test]
async fn an_answer_that_is_not_for_this_sign_in_lets_nobody_in() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    let mut table = String::new();
    let issuer = provider.0.lock().unwrap().issuer.clone();
    let other = bench.depart(None).await;
    let queries = [
        ("guessed", "code=CODE&state=0000"),
        ("no state", "code=CODE"),
        ("neither", "state=STATE"),
        ("both twice", "code=CODE&state=STATE&code=CODE"),
        ("made up", "state=STATE&code=%ff"),
        ("said no", "state=STATE&error=access_denied&error_description=code-of-nobody"),
        ("failed", "state=STATE&error=server_error%3Cscript%3E&code=CODE"),
        ("mixed up", "state=STATE&code=CODE&iss=https://other.example"),
    ];
    let mut count = 0;
    let mut told = async |name: &str, reply: &Reply| {
        assert!(cookie(reply, "pointsman").is_none(), "{name} lets somebody in");
        assert_eq!(cookie(reply, "pointsman-oidc").unwrap().0, "", "{name}: the cookie of the way stays");
        count += 1;
        let why = bench.diary(count).await.pop().unwrap().replace(&issuer, "ISSUER");
        table.push_str(&format!("{name}: {}\n    {why}\n", location(reply)));
    };
    for (name, query) in queries {
        let (question, browser) = bench.depart(None).await;
        let (code, state) = provider.consent(&question);
        let query = query.replace("CODE", &code).replace("STATE", &state);
        told(name, &bench.come_back(&query, Some(&browser)).await).await;
    }
    for (name, seconds, browser) in [
        ("other browser", 0, Some(other.1.as_str())),
        ("no cookie", 0, None),
        ("two cookies", 0, Some("x; pointsman-oidc=y")),
        ("late", 600, Some("own")),
    ] {
        let (question, own) = bench.depart(None).await;
        let (code, state) = provider.consent(&question);
        bench.pass(seconds);
        let browser = if browser == Some("own") { Some(own.as_str()) } else { browser };
        told(name, &bench.come_back(&format!("code={code}&state={state}"), browser).await).await;
        // Even where it was not for this browser: it counts no more.
        told(&format!("{name}, once more"), &bench.come_back(&format!("code={code}&state={state}"), Some(&own)).await).await;
    }
    assert_eq!(provider.count("token"), 1, "a code was redeemed that is not the made up one");
    bench.pass(1_000);
    provider.set(|inside| (inside.names_itself, inside.now) = (true, NOW + 1_600));
    let (question, browser) = bench.depart(None).await;
    let (code, state) = provider.consent(&question);
    told("does not name itself", &bench.come_back(&format!("code={code}&state={state}"), Some(&browser)).await).await;
    let (question, browser) = bench.depart(None).await;
    let (code, state) = provider.consent(&question);
    let good = format!("code={code}&state={state}&iss={issuer}");
    bench.begun(&bench.come_back(&good, Some(&browser)).await).await;
    count += 1;
    bench.diary(count).await;
    let replayed = bench.come_back(&good, Some(&browser)).await;
    count += 1;
    let why = bench.diary(count).await.pop().unwrap().replace(&issuer, "ISSUER");
    table.push_str(&format!("replayed: {}\n    {why}\n", location(&replayed)));
    assert_eq!((provider.count("token"), cookie(&replayed, "pointsman")), (2, None));
    insta::assert_snapshot!(table);
    nothing_is_kept(&bench);
}

#[tokio::test]
async fn a_provider_that_changed_its_key_is_asked_for_it_once() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    bench.begun(&bench.sign_in(&provider, None).await).await;
    provider.set(|inside| inside.key = Key::new("second", 8));
    bench.begun(&bench.sign_in(&provider, None).await).await;
    assert_eq!(provider.count("keys"), 2);
    provider.set(|inside| inside.key = Key::new("third", 10));
    assert_eq!(location(&bench.sign_in(&provider, None).await), "/#refused=unproven", "keys are fetched for every token");
    assert_eq!(provider.count("keys"), 2);
    bench.pass(30);
    provider.set(|inside| inside.now = NOW + 30);
    bench.begun(&bench.sign_in(&provider, None).await).await;
    assert_eq!((provider.count("keys"), provider.count("description")), (3, 1));
}

#[tokio::test]
async fn without_its_provider_a_console_goes_on() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = Provider::silent(issuer.clone(), NOW);
    let bench = bench(&provider);
    let start = async || {
        let reply = bench.send(ours(&Method::GET, "/api/v1/oidc/start", None).body(Body::empty()).unwrap()).await;
        location(&reply).to_owned()
    };
    assert_eq!(start().await, "/#refused=unreachable");
    let local = bench.post("/api/v1/session", None, serde_json::json!({ "user": "alice", "password": super::PASSWORD })).await;
    assert_eq!(local.status, 200);
    let address = issuer.strip_prefix("http://").unwrap();
    provider.listen(tokio::net::TcpListener::bind(address).await.unwrap());
    assert_eq!(start().await, "/#refused=unreachable", "it is asked again at once");
    assert_eq!(provider.count("description"), 0);
    for (says, why) in [
        (Says::OtherIssuer, "it calls itself by another address than `issuer` in its file"),
        (Says::PlainEnds, "it wants to be asked without TLS"),
        (Says::Nonsense, "what it says about itself cannot be understood"),
        (Says::Nothing, "asked about itself it answers 503, and not as a provider does"),
    ] {
        provider.set(|inside| inside.says = says);
        bench.pass(5);
        let before = provider.count("description");
        assert_eq!(start().await, "/#refused=unreachable");
        assert_eq!(provider.count("description"), before + 1, "{says:?} did not happen");
        let end = Instant::now() + Duration::from_secs(60);
        while !bench.diary_says(why) {
            assert!(Instant::now() < end, "{says:?}: the diary does not say why");
            tokio::task::yield_now().await;
        }
    }
    provider.set(|inside| (inside.says, inside.now) = (Says::Rightly, NOW + 25));
    bench.pass(5);
    bench.begun(&bench.sign_in(&provider, None).await).await;
}

impl Bench {
    fn diary_says(&self, why: &str) -> bool {
        let log = Log::open(&LogFolder::of_home(self.console.settings.home.path())).unwrap();
        let lines = log.diary().unwrap();
        lines.iter().any(|line| matches!(&line.event, Entry::SignInRefused { why: Some(found), .. } if found.contains(why)))
    }
}

#[tokio::test]
async fn whoever_is_taken_out_of_the_file_is_out() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    let file = bench.beside.as_ref().unwrap().path().join("oidc.yaml");
    let issuer = provider.0.lock().unwrap().issuer.clone();
    let alice = bench.begun(&bench.sign_in(&provider, None).await).await;
    let looks = async || bench.get("/api/v1/runs", &alice).await.status.as_u16();
    // Somebody else is none of her business.
    std::fs::write(&file, described(&issuer, "persons:\n  alice: { is: alice@example.com }\n  bob: { is: bob@example.com }\n"))
        .unwrap();
    assert_eq!(looks().await, 200);
    // A file that cannot be understood throws nobody out, and lets nobody in.
    std::fs::write(&file, "issuer: [").unwrap();
    assert_eq!(looks().await, 200);
    let reply = bench.send(ours(&Method::GET, "/api/v1/oidc/start", None).body(Body::empty()).unwrap()).await;
    assert_eq!(location(&reply), "/#refused=broken");
    std::fs::write(&file, described(&issuer, "persons:\n  alice: { is: alice@example.com, may: view }\n")).unwrap();
    assert_eq!(looks().await, 401);
    let alice = bench.begun(&bench.sign_in(&provider, None).await).await;
    assert_eq!(bench.post("/api/v1/runs", Some(&alice), serde_json::json!({})).await.status, 403, "she may only look");
    std::fs::write(&file, described(&issuer, "persons:\n  bob: { is: bob@example.com }\n")).unwrap();
    assert_eq!(bench.get("/api/v1/runs", &alice).await.status, 401);
    assert_eq!(location(&bench.sign_in(&provider, None).await), "/#refused=stranger");
}

#[tokio::test]
async fn ways_to_the_provider_are_limited() {
    let provider = Provider::start(NOW).await;
    let bench = bench(&provider);
    let mut refused = 0;
    for _ in 0..70 {
        let reply = bench.come_back("state=x&code=y", None).await;
        refused += usize::from(location(&reply) == "/#refused=too_many");
    }
    assert!((1..=10).contains(&refused), "{refused} of 70 were refused");
}

#[tokio::test]
async fn a_console_without_a_provider_says_so() {
    let bench = Bench::new();
    for path in ["/api/v1/oidc/start", "/api/v1/oidc/callback?state=x&code=y"] {
        let reply = bench.send(ours(&Method::GET, path, None).body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.refusal().as_deref()), (404, Some("not-found")));
    }
}

#[test]
fn a_wrong_file_keeps_a_console_from_starting_and_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let said = |text: &str| {
        std::fs::write(folder.path().join("oidc.yaml"), text).unwrap();
        let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_pointsman"));
        serve.args(["--home", "home", "serve", "--listen", "127.0.0.1:0", "--oidc", "oidc.yaml"]).current_dir(folder.path());
        let ended = serve.output().unwrap();
        assert!(!ended.status.success() && ended.stdout.is_empty());
        String::from_utf8(ended.stderr).unwrap()
    };
    let good = described("https://login.example", PERSONS);
    let wrong = said(&good.replace("https://login.example", "http://login.example"));
    assert!(wrong.contains("error[PM0233]") && wrong.contains("oidc.yaml:1:9"), "{wrong}");
    let wrong = said(&good);
    assert!(wrong.contains("the secret file secret cannot be read"), "{wrong}");
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let wrong = said(&good);
    assert!(wrong.contains("can be read by others"), "{wrong}");
    std::fs::set_permissions(folder.path().join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let wrong = said(&good.replace(ORIGIN, "https://night.example"));
    assert!(wrong.contains("the console is not reached as https://night.example"), "{wrong}");
}
