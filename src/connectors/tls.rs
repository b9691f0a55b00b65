//! TLS as a target's `tls:` key asks for it, for the connectors that open their own connections.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::ActionError;
use crate::model::Arguments;

/// How a connection is protected.
#[derive(Clone, Debug)]
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// By rustls.
    On {
        /// Ready to use.
        config: Arc<ClientConfig>,
        /// Whether the server's name is checked too.
        names: bool,
    },
}

impl Tls {
    /// Reads `tls` of a target's settings: a map with `mode` (`off`, `verify-ca`, `verify-full`), `ca`, `cert` and `key`, whose
    /// paths start at `base`. Without the key there is no TLS.
    ///
    /// # Errors
    /// For files that cannot be read and certificates that are none.
    pub(super) fn of(settings: &Arguments, base: &Path) -> Result<Self, ActionError> {
        if settings.get("tls").is_none() {
            return Ok(Self::Off);
        }
        let tls = Arguments::new(settings.map("tls")?);
        let names = match tls.opt_text("mode")?.unwrap_or("verify-full") {
            "off" => return Ok(Self::Off),
            "verify-ca" => false,
            _ => true,
        };
        let path = |key| Ok::<_, ActionError>(tls.opt_text(key)?.map(|path| base.join(path)));
        let roots = match path("ca")? {
            Some(path) => given_roots(&path)?,
            None => system_roots()?,
        };
        let wrong = |error: Error| ActionError::untouched(format!("TLS cannot be set up: {error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(wrong)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| ActionError::untouched(format!("TLS cannot be set up: {error}")))?;
        let builder = if names {
            builder.with_webpki_verifier(verifier)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier)))
        };
        let config = match (path("cert")?, path("key")?) {
            (Some(cert), Some(key)) => {
                let unreadable = |error| ActionError::untouched(format!("{} is no private key: {error}", key.display()));
                let private = PrivateKeyDer::from_pem_file(&key).map_err(unreadable)?;
                builder.with_client_auth_cert(certificates(&cert)?, private).map_err(wrong)?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(ActionError::untouched("`tls.cert` and `tls.key` go together: give both or none")),
        };
        Ok(Self::On { config: Arc::new(config), names })
    }

    /// For the record: `off`, `verify-ca` or `verify-full`.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On { names: false, .. } => "verify-ca",
            Self::On { names: true, .. } => "verify-full",
        }
    }
}

/// A failed handshake in words, behind what the library says of it.
#[cfg(feature = "postgres")]
pub(super) fn explained(said: String) -> String {
    let meaning = if said.contains("UnknownIssuer") || said.contains("BadSignature") {
        "no authority in `tls.ca` has signed the server's certificate"
    } else if said.contains("not valid for name") || said.contains("NotValidForName") {
        "the server's certificate is for another name than the one it is reached by"
    } else if said.contains("does not support TLS") {
        "the server offers no TLS"
    } else {
        return said;
    };
    format!("{meaning} ({said})")
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ActionError> {
    let unreadable = |error| ActionError::untouched(format!("{} holds no certificate: {error}", path.display()));
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(ActionError::untouched(format!("{} holds no certificate", path.display())));
    }
    Ok(found)
}

fn given_roots(path: &Path) -> Result<RootCertStore, ActionError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| {
            ActionError::untouched(format!("{} holds a certificate that cannot be trusted: {error}", path.display()))
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ActionError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        return Err(ActionError::untouched("this system has no certificate authorities: name a file under `tls.ca`"));
    }
    Ok(roots)
}

/// Checks the chain and not the name: for servers that are reached by address.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
