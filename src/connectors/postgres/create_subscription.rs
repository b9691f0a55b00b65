//! `postgres.create_subscription`: a database follows a publication from now on; the way back is kept warm.
//!
//! The slot is made first, at the source, so that every change from then on is kept; then the subscription, marked as this step's, in
//! one transaction. There is no first copy: both sides hold the same when it begins, or the step does not belong there.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::conninfo::Conninfo;
use super::ends::{Order, Sight};
use super::lsn::Lsn;
use super::name::quoted;
use super::place::source_target;
use super::session::{StatementError, open, text};
use super::subscription::{Slot, Subscription, detach, disable, drop_slot};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct CreateSubscription;

/// A password in a statement is not to get into the subscriber's own log, nor into its statistics of statements.
const UNLOGGED: &str = "SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1; \
     SET log_min_duration_sample = -1; SET log_transaction_sample_rate = 0; SET log_parser_stats = off; \
     SET pg_stat_statements.track_utility = off; SET pgaudit.log = none";

/// Makes the subscription; where the server refuses it, the slot that was made for it goes again.
async fn subscribe(call: &Call, order: &Order, sight: &Sight, made_slot: bool) -> Result<(), ActionError> {
    let conninfo = Conninfo::of(call)?;
    let session = &sight.subscriber;
    if conninfo.has_password() {
        // Where the account may not set them, it is no superuser, and what is logged is the administrator's choice.
        for sql in UNLOGGED.split("; ") {
            match session.silently(sql).await {
                Ok(_) | Err(StatementError::Server { .. }) => {}
                Err(error) => return Err(ActionError::from(error).after_change()),
            }
        }
    }
    let framed = |statements: Vec<String>| format!("BEGIN; {}; COMMIT", statements.join("; "));
    let origins = sight.knows_origins();
    let (sent, shown) =
        (framed(order.statements(&conninfo.text(), origins)), framed(order.statements(&conninfo.shown(), origins)));
    match session.execute_shown(&sent, &shown).await {
        Ok(_) => Ok(()),
        Err(error @ StatementError::Lost(_)) => Err(error.of_change("CREATE SUBSCRIPTION")),
        Err(error) => {
            let text = format!("the subscription was refused: {error}");
            if !made_slot {
                return Err(ActionError::touched(text));
            }
            match drop_slot(&sight.source, &order.slot).await {
                Ok(()) => Err(ActionError::untouched(format!("{text}; the slot that was made for it is dropped again"))),
                Err(left) => Err(ActionError::touched(format!("{text}; the slot `{}` is left: {left}", order.slot))),
            }
        }
    }
}

/// Waits until the subscriber has everything that the source had made durable when this began.
async fn streams(call: &Call, order: &Order, within: Duration) -> Result<Sight, ActionError> {
    let sight = order.look(call).await?;
    let fence = sight.source.value("SELECT pg_catalog.pg_current_wal_flush_lsn()").await?.unwrap_or_default();
    let fence = Lsn::parse(&fence).map_err(ActionError::untouched)?;
    let patience = sight.source.patience().at_most(within);
    let mut sight = sight;
    loop {
        if let Some(why) = sight.hopeless(order) {
            return Err(ActionError::untouched(format!("it does not stream: {why}")));
        }
        let Some(short) = sight.shortfall(fence) else { return Ok(sight) };
        if let Err(stopped) = patience.sleep(Duration::from_millis(50)).await {
            return Err(ActionError::untouched(format!("it does not stream: {short}; {stopped}")));
        }
        sight.subscription = Subscription::read(&sight.subscriber, &order.subscription).await?;
        sight.slot = Slot::read(&sight.source, &order.slot).await?;
    }
}

