//! The stream of what changes: nothing missed, nothing twice, and an end for whoever is signed out.

use std::fs;

use axum::body::Body;
use axum::http::Method;
use futures_util::StreamExt as _;
use pointsman::engine::Home;
use pointsman::model::{RunId, Value};
use pointsman::web::May;

use super::{Bench, Signed, ours};
use crate::engine::hands;

/// A run that is over.
fn over(home: &Home) -> RunId {
    hands::run(home, &format!("pointsman: 1\nrunbook: watched\nsteps:\n{}", hands::step("only", "ok", ""))).1
}

/// The first events of a stream, each as its name, its id and its data.
async fn events(bench: &Bench, signed: &Signed, run: &RunId, after: Option<u64>, count: usize) -> Vec<(String, String, Value)> {
    let mut request = ours(&Method::GET, &format!("/api/v1/runs/{run}/events"), Some(signed));
    if let Some(after) = after {
        request = request.header("last-event-id", after.to_string());
    }
    let response = tower::ServiceExt::oneshot(bench.app.clone(), request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body().into_data_stream();
    let (mut text, mut found) = (String::new(), Vec::new());
    while found.len() < count {
        let Some(bytes) = stream.next().await else { break };
        text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
        while let Some((event, rest)) = text.clone().split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
            found.push((field("event:"), field("id:"), serde_json::from_str(&field("data:")).unwrap_or_default()));
            text = rest.to_owned();
        }
    }
    found
}

#[test]
fn whoever_comes_back_gets_what_they_missed_once() {
    let bench = Bench::new();
    let run = over(&bench.console.settings.home);
    let signed = bench.session(May::View);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let shown = bench.get(&format!("/api/v1/runs/{run}"), &signed).await.json();
        let last = shown["seq"].as_u64().unwrap();
        assert!(last >= 3, "{shown}");
        let missed = events(&bench, &signed, &run, Some(1), 1).await;
        assert_eq!((missed[0].0.as_str(), missed[0].1.as_str()), ("patch", last.to_string().as_str()));
        let lines: Vec<u64> = missed[0].2["log"].as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(lines, (2..=last).collect::<Vec<_>>());
        let lost = events(&bench, &signed, &run, Some(last + 40), 1).await;
        assert_eq!(lost[0].0, "reset");
    });
}

#[test]
fn a_stream_ends_with_its_session() {
    let bench = Bench::new();
    let run = over(&bench.console.settings.home);
    let signed = bench.session(May::View);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sessions = async {
            tokio::task::yield_now().await;
            bench.console.sessions.end(signed.cookie.split_once('=').unwrap().1);
        };
        let last = bench.get(&format!("/api/v1/runs/{run}"), &signed).await.json()["seq"].as_u64();
        let (events, ()) = tokio::join!(events(&bench, &signed, &run, last, 100), sessions);
        assert!(events.len() < 100, "the stream went on");
    });
    assert!(fs::read_dir(bench.console.settings.home.run_dir(&run)).is_ok());
}
