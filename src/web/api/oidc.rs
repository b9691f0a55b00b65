//! Signing in through an identity provider: there with a link, back with a redirect. Both are answered to a browser that
//! navigates, so a refusal is a page too: the sign-in page, which tells it in the reader's language.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::session::{Admitted, enter, note, set_cookie};
use crate::log::diary::Entry;
use crate::model::Digest;
use crate::web::access::Who;
use crate::web::console::Console;
use crate::web::guard::{Caller, cookie};
use crate::web::oidc::flows::LASTING;
use crate::web::oidc::{Answer, Refusal, SignOn};
use crate::web::problem::Problem;
use crate::web::session::Ground;

/// Sends the browser to the provider.
///
/// # Errors
/// When this console has none.
pub async fn start(State(console): State<Arc<Console>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let way = way(&console)?;
    if console.rates.visit(caller.from).is_err() {
        return refused(&console, &caller, way, &Refusal::TooMany);
    }
    let before = caller.token.as_ref().map(|token| Digest::of(token.as_bytes()));
    match way.begin(before, console.now()).await {
        Ok(begun) => {
            let mut response = to(&begun.address)?;
            browser_cookie(&console, &mut response, &begun.browser, LASTING.as_secs())?;
            Ok(response)
        }
        Err(refusal) => refused(&console, &caller, way, &refusal),
    }
}

/// Takes the browser back.
///
/// # Errors
/// When this console has no provider.
pub async fn callback(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let way = way(&console)?;
    if console.rates.visit(caller.from).is_err() {
        return refused(&console, &caller, way, &Refusal::TooMany);
    }
    let browser = cookie(&headers, console.flow_cookie());
    let arrived = match query.ok().and_then(|Query(pairs)| answer(pairs)) {
        Some(answer) => way.finish(answer, browser.as_deref(), console.now()).await,
        None => Err(Refusal::Malformed),
    };
    let arrived = match arrived {
        Ok(arrived) => arrived,
        Err(refusal) => return refused(&console, &caller, way, &refusal),
    };
    // The cookie of a session does not come along from another site: which one ends was noted when the sign-in began.
    for before in arrived.before.into_iter().chain(caller.token.as_ref().map(|token| Digest::of(token.as_bytes()))) {
        console.sessions.end_known(&before);
    }
    let who = Who::Person { person: arrived.person, how: arrived.issuer };
    let (token, _) = enter(&console, &caller, Admitted { who, may: arrived.may, ground: Ground::Entry(arrived.entry) })?;
    // Never to an address that came with the request.
    let mut response = to("/")?;
    set_cookie(&console, &mut response, &token, "")?;
    browser_cookie(&console, &mut response, "", 0)?;
    Ok(response)
}

fn way(console: &Console) -> Result<&SignOn, Problem> {
    console.settings.oidc.as_deref().ok_or_else(|| Problem::not_found("this console has no identity provider"))
}

/// The parameters that count; nothing where one of them stands twice.
fn answer(pairs: Vec<(String, String)>) -> Option<Answer> {
    let mut answer = Answer::default();
    for (name, value) in pairs {
        let place = match name.as_str() {
            "state" => &mut answer.state,
            "code" => &mut answer.code,
            "error" => &mut answer.error,
            "iss" => &mut answer.iss,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some(answer)
}

/// Back to the sign-in page, which says why in words of its own.
fn refused(console: &Arc<Console>, caller: &Caller, way: &SignOn, refusal: &Refusal) -> Result<Response, Problem> {
    let how = Some(way.provider().issuer.clone());
    let (user, from) = (refusal.name().to_owned(), caller.from.to_string());
    note(console, Entry::SignInRefused { user, from, how, why: Some(refusal.why()) });
    let mut response = to(&format!("/#refused={}", refusal.word()))?;
    browser_cookie(console, &mut response, "", 0)?;
    Ok(response)
}

fn to(address: &str) -> Result<Response, Problem> {
    let address = HeaderValue::from_str(address).map_err(|error| Problem::broken(error.to_string()))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}

/// What ties a sign-in to the browser. It has to come along when the provider sends the browser back, so it is not `Strict`; it opens
/// nothing by itself.
fn browser_cookie(console: &Console, response: &mut Response, value: &str, seconds: u64) -> Result<(), Problem> {
    let secure = if console.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", console.flow_cookie());
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| Problem::broken(error.to_string()))?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(())
}
