//! One-time tickets: what the console prints where it was started, for whoever sits there to open it with.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::model::Digest;

/// The ticket that is out.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<Option<Digest>>);

impl Tickets {
    /// Makes a ticket; the one before counts no longer.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn issue(&self) -> Result<String, getrandom::Error> {
        let ticket = random()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Digest::of(ticket.as_bytes()));
        Ok(ticket)
    }

    /// Takes a ticket, if it is the one that is out. It counts once.
    pub fn take(&self, ticket: &str) -> bool {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = out.is_some_and(|out| out == Digest::of(ticket.as_bytes()));
        if is_it {
            *out = None;
        }
        is_it
    }
}

/// 32 bytes that nobody can guess, in hexadecimal digits.
///
/// # Errors
/// When the system has no randomness.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
