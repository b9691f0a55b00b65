//! The API: what the routes do. Every handler gets a caller whom the guard let through.

pub mod figures;
pub mod gates;
pub mod oidc;
pub mod openapi;
pub mod orders;
pub mod replay;
pub mod runbooks;
pub mod runs;
pub mod session;
pub mod stream;

use axum::Json;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use crate::model::Value;

/// Answers with the description of the API.
pub async fn description() -> Response {
    Json(openapi::document()).into_response()
}

/// Does what may wait for a disk, away from whoever else is served.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Problem::broken(format!("the console failed: {error}"))),
    }
}

/// A body that could not be read, as a problem of whoever sent it.
fn read(body: Result<Json<Value>, axum::extract::rejection::JsonRejection>) -> Result<Value, Problem> {
    body.map(|Json(body)| body).map_err(|error| Problem::malformed(error.body_text()))
}

/// The body as what this route takes.
fn parsed<T: serde::de::DeserializeOwned>(
    body: Result<Json<Value>, axum::extract::rejection::JsonRejection>,
) -> Result<T, Problem> {
    serde_json::from_value(read(body)?).map_err(|error| Problem::unfit(error.to_string()))
}
