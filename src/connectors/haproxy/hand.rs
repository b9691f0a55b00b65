//! One way to change what every process holds: read, send what is missing, read back, and put back what was saved.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::fleet::Fleet;
use super::session::{AskError, Session, addresses};
use crate::connectors::{ActionError, Call, own_target};
use crate::model::{Touch, Value};

/// Something that a process holds and the runtime API can set: the servers of a backend, an entry of a map, a frontend.
#[async_trait]
pub(super) trait Hand: Sync {
    /// What one process should hold.
    type Want: Clone + Send + Sync;

    /// Sends what turns the process into `want`.
    async fn bring(&self, session: &mut Session, want: &Self::Want) -> Result<Changed, ActionError>;

    /// What is not as wanted, in words.
    async fn differs(&self, session: &mut Session, want: &Self::Want) -> Result<Option<String>, ActionError>;

    /// The commands for a person.
    fn by_hand(&self, want: &Self::Want) -> Vec<String>;
}

/// How a change ended that was not refused.
pub(super) enum Changed {
    /// Nothing had to be sent.
    Nothing,
    /// Something was sent.
    Something,
}

/// A process younger than this is told to have been reloaded when its state is not as expected.
const SINCE_A_RELOAD: Duration = Duration::from_secs(3600);

/// Brings every process to what is wanted there and reads it back. An error says whether something was changed before it.
pub(super) async fn ensure<H: Hand>(fleet: &mut Fleet, hand: &H, wanted: &[H::Want]) -> Result<Changed, ActionError> {
    let mut touch = Touch::Untouched;
    for (session, want) in fleet.0.iter_mut().zip(wanted) {
        let more = bring(session, hand, want).await.map_err(|error| match touch {
            Touch::Possible => error.after_change(),
            Touch::Untouched => error,
        })?;
        if let Changed::Something = more {
            touch = Touch::Possible;
        }
    }
    Ok(match touch {
        Touch::Possible => Changed::Something,
        Touch::Untouched => Changed::Nothing,
    })
}

/// Sends the commands, in order.
pub(super) async fn send(session: &mut Session, commands: &[String]) -> Result<Changed, ActionError> {
    for (at, command) in commands.iter().enumerate() {
        session.change(command).await.map_err(|error| {
            let text = format!("{}: `{command}`: {error}", session.address);
            match error {
                AskError::Refused(_) if at == 0 => ActionError::untouched(text),
                AskError::Refused(_) => ActionError::touched(text),
                AskError::Lost(_) => ActionError::in_doubt(text),
            }
        })?;
    }
    Ok(if commands.is_empty() { Changed::Nothing } else { Changed::Something })
}

/// Puts back what was saved by address, on every process that can be reached, and proves it. A process that cannot be reached
/// fails the undo, but never stops the way back on the others.
pub(super) async fn restore<H: Hand>(call: &Call, hand: &H, saved: &[(String, H::Want)]) -> Result<Value, ActionError> {
    let (target, begun) = (own_target(call)?, Instant::now());
    let (mut restored, mut processes, mut failures) = (0, Vec::new(), Vec::new());
    let mut touch = Touch::Untouched;
    for (index, address) in addresses(target)?.iter().enumerate() {
        let Some((_, want)) = saved.iter().find(|(place, _)| place == address) else { continue };
        let one = async {
            let mut session = Session::open(call, target, index, address).await?;
            let changed = bring(&mut session, hand, want).await?;
            // A change was read back by `bring`; where there was none, this is the proof.
            let differs = match changed {
                Changed::Something => None,
                Changed::Nothing => hand.differs(&mut session, want).await?,
            };
            match differs {
                None => Ok((changed, session.process.to_value(address))),
                Some(why) => Err(ActionError::touched(format!("{address}: {why}"))),
            }
        };
        match one.await {
            Ok((changed, process)) => {
                if let Changed::Something = changed {
                    (restored, touch) = (restored + 1, Touch::Possible);
                }
                processes.push(process);
            }
            Err(error) => {
                let lines = hand.by_hand(want).into_iter().map(|line| format!("{address}: {line}")).collect();
                failures.push((error, lines));
            }
        }
    }
    if failures.is_empty() {
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        return Ok(json!({ "processes": processes, "restored": restored, "difference": [], "ms": ms }));
    }
    Err(unrestored(touch, failures))
}

/// Brings one process to `want` and reads it back.
async fn bring<H: Hand>(session: &mut Session, hand: &H, want: &H::Want) -> Result<Changed, ActionError> {
    let changed = hand.bring(session, want).await?;
    if let Changed::Something = changed {
        let differs = hand.differs(session, want).await.map_err(|error| ActionError::in_doubt(error.message))?;
        if let Some(why) = differs {
            return Err(ActionError::touched(format!("{}: after the change {why}", session.address)));
        }
    }
    Ok(changed)
}

fn unrestored(touch: Touch, failures: Vec<(ActionError, Vec<String>)>) -> ActionError {
    let text = failures.iter().map(|(error, _)| error.message.clone()).collect::<Vec<_>>().join("; ");
    let in_doubt = failures.iter().any(|(error, _)| error.in_doubt);
    let touched = touch == Touch::Possible || failures.iter().any(|(error, _)| error.touch == Touch::Possible);
    let manual = failures.into_iter().flat_map(|(_, lines)| lines).collect();
    ActionError { touch: if touched { Touch::Possible } else { Touch::Untouched }, in_doubt, ..ActionError::untouched(text) }
        .hint("a process that is gone for good has nothing to restore; one that was restarted has its configuration's state")
        .manual(manual)
}

/// A process that does not hold what it was brought to; a young one was probably reloaded.
pub(super) fn not_held(session: &Session, why: &str) -> ActionError {
    let (text, age) = (format!("{}: {why}", session.address), session.process.uptime_s);
    let error = ActionError::touched(text);
    if Duration::from_secs(age) >= SINCE_A_RELOAD {
        return error;
    }
    error.hint(format!("this process is {age} s old: a reload or a restart loses what the runtime API set"))
}
