//! HTTP against a real server: what was never sent is untouched, what nobody answered is in doubt.

use std::time::{Duration, Instant};

use pointsman::connectors::Inspect as _;
use pointsman::connectors::http::{HttpCheck, HttpRequest, NotifyWebhook};
use pointsman::model::{Finding, Touch};
use serde_json::json;
use tokio::net::TcpListener;

use crate::bench::{Bench, CANARY, attempt};
use crate::server::{Reply, serve};

#[tokio::test]
async fn a_request_carries_method_headers_and_body_and_gives_outputs() {
    let bench = Bench::new();
    let (url, seen) = serve(|_| Reply::With("201 Created", "X-Id: 7\r\n", "{\"state\": {\"db\": \"cloud\"}}".to_owned())).await;
    let params = json!({
        "url": format!("{url}/switch?x=1"), "method": "PUT", "headers": { "Authorization": format!("Bearer {CANARY}") },
        "json": { "to": "cloud" }, "expect": { "status": 201, "headers": { "X-Id": "7" }, "json": { "state.db": "cloud" } },
    });
    let (_, applied, _) = attempt(&HttpRequest, &bench.call("go", None, params)).await.unwrap();
    assert_eq!((&applied.outputs["status"], &applied.outputs["json"]["state"]["db"]), (&json!(201), &json!("cloud")));
    let request = seen.lock().unwrap()[0].clone();
    assert!(request.starts_with("PUT /switch?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("content-type: application/json"), "{request}");
    assert!(request.contains(&format!("Bearer {CANARY}")) && request.ends_with("{\"to\":\"cloud\"}"), "{request}");
}

#[tokio::test]
async fn every_condition_can_fail() {
    let bench = Bench::new();
    let (url, seen) = serve(|_| Reply::With("200 OK", "X-Id: 7\r\n", "{\"n\": [1, 5]}".to_owned())).await;
    let wrong = [
        (json!({ "status": 204 }), "status: expected 204, found 200"),
        (json!({ "status": { "any_of": [201, 202] } }), "status"),
        (json!({ "headers": { "X-Id": "8" } }), "header X-Id: expected \"8\", found \"7\""),
        (json!({ "headers": { "X-Other": "8" } }), "found nothing"),
        (json!({ "json": { "n.1": { "below": 5 } } }), "n.1: expected below 5, found 5"),
        (json!({ "json": { "missing": { "not": 1 } } }), "missing: expected anything but 1, found nothing"),
        (json!({ "text": { "contains": "z" } }), "text"),
    ];
    for (expect, why) in &wrong {
        let call = bench.call("go", None, json!({ "url": url, "expect": expect }));
        let error = attempt(&HttpCheck, &call).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!(error.touch, Touch::Untouched);
        // The same answer to a request that acts: it arrived, and the attempt is over.
        let error = attempt(&HttpRequest, &call).await.unwrap_err();
        assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false), "{error}");
    }
    assert_eq!(seen.lock().unwrap().len(), 2 * wrong.len());
    let call = bench.call("go", None, json!({ "url": url, "expect": { "json": { "n.0": 1 } } }));
    assert!(attempt(&HttpCheck, &call).await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_untouched_and_no_answer_is_in_doubt() {
    let bench = Bench::new();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = attempt(&HttpRequest, &bench.call("go", None, json!({ "url": format!("http://{free}") }))).await.unwrap_err();
    assert_eq!((refused.touch, refused.in_doubt), (Touch::Untouched, false), "{refused}");
    for reply in [Reply::HangUp, Reply::Silence, Reply::Half] {
        let answer = reply.clone();
        let (url, seen) = serve(move |_| answer.clone()).await;
        let mut call = bench.call("go", None, json!({ "url": url, "json": {} }));
        let begun = Instant::now();
        call.deadline = begun + Duration::from_millis(700);
        let error = attempt(&HttpRequest, &call).await.unwrap_err();
        assert!(error.in_doubt, "{reply:?}: {error}");
        assert!(begun.elapsed() < Duration::from_millis(700), "{reply:?} took {:?}", begun.elapsed());
        assert_eq!(seen.lock().unwrap().len(), 1, "{reply:?}: a request that may have acted was sent twice");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_unless_it_may_be_followed() {
    let bench = Bench::new();
    let (new, _) = serve(|_| Reply::json("{\"at\": \"new\"}")).await;
    let (old, _) =
        serve(move |_| Reply::With("302 Found", Box::leak(format!("Location: {new}/\r\n").into_boxed_str()), String::new()))
            .await;
    let strict = bench.call("go", None, json!({ "url": old, "expect": { "status": 302 } }));
    assert!(attempt(&HttpCheck, &strict).await.is_ok());
    let follow = bench.call("go", None, json!({ "url": old, "redirects": 2, "expect": { "json": { "at": "new" } } }));
    assert!(attempt(&HttpCheck, &follow).await.is_ok());
}

#[tokio::test]
async fn a_check_asks_until_the_answer_is_as_expected() {
    let bench = Bench::new();
    let (url, seen) = serve(|n| if n < 3 { Reply::HangUp } else { Reply::json(&format!("{{\"n\": {n}}}")) }).await;
    let until = json!({ "every": "10ms", "within": "10s" });
    let params = json!({ "url": url, "until": until, "expect": { "json": { "n": { "at_least": 5 } } } });
    attempt(&HttpCheck, &bench.call("go", None, params)).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 6);
    let params = json!({ "url": url, "until": { "every": "10ms", "within": "200ms" }, "expect": { "status": 500 } });
    let begun = Instant::now();
    let error = attempt(&HttpCheck, &bench.call("go", None, params)).await.unwrap_err();
    assert!(error.message.contains("status: expected 500, found 200"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_probe_looks_and_tells_three_things_apart() {
    let bench = Bench::new();
    let (url, seen) = serve(|_| Reply::json("{\"db\": \"cloud\"}")).await;
    let probe = |path: &str, db: &str| json!({ "url": path, "probe": { "url": path, "expect": { "json": { "db": db } } } });
    let finding = async |params| HttpRequest.probe(&bench.call("go", None, params), &json!(null)).await.unwrap().finding;
    assert_eq!(finding(probe(&url, "cloud")).await, Finding::Applied);
    assert_eq!(finding(probe(&url, "dc")).await, Finding::NotApplied);
    assert!(matches!(finding(probe("http://127.0.0.1:1", "dc")).await, Finding::Unknown(_)));
    assert!(matches!(finding(json!({ "url": url })).await, Finding::Unknown(_)));
    assert!(seen.lock().unwrap().iter().all(|request| request.starts_with("GET ")), "a probe acted");
    // With `prove`, the answer to the request alone is not enough.
    let proven = json!({ "url": url, "prove": { "url": url, "expect": { "json": { "db": "dc" } } } });
    let error = attempt(&HttpRequest, &bench.call("go", None, proven)).await.unwrap_err();
    assert!(error.message.contains("not proven") && error.touch == Touch::Possible, "{error}");
}

#[tokio::test]
async fn a_long_answer_is_cut_and_never_taken_for_json() {
    let bench = Bench::new();
    let body = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    let (url, _) = serve(move |_| Reply::json(&body)).await;
    let (_, applied, _) = attempt(&HttpCheck, &bench.call("go", None, json!({ "url": url }))).await.unwrap();
    assert_eq!(applied.outputs["body"].as_str().unwrap().len(), 64 * 1024);
    let call = bench.call("go", None, json!({ "url": url, "expect": { "json": { "a": { "not": 1 } } } }));
    assert!(attempt(&HttpCheck, &call).await.unwrap_err().message.contains("too long"));
}

#[tokio::test]
async fn a_notice_is_told_and_its_address_never_shown() {
    let mut bench = Bench::new();
    let (url, seen) = serve(|_| Reply::json("ok")).await;
    let call = bench.call("tell", None, json!({ "url": format!("{url}/{CANARY}"), "text": "night-1 ended: succeeded" }));
    attempt(&NotifyWebhook, &call).await.unwrap();
    let request = seen.lock().unwrap()[0].clone();
    assert!(request.starts_with(&format!("POST /{CANARY} ")), "{request}");
    assert!(request.ends_with("{\"text\":\"night-1 ended: succeeded\"}"), "{request}");
    assert!(bench.statements().iter().all(|sent| sent.ends_with("/…")));
    let (url, _) = serve(|_| Reply::HangUp).await;
    let error = attempt(&NotifyWebhook, &bench.call("tell", None, json!({ "url": url, "text": "x" }))).await.unwrap_err();
    assert!(!error.in_doubt, "a notice must never hold up a night");
}
