//! Night 1: MariaDB to MariaDB behind HAProxy, with a queue of orders in RabbitMQ and its worker.

use std::time::Duration;

use crate::load::orders::{order, work};
use crate::load::payments::{Rate, found, pay};
use crate::load::{Crew, Ledger};
use crate::sandbox::Sandbox;

/// The shop at work in the sandbox.
struct Shop {
    sandbox: Sandbox,
    payments: Ledger,
    orders: Ledger,
    crews: Vec<Crew>,
}

impl Shop {
    fn open() -> Self {
        let sandbox = Sandbox::up("mysql-to-cloud");
        let (payments, orders) = (Ledger::default(), Ledger::default());
        let amqp =
            |user: &str, secret: &str| format!("amqp://{user}:{}@127.0.0.1:{}/shop", sandbox.secret(secret), sandbox.port(4));
        let rate = Rate { clients: 10, per_second: 500 };
        let crews = vec![
            pay(sandbox.port(2), "shop_app", &sandbox.secret("APP_PASSWORD"), &rate, &payments),
            order(amqp("entry", "ENTRY_PASSWORD"), 50, &orders),
            work(amqp("worker", "MQ_WORKER_PASSWORD"), sandbox.port(2), &sandbox.secret("WORKER_PASSWORD")),
        ];
        Self { sandbox, payments, orders, crews }
    }
}

#[tokio::test]
async fn the_load_alone_is_whole() {
    let mut shop = Shop::open();
    std::thread::sleep(Duration::from_secs(3));
    for crew in shop.crews.drain(..) {
        crew.end();
    }
    let password = shop.sandbox.secret("DB_PASSWORD");
    let tokens = found(shop.sandbox.port(0), "pointsman", &password, "SELECT token FROM shop.payments").await;
    let numbers = found(shop.sandbox.port(0), "pointsman", &password, "SELECT number FROM shop.orders").await;
    println!("{:?} {:?} {:?}", shop.payments.compare(&tokens), shop.orders.compare(&numbers), shop.payments.longest_silence());
}
