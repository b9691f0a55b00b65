//! The courier: tells witnesses and stores of checkpoints in a thread of its own, so that no turn of a run waits for them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Log, Outside, Signed, WitnessLevel};

/// How often somebody who could not be reached is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The courier of one executor.
#[derive(Debug)]
pub struct Courier {
    sender: Option<Sender<Signed>>,
    told: Arc<Mutex<Told>>,
    done: Receiver<()>,
}

/// What the courier has reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// How many entries the newest checkpoint has that reached what is required; 0 before the first.
    pub size: u64,
    /// What went wrong the last time.
    pub trouble: Vec<String>,
}

impl Courier {
    /// Sets out for whoever `outside` names.
    pub fn set_out(outside: Outside, log: Arc<Mutex<Log>>) -> Self {
        let (sender, checkpoints) = channel();
        let (finished, done) = channel();
        let told = Arc::new(Mutex::new(Told::default()));
        let seen = told.clone();
        thread::spawn(move || {
            carry(&outside, &log, &checkpoints, &seen);
            let _ = finished.send(());
        });
        Self { sender: Some(sender), told, done }
    }

    /// Gives it a checkpoint to carry. An older one that it has not carried yet is left behind.
    pub fn give(&self, signed: Signed) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(signed);
        }
    }

    /// What it has reached so far.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the last checkpoint was carried, for so long at most.
    pub fn come_home(&mut self, patience: Duration) {
        self.sender = None;
        let _ = self.done.recv_timeout(patience);
    }
}

/// Carries the newest checkpoint that there is, and tries again where somebody was not reached, until no more can come.
fn carry(outside: &Outside, log: &Mutex<Log>, checkpoints: &Receiver<Signed>, told: &Mutex<Told>) {
    let mut missed: Option<Signed> = None;
    loop {
        let next = match &missed {
            None => checkpoints.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => checkpoints.recv_timeout(AGAIN),
        };
        let mut newest = match (next, missed.take()) {
            (Ok(signed), _) | (Err(RecvTimeoutError::Timeout), Some(signed)) => signed,
            // The last one was tried when it came.
            (Err(RecvTimeoutError::Disconnected), _) | (Err(RecvTimeoutError::Timeout), None) => return,
        };
        while let Ok(newer) = checkpoints.try_recv() {
            newest = newer;
        }
        let (level, trouble) = outside.tell(log, &newest);
        let reached = level >= outside.required.max(WitnessLevel::L2);
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if reached {
            told.size = told.size.max(newest.checkpoint.size);
        }
        if !trouble.is_empty() {
            missed = Some(newest);
        }
        told.trouble = trouble;
    }
}
