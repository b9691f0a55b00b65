//! The same payments in PostgreSQL, through pgbouncer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_postgres::{Client, Config, NoTls};

use super::payments::Rate;
use super::{Answer, Crew, Ledger};

/// Where and as whom.
pub fn address(port: u16, user: &str, password: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(user).password(password).dbname("shop").connect_timeout(Duration::from_secs(5));
    config
}

/// Puts clients to work at a PostgreSQL entry.
pub fn pay(config: Config, rate: &Rate, ledger: &Ledger) -> Crew {
    let (rate, ledger) = (rate.clone(), ledger.clone());
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        let pause = Duration::from_secs(1) * rate.clients / rate.per_second;
        let clients = (0..rate.clients).map(|number| client(number, config.clone(), pause, ledger.clone(), stop.clone()));
        join_all(clients).await;
    }])
}

async fn client(number: u32, config: Config, pause: Duration, ledger: Ledger, stop: Arc<AtomicBool>) {
    let mut connection = None;
    let mut count = 0_u64;
    let mut next = tokio::time::interval(pause);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        next.tick().await;
        count += 1;
        let (token, sent) = (format!("p{number}-{count}"), Instant::now());
        let (answer, error) = pay_once(&mut connection, &config, &token).await;
        if answer != Answer::Acknowledged {
            connection = None;
        }
        ledger.write(token, answer, sent, error);
    }
}

async fn pay_once(connection: &mut Option<Client>, config: &Config, token: &str) -> (Answer, String) {
    const LONGEST: Duration = Duration::from_secs(60);
    let open = match connection {
        Some(open) => open,
        None => match tokio::time::timeout(LONGEST, config.connect(NoTls)).await {
            Ok(Ok((client, wire))) => {
                tokio::spawn(wire);
                connection.insert(client)
            }
            Ok(Err(error)) => return (Answer::Refused, said(&error)),
            Err(_) => return (Answer::Refused, "no connection".to_owned()),
        },
    };
    // Transaction pooling of pgbouncer 1.18 knows no prepared statements; the token is made here and holds no quote.
    let sql = format!("INSERT INTO payments (token, cents) VALUES ('{token}', 100)");
    match tokio::time::timeout(LONGEST, open.batch_execute(&sql)).await {
        Ok(Ok(())) => (Answer::Acknowledged, String::new()),
        // 42501 is the server's own word; an administrator's cut (57P01) may come after the commit.
        Ok(Err(error)) if error.code().is_some_and(|code| matches!(code.code(), "42501" | "25006" | "42P01")) => {
            (Answer::Refused, said(&error))
        }
        Ok(Err(error)) => (Answer::Unknown, said(&error)),
        Err(_) => (Answer::Unknown, "no answer".to_owned()),
    }
}

fn said(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error:?}"), ToString::to_string)
}

/// The tokens that a database holds.
pub async fn found(config: Config) -> Vec<String> {
    let (client, wire) = config.connect(NoTls).await.unwrap();
    let wire = tokio::spawn(wire);
    let rows = client.query("SELECT token FROM payments", &[]).await.unwrap();
    drop(client);
    let _ = wire.await;
    rows.iter().map(|row| row.get(0)).collect()
}
