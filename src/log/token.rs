//! The token by which a witness knows who may ask it: read from a file or the environment, compared without a hint of how much
//! of a guess was right.

use std::fs;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::model::{Digest, SecretRef};

/// The least number of characters: `openssl rand -hex 32` gives twice as many.
const SHORTEST: usize = 32;

/// The token of one who asks.
pub struct Token(String);

/// The tokens of everybody who may ask. Only their digests are kept.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Digest>);

impl Token {
    /// Reads the first line of a file, or a variable of the environment.
    ///
    /// # Errors
    /// When there is none; the text names the place and never the value.
    pub fn read(place: &SecretRef) -> Result<Self, String> {
        let text = text(place)?;
        let token = text.lines().next().unwrap_or_default().trim();
        sound(token, place)?;
        Ok(Self(token.to_owned()))
    }

    /// What is sent.
    pub(super) fn header(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.0)
    }
}

impl Tokens {
    /// Reads every line of a file, or a variable of the environment: a token for each log that may ask.
    ///
    /// # Errors
    /// When there is none, or one of them could be guessed.
    pub fn read(place: &SecretRef) -> Result<Self, String> {
        let text = text(place)?;
        let tokens: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if tokens.is_empty() {
            return Err(format!("the {place} is empty"));
        }
        tokens.iter().try_for_each(|token| sound(token, place))?;
        Ok(Self(tokens.iter().map(|token| Digest::of(token.as_bytes())).collect()))
    }

    /// Whether everybody may ask.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what was sent is one of them. Digests are compared, all of them and to their ends, so that the time that this
    /// takes says nothing.
    pub fn take(&self, header: Option<&str>) -> bool {
        let given = header.and_then(|header| header.trim().split_once(' '));
        let given = given.filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")).map_or("", |(_, token)| token.trim());
        let given = Digest::of(given.as_bytes());
        let mut found = self.0.is_empty();
        for known in &self.0 {
            let differs = known.as_bytes().iter().zip(given.as_bytes()).fold(0, |differs, (a, b)| black_box(differs | (a ^ b)));
            found |= black_box(differs) == 0;
        }
        found
    }
}

fn text(place: &SecretRef) -> Result<String, String> {
    match place {
        SecretRef::Env(name) => std::env::var(name).map_err(|_| format!("the environment variable {name} is not set")),
        SecretRef::File(path) => private(Path::new(path)),
        SecretRef::Command(_) => Err("a token is in a file or in the environment".to_owned()),
    }
}

/// The text of a file that not everybody on this host can read.
pub fn private(path: &Path) -> Result<String, String> {
    let meta = fs::metadata(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if meta.permissions().mode() & 0o007 != 0 {
        return Err(format!("{} can be read by everybody on this host: chmod 600 it", path.display()));
    }
    fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn sound(token: &str, place: &SecretRef) -> Result<(), String> {
    if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "the {place} holds no token of at least {SHORTEST} printable characters; `openssl rand -hex 32` makes one"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_tokens_is_taken_and_nothing_near_it() {
        let words = ["a".repeat(32), "b".repeat(40)];
        let tokens = Tokens(words.iter().map(|token| Digest::of(token.as_bytes())).collect());
        for word in &words {
            assert!(tokens.take(Some(&format!("Bearer {word}"))) && tokens.take(Some(&format!("bearer  {word} "))));
            assert!(!tokens.take(Some(word)) && !tokens.take(Some(&format!("Basic {word}"))));
            assert!(!tokens.take(Some(&format!("Bearer {word}a"))) && !tokens.take(Some(&format!("Bearer {}", &word[1..]))));
        }
        assert!(!tokens.take(None) && !tokens.take(Some("Bearer ")));
        assert!(Tokens::default().take(None));
    }
}
