//! pgbouncer under the contract: a pooler and two servers for each case.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::Act;
use pointsman::connectors::pgbouncer::{Pause, Resume, Switch};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::pgbouncer::Pooled;

pub fn cases() -> Vec<Named> {
    vec![named("pgbouncer.pause", of_pause), named("pgbouncer.switch", of_switch), named("pgbouncer.resume", of_resume)]
}

/// A case over a pooler of one process; `tampering` is what somebody else sends to its console.
async fn over(action: impl Act + 'static, params: Value, before: &str, tampering: &'static str) -> Case {
    let pooled = Arc::new(Pooled::start(1, &[]).await);
    if !before.is_empty() {
        pooled.poolers[0].admin(before).await.unwrap();
    }
    let bench = pooled.bench();
    let mut params = params;
    if params.get("files").is_some() {
        params["files"] = pooled.files();
    }
    let call = bench.call("hold", Some("pool"), params);
    let seen = pooled.clone();
    let look = move || {
        let pooled = seen.clone();
        async move {
            pooled.world().await.into_iter().enumerate().map(|(at, text)| (at.to_string(), text)).collect::<BTreeMap<_, _>>()
        }
    };
    let tamper = move || {
        let pooled = pooled.clone();
        async move {
            pooled.poolers[0].admin(tampering).await.unwrap();
        }
    };
    case(bench, action, call).seen_by(look).tampered_by(tamper)
}

async fn of_pause() -> Case {
    over(Pause, json!({ "database": "shop" }), "", "RESUME shop").await
}

async fn of_switch() -> Case {
    over(Switch, json!({ "database": "shop", "to": "new", "files": [] }), "", "PAUSE shop").await
}

async fn of_resume() -> Case {
    over(Resume, json!({ "database": "shop", "lands_on": "old" }), "PAUSE shop", "PAUSE shop").await
}
