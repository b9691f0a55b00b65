//! What changes about a run, as server-sent events: each patch carries the number of its last record as its id, so that a browser
//! that was cut off goes on where it was.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::blocking;
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::hub::{Patch, Watching};
use crate::web::problem::Problem;

/// The stream of one viewer.
struct Viewing {
    console: Arc<Console>,
    token: String,
    watching: Watching,
    /// What is said before anything new is waited for.
    first: Option<Event>,
    /// The last record that the viewer has.
    seq: u64,
    closed: CancellationToken,
}

/// Streams what changes, from behind the record that `Last-Event-ID` names on.
///
/// # Errors
/// When there is no such run, or it cannot be read.
pub async fn events(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
    axum::extract::Query(query): axum::extract::Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let given = headers.get("last-event-id").and_then(|id| id.to_str().ok()).or(query.get("after").map(String::as_str));
    let seq = match given.map(str::parse::<u64>) {
        None => None,
        Some(Ok(seq)) => Some(seq),
        Some(Err(_)) => return Err(Problem::malformed("`Last-Event-ID` is the number of a record")),
    };
    let shared = console.clone();
    let watching = blocking(move || {
        let run = shared.settings.home.find(&run)?;
        Ok(shared.hub.follow(&run)?.watch(seq))
    });
    let watching = watching.await?;
    let first = if watching.is_lost { Some(reset()) } else { watching.missed.as_deref().map(told) };
    let token = caller.token.clone().unwrap_or_default();
    let viewing = Viewing { closed: console.hub.closed(), console, token, watching, first, seq: seq.unwrap_or(0) };
    let mut response = Sse::new(stream(viewing)).into_response();
    // What stands between must not hold back what is meant to be seen now.
    response.headers_mut().insert(header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

fn stream(viewing: Viewing) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(viewing, |mut viewing| async move {
        let event = viewing.next().await?;
        Some((Ok(event), viewing))
    })
}

impl Viewing {
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let received = tokio::select! {
                () = self.closed.cancelled() => return None,
                received = self.watching.patches.recv() => received,
            };
            // Each pulse asks again: whoever is signed out sees nothing more.
            if !self.console.is_valid(&self.token) {
                return None;
            }
            match received {
                Ok(patch) if patch.is_reset => return Some(reset()),
                Ok(patch) if patch.seq < self.seq => {}
                Ok(patch) => {
                    self.seq = patch.seq;
                    return Some(told(&patch));
                }
                Err(RecvError::Lagged(_)) => {
                    self.watching = self.watching.channel.watch(Some(self.seq));
                    if self.watching.is_lost {
                        return Some(reset());
                    }
                    if let Some(missed) = self.watching.missed.take() {
                        self.seq = missed.seq;
                        return Some(told(&missed));
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn told(patch: &Patch) -> Event {
    Event::default().event("patch").id(patch.seq.to_string()).data(&patch.text)
}

/// Says that everything has to be asked for anew.
fn reset() -> Event {
    Event::default().event("reset").data("{}")
}
