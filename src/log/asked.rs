//! A witness that is asked for its signature: its key, where it is, and by what both sides know each other on the way.
//!
//! What it signs is verified with its key, so nobody on the way can forge an answer. TLS and the token are there for another
//! reason: whoever may ask a witness can use it up, and whoever stands between can hold back what it says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::checkpoint::number;
use super::http::{self, Call};
use super::outside::lock;
use super::token::Token;
use super::witness::{Request, cosigned};
use super::{Log, Signed, Use, Verifier};
use crate::model::{Digest, SecretRef};

/// A witness and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    key: Verifier,
    url: String,
    trusted: Trusted,
    token: Option<SecretRef>,
}

/// By what the certificate of a witness is known. With neither it is one that this system's authorities vouch for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trusted {
    /// A file with the authorities that may have signed it.
    pub authority: Option<PathBuf>,
    /// The SHA-256 of the certificate itself, as `pointsman witness` says it.
    pub pin: Option<Digest>,
}

/// Where a witness listens.
struct Address<'u> {
    /// Whether the way there is protected.
    tls: bool,
    /// The host, without a port.
    host: &'u str,
    port: u16,
    /// What stands before the names of its calls.
    prefix: &'u str,
}

impl Asked {
    /// A witness with its public key at `http://ADDRESS:PORT/PREFIX` on this host's loopback, or at `https://HOST:PORT/PREFIX`.
    ///
    /// # Errors
    /// When the key is not a witness's, or the address is none that may be asked.
    pub fn at(key: &str, url: &str) -> Result<Self, String> {
        let key = Verifier::parse(key).filter(|key| key.kind() == Use::Witness);
        let key = key.ok_or("this is no public key of a witness")?;
        if url.contains(char::is_whitespace) {
            return Err(format!("`{url}` is no address"));
        }
        let asked = Self { key, url: url.to_owned(), trusted: Trusted::default(), token: None };
        asked.address()?;
        Ok(asked)
    }

    /// The same, known by a certificate of `trusted` and told `token`.
    ///
    /// # Errors
    /// When the way there is not protected and a certificate is named, or a path cannot be written down.
    pub fn known_by(mut self, trusted: Trusted, token: Option<SecretRef>) -> Result<Self, String> {
        if !self.address()?.tls && trusted != Trusted::default() {
            return Err(format!("{} is asked without TLS, so it shows no certificate: write https://", self.url));
        }
        let paths = [trusted.authority.as_deref(), token.as_ref().and_then(path_of)];
        if let Some(path) = paths.into_iter().flatten().find(|path| path.to_string_lossy().contains(char::is_whitespace)) {
            return Err(format!("{} has a space in its name, which cannot be written down", path.display()));
        }
        self.trusted = trusted;
        self.token = token;
        Ok(self)
    }

    /// Reads the words of a line, as [`fmt::Display`] writes them.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        let [key, url, more @ ..] = words else { return None };
        let (mut trusted, mut token) = (Trusted::default(), None);
        for word in more {
            match word.split_once('=')? {
                ("ca", path) => trusted.authority = Some(PathBuf::from(path)),
                ("pin", pin) => trusted.pin = Some(Digest::parse(pin)?),
                ("token", place) => token = Some(place_of(place)?),
                _ => return None,
            }
        }
        Self::at(key, url).ok()?.known_by(trusted, token).ok()
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    fn address(&self) -> Result<Address<'_>, String> {
        let (tls, rest) = match (self.url.strip_prefix("http://"), self.url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => {
                return Err(format!("{}: a witness is asked at https://HOST:PORT or http://127.0.0.1:PORT", self.url));
            }
        };
        let (place, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("{}: `{port}` is no port", self.url))?)
            }
            _ => (place, if tls { 443 } else { 80 }),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(format!("{} names no host", self.url));
        }
        if tls && !http::HAS_TLS {
            return Err(format!("{}: this program was built without TLS (feature `tls`)", self.url));
        }
        let address = Address { tls, host, port, prefix };
        if !tls && !http::is_loopback(host, port) {
            return Err(format!(
                "{} is not on this host's loopback: another host is asked at https://, or through an SSH tunnel",
                self.url
            ));
        }
        Ok(address)
    }

    /// Asks the witness to sign, and keeps what it signed.
    pub(super) fn ask(&self, log: &Mutex<Log>, signed: &Signed) -> Result<(), String> {
        let Address { tls, host, port, prefix } = self.address()?;
        let token = self.token.as_ref().map(Token::read).transpose()?;
        let trusted = tls.then_some(&self.trusted);
        let call = Call { host, port, prefix, trusted, token: token.as_ref() };
        let size = signed.checkpoint.size;
        // Where the witness is, it says itself; a guess that is wrong costs one more question.
        let mut old = lock(log).witnessed(&self.key).unwrap_or(0);
        for _ in 0..3 {
            let proof = lock(log).tree().consistency(old, size).unwrap_or_default();
            let request = Request { old, proof, signed: signed.clone() };
            let (status, body) = http::ask(&call, &request.body()).map_err(|error| error.to_string())?;
            match (status, number(body.trim_end())) {
                (200, _) => {
                    let with = cosigned(signed, &body, &self.key).ok_or("its signature does not fit its key")?;
                    return lock(log).publish(&with).map_err(|error| error.to_string());
                }
                (401, _) => return Err("it does not take our token".to_owned()),
                (409, Some(seen)) if seen > size => {
                    return Err(format!(
                        "it has seen {seen} entries and this log has {size}: the log was put back, or a newer checkpoint overtook this one"
                    ));
                }
                (409, Some(seen)) if seen != old => old = seen,
                (409, _) => return Err("it has seen another log of this name: THIS LOG WAS FORKED".to_owned()),
                (422, _) => return Err("what it has seen is not the beginning of this log: THIS LOG WAS CHANGED".to_owned()),
                (status, _) => return Err(format!("it refuses with {status}: {}", body.trim())),
            }
        }
        Err("it sees more and more: somebody else speaks for this log".to_owned())
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.url)?;
        if let Some(path) = &self.trusted.authority {
            write!(f, " ca={}", path.display())?;
        }
        if let Some(pin) = &self.trusted.pin {
            write!(f, " pin={pin}")?;
        }
        match &self.token {
            Some(SecretRef::Env(name)) => write!(f, " token=env:{name}"),
            Some(SecretRef::File(path)) => write!(f, " token=file:{path}"),
            Some(SecretRef::Command(_)) | None => Ok(()),
        }
    }
}

/// Where a token is: `env:NAME` or `file:PATH`.
pub fn place_of(text: &str) -> Option<SecretRef> {
    match text.split_once(':')? {
        ("env", name) if !name.is_empty() => Some(SecretRef::Env(name.to_owned())),
        ("file", path) if !path.is_empty() => Some(SecretRef::File(path.to_owned())),
        _ => None,
    }
}

fn path_of(place: &SecretRef) -> Option<&Path> {
    match place {
        SecretRef::File(path) => Some(Path::new(path)),
        SecretRef::Env(_) | SecretRef::Command(_) => None,
    }
}
