//! Payments in MySQL or MariaDB: one row each.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::till::{Till, pay_at};
use super::{Answer, Crew, Ledger, Rate};

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
    pay_at(rate, ledger, move || Payments { opts: opts.clone(), open: None })
}

struct Payments {
    opts: Opts,
    open: Option<Conn>,
}

impl Till for Payments {
    async fn pay(&mut self, token: &str) -> (Answer, String) {
        const LONGEST: Duration = Duration::from_secs(20);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match tokio::time::timeout(LONGEST, Conn::new(self.opts.clone())).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => return (Answer::Refused, error.to_string()),
                Err(_) => return (Answer::Refused, "no connection".to_owned()),
            },
        };
        let sql = "INSERT INTO payments (token, cents) VALUES (?, 100)";
        match tokio::time::timeout(LONGEST, open.exec_drop(sql, (token,))).await {
            Ok(Ok(())) => {
                self.open = Some(open);
                (Answer::Acknowledged, String::new())
            }
            // The server's own word: nothing was written.
            Ok(Err(mysql_async::Error::Server(error))) if error.code != 1927 && error.code != 1317 && error.code != 1053 => {
                (Answer::Refused, error.to_string())
            }
            Ok(Err(error)) => (Answer::Unknown, error.to_string()),
            Err(_) => (Answer::Unknown, "no answer".to_owned()),
        }
    }

    async fn close(self) {
        if let Some(open) = self.open {
            let _: Result<(), mysql_async::Error> = open.disconnect().await;
        }
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
