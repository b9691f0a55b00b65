//! `postgres.wait_subscription`: the subscriber has applied, and made durable, everything in front of a fence.
//!
//! What counts is the slot's `confirmed_flush_lsn` at the source: the subscriber moves it only behind what it has flushed. A lag
//! in seconds is a figure for people and no proof.

use async_trait::async_trait;
use serde_json::json;

use super::lsn::Lsn;
use super::name::literal;
use super::place::source_target;
use super::session::{Session, open, text};
use crate::connectors::patience::Patience;
use crate::connectors::watch::{Pace, Watch};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Object, Value};

/// The action.
#[derive(Debug)]
pub struct WaitSubscription;

/// What a step asks for.
struct Order {
    subscription: String,
    fence: Lsn,
    pace: Pace,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let fence = call.params.opt_text("fence")?.filter(|fence| !fence.trim().is_empty()).ok_or_else(|| {
            ActionError::untouched("the fence is empty: nobody read one")
                .hint("take the output `fence` of the step that froze the source")
        })?;
        let fence = Lsn::parse(fence).map_err(|why| ActionError::untouched(format!("the fence: {why}")))?;
        Ok(Self { subscription: call.params.text("subscription")?.to_owned(), fence, pace: Pace::of(call)? })
    }

    fn subscriber_question(&self) -> String {
        format!(
            "SELECT s.subenabled, s.subslotname, w.pid, w.received_lsn, w.last_msg_receipt_time AS heard, \
             coalesce(e.apply_error_count, 0) AS apply_errors, coalesce(e.sync_error_count, 0) AS sync_errors, \
             (SELECT count(*) FROM pg_catalog.pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate <> 'r') AS copying, \
             (SELECT min(r.srrelid::regclass::text) FROM pg_catalog.pg_subscription_rel r \
              WHERE r.srsubid = s.oid AND r.srsubstate <> 'r') AS first_copying, \
             (SELECT count(*) FROM pg_catalog.pg_subscription_rel r WHERE r.srsubid = s.oid) AS tables \
             FROM (SELECT oid, subname, subenabled, subslotname, subdbid FROM pg_catalog.pg_subscription) s \
             LEFT JOIN pg_catalog.pg_stat_subscription w ON w.subid = s.oid AND w.relid IS NULL \
             LEFT JOIN pg_catalog.pg_stat_subscription_stats e ON e.subid = s.oid \
             WHERE s.subname = {} AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
            literal(&self.subscription)
        )
    }
}

fn source_question(slot: &str) -> String {
    format!(
        "SELECT s.confirmed_flush_lsn, s.active, s.wal_status, s.database, current_database() AS here, r.state, r.sent_lsn \
         FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid \
         WHERE s.slot_name = {} AND s.slot_type = 'logical'",
        literal(slot)
    )
}

/// Both ends of one subscription at one moment.
struct Look {
    subscriber: Object,
    source: Object,
    applied: Lsn,
}

impl Look {
    fn cell(&self, name: &str) -> String {
        text(&self.subscriber, name).or_else(|| text(&self.source, name)).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.cell(name).parse().unwrap_or(0)
    }

    /// At or past the fence, every table out of its initial copy, and a worker that would apply more.
    fn is_reached(&self, order: &Order) -> bool {
        self.applied.reaches(order.fence) && self.number("copying") == 0 && !self.cell("pid").is_empty()
    }

    /// What only moves while something is applied.
    fn movement(&self) -> String {
        format!("{} {} {}", self.applied, self.cell("received_lsn"), self.cell("copying"))
    }

    /// Why it cannot get there by itself; none while it can.
    fn hopeless(&self, order: &Order) -> Option<String> {
        let name = &order.subscription;
        if self.cell("subenabled") != "t" {
            let errors = self.number("apply_errors") + self.number("sync_errors");
            let after =
                if errors > 0 { format!("; it has failed {errors} times, its server's log says why") } else { String::new() };
            return Some(format!("the subscription `{name}` is disabled{after}"));
        }
        if self.cell("wal_status") == "lost" {
            return Some("the slot has lost log that the subscriber still needs: the copy must be made anew".to_owned());
        }
        if self.number("tables") == 0 {
            return Some(format!("the subscription `{name}` replicates no table"));
        }
        None
    }

    fn shortfall(&self, order: &Order) -> String {
        let mut text = format!("applied {} of {}, {} bytes short", self.applied, order.fence, self.applied.short_of(order.fence));
        if self.cell("pid").is_empty() {
            text.push_str("; the apply worker is not running");
        }
        if self.cell("active") != "t" {
            text.push_str("; nobody is connected to the slot");
        }
        let copying = self.number("copying");
        if copying > 0 {
            text.push_str(&format!("; {copying} tables are still in their first copy, such as {}", self.cell("first_copying")));
        }
        let errors = self.number("apply_errors") + self.number("sync_errors");
        if errors > 0 {
            text.push_str(&format!("; the worker has failed {errors} times"));
        }
        text
    }

    fn facts(&self) -> Value {
        json!({ "subscriber": self.subscriber, "slot": self.source })
    }
}

struct Ends {
    subscriber: Session,
    source: Session,
}

impl Ends {
    async fn open(call: &Call) -> Result<Self, ActionError> {
        Ok(Self { subscriber: open(call, own_target(call)?).await?, source: open(call, source_target(call)?).await? })
    }

