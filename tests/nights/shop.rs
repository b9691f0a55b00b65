//! The shop of night 1 at work in its sandbox: payments through the entry, orders through the queue.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::executor::Executor;
use crate::load::orders::{order, work};
use crate::load::payments::{found, pay};
use crate::load::{Crew, Ledger, Rate, Verdict};
use crate::sandbox::Sandbox;

/// One of the two databases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Old,
    New,
}

impl Side {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    pub const fn offset(self) -> u16 {
        match self {
            Self::Old => 0,
            Self::New => 1,
        }
    }
}

/// The shop and what its clients were told.
pub struct Shop {
    pub sandbox: Sandbox,
    pub payments: Ledger,
    pub orders: Ledger,
    crews: Vec<Crew>,
    workers: Vec<Crew>,
}

impl Shop {
    /// Servers, 500 payments and 50 orders a second.
    pub fn open() -> Self {
        let sandbox = Sandbox::up("mysql-to-cloud");
        let (payments, orders) = (Ledger::default(), Ledger::default());
        let amqp =
            |user: &str, secret: &str| format!("amqp://{user}:{}@127.0.0.1:{}/shop", sandbox.secret(secret), sandbox.port(4));
        let rate = Rate { clients: 10, per_second: 500 };
        let crews = vec![
            pay(sandbox.port(2), "shop_app", &sandbox.secret("APP_PASSWORD"), &rate, &payments),
            order(amqp("entry", "ENTRY_PASSWORD"), 50, &orders),
        ];
        let workers = vec![work(amqp("worker", "MQ_WORKER_PASSWORD"), sandbox.port(2), &sandbox.secret("WORKER_PASSWORD"))];
        Self { sandbox, payments, orders, crews, workers }
    }

    /// Waits until this many more payments were acknowledged, and an order too.
    pub fn sells(&self, more: usize) {
        let (payments, orders) = (self.payments.acknowledged() + more, self.orders.acknowledged() + 1);
        let end = Instant::now() + Duration::from_secs(60);
        while self.payments.acknowledged() < payments || self.orders.acknowledged() < orders {
            if Instant::now() > end {
                let last = self.payments.entries().last().cloned();
                let order = self.orders.entries().last().cloned();
                panic!("the shop does not sell: {last:?} {order:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// An executor with the night's secrets and a home of its own.
    pub fn executor(&self, home: &str) -> Executor {
        Executor::new(self.sandbox.path().with_file_name(home), self.sandbox.secrets())
    }

    /// Begins the night.
    pub fn begin(&self, executor: &mut Executor) {
        executor.run(&self.sandbox.runbook(), &self.sandbox.path().join("params.yaml"), &[]);
    }

    /// Ends the clients, lets the worker finish, and holds the ledgers against one side.
    pub async fn close(&mut self, side: Side) -> Verdict {
        for crew in self.crews.drain(..) {
            crew.end();
        }
        let password = self.sandbox.secret("DB_PASSWORD");
        let port = self.sandbox.port(side.offset());
        let end = Instant::now() + Duration::from_secs(60);
        // A side that follows has the last writes a little later.
        let (tokens, numbers) = loop {
            let tokens = found(port, "pointsman", &password, "SELECT token FROM shop.payments").await;
            let numbers = found(port, "pointsman", &password, "SELECT number FROM shop.orders").await;
            let lost = self.payments.compare(&tokens).lost + self.orders.compare(&numbers).lost;
            if lost == 0 || Instant::now() > end {
                break (tokens, numbers);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for crew in self.workers.drain(..) {
            crew.end();
        }
        let (payments, orders) = (self.payments.compare(&tokens), self.orders.compare(&numbers));
        Verdict {
            acknowledged: payments.acknowledged + orders.acknowledged,
            refused: payments.refused + orders.refused,
            unknown: payments.unknown + orders.unknown,
            lost: payments.lost + orders.lost,
            duplicated: payments.duplicated + orders.duplicated,
            invented: payments.invented + orders.invented,
        }
    }

    /// The grants of the shop's accounts, whether the server takes writes, and whether it replicates.
    pub fn state(&self, side: Side) -> String {
        let ask = |sql: &str| self.sandbox.call(&["sql", side.word(), sql]);
        let grants: String =
            ["shop_app", "shop_worker"].iter().map(|account| ask(&format!("SHOW GRANTS FOR '{account}'@'%'"))).collect();
        let replication =
            "SELECT GROUP_CONCAT(command ORDER BY command) FROM information_schema.processlist WHERE command LIKE 'Slave%'";
        format!(
            "{grants}{}replication={}",
            ask("SELECT CONCAT('read_only=', @@read_only, ' events=', @@event_scheduler)"),
            ask(replication)
        )
    }

    /// What the broker lets the shop's users do.
    pub fn permissions(&self) -> String {
        self.manage("GET", "vhosts/shop/permissions", "")
    }

    /// Stops new orders and waits until the queue is empty, by hand.
    pub fn drain_orders(&self) {
        self.manage("PUT", "permissions/shop/entry", r#"{"configure":"","write":"","read":".*"}"#);
        let connections: serde_json::Value = serde_json::from_str(&self.manage("GET", "connections", "")).unwrap();
        for connection in connections.as_array().unwrap().iter().filter(|connection| connection["user"] == "entry") {
            let name = connection["name"].as_str().unwrap().replace(' ', "%20").replace(':', "%3A").replace('>', "%3E");
            self.manage("DELETE", &format!("connections/{name}"), "");
        }
        // The figures of the management API lag by up to five seconds.
        std::thread::sleep(Duration::from_secs(7));
    }

    /// Lets orders in again, by hand.
    pub fn let_orders_in(&self) {
        self.manage("PUT", "permissions/shop/entry", r#"{"configure":"","write":".*","read":".*"}"#);
    }

    fn manage(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.sandbox.port(5));
        let login = format!("pointsman:{}", self.sandbox.secret("MQ_PASSWORD"));
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "5", "-u", &login, "-H", "content-type: application/json", "-X", method]);
        if !body.is_empty() {
            command.args(["-d", body]);
        }
        String::from_utf8(command.arg(url).output().unwrap().stdout).unwrap()
    }
}
