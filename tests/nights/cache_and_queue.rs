//! The night of cache and queue: Redis to its replica, RabbitMQ to another virtual host, while customers fill carts.

use std::time::{Duration, Instant};

use crate::load::carts::fill;
use crate::load::{Crew, Ledger, Rate};
use crate::night::{Night, ends_on_the_new_side, rolls_back_everywhere, whole};
use crate::sandbox::Sandbox;
use crate::shop::Side;
use crate::story::failed_after;

/// The shop with its carts.
struct Carts {
    sandbox: Sandbox,
    filled: Ledger,
    crews: Vec<Crew>,
}

impl Carts {
    fn ask(&self, side: Side, command: &[&str]) -> String {
        self.sandbox.call(&[&["redis", side.word()], command].concat())
    }
}

impl Night for Carts {
    const NAME: &'static str = "cache-and-queue";
    const SERVERS: &'static [(&'static str, &'static str)] =
        &[("redis-server", "redis-server"), ("rabbitmqctl", "rabbitmq-server"), ("curl", "curl")];

    fn open() -> Self {
        let (sandbox, filled) = (Sandbox::up(Self::NAME), Ledger::default());
        let rate = Rate { clients: 10, per_second: 500 };
        let crew = fill(sandbox.path().join("shop.json"), "shop", &sandbox.secret("SHOP_PASSWORD"), &rate, &filled);
        Self { sandbox, filled, crews: vec![crew] }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn serves(&self, more: usize) {
        let (wanted, end) = (self.filled.acknowledged() + more, Instant::now() + Duration::from_secs(60));
        while self.filled.acknowledged() < wanted {
            assert!(Instant::now() < end, "no cart is filled: {:?}", self.filled.entries().last());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn state(&self) -> Vec<String> {
        let role = |side| self.ask(side, &["ROLE"]).lines().next().unwrap_or_default().to_owned();
        let settings = std::fs::read_to_string(self.sandbox.path().join("shop.json")).unwrap();
        let login = format!("pointsman:{}", self.sandbox.secret("MQ_PASSWORD"));
        let url = format!("http://127.0.0.1:{}/api/permissions", self.sandbox.port(2));
        let permissions = std::process::Command::new("curl").args(["-sS", "-m", "5", "-u", &login, &url]).output().unwrap();
        let permissions = String::from_utf8(permissions.stdout).unwrap();
        let users = [Side::Old, Side::New].map(|side| self.ask(side, &["ACL", "LIST"]));
        [role(Side::Old), role(Side::New), settings, permissions].into_iter().chain(users).collect()
    }

    async fn settle(&mut self, side: Side) -> Result<String, String> {
        self.crews.drain(..).for_each(Crew::end);
        let keys = self.ask(side, &["KEYS", "cart:p*"]);
        let found: Vec<String> = keys.lines().filter_map(|key| key.strip_prefix("cart:")).map(str::to_owned).collect();
        whole(&self.filled.compare(&found))
    }
}

#[tokio::test]
async fn a_plain_night_ends_in_the_cloud_and_no_cart_is_lost() {
    let Some(mut shop) = ends_on_the_new_side::<Carts>().await else { return };
    println!("no cart was filled for {:?}; {}", shop.filled.longest_silence(), shop.settle(Side::New).await.unwrap());
}

#[tokio::test]
async fn failed_after_every_step_the_old_side_is_as_it_was() {
    rolls_back_everywhere::<Carts>(failed_after).await;
}
