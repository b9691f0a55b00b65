//! Listening: on the loopback, or anywhere with TLS and users.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::routes::app;
use crate::log::http::Certificate;

/// How long requests under way may take once the console is asked to end. Streams of events end at once then.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a console listens on.
#[derive(Debug)]
pub struct Door {
    /// The listener, bound and not blocking.
    pub listener: TcpListener,
    /// What it shows to whoever connects; none where the connection is not protected.
    pub certificate: Option<Certificate>,
}

/// Serves until `stop` is set.
///
/// # Errors
/// When nobody can be listened to any more.
pub async fn serve(door: Door, console: Arc<Console>, stop: CancellationToken) -> std::io::Result<()> {
    let handle = Handle::<SocketAddr>::new();
    let (ending, hub) = (handle.clone(), console.clone());
    tokio::spawn(async move {
        stop.cancelled().await;
        hub.hub.close();
        ending.graceful_shutdown(Some(FAREWELL));
    });
    let service = app(console).into_make_service_with_connect_info::<SocketAddr>();
    match door.certificate {
        Some(certificate) => {
            let config = RustlsConfig::from_config(certificate.config());
            axum_server::from_tcp_rustls(door.listener, config)?.handle(handle).serve(service).await
        }
        None => axum_server::from_tcp(door.listener)?.handle(handle).serve(service).await,
    }
}
