//! `mysql.wait_replica`: the replica has applied everything up to the last position of its source.

use async_trait::async_trait;
use serde_json::json;

use super::gtid::Position;
use super::replica::{Replica, Thread, statement};
use super::session::{Dialect, Session, open};
use crate::connectors::watch::{Pace, Watch};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct WaitReplica;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    fence: Position,
    channel: String,
    pace: Pace,
}

impl Order {
    fn of(call: &Call, dialect: Dialect) -> Result<Self, ActionError> {
        Ok(Self {
            fence: fence(call, dialect)?,
            channel: call.params.opt_text("channel")?.unwrap_or_default().to_owned(),
            pace: Pace::of(call)?,
        })
    }
}

/// The position under `fence`. An empty one would be reached by anybody, so it is refused.
pub(super) fn fence(call: &Call, dialect: Dialect) -> Result<Position, ActionError> {
    let nobody = || {
        ActionError::untouched("the fence is empty: nobody read one, and an empty one would be reached by any replica")
            .hint("take the output `fence` of the step that froze the source; the source must write a binary log")
    };
    let text = call.params.opt_text("fence")?.ok_or_else(nobody)?;
    let fence = Position::parse(dialect, text).map_err(|why| ActionError::untouched(format!("the fence: {why}")))?;
    if fence.is_empty() { Err(nobody()) } else { Ok(fence) }
}

/// One look at a replica.
struct Look {
    replica: Replica,
    applied: Position,
    missing: Vec<String>,
}

