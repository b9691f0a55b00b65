//! Carts in Redis: a key each, in the cache that the shop's settings file names.

use std::path::PathBuf;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, cmd};

use super::till::{Till, pay_at};
use super::{Answer, Crew, Ledger, Rate};

/// Nobody waits longer for a cache.
const LONGEST: Duration = Duration::from_secs(10);

/// Puts customers to work who fill carts.
pub fn fill(settings: PathBuf, user: &str, password: &str, rate: &Rate, ledger: &Ledger) -> Crew {
    let login = RedisConnectionInfo::default().set_username(user).set_password(password);
    pay_at(rate, ledger, move || Carts { settings: settings.clone(), login: login.clone(), open: None })
}

/// A connection with the cache on a port.
pub async fn connect(port: u16, login: &RedisConnectionInfo) -> redis::RedisResult<MultiplexedConnection> {
    let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port);
    let info = address.into_connection_info()?.set_redis_settings(login.clone());
    Client::open(info)?.get_multiplexed_async_connection().await
}

struct Carts {
    settings: PathBuf,
    login: RedisConnectionInfo,
    open: Option<(u16, MultiplexedConnection)>,
}

impl Carts {
    /// Where the shop says that its cache is.
    fn port(&self) -> u16 {
        let text = std::fs::read_to_string(&self.settings).unwrap();
        let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
        settings["cache"]["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap()
    }
}

impl Till for Carts {
    async fn pay(&mut self, token: &str) -> (Answer, String) {
        let port = self.port();
        let mut open = match self.open.take().filter(|(at, _)| *at == port) {
            Some((_, open)) => open,
            None => match tokio::time::timeout(LONGEST, connect(port, &self.login)).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => return (Answer::Refused, error.to_string()),
                Err(_) => return (Answer::Refused, "no connection".to_owned()),
            },
        };
        let mut order = cmd("SET");
        order.arg(format!("cart:{token}")).arg("1");
        match tokio::time::timeout(LONGEST, order.query_async::<()>(&mut open)).await {
            Ok(Ok(())) => {
                self.open = Some((port, open));
                (Answer::Acknowledged, String::new())
            }
            // The server's own word: NOPERM, READONLY and their like changed nothing.
            Ok(Err(error)) if error.code().is_some() => (Answer::Refused, error.to_string()),
            Ok(Err(error)) => (Answer::Unknown, error.to_string()),
            Err(_) => (Answer::Unknown, "no answer".to_owned()),
        }
    }

    async fn close(self) {}
}
