//! A run that is over, told again: the same fold as its own page, whichever way one comes to a record, and nothing to order.

use std::collections::BTreeMap;

use pointsman::engine::Home;
use pointsman::model::{RunId, Value};
use pointsman::web::May;

use super::api::{GATE, start};
use super::{Bench, Signed};
use crate::engine::hands;

/// A run that failed and turned back, with the number of its last record.
fn turned_back(home: &Home) -> (RunId, u64) {
    let fail = hands::step("second", "fail", "    needs: [first]\n");
    let text = format!("pointsman: 1\nrunbook: told\nsteps:\n{}{fail}", hands::step("first", "ok", ""));
    let run = hands::run(home, &text).1;
    let last = pointsman::engine::load(home, &run, None).unwrap().0.last_seq();
    (run, last)
}

async fn at(bench: &Bench, signed: &Signed, run: &RunId, rest: &str) -> Value {
    let reply = bench.get(&format!("/api/v1/runs/{run}/replay{rest}"), signed).await;
    assert_eq!(reply.status, 200, "{rest}: {}", reply.text);
    reply.json()
}

/// The rows by their id.
fn rows(shown: &Value) -> BTreeMap<String, Value> {
    let rows = shown["steps"].as_array().unwrap().iter();
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row.clone())).collect()
}

#[test]
fn every_way_to_a_record_shows_the_same_and_the_last_is_the_page_of_the_run() {
    let bench = Bench::new();
    let (run, last) = turned_back(&bench.console.settings.home);
    let signed = bench.session(May::View);
    hands::block_on(async {
        let whole = at(&bench, &signed, &run, "").await;
        assert_eq!(whole["due"].as_array().unwrap().len() as u64, last);
        assert_eq!(whole["night"]["seq"], 1);
        let mut page = rows(&whole["night"]);
        for seq in 2..=last {
            let patch = at(&bench, &signed, &run, &format!("/{seq}?since={}", seq - 1)).await;
            assert_eq!((patch["seq"].as_u64(), patch["since"].as_u64()), (Some(seq), Some(seq - 1)));
            page.extend(rows(&patch));
            // Backwards to the first record, and forwards again in one leap.
            let first = at(&bench, &signed, &run, &format!("/1?since={seq}")).await;
            assert_eq!((first["seq"].as_u64(), &first["since"]), (Some(1), &Value::Null));
            assert_eq!(rows(&first), rows(&whole["night"]));
            let leap = at(&bench, &signed, &run, &format!("/{seq}")).await;
            assert_eq!(rows(&leap), page, "record {seq}");
            for key in ["head", "clock", "facts", "asks", "orders", "expectation"] {
                assert_eq!(leap[key], patch[key], "record {seq}: {key}");
            }
            let shown: Vec<u64> = leap["log"].as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
            assert_eq!(shown, (1..=seq).collect::<Vec<_>>());
        }
        let live = bench.get(&format!("/api/v1/runs/{run}"), &signed).await.json();
        assert_eq!(rows(&live), page);
        assert_eq!(live["head"]["outcome"], "rolled_back");
    });
}

#[test]
fn what_is_worth_going_to_has_its_record() {
    let bench = Bench::new();
    let (run, last) = turned_back(&bench.console.settings.home);
    let signed = bench.session(May::View);
    hands::block_on(async {
        let whole = at(&bench, &signed, &run, "").await;
        let marks = whole["marks"].as_array().unwrap();
        let kinds: Vec<&str> = marks.iter().map(|mark| mark["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["began", "failed", "turned", "ended"], "{marks:?}");
        assert_eq!(marks[3]["seq"], last);
        let turned = marks[2]["seq"].as_u64().unwrap();
        let there = at(&bench, &signed, &run, &format!("/{turned}")).await;
        assert_eq!(there["head"]["phase"], "rolling_back");
        assert_eq!(whole["stretches"][0]["kind"], "way_back");
        assert_eq!(whole["stretches"][0]["seq"], turned);
    });
}

#[test]
fn a_replay_orders_nothing_and_shows_only_what_is_past() {
    let bench = Bench::new();
    let signed = bench.session(May::Operate);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let run = start(&bench, &signed, GATE).await;
        let code = async |path: String| bench.get(&path, &signed).await.refusal();
        assert_eq!(code(format!("/api/v1/runs/{run}/replay")).await.as_deref(), Some("conflict"), "it goes on");
        assert_eq!(code(format!("/api/v1/runs/{run}/replay/1")).await.as_deref(), Some("conflict"));
        let order = serde_json::json!({ "order": { "abort": { "reason": "enough" } } });
        bench.post(&format!("/api/v1/runs/{run}/orders"), Some(&signed), order).await;
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while code(format!("/api/v1/runs/{run}/replay")).await.is_some() {
            assert!(std::time::Instant::now() < end, "the run does not end");
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        let whole = at(&bench, &signed, &run, "").await;
        let mut asked = 0;
        for seq in 1..=whole["due"].as_array().unwrap().len() {
            let shown = at(&bench, &signed, &run, &format!("/{seq}")).await;
            assert_eq!(shown["orders"].as_array().unwrap().len(), 0, "record {seq}");
            for ask in shown["asks"].as_array().unwrap() {
                asked += 1;
                assert_eq!(ask["answers"].as_array().unwrap().len(), 0, "record {seq}");
            }
            assert_eq!(shown["head"]["resume"], Value::Null);
            assert_eq!(shown["head"]["executor"], Value::Null);
        }
        assert!(asked > 0, "the gate was never asked");
        let last = whole["due"].as_array().unwrap().len();
        for (rest, wanted) in [
            ("/0".to_owned(), "not-found"),
            (format!("/{}", last + 1), "not-found"),
            ("/x".to_owned(), "malformed"),
            ("/1?since=-".to_owned(), "malformed"),
        ] {
            assert_eq!(code(format!("/api/v1/runs/{run}/replay{rest}")).await.as_deref(), Some(wanted), "{rest}");
        }
        assert_eq!(code("/api/v1/runs/nothing/replay".to_owned()).await.as_deref(), Some("not-found"));
    });
}
