//! The certificate of what listens here, as the command line names it.

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Args;

use crate::log::http::Certificate;

/// A certificate and its key.
#[derive(Args, Debug)]
pub struct CertificateArgs {
    /// The certificate that it shows, with those that lead to its authority, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl CertificateArgs {
    /// The certificate; none where none is named.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub fn load(&self) -> Result<Option<Certificate>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificates), Some(key)) => Certificate::load(certificates, key).map(Some).map_err(Error::msg),
            (None, _) | (_, None) => Ok(None),
        }
    }
}
