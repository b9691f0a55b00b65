//! The contract, held to every action of the registry: the same few promises, one table of cases.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use pointsman::catalog::{Nature, UndoSpec, action};
use pointsman::connectors::guarded::Guarded;
use pointsman::connectors::sqlite::{AllowWrites, Drain, Execute, FreezeWrites, Query, WaitFence};
use pointsman::connectors::{Act, Call, Registry, command, file, http, tables, wait};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::bench::{Bench, CANARY, attempt};
use super::server::{Reply, serve};

/// One action in a world of its own.
struct Case {
    bench: Bench,
    action: Box<dyn Act>,
    call: Call,
    /// What somebody else does to the world so that the proof must fail; none where the answer itself is the evidence.
    tampering: Option<Tampering>,
}

type Tampering = Box<dyn Fn(&Bench) + Send>;

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT NOT NULL);
    INSERT INTO orders (sku) VALUES ('tea'), ('jam');
    CREATE TABLE queue (id INTEGER PRIMARY KEY, note TEXT);
    CREATE TABLE applied (position INTEGER); INSERT INTO applied VALUES (5);";

type Making = Pin<Box<dyn Future<Output = Case>>>;
type Named = (&'static str, fn() -> Making);

/// Every action of the registry with parameters that succeed. Wherever a text may stand, a secret stands in it.
fn cases() -> Vec<Named> {
    vec![
        ("command", || Box::pin(of_command())),
        ("command.check", || Box::pin(of_command_check())),
        ("wait.until", || Box::pin(of_wait())),
        ("switch.file", || Box::pin(of_switch())),
        ("check.tables", || Box::pin(of_tables())),
        ("http.request", || Box::pin(of_request())),
        ("http.check", || Box::pin(of_http_check())),
        ("notify.webhook", || Box::pin(of_webhook())),
        ("sqlite.freeze_writes", || Box::pin(of_freeze())),
        ("sqlite.allow_writes", || Box::pin(of_allow())),
        ("sqlite.drain", || Box::pin(of_drain())),
        ("sqlite.wait_fence", || Box::pin(of_fence())),
        ("sqlite.query", || Box::pin(of_query())),
        ("sqlite.execute", || Box::pin(of_execute())),
    ]
}

fn case(bench: Bench, action: impl Act + 'static, call: Call) -> Case {
    Case { bench, action: Box::new(Guarded(action)), call, tampering: None }
}

impl Case {
    fn tampered(mut self, tampering: impl Fn(&Bench) + Send + 'static) -> Self {
        self.tampering = Some(Box::new(tampering));
        self
    }

    /// Everything that an action can change here: every file, and every row and trigger of every database.
    fn world(&self) -> BTreeMap<String, String> {
        let mut world = BTreeMap::new();
        for entry in std::fs::read_dir(self.bench.folder()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".db") {
                let connection = rusqlite::Connection::open(&path).unwrap();
                let tables = "SELECT group_concat(type || name || coalesce(sql, '') ORDER BY name) FROM sqlite_schema";
                let rows = "SELECT (SELECT group_concat(id || sku) FROM orders), (SELECT group_concat(id || note) FROM queue)";
                let schema: String = connection.query_row(tables, [], |row| row.get(0)).unwrap();
                let rows: (Option<String>, Option<String>) =
                    connection.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                world.insert(name, format!("{schema} {rows:?}"));
            } else if !name.contains(".db-") {
                world.insert(name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
            }
        }
        world
    }
}

async fn of_command() -> Case {
    let bench = Bench::alone();
    let params = json!({
        "argv": ["sh", "-c", "echo \"$1 $TOKEN\" | tee made >&2", "sh", CANARY], "env": { "TOKEN": CANARY }, "stdin": CANARY,
        "prove": ["grep", CANARY, "made"], "probe": ["test", "-e", "made"],
    });
    let call = bench.call("do", None, params);
    case(bench, command::Command, call).tampered(|bench| std::fs::remove_file(bench.path("made")).unwrap())
}

async fn of_command_check() -> Case {
    let bench = Bench::new();
    let params = json!({ "argv": ["echo", CANARY], "env": { "TOKEN": CANARY }, "stdout": { "contains": CANARY } });
    let call = bench.call("look", None, params);
    case(bench, command::CommandCheck, call)
}

async fn of_wait() -> Case {
    let bench = Bench::new();
    let look = json!({ "argv": ["echo", CANARY], "stdout": CANARY });
    let call = bench.call("wait", None, json!({ "command": look, "every": "10ms", "within": "5s" }));
    case(bench, wait::WaitUntil, call)
}

async fn of_switch() -> Case {
    let mut bench = Bench::new();
    std::fs::write(bench.path("app.json"), format!("{{\"db\": \"old\",\n\n \"password\": \"{CANARY}\"}}")).unwrap();
    bench.target("lb", "file", json!({ "path": "app.json" }));
    let params = json!({ "set": { "db": format!("new-{CANARY}") }, "applied_by": { "command": ["grep", CANARY, "app.json"] } });
    let call = bench.call("switch", Some("lb"), params);
    case(bench, file::SwitchFile, call).tampered(|bench| std::fs::write(bench.path("app.json"), "{}").unwrap())
}

async fn of_tables() -> Case {
    let mut bench = Bench::new();
    for side in ["old", "new"] {
        bench.database(side, &format!("{SHOP} INSERT INTO orders (sku) VALUES ('{CANARY}');"));
    }
    let params = json!({ "source": "old", "target": "new", "tables": ["orders"], "measures": ["count", "min(sku)", "max(sku)"] });
    let call = bench.call("check", None, params);
    case(bench, tables::CheckTables, call)
}

async fn of_request() -> Case {
    let bench = Bench::new();
    let (url, _) =
        serve(|_| Reply::With("200 OK", "X-Echo: c4nary-s3cret-value\r\n", format!("{{\"token\": \"{CANARY}\"}}"))).await;
    let url = format!("{}/{CANARY}?key={CANARY}", url.replace("http://", &format!("http://user:{CANARY}@")));
    let look = json!({ "url": url, "headers": { "X-Key": CANARY } });
    let params = json!({ "url": url, "headers": { "X-Key": CANARY }, "json": { "k": CANARY }, "prove": look, "probe": look });
    let call = bench.call("go", None, params);
    case(bench, http::HttpRequest, call)
}

async fn of_http_check() -> Case {
    let bench = Bench::new();
    let (url, _) = serve(|_| Reply::json(&format!("{{\"token\": \"{CANARY}\"}}"))).await;
    let params =
        json!({ "url": format!("{url}/{CANARY}"), "headers": { "X-Key": CANARY }, "expect": { "json": { "token": CANARY } } });
    let call = bench.call("look", None, params);
    case(bench, http::HttpCheck, call)
}

async fn of_webhook() -> Case {
    let bench = Bench::new();
    let (url, _) = serve(|_| Reply::json(CANARY)).await;
    let call = bench.call("tell", None, json!({ "url": format!("{url}/{CANARY}"), "text": format!("it was {CANARY}") }));
    case(bench, http::NotifyWebhook, call)
}

fn shop() -> Bench {
    let mut bench = Bench::new();
    bench.database("old", &format!("{SHOP} INSERT INTO orders (sku) VALUES ('{CANARY}');"));
    bench
}

async fn of_freeze() -> Case {
    let bench = shop();
    let call = bench.call("freeze", Some("old"), json!({ "fence": { "table": "orders", "column": "sku" } }));
    case(bench, FreezeWrites, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze/insert/queue\"").unwrap();
    })
}

