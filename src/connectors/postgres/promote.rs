//! `postgres.promote`: a physical standby that has replayed everything becomes a server of its own.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::lsn::Lsn;
use super::scope::is;
use super::session::{Session, open, text};
use crate::connectors::watch::span;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Object, Value};

/// The action.
#[derive(Debug)]
pub struct Promote;

/// What a step asks for.
struct Order {
    fence: Option<Lsn>,
    within: Duration,
}

/// The server now.
struct Standby {
    session: Session,
    row: Object,
}

/// The timeline of a standby is the highest that it has heard of; a server of its own names its file after the one it writes on.
const QUESTION: &str = "SELECT pg_is_in_recovery() AS recovery, pg_last_wal_receive_lsn()::text AS received, \
     pg_last_wal_replay_lsn()::text AS replayed, CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused, \
     (SELECT status FROM pg_stat_wal_receiver) AS receiver, \
     CASE WHEN pg_is_in_recovery() THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()), \
     (SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT received_tli FROM pg_stat_wal_receiver))::text \
     ELSE ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint::text END AS timeline";

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let fence = call.params.opt_text("fence")?.map(Lsn::parse).transpose();
        Ok(Self {
            fence: fence.map_err(|why| ActionError::untouched(format!("the fence: {why}")))?,
            within: span(call, "within", 60_000)?,
        })
    }

    fn statement(&self) -> String {
        format!("SELECT pg_catalog.pg_promote(true, {})", self.within.as_secs().max(1))
    }
}

async fn look(call: &Call) -> Result<Standby, ActionError> {
    let session = open(call, own_target(call)?).await?;
    session.silently("SET search_path = pg_catalog, pg_temp").await?;
    let mut standby = Standby { session, row: Object::new() };
    standby.read().await?;
    Ok(standby)
}

impl Standby {
    async fn read(&mut self) -> Result<(), ActionError> {
        self.row = self.session.silently(QUESTION).await?.into_iter().next().unwrap_or_default();
        Ok(())
    }

    fn in_recovery(&self) -> bool {
        is(&self.row, "recovery")
    }

