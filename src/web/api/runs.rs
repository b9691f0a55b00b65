//! The runs: a list, and one run as its night screen shows it.

use std::sync::Arc;

use axum::extract::{Json, Path, State};
use serde_json::json;

use super::blocking;
use crate::engine::{is_live, load};
use crate::model::Value;
use crate::views::runs::{Row, json as row};
use crate::views::status::Life;
use crate::web::console::Console;
use crate::web::problem::Problem;

/// Every run, the newest first.
///
/// # Errors
/// When the folder of runs cannot be read.
pub async fn list(State(console): State<Arc<Console>>) -> Result<Json<Value>, Problem> {
    let now = console.now();
    let rows = blocking(move || {
        let home = &console.settings.home;
        let read = |run| match load(home, &run, None) {
            Ok((state, _)) => Row::Read(Box::new(state), if is_live(home, &run) { Life::Driven } else { Life::Left }),
            Err(why) => Row::Unreadable(run, why.to_string()),
        };
        Ok(home.runs()?.into_iter().rev().map(|run| row(&read(run), now)).collect::<Vec<_>>())
    });
    Ok(Json(json!({ "runs": rows.await?, "now": now })))
}

/// All that the night screen shows of a run.
///
/// # Errors
/// When there is no such run, or it cannot be read.
pub async fn show(State(console): State<Arc<Console>>, Path(run): Path<String>) -> Result<Json<Value>, Problem> {
    let shown = blocking(move || {
        let run = console.settings.home.find(&run)?;
        Ok(console.hub.follow(&run)?.snapshot())
    });
    Ok(Json(shown.await?))
}
