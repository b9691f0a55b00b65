//! Orders: published to a queue with confirms, and a worker that stores each and acknowledges it then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::{Answer, Crew, Ledger};

async fn channel(url: &str) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Puts a producer to work that sends orders at an even rate.
pub fn order(url: String, per_second: u32, ledger: &Ledger) -> Crew {
    let ledger = ledger.clone();
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        let mut open: Option<(Connection, Channel)> = None;
        let mut next = tokio::time::interval(Duration::from_secs(1) / per_second);
        next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count = 0_u64;
        while !stop.load(Ordering::SeqCst) {
            next.tick().await;
            count += 1;
            let (token, sent) = (format!("o{count}"), Instant::now());
            match publish(&mut open, &url, &token).await {
                Ok(true) => ledger.write(token, Answer::Acknowledged, sent, ""),
                Ok(false) => ledger.write(token, Answer::Refused, sent, "not confirmed"),
                Err(error) => {
                    open = None;
                    ledger.write(token, Answer::Unknown, sent, error);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }])
}

async fn publish(open: &mut Option<(Connection, Channel)>, url: &str, token: &str) -> lapin::Result<bool> {
    if open.is_none() {
        let (connection, channel) = channel(url).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        *open = Some((connection, channel));
    }
    let Some((_, channel)) = open else { return Ok(false) };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let sent =
        channel.basic_publish("".into(), "orders".into(), BasicPublishOptions::default(), token.as_bytes(), properties).await?;
    Ok(matches!(sent.await?, Confirmation::Ack(_)))
}

/// Puts the worker to work: it stores an order through the shop's entry, and only then acknowledges it to the queue.
pub fn work(url: String, port: u16, password: &str) -> Crew {
    let opts: Opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("shop_worker"))
        .pass(Some(password))
        .db_name(Some("shop"))
        .prefer_socket(false)
        .into();
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        while !stop.load(Ordering::SeqCst) {
            if consume(&url, &opts, &stop).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }])
}

async fn consume(url: &str, opts: &Opts, stop: &AtomicBool) -> lapin::Result<()> {
    let (_connection, channel) = channel(url).await?;
    channel.basic_qos(10, BasicQosOptions::default()).await?;
    let mut orders =
        channel.basic_consume("orders".into(), "worker".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    let mut database: Option<Conn> = None;
    while !stop.load(Ordering::SeqCst) {
        let Ok(next) = tokio::time::timeout(Duration::from_millis(100), orders.next()).await else { continue };
        let Some(delivery) = next else { return Ok(()) };
        let delivery = delivery?;
        let number = String::from_utf8_lossy(&delivery.data).into_owned();
        match store(&mut database, opts, &number).await {
            Ok(()) => delivery.ack(BasicAckOptions::default()).await?,
            Err(_) => {
                database = None;
                delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
    }
    Ok(())
}

async fn store(open: &mut Option<Conn>, opts: &Opts, number: &str) -> mysql_async::Result<()> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Conn::new(opts.clone()).await?,
    };
    let sql = "INSERT INTO orders (number) VALUES (?) ON DUPLICATE KEY UPDATE deliveries = deliveries + 1";
    connection.exec_drop(sql, (number,)).await?;
    *open = Some(connection);
    Ok(())
}
