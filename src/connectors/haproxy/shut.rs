//! Sessions that outlive a change of state: counted, and ended where the step says so.

use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::server::sessions;
use super::session::AskError;
use crate::connectors::ActionError;

/// How many sessions the servers have, over all processes, with those that wait in a queue.
pub(super) async fn left(fleet: &mut Fleet, backend: &str, names: &[String]) -> Result<u64, AskError> {
    let mut all = 0;
    for session in &mut fleet.0 {
        all += sessions(session, backend, names).await?;
    }
    Ok(all)
}

/// The commands that end the sessions, with the address in front.
pub(super) fn statements(fleet: &Fleet, backend: &str, names: &[String]) -> Vec<String> {
    let of_process =
        |address: &str| names.iter().map(|name| format!("{address}: {}", command(backend, name))).collect::<Vec<_>>();
    fleet.0.iter().flat_map(|session| of_process(&session.address)).collect()
}

fn command(backend: &str, name: &str) -> String {
    format!("shutdown sessions server {backend}/{name}")
}

/// Ends the sessions of servers that get no new ones, and waits until they are gone; answers how many there were.
pub(super) async fn shut(fleet: &mut Fleet, backend: &str, names: &[String], within: Duration) -> Result<u64, ActionError> {
    let lost = |error: AskError| ActionError::touched(format!("the sessions were not all ended: {error}"));
    let before = left(fleet, backend, names).await.map_err(lost)?;
    if before == 0 {
        return Ok(0);
    }
    let end = Instant::now() + within;
    loop {
        for session in &mut fleet.0 {
            for name in names {
                session.change(&command(backend, name)).await.map_err(lost)?;
            }
        }
        let now = left(fleet, backend, names).await.map_err(lost)?;
        if now == 0 {
            return Ok(before);
        }
        if Instant::now() >= end {
            return Err(ActionError::touched(format!("{now} of {before} sessions did not end in {within:?}")));
        }
        if let Some(session) = fleet.0.first() {
            session.patience().sleep(Duration::from_millis(100)).await.map_err(|stopped| lost(stopped.into()))?;
        }
    }
}
