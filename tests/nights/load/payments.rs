//! Payments: one row each, sent to the shop's entry at an even rate over many connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::{Answer, Crew, Ledger};

/// How the payments come.
#[derive(Clone)]
pub struct Rate {
    pub clients: u32,
    /// Of all clients together.
    pub per_second: u32,
}

/// Puts clients to work at a MySQL entry.
pub fn pay(port: u16, user: &str, password: &str, rate: &Rate, ledger: &Ledger) -> Crew {
    let opts: Opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .db_name(Some("shop"))
        .prefer_socket(false)
        .into();
    let (rate, ledger) = (rate.clone(), ledger.clone());
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        let pause = Duration::from_secs(1) * rate.clients / rate.per_second;
        let clients = (0..rate.clients).map(|number| client(number, opts.clone(), pause, ledger.clone(), stop.clone()));
        join_all(clients).await;
    }])
}

async fn client(number: u32, opts: Opts, pause: Duration, ledger: Ledger, stop: Arc<AtomicBool>) {
    let mut connection = None;
    let mut count = 0_u64;
    let mut next = tokio::time::interval(pause);
    // After a long silence clients do not make up for what they missed.
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        next.tick().await;
        count += 1;
        let (token, sent) = (format!("p{number}-{count}"), Instant::now());
        let (answer, error) = pay_once(&mut connection, &opts, &token).await;
        if answer != Answer::Acknowledged {
            connection = None;
        }
        ledger.write(token, answer, sent, error);
    }
    if let Some(connection) = connection {
        let _: Result<(), mysql_async::Error> = Conn::disconnect(connection).await;
    }
}

async fn pay_once(connection: &mut Option<Conn>, opts: &Opts, token: &str) -> (Answer, String) {
    const LONGEST: Duration = Duration::from_secs(20);
    if connection.is_none() {
        match tokio::time::timeout(LONGEST, Conn::new(opts.clone())).await {
            Ok(Ok(opened)) => *connection = Some(opened),
            Ok(Err(error)) => return (Answer::Refused, error.to_string()),
            Err(_) => return (Answer::Refused, "no connection".to_owned()),
        }
    }
    let Some(open) = connection.as_mut() else { return (Answer::Refused, String::new()) };
    let sql = "INSERT INTO payments (token, cents) VALUES (?, 100)";
    match tokio::time::timeout(LONGEST, open.exec_drop(sql, (token,))).await {
        Ok(Ok(())) => (Answer::Acknowledged, String::new()),
        // The server's own word: nothing was written.
        Ok(Err(mysql_async::Error::Server(error))) if error.code != 1927 && error.code != 1317 && error.code != 1053 => {
            (Answer::Refused, error.to_string())
        }
        Ok(Err(error)) => (Answer::Unknown, error.to_string()),
        Err(_) => (Answer::Unknown, "no answer".to_owned()),
    }
}

/// The tokens that a database holds.
pub async fn found(port: u16, user: &str, password: &str, sql: &str) -> Vec<String> {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .prefer_socket(false);
    let mut connection = Conn::new(opts).await.unwrap();
    let rows = connection.query(sql).await.unwrap();
    connection.disconnect().await.unwrap();
    rows
}
