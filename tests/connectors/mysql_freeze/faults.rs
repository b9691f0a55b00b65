//! Servers that die and networks that break in the middle of a freeze or a thaw: whatever was reached, a look and an undo lead to
//! exactly the privileges that were there.

use std::time::Duration;

use pointsman::connectors::mysql::FreezeWrites;
use pointsman::connectors::recorder::NoteKind;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::ways::EVERYWHERE;
use super::{bench, order, shop, world};
use crate::bench::{Bench, attempt};
use crate::servers::missing;
use crate::servers::proxy::Proxy;

/// Runs `work` and kills the server as soon as a statement that begins with `word` was recorded.
async fn killed_at<T>(
    bench: &mut Bench,
    server: &mut crate::servers::mariadb::MariaDb,
    word: &str,
    work: impl Future<Output = T>,
) -> (T, u64) {
    let mut fired = 0;
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_micros(200)) => {
                let seen = bench.notes().into_iter().any(|note| matches!(note.kind, NoteKind::Statement { statement: sent, .. } | NoteKind::Question { question: sent, .. } if sent.starts_with(word)));
                if seen && fired == 0 {
                    server.kill();
                    fired += 1;
                }
            }
            done = &mut work => return (done, fired),
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_in_a_freeze_or_a_thaw_comes_back_to_exact_grants() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let mut server = shop().await;
    server.run(EVERYWHERE).await;
    let before = world(&server).await;
    let mut bench = bench(&server, server.port);
    let params = order(json!({ "accounts": ["app@*"] }));
    let mut fired = 0;
    for word in ["REVOKE INSERT (", "REVOKE DELETE", "REVOKE INSERT ON *.*", "LOCK TABLES"] {
        let call = bench.call("freeze", Some("old"), params.clone());
        let snapshot = FreezeWrites.capture(&call).await.unwrap();
        bench.notes();
        let (ended, shots) = killed_at(&mut bench, &mut server, word, FreezeWrites.apply(&call, &snapshot)).await;
        fired += shots;
        if let Err(error) = &ended {
            assert_eq!(error.touch, Touch::Possible, "{word}: {error}");
        }
        server.start_again().await;
        let found = FreezeWrites.probe(&call, &snapshot).await.unwrap().finding;
        assert_ne!(found, Finding::NotApplied, "{word}: at least one privilege was taken");
        FreezeWrites.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(world(&server).await, before, "{word}");
    }
    for word in ["GRANT INSERT ON *.*", "GRANT INSERT, UPDATE ON *.*", "GRANT DELETE", "GRANT"] {
        let call = bench.call("freeze", Some("old"), params.clone());
        let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
        bench.notes();
        let (ended, shots) = killed_at(&mut bench, &mut server, word, FreezeWrites.undo(&call, &snapshot)).await;
        fired += shots;
        if let Err(error) = &ended {
            assert!(!error.manual.is_empty(), "{word}: {error}");
        }
        if shots > 0 {
            server.start_again().await;
        }
        FreezeWrites.probe(&call, &snapshot).await.unwrap();
        FreezeWrites.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(world(&server).await, before, "{word}");
    }
    assert!(fired >= 6, "only {fired} kills");
}

/// In how many places the network is cut, evenly over everything that the server says.
const CUTS: usize = 24;

#[tokio::test]
async fn a_network_that_is_cut_at_any_byte_of_a_freeze_leaves_it_exact_or_in_doubt() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let before = world(&server).await;
    let proxy = Proxy::before(server.port).await;
    let bench = bench(&server, proxy.port);
    let params = order(json!({ "canaries": [], "barrier_within": "30s" }));
    let call = bench.call("freeze", Some("old"), params.clone());
    let total = measured(&proxy, async { drop(attempt(&FreezeWrites, &call).await.unwrap()) }).await;
    restore(&server, &before).await;
    let (mut fired, mut doubts, mut partial) = (proxy.fired(), 0, 0);
    for cut in 0..CUTS {
        let call = bench.call("freeze", Some("old"), params.clone());
        let snapshot = FreezeWrites.capture(&call).await.unwrap();
        proxy.cut_after(total / CUTS * cut + 30);
        let ended = match FreezeWrites.apply(&call, &snapshot).await {
            Ok(applied) => FreezeWrites.prove(&call, &snapshot, &applied).await.map(|_| ()),
            Err(error) => Err(error),
        };
        proxy.cut_after(0);
        let changed = world(&server).await != before;
        if let Err(error) = &ended {
            doubts += u32::from(error.in_doubt);
            assert!(error.touch == Touch::Possible || !changed, "cut {cut} said untouched: {error}");
        }
        match FreezeWrites.probe(&call, &snapshot).await.unwrap().finding {
            Finding::NotApplied => assert!(!changed, "cut {cut}"),
            Finding::Applied => assert!(changed, "cut {cut}"),
            Finding::Partial(_) | Finding::Unknown(_) => partial += 1,
        }
        FreezeWrites.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(world(&server).await, before, "cut {cut}");
    }
    fired = proxy.fired() - fired;
    assert!(fired >= CUTS as u64 / 2, "only {fired} of {CUTS} cuts fired");
    eprintln!("{fired} cuts fired, {doubts} in doubt, {partial} partial");
}

#[tokio::test]
async fn a_network_that_is_cut_at_any_byte_of_a_thaw_is_no_loss_of_grants() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let before = world(&server).await;
    let proxy = Proxy::before(server.port).await;
    let bench = bench(&server, proxy.port);
    let params = order(json!({ "canaries": [] }));
    let call = bench.call("freeze", Some("old"), params.clone());
    let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
    let total = measured(&proxy, async { drop(FreezeWrites.undo(&call, &snapshot).await.unwrap()) }).await;
    let (begun, mut failed) = (proxy.fired(), 0);
    for cut in 0..CUTS {
        let call = bench.call("freeze", Some("old"), params.clone());
        let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
        proxy.cut_after(total / CUTS * cut + 30);
        let ended = FreezeWrites.undo(&call, &snapshot).await;
        proxy.cut_after(0);
        if let Err(error) = ended {
            failed += 1;
            assert!(error.manual.iter().any(|statement| statement.starts_with("GRANT")), "cut {cut}: {:?}", error.manual);
        }
        FreezeWrites.probe(&call, &snapshot).await.unwrap();
        FreezeWrites.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(world(&server).await, before, "cut {cut}");
    }
    let fired = proxy.fired() - begun;
    assert!(fired >= CUTS as u64 / 2, "only {fired} of {CUTS} cuts fired");
    assert!(failed > 0);
}

/// How many bytes the server says in `work`.
pub async fn measured(proxy: &Proxy, work: impl Future<Output = ()>) -> usize {
    const ENDLESS: usize = 1 << 40;
    proxy.cut_after(ENDLESS);
    work.await;
    let said = ENDLESS - proxy.left();
    proxy.cut_after(0);
    said
}

async fn restore(server: &crate::servers::mariadb::MariaDb, before: &std::collections::BTreeMap<String, String>) {
    server.run("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO app@'%'").await;
    assert_eq!(world(server).await, *before);
}
