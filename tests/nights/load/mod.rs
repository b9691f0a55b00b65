//! The shop's clients: they write while the night happens, and write down what was acknowledged to them.
//!
//! They know nothing of Pointsman. A client that gets an error connects anew and goes on with its next payment, as the clients of a
//! shop do; what nobody answered stays unknown in the ledger and may be found or not, but never twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub mod carts;
pub mod orders;
pub mod payments;
pub mod payments_pg;
pub mod reads;
pub mod till;

/// How often clients write, or read.
#[derive(Clone)]
pub struct Rate {
    pub clients: u32,
    /// Of all clients together.
    pub per_second: u32,
}

/// What became of one write, as its client saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The server said that it is done.
    Acknowledged,
    /// The server said no.
    Refused,
    /// Nobody answered.
    Unknown,
}

/// One write of one client.
#[derive(Clone, Debug)]
pub struct Entry {
    pub token: String,
    pub answer: Answer,
    /// When it was sent, and when its answer came.
    pub sent: Instant,
    pub at: Instant,
    pub error: String,
}

/// Everything that the clients saw, in the order in which answers came.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Entry>>>);

/// How a ledger compares with what a database holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    /// Acknowledged and not there.
    pub lost: usize,
    /// There more than once.
    pub duplicated: usize,
    /// There although it was refused, or never sent.
    pub invented: usize,
}

impl Ledger {
    pub fn write(&self, token: String, answer: Answer, sent: Instant, error: impl ToString) {
        let entry = Entry { token, answer, sent, at: Instant::now(), error: error.to_string() };
        self.0.lock().unwrap().push(entry);
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    pub fn acknowledged(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| entry.answer == Answer::Acknowledged).count()
    }

    /// Holds the ledger against the tokens that a store holds.
    pub fn compare(&self, found: &[String]) -> Verdict {
        let mut there: HashMap<&str, usize> = HashMap::new();
        for token in found {
            *there.entry(token).or_default() += 1;
        }
        let mut verdict = Verdict { duplicated: there.values().filter(|count| **count > 1).count(), ..Verdict::default() };
        let entries = self.entries();
        let mut best: BTreeMap<&str, Answer> = BTreeMap::new();
        for entry in &entries {
            // A payment that was sent again counts by its best answer.
            let known = best.entry(&entry.token).or_insert(entry.answer);
            if entry.answer == Answer::Acknowledged || (entry.answer == Answer::Unknown && *known == Answer::Refused) {
                *known = entry.answer;
            }
        }
        for (token, answer) in &best {
            let is_there = there.contains_key(token);
            match answer {
                Answer::Acknowledged => {
                    verdict.acknowledged += 1;
                    verdict.lost += usize::from(!is_there);
                }
                Answer::Refused => {
                    verdict.refused += 1;
                    verdict.invented += usize::from(is_there);
                }
                Answer::Unknown => verdict.unknown += 1,
            }
        }
        verdict.invented += there.keys().filter(|token| !best.contains_key(*token)).count();
        verdict
    }

    /// The longest time in which no write was acknowledged to anybody, between the first and the last that was.
    pub fn longest_silence(&self) -> Duration {
        let times: Vec<_> =
            self.entries().iter().filter(|entry| entry.answer == Answer::Acknowledged).map(|entry| entry.at).collect();
        times.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap_or_default()
    }

    /// The longest time that one write waited for its acknowledgement.
    pub fn longest_wait(&self) -> Duration {
        let entries = self.entries();
        let waits = entries.iter().filter(|entry| entry.answer == Answer::Acknowledged);
        waits.map(|entry| entry.at.saturating_duration_since(entry.sent)).max().unwrap_or_default()
    }
}

impl Verdict {
    /// Whether every acknowledged write is there once, and nothing else is.
    pub const fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.invented == 0
    }
}

/// Clients that are at work until this is dropped or ended.
pub struct Crew {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Crew {
    /// Puts each of these to work on a thread with a clock of its own; each looks at the flag before every write.
    pub fn start<F>(workers: Vec<F>) -> Self
    where
        F: AsyncFnOnce(Arc<AtomicBool>) + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = workers
            .into_iter()
            .map(|worker| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(worker(stop));
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Asks them to stop after what they are at, and waits for it.
    pub fn end(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
