//! `redis.wait_replica`: the replica has applied everything up to a fence, of the same history, with its link up.

use async_trait::async_trait;
use serde_json::json;

use super::own_target;
use super::session::{Session, open};
use crate::connectors::watch::{Pace, Watch};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct WaitReplica;

/// A place in a replication stream. Offsets of two histories cannot be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Position {
    history: String,
    offset: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.history, self.offset)
    }
}

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    fence: Position,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let fence = call.params.text("at_least")?;
        let parts = fence.split_once(':').and_then(|(history, offset)| Some((history, offset.parse().ok()?)));
        let (history, offset) = parts.filter(|(history, _)| !history.is_empty()).ok_or_else(|| {
            ActionError::untouched(format!("the fence `{fence}` is not `<replication id>:<offset>`"))
                .hint("take the output `fence` of `redis.freeze_writes`")
        })?;
        Ok(Self { fence: Position { history: history.to_owned(), offset }, pace: Pace::of(call)? })
    }
}

/// Where a replica is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    role: String,
    link: String,
    syncing: bool,
    /// What it has applied of the stream; a master's own position where the node is one.
    applied: Position,
    /// The history before its promotion, and the first offset that is not of it.
    earlier: Option<Position>,
}

impl State {
    async fn of(session: &mut Session) -> Result<Self, ActionError> {
        let text = session.silently(&["INFO", "replication"]).await?;
        let info = super::reply::info(&super::reply::text(&text).unwrap_or_default());
        let found = |name: &str| info.get(name).cloned().unwrap_or_default();
        let number = |name: &str| found(name).parse::<u64>().ok();
        let role = found("role");
        let applied = if role == "slave" { number("slave_repl_offset") } else { number("master_repl_offset") };
        let earlier = number("second_repl_offset").map(|offset| Position { history: found("master_replid2"), offset });
        Ok(Self {
            link: found("master_link_status"),
            syncing: found("master_sync_in_progress") == "1",
            applied: Position { history: found("master_replid"), offset: applied.unwrap_or(0) },
            earlier,
            role,
        })
    }

    /// Whether the fence is behind it; the error says what is missing.
    fn reaches(&self, fence: &Position) -> Result<(), String> {
        if self.role == "slave" && (self.link != "up" || self.syncing) {
            return Err(format!("its link to the master is {}{}", self.link, if self.syncing { ", it is syncing" } else { "" }));
        }
        if self.applied.history == fence.history {
            let short = || format!("it has applied {} and not yet {}", self.applied.offset, fence.offset);
            return if self.applied.offset >= fence.offset { Ok(()) } else { Err(short()) };
        }
        match &self.earlier {
            // A promotion: it has everything of the earlier history up to where its own begins.
            Some(earlier) if earlier.history == fence.history && fence.offset < earlier.offset => Ok(()),
            _ => Err(format!("it follows history {}, and the fence is of {}", self.applied.history, fence.history)),
        }
    }

    fn facts(&self) -> Value {
        json!({ "role": self.role, "link": self.link, "applied": self.applied.to_string() })
    }
}

async fn wait(session: &mut Session, order: &Order) -> Result<Applied, ActionError> {
    let mut watch = Watch::begin(order.pace, session.patience());
    let mut last: Option<State> = None;
    let result = loop {
        let state = State::of(session).await?;
        let has_moved = last.as_ref() != Some(&state);
        watch.saw(has_moved);
        if has_moved && watch.may_tell() {
            session.recorder().progress(&format!("{} has applied {}", session.address, state.applied));
        }
        let reached = state.reaches(&order.fence);
        let applied = state.applied.to_string();
        last = Some(state);
        let why = match reached {
            Ok(()) => {
                break Ok(Applied { outputs: json!({ "applied": applied, "waited_ms": watch.waited_ms() }) });
            }
            Err(why) => format!("{}: {why}", session.address),
        };
        if let Some(idle) = watch.stalled() {
            break Err(ActionError::untouched(format!("{why}, and nothing moved for {idle}"))
                .hint("see whether it reaches its master, and whether its login there still works"));
        }
        if let Err(stopped) = watch.pause().await {
            break Err(ActionError::untouched(format!("{why}: {stopped}")));
        }
    };
    let last = last.map_or_else(String::new, |state| state.applied.to_string());
    session.note("INFO replication", watch.elapsed(), &format!("asked {} times, last at {last}", watch.asked()));
    result
}

#[async_trait]
impl Inspect for WaitReplica {
    fn name(&self) -> &'static str {
        "redis.wait_replica"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let state = State::of(&mut session).await?;
        Ok(Inspection {
            identity: session.identity().await?,
            state: json!({ "now": state.facts(), "fence": order.fence.to_string(), "missing": state.reaches(&order.fence).err() }),
            statements: vec!["INFO replication".to_owned()],
            ..Inspection::default()
        })
    }

    async fn capture(&self, _call: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for WaitReplica {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        wait(&mut open(call, own_target(call)?).await?, &order).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let mut session = open(call, own_target(call)?).await?;
        let state = State::of(&mut session).await?;
        if let Err(why) = state.reaches(&order.fence) {
            return Err(ActionError::untouched(format!("{}: {why}", session.address)));
        }
        let identity = session.identity().await?;
        Ok(Evidence::new(json!({ "identity": identity, "state": state.facts(), "fence": order.fence.to_string() })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
