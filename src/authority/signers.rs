//! The two files of keys that a roster names, as OpenSSH reads them: `allowed_signers`, and a list of revoked keys.
//!
//! A line that OpenSSH would stop at is an error here, so that no key is missing without anybody noticing.

use ssh_key::public::{KeyData, SkEcdsaSha2NistP256};
use ssh_key::{Certificate, HashAlg, PublicKey, certificate::CertType};

use super::signature::Signer;
use crate::model::Timestamp;

/// An `allowed_signers` file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Signers(Vec<Line>);

/// One line: whose key, under which conditions.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    principals: String,
    is_authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: KeyData,
}

/// A line that cannot be read, counted from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SignersError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// Why a key is not this person's, now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAllowed {
    /// No line gives the key to the person.
    #[error("the allowed signers do not give the key {0} to {1}")]
    Unknown(String, String),
    /// A line gives it to the person, and not at this moment or for this namespace.
    #[error("the allowed signers give the key {0} to {1}, but {2}")]
    NotNow(String, String, &'static str),
    /// It was revoked.
    #[error("the key {0} is revoked")]
    Revoked(String),
}

impl Signers {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Every line that OpenSSH would not take, and every time without `Z`.
    pub fn parse(text: &str) -> Result<Self, Vec<SignersError>> {
        let mut lines = Vec::new();
        let mut errors = Vec::new();
        for (number, line) in written(text) {
            match Line::parse(line) {
                Ok(line) => lines.push(line),
                Err(problem) => errors.push(SignersError { line: number, problem }),
            }
        }
        if errors.is_empty() { Ok(Self(lines)) } else { Err(errors) }
    }

    /// Whether the file lets `person` sign for `namespace` with this key at this moment.
    ///
    /// # Errors
    /// Why not.
    pub fn allow(&self, person: &str, signer: &Signer, namespace: &str, at: Timestamp) -> Result<(), NotAllowed> {
        let mut but = None;
        for line in self.0.iter().filter(|line| matches(&line.principals, person)) {
            match line.fits(person, signer, namespace, at) {
                Some(Ok(())) => return Ok(()),
                Some(Err(why)) => but = Some(why),
                None => {}
            }
        }
        let (key, person) = (signer.fingerprint(), person.to_owned());
        Err(match but {
            Some(why) => NotAllowed::NotNow(key, person, why),
            None => NotAllowed::Unknown(key, person),
        })
    }

    /// Whether some line names this person.
    pub fn knows(&self, person: &str) -> bool {
        self.0.iter().any(|line| matches(&line.principals, person))
    }

    /// The passkeys of a person that belong to this relying party, at whatever time they count.
    pub fn passkeys<'a>(&'a self, person: &'a str, relying_party: &'a str) -> impl Iterator<Item = &'a SkEcdsaSha2NistP256> {
        let lines = self.0.iter().filter(move |line| !line.is_authority && matches(&line.principals, person));
        lines.filter_map(move |line| match &line.key {
            KeyData::SkEcdsaSha2NistP256(key) if key.application() == relying_party => Some(key),
            _ => None,
        })
    }

    /// Whether some line gives `person` exactly this key, at whatever time.
    pub fn gives(&self, person: &str, key: &PublicKey) -> bool {
        self.0.iter().any(|line| !line.is_authority && matches(&line.principals, person) && line.key == *key.key_data())
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        let (principals, rest) = line.split_once([' ', '\t']).ok_or("write `person key-type key`")?;
        if principals.contains('"') || !principals.is_ascii() {
            return Err("write the principals without quotes, as plain ASCII: they are persons of the roster".to_owned());
        }
        let rest = rest.trim_start();
        let (options, key) = if is_kind(rest) { ("", rest) } else { options_and_rest(rest) };
        let key = PublicKey::from_openssh(key).map_err(|_| "this is no public key, or it has an unknown option before it")?;
        let mut read = Self {
            principals: principals.to_owned(),
            is_authority: false,
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key: key.key_data().clone(),
        };
        for option in split(options) {
            read.take(option)?;
        }
        Ok(read)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => {
                let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                (name.to_lowercase(), Some(inner.ok_or_else(|| format!("write `{name}=\"…\"`"))?))
            }
            None => (option.to_lowercase(), None),
        };
        let twice = || Err(format!("`{name}` stands twice"));
        match (name.as_str(), value) {
            ("cert-authority", None) => self.is_authority = true,
            ("namespaces", Some(_)) if self.namespaces.is_some() => return twice(),
            ("namespaces", Some(value)) => self.namespaces = Some(value.to_owned()),
            ("valid-after", Some(_)) if self.valid_after.is_some() => return twice(),
            ("valid-after", Some(value)) => self.valid_after = Some(moment(value)?),
            ("valid-before", Some(_)) if self.valid_before.is_some() => return twice(),
            ("valid-before", Some(value)) => self.valid_before = Some(moment(value)?),
            _ => return Err(format!("there is no option `{option}`")),
        }
        Ok(())
    }

    /// Whether the line is about this key, and if so, whether it lets it sign now.
    fn fits(&self, person: &str, signer: &Signer, namespace: &str, at: Timestamp) -> Option<Result<(), &'static str>> {
        match signer {
            Signer::Key(key) if !self.is_authority && *key == self.key => {}
            Signer::Certified(certificate) if self.is_authority && *certificate.signature_key() == self.key => {
                if let Err(why) = certified(certificate, person, at) {
                    return Some(Err(why));
                }
            }
            Signer::Key(_) | Signer::Certified(_) => return None,
        }
        Some(if self.namespaces.as_ref().is_some_and(|patterns| !matches(patterns, namespace)) {
            Err("not for this namespace")
        } else if self.valid_after.is_some_and(|from| at < from) {
            Err("not yet")
        } else if self.valid_before.is_some_and(|until| at >= until) {
            Err("no longer")
        } else {
            Ok(())
        })
    }
}

