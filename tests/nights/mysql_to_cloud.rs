//! Night 1: MariaDB to MariaDB behind HAProxy, with a queue of orders in RabbitMQ and its worker.

use std::time::Duration;

use crate::shop::{Shop, Side};

#[tokio::test]
async fn the_load_alone_is_whole() {
    let mut shop = Shop::open();
    shop.sells(1000);
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 1000, "{verdict:?}");
    assert!(shop.payments.longest_silence() < Duration::from_secs(5));
}
