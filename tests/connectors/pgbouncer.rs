//! pgbouncer in front of two servers: clients are held, moved and let go, and none of them sees an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pointsman::connectors::pgbouncer::{Pause, Resume, Switch};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, CANARY, attempt};
use crate::servers::pgbouncer::{ADMIN, ADMIN_PASSWORD, Pgbouncer, Pool};
use crate::servers::postgres::{Postgres, SUPERUSER, SUPERUSER_PASSWORD};
use crate::servers::proxy::{Fault, Proxy};
use crate::servers::{missing, until};

/// Two servers with the same table, and a pooler that routes to the old one.
pub struct Pooled {
    pub old: Postgres,
    pub new: Postgres,
    pub poolers: Vec<Pgbouncer>,
}

impl Pooled {
    pub async fn start(processes: usize, settings: &[&str]) -> Self {
        let (old, new) = (Postgres::start().await, Postgres::start().await);
        for server in [&old, &new] {
            server
                .sql(&format!(
                    "CREATE ROLE app LOGIN PASSWORD '{CANARY}'; CREATE TABLE orders (id bigserial PRIMARY KEY, sku text);
                     GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app"
                ))
                .await;
        }
        let databases = [format!("shop = host=127.0.0.1 port={} dbname=postgres connect_query='select 1'", old.port)];
        let mut poolers = Vec::new();
        for _ in 0..processes {
            poolers.push(Pgbouncer::start(Pool { databases: &databases, users: &[("app", CANARY)], settings }).await);
        }
        Self { old, new, poolers }
    }

    /// The targets `pool`, `old` and `new`.
    pub fn bench(&self) -> Bench {
        let mut bench = Bench::new();
        let addresses: Vec<_> = self.poolers.iter().map(|pooler| format!("127.0.0.1:{}", pooler.port)).collect();
        let pool = json!({
            "addresses": addresses, "user": ADMIN, "password": ADMIN_PASSWORD, "client_user": "app", "client_password": CANARY,
        });
        bench.target("pool", "pgbouncer", pool);
        for (name, server) in [("old", &self.old), ("new", &self.new)] {
            let url = format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", server.port);
            let settings = json!({ "url": url, "password": SUPERUSER_PASSWORD });
            bench.target(name, "postgres", settings);
        }
        bench
    }

    pub fn files(&self) -> Value {
        json!(self.poolers.iter().map(|pooler| pooler.config_path().display().to_string()).collect::<Vec<_>>())
    }

    /// Name, port, paused of the pooled database at every process, and the bytes of its file.
    pub async fn world(&self) -> Vec<String> {
        let mut world = Vec::new();
        for pooler in &self.poolers {
            let rows = pooler.admin("SHOW DATABASES").await.unwrap();
            let row = rows.into_iter().find(|row| row[0].as_deref() == Some("shop")).unwrap();
            world.push(format!("{:?} {:?} paused {:?}", row[1], row[2], row[11]));
            world.push(std::fs::read_to_string(pooler.config_path()).unwrap());
        }
        world
    }

    async fn paused(&self) -> Vec<bool> {
        let mut paused = Vec::new();
        for pooler in &self.poolers {
            let rows = pooler.admin("SHOW DATABASES").await.unwrap();
            paused.push(rows.iter().any(|row| row[0].as_deref() == Some("shop") && row[11].as_deref() == Some("1")));
        }
        paused
    }
}

fn absent() -> bool {
    missing("postgres", "postgresql-15") || missing("pgbouncer", "pgbouncer")
}

