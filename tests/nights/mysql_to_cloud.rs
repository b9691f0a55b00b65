//! Night 1: MariaDB to MariaDB behind HAProxy, with a queue of orders in RabbitMQ and its worker, while the shop sells.

use crate::night::{Night, ends_on_the_new_side, here, is_finished_everywhere, rolls_back_everywhere, sides, whole};
use crate::sandbox::Sandbox;
use crate::shop::{Shop, Side};
use crate::story::{failed_after, killed_both_ways, killed_in};

impl Night for Shop {
    const NAME: &'static str = "mysql-to-cloud";
    const SERVERS: &'static [(&'static str, &'static str)] =
        &[("mariadbd", "mariadb-server"), ("haproxy", "haproxy"), ("rabbitmqctl", "rabbitmq-server"), ("socat", "socat")];

    fn open() -> Self {
        Self::open()
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn serves(&self, more: usize) {
        self.sells(more);
    }

    fn state(&self) -> Vec<String> {
        vec![Self::state(self, Side::Old), Self::state(self, Side::New), self.permissions()]
    }

    async fn settle(&mut self, side: Side) -> Result<String, String> {
        whole(&self.close(side).await)
    }
}

#[tokio::test]
async fn the_load_alone_is_whole() {
    if !here::<Shop>() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(500);
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 500, "{verdict:?}");
}

#[tokio::test]
async fn a_plain_night_ends_in_the_cloud_and_nothing_is_lost() {
    let Some(mut shop) = ends_on_the_new_side::<Shop>().await else { return };
    let verdict = shop.close(Side::New).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 1000, "{verdict:?}");
    // The way back is at work: the old side holds what was sold in the cloud.
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole(), "the old side does not follow: {verdict:?}");
    println!("no payment acknowledged for {:?}; {verdict:?}", shop.payments.longest_silence());
}

#[tokio::test]
async fn failed_after_every_step_the_old_side_is_as_it_was() {
    rolls_back_everywhere::<Shop>(failed_after).await;
}

#[tokio::test]
async fn killed_in_every_step_and_in_the_way_back_the_old_side_is_as_it_was() {
    let Some((_, kills)) = rolls_back_everywhere::<Shop>(killed_both_ways).await else { return };
    assert!(kills >= sides::<Shop>().0.len(), "only {kills} kills hit a step at work");
}

#[tokio::test]
async fn behind_the_point_of_no_return_a_night_is_finished() {
    let Some(kills) = is_finished_everywhere::<Shop>(killed_in).await else { return };
    assert!(kills >= 2, "only {kills} kills hit a step at work");
}
