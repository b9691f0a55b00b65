//! Signed notes (c2sp.org/signed-note): a text, a blank line, and lines of signatures that name their keys.
//!
//! A note is text that people can paste into a ticket and programs can verify. Reading one proves nothing: that is what
//! [`super::key::Verifier`] is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The most bytes that a note is read with; a checkpoint with sixteen signatures is far below.
pub const LARGEST: usize = 64 << 10;

/// A text and who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The text; ends with a newline.
    pub text: String,
    /// The signatures, none of them verified.
    pub signatures: Vec<Signature>,
}

/// One line of a signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// Which of the keys of that name.
    pub key_id: [u8; 4],
    /// What the key made of the text.
    pub bytes: Vec<u8>,
}

/// Why bytes are no signed note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoteError {
    /// More than any note has.
    #[error("a note has at most {LARGEST} bytes")]
    TooLong,
    /// A control character.
    #[error("a note has no control characters but newlines")]
    Control,
    /// No blank line before the signatures, or none of these.
    #[error("a note has a text, a blank line, and at least one line that begins with a dash and holds a signature")]
    Shape,
    /// A line among the signatures that is none.
    #[error("line {0} after the text of the note is no signature")]
    Signature(usize),
}

impl Note {
    /// A note that nobody has signed yet.
    pub const fn of(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// When it is none, to the letter of the format.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > LARGEST {
            return Err(NoteError::TooLong);
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Control);
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Shape)?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Shape)?;
        let signatures: Result<Vec<_>, _> = lines
            .split('\n')
            .enumerate()
            .map(|(number, line)| Signature::parse(line).ok_or(NoteError::Signature(number + 1)))
            .collect();
        Ok(Self { text: text.to_owned(), signatures: signatures? })
    }
}

impl Signature {
    /// Reads `— <name> <base64>`, without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, code) = line.strip_prefix("— ")?.split_once(' ')?;
        let all = BASE64.decode(code).ok()?;
        let (key_id, bytes) = all.split_first_chunk::<4>()?;
        let fits = is_key_name(name) && !bytes.is_empty();
        fits.then(|| Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

/// Whether a text can name a key: not empty, no space, no plus, no control character.
pub fn is_key_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "— {} {}", self.name, BASE64.encode([&self.key_id[..], &self.bytes].concat()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn reads_what_it_writes() {
        let note = Note::parse(NOTE).unwrap();
        assert_eq!(note.to_string(), NOTE);
        assert_eq!(note.signatures[0].name, "PeterNeumann");
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let cases = [
            ("", NoteError::Shape),
            ("text\n", NoteError::Shape),
            ("text\n\n", NoteError::Shape),
            ("text\n\n— name AAAAAAA=", NoteError::Shape),
            ("text\n\n- name AAAAAAA=\n", NoteError::Signature(1)),
            ("text\n\n— na+me AAAAAAA=\n", NoteError::Signature(1)),
            ("text\n\n— name AAAAAA==\n", NoteError::Signature(1)),
            ("text\n\n— name AAAAAAB=\n", NoteError::Signature(1)),
            ("text\r\n\n— name AAAAAAA=\n", NoteError::Control),
        ];
        for (text, why) in cases {
            assert_eq!(Note::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Note::parse(&"a".repeat(LARGEST + 1)), Err(NoteError::TooLong));
    }
}
