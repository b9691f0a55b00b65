//! Checkpoints (c2sp.org/tlog-checkpoint): three lines that say which log, how many entries, and the root over them.
//!
//! These lines are what is pasted into a ticket, what a witness signs, and what a bundle proves its records against.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::note::is_key_name;
use crate::model::Digest;

/// The state of a log at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// Reads the text of a note. Lines after the third are extensions, which mean nothing here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let whole = is_key_name(origin) && lines.all(|line| !line.is_empty());
        let checkpoint = Self { origin: origin.to_owned(), size: number(size)?, root: hash(root)? };
        whole.then_some(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, hash_text(&self.root))
    }
}

/// A number as the formats write it: decimal, without a leading zero.
pub fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash as the formats write it: base64.
pub fn hash(text: &str) -> Option<Digest> {
    Some(Digest::from_bytes(BASE64.decode(text).ok()?.try_into().ok()?))
}

/// The other way round.
pub fn hash_text(hash: &Digest) -> String {
    BASE64.encode(hash.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.to_string().as_str(), checkpoint.size), (text, 20_852_163));
        assert_eq!(Checkpoint::parse(&format!("{text}an extension\n")), Some(checkpoint));
        for wrong in [
            text.trim_end().to_owned(),
            text.replace("2085", "02085"),
            text.replace("2085", "+2085"),
            text.replace("q2I=", "q2J="),
            text.replace("CsUY", "CsU"),
            text.replace("behind-", "behind "),
            format!("{text}\n"),
        ] {
            assert_eq!(Checkpoint::parse(&wrong), None, "{wrong:?}");
        }
    }
}
