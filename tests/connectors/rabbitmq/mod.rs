//! RabbitMQ against a real broker: the traps, each by name. A broker takes seconds to start, so a test holds several of them.

use lapin::options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};

use crate::bench::{Bench, CANARY};
use crate::servers::rabbitmq::Rabbit;

mod close;
mod drain;
mod faults;
mod freeze;
mod queues;
mod secured;

/// A bench with the broker's `/` as the target `mq`.
pub fn bench(rabbit: &Rabbit) -> Bench {
    let mut bench = Bench::new();
    bench.target("mq", "rabbitmq", rabbit.target("/"));
    bench
}

/// A user in `/` whose password is the secret that must never come back.
pub async fn shop(rabbit: &Rabbit, user: &str) {
    rabbit.user(user, CANARY, "").await;
    rabbit.permit(user, "%2F", [".*", ".*", ".*"]).await;
}

/// The parameters that freeze these users.
pub fn freezing(users: &[&str], accept: &[&str]) -> Value {
    let users: Vec<_> = users.iter().map(|user| json!({ "user": user, "password": CANARY })).collect();
    json!({ "users": users, "accept": accept, "close_within": "15s" })
}

/// A client of the application, as it publishes and consumes.
pub struct Client {
    pub connection: Connection,
    pub channel: Channel,
}

impl Client {
    pub async fn login(rabbit: &Rabbit, user: &str) -> Self {
        Self::try_login(rabbit, user).await.unwrap()
    }

    pub async fn try_login(rabbit: &Rabbit, user: &str) -> lapin::Result<Self> {
        let address = format!("amqp://{user}:{CANARY}@127.0.0.1:{}/%2F", rabbit.amqp);
        let connection = Connection::connect(&address, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    /// Publishes one message to a queue and waits for the broker's word.
    pub async fn publish(&self, queue: &str) -> Result<(), String> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = self.channel.basic_publish("".into(), queue.into(), options, b"order", BasicProperties::default()).await;
        let confirmed = sent.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
        if confirmed.is_ack() { Ok(()) } else { Err(format!("{confirmed:?}")) }
    }

    /// Takes messages, at most this many unacknowledged; what it does with them is up to the caller.
    pub async fn consume(&self, queue: &str, prefetch: u16) -> lapin::Consumer {
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
    }
}
