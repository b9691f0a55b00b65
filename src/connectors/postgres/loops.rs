//! Changes that would go round between two databases that follow each other.
//!
//! From version 16 on a subscription can ask its source to send only what was written there (`origin = none`). Before, a source sends
//! on what it has applied itself: a row that goes from A to B comes back to A, where it is a conflict or is applied twice.

use std::collections::BTreeSet;

use super::session::{Session, text};
use crate::connectors::ActionError;

/// The enabled subscriptions of the source that bring it tables which it publishes.
pub(super) async fn going_round(source: &Session, published: &BTreeSet<String>) -> Result<Vec<String>, ActionError> {
    let rows = source
        .rows(
            "SELECT s.subname AS name, n.nspname || '.' || c.relname AS relation FROM (SELECT oid, subname, subenabled, subdbid \
             FROM pg_catalog.pg_subscription) s JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid \
             JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE s.subenabled AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
        )
        .await?;
    let pairs = rows.iter().filter_map(|row| Some((text(row, "name")?, text(row, "relation")?)));
    let names: BTreeSet<String> = pairs.filter(|(_, table)| published.contains(table)).map(|(name, _)| name).collect();
    let say = |name: String| {
        format!(
            "changes would go round: the source follows somebody itself (subscription `{name}`) and sends on what it applies; drop \
             that subscription first (from PostgreSQL 16 on both sides, `origin = none` holds it back)"
        )
    };
    Ok(names.into_iter().map(say).collect())
}
