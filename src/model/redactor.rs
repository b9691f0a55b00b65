//! Takes known secret values out of text before anybody stores, hashes or shows it.
//!
//! A value is looked for as it is, in base64 (also of a longer text that contains it), URL-encoded and JSON-escaped.

use aho_corasick::AhoCorasick;

/// A set of texts that must not leave the process.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<String>,
    /// All of them at once: nearly every text holds none.
    any: Option<AhoCorasick>,
}

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

/// Values shorter than this are not looked for: masking every `a` would hide the record, not the secret.
const SHORTEST: usize = 4;

impl Redactor {
    /// A redactor for these secret values.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret.as_ref());
        }
        redactor
    }

    /// Learns one more secret value.
    pub fn add(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let json = serde_json::Value::from(secret).to_string();
        let base = base64(secret.as_bytes());
        let forms =
            [secret.to_owned(), json[1..json.len() - 1].to_owned(), percent(secret), base.trim_end_matches('=').to_owned(), base];
        for form in forms.into_iter().chain(inside_base64(secret.as_bytes())) {
            if !self.needles.contains(&form) {
                self.needles.push(form);
            }
        }
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        self.any = AhoCorasick::new(&self.needles).ok();
    }

    /// `text` with every form of every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        if self.any.as_ref().is_some_and(|any| !any.is_match(text)) {
            return clean;
        }
        for needle in &self.needles {
            if clean.contains(needle.as_str()) {
                clean = clean.replace(needle.as_str(), MASK);
            }
        }
        clean
    }

    /// `value` masked; given back as it is when no secret is known.
    pub fn cleaned(&self, value: serde_json::Value) -> serde_json::Value {
        if self.needles.is_empty() { value } else { self.redact_value(&value) }
    }

    /// `value` with every string in it, keys too, masked.
    pub fn redact_value(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.redact_value(item)).collect()),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(key, item)| (self.redact(key), self.redact_value(item))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.needles.len())
    }
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(ALPHABET[(word >> (18 - 6 * i) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// What the base64 of a longer text holds for certain where this stands in it, such as a password behind `user:` in a header.
fn inside_base64(bytes: &[u8]) -> impl Iterator<Item = String> {
    const SURE: usize = 8;
    let at = move |before: usize| {
        let whole = base64(&[&[0; 2][..before], bytes].concat());
        let (from, to) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        whole[from..to].to_owned()
    };
    (0..3).map(at).collect::<Vec<_>>().into_iter().filter(|form| form.len() >= SURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_masked() {
        let redactor = Redactor::new(["p\"ss wörd"]);
        for leak in ["p\"ss wörd", "p\\\"ss wörd", "p%22ss%20w%C3%B6rd", &base64("p\"ss wörd".as_bytes())] {
            assert_eq!(redactor.redact(&format!("a {leak} b")), format!("a {MASK} b"), "{leak}");
        }
    }

    #[test]
    fn a_password_in_the_header_of_a_request_is_masked() {
        let redactor = Redactor::new(["hunter2-and-more"]);
        for user in ["ops", "op", "operator", "root", ""] {
            let header = base64(format!("{user}:hunter2-and-more").as_bytes());
            assert!(redactor.redact(&header).contains(MASK), "{user}: {}", redactor.redact(&header));
        }
    }

    #[test]
    fn each_of_several_secrets_is_masked_wherever_it_stands() {
        let redactor = Redactor::new(["first-one", "one-and-two", "first"]);
        assert_eq!(redactor.redact("nothing of it"), "nothing of it");
        assert_eq!(redactor.redact("a first, a first-one"), format!("a {MASK}, a {MASK}"));
        assert_eq!(redactor.redact("xone-and-twox"), format!("x{MASK}x"));
        assert_eq!(Redactor::default().redact("first"), "first");
    }

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abc"), "YWJj");
    }
}
