//! Gives an order to a run: through its executor's socket while it lives, else by opening the run for this one record.

use std::thread;
use std::time::{Duration, Instant};

use super::message::Request;
use super::{EngineError, Executor, Home, socket};
use crate::authority::Claim;
use crate::model::RunId;
use crate::run::{Answer, Command};

/// How long an executor may take from its lock to its socket, or from its last word to the end of its lock.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How often an order knocks again meanwhile.
const GLANCE: Duration = Duration::from_millis(20);

/// What became of an order, and whether an executor is there to act on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// The answer.
    pub answer: Answer,
    /// Whether an executor drives the run now; if not, the order takes effect with the next `resume`.
    pub live: bool,
}

/// Gives an order.
///
/// # Errors
/// When the run cannot be found, opened or asked. A refusal is an answer and no error.
pub fn order(home: &Home, run: &RunId, command: Command, claim: &Claim) -> Result<Ordered, EngineError> {
    let request = Request::new(command.clone(), claim);
    let end = Instant::now() + ARRIVAL;
    loop {
        if let Some(answer) = socket::send(&home.run_dir(run), &request)? {
            return Ok(Ordered { answer, live: true });
        }
        match Executor::open(home, run) {
            Ok(executor) => return Ok(Ordered { answer: executor.order(command, claim)?, live: false }),
            // An executor that has the lock and no socket is about to listen, or about to let go.
            Err(EngineError::Busy { .. }) if Instant::now() < end => thread::sleep(GLANCE),
            Err(error) => return Err(error),
        }
    }
}
