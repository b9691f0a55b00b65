//! Freezing and opening MariaDB under the contract. The account that acts has the secret as its password, and no more rights than documented.

use std::rc::Rc;

use pointsman::connectors::mysql::{AllowWrites, FreezeWrites};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::mysql_allow::opening;
use crate::mysql_freeze::{bench, order, shop, world};

pub fn cases() -> Vec<Named> {
    vec![named("mysql.freeze_writes", of_freeze), named("mysql.allow_writes", of_allow)]
}

async fn of_freeze() -> Case {
    let server = Rc::new(shop().await);
    let bench = bench(&server, server.port);
    let call = bench.call("freeze", Some("old"), order(json!({})));
    let seen = server.clone();
    case(bench, FreezeWrites, call)
        .tampered_by(move || {
            let server = server.clone();
            async move { server.run("GRANT UPDATE ON shop.* TO app@'%'").await }
        })
        .seen_by(move || {
            let server = seen.clone();
            async move { world(&server).await }
        })
}

async fn of_allow() -> Case {
    let server = Rc::new(shop().await);
    server.run("REVOKE INSERT, UPDATE, DELETE ON shop.* FROM app@'%'; SET GLOBAL read_only = 1").await;
    let bench = bench(&server, server.port);
    let call = bench.call("open", Some("old"), opening(json!({ "server": true })));
    let seen = server.clone();
    case(bench, AllowWrites, call)
        .tampered_by(move || {
            let server = server.clone();
            async move { server.run("REVOKE UPDATE ON shop.* FROM app@'%'").await }
        })
        .seen_by(move || {
            let server = seen.clone();
            async move { world(&server).await }
        })
}
