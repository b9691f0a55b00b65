//! Night 1: MariaDB to MariaDB behind HAProxy, with a queue of orders in RabbitMQ and its worker, while the shop sells.

use crate::shop::{Shop, Side};
use crate::story::{NO_TROUBLE, SABOTAGE, Story, colleague, is_alone, sabotaged, steps};

/// What must be the same before a night and after one that was rolled back.
fn whole_state(shop: &Shop) -> [String; 3] {
    [shop.state(Side::Old), shop.state(Side::New), shop.permissions()]
}

fn is_behind_the_point_of_no_return(step: &str) -> bool {
    ["switch", "smoke", "orders-again"].contains(&step)
}

fn here() -> bool {
    [("mariadbd", "mariadb-server"), ("haproxy", "haproxy"), ("rabbitmqctl", "rabbitmq-server"), ("socat", "socat")]
        .into_iter()
        .all(|(program, package)| !crate::servers::missing(program, package))
}

#[tokio::test]
async fn the_load_alone_is_whole() {
    if !here() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(500);
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 500, "{verdict:?}");
}

#[tokio::test]
async fn a_plain_night_ends_in_the_cloud_and_nothing_is_lost() {
    if !here() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(500);
    let mut executor = shop.executor("plain");
    shop.begin(&mut executor);
    let told = NO_TROUBLE.tell(&mut executor);
    assert_eq!(told.ended.code, 0, "{}", told.ended.account);
    shop.sells(500);
    let verdict = shop.close(Side::New).await;
    assert!(verdict.is_whole() && verdict.acknowledged >= 1000, "{verdict:?}");
    // The way back is at work: the old side holds what was sold in the cloud.
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole(), "the old side does not follow: {verdict:?}");
    println!("no payment acknowledged for {:?}; {verdict:?}", shop.payments.longest_silence());
}

/// Tells one story on a shop that is open; it must end rolled back, with everything as it was, and the shop must sell.
fn rolls_back(shop: &Shop, number: usize, story: Story<'_>) -> usize {
    let before = whole_state(shop);
    let after = story.fails_after.unwrap();
    let folder = shop.sandbox.path();
    let runbook = sabotaged(&shop.sandbox.runbook(), after, &folder);
    let mut executor = shop.executor(&format!("run-{number}"));
    executor.run(&runbook, &folder.join("params.yaml"), &[]);
    let told = story.tell(&mut executor);
    assert_eq!(told.ended.code, 4, "{story:?}:\n{}", told.ended.account);
    if story.killed_in.is_none() {
        assert_eq!(executor.culprit().as_deref(), Some(SABOTAGE), "{}", told.ended.account);
    }
    assert_eq!(whole_state(shop), before, "{story:?}:\n{}", told.ended.account);
    shop.sells(50);
    told.kills
}

/// Tells one story behind the point of no return; it must end in the cloud.
async fn ends_in_the_cloud(story: Story<'_>) -> usize {
    let mut shop = Shop::open();
    shop.sells(100);
    let folder = shop.sandbox.path();
    let runbook = sabotaged(&shop.sandbox.runbook(), story.fails_after.unwrap(), &folder);
    let mut executor = shop.executor("run");
    executor.share(&colleague());
    executor.run(&runbook, &folder.join("params.yaml"), &[]);
    let told = story.tell(&mut executor);
    assert_eq!(told.ended.code, 0, "{story:?}:\n{}", told.ended.account);
    shop.sells(100);
    let verdict = shop.close(Side::New).await;
    assert!(verdict.is_whole(), "{story:?}: {verdict:?}\n{}", told.ended.account);
    told.kills
}

fn all_steps() -> Vec<String> {
    let runbook = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/mysql-to-cloud/runbook.yaml");
    let steps = steps(&runbook);
    assert!(steps.len() >= 12);
    steps
}

async fn before_the_point_of_no_return(story: impl for<'a> Fn(&'a str) -> Story<'a>) -> usize {
    let mut shop = Shop::open();
    shop.sells(200);
    let mut kills = 0;
    for (number, step) in all_steps().iter().enumerate().filter(|(_, step)| !is_behind_the_point_of_no_return(step)) {
        kills += rolls_back(&shop, number, story(step));
    }
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole(), "{verdict:?}");
    println!("{verdict:?}");
    kills
}

#[tokio::test]
async fn failed_after_every_step_the_old_side_is_as_it_was() {
    if !here() {
        return;
    }
    before_the_point_of_no_return(|step| Story { fails_after: Some(step), ..NO_TROUBLE }).await;
}

#[tokio::test]
async fn killed_in_every_step_and_in_the_way_back_the_old_side_is_as_it_was() {
    if !here() {
        return;
    }
    let kills =
        before_the_point_of_no_return(|step| Story { fails_after: Some(step), killed_in: Some(step), killed_in_undo: true })
            .await;
    assert!(kills >= all_steps().len() - 3, "only {kills} kills hit a step at work");
}

#[tokio::test]
async fn behind_the_point_of_no_return_a_night_is_finished() {
    if !here() || is_alone() {
        return;
    }
    let mut kills = 0;
    for step in all_steps().iter().filter(|step| is_behind_the_point_of_no_return(step)) {
        kills += ends_in_the_cloud(Story { fails_after: Some(step), killed_in: Some(step), killed_in_undo: false }).await;
    }
    assert!(kills >= 2, "only {kills} kills hit a step at work");
}
