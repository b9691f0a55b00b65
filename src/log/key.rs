//! Keys: what an installation signs with, and what others verify with. Ed25519, in the text forms of c2sp.org/signed-note.
//!
//! The public text (`name+id+key`) is what goes into the change ticket before the night: whoever holds it can verify without
//! trusting this host. The private text stays in one file of mode 0600.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::note::{Note, Signature, is_key_name};
use crate::journal::folder::sync_folder;

const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs: the text itself, or the text with the time at which it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    /// The signature of a log over its own checkpoints.
    Log,
    /// The cosignature of a witness (c2sp.org/tlog-cosignature).
    Witness,
}

impl Use {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Log),
            4 => Some(Self::Witness),
            _ => None,
        }
    }
}

/// A public key with its name and its use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verifier {
    name: String,
    kind: Use,
    key: VerifyingKey,
}

/// What a key finds on a note.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It has signed the note; a witness says when, in seconds since 1970.
    Signed(Option<u64>),
    /// There is no signature of this key.
    Absent,
    /// There is one, and it does not fit the text.
    Wrong,
}

impl Verifier {
    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, code) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(code).ok()?;
        let (kind, key) = bytes.split_first()?;
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let verifier = Self { name: name.to_owned(), kind: Use::of(*kind)?, key };
        // A weak key verifies more than one text.
        (is_key_name(name) && !key.is_weak() && verifier.id_text() == id).then_some(verifier)
    }

    /// The name of the key; of a log: its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    pub const fn kind(&self) -> Use {
        self.kind
    }

    /// The first bytes of the hash over name, use and key: which of the keys of that name.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.kind.byte()])
            .chain_update(self.key.as_bytes())
            .finalize();
        *hash.first_chunk().expect("invariant: a SHA-256 has more than four bytes")
    }

    fn id_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id()))
    }

    /// Looks for the signature of this key on a note. One that is there and wrong is worse than none.
    pub fn look_at(&self, note: &Note) -> Found {
        let id = self.id();
        let mut found = Found::Absent;
        for signature in note.signatures.iter().filter(|signature| signature.name == self.name && signature.key_id == id) {
            match self.verify(&note.text, &signature.bytes) {
                Some(time) => found = Found::Signed(time),
                None => return Found::Wrong,
            }
        }
        found
    }

    fn verify(&self, text: &str, bytes: &[u8]) -> Option<Option<u64>> {
        let check = |text: &[u8], signature: &[u8]| {
            let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
            self.key.verify_strict(text, &signature).ok()
        };
        match self.kind {
            Use::Log => check(text.as_bytes(), bytes).map(|()| None),
            Use::Witness => {
                let (time, signature) = bytes.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                check(cosigned(text, time).as_bytes(), signature).map(|()| Some(time))
            }
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = BASE64.encode([&[self.kind.byte()][..], self.key.as_bytes()].concat());
        write!(f, "{}+{}+{code}", self.name, self.id_text())
    }
}

/// What a witness signs: that it saw this text at this time.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A private key. Never printed, never logged; its memory is overwritten when it is dropped.
pub struct Signer {
    name: String,
    kind: Use,
    key: SigningKey,
}

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file operation failed.
    #[error("the key cannot be read or written")]
    Io(#[from] io::Error),
    /// The file holds no private key.
    #[error("this file holds no private key of Pointsman")]
    NoKey,
    /// Somebody else can read it.
    #[error("the private key can be read by others than its owner (mode {mode:04o}): `chmod 600` it, or make a new one")]
    Open {
        /// The mode of the file.
        mode: u32,
    },
    /// The name cannot name a key.
    #[error("`{0}` cannot name a key: it must have no spaces and no `+`")]
    Name(String),
}