/// What this server has applied towards `fence`; its own events, which never come back to it, counted in.
///
/// MariaDB's status has a field `Gtid_Slave_Pos`, but it shows the current position, in which local writes count: a replica on
/// which somebody wrote would pass for one that has applied its source. The variable of the same name holds what was applied.
pub(super) async fn applied(session: &mut Session, replica: &Replica, fence: &Position) -> Result<Position, ActionError> {
    let Dialect::MariaDb = session.dialect() else { return replica.executed() };
    let rows = session.silently("SELECT @@global.gtid_slave_pos AS applied, @@global.gtid_binlog_pos AS logged").await?;
    let read = |name: &str| {
        let found = rows.first().and_then(|row| super::session::text(row, name)).unwrap_or_default();
        Position::parse(Dialect::MariaDb, &found).map_err(ActionError::untouched)
    };
    let own = session.identity()["server_id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    Ok(read("applied")?.with_own(&read("logged")?, fence, own))
}

async fn look(session: &mut Session, order: &Order) -> Result<Look, ActionError> {
    let replica = Replica::read_silently(session, &order.channel).await?;
    let replica = replica.ok_or_else(|| not_a_replica(&order.channel))?;
    let applied = applied(session, &replica, &order.fence).await?;
    let missing = applied.missing(&order.fence);
    Ok(Look { replica, applied, missing })
}

pub(super) fn not_a_replica(channel: &str) -> ActionError {
    let which = if channel.is_empty() { String::new() } else { format!(" on the channel `{channel}`") };
    ActionError::untouched(format!("the server is no replica: it follows nobody{which}"))
        .hint("name the replica as the step's target, and the channel where it has several sources")
}

/// Why a replica that is short of `fence` cannot get there by itself; none while it can.
fn hopeless(look: &Look, fence: &Position) -> Result<Option<String>, ActionError> {
    let replica = &look.replica;
    let because = |error: String| if error.is_empty() { String::new() } else { format!(": {error}") };
    if replica.applier() == Thread::Stopped {
        return Ok(Some(format!("the SQL thread of the replica is stopped{}", because(replica.applier_error()))));
    }
    // What has arrived is applied without the source; only what has not needs the reading thread.
    if replica.received()?.missing(fence).is_empty() {
        return Ok(None);
    }
    Ok(match replica.reader() {
        Thread::Running => None,
        Thread::Stopped => Some(format!("the IO thread of the replica is stopped{}", because(replica.reader_error()))),
        Thread::Connecting if replica.is_refused() => {
            Some(format!("the source {} turns the replica away: {}", replica.source(), replica.reader_error()))
        }
        Thread::Connecting => None,
    })
}

fn shortfall(look: &Look) -> String {
    let reader = match look.replica.reader() {
        Thread::Connecting if !look.replica.reader_error().is_empty() => {
            format!("; the source does not answer it: {}", look.replica.reader_error())
        }
        Thread::Connecting => "; it is connecting to its source".to_owned(),
        Thread::Running | Thread::Stopped => String::new(),
    };
    let delay = match look.replica.field("SQL_Delay").as_str() {
        "" | "0" => String::new(),
        seconds => format!("; it is set to stay {seconds} s behind"),
    };
    format!("the replica has applied `{}` and lacks `{}`{reader}{delay}", look.applied, look.missing.join(","))
}

async fn wait(session: &mut Session, order: &Order) -> Result<Applied, ActionError> {
    session.hurry(order.pace.within());
    let mut watch = Watch::begin(order.pace, session.patience());
    let (mut before, mut last) = (String::new(), String::from("none"));
    let result = loop {
        let look = match look(session, order).await {
            Ok(look) => look,
            Err(error) => break Err(ActionError { message: format!("{} (last seen: {last})", error.message), ..error }),
        };
        if look.missing.is_empty() {
            last = format!("applied `{}`", look.applied);
            watch.saw(true);
            break Ok(Applied { outputs: json!({ "applied": look.applied.to_string(), "waited_ms": watch.waited_ms() }) });
        }
        let short = shortfall(&look);
        let movement = look.replica.movement();
        watch.saw(movement != before);
        before = movement;
        if short != last && watch.may_tell() {
            session.recorder().progress(&short);
        }
        last = short;
        match hopeless(&look, &order.fence) {
            Ok(None) => {}
            Ok(Some(why)) => {
                break Err(ActionError::untouched(format!("{last}, and {why}"))
                    .hint("mend the replication, then retry the step; the fence stays valid while the source is frozen"));
            }
            Err(error) => break Err(error),
        }
        if let Some(idle) = watch.stalled() {
            break Err(ActionError::untouched(format!("{last}, and nothing moved for {idle}"))
                .hint("look for a lock that the SQL thread waits for, and at the network between replica and source"));
        }
        if let Err(stopped) = watch.pause().await {
            break Err(ActionError::untouched(format!("{last}: {stopped}")));
        }
    };
    let end = format!("asked {} times, last answer {last}", watch.asked());
    session.recorder().question(statement(session.dialect()), watch.elapsed(), &end);
    result
}

#[async_trait]
impl Inspect for WaitReplica {
    fn name(&self) -> &'static str {
        "mysql.wait_replica"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, session.dialect())?;
        let look = look(&mut session, &order).await?;
        let blockers = match hopeless(&look, &order.fence)? {
            Some(what) if !look.missing.is_empty() => vec![Blocker { what, owner: None }],
            _ => Vec::new(),
        };
        let found = Inspection {
            identity: session.identity(),
            state: json!({
                "applied": look.applied.to_string(), "fence": order.fence.to_string(),
                "lacks": look.missing, "replica": look.replica.facts(),
            }),
            statements: vec![statement(session.dialect()).to_owned()],
            blockers,
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
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
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, session.dialect())?;
        let applied = wait(&mut session, &order).await?;
        session.close().await;
        Ok(applied)
    }

    /// Reads the position once more, in a session of its own: a replica that was set back since then fails here.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let order = Order::of(call, session.dialect())?;
        let replica = Replica::read(&mut session, &order.channel).await?.ok_or_else(|| not_a_replica(&order.channel))?;
        let applied = applied(&mut session, &replica, &order.fence).await?;
        let missing = applied.missing(&order.fence);
        if !missing.is_empty() {
            let text = format!("the replica went back: it has applied `{applied}` and lacks `{}`", missing.join(","));
            return Err(ActionError::untouched(text));
        }
        let facts = json!({
            "identity": session.identity(), "applied": applied.to_string(), "fence": order.fence.to_string(),
            "replica": replica.facts(),
        });
        session.close().await;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
