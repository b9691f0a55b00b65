//! HTTP: requests that change something, requests that only look, and notices.

mod answer;
mod check;
mod exchange;
mod request;
mod webhook;

pub use check::HttpCheck;
pub(super) use exchange::Order;
pub use request::HttpRequest;
pub use webhook::NotifyWebhook;
