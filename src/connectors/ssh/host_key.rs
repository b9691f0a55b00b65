//! Whether a host is the one that is meant. A key that is unknown or another one is refused; nobody is asked, and nothing is
//! learned.

use std::fmt::Write as _;
use std::path::Path;

use ssh2::{CheckResult, HashType, KnownHostFileKind, Session};

use super::address::{Address, Trust};
use crate::connectors::ActionError;

/// The kinds of host keys, the better ones first. One family per entry: RSA keys sign in several ways.
const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512,rsa-sha2-256,ssh-rsa"];

/// What is known of the host before it is asked.
pub(super) struct Known {
    trust: Trust,
    /// The lines of the known hosts without the marked ones, and the keys that are marked as revoked.
    lines: Vec<String>,
    revoked: Vec<String>,
    kinds: Vec<&'static str>,
}

impl Known {
    /// Reads what the target names.
    pub(super) fn of(address: &Address) -> Result<Self, ActionError> {
        let mut known = Self { trust: address.trust.clone(), lines: Vec::new(), revoked: Vec::new(), kinds: Vec::new() };
        match &address.trust {
            Trust::Pinned(pin) if pin.starts_with("SHA256:") => known.kinds = KINDS.to_vec(),
            Trust::Pinned(pin) => {
                let kind = pin.split_whitespace().next().and_then(kind_of);
                known.kinds = vec![kind.ok_or_else(|| {
                    ActionError::untouched("`host_key` is neither `SHA256:…` nor a key line such as `ssh-ed25519 AAAA…`")
                })?];
            }
            Trust::KnownHosts(file) => known.read(file, address)?,
        }
        Ok(known)
    }

    fn read(&mut self, file: &Path, address: &Address) -> Result<(), ActionError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ActionError::untouched(format!("the known hosts {} cannot be read: {error}", file.display())))?;
        let own = [address.host.clone(), format!("[{}]:{}", address.host, address.port)];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.split_whitespace();
            match fields.next() {
                Some("@revoked") => self.revoked.extend(fields.nth(2).map(str::to_owned)),
                // Keys that an authority signed are not understood by the library: such a host is unknown.
                Some(marker) if marker.starts_with('@') => {}
                Some(names) => {
                    // A hashed name may be this host's; only the library can tell.
                    let maybe = names.starts_with("|1|") || names.split(',').any(|name| own.iter().any(|own| own == name));
                    if let Some(kind) = fields.next().filter(|_| maybe).and_then(kind_of)
                        && !self.kinds.contains(&kind)
                    {
                        self.kinds.push(kind);
                    }
                    self.lines.push(line.to_owned());
                }
                None => {}
            }
        }
        if self.kinds.is_empty() {
            self.kinds = KINDS.to_vec();
        }
        Ok(())
    }

    /// The kinds of keys to ask the host for, one handshake each: a host has several keys and shows the one that is asked for.
    pub(super) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    /// Whether the key that the host has shown is the right one; the answer is its fingerprint.
    pub(super) fn check(&self, session: &Session, address: &Address) -> Result<String, ActionError> {
        let (Some((key, _)), Some(hash)) = (session.host_key(), session.host_key_hash(HashType::Sha256)) else {
            return Err(ActionError::untouched(format!("{} has shown no host key", address.shown())));
        };
        let fingerprint = format!("SHA256:{}", base64(hash).trim_end_matches('='));
        let line = base64(key);
        let refused = |why: &str| {
            let text = format!("{} is refused: {why}; it shows {fingerprint}", address.shown());
            Err(ActionError::untouched(text).hint(
                "find out on another way which key the host has; then put it into the target's `known_hosts` or `host_key`",
            ))
        };
        if self.revoked.contains(&line) {
            return refused("its key is marked as revoked");
        }
        match &self.trust {
            Trust::Pinned(pin) if *pin == fingerprint || pin.split_whitespace().nth(1) == Some(line.as_str()) => Ok(fingerprint),
            Trust::Pinned(_) => refused("its key is not the pinned one"),
            Trust::KnownHosts(_) => {
                let failed = |error: ssh2::Error| ActionError::untouched(format!("the known hosts cannot be used: {error}"));
                let mut hosts = session.known_hosts().map_err(failed)?;
                for line in &self.lines {
                    hosts.read_str(line, KnownHostFileKind::OpenSSH).map_err(failed)?;
                }
                match hosts.check_port(&address.host, address.port, key) {
                    CheckResult::Match => Ok(fingerprint),
                    CheckResult::Mismatch => refused("its key is not the known one"),
                    CheckResult::NotFound => refused("it is not among the known hosts"),
                    CheckResult::Failure => refused("its key could not be compared"),
                }
            }
        }
    }
}

fn kind_of(word: &str) -> Option<&'static str> {
    KINDS.into_iter().find(|kind| kind.split(',').any(|name| name == word))
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            let _ = text.write_char(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_the_usual_one() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[255, 254, 253]), "//79");
    }
}
