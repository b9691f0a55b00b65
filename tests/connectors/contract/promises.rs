//! The promises: each is one function over one case, and every case goes through all that its entry in the catalog calls for.

use pointsman::catalog::{ActionSpec, Nature, UndoSpec, action};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::{Case, Named, canaries};
use crate::bench::{CANARY, attempt};

/// Holds every case to every promise that its action makes.
pub async fn hold(cases: Vec<Named>) {
    assert!(!cases.is_empty());
    for Named { name, make } in cases {
        let spec = action(name).unwrap_or_else(|| panic!("{name} is in the catalog"));
        looks_change_nothing(spec, make().await).await;
        if matches!(spec.undo, UndoSpec::Auto(_)) {
            apply_ensures_a_state_and_undo_the_saved_one(spec, make().await).await;
        }
        if matches!(spec.undo, UndoSpec::Undeclared) {
            an_undo_that_only_the_author_knows_says_so(spec, make().await).await;
        }
        let case = make().await;
        if spec.has_probe || case.call.params.get("probe").is_some() {
            a_crash_between_two_verbs_is_seen_by_the_probe(spec, case).await;
        }
        let case = make().await;
        if case.tampering.is_some() {
            a_proof_fails_when_the_world_was_tampered_with(spec, case).await;
        } else {
            let looks = spec.nature != Nature::Mutating || !matches!(spec.undo, UndoSpec::Auto(_));
            assert!(looks, "{name} ensures a state, so its case needs a tampering that its proof must see");
        }
        no_secret_is_in_anything_that_is_said(spec, make().await).await;
    }
}

async fn looks_change_nothing(spec: &ActionSpec, case: Case) {
    let name = spec.name;
    let before = case.world().await;
    case.action.inspect(&case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let snapshot = case.action.capture(&case.call).await.unwrap();
    assert_eq!(case.world().await, before, "{name}: inspect or capture changed something");
    match spec.nature {
        Nature::ReadOnly | Nature::Notify => {
            attempt(&*case.action, &case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            case.action.undo(&case.call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(case.world().await, before, "{name} is no look");
        }
        Nature::Mutating => {}
        Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => panic!("{name} has no hand"),
    }
}

async fn apply_ensures_a_state_and_undo_the_saved_one(spec: &ActionSpec, case: Case) {
    let name = spec.name;
    let (action, call) = (&*case.action, &case.call);
    let before = case.world().await;
    // Undo without apply.
    let snapshot = action.capture(call).await.unwrap();
    action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(case.world().await, before, "{name}: undo without apply");
    // Apply twice.
    let (snapshot, first, _) = attempt(action, call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let applied = case.world().await;
    assert_ne!(applied, before, "{name} did nothing");
    let second = action.apply(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: apply twice: {error}"));
    action.prove(call, &snapshot, &second).await.unwrap_or_else(|error| panic!("{name}: prove twice: {error}"));
    assert_eq!(case.world().await, applied, "{name}: apply twice");
    // A retry takes a snapshot of its own; the first one is what the engine undoes with.
    attempt(action, call).await.unwrap_or_else(|error| panic!("{name}: a second attempt: {error}"));
    assert_eq!(case.world().await, applied, "{name}: a second attempt");
    // Undo twice.
    for time in ["once", "twice"] {
        action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: undo {time}: {error}"));
        assert_eq!(case.world().await, before, "{name}: undo {time}");
    }
    // And forward again, as after a retry of the whole run.
    let (_, again, _) = attempt(action, call).await.unwrap_or_else(|error| panic!("{name}: forward again: {error}"));
    assert_eq!(case.world().await, applied, "{name}: forward again");
    let names = |outputs: &Value| outputs.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names(&again.outputs), names(&first.outputs), "{name}: forward again");
}

async fn a_crash_between_two_verbs_is_seen_by_the_probe(spec: &ActionSpec, case: Case) {
    let name = spec.name;
    let (action, call) = (&*case.action, &case.call);
    let before = case.world().await;
    let snapshot = action.capture(call).await.unwrap();
    let probed = async || action.probe(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}")).finding;
    if name != "http.request" {
        assert_eq!(probed().await, Finding::NotApplied, "{name}: the intent alone");
    }
    action.apply(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let applied = case.world().await;
    assert_eq!(probed().await, Finding::Applied, "{name}: applied and not proven");
    assert_eq!(case.world().await, applied, "{name}: the probe changed something");
    if matches!(spec.undo, UndoSpec::Auto(_)) {
        action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(case.world().await, before, "{name}: undone without a proof");
        assert_eq!(probed().await, Finding::NotApplied, "{name}: undone");
    }
}

async fn a_proof_fails_when_the_world_was_tampered_with(spec: &ActionSpec, case: Case) {
    let name = spec.name;
    let (snapshot, applied, _) = attempt(&*case.action, &case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    case.tamper().await;
    let error = case.action.prove(&case.call, &snapshot, &applied).await.expect_err(name);
    let touch = if spec.nature == Nature::Mutating { Touch::Possible } else { Touch::Untouched };
    assert_eq!(error.touch, touch, "{name}: {error}");
}

async fn an_undo_that_only_the_author_knows_says_so(spec: &ActionSpec, case: Case) {
    let name = spec.name;
    let (snapshot, ..) = attempt(&*case.action, &case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let applied = case.world().await;
    let error = case.action.undo(&case.call, &snapshot).await.expect_err(name);
    assert!(!error.manual.is_empty(), "{name}");
    assert_eq!(case.world().await, applied, "{name}");
}

async fn no_secret_is_in_anything_that_is_said(spec: &ActionSpec, mut case: Case) {
    let name = spec.name;
    let (action, call) = (&*case.action, &case.call);
    let mut said = vec![format!("{:?}", action.inspect(call).await.unwrap())];
    let (snapshot, applied, evidence) = attempt(action, call).await.unwrap();
    said.extend([snapshot.to_string(), format!("{applied:?}"), format!("{evidence:?}")]);
    said.push(format!("{:?}", action.probe(call, &snapshot).await));
    if case.tampering.is_some() {
        case.tamper().await;
        said.push(format!("{:?}", action.prove(call, &snapshot, &applied).await));
    }
    said.push(format!("{:?}", action.undo(call, &snapshot).await));
    // And once with conditions that fail, because errors quote what they found.
    let mut broken: serde_json::Map<String, Value> =
        call.params.names().map(|key| (key.to_owned(), call.params.get(key).unwrap().clone())).collect();
    for key in ["stdout", "rows"] {
        if broken.contains_key(key) {
            broken.insert(key.to_owned(), json!({ "any_of": [CANARY, "x"] }));
        }
    }
    if broken.contains_key("expect") || name == "http.request" {
        broken.insert("expect".to_owned(), json!({ "text": CANARY, "sku": { "not": CANARY } }));
    }
    let wrong = case.bench.call("again", call.target.as_ref().map(|target| target.name.as_str()), Value::Object(broken));
    said.push(format!("{:?}", attempt(action, &wrong).await));
    let notes = case.bench.notes();
    assert!(!notes.is_empty(), "{name} recorded nothing");
    said.push(format!("{notes:?}"));
    for text in &said {
        assert!(!text.contains(CANARY), "{name} said {text}");
    }
    canaries::hold(spec, &mut case).await;
}
