//! AMQP over TLS: the library's own runtime, with another way to connect.
//!
//! The library would bring certificates of its own choice; this takes the target's `tls`, as every other connection does.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects, and shakes hands before the first word of AMQP.
#[derive(Clone, Debug)]
pub(super) struct Secured {
    plain: Tokio,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Secured {
    /// The runtime for one connection to `host`, verified as `config` says.
    pub(super) fn runtime(config: &Arc<ClientConfig>, host: &str) -> Result<Runtime<RuntimeParts<Tokio, Self>>, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("`{host}` is no name of a server: {error}"))?;
        let secured = Self { plain: Tokio::current(), config: config.clone(), name };
        Ok(Runtime::new(RuntimeParts::new(Tokio::current(), secured)))
    }
}

impl Reactor for Secured {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.plain.register(socket)
    }

    fn sleep(&self, span: Duration) -> Self::Sleep {
        self.plain.sleep(span)
    }

    fn interval(&self, span: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.plain.interval(span)
    }

    fn tcp_connect_addr(&self, place: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connector, name) = (TlsConnector::from(self.config.clone()), self.name.clone());
        async move {
            let stream = TcpStream::connect(place).await?;
            stream.set_nodelay(true)?;
            Ok(Compat::new(connector.connect(name, stream).await?))
        }
    }
}
