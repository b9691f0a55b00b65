//! Night 2: PostgreSQL 15 to 17 behind pgbouncer. Clients see a pause, and no error.

use std::time::{Duration, Instant};

use crate::load::payments_pg::{address, found, pay};
use crate::load::{Answer, Crew, Ledger, Rate, Verdict};
use crate::night::{Night, ends_on_the_new_side, is_finished_everywhere, rolls_back_everywhere, whole};
use crate::sandbox::Sandbox;
use crate::servers::newer::not_brought;
use crate::servers::postgres::newer_programs;
use crate::shop::Side;
use crate::story::{failed_after, killed_both_ways, killed_in};

/// The shop at work: 500 payments a second through pgbouncer.
struct Shop {
    sandbox: Sandbox,
    payments: Ledger,
    crews: Vec<Crew>,
}

impl Shop {
    /// Ends the clients, and holds the ledger against one side.
    async fn close(&mut self, side: Side) -> Verdict {
        for crew in self.crews.drain(..) {
            crew.end();
        }
        let password = self.sandbox.secret("DB_PASSWORD");
        let port = self.sandbox.port(if side == Side::Old { 0 } else { 1 });
        let acknowledged = self.payments.acknowledged();
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let tokens = found(address(port, "pointsman", &password)).await;
            if tokens.len() >= acknowledged || Instant::now() > end {
                return self.payments.compare(&tokens);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Night for Shop {
    const NAME: &'static str = "postgres-major-upgrade";
    const SERVERS: &'static [(&'static str, &'static str)] = &[("pgbouncer", "pgbouncer"), ("initdb", "postgresql-15")];

    fn open() -> Self {
        let newer = (!not_brought("trixie", "PostgreSQL 17")).then(|| ("NEW_PG_BIN", newer_programs("17")));
        let sandbox = Sandbox::up_with(Self::NAME, newer.into_iter().collect());
        let payments = Ledger::default();
        let entry = address(sandbox.port(2), "shop_app", &sandbox.secret("APP_PASSWORD"));
        let crews = vec![pay(entry, &Rate { clients: 10, per_second: 500 }, &payments)];
        Self { sandbox, payments, crews }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn serves(&self, more: usize) {
        let wanted = self.payments.acknowledged() + more;
        let end = Instant::now() + Duration::from_secs(60);
        while self.payments.acknowledged() < wanted {
            assert!(Instant::now() < end, "the shop does not sell: {:?}", self.payments.entries().last());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn settle(&mut self, side: Side) -> Result<String, String> {
        whole(&self.close(side).await)
    }

    /// Every right on every table, column and sequence, who may log in, what replicates, and where the pooler points.
    fn state(&self) -> Vec<String> {
        // What an owner has without a grant counts as given: the first GRANT on an object writes it out.
        let rights = "SELECT c.relname, a.* FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN \
                      's'::\"char\" ELSE 'r'::\"char\" END, c.relowner))) a WHERE c.relnamespace = 'public'::regnamespace AND \
                      c.relkind IN ('r', 'S') UNION ALL SELECT c.relname || '.' || t.attname, a.* FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, \
                      aclexplode(t.attacl) a ORDER BY 1, 2, 3, 4";
        let roles = "SELECT rolname, rolcanlogin, rolconnlimit FROM pg_roles WHERE rolname LIKE 'shop%' ORDER BY 1";
        let replication = "SELECT 'pub', pubname::text FROM pg_publication UNION ALL SELECT 'sub', subname || subenabled FROM pg_subscription \
                           UNION ALL SELECT 'slot', slot_name::text || coalesce(active::text, '') FROM pg_replication_slots ORDER BY 1, 2";
        let mut state = vec![std::fs::read_to_string(self.sandbox.path().join("pool/pgbouncer.ini")).unwrap()];
        for side in ["old", "new"] {
            state.extend([rights, roles, replication].map(|sql| self.sandbox.call(&["sql", side, sql])));
        }
        state
    }
}

#[tokio::test]
async fn a_plain_night_ends_on_the_new_side_and_no_client_saw_an_error() {
    let Some(mut shop) = ends_on_the_new_side::<Shop>().await else { return };
    let verdict = shop.close(Side::New).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 1000, "{verdict:?}");
    // What was written on the new side has flowed back: the old one could take over again.
    let back = shop.close(Side::Old).await;
    assert!(back.is_whole() && back.acknowledged == verdict.acknowledged, "{back:?}");
    let errors: Vec<_> = shop.payments.entries().into_iter().filter(|entry| entry.answer != Answer::Acknowledged).collect();
    assert!(errors.is_empty(), "{} clients saw an error, first {:?}", errors.len(), errors[0]);
    println!("the longest wait for an answer was {:?}; {verdict:?}", shop.payments.longest_wait());
}

#[tokio::test]
async fn failed_after_every_step_the_old_side_is_as_it_was() {
    rolls_back_everywhere::<Shop>(failed_after).await;
}

#[tokio::test]
async fn killed_in_every_step_and_in_the_way_back_the_old_side_is_as_it_was() {
    let Some((_, kills)) = rolls_back_everywhere::<Shop>(killed_both_ways).await else { return };
    assert!(kills >= 6, "only {kills} kills hit a step at work");
}

#[tokio::test]
async fn behind_the_point_of_no_return_a_night_is_finished() {
    is_finished_everywhere::<Shop>(killed_in).await;
}
