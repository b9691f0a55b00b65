//! Orders: the same as those of the command line, through the same socket, on the same record.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Json, Path, State};
use serde::Deserialize;
use serde_json::json;

use super::{blocking, parsed};
use crate::authority::Claim;
use crate::engine::message::Order;
use crate::engine::{Home, load, order};
use crate::model::{RunId, Value};
use crate::run::Command;
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Orders {
    order: Order,
}

/// Gives an order.
///
/// # Errors
/// When it cannot be given. What the run says to it is an answer and no error.
pub async fn give(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Orders { order } = parsed(body)?;
    let claim = caller.visitor()?.claim();
    let given = blocking(move || {
        let run = console.settings.home.find(&run)?;
        let command: Command = order.into();
        let (state, _) = load(&console.settings.home, &run, None)?;
        if command.needs_more_than_a_session(&state) {
            return Err(Problem::forbidden(format!(
                "`{}` goes against a protected step, and a session is no proof: sign it here, or give it on the command line",
                command.word()
            )));
        }
        send(&console.settings.home, &run, command, &claim)
    });
    Ok(Json(given.await?))
}

/// Gives a command to a run, and says what became of it.
pub(super) fn send(home: &Home, run: &RunId, command: Command, claim: &Claim) -> Result<Value, Problem> {
    let ordered = order(home, run, command, claim)?;
    let (answer, why) = ordered.answer.told();
    Ok(json!({ "answer": answer, "why": why, "executor": ordered.live }))
}