impl Signer {
    /// Draws a new key from the operating system.
    ///
    /// # Errors
    /// When the name is none, or the system has no randomness to give.
    pub fn draw(name: &str, kind: Use) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        Ok(Self::of_seed(name, kind, seed))
    }

    /// The key of a seed; for tests, whose keys are the same every time.
    pub fn of_seed(name: &str, kind: Use, seed: [u8; 32]) -> Self {
        Self { name: name.to_owned(), kind, key: SigningKey::from_bytes(&seed) }
    }

    /// Reads the private key at `path`; `None` when there is no such file.
    ///
    /// # Errors
    /// When others can read it, or it is none.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyError> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match fs::metadata(path) {
            Ok(meta) => meta.permissions().mode() & 0o7777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { mode });
        }
        Self::parse(&fs::read_to_string(path)?).map(Some).ok_or(KeyError::NoKey)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().strip_prefix(PRIVATE)?.splitn(3, '+');
        let (name, id, code) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(code).ok()?;
        let (kind, seed) = bytes.split_first()?;
        let signer = Self::of_seed(name, Use::of(*kind)?, seed.try_into().ok()?);
        (is_key_name(name) && signer.verifier().id_text() == id).then_some(signer)
    }

    /// Writes the private key into a new file that only its owner can read, durably. An existing file stays as it is.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), KeyError> {
        let code = BASE64.encode([&[self.kind.byte()][..], &self.key.to_bytes()].concat());
        let text = format!("{PRIVATE}{}+{}+{code}\n", self.name, self.verifier().id_text());
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = Path::new(&temporary);
        let _ = fs::remove_file(temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        let stored = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        // A second name fails where the first file is there already, so two that begin at once end with one key.
        let stored = stored.and_then(|()| fs::hard_link(temporary, path));
        fs::remove_file(temporary)?;
        stored?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(())
    }

    /// The public half.
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), kind: self.kind, key: self.key.verifying_key() }
    }

    /// The signature of this key over a text. A witness signs that it saw the text at `time`, in seconds since 1970.
    pub fn sign(&self, text: &str, time: u64) -> Signature {
        let bytes = match self.kind {
            Use::Log => self.key.sign(text.as_bytes()).to_vec(),
            Use::Witness => {
                let signature = self.key.sign(cosigned(text, time).as_bytes());
                [&time.to_be_bytes()[..], &signature.to_bytes()].concat()
            }
        };
        Signature { name: self.name.clone(), key_id: self.verifier().id(), bytes }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("verifier", &self.verifier().to_string()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    /// The example of Go's own implementation of signed notes, which the C2SP format was written down from.
    #[test]
    fn verifies_what_another_implementation_signed() {
        let key = Verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert_eq!(key.look_at(&Note::parse(text).unwrap()), Found::Signed(None));
        let other = text.replace("your problem is", "your problem was");
        assert_eq!(key.look_at(&Note::parse(&other).unwrap()), Found::Wrong);
        let skey = Signer::parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
        assert_eq!(skey.verifier(), key);
    }

    #[test]
    fn a_witness_signs_the_time_too() {
        let witness = Signer::of_seed("witness.example/w", Use::Witness, [7; 32]);
        let mut note = Note::of("log.example\n1\nroot\n".to_owned());
        note.signatures.push(witness.sign(&note.text, 1_679_315_147));
        let key = Verifier::parse(&witness.verifier().to_string()).unwrap();
        assert_eq!(key.look_at(&note), Found::Signed(Some(1_679_315_147)));
        note.signatures[0].bytes[7] ^= 1;
        assert_eq!(key.look_at(&note), Found::Wrong);
        assert_eq!(Signer::of_seed("witness.example/w", Use::Log, [7; 32]).verifier().look_at(&note), Found::Absent);
    }

    #[test]
    fn a_key_file_is_its_owners_only_and_is_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Signer::load(&path).unwrap().is_none());
        let signer = Signer::draw("host/pointsman", Use::Log).unwrap();
        signer.store(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Signer::load(&path).unwrap().unwrap().verifier(), signer.verifier());
        assert!(Signer::draw("host/pointsman", Use::Log).unwrap().store(&path).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else was left");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Signer::load(&path), Err(KeyError::Open { mode: 0o640 })));
        assert!(matches!(Signer::draw("a name", Use::Log), Err(KeyError::Name(_))));
        assert!(!format!("{signer:?}").contains(&BASE64.encode(signer.key.to_bytes())));
    }
}
