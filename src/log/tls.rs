//! TLS between a log and a witness on another host.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ServerConfig;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, ServerConnection, SignatureScheme, StreamOwned};

use super::asked::Trusted;
use super::http::{Timed, Wire};
use super::token::private;
use crate::model::Digest;

/// Whether this program can protect the way to another host.
pub const HAS_TLS: bool = true;

/// The certificate of a witness, with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    config: Arc<ServerConfig>,
    pin: Digest,
}

impl Certificate {
    /// Reads the certificates and the private key.
    ///
    /// # Errors
    /// When a file cannot be read, does not hold what it should, or the key can be read by everybody.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, String> {
        let chain = chain(certificates)?;
        let pin = chain.first().map(|first| Digest::of(first)).ok_or("there is no certificate")?;
        let unusable = |error: &dyn std::fmt::Display| format!("{} is no private key: {error}", key.display());
        let private = PrivateKeyDer::from_pem_slice(private(key)?.as_bytes()).map_err(|error| unusable(&error))?;
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, private));
        let config = config.map_err(|error| format!("{} and its key cannot be used: {error}", certificates.display()))?;
        Ok(Self { config: Arc::new(config), pin })
    }

    /// What a log can know the certificate by.
    pub const fn pin(&self) -> Digest {
        self.pin
    }

    /// What a server of another kind listens with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The protected end of a connection that somebody has made.
    pub(super) fn protect(&self, stream: Timed) -> io::Result<Box<dyn Wire>> {
        let connection = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        Ok(Box::new(Protected(StreamOwned::new(connection, stream))))
    }
}

/// The protected end of a connection to `host`, which has to be known by `trusted`.
pub(super) fn protect(stream: Timed, host: &str, trusted: &Trusted) -> io::Result<Box<dyn Wire>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let provider = provider();
    let verifier = Known { pin: trusted.pin, chain: authorities(trusted, &provider)?, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(Box::new(Protected(StreamOwned::new(connection, stream))))
}

/// Either end of a protected connection.
struct Protected<C>(StreamOwned<C, Timed>);

impl<C, S> Read for Protected<C>
where
    C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>>,
    S: rustls::SideData,
{
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).map_err(explained)
    }
}

impl<C, S> Write for Protected<C>
where
    C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>>,
    S: rustls::SideData,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(explained)
    }
}

impl<C, S> Wire for Protected<C>
where
    C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>> + Send,
    S: rustls::SideData,
{
    fn close(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()
    }
}

/// A failed handshake in words, behind what the library says of it.
fn explained(error: io::Error) -> io::Error {
    let said = error.to_string();
    let meaning = if said.contains("UnknownIssuer") || said.contains("BadSignature") {
        "no authority that we trust has signed its certificate"
    } else if said.contains("not valid for name") || said.contains("NotValidForName") {
        "its certificate is for another name"
    } else if said.contains("ApplicationVerificationFailure") {
        "its certificate is not the one that it is known by"
    } else {
        return error;
    };
    io::Error::new(error.kind(), format!("{meaning} ({said})"))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{} holds no certificate: {error}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    if found.is_empty() { Err(unreadable(&"it is empty")) } else { Ok(found) }
}

/// Who may have signed the certificate; nobody has to where a pin alone says which it is.
fn authorities(trusted: &Trusted, provider: &Arc<CryptoProvider>) -> io::Result<Option<Arc<WebPkiServerVerifier>>> {
    let mut roots = RootCertStore::empty();
    match (&trusted.authority, trusted.pin) {
        (None, Some(_)) => return Ok(None),
        (Some(path), _) => {
            for certificate in chain(path).map_err(io::Error::other)? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
        }
        (None, None) => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    verifier.map(Some).map_err(io::Error::other)
}

/// Believes a certificate that is the pinned one, where there is a pin, and that an authority has signed, where there is one.
#[derive(Debug)]
struct Known {
    pin: Option<Digest>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pin.is_some_and(|pin| pin != Digest::of(end_entity)) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