#[async_trait]
impl Inspect for CreateSubscription {
    fn name(&self) -> &'static str {
        "postgres.create_subscription"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, conninfo) = (Order::of(call)?, Conninfo::of(call)?);
        let sight = order.look(call).await?;
        let blockers = sight.obstacles(&order).await?;
        let left = sight.source.rows(&order.left_question()).await?;
        let left: Vec<_> = left.iter().filter_map(|row| text(row, "slot_name")).collect();
        let mut statements = Vec::new();
        if sight.slot.is_none() {
            statements.push(order.slot_statement());
        }
        if sight.subscription.is_none() {
            statements.extend(order.statements(&conninfo.shown(), sight.knows_origins()));
        }
        Ok(Inspection {
            identity: sight.identity(),
            state: json!({ "found": sight.facts(), "slots_left_by_other_runs": left }),
            statements,
            undo_statements: order.by_hand(),
            blockers: blockers.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            expected_ms: Some(500),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let sight = order.look(call).await?;
        Ok(json!({
            "identity": sight.identity(), "slot": order.slot, "had_slot": sight.slot.is_some(), "found": sight.facts(),
        }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call)?;
        let sight = order.look(call).await?;
        let publication = if sight.published.is_empty() { "is not there" } else { "is there" };
        let (name, slot) = (&order.subscription, &order.slot);
        let finding = match (&sight.subscription, &sight.slot) {
            (None, None) => Finding::NotApplied,
            (Some(there), _) if there.tag != order.tag => {
                Finding::Unknown(format!("the subscription `{name}` was not made by this step: {}", there.facts()))
            }
            (None, Some(_)) => Finding::Partial(format!(
                "the publication {publication}, the slot `{slot}` is at the source and keeps its log, the subscription is not there"
            )),
            (Some(_), None) => Finding::Partial(format!("the subscription is there, and its slot `{slot}` is not at the source")),
            (Some(there), Some(_)) if !there.enabled => Finding::Partial("the subscription is there and disabled".to_owned()),
            (Some(_), Some(_)) => Finding::Applied,
        };
        let start = sight.slot.as_ref().map(|slot| slot.confirmed.clone());
        Ok(Probed { finding, outputs: json!({ "slot": slot, "start": start }), facts: sight.facts() })
    }
}

#[async_trait]
impl Act for CreateSubscription {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, begun) = (Order::of(call)?, Instant::now());
        let sight = order.look(call).await?;
        if let Some(what) = sight.obstacles(&order).await?.into_iter().next() {
            return Err(ActionError::untouched(what));
        }
        if sight.slot.is_none() {
            let made = sight.source.execute(&order.slot_statement()).await;
            made.map_err(|error| match error {
                StatementError::Lost(_) => error.of_change("pg_create_logical_replication_slot"),
                StatementError::Server { .. } | StatementError::Stopped(_) => {
                    ActionError::untouched(format!("the slot could not be made: {error}"))
                        .hint("it waits for every transaction that is open at the source: look for an old one there")
                }
            })?;
        }
        match &sight.subscription {
            None => subscribe(call, &order, &sight, sight.slot.is_none()).await?,
            Some(there) if !there.enabled => {
                let sql = format!("ALTER SUBSCRIPTION {} ENABLE", quoted(&order.subscription));
                sight.subscriber.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
            Some(_) => {}
        }
        let left = order.within.saturating_sub(begun.elapsed());
        let sight = streams(call, &order, left).await.map_err(ActionError::after_change)?;
        let start = sight.slot.as_ref().map(|slot| slot.confirmed.clone());
        Ok(Applied { outputs: json!({ "slot": order.slot, "start": start }) })
    }

    /// Reads the source's position once more, and waits until the subscriber has that one too.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let proof = async {
            let sight = streams(call, &order, PROVEN_WITHIN).await?;
            if let Some(what) = sight.obstacles(&order).await?.into_iter().next() {
                return Err(ActionError::touched(what));
            }
            let origin = if sight.knows_origins() {
                "held by the server"
            } else {
                "looked at: the source follows nobody with these tables"
            };
            let loops = if order.own_only { origin } else { "not asked for" };
            Ok(Evidence::new(json!({ "identity": sight.identity(), "ends": sight.facts(), "loop_protection": loops })))
        };
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        undone(call, &order, snapshot).await.map_err(|error| error.manual(order.by_hand()))
    }
}

/// How long the proof may wait for the subscriber.
const PROVEN_WITHIN: Duration = Duration::from_secs(15);

async fn undone(call: &Call, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let subscriber = open(call, own_target(call)?).await?;
    let there = Subscription::read(&subscriber, &order.subscription).await?;
    let own = there.filter(|there| there.tag == order.tag);
    if own.is_some() {
        disable(&subscriber, &order.subscription).await?;
    }
    let source = match open(call, source_target(call)?).await {
        Ok(source) => source,
        Err(error) => {
            // Without the source the subscription can still be taken away; the slot stays, and keeps the source's log.
            if own.is_some() {
                detach(&subscriber, &order.subscription).await?;
            }
            let text = format!(
                "the subscription is gone, and the slot `{}` may be left at the source, where it keeps the log: {}",
                order.slot, error.message
            );
            return Err(
                ActionError::touched(text).hint("drop the slot by hand as soon as the source is back, or its disk fills up")
            );
        }
    };
    // A slot that was there before the step was given to it by name, and is not of its making.
    let keeps = snapshot["had_slot"] == json!(true) && call.params.opt_text("slot")?.is_some();
    if !keeps {
        drop_slot(&source, &order.slot).await?;
    }
    if own.is_some() {
        detach(&subscriber, &order.subscription).await?;
    }
    let left = Subscription::read(&subscriber, &order.subscription).await.map_err(|e| ActionError::touched(e.to_string()))?;
    let slot = Slot::read(&source, &order.slot).await.map_err(|e| ActionError::touched(e.to_string()))?;
    if left.is_some_and(|left| left.tag == order.tag) || (slot.is_some() && !keeps) {
        return Err(ActionError::touched("the subscription or its slot is still there"));
    }
    Ok(Evidence::new(json!({
        "subscriber": subscriber.identity(), "source": source.identity(), "subscription": null, "slot": slot.map(|slot| slot.facts()),
    })))
}