/// A user certificate of this authority, for this person, now, without conditions that nobody here could check.
fn certified(certificate: &Certificate, person: &str, at: Timestamp) -> Result<(), &'static str> {
    let seconds = u64::try_from(at.as_millis() / 1_000).map_err(|_| "the certificate has no such time")?;
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if certificate.cert_type() != CertType::User {
        return Err("the certificate is not a user's");
    }
    if !certificate.valid_principals().iter().any(|principal| principal == person) {
        return Err("the certificate is for somebody else");
    }
    if !certificate.critical_options().is_empty() {
        return Err("the certificate has critical options");
    }
    certificate.validate_at(seconds, [&authority]).map_err(|_| "the certificate is not valid now")
}

/// Public keys that no longer count, one a line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Revoked(Vec<KeyData>);

impl Revoked {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Every line that is no public key: what cannot be read cannot be revoked.
    pub fn parse(text: &str) -> Result<Self, Vec<SignersError>> {
        let mut keys = Vec::new();
        let mut errors = Vec::new();
        for (line, words) in written(text) {
            match PublicKey::from_openssh(words) {
                Ok(key) => keys.push(key.key_data().clone()),
                Err(_) => errors.push(SignersError { line, problem: "this is no public key".to_owned() }),
            }
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }

    /// Refuses a revoked key, and any certificate of a revoked authority.
    ///
    /// # Errors
    /// When it is revoked.
    pub fn pass(&self, signer: &Signer) -> Result<(), NotAllowed> {
        let authority = match signer {
            Signer::Key(_) => None,
            Signer::Certified(certificate) => Some(certificate.signature_key()),
        };
        let found = [Some(signer.key()), authority].into_iter().flatten().find(|key| self.0.contains(key));
        found.map_or(Ok(()), |key| Err(NotAllowed::Revoked(key.fingerprint(HashAlg::Sha256).to_string())))
    }
}

/// The lines that say something, with their numbers.
fn written(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn is_kind(text: &str) -> bool {
    let word = text.split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// Options end at the first space outside quotes.
fn options_and_rest(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        !quoted && (c == ' ' || c == '\t')
    });
    let (options, rest) = text.split_at(end.unwrap_or(text.len()));
    (options, rest.trim_start())
}

/// Commas outside quotes.
fn split(options: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = options.split(|c| {
        quoted ^= c == '"';
        !quoted && c == ','
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// `20261121Z`, `202611210000Z` or `20261121000000Z`. Without the Z it would mean something else on every machine.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("write `{text}` as a time in UTC: `20261121Z` or `20261121063000Z`");
    let digits = text.strip_suffix('Z').filter(|d| d.bytes().all(|b| b.is_ascii_digit())).ok_or_else(wrong)?;
    let whole = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let part = |at: usize, length: usize| &whole[at..at + length];
    let written = [part(0, 4), part(4, 2), part(6, 2)].join("-");
    let time = [part(8, 2), part(10, 2), part(12, 2)].join(":");
    Timestamp::parse(&format!("{written}T{time}Z")).ok_or_else(wrong)
}

/// OpenSSH's list of patterns: `*`, `?`, commas, and `!` that forbids.
fn matches(patterns: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(forbidden) if fits(forbidden.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= fits(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => fits(&pattern[1..], text) || (!text.is_empty() && fits(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => fits(&pattern[1..], &text[1..]),
        (Some(wanted), Some(found)) if wanted == found => fits(&pattern[1..], &text[1..]),
        (Some(_) | None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFbRXmQuOH/DRGETCNx0vlJpBZ9Z8cB8m7tCZQJCKNz6 alice@example";

    #[test]
    fn lines_are_read_as_openssh_reads_them() {
        let text = format!(
            "# people\n\nalice,bob {KEY}\n*,!eve cert-authority,namespaces=\"a,pointsman-*\",valid-after=\"20260101Z\" {KEY}\n"
        );
        let signers = Signers::parse(&text).expect("both lines");
        assert_eq!(signers.0.len(), 2);
        assert!(signers.knows("carol") && !signers.knows("eve"));
        assert!(signers.0[1].is_authority);
        assert_eq!(signers.0[1].valid_after, Timestamp::parse("2026-01-01T00:00:00Z"));
        let namespaces = signers.0[1].namespaces.as_deref().expect("namespaces");
        assert!(matches(namespaces, "pointsman-approval@v1") && !matches(namespaces, "git"));
    }

    #[test]
    fn a_line_that_openssh_would_stop_at_is_an_error() {
        for (line, part) in [
            (format!("alice verified {KEY}"), "no option"),
            (format!("alice valid-after=\"20260101\" {KEY}"), "UTC"),
            (format!("alice valid-after=\"2026Z\" {KEY}"), "UTC"),
            (format!("alice valid-after=20260101Z {KEY}"), "write `valid-after"),
            (format!("alice namespaces=\"a\",namespaces=\"b\" {KEY}"), "twice"),
            (format!("\u{430}lice {KEY}"), "ASCII"),
            ("alice ssh-ed25519 AAAA".to_owned(), "no public key"),
            ("alice".to_owned(), "write"),
        ] {
            let errors = Signers::parse(&line).expect_err(&line);
            assert!(errors[0].problem.contains(part), "{line}: {}", errors[0]);
        }
    }
}
