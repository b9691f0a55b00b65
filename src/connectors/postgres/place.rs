//! What other connectors ask about a PostgreSQL target: where it is, and which server it is.

use super::link::Link;
use super::session::open;
use crate::connectors::{ActionError, Call, Target};

/// The host and port of the target's address, as Pointsman reaches them.
pub(in crate::connectors) fn host_and_port(call: &Call, target: &Target) -> Result<(String, u16), ActionError> {
    let address = Link::of(call, target)?.address();
    let place = address.split_once('/').filter(|(place, _)| !place.is_empty()).map_or(address.as_str(), |(place, _)| place);
    let parts = place.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.ok_or_else(|| ActionError::untouched(format!("`{}` is not reached by host and port", target.name)))
}

/// The target that `source` names.
pub(super) fn source_target(call: &Call) -> Result<&Target, ActionError> {
    let name = call.params.text("source")?;
    call.targets.get(name).ok_or_else(|| ActionError::untouched(format!("the target `{name}` of `source` is not known")))
}

/// What tells one running server from every other, also from a standby that shares its identifier; any account may ask it.
pub(in crate::connectors) const FINGERPRINT: &str = "SELECT system_identifier::text || '/' || extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text, \
     pg_catalog.current_database() FROM pg_catalog.pg_control_system()";

/// The answer of the target itself to [`FINGERPRINT`].
pub(in crate::connectors) async fn fingerprint(call: &Call, target: &Target) -> Result<String, ActionError> {
    let found = open(call, target).await?.value(FINGERPRINT).await?;
    found.ok_or_else(|| ActionError::untouched(format!("`{}` does not say which server it is", target.name)))
}
