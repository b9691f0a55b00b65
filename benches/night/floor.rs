//! The floor: the statements of the night from one bare client whose connections are open already, with nothing proven beyond what
//! the statements themselves need, nothing recorded, and nothing that could be undone.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};

use crate::shop::Shop;

/// Moves the shop.
pub fn night(shop: &Shop) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    shop.drain_orders();
    runtime.block_on(cut_over(shop));
    shop.let_orders_in();
}

async fn connect(port: u16, user: &str, password: &str) -> Conn {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .prefer_socket(false);
    Conn::new(opts).await.unwrap()
}

async fn cut_over(shop: &Shop) {
    let sandbox = &shop.sandbox;
    let password = sandbox.secret("DB_PASSWORD");
    let mut old = connect(sandbox.port(0), "pointsman", &password).await;
    let mut new = connect(sandbox.port(1), "pointsman", &password).await;
    old.query_drop("SET SESSION sql_log_bin=0").await.unwrap();
    new.query_drop("SET SESSION sql_log_bin=0").await.unwrap();
    // From here on payments are refused.
    old.query_drop("REVOKE INSERT, UPDATE, DELETE ON shop.* FROM 'shop_app'@'%'").await.unwrap();
    old.query_drop("REVOKE INSERT, UPDATE ON shop.* FROM 'shop_worker'@'%'").await.unwrap();
    let sessions: Vec<u64> =
        old.query("SELECT id FROM information_schema.processlist WHERE user IN ('shop_app', 'shop_worker')").await.unwrap();
    for session in sessions {
        let _ = old.query_drop(format!("KILL {session}")).await;
    }
    old.query_drop("SET SESSION lock_wait_timeout=10").await.unwrap();
    old.query_drop("LOCK TABLES shop.payments READ, shop.orders READ").await.unwrap();
    old.query_drop("UNLOCK TABLES").await.unwrap();
    let fence: Option<String> = old.query_first("SELECT @@gtid_binlog_pos").await.unwrap();
    let mut canary = connect(sandbox.port(0), "shop_app", &sandbox.secret("APP_PASSWORD")).await;
    canary.query_drop("INSERT INTO shop.payments (token, cents) VALUES ('canary', 0)").await.unwrap_err();
    let waited: Option<i64> = new.query_first(format!("SELECT MASTER_GTID_WAIT('{}', 30)", fence.unwrap())).await.unwrap();
    assert_eq!(waited, Some(0));
    for measure in ["COUNT(*), MAX(id) FROM shop.payments", "COUNT(*), MAX(number) FROM shop.orders"] {
        let sql = format!("SELECT {measure}");
        let there: Option<(u64, Option<String>)> = old.query_first(&sql).await.unwrap();
        let here: Option<(u64, Option<String>)> = new.query_first(&sql).await.unwrap();
        assert_eq!(there, here);
    }
    for sql in ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0"] {
        new.query_drop(sql).await.unwrap();
    }
    let replica = sandbox.secret("REPLICA_PASSWORD");
    let begins_at: Option<String> = old.query_first("SELECT @@global.gtid_current_pos").await.unwrap();
    old.query_drop(format!("SET GLOBAL gtid_slave_pos = '{}'", begins_at.unwrap())).await.unwrap();
    old.query_drop(format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='replica', MASTER_PASSWORD='{replica}', MASTER_USE_GTID=slave_pos",
        sandbox.port(1)
    ))
    .await
    .unwrap();
    old.query_drop("START SLAVE").await.unwrap();
    let state = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'system user' AND state LIKE 'Waiting for master to send event%'";
    while old.query_first::<u64, _>(state).await.unwrap() != Some(1) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut lb = TcpStream::connect(("127.0.0.1", sandbox.port(3))).unwrap();
    lb.write_all(b"set server shop/cloud state ready; set server shop/old state maint; shutdown sessions server shop/old\n")
        .unwrap();
    let mut said = String::new();
    lb.read_to_string(&mut said).unwrap();
    let mut smoke = connect(sandbox.port(2), "shop_app", &sandbox.secret("APP_PASSWORD")).await;
    assert_eq!(smoke.query_first::<u64, _>("SELECT @@server_id").await.unwrap(), Some(909));
}
