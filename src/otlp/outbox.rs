//! The spans that wait to be sent. What a collector cannot take now is sent again later; what it never takes is counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::sender::{Reply, Sender};
use crate::views::trace::Span;

/// The most spans in one request.
const BATCH: usize = 256;
/// From how many on nothing more is read until some were sent.
const FULL: usize = 4 * BATCH;
/// The first pause after a failure, and the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest that a collector can tell us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What became of the spans.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// How many were taken.
    pub sent: u64,
    /// How many were refused for good.
    pub refused: u64,
    /// How many wait.
    pub left: usize,
    /// How many requests came to nothing and were made again.
    pub again: u64,
    /// What went wrong, each thing once.
    pub troubles: Vec<String>,
}

/// The spans on their way to one collector.
#[derive(Debug)]
pub struct Outbox {
    sender: Sender,
    queue: VecDeque<Span>,
    tally: Tally,
    /// When it may be tried again.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Outbox {
    /// An empty one.
    pub fn new(sender: Sender) -> Self {
        Self { sender, queue: VecDeque::new(), tally: Tally::default(), not_before: None, pause: PAUSE }
    }

    /// Adds spans at the end.
    pub fn put(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.queue.extend(spans);
    }

    /// Whether enough waits for now.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= FULL
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When it may be tried again, where that is not now.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|at| *at > Instant::now())
    }

    /// Sends one batch, where something waits and may be sent now. No answer is awaited for longer than `within`.
    pub async fn turn(&mut self, within: Duration) {
        if self.queue.is_empty() || self.not_before().is_some() {
            return;
        }
        let batch: Vec<Span> = self.queue.iter().take(BATCH).cloned().collect();
        let count = batch.len() as u64;
        let reply = self.sender.send(&batch, within).await;
        match &reply {
            Reply::Taken => self.tally.sent += count,
            Reply::Partly { rejected, why } => {
                let rejected = (*rejected).min(count);
                self.tally.sent += count - rejected;
                self.tally.refused += rejected;
                self.trouble(format!("the collector did not take every span: {}", shown(why)));
            }
            Reply::Refused(why) => {
                self.tally.refused += count;
                self.trouble(format!("the collector refuses the spans: {}", shown(why)));
            }
            Reply::Later { after, why } => {
                self.tally.again += 1;
                self.trouble(format!("the collector cannot be reached now: {}", shown(why)));
                self.not_before = Some(Instant::now() + after.map_or(self.pause, |after| after.min(LONGEST_WAIT)));
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                return;
            }
        }
        self.queue.drain(..batch.len());
        (self.not_before, self.pause) = (None, PAUSE);
    }

    /// Sends what waits until nothing does, until `deadline` has come, or until nothing can be sent before it.
    pub async fn empty(&mut self, deadline: Instant) {
        while !self.queue.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.not_before() {
                _ if left.is_zero() => return,
                Some(at) if at >= deadline => return,
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => self.turn(left).await,
            }
        }
    }

    /// What became of the spans so far.
    pub fn tally(&self) -> Tally {
        Tally { left: self.queue.len(), ..self.tally.clone() }
    }

    /// Where it sends to.
    pub fn place(&self) -> &str {
        self.sender.place()
    }

    /// Something that went wrong is said once.
    pub fn trouble(&mut self, text: String) {
        if !self.tally.troubles.contains(&text) {
            tracing::info!("traces: {text}");
            self.tally.troubles.push(text);
        }
    }
}

/// What somebody else said, as one line of bearable length.
fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.trim().to_owned()
}
