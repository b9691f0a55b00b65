//! Every route in every state of a caller: the table is made from the router, so a route that is forgotten here does not exist.

use axum::body::Body;
use axum::http::Method;
use pointsman::web::{Access, May, Route, routes};

use super::{Bench, ORIGIN, Signed, ours};

/// How somebody calls a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    Operator,
    Viewer,
    Nobody,
    Expired,
    SignedOut,
    Guessed,
    TwoCookies,
    WrongHost,
    NoHost,
    WrongOrigin,
    NullOrigin,
    NoOrigin,
    CrossSite,
    SameSite,
    NoWord,
    WrongWord,
    OthersWord,
    NotJson,
}

impl Caller {
    const ALL: [Self; 18] = [
        Self::Operator,
        Self::Viewer,
        Self::Nobody,
        Self::Expired,
        Self::SignedOut,
        Self::Guessed,
        Self::TwoCookies,
        Self::WrongHost,
        Self::NoHost,
        Self::WrongOrigin,
        Self::NullOrigin,
        Self::NoOrigin,
        Self::CrossSite,
        Self::SameSite,
        Self::NoWord,
        Self::WrongWord,
        Self::OthersWord,
        Self::NotJson,
    ];

    /// What the guard says, or nothing where it lets the request through to the handler.
    fn refusal(self, route: &Route) -> Option<&'static str> {
        let changes = route.method != Method::GET;
        let asks = route.access != Access::Anybody;
        let acts = route.access == Access::Operator;
        match self {
            Self::Operator => None,
            Self::Viewer => acts.then_some("forbidden"),
            Self::Nobody | Self::Expired | Self::SignedOut | Self::Guessed | Self::TwoCookies => asks.then_some("signed-out"),
            Self::WrongHost | Self::NoHost => Some("wrong-host"),
            Self::WrongOrigin | Self::NullOrigin | Self::CrossSite | Self::SameSite => Some("cross-site"),
            Self::NoOrigin => changes.then_some("cross-site"),
            Self::NoWord | Self::WrongWord | Self::OthersWord => (changes && asks).then_some("cross-site"),
            Self::NotJson => changes.then_some("not-json"),
        }
    }

    fn request(self, bench: &Bench, route: &Route) -> axum::http::Request<Body> {
        let path = route.path.replace("{run}", "nothing").replace("{step}", "nothing").replace("{seq}", "1");
        let operator = bench.session(May::Operate);
        let plain = |signed: &Signed| ours(&route.method, &path, Some(signed));
        let mut request = match self {
            Self::Viewer => plain(&bench.session(May::View)),
            Self::Nobody => ours(&route.method, &path, None),
            Self::Expired => {
                bench.pass(3 * 3_600);
                plain(&operator)
            }
            Self::SignedOut => {
                bench.console.sessions.end(operator.cookie.split_once('=').unwrap().1);
                plain(&operator)
            }
            Self::Guessed => plain(&Signed { cookie: format!("{}={}", bench.console.cookie(), "0".repeat(64)), ..operator }),
            Self::TwoCookies => {
                plain(&Signed { cookie: format!("{}=x; {}", bench.console.cookie(), operator.cookie), csrf: operator.csrf })
            }
            Self::NoWord => plain(&Signed { csrf: String::new(), ..operator }),
            Self::WrongWord => plain(&Signed { csrf: "0".repeat(64), ..operator }),
            Self::OthersWord => plain(&Signed { csrf: bench.session(May::Operate).csrf, ..operator }),
            _ => plain(&operator),
        }
        .body(Body::from("{}"))
        .unwrap();
        let headers = request.headers_mut();
        let mut set = |name: &'static str, value: Option<&str>| match value {
            Some(value) => drop(headers.insert(name, value.parse().unwrap())),
            None => drop(headers.remove(name)),
        };
        match self {
            Self::WrongHost => set("host", Some("evil.example:8470")),
            Self::NoHost => set("host", None),
            Self::WrongOrigin => set("origin", Some("https://evil.example")),
            Self::NullOrigin => set("origin", Some("null")),
            Self::NoOrigin => set("origin", None),
            Self::CrossSite => set("sec-fetch-site", Some("cross-site")),
            // Another port of the same host is the same site to a browser, and another program to us.
            Self::SameSite => set("sec-fetch-site", Some("same-site")),
            Self::NotJson => set("content-type", Some("text/plain")),
            _ => {}
        }
        request
    }
}

/// What only the guard says. A handler that was reached says something else about a run that is not there.
const GUARDS: [&str; 6] = ["signed-out", "forbidden", "cross-site", "wrong-host", "not-json", "too-many"];

#[tokio::test]
async fn every_route_refuses_every_caller_that_it_must() {
    let bench = Bench::new();
    let (mut refused, mut passed, mut table) = (0, 0, String::new());
    for route in routes() {
        table.push_str(&format!("{:6} {} ({})\n", route.method.as_str(), route.path, route.access.word()));
        for caller in Caller::ALL {
            let reply = bench.send(caller.request(&bench, &route)).await;
            let found = reply.refusal();
            let by_guard = found.as_deref().filter(|code| GUARDS.contains(code));
            // Whoever signs in with nothing is told so by the handler.
            let by_handler = route.path == "/api/v1/session" && route.method == Method::POST && found.as_deref() == Some("unfit");
            let wanted = caller.refusal(&route);
            assert!(
                by_guard == wanted || by_handler,
                "{} {} as {caller:?}: {found:?} and not {wanted:?}",
                route.method,
                route.path
            );
            let headers = &reply.headers;
            assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
            assert_eq!(headers["x-content-type-options"], "nosniff");
            if route.path.starts_with("/api") {
                assert_eq!(headers["cache-control"], "no-store", "{}", route.path);
            }
            match wanted {
                Some(code) => {
                    refused += 1;
                    table.push_str(&format!("       {caller:?}: {code}\n"));
                }
                None => passed += 1,
            }
        }
    }
    assert!(refused > 300 && passed > 50, "{refused} refused, {passed} let through");
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_link_from_another_site_opens_the_page_and_nothing_else() {
    let bench = Bench::new();
    let signed = bench.session(May::Operate);
    let link = |path: &str| {
        let request = ours(&Method::GET, path, Some(&signed)).header("sec-fetch-site", "cross-site");
        request.header("sec-fetch-mode", "navigate").body(Body::empty()).unwrap()
    };
    assert_eq!(bench.send(link("/")).await.status, 200);
    let foreign = ours(&Method::GET, "/", None).header("origin", "https://evil.example").body(Body::empty()).unwrap();
    assert_eq!(bench.send(foreign).await.refusal().as_deref(), Some("cross-site"));
    assert!(ORIGIN.starts_with("http://127"));
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let bench = Bench::new();
    let signed = bench.session(May::View);
    let mut refused = 0;
    for _ in 0..2_000 {
        refused += usize::from(bench.get("/api/v1/session", &signed).await.refusal().as_deref() == Some("too-many"));
    }
    assert!(refused > 0, "2 000 requests at once were all answered");
}
