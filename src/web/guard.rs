//! The guard before every route: which host is meant, from which site it is asked, how often, by whom, and whether they may.
//!
//! The order matters: what costs nothing comes first, and nobody learns whether a session is valid from another site.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::access::{Access, May, Visitor};
use super::console::Console;
use super::problem::Problem;

/// What changing requests carry besides the cookie: only our own pages can read it.
pub const CSRF: &str = "x-pointsman-csrf";

/// The pages load nothing from anywhere else, run no script that is not a file of ours, and nobody frames them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
require-trusted-types-for 'script'; trusted-types 'none'";

/// The guard of one route.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The console.
    pub console: Arc<Console>,
    /// What the route asks for.
    pub access: Access,
}

/// Who calls, as the guard found out.
#[derive(Clone, Debug)]
pub struct Caller {
    visitor: Option<Visitor>,
    /// The token of the session.
    pub token: Option<String>,
    /// From where.
    pub from: IpAddr,
}

impl Caller {
    /// The visitor.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn visitor(&self) -> Result<&Visitor, Problem> {
        self.visitor.as_ref().ok_or_else(|| Problem::signed_out("sign in first"))
    }

    /// The visitor, if somebody is signed in.
    pub const fn anybody(&self) -> Option<&Visitor> {
        self.visitor.as_ref()
    }
}

/// Lets a request through to its route, or answers why not.
pub async fn guard(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_secure = guard.console.is_secure();
    let path = request.uri().path();
    let is_asset = !path.starts_with("/api/") && path != "/metrics";
    let mut response = match guard.pass(peer.ip(), &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    protect(response.headers_mut(), is_secure, is_asset);
    response
}

impl Guard {
    fn pass(&self, from: IpAddr, request: &Request) -> Result<Caller, Problem> {
        let headers = request.headers();
        let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let host = text(headers, &header::HOST).or(authority).unwrap_or_default();
        if !self.console.is_host(host) {
            return Err(Problem::wrong_host("this console is not known by that name: see --origin of `pointsman serve`"));
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        self.is_own_page(headers, changes)?;
        self.console.rates.request(from)?;
        if changes && !is_json(headers) {
            return Err(Problem::not_json("send `Content-Type: application/json`"));
        }
        let token = cookie(headers, self.console.cookie());
        let visitor = token.as_deref().and_then(|token| self.console.used(token));
        let wanted = match self.access {
            Access::Anybody => return Ok(Caller { visitor, token, from }),
            Access::Collector if self.is_collector(headers) => return Ok(Caller { visitor, token, from }),
            Access::Viewer | Access::Collector => May::View,
            Access::Operator => May::Operate,
        };
        let found = visitor.as_ref().ok_or_else(|| Problem::signed_out("sign in first"))?;
        // Two random texts of 64 digits: what a comparison takes longer says nothing about them.
        if changes && text(headers, &HeaderName::from_static(CSRF)) != Some(found.csrf.as_str()) {
            return Err(Problem::cross_site("the request does not carry the word of this session"));
        }
        if found.may < wanted {
            return Err(Problem::forbidden(format!("{} may look, and not act", found.name())));
        }
        Ok(Caller { visitor, token, from })
    }

    /// A page of another site may link to ours, and do nothing else.
    fn is_own_page(&self, headers: &HeaderMap, changes: bool) -> Result<(), Problem> {
        let origin = text(headers, &header::ORIGIN);
        let is_foreign = origin.is_some_and(|origin| !self.console.is_origin(origin));
        let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
        let is_link = text(headers, &HeaderName::from_static("sec-fetch-mode")) == Some("navigate") && !changes;
        let crosses = site.is_some_and(|site| !matches!(site, "same-origin" | "none")) && !is_link;
        if is_foreign || crosses {
            return Err(Problem::cross_site("the request comes from a page of another site"));
        }
        if changes && origin.is_none() {
            return Err(Problem::cross_site("a changing request says its `Origin`"));
        }
        Ok(())
    }

    fn is_collector(&self, headers: &HeaderMap) -> bool {
        let known = &self.console.settings.collector;
        !known.is_empty() && known.take(text(headers, &header::AUTHORIZATION))
    }
}

fn protect(headers: &mut HeaderMap, is_secure: bool, is_asset: bool) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()");
    set("cache-control", if is_asset { "no-cache" } else { "no-store" });
    if is_secure {
        set("strict-transport-security", "max-age=31536000");
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The cookie of this name. Where a browser sends two, somebody else has set one of them: then neither counts.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.next().filter(|_| found.next().is_none())
}
