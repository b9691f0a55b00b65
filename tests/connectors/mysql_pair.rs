//! The pair of servers that the tests of replication stand on: a replica follows, dies, and comes back.

use crate::servers::mariadb::MariaDb;
use crate::servers::missing;

#[tokio::test]
async fn a_replica_follows_over_a_power_cut() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, mut new) = tokio::join!(MariaDb::start(), MariaDb::start_with_tls(&[]));
    old.allow_replicas().await;
    new.follow(&old).await;
    old.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY); INSERT INTO shop.orders VALUES (1)").await;
    new.caught_up_with(&old).await;
    new.kill();
    old.run("INSERT INTO shop.orders VALUES (2)").await;
    new.start_again().await;
    new.caught_up_with(&old).await;
    assert_eq!(new.rows::<i64>("SELECT id FROM shop.orders ORDER BY id").await, [1, 2]);
    assert_eq!(new.one::<String>("SELECT @@have_ssl").await, "YES");
    assert!(new.authority().exists());
}
