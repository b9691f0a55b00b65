//! The loop of every client that pays: at an even rate, each payment written down with its answer, over a connection that is opened anew
//! after an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{Answer, Crew, Ledger, Rate};

/// One client's way to the shop's entry.
pub trait Till {
    /// Pays once, over a new connection where there is none, and keeps the connection if the payment was acknowledged.
    async fn pay(&mut self, token: &str) -> (Answer, String);

    /// Says goodbye.
    async fn close(self);
}

/// Puts clients to work, each at a till of its own.
pub fn pay_at<T: Till>(rate: &Rate, ledger: &Ledger, till: impl Fn() -> T + Send + 'static) -> Crew {
    let (rate, ledger) = (rate.clone(), ledger.clone());
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        let pause = Duration::from_secs(1) * rate.clients / rate.per_second;
        // One after the other, so that payments come evenly and not all clients at the same moment.
        let begin = |number| tokio::time::Instant::now() + pause * number / rate.clients;
        let each = (0..rate.clients).map(|number| client(number, till(), begin(number), pause, ledger.clone(), stop.clone()));
        join_all(each).await;
    }])
}

async fn client(
    number: u32,
    mut till: impl Till,
    begin: tokio::time::Instant,
    pause: Duration,
    ledger: Ledger,
    stop: Arc<AtomicBool>,
) {
    let mut count = 0_u64;
    let mut next = tokio::time::interval_at(begin, pause);
    // After a long silence clients do not make up for what they missed.
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        next.tick().await;
        count += 1;
        let (token, sent) = (format!("p{number}-{count}"), Instant::now());
        let (answer, error) = till.pay(&token).await;
        ledger.write(token, answer, sent, error);
    }
    till.close().await;
}
