//! A server that dies and a network that is cut, at many moments of freeze and thaw: what was said is true, and the way back is exact.

use std::time::Duration;

use pointsman::connectors::postgres::FreezeWrites;
use pointsman::connectors::{Act as _, ActionError, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::Shop;
use crate::servers::missing;
use crate::servers::proxy::Proxy;

/// Whether what an error says can be true of what is there.
fn honest(error: &ActionError, changed: bool) -> bool {
    error.in_doubt || error.touch == Touch::Possible || !changed
}

#[tokio::test]
async fn a_network_cut_at_many_bytes_leaves_nothing_half_and_nothing_unsaid() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut shop = Shop::with("GRANT UPDATE (note) ON orders TO shop_app WITH GRANT OPTION").await;
    let before = shop.world().await;
    let proxy = Proxy::before(shop.server.port).await;
    let (mut cuts, mut doubts, mut failures) = (0, 0, 0);
    for bytes in (1..7_500).step_by(149) {
        shop.aim(shop.server.port);
        let direct = shop.call(json!({}));
        let snapshot = FreezeWrites.capture(&direct).await.unwrap();
        shop.aim(proxy.port);
        let through = shop.call(json!({}));
        let fired = proxy.fired();
        proxy.cut_after(bytes);
        let end = FreezeWrites.apply(&through, &snapshot).await;
        proxy.cut_after(0);
        cuts += proxy.fired() - fired;
        let changed = shop.world().await != before;
        if let Err(error) = &end {
            failures += 1;
            doubts += u64::from(error.in_doubt);
            assert!(honest(error, changed), "after {bytes} bytes: {error:?}");
        }
        let finding = FreezeWrites.probe(&direct, &snapshot).await.unwrap().finding;
        assert_eq!(finding, if changed { Finding::Applied } else { Finding::NotApplied }, "after {bytes} bytes: {end:?}");
        // The way back, cut at the same byte; and then without a cut.
        FreezeWrites.apply(&direct, &snapshot).await.unwrap();
        proxy.cut_after(bytes);
        let fired = proxy.fired();
        let end = FreezeWrites.undo(&through, &snapshot).await;
        proxy.cut_after(0);
        cuts += proxy.fired() - fired;
        let back = shop.world().await == before;
        if let Err(error) = &end {
            failures += 1;
            doubts += u64::from(error.in_doubt);
            assert!(honest(error, back), "after {bytes} bytes: {error:?}");
            assert!(!error.manual.is_empty());
        } else {
            assert!(back, "after {bytes} bytes");
        }
        FreezeWrites.undo(&direct, &snapshot).await.unwrap();
        assert_eq!(shop.world().await, before, "after {bytes} bytes");
    }
    eprintln!("{cuts} cuts, {failures} failures, {doubts} of them in doubt");
    assert!(cuts > 60 && failures > 60, "{cuts} cuts and {failures} failures only");
}

#[tokio::test]
async fn a_server_killed_during_freeze_and_thaw_is_probed_and_thawed_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut shop = Shop::with("GRANT UPDATE (note) ON orders TO shop_app WITH GRANT OPTION").await;
    let before = shop.world().await;
    let mut kills = 0;
    for delay in [0_u64, 10, 25, 40, 60, 90, 130] {
        for thawing in [false, true] {
            let call = shop.call(json!({}));
            let snapshot = FreezeWrites.capture(&call).await.unwrap();
            let working = tokio::spawn({
                let (call, snapshot) = (call.clone(), snapshot.clone());
                async move {
                    let frozen = FreezeWrites.apply(&call, &snapshot).await.map(|_| ());
                    if thawing { FreezeWrites.undo(&call, &snapshot).await.map(|_| ()) } else { frozen }
                }
            });
            tokio::time::sleep(Duration::from_millis(delay)).await;
            shop.server.kill();
            kills += 1;
            let end = working.await.unwrap();
            shop.server.restart().await;
            let changed = shop.world().await != before;
            if let Err(error) = &end {
                assert!(honest(error, changed != thawing) || !changed, "after {delay} ms: {error:?}");
            }
            let call = shop.call(json!({}));
            let finding = FreezeWrites.probe(&call, &snapshot).await.unwrap().finding;
            assert_eq!(finding, if changed { Finding::Applied } else { Finding::NotApplied }, "after {delay} ms: {end:?}");
            FreezeWrites.undo(&call, &snapshot).await.unwrap();
            assert_eq!(shop.world().await, before, "after {delay} ms");
        }
    }
    assert_eq!(kills, 14);
}
