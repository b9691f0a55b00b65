//! Keys compared: names and not only counts, and nothing missing passes.

use std::time::Duration;

use pointsman::connectors::Inspect;
use pointsman::connectors::redis::CheckKeys;
use pointsman::model::Touch;
use serde_json::{Value, json};

use super::target;
use crate::bench::{Bench, attempt};
use crate::servers::redis::Redis;
use crate::servers::{missing, until};

/// Two servers that know nothing of each other, with the same 3001 keys.
async fn pair() -> Option<(Redis, Redis, Bench)> {
    if missing("redis-server", "redis-server") {
        return None;
    }
    let (old, new) = (Redis::start().await, Redis::start().await);
    for node in [&old, &new] {
        node.ops(&["EVAL", "for i = 1, 3000 do redis.call('SET', 'shop:' .. i, i) end", "0"]).await;
        node.ops(&["HSET", "cart:1", "sku", "a"]).await;
    }
    let mut bench = Bench::new();
    target(&mut bench, "old", &[&old]);
    target(&mut bench, "new", &[&new]);
    Some((old, new, bench))
}

fn params(more: Value) -> Value {
    let mut params = json!({ "source": "old", "target": "new", "patterns": ["shop:*", "cart:*"] });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn the_same_number_of_other_names_is_a_difference() {
    let Some((_old, new, bench)) = pair().await else { return };
    let call = bench.call("keys", None, params(json!({})));
    CheckKeys.inspect(&call).await.unwrap();
    let (_, applied, evidence) = attempt(&CheckKeys, &call).await.unwrap();
    assert_eq!((&applied.outputs["keys"], &applied.outputs["different"]), (&json!(3001), &json!(0)));
    assert_eq!(evidence.facts["dbsize"], json!({ "source": 3001, "target": 3001 }));
    new.ops(&["RENAME", "shop:7", "shop:seven"]).await;
    let error = attempt(&CheckKeys, &call).await.unwrap_err();
    assert!(error.message.contains("2 of 3002 keys are on one side alone"), "{error}");
    assert!(error.message.contains("\"missing\":1") && error.message.contains("\"extra\":1"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    // Within the mark, it passes and the finding stays.
    let (_, applied, _) = attempt(&CheckKeys, &bench.call("keys", None, params(json!({ "agree": "99.9%" })))).await.unwrap();
    assert_eq!((&applied.outputs["different"], applied.outputs["findings"].as_array().unwrap().len()), (&json!(2), 1));
}

#[tokio::test]
async fn a_pattern_that_is_missing_on_one_side_fails_whatever_the_mark() {
    let Some((old, new, bench)) = pair().await else { return };
    new.ops(&["DEL", "cart:1"]).await;
    let error = attempt(&CheckKeys, &bench.call("keys", None, params(json!({ "agree": "50%" })))).await.unwrap_err();
    assert!(error.message.contains("it matches no key of the target"), "{error}");
    old.ops(&["DEL", "cart:1"]).await;
    let error = attempt(&CheckKeys, &bench.call("keys", None, params(json!({})))).await.unwrap_err();
    assert!(error.message.contains("it matches no key on either side"), "{error}");
    attempt(&CheckKeys, &bench.call("keys", None, params(json!({ "may_be_empty": ["cart:*"] })))).await.unwrap();
}

#[tokio::test]
async fn a_key_that_no_pattern_names_is_seen_by_the_size_and_a_server_never_agrees_with_itself() {
    let Some((old, new, mut bench)) = pair().await else { return };
    new.ops(&["SET", "forgotten", "1"]).await;
    let error = attempt(&CheckKeys, &bench.call("keys", None, params(json!({})))).await.unwrap_err();
    assert!(error.message.contains("DBSIZE differs"), "{error}");
    attempt(&CheckKeys, &bench.call("keys", None, params(json!({ "dbsize": "ignore" })))).await.unwrap();
    new.ops(&["DEL", "forgotten"]).await;
    // What is past its time is gone once it was looked at, so it is no difference.
    new.ops(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).await;
    new.ops(&["SET", "shop:old", "1", "PX", "1"]).await;
    let moment = || async {
        let now: (i64, i64) = redis::from_redis_value(new.ops(&["TIME"]).await).unwrap();
        Some(now.0 * 1_000_000 + now.1)
    };
    let set = moment().await.unwrap();
    until("the end of its time", Duration::from_secs(60), || async { (moment().await? > set + 10_000).then_some(()) }).await;
    attempt(&CheckKeys, &bench.call("keys", None, params(json!({})))).await.unwrap();
    target(&mut bench, "again", &[&old]);
    for (more, why) in [
        (json!({ "target": "again" }), "agrees with itself"),
        (json!({ "target": "nope" }), "is not known"),
        (json!({ "may_be_empty": ["other:*"] }), "not among `patterns`"),
    ] {
        let error = attempt(&CheckKeys, &bench.call("keys", None, params(more))).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
}
