//! A server that dies and a network that is cut, at many moments of freeze and thaw: what was said is true, and the way back is exact.

use std::time::Duration;

use pointsman::connectors::postgres::FreezeWrites;
use pointsman::connectors::{Act as _, ActionError, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::Shop;
use crate::servers::proxy::{At, Proxy, Then};
use crate::servers::{missing, until};

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
async fn a_commit_whose_answer_is_lost_is_in_doubt_and_the_probe_tells() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut shop = Shop::with("GRANT UPDATE (note) ON orders TO shop_app WITH GRANT OPTION").await;
    let before = shop.world().await;
    let proxy = Proxy::before(shop.server.port).await;
    let direct = shop.call(json!({}));
    shop.aim(proxy.port);
    let through = shop.call(json!({}));
    let mut doubts = 0;
    for at in [At::Order, At::Answer] {
        let arrived = at == At::Answer;
        // Denying.
        let snapshot = FreezeWrites.capture(&direct).await.unwrap();
        proxy.trap("COMMIT", at, Then::Cut);
        let error = FreezeWrites.apply(&through, &snapshot).await.unwrap_err();
        assert!(error.in_doubt && error.message.contains("nobody saw how the commit ended"), "{at:?}: {error:?}");
        doubts += 1;
        assert_eq!(proxy.fired(), doubts);
        settled(&shop).await;
        assert_eq!(shop.world().await != before, arrived, "{at:?}");
        let finding = FreezeWrites.probe(&direct, &snapshot).await.unwrap().finding;
        assert_eq!(finding, if arrived { Finding::Applied } else { Finding::NotApplied }, "{at:?}");
        // Giving back.
        FreezeWrites.apply(&direct, &snapshot).await.unwrap();
        proxy.trap("COMMIT", at, Then::Cut);
        let error = FreezeWrites.undo(&through, &snapshot).await.unwrap_err();
        assert!(error.in_doubt && !error.manual.is_empty(), "{at:?}: {error:?}");
        doubts += 1;
        assert_eq!(proxy.fired(), doubts);
        settled(&shop).await;
        assert_eq!(shop.world().await == before, arrived, "{at:?}");
        FreezeWrites.undo(&direct, &snapshot).await.unwrap();
        assert_eq!(shop.world().await, before, "{at:?}");
    }
    assert_eq!(doubts, 4);
}

/// Waits until the server has noticed that the cut session is gone, and with it what that one did not commit.
async fn settled(shop: &Shop) {
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pointsman/%'";
    until("the cut session ends", Duration::from_secs(60), || async {
        (shop.server.value(open).await.as_deref() == Some("0")).then_some(())
    })
    .await;
}

/// Statements of freeze and thaw, each caught on its way there and on its way back when the server is killed.
const MOMENTS: [(&str, bool); 7] = [
    ("REVOKE", false),
    ("COMMIT", false),
    ("pg_terminate_backend", false),
    ("IN SHARE MODE", false),
    ("pg_current_wal_insert_lsn", false),
    ("GRANT ", true),
    ("COMMIT", true),
];

#[tokio::test]
async fn a_server_killed_during_freeze_and_thaw_is_probed_and_thawed_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut shop = Shop::with("GRANT UPDATE (note) ON orders TO shop_app WITH GRANT OPTION").await;
    let before = shop.world().await;
    let proxy = Proxy::before(shop.server.port).await;
    let mut kills = 0;
    for (text, thawing) in MOMENTS {
        for at in [At::Order, At::Answer] {
            let moment = format!("`{text}`, {at:?}");
            let direct = shop.call(json!({}));
            // Somebody to cut.
            let app = shop.app().await;
            let snapshot = FreezeWrites.capture(&direct).await.unwrap();
            if thawing {
                FreezeWrites.apply(&direct, &snapshot).await.unwrap();
            }
            shop.aim(proxy.port);
            let (call, saved, fired) = (shop.call(json!({})), snapshot.clone(), proxy.fired());
            shop.aim(shop.server.port);
            proxy.trap(text, at, Then::Hold);
            let working = tokio::spawn(async move {
                if thawing {
                    FreezeWrites.undo(&call, &saved).await.map(|_| ())
                } else {
                    FreezeWrites.apply(&call, &saved).await.map(|_| ())
                }
            });
            until("the statement is caught", Duration::from_secs(60), || async { (proxy.fired() > fired).then_some(()) }).await;
            shop.server.kill();
            kills += 1;
            let error = working.await.unwrap().expect_err(&moment);
            drop(app);
            shop.server.restart().await;
            let changed = shop.world().await != before;
            assert!(honest(&error, changed != thawing), "{moment}: {error:?}");
            let direct = shop.call(json!({}));
            let finding = FreezeWrites.probe(&direct, &snapshot).await.unwrap().finding;
            assert_eq!(finding, if changed { Finding::Applied } else { Finding::NotApplied }, "{moment}: {error:?}");
            FreezeWrites.undo(&direct, &snapshot).await.unwrap();
            assert_eq!(shop.world().await, before, "{moment}");
        }
    }
    assert_eq!(kills, 14);
}
