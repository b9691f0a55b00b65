//! What a step that makes a subscription asks for, and both ends of it as they are: what forbids it, and what it lacks.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::create_publication::tag;
use super::loops::going_round;
use super::lsn::Lsn;
use super::name::{literal, literals, quoted};
use super::place::source_target;
use super::session::{Session, open, text};
use super::subscription::{Slot, Subscription, detach_statements, drop_slot_statement, major};
use crate::connectors::watch::span;
use crate::connectors::{ActionError, Call, own_target};
use crate::model::{Digest, Value};

/// What a step asks for.
pub(super) struct Order {
    pub(super) subscription: String,
    pub(super) publication: String,
    pub(super) slot: String,
    /// Whether only what was written at the source itself is taken.
    pub(super) own_only: bool,
    pub(super) tag: String,
    pub(super) within: Duration,
}

/// Both ends now.
pub(super) struct Sight {
    pub(super) subscriber: Session,
    pub(super) source: Session,
    pub(super) subscription: Option<Subscription>,
    pub(super) slot: Option<Slot>,
    /// `schema.name` of the tables that the publication has.
    pub(super) published: BTreeSet<String>,
}

/// The longest name that PostgreSQL keeps.
const LONGEST: usize = 63;

/// A slot's name that tells whose it is: letters, digits and `_`, with a digest where something was cut or replaced.
fn slot_name(run: &str, step: &str) -> String {
    let whole = format!("pointsman_{run}_{step}");
    let plain: String = whole.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let digest = Digest::of(whole.as_bytes()).to_string();
    let mark: String = digest.rsplit(':').next().unwrap_or_default().chars().take(8).collect();
    let kept: String = plain.chars().take(LONGEST - 1 - mark.len()).collect();
    format!("{kept}_{mark}")
}

impl Order {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let own = || slot_name(&call.run.to_string(), &call.step.to_string());
        Ok(Self {
            subscription: call.params.text("subscription")?.to_owned(),
            publication: call.params.text("publication")?.to_owned(),
            slot: call.params.opt_text("slot")?.map_or_else(own, str::to_owned),
            own_only: call.params.opt_text("origin")? != Some("any"),
            tag: tag(call),
            within: span(call, "within", 60_000)?,
        })
    }

    pub(super) async fn look(&self, call: &Call) -> Result<Sight, ActionError> {
        let subscriber = open(call, own_target(call)?).await?;
        let source = open(call, source_target(call)?).await?;
        let subscription = Subscription::read(&subscriber, &self.subscription).await?;
        let slot = Slot::read(&source, &self.slot).await?;
        let sql = format!(
            "SELECT schemaname || '.' || tablename AS name FROM pg_catalog.pg_publication_tables WHERE pubname = {}",
            literal(&self.publication)
        );
        let published = source.rows(&sql).await?.iter().filter_map(|row| text(row, "name")).collect();
        Ok(Sight { subscriber, source, subscription, slot, published })
    }

    /// Makes the slot.
    pub(super) fn slot_statement(&self) -> String {
        format!("SELECT pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')::text AS made", literal(&self.slot))
    }

    /// Makes the subscription over `conninfo`.
    pub(super) fn statements(&self, conninfo: &str, knows_origins: bool) -> Vec<String> {
        let name = quoted(&self.subscription);
        let origin = if knows_origins { if self.own_only { ", origin = none" } else { ", origin = any" } } else { "" };
        vec![
            format!(
                "CREATE SUBSCRIPTION {name} CONNECTION {} PUBLICATION {} WITH (create_slot = false, slot_name = {}, \
                 copy_data = false{origin})",
                literal(conninfo),
                quoted(&self.publication),
                literal(&self.slot)
            ),
            format!("COMMENT ON SUBSCRIPTION {name} IS {}", literal(&self.tag)),
        ]
    }

    /// Slots of other runs that nobody reads.
    pub(super) fn left_question(&self) -> String {
        format!(
            "SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE slot_name ~ '^pointsman_' AND NOT active AND slot_name <> {}",
            literal(&self.slot)
        )
    }

    /// What a person sends where the undo cannot: at the subscriber, then at the source.
    pub(super) fn by_hand(&self) -> Vec<String> {
        let here = detach_statements(&self.subscription).into_iter().map(|sql| format!("{sql};"));
        here.chain([format!("{}; -- at the source", drop_slot_statement(&self.slot))]).collect()
    }
}

impl Sight {
    pub(super) fn identity(&self) -> Value {
        json!({ "subscriber": self.subscriber.identity(), "source": self.source.identity() })
    }

    pub(super) fn knows_origins(&self) -> bool {
        major(&self.subscriber) >= 16
    }

    pub(super) fn facts(&self) -> Value {
        json!({
            "subscription": self.subscription.as_ref().map(Subscription::facts), "slot": self.slot.as_ref().map(Slot::facts),
            "published_tables": self.published.len(),
        })
    }

