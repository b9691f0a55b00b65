//! HTTP under the contract.

use pointsman::connectors::http;
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::server::{Reply, serve};

pub fn cases() -> Vec<Named> {
    vec![named("http.request", of_request), named("http.check", of_http_check), named("notify.webhook", of_webhook)]
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
