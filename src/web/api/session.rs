//! Signing in and out.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Json, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::{blocking, parsed};
use crate::engine::logbook;
use crate::log::diary::Entry;
use crate::model::{PersonId, Value};
use crate::web::access::{May, Visitor, Who};
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::problem::Problem;

/// What somebody signs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: Option<String>,
    password: Option<String>,
    ticket: Option<String>,
}

/// Who is signed in.
pub async fn show(State(console): State<Arc<Console>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(told(&console, caller.anybody()))
}

/// Signs somebody in: with the ticket that was printed, or with a password.
///
/// # Errors
/// When it is not right, or was tried too often.
pub async fn begin(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, Problem> {
    let given: SignIn = parsed(body)?;
    let (who, may) = match given {
        SignIn { ticket: Some(ticket), user: None, password: None } => {
            console.rates.sign_in(caller.from, "")?;
            if !console.tickets.take(&ticket) {
                return Err(Problem::signed_out("this link was used already, or a newer one took its place"));
            }
            (Who::Starter { login: console.settings.login.clone() }, May::Operate)
        }
        SignIn { ticket: None, user: Some(user), password: Some(password) } => {
            console.rates.sign_in(caller.from, &user)?;
            by_password(&console, &caller, user, password).await?
        }
        SignIn { .. } => return Err(Problem::unfit("send `user` and `password`, or `ticket`")),
    };
    if let Some(before) = &caller.token {
        // A session of before does not go on under another name.
        console.sessions.end(before);
    }
    let (token, visitor) = console.sessions.begin(who, may, console.now()).map_err(|error| Problem::broken(error.to_string()))?;
    note(&console, Entry::SignedIn { user: visitor.name().to_owned(), from: caller.from.to_string() });
    let mut response = Json(told(&console, Some(&visitor))).into_response();
    set_cookie(&console, &mut response, &token, "")?;
    Ok(response)
}

async fn by_password(console: &Arc<Console>, caller: &Caller, user: String, password: String) -> Result<(Who, May), Problem> {
    let shared = console.clone();
    let name = user.clone();
    // Hashing takes as long as it is meant to.
    let may = blocking(move || Ok(shared.settings.users.as_ref().and_then(|users| users.verify(&name, &password)))).await?;
    let Some(may) = may else {
        note(console, Entry::SignInRefused { user: user.chars().take(64).collect(), from: caller.from.to_string() });
        return Err(Problem::signed_out("the name or the password is wrong"));
    };
    Ok((Who::Person { person: PersonId::new(user), how: "password".to_owned() }, may))
}

/// Signs out.
///
/// # Errors
/// Never; the cookie is taken back in any case.
pub async fn end(State(console): State<Arc<Console>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    if let Some(token) = &caller.token {
        console.sessions.end(token);
    }
    let mut response = Json(told(&console, None)).into_response();
    set_cookie(&console, &mut response, "", "; Max-Age=0")?;
    Ok(response)
}

fn set_cookie(console: &Console, response: &mut Response, token: &str, rest: &str) -> Result<(), Problem> {
    let secure = if console.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{rest}", console.cookie());
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| Problem::broken(error.to_string()))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(())
}

fn told(console: &Console, visitor: Option<&Visitor>) -> Value {
    let user = visitor.map(|visitor| {
        let person = match &visitor.who {
            Who::Starter { .. } => None,
            Who::Person { person, .. } => Some(person),
        };
        json!({ "name": visitor.name(), "person": person, "may": visitor.may.word() })
    });
    json!({
        "user": user,
        "csrf": visitor.map(|visitor| visitor.csrf.as_str()),
        "mode": if console.settings.users.is_some() { "users" } else { "local" },
        "version": env!("CARGO_PKG_VERSION"),
        "now": console.now(),
    })
}

/// Whoever comes and goes is an entry of the installation's log, where it has one.
fn note(console: &Arc<Console>, entry: Entry) {
    let (home, now) = (console.settings.home.clone(), console.now());
    tokio::task::spawn_blocking(move || logbook::note(&home, now, entry));
}
