//! The API: described, the same orders as the command line, and a session that is no proof.

use std::fs;
use std::time::{Duration, Instant};

use pointsman::engine::load;
use pointsman::model::{RunId, Value};
use pointsman::run::{Event, Phase};
use pointsman::web::May;
use pointsman::web::api::openapi;
use serde_json::json;

use super::{Bench, Signed};

pub const GATE: &str = "\
pointsman: 1
runbook: night
environment: shop-live
steps:
  go-live:
    action: gate.approval
    with: { prompt: Shall we?, approvers: { commander: 1 }, deadline: 15m }
  act:
    needs: [go-live]
    action: command
    with: { argv: [\"true\"] }
    in_doubt: ask
    undo: { nothing: it leaves nothing }
";

#[test]
fn the_description_is_the_one_in_schemas() {
    let text = format!("{:#}\n", openapi::document());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "run with UPDATE_GOLDEN=1 to take the new one");
}

#[test]
fn every_schema_that_a_route_names_is_described() {
    let document = openapi::document();
    let known = document["components"]["schemas"].as_object().unwrap();
    let mut used = 0;
    for route in pointsman::web::routes() {
        for name in route.body.into_iter().chain(route.answer) {
            assert!(known.contains_key(name), "{} {} names {name}", route.method, route.path);
            used += 1;
        }
    }
    assert!(used > 10);
}

pub async fn start(bench: &Bench, signed: &Signed, runbook: &str) -> RunId {
    fs::create_dir_all(bench.folder.path().join("runbooks")).unwrap();
    fs::write(bench.folder.path().join("runbooks/night.yaml"), runbook).unwrap();
    let known = bench.get("/api/v1/runbooks", signed).await.json();
    assert_eq!(known["runbooks"][0]["path"], "night.yaml", "{known}");
    let reply = bench.post("/api/v1/runs", Some(signed), json!({ "runbook": "night.yaml" })).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    RunId::new(reply.json()["run"].as_str().unwrap())
}

pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < end, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn shown(bench: &Bench, signed: &Signed, run: &RunId) -> Value {
    bench.get(&format!("/api/v1/runs/{run}"), signed).await.json()
}

#[tokio::test]
async fn a_run_is_started_watched_and_approved() {
    let bench = Bench::new();
    let signed = bench.session(May::Operate);
    let run = start(&bench, &signed, GATE).await;
    until("the gate asks", async || shown(&bench, &signed, &run).await["asks"][0]["step"] == "go-live").await;
    let gate = bench.get(&format!("/api/v1/runs/{run}/gates/go-live"), &signed).await.json();
    assert!(gate["lines"].to_string().contains("Shall we?") && gate["protected"] == false, "{gate}");
    let orders = format!("/api/v1/runs/{run}/orders");
    let wrong = bench.post(&orders, Some(&signed), json!({ "order": { "approve": { "step": "no-such", "note": "" } } })).await;
    assert_eq!(wrong.json()["answer"], "not_applicable");
    let unknown = bench.post(&orders, Some(&signed), json!({ "order": "dance" })).await;
    assert_eq!(unknown.refusal().as_deref(), Some("unfit"));
    let yes = json!({ "order": { "approve": { "step": "go-live", "note": "counts seen" } } });
    assert_eq!(bench.post(&orders, Some(&signed), yes).await.json()["answer"], "accepted");
    until("it ends", async || shown(&bench, &signed, &run).await["head"]["phase"] == "ended").await;
    let (state, records) = load(&bench.console.settings.home, &run, None).unwrap();
    assert!(matches!(state.phase(), Phase::Ended(outcome) if outcome.to_string() == "succeeded"));
    let noted = |event: &Event| matches!(event, Event::ApprovalGranted { note, .. } if note == "counts seen");
    assert_eq!(records.iter().filter(|record| noted(&record.event)).count(), 1);
}

#[tokio::test]
async fn a_session_opens_no_protected_gate() {
    let bench = Bench::new();
    let signed = bench.session(May::Operate);
    let protected = GATE.replace("    action: gate.approval", "    protected: true\n    action: gate.approval");
    let run = start(&bench, &signed, &protected).await;
    until("the gate asks", async || shown(&bench, &signed, &run).await["asks"][0]["step"] == "go-live").await;
    let orders = format!("/api/v1/runs/{run}/orders");
    let yes = json!({ "order": { "approve": { "step": "go-live", "note": "" } } });
    assert_eq!(bench.post(&orders, Some(&signed), yes).await.refusal().as_deref(), Some("forbidden"));
    let glass = json!({ "order": { "break_glass": { "step": "go-live", "reason": "now" } } });
    assert_eq!(bench.post(&orders, Some(&signed), glass).await.refusal().as_deref(), Some("forbidden"));
    // No takes no proof.
    let no = json!({ "order": { "reject": { "step": "go-live", "reason": "not tonight" } } });
    assert_eq!(bench.post(&orders, Some(&signed), no).await.json()["answer"], "accepted");
    until("it ends", async || shown(&bench, &signed, &run).await["head"]["phase"] == "ended").await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let bench = Bench::new();
    let signed = bench.session(May::Operate);
    let runbooks = bench.folder.path().join("runbooks");
    fs::create_dir_all(&runbooks).unwrap();
    fs::write(runbooks.join("wrong.yaml"), "pointsman: 1\nrunbook: wrong\nsteps:\n  a:\n    action: no.such\n").unwrap();
    fs::write(bench.folder.path().join("outside.yaml"), GATE).unwrap();
    for (path, code) in [("outside.yaml", "not-found"), ("../outside.yaml", "not-found"), ("/etc/passwd", "not-found")] {
        let reply = bench.post("/api/v1/runs", Some(&signed), json!({ "runbook": path })).await;
        assert_eq!(reply.refusal().as_deref(), Some(code), "{path}");
    }
    let known = bench.get("/api/v1/runbooks", &signed).await.json();
    if known["runbooks"].as_array().unwrap().iter().any(|runbook| runbook["path"] == "wrong.yaml") {
        let reply = bench.post("/api/v1/runs", Some(&signed), json!({ "runbook": "wrong.yaml" })).await;
        assert_eq!(reply.refusal().as_deref(), Some("unfit"));
        assert!(reply.text.contains("no.such"), "{}", reply.text);
    }
    let nothing = bench.get("/api/v1/runs/nothing", &signed).await;
    assert_eq!(nothing.refusal().as_deref(), Some("not-found"));
}