async fn of_allow() -> Case {
    let bench = shop();
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({}))).await.unwrap();
    let call = bench.call("open", Some("old"), json!({}));
    case(bench, AllowWrites, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        let text = "pointsman: writes are frozen by run other, step x";
        let sql = format!(
            "CREATE TRIGGER \"pointsman/other/x/insert/queue\" BEFORE INSERT ON queue BEGIN SELECT RAISE(ABORT, '{text}'); END"
        );
        connection.execute_batch(&sql).unwrap();
    })
}

async fn of_drain() -> Case {
    let bench = shop();
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "tables": ["queue"], "operations": ["insert"] })))
        .await
        .unwrap();
    let params = json!({ "table": "queue", "pending": { "note": CANARY }, "stable_for": "1ms", "every": "5ms", "within": "5s" });
    let call = bench.call("drain", Some("old"), params);
    case(bench, Drain, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze/insert/queue\"").unwrap();
    })
}

async fn of_fence() -> Case {
    let bench = shop();
    let call =
        bench.call("wait", Some("old"), json!({ "table": "applied", "column": "position", "at_least": 5, "within": "500ms" }));
    case(bench, WaitFence, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("UPDATE applied SET position = 4").unwrap();
    })
}

async fn of_query() -> Case {
    let bench = shop();
    let params =
        json!({ "sql": "SELECT sku, :s AS s FROM orders WHERE sku = :s", "bind": { "s": CANARY }, "expect": { "sku": CANARY } });
    let call = bench.call("query", Some("old"), params);
    case(bench, Query, call)
}

