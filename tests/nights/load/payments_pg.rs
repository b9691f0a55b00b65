//! The same payments in PostgreSQL, through pgbouncer.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use super::till::{Till, pay_at};
use super::{Answer, Crew, Ledger, Rate};

/// Where and as whom.
pub fn address(port: u16, user: &str, password: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(user).password(password).dbname("shop").connect_timeout(Duration::from_secs(5));
    config
}

/// Puts clients to work at a PostgreSQL entry.
pub fn pay(config: Config, rate: &Rate, ledger: &Ledger) -> Crew {
    pay_at(rate, ledger, move || Payments { config: config.clone(), open: None })
}

struct Payments {
    config: Config,
    open: Option<Client>,
}

impl Till for Payments {
    async fn pay(&mut self, token: &str) -> (Answer, String) {
        const LONGEST: Duration = Duration::from_secs(60);
        let open = match self.open.take() {
            Some(open) => open,
            None => match tokio::time::timeout(LONGEST, self.config.connect(NoTls)).await {
                Ok(Ok((client, wire))) => {
                    tokio::spawn(wire);
                    client
                }
                Ok(Err(error)) => return (Answer::Refused, said(&error)),
                Err(_) => return (Answer::Refused, "no connection".to_owned()),
            },
        };
        // Transaction pooling of pgbouncer 1.18 knows no prepared statements; the token is made here and holds no quote.
        let sql = format!("INSERT INTO payments (token, cents) VALUES ('{token}', 100)");
        match tokio::time::timeout(LONGEST, open.batch_execute(&sql)).await {
            Ok(Ok(())) => {
                self.open = Some(open);
                (Answer::Acknowledged, String::new())
            }
            // 42501 is the server's own word; an administrator's cut (57P01) may come after the commit.
            Ok(Err(error)) if error.code().is_some_and(|code| matches!(code.code(), "42501" | "25006" | "42P01")) => {
                (Answer::Refused, said(&error))
            }
            Ok(Err(error)) => (Answer::Unknown, said(&error)),
            Err(_) => (Answer::Unknown, "no answer".to_owned()),
        }
    }

    async fn close(self) {}
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
