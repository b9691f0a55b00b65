//! `mysql.promote`: a replica that has applied everything follows nobody any more.
//!
//! `RESET SLAVE ALL` throws the relay log away, with what arrived and was not applied yet. So reading ends first, what has arrived is
//! applied, and only then the settings go.

use async_trait::async_trait;
use serde_json::json;

use super::following::{Following, by_hand, start};
use super::gtid::Position;
use super::replica::{EVERY, Replica, Thread, named, statement};
use super::session::{Dialect, Session, open, text};
use super::stop_replica::channel;
use super::variable::Switches;
use super::wait_replica::{applied, fence, not_a_replica};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Span, Touch, Value};

/// The action.
#[derive(Debug)]
pub struct Promote;

fn asked_fence(call: &Call, session: &Session) -> Result<Option<Position>, ActionError> {
    call.params.get("fence").map(|_| fence(call, session.dialect())).transpose()
}

/// What is missing of everything that has arrived, and of the fence.
async fn missing(session: &mut Session, replica: &Replica, fence: Option<&Position>) -> Result<Vec<String>, ActionError> {
    let received = replica.received()?;
    let mut missing = applied(session, replica, &received).await?.missing(&received);
    if let Some(fence) = fence {
        missing.extend(applied(session, replica, fence).await?.missing(fence));
    }
    Ok(missing)
}

async fn apply_what_arrived(session: &mut Session, channel: &str, fence: Option<&Position>) -> Result<(), ActionError> {
    let patience = session.patience().clone();
    loop {
        let replica = Replica::read_silently(session, channel).await?.ok_or_else(|| not_a_replica(channel))?;
        let missing = missing(session, &replica, fence).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let short = format!("`{}` is not applied, so the replica was not promoted", missing.join(","));
        if replica.applier() == Thread::Stopped {
            return Err(ActionError::untouched(format!("{short}: the SQL thread is stopped {}", replica.applier_error())));
        }
        patience.sleep(EVERY).await.map_err(|stopped| ActionError::untouched(format!("{short}: {stopped}")))?;
    }
}

#[async_trait]
impl Inspect for Promote {
    fn name(&self) -> &'static str {
        "mysql.promote"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let (dialect, fence) = (session.dialect(), asked_fence(call, &session)?);
        let replica = Replica::read(&mut session, &channel).await?.ok_or_else(|| not_a_replica(&channel))?;
        let lacks = missing(&mut session, &replica, fence.as_ref()).await?;
        let mut statements = vec![
            named(dialect, &channel, "STOP", " IO_THREAD"),
            named(dialect, &channel, "STOP", ""),
            named(dialect, &channel, "RESET", " ALL"),
        ];
        let was = Switches::read(&mut session).await?;
        if call.params.flag("writable")? {
            statements.extend(was.statements_to(&was.accepting()));
        }
        let blocker = |what: String| Blocker { what, owner: None };
        let gtid = (!replica.uses_gtid())
            .then(|| blocker("the replica does not use GTIDs: its place could not be found again".to_owned()));
        let found = Inspection {
            identity: session.identity(),
            state: json!({ "replica": replica.facts(), "lacks": lacks, "read_only": was.refuses() }),
            statements,
            undo_statements: vec![Following::of(&replica).change(dialect, &channel, "").1, named(dialect, &channel, "START", "")],
            blockers: gtid.into_iter().collect(),
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let now = Now::read(&mut session, &channel).await?;
        let replica = now.replica;
        if replica.as_ref().is_some_and(|replica| !replica.uses_gtid()) {
            return Err(ActionError::untouched(
                "the replica does not use GTIDs: after a promotion its place could not be found again",
            )
            .hint("let it follow by GTID first (`MASTER_USE_GTID = slave_pos`, or `SOURCE_AUTO_POSITION = 1`)"));
        }
        let following = replica.map_or(Value::Null, |replica| Following::of(&replica).to_json());
        let snapshot = json!({ "following": following, "switches": now.switches.to_value() });
        session.close().await;
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let replica = Replica::read(&mut session, &channel).await?;
        let writable = !call.params.flag("writable")? || !Switches::read(&mut session).await?.refuses();
        let before = Following::from_json(&snapshot["following"]).ok();
        let finding = match &replica {
            None if writable => Finding::Applied,
            None => Finding::Partial("it follows nobody, and is still read-only".to_owned()),
            Some(replica) if before.as_ref().is_some_and(|before| *before == Following::of(replica)) => Finding::NotApplied,
            Some(replica) => Finding::Partial(format!("it still follows {}, and not as before", replica.source())),
        };
        let facts = replica.map_or(Value::Null, |replica| replica.facts());
        Ok(Probed { finding, outputs: json!({ "applied": null }), facts })
    }
}

