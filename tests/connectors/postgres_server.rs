//! The servers themselves: each is its own, comes back after a kill with what was committed, and stands in front of nothing else.

use tokio_postgres::SimpleQueryMessage;

use crate::servers::missing;
use crate::servers::pgbouncer::{Pgbouncer, Pool};
use crate::servers::postgres::{Encryption, Postgres};

#[tokio::test]
async fn servers_are_distinct_keep_what_was_committed_and_are_pooled() {
    if missing("postgres", "postgresql-15") || missing("pgbouncer", "pgbouncer") {
        return;
    }
    let (mut first, second) = (Postgres::start().await, Postgres::start_with(&[], Encryption::Offered).await);
    let identity = "SELECT system_identifier FROM pg_control_system()";
    assert_ne!(first.value(identity).await, second.value(identity).await);
    assert_eq!(second.value("SHOW ssl").await.as_deref(), Some("on"));
    first.sql("CREATE ROLE app LOGIN PASSWORD 'app'; CREATE TABLE t (id int); GRANT ALL ON t TO app").await;
    first.sql("INSERT INTO t VALUES (1)").await;
    first.kill();
    first.restart().await;
    assert_eq!(first.value("SELECT count(*) FROM t").await.as_deref(), Some("1"));
    assert!(first.connect("app", "wrong", "postgres").await.is_err(), "any password is taken");
    let databases = [format!("shop = host=127.0.0.1 port={} dbname=postgres", first.port)];
    let pooler = Pgbouncer::start(Pool { databases: &databases, users: &[("app", "app")], settings: &[] }).await;
    let client = pooler.connect("app", "app", "shop").await.unwrap();
    let rows = client.simple_query("SELECT id FROM t").await.unwrap();
    assert!(rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("1"))));
    assert!(pooler.admin("SHOW DATABASES").await.unwrap().iter().any(|row| row[0].as_deref() == Some("shop")));
    let standby = first.standby(&[]).await;
    assert_eq!(standby.value("SELECT pg_is_in_recovery()").await.as_deref(), Some("t"));
}
