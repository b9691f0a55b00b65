//! Gives an order to a run: through its executor's socket while it lives, else by opening the run for this one record.

use super::message::Request;
use super::{EngineError, Executor, Home, socket};
use crate::authority::Claim;
use crate::model::RunId;
use crate::run::{Answer, Command};

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
    if let Some(answer) = socket::send(&home.run_dir(run), &request)? {
        return Ok(Ordered { answer, live: true });
    }
    let answer = Executor::open(home, run)?.order(command, claim)?;
    Ok(Ordered { answer, live: false })
}
