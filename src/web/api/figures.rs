//! Figures for Prometheus: what an operator's alarms need of the runs, read from their journals when they are asked for.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::blocking;
use crate::engine::{is_live, load};
use crate::run::{Phase, StepStatus};
use crate::views::status::phase_word;
use crate::web::console::Console;
use crate::web::problem::Problem;

/// How many runs are told one by one: the youngest.
const TOLD: usize = 20;

type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge>;
type Seconds = Family<Labels, Gauge<f64, AtomicU64>>;

/// The figures, in the text format of Prometheus.
///
/// # Errors
/// When the folder of runs cannot be read.
pub async fn metrics(State(console): State<Arc<Console>>) -> Result<Response, Problem> {
    let text = blocking(move || told(&console)).await?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn told(console: &Console) -> Result<String, Problem> {
    let (home, now) = (&console.settings.home, console.now());
    let runs = Gauges::default();
    let steps = Gauges::default();
    let awaited = Gauges::default();
    let driven = Gauges::default();
    let records = Gauges::default();
    let left = Seconds::default();
    let sessions: Gauge = Gauge::default();
    let watched: Gauge = Gauge::default();
    sessions.set(i64::try_from(console.sessions.count(now)).unwrap_or(i64::MAX));
    watched.set(i64::try_from(console.hub.count()).unwrap_or(i64::MAX));
    let known = home.runs()?;
    for run in known.iter().rev().take(TOLD) {
        // A journal that cannot be read is told by `pointsman status`; here its run is missing.
        let Ok((state, _)) = load(home, run, None) else { continue };
        let of = |more: &[(&str, &str)]| -> Labels {
            let own = [("run", run.as_str()), ("runbook", state.plan().content().runbook.as_str())];
            own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let outcome = match state.phase() {
            Phase::Ended(outcome) => outcome.to_string(),
            phase => phase_word(phase).to_owned(),
        };
        runs.get_or_create(&of(&[("phase", &outcome)])).set(1);
        driven.get_or_create(&of(&[])).set(i64::from(is_live(home, run)));
        records.get_or_create(&of(&[])).set(i64::try_from(state.last_seq()).unwrap_or(i64::MAX));
        awaited.get_or_create(&of(&[])).set(i64::try_from(state.awaited().count()).unwrap_or(i64::MAX));
        for status in StepStatus::ALL {
            let count = state.instances().filter(|i| state.step(*i).status == status).count();
            if count > 0 {
                steps.get_or_create(&of(&[("status", status.word())])).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        if let Some(clock) = state.rollback_clock() {
            left.get_or_create(&of(&[])).set(seconds(clock.left_ms(now)));
        }
    }
    let mut registry = Registry::with_prefix("pointsman");
    registry.register("run", "Runs by where they are; 1 for each, the youngest 20", runs);
    registry.register("run_driven", "Whether an executor drives the run", driven);
    registry.register("run_records", "Records of the run's journal", records);
    registry.register("run_questions", "Steps of the run at which a person is awaited", awaited);
    registry.register("run_steps", "Steps of the run by status", steps);
    registry.register("run_rollback_seconds", "Seconds until the way back outlasts the window; negative behind it", left);
    registry.register("console_sessions", "Sessions of the console", sessions);
    registry.register("console_runs_watched", "Runs that somebody watches in the console", watched);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::broken(error.to_string()))?;
    Ok(text)
}

#[expect(clippy::cast_precision_loss, reason = "a window of more than 2^53 ms is none")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
