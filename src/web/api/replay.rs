//! A run that is over, told again: how its night goes, and the run as it was behind any of its records.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Json, Path, Query, State};

use super::blocking;
use crate::model::Value;
use crate::web::console::Console;
use crate::web::problem::Problem;

/// When each record came, what is worth going to, and the beginning.
///
/// # Errors
/// When there is no such run, it cannot be read, or it is not over.
pub async fn whole(State(console): State<Arc<Console>>, Path(run): Path<String>) -> Result<Json<Value>, Problem> {
    let told = blocking(move || {
        let run = console.settings.home.find(&run)?;
        console.tapes.of(&run)?.whole()
    });
    Ok(Json(told.await?))
}

/// The run as it was behind a record; with `since` only what changed from there on.
///
/// # Errors
/// When there is no such run or record, or the run is not over.
pub async fn at(
    State(console): State<Arc<Console>>,
    Path((run, seq)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let seq = record(&seq)?;
    let since = query.get("since").map(|since| record(since)).transpose()?;
    let told = blocking(move || {
        let run = console.settings.home.find(&run)?;
        console.tapes.of(&run)?.at(seq, since)
    });
    Ok(Json(told.await?))
}

fn record(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::malformed(format!("`{text}` is no number of a record")))
}