async fn of_execute() -> Case {
    let bench = shop();
    let look = json!({ "sql": "SELECT note FROM queue WHERE note = :s", "bind": { "s": CANARY }, "expect": { "note": CANARY } });
    let sql = "INSERT INTO queue (note) VALUES (:s)";
    let call =
        bench.call("put", Some("old"), json!({ "sql": sql, "bind": { "s": CANARY }, "rows": 1, "prove": look, "probe": look }));
    case(bench, Execute, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DELETE FROM queue").unwrap();
    })
}

#[test]
fn every_action_of_the_registry_has_a_case() {
    let mut names: Vec<_> = cases().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, Registry::standard().names());
}

#[tokio::test]
async fn a_look_changes_nothing_and_an_undo_that_is_not_needed_neither() {
    let mut covered = 0;
    for (name, make) in cases() {
        let case = make().await;
        let spec = action(name).unwrap();
        let before = case.world();
        case.action.inspect(&case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let snapshot = case.action.capture(&case.call).await.unwrap();
        assert_eq!(case.world(), before, "{name}: inspect or capture changed something");
        match spec.nature {
            Nature::ReadOnly | Nature::Notify => {
                attempt(&*case.action, &case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                case.action.undo(&case.call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(case.world(), before, "{name} is no look");
                covered += 1;
            }
            Nature::Mutating => {}
            Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => panic!("{name} has no hand"),
        }
    }
    assert_eq!(covered, 8);
}

#[tokio::test]
async fn apply_ensures_a_state_and_undo_ensures_the_saved_one() {
    let mut covered = 0;
    for (name, make) in cases() {
        let spec = action(name).unwrap();
        if !matches!(spec.undo, UndoSpec::Auto(_)) {
            continue;
        }
        let case = make().await;
        let (action, call) = (&*case.action, &case.call);
        let before = case.world();
        // Undo without apply.
        let snapshot = action.capture(call).await.unwrap();
        action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(case.world(), before, "{name}: undo without apply");
        // Apply twice.
        let (snapshot, first, _) = attempt(action, call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let applied = case.world();
        assert_ne!(applied, before, "{name} did nothing");
        let second = action.apply(call, &snapshot).await.unwrap();
        action.prove(call, &snapshot, &second).await.unwrap();
        assert_eq!(case.world(), applied, "{name}: apply twice");
        // A retry takes a snapshot of its own; the first one is what the engine undoes with.
        attempt(action, call).await.unwrap();
        assert_eq!(case.world(), applied, "{name}: a second attempt");
        // Undo twice.
        for time in ["once", "twice"] {
            action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("{name}: undo {time}: {error}"));
            assert_eq!(case.world(), before, "{name}: undo {time}");
        }
        // And forward again, as after a retry of the whole run.
        let (_, again, _) = attempt(action, call).await.unwrap();
        assert_eq!((case.world(), &again.outputs), (applied, &first.outputs), "{name}: forward again");
        covered += 1;
    }
    assert_eq!(covered, 3);
}

#[tokio::test]
async fn a_crash_between_two_verbs_is_seen_by_the_probe() {
    let mut covered = 0;
    for (name, make) in cases() {
        let spec = action(name).unwrap();
        let case = make().await;
        let (action, call) = (&*case.action, &case.call);
        if !spec.has_probe && call.params.get("probe").is_none() {
            continue;
        }
        let before = case.world();
        let snapshot = action.capture(call).await.unwrap();
        let probed = async || action.probe(call, &snapshot).await.unwrap().finding;
        if name != "http.request" {
            assert_eq!(probed().await, Finding::NotApplied, "{name}: the intent alone");
        }
        action.apply(call, &snapshot).await.unwrap();
        let applied = case.world();
        assert_eq!(probed().await, Finding::Applied, "{name}: applied and not proven");
        assert_eq!(case.world(), applied, "{name}: the probe changed something");
        if matches!(spec.undo, UndoSpec::Auto(_)) {
            action.undo(call, &snapshot).await.unwrap();
            assert_eq!(case.world(), before, "{name}: undone without a proof");
            assert_eq!(probed().await, Finding::NotApplied, "{name}: undone");
        }
        covered += 1;
    }
    assert_eq!(covered, 6);
}

#[tokio::test]
async fn a_proof_fails_when_the_world_was_tampered_with() {
    let mut covered = 0;
    for (name, make) in cases() {
        let case = make().await;
        let Some(tampering) = &case.tampering else { continue };
        let (snapshot, applied, _) = attempt(&*case.action, &case.call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        tampering(&case.bench);
        let error = case.action.prove(&case.call, &snapshot, &applied).await.expect_err(name);
        let touch = if action(name).unwrap().nature == Nature::Mutating { Touch::Possible } else { Touch::Untouched };
        assert_eq!(error.touch, touch, "{name}: {error}");
        covered += 1;
    }
    assert_eq!(covered, 7);
}

#[tokio::test]
async fn an_undo_that_only_the_author_knows_changes_nothing_and_says_so() {
    let mut covered = 0;
    for (name, make) in cases() {
        if !matches!(action(name).unwrap().undo, UndoSpec::Undeclared) {
            continue;
        }
        let case = make().await;
        let (snapshot, ..) = attempt(&*case.action, &case.call).await.unwrap();
        let applied = case.world();
        let error = case.action.undo(&case.call, &snapshot).await.expect_err(name);
        assert!(!error.manual.is_empty(), "{name}");
        assert_eq!(case.world(), applied, "{name}");
        covered += 1;
    }
    assert_eq!(covered, 3);
}

#[tokio::test]
async fn no_secret_is_in_anything_that_a_verb_says_or_records() {
    let mut covered = 0;
    for (name, make) in cases() {
        let mut case = make().await;
        let (action, call) = (&*case.action, &case.call);
        let mut said = vec![format!("{:?}", action.inspect(call).await.unwrap())];
        let (snapshot, applied, evidence) = attempt(action, call).await.unwrap();
        said.extend([snapshot.to_string(), format!("{applied:?}"), format!("{evidence:?}")]);
        said.push(format!("{:?}", action.probe(call, &snapshot).await));
        if let Some(tampering) = &case.tampering {
            tampering(&case.bench);
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
        covered += 1;
    }
    println!("{covered} actions keep their secrets");
    assert_eq!(covered, Registry::standard().names().len());
}
