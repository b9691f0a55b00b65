//! The same names as with TLS, in a program that was built without it: nobody on another host is asked or served.

use std::io;
use std::path::Path;

use super::asked::Trusted;
use super::http::{Timed, Wire};
use crate::model::Digest;

/// Whether this program can protect the way to another host.
pub const HAS_TLS: bool = false;

const ABSENT: &str = "this program was built without TLS (feature `tls`)";

/// A certificate, which cannot be had.
#[derive(Clone, Debug)]
pub enum Certificate {}

impl Certificate {
    /// Says that there is no TLS.
    ///
    /// # Errors
    /// Always.
    pub fn load(_certificates: &Path, _key: &Path) -> Result<Self, String> {
        Err(ABSENT.to_owned())
    }

    /// What a log can know the certificate by.
    pub const fn pin(&self) -> Digest {
        match *self {}
    }

    pub(super) fn protect(&self, _stream: Timed) -> io::Result<Box<dyn Wire>> {
        match *self {}
    }
}

pub(super) fn protect(_stream: Timed, _host: &str, _trusted: &Trusted) -> io::Result<Box<dyn Wire>> {
    Err(io::Error::other(ABSENT))
}