    fn timeline(&self) -> u64 {
        text(&self.row, "timeline").and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn position(&self, name: &str) -> Option<Lsn> {
        text(&self.row, name).and_then(|text| Lsn::parse(&text).ok())
    }

    /// What is not replayed yet of the fence and of everything that has arrived; none where all of it is.
    fn missing(&self, order: &Order) -> Option<String> {
        let replayed = self.position("replayed")?;
        let short = |goal: Option<Lsn>, what: &str| {
            let goal = goal.filter(|goal| !replayed.reaches(*goal))?;
            Some(format!("replayed {replayed} of {goal} ({what}), {} bytes short", replayed.short_of(goal)))
        };
        short(order.fence, "the fence").or_else(|| short(self.position("received"), "what has arrived"))
    }

    /// What forbids it for good.
    fn obstacles(&self, call: &Call) -> Result<Vec<String>, ActionError> {
        let mut found = Vec::new();
        let identity = own_target(call)?.settings.map("identity")?;
        if identity.get("in_recovery") == Some(&json!(true)) {
            found.push(
                "the target's `identity` says `in_recovery: true`: once promoted, it would be taken for another server; name \
                 its `system_identifier` instead"
                    .to_owned(),
            );
        }
        if self.in_recovery() && is(&self.row, "paused") {
            found.push("replaying is paused: pg_wal_replay_resume() lets it go on".to_owned());
        }
        Ok(found)
    }
}

/// Waits until everything that is asked for is replayed.
async fn replayed(order: &Order, standby: &mut Standby) -> Result<(), ActionError> {
    let patience = standby.session.patience().at_most(order.within);
    while let Some(short) = standby.missing(order) {
        patience.sleep(Duration::from_millis(50)).await.map_err(|stopped| {
            let receiver = text(&standby.row, "receiver").unwrap_or_else(|| "not running".to_owned());
            ActionError::untouched(format!("{short}; {stopped}; its receiver is {receiver}"))
                .hint("what is missing is still at the primary, or in its archive")
        })?;
        standby.read().await?;
    }
    Ok(())
}

/// How long a promotion that somebody ordered may take to be seen by a probe.
const ORDERED: Duration = Duration::from_secs(3);

#[async_trait]
impl Inspect for Promote {
    fn name(&self) -> &'static str {
        "postgres.promote"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let standby = look(call).await?;
        let mut blockers = standby.obstacles(call)?;
        blockers.extend(standby.missing(&order).filter(|_| standby.in_recovery()));
        if !standby.in_recovery() {
            blockers.push("the server is no standby: there is nothing to promote".to_owned());
        }
        Ok(Inspection {
            identity: standby.session.identity(),
            state: json!({ "standby": standby.row, "fence": order.fence.map(|fence| fence.to_string()) }),
            statements: if standby.in_recovery() { vec![order.statement()] } else { Vec::new() },
            blockers: blockers.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            expected_ms: Some(1000),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let standby = look(call).await?;
        Ok(json!({
            "identity": standby.session.identity(), "in_recovery": standby.in_recovery(), "timeline": standby.timeline(),
        }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let mut standby = look(call).await?;
        let patience = standby.session.patience().at_most(ORDERED);
        while standby.in_recovery() && patience.sleep(Duration::from_millis(100)).await.is_ok() {
            standby.read().await?;
        }
        let finding = if standby.in_recovery() { Finding::NotApplied } else { Finding::Applied };
        let outputs = json!({ "replayed": null, "timeline": standby.timeline() });
        Ok(Probed { finding, outputs, facts: json!({ "standby": standby.row }) })
    }
}

#[async_trait]
impl Act for Promote {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let mut standby = look(call).await?;
        let mut at = None;
        if let Some(what) = standby.obstacles(call)?.into_iter().next() {
            return Err(ActionError::untouched(what));
        }
        if standby.in_recovery() {
            replayed(&order, &mut standby).await?;
            at = standby.position("replayed").map(|lsn| lsn.to_string());
            let done = standby.session.called(&order.statement()).await.map_err(|error| error.of_change("pg_promote"))?;
            standby.read().await.map_err(ActionError::after_change)?;
            if standby.in_recovery() {
                let answer = done.unwrap_or_default();
                return Err(ActionError::touched(format!(
                    "the promotion was ordered and is not done (pg_promote said `{answer}`)"
                ))
                .hint("look into the server's log; it may still end by itself"));
            }
        }
        Ok(Applied { outputs: json!({ "replayed": at, "timeline": standby.timeline() }) })
    }

    /// A transaction that has a number is written to the log when it commits, and a standby gives none.
    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let proof = async {
            let standby = look(call).await?;
            if standby.in_recovery() {
                return Err(ActionError::touched("the server is still a standby"));
            }
            let before = snapshot["timeline"].as_u64().unwrap_or_default();
            let promoted_here = snapshot["in_recovery"] == json!(true);
            if promoted_here && standby.timeline() <= before {
                return Err(ActionError::touched(format!("it writes on timeline {}, as before", standby.timeline())));
            }
            let number = standby.session.value("SELECT pg_current_xact_id()::text").await?;
            if standby.session.value("SHOW default_transaction_read_only").await?.as_deref() != Some("off") {
                return Err(ActionError::touched("it takes no writes: `default_transaction_read_only` is on"));
            }
            Ok(Evidence::new(json!({
                "identity": standby.session.identity(), "in_recovery": false, "timeline": standby.timeline(),
                "timeline_before": before, "transaction": number,
            })))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let name = &own_target(call)?.name;
        Err(ActionError::untouched("a server that was promoted cannot be made a standby again by a statement").manual(vec![
            format!("-- stop {name}, run pg_rewind against the primary or copy it anew, and start it as a standby"),
        ]))
    }
}