    /// What forbids it; `order` is met where this is empty and the step is carried out.
    pub(super) async fn obstacles(&self, order: &Order) -> Result<Vec<String>, ActionError> {
        let mut found = Vec::new();
        let same = |key: &str| self.subscriber.identity()[key] == self.source.identity()[key];
        if same("system_identifier") && same("database") {
            found.push("the subscriber and the source are the same database, or one is a standby of the other".to_owned());
        }
        if let Some(there) = self.subscription.as_ref().filter(|there| there.tag != order.tag) {
            found.push(format!(
                "there is a subscription `{}` that this step did not make: {}",
                order.subscription,
                there.facts()
            ));
        }
        if self.subscription.is_some() && self.slot.is_none() {
            // A slot made now would begin now: what was written since the first one went would be missing, and nobody would notice.
            found.push(format!(
                "the subscription `{}` is there and its slot `{}` is gone: undo the step first",
                order.subscription, order.slot
            ));
        }
        if let Some(why) = self.slot.as_ref().and_then(Slot::foreign) {
            found.push(format!("the slot `{}` {why}", order.slot));
        }
        if self.published.is_empty() {
            found.push(format!("the source publishes no table as `{}`", order.publication));
        }
        if self.source.value("SHOW wal_level").await?.as_deref() != Some("logical") {
            found.push("`wal_level` of the source is not `logical`".to_owned());
        }
        let names: Vec<_> = self.published.iter().cloned().collect();
        let sql = format!(
            "SELECT t AS name FROM pg_catalog.unnest({}) t WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = t) LIMIT 5",
            literals(&names)
        );
        let missing: Vec<_> = self.subscriber.rows(&sql).await?.iter().filter_map(|row| text(row, "name")).collect();
        if !missing.is_empty() {
            found.push(format!("the subscriber has no {}", missing.join(", ")));
        }
        found.extend(rights(&self.subscriber, &self.source).await?);
        if order.own_only && (major(&self.subscriber) < 16 || major(&self.source) < 16) {
            found.extend(going_round(&self.source, &self.published).await?);
        }
        Ok(found)
    }

    /// Why it will not stream without somebody's help; none where time can bring it.
    pub(super) fn hopeless(&self, order: &Order) -> Option<String> {
        let (Some(here), Some(_)) = (&self.subscription, &self.slot) else {
            let slot = format!("the slot `{}` is not there", order.slot);
            let subscription = format!("the subscription `{}` is not there", order.subscription);
            return Some(if self.slot.is_none() { slot } else { subscription });
        };
        let missing: Vec<_> = self.published.difference(&here.tables).take(5).cloned().collect();
        if here.tag != order.tag || here.slot.as_deref() != Some(&order.slot) {
            Some(format!("the subscription is not the one of this step: {}", here.facts()))
        } else if !here.enabled {
            Some("the subscription is disabled".to_owned())
        } else if !missing.is_empty() {
            Some(format!("these tables are published and not followed: {}", missing.join(", ")))
        } else if self.knows_origins() && here.origin != if order.own_only { "none" } else { "any" } {
            Some(format!("the subscription takes changes of origin `{}`", here.origin))
        } else {
            None
        }
    }

    /// Why it does not stream yet, up to `fence` of the source; none where it does.
    pub(super) fn shortfall(&self, fence: Lsn) -> Option<String> {
        let (here, slot) = (self.subscription.as_ref()?, self.slot.as_ref()?);
        let confirmed = Lsn::parse(&slot.confirmed).ok();
        if !here.copying.is_empty() {
            Some(format!("{} tables are not ready", here.copying.len()))
        } else if !here.worker {
            Some("the apply worker is not running; the subscriber's log says why".to_owned())
        } else if slot.reader.is_none() {
            Some("nobody reads the slot at the source".to_owned())
        } else if slot.state != "streaming" {
            Some(format!("the source says `{}` instead of streaming", slot.state))
        } else if !confirmed.is_some_and(|confirmed| confirmed.reaches(fence)) {
            Some(format!("the subscriber has {} and not yet {fence}", slot.confirmed))
        } else {
            None
        }
    }
}

/// What the accounts of the two targets lack.
async fn rights(subscriber: &Session, source: &Session) -> Result<Vec<String>, ActionError> {
    let mut found = Vec::new();
    let creator = if major(subscriber) >= 16 {
        "SELECT rolsuper OR (pg_has_role(session_user, 'pg_create_subscription', 'USAGE') \
         AND has_database_privilege(current_database(), 'CREATE')) FROM pg_roles WHERE rolname = session_user"
    } else {
        "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
    };
    if subscriber.value(creator).await?.as_deref() != Some("t") {
        found.push(
            "the account at the subscriber may not make subscriptions: before PostgreSQL 16 only a superuser may".to_owned(),
        );
    }
    found.extend(slot_right(source).await?);
    let sees = "SELECT pg_has_role(session_user, 'pg_read_all_stats', 'USAGE')";
    if source.value(sees).await?.as_deref() != Some("t") {
        found
            .push("the account at the source does not see whether the subscriber streams: it lacks pg_read_all_stats".to_owned());
    }
    Ok(found)
}

/// Why the account at the source may neither make nor drop a slot; none where it may.
pub(super) async fn slot_right(source: &Session) -> Result<Option<String>, ActionError> {
    let sql = "SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = session_user";
    let may = source.value(sql).await?.as_deref() == Some("t");
    Ok((!may).then(|| "the account at the source may not make or drop slots: it lacks REPLICATION".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::slot_name;

    #[test]
    fn a_slot_is_named_after_its_run_and_step_and_two_are_never_alike() {
        let name = slot_name("shop-20261121-abcd", "way-back");
        assert!(name.starts_with("pointsman_shop_20261121_abcd_way_back_"), "{name}");
        let (long, other) = (slot_name(&"x".repeat(99), "a"), slot_name(&"x".repeat(99), "b"));
        assert!(long.len() <= 63 && long != other && slot_name("a-b", "c") != slot_name("a_b", "c"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    }
}