#[async_trait]
impl Act for Promote {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let (dialect, fence) = (session.dialect(), asked_fence(call, &session)?);
        session.hurry(call.params.opt_span("within")?.unwrap_or(Span::from_secs(60)).as_duration());
        if let Some(replica) = Replica::read(&mut session, &channel).await? {
            let reading = replica.reader() != Thread::Stopped;
            if reading {
                let sql = named(dialect, &channel, "STOP", " IO_THREAD");
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
            let waited = apply_what_arrived(&mut session, &channel, fence.as_ref()).await;
            waited.map_err(|error| if reading { error.after_change() } else { error })?;
            for sql in [named(dialect, &channel, "STOP", ""), named(dialect, &channel, "RESET", " ALL")] {
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
        }
        if call.params.flag("writable")? {
            let now = Switches::read(&mut session).await.map_err(|error| ActionError::from(error).after_change())?;
            for sql in now.statements_to(&now.accepting()) {
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
        }
        let position = position(&mut session).await.map_err(ActionError::after_change)?;
        session.close().await;
        Ok(Applied { outputs: json!({ "applied": position }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await.map_err(ActionError::after_change)?, channel(call)?);
        let now = Now::read(&mut session, &channel).await.map_err(ActionError::after_change)?;
        if let Some(replica) = now.replica {
            return Err(ActionError::touched(format!("the server follows {}", replica.source())));
        }
        let read_only = now.switches.refuses();
        if call.params.flag("writable")? && read_only {
            return Err(ActionError::touched("the server is read-only"));
        }
        let facts = json!({ "identity": session.identity(), "follows": null, "read_only": read_only, "applied": now.position });
        session.close().await;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (mut session, channel) = (open(call, own_target(call)?).await?, channel(call)?);
        let dialect = session.dialect();
        let was = Switches::from_value(&snapshot["switches"]);
        let Ok(before) = Following::from_json(&snapshot["following"]) else {
            return Ok(Evidence::new(json!({ "undo": "it followed nobody before" })));
        };
        let (sql, shown) = before.change(dialect, &channel, call.params.text("password")?);
        let mut manual = was.accepting().statements_to(&was);
        manual.extend([shown.clone(), named(dialect, &channel, "START", "")]);
        let undone = async {
            let now = Switches::read(&mut session).await?;
            for sql in now.statements_to(&now.as_writable_as(&was)) {
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
            match Replica::read(&mut session, &channel).await? {
                None => {
                    let changed = session.execute_shown(&sql, &shown).await;
                    changed.map_err(|error| error.of_change(&shown))?;
                }
                Some(replica) => {
                    let changed = before.differences(&Following::of(&replica));
                    if !changed.is_empty() {
                        let text = format!("the server follows another way than before: {}", changed.join(", "));
                        return Err(ActionError::untouched(text));
                    }
                }
            }
            let replica = start(&mut session, &channel, before.reads, before.applies).await?;
            let left = before.differences(&Following::of(&replica));
            if !left.is_empty() {
                return Err(ActionError::touched(format!("not all is as before: {}", left.join(", "))));
            }
            let position = position(&mut session).await?;
            Ok(json!({
                "identity": session.identity(), "replica": replica.facts(), "differences": left,
                "read_only": Switches::read(&mut session).await?.refuses(), "position": position,
            }))
        };
        let facts = undone.await.map_err(|error: ActionError| match error.touch {
            Touch::Untouched => error.manual(manual),
            Touch::Possible => by_hand(error, manual),
        })?;
        session.close().await;
        Ok(Evidence::new(facts))
    }
}

/// Whom a server follows, how its switches stand, and how far it is, asked together.
struct Now {
    replica: Option<Replica>,
    switches: Switches,
    position: Option<String>,
}

impl Now {
    async fn read(session: &mut Session, channel: &str) -> Result<Self, ActionError> {
        let dialect = session.dialect();
        let questions = [statement(dialect), Switches::question(dialect), last_position(dialect)];
        let mut answers = session.together(&questions).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        Ok(Self {
            replica: Replica::of(dialect, next(), channel),
            switches: Switches::of(&next()),
            position: next().first().and_then(|row| text(row, "position")),
        })
    }
}

/// The server's last position: what it applied and what it wrote itself.
pub(super) async fn position(session: &mut Session) -> Result<Option<String>, ActionError> {
    Ok(session.value(last_position(session.dialect())).await?)
}

/// What has to be asked for it.
pub(super) const fn last_position(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MariaDb => "SELECT @@global.gtid_current_pos AS position",
        Dialect::MySql => "SELECT @@global.gtid_executed AS position",
    }
}
