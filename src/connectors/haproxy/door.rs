//! `haproxy.disable_frontend` and `haproxy.enable_frontend`: a frontend refuses new connections in every process, or takes
//! them again.
//!
//! The word of a process about itself is not all: another process may listen on the same port. Where the step names the
//! addresses, Pointsman goes there itself, and only a refused connection counts as a closed door.

use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::net::TcpStream;

use super::fleet::Fleet;
use super::hand::ensure;
use super::spot::{Held, OPEN, PAUSED, Spot, in_order};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Span, Value};

/// Closes it.
#[derive(Debug)]
pub struct DisableFrontend;

/// Opens it.
#[derive(Debug)]
pub struct EnableFrontend;

/// What a step asks for.
struct Order {
    spot: Spot,
    frontend: String,
    /// Where clients come in.
    addresses: Vec<String>,
    connect_within: Duration,
    word: &'static str,
}

/// What came of an attempt to connect.
#[derive(PartialEq, Eq)]
enum Knock {
    Taken,
    Refused,
    /// No answer, or another fault: it says nothing about the door.
    Unclear(String),
}

impl Order {
    fn of(call: &Call, word: &'static str) -> Result<Self, ActionError> {
        let frontend = call.params.text("frontend")?.to_owned();
        Ok(Self {
            spot: Spot::door(&frontend)?,
            frontend,
            addresses: call.params.texts("addresses")?,
            connect_within: own_target(call)?.settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration(),
            word,
        })
    }

    fn wanted(&self, processes: usize) -> Vec<Held> {
        vec![Some(self.word.to_owned()); processes]
    }

    async fn knock(&self, call: &Call, address: &str) -> Knock {
        let patience = Patience::of(call).at_most(self.connect_within);
        let begun = std::time::Instant::now();
        let knock = tokio::select! {
            answer = TcpStream::connect(address) => match answer {
                Ok(_) => Knock::Taken,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Knock::Refused,
                Err(error) => Knock::Unclear(error.to_string()),
            },
            stopped = patience.over() => Knock::Unclear(stopped.to_string()),
        };
        let end = match &knock {
            Knock::Taken => "connected",
            Knock::Refused => "refused",
            Knock::Unclear(why) => why,
        };
        call.recorder.statement(&format!("connect {address}"), begun.elapsed(), end);
        knock
    }

    /// Connects to every address; the error says which does not answer as it must.
    async fn knocks(&self, call: &Call, word: &str) -> Result<(), String> {
        for address in &self.addresses {
            match (self.knock(call, address).await, word == OPEN) {
                (Knock::Taken, true) | (Knock::Refused, false) => {}
                (Knock::Taken, false) => return Err(format!("{address} still takes connections: another process listens there")),
                (Knock::Refused, true) => return Err(format!("{address} refuses connections")),
                (Knock::Unclear(why), _) => return Err(format!("{address} neither takes nor refuses a connection: {why}")),
            }
        }
        Ok(())
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        let seen = self.spot.see(&mut fleet).await?;
        let wanted = self.wanted(seen.len());
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "status": seen, "sessions": sessions(&mut fleet, &self.frontend).await? }),
            statements: self.spot.statements(&fleet, &seen, &wanted),
            undo_statements: self.spot.statements(&fleet, &wanted, &seen),
            blockers: fleet.level_blockers().await?,
            expected_ms: Some(50),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        self.spot.capture(&mut fleet).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        let (seen, saved) = (self.spot.see(&mut fleet).await?, in_order(&fleet, snapshot)?);
        let finding = self.spot.finding(&seen, &self.wanted(seen.len()), &saved);
        let sessions = sessions(&mut fleet, &self.frontend).await?;
        let outputs = json!({ "processes": seen.len(), "sessions": sessions });
        Ok(Probed { finding, outputs, facts: json!({ "status": seen }) })
    }

    async fn apply(&self, call: &Call) -> Result<Applied, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        let seen = self.spot.see(&mut fleet).await?;
        // A knock that finds nobody now would prove nothing afterwards.
        if self.word == PAUSED && seen.iter().all(|held| held.as_deref() == Some(OPEN)) {
            self.knocks(call, OPEN).await.map_err(|why| {
                ActionError::untouched(format!("`{}` is open, and {why}", self.frontend))
                    .hint("`addresses` are where clients of this frontend connect")
            })?;
        }
        ensure(&mut fleet, &self.spot, &self.wanted(seen.len())).await?;
        let sessions = sessions(&mut fleet, &self.frontend).await.map_err(ActionError::after_change)?;
        call.recorder.progress(&format!("`{}` is {}; it has {sessions} sessions", self.frontend, self.word));
        Ok(Applied { outputs: json!({ "processes": seen.len(), "sessions": sessions }) })
    }

    async fn prove(&self, call: &Call) -> Result<Evidence, ActionError> {
        let mut fleet = Fleet::open(call).await.map_err(ActionError::after_change)?;
        let wanted = self.wanted(fleet.0.len());
        self.spot.hold(&mut fleet, &wanted).await?;
        self.knocks(call, self.word).await.map_err(ActionError::touched)?;
        let sessions = sessions(&mut fleet, &self.frontend).await.map_err(ActionError::after_change)?;
        Ok(Evidence::new(json!({
            "identity": fleet.identity(), "status": wanted, "connected_to": self.addresses, "sessions": sessions,
        })))
    }
}

/// How many sessions the frontend has, over all processes.
async fn sessions(fleet: &mut Fleet, frontend: &str) -> Result<u64, ActionError> {
    let mut all = 0;
    for session in &mut fleet.0 {
        let rows = super::stats::rows(session, frontend).await?;
        all += rows.iter().filter(|row| row.server == "FRONTEND").map(|row| row.number("scur")).sum::<u64>();
    }
    Ok(all)
}

#[async_trait]
impl Inspect for DisableFrontend {
    fn name(&self) -> &'static str {
        "haproxy.disable_frontend"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        Order::of(call, PAUSED)?.inspect(call).await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call, PAUSED)?.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        Order::of(call, PAUSED)?.probe(call, snapshot).await
    }
}

#[async_trait]
impl Act for DisableFrontend {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        Order::of(call, PAUSED)?.apply(call).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        Order::of(call, PAUSED)?.prove(call).await
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        Order::of(call, PAUSED)?.spot.restore(call, snapshot).await
    }
}

#[async_trait]
impl Inspect for EnableFrontend {
    fn name(&self) -> &'static str {
        "haproxy.enable_frontend"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        Order::of(call, OPEN)?.inspect(call).await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call, OPEN)?.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        Order::of(call, OPEN)?.probe(call, snapshot).await
    }
}

#[async_trait]
impl Act for EnableFrontend {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        Order::of(call, OPEN)?.apply(call).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        Order::of(call, OPEN)?.prove(call).await
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        Order::of(call, OPEN)?.spot.restore(call, snapshot).await
    }
}
