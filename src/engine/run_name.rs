//! The name of a run that nobody named.

use crate::model::{Digest, RunId, Timestamp};

/// The runbook's name, the day, and a random tail.
pub(super) fn fresh_id(runbook: &str, now: Timestamp) -> std::io::Result<RunId> {
    let mut tail = [0; 8];
    getrandom::fill(&mut tail).map_err(std::io::Error::other)?;
    let day: String = now.to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    let tail = Digest::of(&tail).short();
    Ok(RunId::new(format!("{runbook}-{day}-{}", &tail[..6])))
}
