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
use crate::web::access::{May, PASSWORD, Visitor, Who};
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::oidc::START;
use crate::web::problem::Problem;
use crate::web::session::Ground;

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
    let admitted = match given {
        SignIn { ticket: Some(ticket), user: None, password: None } => {
            console.rates.sign_in(caller.from, "")?;
            if !console.tickets.take(&ticket) {
                return Err(Problem::signed_out("this link was used already, or a newer one took its place"));
            }
            Admitted { who: Who::Starter { login: console.settings.login.clone() }, may: May::Operate, ground: Ground::Link }
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
    let (token, visitor) = enter(&console, &caller, admitted)?;
    let mut response = Json(told(&console, Some(&visitor))).into_response();
    set_cookie(&console, &mut response, &token, "")?;
    Ok(response)
}

/// Somebody who is let in.
pub(super) struct Admitted {
    pub who: Who,
    pub may: May,
    pub ground: Ground,
}

/// Begins a session: always a new one, with a token that nobody can have known before.
pub(super) fn enter(console: &Arc<Console>, caller: &Caller, admitted: Admitted) -> Result<(String, Visitor), Problem> {
    let Admitted { who, may, ground } = admitted;
    let begun = console.sessions.begin(who, may, ground, console.now());
    let (token, visitor) = begun.map_err(|error| Problem::broken(error.to_string()))?;
    let (user, how) = (visitor.name().to_owned(), Some(visitor.how().to_owned()));
    note(console, Entry::SignedIn { user, from: caller.from.to_string(), how });
    Ok((token, visitor))
}

async fn by_password(console: &Arc<Console>, caller: &Caller, user: String, password: String) -> Result<Admitted, Problem> {
    let shared = console.clone();
    let name = user.clone();
    // Hashing takes as long as it is meant to.
    let verified = blocking(move || {
        let Some(users) = &shared.settings.users else { return Ok(None) };
        let users = users
            .now()
            .map_err(|_| Problem::broken("the file of users cannot be used now: the console says why where it runs"))?;
        Ok(users.verify(&name, &password).zip(users.entry(&name)))
    });
    let Some((may, entry)) = verified.await? else {
        let user = user.chars().take(64).collect();
        let how = Some(PASSWORD.to_owned());
        note(console, Entry::SignInRefused { user, from: caller.from.to_string(), how, why: None });
        return Err(Problem::signed_out("the name or the password is wrong"));
    };
    let who = Who::Person { person: PersonId::new(user), how: PASSWORD.to_owned() };
    Ok(Admitted { who, may, ground: Ground::Entry(entry) })
}

/// Signs out.
///
/// # Errors
/// Never; the cookie is taken back in any case.
pub async fn end(State(console): State<Arc<Console>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    if let Some(token) = &caller.token {
        console.sessions.end(token);
    }
    let mut answer = told(&console, None);
    answer["farewell"] = json!(farewell(&console, caller.anybody()).await);
    let mut response = Json(answer).into_response();
    set_cookie(&console, &mut response, "", "; Max-Age=0")?;
    Ok(response)
}

/// Where somebody who came through the provider signs out there too: the session there is not ours to end.
async fn farewell(console: &Console, visitor: Option<&Visitor>) -> Option<String> {
    let way = console.settings.oidc.as_ref()?;
    if visitor?.how() == way.provider().issuer { way.farewell().await } else { None }
}

pub(super) fn set_cookie(console: &Console, response: &mut Response, token: &str, rest: &str) -> Result<(), Problem> {
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
    let mode = match (console.settings.users.is_some(), console.takes_tickets()) {
        (true, _) => "users",
        (false, true) => "local",
        (false, false) => "provider",
    };
    let provider = console.settings.oidc.as_ref().map(|way| way.provider());
    let provider = provider.map(|provider| json!({ "name": provider.name, "start": format!("{}{START}", provider.address) }));
    json!({
        "user": user,
        "csrf": visitor.map(|visitor| visitor.csrf.as_str()),
        "mode": mode,
        "provider": provider,
        "version": env!("CARGO_PKG_VERSION"),
        "now": console.now(),
    })
}

/// Whoever comes and goes is an entry of the installation's log, where it has one.
pub(super) fn note(console: &Arc<Console>, entry: Entry) {
    let (home, now) = (console.settings.home.clone(), console.now());
    tokio::task::spawn_blocking(move || logbook::note(&home, now, entry));
}
