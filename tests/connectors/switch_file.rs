//! The file switch: readers see old or new, the way back is exact, and nobody else's change is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pointsman::connectors::file::SwitchFile;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};

const OLD: &str = "{\"database\":   {\"path\": \"old.db\", \"password\": \"hunter2-not-known\"},\n \"pool\": 4}";

fn bench() -> Bench {
    let mut bench = Bench::new();
    fs::write(bench.path("app.json"), OLD).unwrap();
    fs::set_permissions(bench.path("app.json"), fs::Permissions::from_mode(0o640)).unwrap();
    bench.target("lb", "file", json!({ "path": "app.json" }));
    bench
}

fn names(bench: &Bench) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(bench.folder()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn set() -> Value {
    json!({ "set": { "database.path": "new.db" }, "expect_old": { "database.path": "old.db" } })
}

#[tokio::test]
async fn the_switch_keeps_the_rest_and_the_undo_is_byte_exact() {
    let bench = bench();
    let call = bench.call("switch", Some("lb"), set());
    let inspection = SwitchFile.inspect(&call).await.unwrap();
    assert!(inspection.statements[0].ends_with("database.path = \"new.db\" (was \"old.db\")"), "{:?}", inspection.statements);
    let (snapshot, applied, _) = attempt(&SwitchFile, &call).await.unwrap();
    assert_eq!(applied.outputs["changed"], json!(true));
    let new: Value = serde_json::from_slice(&fs::read(bench.path("app.json")).unwrap()).unwrap();
    assert_eq!(new, json!({ "database": { "path": "new.db", "password": "hunter2-not-known" }, "pool": 4 }));
    assert_eq!(fs::metadata(bench.path("app.json")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(!snapshot.to_string().contains("hunter2"), "the snapshot carries the file's content");
    assert_eq!(names(&bench), [".app.json.pointsman-shop-20261121-abcd-switch", "app.json"]);
    SwitchFile.undo(&call, &snapshot).await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), OLD);
    assert_eq!(fs::metadata(bench.path("app.json")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(names(&bench), ["app.json"]);
}

#[tokio::test]
async fn a_retry_after_a_failed_proof_still_knows_the_first_state() {
    let bench = bench();
    let first = bench.call("switch", Some("lb"), set());
    let snapshot = SwitchFile.capture(&first).await.unwrap();
    SwitchFile.apply(&first, &snapshot).await.unwrap();
    let (again, applied, _) = attempt(&SwitchFile, &first).await.unwrap();
    assert_eq!((&again, &applied.outputs["changed"]), (&snapshot, &json!(true)));
    SwitchFile.undo(&first, &again).await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), OLD);
}

#[tokio::test]
async fn a_change_by_somebody_else_is_never_overwritten() {
    let bench = bench();
    let call = bench.call("switch", Some("lb"), set());
    let snapshot = SwitchFile.capture(&call).await.unwrap();
    let theirs = OLD.replace("4", "5");
    fs::write(bench.path("app.json"), &theirs).unwrap();
    let error = SwitchFile.apply(&call, &snapshot).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched);
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), theirs);
    assert!(matches!(SwitchFile.probe(&call, &snapshot).await.unwrap().finding, Finding::Unknown(_)));
    fs::write(bench.path("app.json"), OLD).unwrap();
    let (snapshot, applied, _) = attempt(&SwitchFile, &call).await.unwrap();
    fs::write(bench.path("app.json"), &theirs).unwrap();
    assert!(SwitchFile.prove(&call, &snapshot, &applied).await.is_err(), "the proof reads back");
    let error = SwitchFile.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.manual[0].starts_with("mv -- '"), "{:?}", error.manual);
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), theirs);
    // The statement for the person does what it says.
    assert!(std::process::Command::new("sh").arg("-c").arg(&error.manual[0]).status().unwrap().success());
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), OLD);
}

#[tokio::test]
async fn what_is_not_as_expected_is_left_alone() {
    let bench = bench();
    for (params, why) in [
        (json!({ "set": { "pool": 1 }, "expect_old": { "database.path": "other.db" } }), "`database.path` before the switch"),
        (json!({ "content": "x", "expect_old_text": { "contains": "nowhere" } }), "the text before the switch"),
        (json!({ "set": { "pool.size": 1 } }), "would stand inside"),
        (json!({ "set": { "a": 1 }, "content": "x" }), "not both"),
        (json!({}), "give `set`"),
    ] {
        let error = attempt(&SwitchFile, &bench.call("switch", Some("lb"), params)).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!(error.touch, Touch::Untouched);
        assert_eq!((fs::read_to_string(bench.path("app.json")).unwrap().as_str(), names(&bench).len()), (OLD, 1));
    }
}

#[tokio::test]
async fn a_missing_file_is_created_only_on_request_and_removed_again() {
    let bench = bench();
    fs::remove_file(bench.path("app.json")).unwrap();
    let call = bench.call("switch", Some("lb"), json!({ "content": "new" }));
    assert!(attempt(&SwitchFile, &call).await.is_err());
    let call = bench.call("switch", Some("lb"), json!({ "content": "new", "create": true }));
    let (snapshot, ..) = attempt(&SwitchFile, &call).await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), "new");
    SwitchFile.undo(&call, &snapshot).await.unwrap();
    assert!(names(&bench).is_empty());
}

#[tokio::test]
async fn a_symbolic_link_stays_one() {
    let mut bench = bench();
    std::os::unix::fs::symlink("app.json", bench.path("link.json")).unwrap();
    bench.target("lb", "file", json!({ "path": "link.json" }));
    let call = bench.call("switch", Some("lb"), json!({ "set": { "pool": 9 } }));
    let (snapshot, ..) = attempt(&SwitchFile, &call).await.unwrap();
    assert!(fs::symlink_metadata(bench.path("link.json")).unwrap().is_symlink());
    assert!(fs::read_to_string(bench.path("app.json")).unwrap().contains("9"));
    SwitchFile.undo(&call, &snapshot).await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("app.json")).unwrap(), OLD);
}

#[tokio::test]
async fn readers_never_see_a_part() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let bench = bench();
    let (old, new) = ("o".repeat(200_000), "n".repeat(300_000));
    fs::write(bench.path("app.json"), &old).unwrap();
    let (stop, path) = (Arc::new(AtomicBool::new(false)), bench.path("app.json"));
    let reader = {
        let (stop, old, new) = (stop.clone(), old.clone(), new.clone());
        std::thread::spawn(move || {
            let mut reads = 0;
            while !stop.load(Ordering::SeqCst) {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text == old || text == new, "a part of {} bytes was seen", text.len());
                reads += 1;
            }
            reads
        })
    };
    for _ in 0..20 {
        let call = bench.call("switch", Some("lb"), json!({ "content": new }));
        let (snapshot, ..) = attempt(&SwitchFile, &call).await.unwrap();
        SwitchFile.undo(&call, &snapshot).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    assert!(reader.join().unwrap() > 0);
}