    fn identity(&self) -> Value {
        json!({ "subscriber": self.subscriber.identity(), "source": self.source.identity() })
    }

    async fn look(&self, order: &Order) -> Result<Look, ActionError> {
        let name = &order.subscription;
        let rows = self.subscriber.silently(&order.subscriber_question()).await;
        let rows = rows.map_err(|error| ActionError::untouched(format!("the subscriber cannot be asked: {error}")))?;
        let subscriber = rows.into_iter().next().ok_or_else(|| {
            ActionError::untouched(format!("there is no subscription `{name}` in this database"))
                .hint("the step's target is the subscriber, with the database that holds the subscription")
        })?;
        let slot = text(&subscriber, "subslotname").unwrap_or_default();
        let rows = self.source.silently(&source_question(&slot)).await;
        let rows = rows.map_err(|error| ActionError::untouched(format!("the source cannot be asked: {error}")))?;
        let source = rows.into_iter().next().ok_or_else(|| {
            ActionError::untouched(format!("the source has no logical slot `{slot}`, which the subscription `{name}` reads"))
                .hint("`source` must be the server that the subscription follows; a slot that was dropped cannot come back")
        })?;
        if text(&source, "database") != text(&source, "here") {
            let of = text(&source, "database").unwrap_or_default();
            return Err(ActionError::untouched(format!("the slot `{slot}` belongs to the database `{of}` of the source")));
        }
        let confirmed = text(&source, "confirmed_flush_lsn").unwrap_or_else(|| "0/0".to_owned());
        Ok(Look { subscriber, source, applied: Lsn::parse(&confirmed).map_err(ActionError::untouched)? })
    }
}

/// How often the worker may fail while the position stands before the wait ends: each failure is a restart of the worker with
/// the same transaction.
const FAILURES: u64 = 2;

async fn wait(call: &Call, ends: &Ends, order: &Order) -> Result<Applied, ActionError> {
    let mut watch = Watch::begin(order.pace, &Patience::of(call));
    let (mut before, mut last) = (String::new(), String::from("nothing"));
    let mut failures_before = None;
    let result = loop {
        let look = match ends.look(order).await {
            Ok(look) => look,
            Err(error) => break Err(ActionError { message: format!("{} (last seen: {last})", error.message), ..error }),
        };
        if look.is_reached(order) {
            last = format!("applied {}", look.applied);
            watch.saw(true);
            break Ok(Applied { outputs: json!({ "applied": look.applied.to_string(), "waited_ms": watch.waited_ms() }) });
        }
        let movement = look.movement();
        let failures = look.number("apply_errors") + look.number("sync_errors");
        watch.saw(movement != before);
        if movement != before {
            (before, failures_before) = (movement, Some(failures));
        }
        let short = look.shortfall(order);
        if short != last && watch.may_tell() {
            ends.subscriber.recorder().progress(&short);
        }
        last = short;
        if let Some(why) = look.hopeless(order) {
            break Err(ActionError::untouched(format!("{last}; {why}"))
                .hint("mend the subscription, then retry the step; the fence stays valid while the source is frozen"));
        }
        let failed = failures.saturating_sub(failures_before.unwrap_or(failures));
        if failed >= FAILURES {
            let why =
                format!("{last}; the worker failed {failed} times in a row on the same change: a conflict at the subscriber");
            break Err(ActionError::untouched(why)
                .hint("the subscriber's log names the row and the constraint; mend the row, then retry the step"));
        }
        if let Some(idle) = watch.stalled() {
            break Err(ActionError::untouched(format!("{last}, and nothing moved for {idle}"))
                .hint("look for a lock that the apply worker waits for, and at the network between subscriber and source"));
        }
        if let Err(stopped) = watch.pause().await {
            break Err(ActionError::untouched(format!("{last}: {stopped}")));
        }
    };
    let end = format!("asked {} times, last answer {last}", watch.asked());
    ends.subscriber.recorder().question(&order.subscriber_question(), watch.elapsed(), &end);
    result
}

#[async_trait]
impl Inspect for WaitSubscription {
    fn name(&self) -> &'static str {
        "postgres.wait_subscription"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let ends = Ends::open(call).await?;
        let look = ends.look(&order).await?;
        let blockers = look.hopeless(&order).map(|what| Blocker { what, owner: None });
        let slot = look.cell("subslotname");
        Ok(Inspection {
            identity: ends.identity(),
            state: json!({ "applied": look.applied.to_string(), "fence": order.fence.to_string(), "ends": look.facts() }),
            statements: vec![order.subscriber_question(), source_question(&slot)],
            blockers: blockers.into_iter().collect(),
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
impl Act for WaitSubscription {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let ends = Ends::open(call).await?;
        wait(call, &ends, &order).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let ends = Ends::open(call).await?;
        let look = ends.look(&order).await?;
        if !look.is_reached(&order) || look.hopeless(&order).is_some() {
            let why = look.hopeless(&order).unwrap_or_default();
            return Err(ActionError::untouched(format!("it is not so any more: {} {why}", look.shortfall(&order))));
        }
        Ok(Evidence::new(json!({
            "identity": ends.identity(), "fence": order.fence.to_string(), "applied": look.applied.to_string(),
            "ends": look.facts(),
        })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
