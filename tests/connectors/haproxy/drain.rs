//! The drain: sessions end by themselves, clients that persist are seen, and nothing is ever emptied in silence.

use std::time::Duration;

use pointsman::connectors::haproxy::Drain;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Shop, bench, statuses};
use crate::bench::attempt;
use crate::servers::haproxy::HaProxy;
use crate::servers::web::get;
use crate::servers::{missing, until};

/// A request whose answer never ends, for as long as this lives.
async fn held(proxy: &HaProxy) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    stream.write_all(b"GET /hold HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    stream.read_u8().await.unwrap();
    stream
}

async fn is_draining(proxy: &HaProxy) {
    until("the drain", Duration::from_secs(60), || async { (proxy.state("shop").await[0] == "dc=8/100").then_some(()) }).await;
}

#[tokio::test]
async fn a_drain_waits_for_the_last_session_and_the_way_back_is_exact() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    for proxy in [&one, &two] {
        proxy.ask("set server shop/cloud weight 50").await;
    }
    let before = (one.state("shop").await, two.state("shop").await);
    let mut session = None;
    // The first server of a round may be either.
    while shop.old.hits() == 0 {
        session = Some(held(&one).await);
    }
    let mut bench = bench(&[&one, &two]);
    let params = json!({ "backend": "shop", "servers": ["dc"], "within": "60s", "stable_for": "300ms", "every": "50ms" });
    let call = bench.call("drain", Some("lb"), params);
    let looked = Drain.inspect(&call).await.unwrap();
    assert_eq!(looked.blockers, []);
    assert_eq!(looked.state["sessions"], json!(1));
    bench.notes();
    let snapshot = Drain.capture(&call).await.unwrap();
    let (there, acting) = (
        snapshot.clone(),
        bench.call(
            "drain",
            Some("lb"),
            serde_json::from_value(json!({
        "backend": "shop", "servers": ["dc"], "within": "60s", "stable_for": "300ms", "every": "50ms" }))
            .unwrap(),
        ),
    );
    let apply = tokio::spawn(async move { Drain.apply(&acting, &there).await });
    is_draining(&one).await;
    is_draining(&two).await;
    // Crashed here, it is half done.
    let probed = Drain.probe(&call, &snapshot).await.unwrap();
    assert!(matches!(&probed.finding, Finding::Partial(what) if what.contains("1 sessions")), "{probed:?}");
    let hits = shop.old.hits();
    assert_eq!((statuses(&one, 4).await, statuses(&two, 4).await), (vec![200; 4], vec![200; 4]));
    assert_eq!(shop.old.hits(), hits, "no new client comes");
    assert!(!apply.is_finished(), "a session is open");
    drop(session);
    let applied = apply.await.unwrap().unwrap();
    assert_eq!((&applied.outputs["sessions"], &applied.outputs["came"]), (&json!(1), &json!(0)));
    let evidence = Drain.prove(&call, &snapshot, &applied).await.unwrap();
    assert_eq!(evidence.facts["sessions"], json!(0));
    let sent = bench.statements();
    assert!(looked.statements.iter().all(|statement| sent.contains(statement)), "{sent:?}");
    Drain.undo(&call, &snapshot).await.unwrap();
    assert_eq!((one.state("shop").await, two.state("shop").await), before);
    assert_eq!(Drain.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
}

#[tokio::test]
async fn a_session_that_does_not_end_is_named_and_nothing_is_cut() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let before = proxy.state("shop").await;
    let mut session = held(&proxy).await;
    let bench = bench(&[&proxy]);
    for (params, why) in [
        (json!({ "within": "60s", "no_progress_for": "300ms" }), "no fewer for 300ms"),
        (json!({ "within": "300ms" }), "the time for it was up"),
    ] {
        let mut params = params;
        params["backend"] = json!("shop");
        params["servers"] = json!(["dc"]);
        params["may_empty"] = json!(true);
        params["every"] = json!("50ms");
        let call = bench.call("drain", Some("lb"), params);
        let snapshot = Drain.capture(&call).await.unwrap();
        let error = Drain.apply(&call, &snapshot).await.unwrap_err();
        assert!(error.message.contains("1 sessions are left on dc") && error.message.contains(why), "{error}");
        assert_eq!(error.touch, Touch::Possible);
        assert!(error.hint.unwrap().contains("live on"));
        Drain.undo(&call, &snapshot).await.unwrap();
        assert_eq!(proxy.state("shop").await, before);
    }
    session.read_u8().await.expect("the session lives");
}

#[tokio::test]
async fn a_drained_server_keeps_clients_that_persist_and_the_step_sees_them() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = HaProxy::start("lb-1", &shop.sections("cookie SIDE insert indirect nocache")).await;
    proxy.ask("set server shop/cloud weight 50").await;
    let bench = bench(&[&proxy]);
    let params = json!({ "backend": "shop", "servers": ["dc"], "within": "8s", "stable_for": "60s", "every": "50ms" });
    let call = bench.call("drain", Some("lb"), params);
    let persisting = async {
        is_draining(&proxy).await;
        let hits = shop.old.hits();
        let (status, _) = get(proxy.port, "/", "Cookie: SIDE=dc\r\n").await.unwrap();
        assert_eq!((status, shop.old.hits()), (200, hits + 1), "a drained server answers a client that persists on it");
    };
    let (error, ()) = tokio::join!(attempt(&Drain, &call), persisting);
    let error = error.unwrap_err();
    assert!(error.message.contains("1 came while it waited"), "{error}");
    assert!(error.hint.unwrap().contains("clients that persist"));
}

#[tokio::test]
async fn a_drain_empties_no_backend_and_opens_no_server() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let params = json!({ "backend": "shop", "servers": ["dc"], "within": "60s", "stable_for": "0s" });
    let call = bench.call("drain", Some("lb"), params);
    let looked = Drain.inspect(&call).await.unwrap();
    assert!(looked.blockers[0].what.contains("may_empty"), "{:?}", looked.blockers);
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("no server of `shop` would be left") && error.touch == Touch::Untouched, "{error}");
    // From maintenance, the word drain would let clients in that persist.
    proxy.ask("set server shop/cloud state maint").await;
    let params = json!({ "backend": "shop", "servers": ["cloud"], "within": "60s", "stable_for": "0s" });
    let (_, applied, _) = attempt(&Drain, &bench.call("drain", Some("lb"), params)).await.unwrap();
    assert_eq!(applied.outputs["servers"], json!(1));
    assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=1/0"]);
    let error =
        attempt(&Drain, &bench.call("drain", Some("lb"), json!({ "backend": "shop", "servers": [], "within": "1s" }))).await;
    assert_eq!(error.unwrap_err().touch, Touch::Untouched);
}
