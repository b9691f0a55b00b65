//! HTTP: requests that change something, requests that only look, and notices.

mod answer;
mod check;
mod exchange;
mod request;
mod webhook;

pub use check::HttpCheck;
pub(super) use exchange::Order;
#[cfg(feature = "otlp")]
pub(crate) use exchange::explain;
pub(crate) use exchange::install_tls;
pub use request::HttpRequest;
pub use webhook::NotifyWebhook;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(HttpRequest);
    registry.add(HttpCheck);
    registry.add(NotifyWebhook);
}
