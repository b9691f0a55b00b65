//! The entry that is closed: connections are refused, and another process on the same port is found out.

use pointsman::connectors::haproxy::{DisableFrontend, EnableFrontend};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Shop, bench, settings, statuses};
use crate::bench::attempt;
use crate::servers::haproxy::HaProxy;
use crate::servers::missing;

async fn is_refused(proxy: &HaProxy) -> bool {
    let answer = TcpStream::connect(("127.0.0.1", proxy.port)).await;
    answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_closed_frontend_refuses_and_opens_again_exactly() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    // One is closed by somebody before: undo must leave it so.
    two.ask("disable frontend in").await;
    let mut open = TcpStream::connect(("127.0.0.1", one.port)).await.unwrap();
    let mut bench = bench(&[&one, &two]);
    let call = bench.call("close", Some("lb"), json!({ "frontend": "in", "addresses": [format!("127.0.0.1:{}", one.port)] }));
    let looked = DisableFrontend.inspect(&call).await.unwrap();
    assert_eq!((looked.statements.len(), looked.undo_statements.len(), looked.blockers.len()), (1, 1, 0));
    bench.notes();
    let (snapshot, applied, evidence) = attempt(&DisableFrontend, &call).await.unwrap();
    assert_eq!(applied.outputs["processes"], json!(2));
    assert_eq!(evidence.facts["status"], json!(["PAUSED", "PAUSED"]));
    assert!(is_refused(&one).await && is_refused(&two).await);
    assert!(bench.statements().contains(&looked.statements[0]));
    // A connection that was there before lives on, and is answered: this is what `sessions` warns of.
    open.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    open.read_u8().await.expect("an open connection outlives the closed frontend");
    let evidence = DisableFrontend.undo(&call, &snapshot).await.unwrap();
    assert_eq!(evidence.facts["restored"], json!(1));
    assert_eq!((one.door("in").await, two.door("in").await), ("OPEN".to_owned(), "PAUSED".to_owned()));
    assert_eq!(statuses(&one, 2).await, [200; 2]);
    let (snapshot, ..) = attempt(&EnableFrontend, &bench.call("open", Some("lb"), json!({ "frontend": "in" }))).await.unwrap();
    assert_eq!(statuses(&two, 2).await, [200; 2]);
    let call = bench.call("open", Some("lb"), json!({ "frontend": "in" }));
    EnableFrontend.undo(&call, &snapshot).await.unwrap();
    assert_eq!((one.door("in").await, two.door("in").await), ("OPEN".to_owned(), "PAUSED".to_owned()));
}

#[tokio::test]
async fn another_process_on_the_same_port_is_found_by_going_there() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let one = shop.proxy("lb-1").await;
    // A second process may listen on the same port: nothing in the first one knows of it.
    let sections = shop.sections("").replace("{front}", &one.port.to_string());
    let other = "frontend other\n  bind 127.0.0.1:{front}\n  default_backend shop\n";
    let sections = format!("{other}{sections}");
    let two = HaProxy::start("lb-2", &sections).await;
    let bench = bench(&[&one]);
    let call = bench.call("close", Some("lb"), json!({ "frontend": "in", "addresses": [format!("127.0.0.1:{}", one.port)] }));
    let snapshot = DisableFrontend.capture(&call).await.unwrap();
    let applied = DisableFrontend.apply(&call, &snapshot).await.unwrap();
    let error = DisableFrontend.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("still takes connections: another process listens there"), "{error}");
    assert_eq!(error.touch, Touch::Possible);
    DisableFrontend.undo(&call, &snapshot).await.unwrap();
    let mut bench = bench;
    bench.target("both", "haproxy", settings(&[&one, &two]));
    let call = bench.call("close", Some("both"), json!({ "frontend": "in", "addresses": [format!("127.0.0.1:{}", one.port)] }));
    attempt(&DisableFrontend, &call).await.unwrap();
    assert!(is_refused(&one).await);
}

#[tokio::test]
async fn an_address_where_nobody_listens_proves_nothing_and_an_unknown_frontend_is_refused() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let nobody = crate::servers::free_port();
    let call = bench.call("close", Some("lb"), json!({ "frontend": "in", "addresses": [format!("127.0.0.1:{nobody}")] }));
    let error = attempt(&DisableFrontend, &call).await.unwrap_err();
    assert!(error.message.contains("`in` is open, and") && error.touch == Touch::Untouched, "{error}");
    for frontend in ["nope", "shop", "in;disable frontend in"] {
        let error =
            attempt(&DisableFrontend, &bench.call("close", Some("lb"), json!({ "frontend": frontend }))).await.unwrap_err();
        assert_eq!(error.touch, Touch::Untouched, "{error}");
    }
    assert_eq!(proxy.door("in").await, "OPEN");
    // A reload opens the door again, and the proof says so.
    let call = bench.call("close", Some("lb"), json!({ "frontend": "in" }));
    let (snapshot, applied, _) = attempt(&DisableFrontend, &call).await.unwrap();
    proxy.reload().await;
    let error = DisableFrontend.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("the frontend `in` is `OPEN`, not `PAUSED`"), "{error}");
    assert!(error.hint.unwrap().contains("a reload or a restart loses"));
    assert_eq!(DisableFrontend.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
}