/// Clients that write through the pooler without a pause, and count what they see.
struct Clients {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    errors: Arc<AtomicU64>,
    slowest_ms: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Clients {
    async fn start(pooled: &Pooled, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (acknowledged, errors, slowest_ms) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for number in 0..count {
            let client = pooled.poolers[number % pooled.poolers.len()].connect("app", CANARY, "shop").await.unwrap();
            let (stop, acknowledged, errors, slowest) = (stop.clone(), acknowledged.clone(), errors.clone(), slowest_ms.clone());
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    let sql = "BEGIN; INSERT INTO orders (sku) VALUES ('w'); COMMIT";
                    match client.batch_execute(sql).await {
                        Ok(()) => acknowledged.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            eprintln!("a client saw {error:?}");
                            errors.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                    slowest.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap(), Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }));
        }
        let written = acknowledged.clone();
        until("writing", Duration::from_secs(10), || async { (written.load(Ordering::SeqCst) > 20).then_some(()) }).await;
        Self { stop, acknowledged, errors, slowest_ms, tasks }
    }

    /// Acknowledged writes, errors, the longest wait.
    async fn end(self) -> (u64, u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (read(&self.acknowledged), read(&self.errors), read(&self.slowest_ms))
    }
}

async fn rows(server: &Postgres) -> u64 {
    server.value("SELECT count(*) FROM orders").await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn clients_see_latency_and_no_error_during_a_switch_in_steps() {
    if absent() {
        return;
    }
    let pooled = Pooled::start(2, &[]).await;
    let mut bench = pooled.bench();
    let before = pooled.world().await;
    let clients = Clients::start(&pooled, 6).await;
    let database = json!({ "database": "shop" });
    let pause = bench.call("pause", Some("pool"), database.clone());
    let (paused_before, applied, _) = attempt(&Pause, &pause).await.unwrap();
    assert_eq!(applied.outputs["processes"], json!(2));
    // Nothing of the pooler is left at the old server: its sessions can be cut without anybody noticing.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    assert_eq!(pooled.old.value(sessions).await.as_deref(), Some("0"));
    let written = rows(&pooled.old).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(rows(&pooled.old).await, written, "a client wrote while it was held");
    let params = json!({ "database": "shop", "to": "new", "files": pooled.files(), "keep_paused": true });
    let switch = bench.call("switch", Some("pool"), params);
    let (switched_before, applied, evidence) = attempt(&Switch, &switch).await.unwrap();
    assert_eq!(applied.outputs["route"], json!(format!("127.0.0.1:{}", pooled.new.port)));
    assert_eq!(evidence.facts["query"], json!("not asked: clients are held until the RESUME"));
    assert_eq!(rows(&pooled.new).await, 0);
    let resume = bench.call("resume", Some("pool"), json!({ "database": "shop", "lands_on": "new" }));
    let (resumed_before, _, evidence) = attempt(&Resume, &resume).await.unwrap();
    let identifier = pooled.new.value("SELECT system_identifier FROM pg_control_system()").await.unwrap();
    let answer = evidence.facts["query"]["answers"][1]["server"].as_str().unwrap().to_owned();
    assert!(answer.starts_with(&identifier), "{answer}");
    until("writing at the new server", Duration::from_secs(10), || async { (rows(&pooled.new).await > 20).then_some(()) }).await;
    assert_eq!(rows(&pooled.old).await, written, "a client still writes to the old server");
    // And all the way back, in reverse order, still under load.
    Resume.undo(&resume, &resumed_before).await.unwrap();
    assert_eq!(pooled.paused().await, [true, true]);
    Switch.undo(&switch, &switched_before).await.unwrap();
    Pause.undo(&pause, &paused_before).await.unwrap();
    assert_eq!(pooled.world().await, before, "the way back is not exact");
    until("writing at the old server", Duration::from_secs(10), || async {
        (rows(&pooled.old).await > written + 20).then_some(())
    })
    .await;
    let (acknowledged, errors, slowest) = clients.end().await;
    println!("{acknowledged} writes acknowledged, the longest took {slowest} ms");
    assert_eq!(errors, 0, "clients saw errors");
    assert_eq!(rows(&pooled.old).await + rows(&pooled.new).await, acknowledged, "a write was lost or doubled");
    assert!(slowest >= 300, "nobody was ever held");
    assert!(bench.statements().iter().any(|sql| sql.ends_with("RELOAD")));
}

#[tokio::test]
async fn a_switch_in_one_step_and_back_keeps_every_client() {
    if absent() {
        return;
    }
    let pooled = Pooled::start(1, &[]).await;
    let bench = pooled.bench();
    let before = pooled.world().await;
    let clients = Clients::start(&pooled, 4).await;
    let params = json!({ "database": "shop", "to": "new", "files": pooled.files() });
    let call = bench.call("switch", Some("pool"), params);
    let inspection = Switch.inspect(&call).await.unwrap();
    assert_eq!(inspection.state["query_through_the_pooler"], json!("asked at every process"));
    let (snapshot, ..) = attempt(&Switch, &call).await.unwrap();
    assert!(!snapshot.to_string().contains("connect_query"), "the snapshot holds the file");
    until("writing at the new server", Duration::from_secs(10), || async { (rows(&pooled.new).await > 10).then_some(()) }).await;
    Switch.undo(&call, &snapshot).await.unwrap();
    assert_eq!(pooled.world().await, before);
    let (acknowledged, errors, slowest) = clients.end().await;
    println!("{acknowledged} writes acknowledged, the longest took {slowest} ms");
    assert_eq!(errors, 0);
    assert_eq!(rows(&pooled.old).await + rows(&pooled.new).await, acknowledged);
}

#[tokio::test]
async fn a_long_transaction_ends_the_pause_by_resume_and_clients_go_on() {
    if absent() {
        return;
    }
    let pooled = Pooled::start(2, &[]).await;
    let bench = pooled.bench();
    let long = pooled.poolers[1].connect("app", CANARY, "shop").await.unwrap();
    long.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let call = bench.call("pause", Some("pool"), json!({ "database": "shop", "within": "700ms" }));
    let blockers = Pause.inspect(&call).await.unwrap().blockers;
    assert!(
        blockers.iter().any(|blocker| blocker.owner.as_deref().is_some_and(|owner| owner.starts_with("app "))),
        "{blockers:?}"
    );
    let snapshot = Pause.capture(&call).await.unwrap();
    let begun = Instant::now();
    let error = Pause.apply(&call, &snapshot).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    assert!(error.message.contains("still busy: app on server process") && error.message.contains("ended by RESUME"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(pooled.paused().await, [false, false], "the pause was left behind");
    assert_eq!(Pause.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    // Both the long transaction and everybody else go on.
    long.batch_execute("INSERT INTO orders (sku) VALUES ('long'); COMMIT").await.unwrap();
    for pooler in &pooled.poolers {
        pooler.connect("app", CANARY, "shop").await.unwrap().batch_execute("SELECT 1").await.unwrap();
    }
    // A PAUSE whose session is gone still shows as paused while the transaction goes on: that is no pause yet.
    long.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let pausing = pooled.poolers[1].admin("PAUSE shop");
    assert!(tokio::time::timeout(Duration::from_millis(300), pausing).await.is_err());
    pooled.poolers[0].admin("PAUSE shop").await.unwrap();
    assert_eq!(pooled.paused().await, [true, true]);
    assert!(matches!(Pause.probe(&call, &snapshot).await.unwrap().finding, Finding::Partial(_)));
    assert!(Pause.prove(&call, &snapshot, &Default::default()).await.is_err(), "paused was taken for held");
    long.batch_execute("COMMIT").await.unwrap();
    attempt(&Pause, &call).await.unwrap();
    Pause.undo(&call, &snapshot).await.unwrap();
    assert_eq!(pooled.paused().await, [false, false]);
}

#[tokio::test]
async fn a_login_that_a_pause_ends_delays_the_clients_and_fails_no_proof() {
    if absent() {
        return;
    }
    // Longer than a session may take (`connect_within`, 5 s): nobody is served for that long after the RESUME.
    let pooled = Pooled::start(1, &["server_login_retry = 12"]).await;
    let (pooler, proxy) = (&pooled.poolers[0], Proxy::before(pooled.old.port).await);
    let text = std::fs::read_to_string(pooler.config_path()).unwrap();
    std::fs::write(pooler.config_path(), text.replace(&format!("port={}", pooled.old.port), &format!("port={}", proxy.port)))
        .unwrap();
    pooler.admin("RELOAD").await.unwrap();
    proxy.set(Fault::Blackhole);
    let client = async { pooler.connect("app", CANARY, "shop").await.unwrap().batch_execute("SELECT 1").await };
    let night = async {
        until("logging in", Duration::from_secs(60), || async {
            let servers = pooler.admin("SHOW SERVERS").await.unwrap();
            servers.iter().any(|row| row.iter().flatten().any(|cell| cell == "new")).then_some(())
        })
        .await;
        let bench = pooled.bench();
        attempt(&Pause, &bench.call("pause", Some("pool"), json!({ "database": "shop" }))).await.unwrap();
        assert!(proxy.fired() > 0);
        proxy.set(Fault::None);
        let resume = bench.call("resume", Some("pool"), json!({ "database": "shop", "lands_on": "old" }));
        attempt(&Resume, &resume).await.unwrap();
    };
    let (served, ()) = tokio::join!(client, night);
    served.unwrap();
}

#[tokio::test]
async fn session_pooling_and_short_client_patience_are_refused() {
    if absent() {
        return;
    }
    let pooled = Pooled::start(1, &["pool_mode = session", "query_wait_timeout = 30"]).await;
    let bench = pooled.bench();
    let call = bench.call("pause", Some("pool"), json!({ "database": "shop", "held_at_most": "45s" }));
    let blockers = Pause.inspect(&call).await.unwrap().blockers;
    let says = |text: &str| blockers.iter().any(|blocker| blocker.what.contains(text));
    assert!(says("pooled by session") && says("query_wait_timeout = 30"), "{blockers:?}");
    let error = attempt(&Pause, &call).await.unwrap_err();
    assert!(error.message.contains("pooled by session") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(pooled.paused().await, [false]);
    let error = attempt(&Pause, &bench.call("pause", Some("pool"), json!({ "database": "nosuch" }))).await.unwrap_err();
    assert!(error.message.contains("no database `nosuch`"), "{error}");
}

#[tokio::test]
async fn a_switch_that_fails_half_way_puts_files_and_clients_back() {
    if absent() {
        return;
    }
    let pooled = Pooled::start(2, &[]).await;
    let bench = pooled.bench();
    let before = pooled.world().await;
    // The second file is not the one that the second process reads: RELOAD there shows the old route.
    let copy = bench.path("copy.ini");
    std::fs::copy(pooled.poolers[1].config_path(), &copy).unwrap();
    let files = json!([pooled.poolers[0].config_path().display().to_string(), copy.display().to_string()]);
    let mut call = bench.call("switch", Some("pool"), json!({ "database": "shop", "to": "new", "files": files }));
    call.deadline = Instant::now() + Duration::from_secs(60);
    let snapshot = Switch.capture(&call).await.unwrap();
    let error = Switch.apply(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("still routes to") && error.message.contains("put back"), "{error}");
    assert_eq!(error.touch, Touch::Possible);
    assert_eq!(pooled.world().await, before);
    assert_eq!(Switch.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    // A process that does not answer: nothing is begun anywhere.
    pooled.poolers[1].signal(Signal::SIGSTOP);
    let mut call = bench.call("pause", Some("pool"), json!({ "database": "shop" }));
    call.deadline = Instant::now() + Duration::from_secs(2);
    let error = attempt(&Pause, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    assert!(error.message.contains("cannot be opened"), "{error}");
    pooled.poolers[1].signal(Signal::SIGCONT);
    assert_eq!(pooled.paused().await, [false, false]);
}
