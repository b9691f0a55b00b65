//! The name of what nobody named: a run, and the random tail of any name.

use crate::model::{Digest, RunId, Timestamp};

/// The runbook's name, the day, and a random tail.
pub(super) fn fresh_id(runbook: &str, now: Timestamp) -> std::io::Result<RunId> {
    let day: String = now.to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    Ok(RunId::new(format!("{runbook}-{day}-{}", tail::<6>()?)))
}

/// So many random characters (twelve at most), so that no two things get the same name.
pub(super) fn tail<const LENGTH: usize>() -> std::io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(Digest::of(&bytes).short()[..LENGTH].to_owned())
}
