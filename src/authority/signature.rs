//! An SSH signature over a statement (`ssh-keygen -Y sign`): read strictly, checked in this process.
//!
//! Stricter than OpenSSH where that costs nothing: one armour for one signature, no RSA, no DSA, no SHA-1, and a hardware key
//! must have been touched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256, Sha512};
use signature::Verifier as _;
use ssh_key::{Algorithm, Certificate, HashAlg, Signature, public::KeyData};

use super::passkey::{self, PasskeySignature};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
/// What `ssh-keygen` writes in one line.
const COLUMNS: usize = 70;

/// A signature that was read and not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshSignature {
    signer: Signer,
    namespace: String,
    hash: String,
    made: Made,
}

/// What signed: a program with the key, or a browser with a passkey.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Made {
    Plain(Signature),
    Passkey(PasskeySignature),
}

/// The key that signed, or the certificate that stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signer {
    /// A plain key.
    Key(KeyData),
    /// A key with a certificate of an authority.
    Certified(Box<Certificate>),
}

/// Why a text is no signature, or not this statement's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignatureError {
    /// The armour is not as `ssh-keygen` writes it.
    #[error("this is no SSH signature as `ssh-keygen -Y sign` writes it: {0}")]
    Armour(&'static str),
    /// The bytes inside are not those of a signature.
    #[error("the SSH signature is malformed: {0}")]
    Malformed(&'static str),
    /// It was made for something else.
    #[error("the signature was made for the namespace `{0}`")]
    Namespace(String),
    /// A kind of key or digest that is not taken.
    #[error("a signature by {0} is not taken: sign with ed25519, ecdsa on P-256 or P-384, or a hardware key of these kinds")]
    Weak(String),
    /// The hardware key was not touched.
    #[error("the hardware key signed without being touched")]
    Untouched,
    /// The signature is not one of this key over these bytes.
    #[error("the signature does not fit the statement")]
    Wrong,
}

impl Signer {
    /// The key itself.
    pub fn key(&self) -> &KeyData {
        match self {
            Self::Key(key) => key,
            Self::Certified(certificate) => certificate.public_key(),
        }
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.key().fingerprint(HashAlg::Sha256).to_string()
    }
}

impl SshSignature {
    /// Reads the armoured text.
    ///
    /// # Errors
    /// When it is not exactly what `ssh-keygen` would write for what it holds, or of a kind that is not taken.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let blob = unarmour(text)?;
        let malformed = SignatureError::Malformed;
        let mut fields = Fields(&blob);
        let magic = fields.take(MAGIC.len()).filter(|magic| *magic == MAGIC);
        magic.ok_or(malformed("it does not begin with SSHSIG"))?;
        fields.number().filter(|version| *version == 1).ok_or(malformed("its version is not 1"))?;
        let signer = signer(fields.string().ok_or(malformed("it has no key"))?)?;
        let namespace = fields.text().ok_or(malformed("it has no namespace"))?;
        let reserved = fields.string().ok_or(malformed("it ends too early"))?;
        if !reserved.is_empty() {
            return Err(malformed("its reserved field is not empty"));
        }
        let hash = fields.text().ok_or(malformed("it has no hash algorithm"))?;
        let inner = fields.string().ok_or(malformed("it has no signature"))?;
        if !fields.0.is_empty() {
            return Err(malformed("something stands behind it"));
        }
        let made = inside(inner)?;
        if made.algorithm() != signer.key().algorithm() {
            return Err(malformed("its signature is of another kind than its key"));
        }
        Ok(Self { signer, namespace, hash, made })
    }

    /// Who signed.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Holds the signature against the bytes and what they were signed for.
    ///
    /// # Errors
    /// When it is not a signature of its key over exactly these bytes for this namespace.
    pub fn check(&self, namespace: &str, message: &[u8]) -> Result<(), SignatureError> {
        if self.namespace != namespace {
            return Err(SignatureError::Namespace(self.namespace.clone()));
        }
        if !matches!(self.hash.as_str(), "sha256" | "sha512") {
            return Err(SignatureError::Weak(format!("the digest {}", self.hash)));
        }
        let signed = to_sign(namespace, &self.hash, message);
        let signature = match &self.made {
            Made::Passkey(passkey) => return passkey.check(self.signer.key(), &signed),
            Made::Plain(signature) => signature,
        };
        match self.signer.key() {
            KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) if !is_touched(signature) => {
                return Err(SignatureError::Untouched);
            }
            _ => {}
        }
        self.signer.key().verify(&signed, signature).map_err(|_| SignatureError::Wrong)
    }
}

impl Made {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Plain(signature) => signature.algorithm(),
            Self::Passkey(_) => Algorithm::SkEcdsaSha2NistP256,
        }
    }
}

/// The bytes that are signed for a message: its digest, and what it is signed for.
pub(super) fn to_sign(namespace: &str, hash: &str, message: &[u8]) -> Vec<u8> {
    let digest = if hash == "sha256" { Sha256::digest(message).to_vec() } else { Sha512::digest(message).to_vec() };
    let mut signed = MAGIC.to_vec();
    for field in [namespace.as_bytes(), b"", hash.as_bytes(), &digest] {
        put(&mut signed, field);
    }
    signed
}

/// The text of a signature, as `ssh-keygen` writes it.
pub(super) fn armour(key: &[u8], namespace: &str, hash: &str, signature: &[u8]) -> String {
    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    for field in [key, namespace.as_bytes(), b"", hash.as_bytes(), signature] {
        put(&mut blob, field);
    }
    format!("{BEGIN}\n{}{END}\n", in_lines(&BASE64.encode(blob)))
}

/// A field of SSH's wire format: its length, then its bytes.
pub(super) fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(field);
}

/// The five bytes behind a hardware signature: flags, of which bit 0 says that a person was there, and a counter.
fn is_touched(signature: &Signature) -> bool {
    let bytes = signature.as_bytes();
    bytes.len() > 5 && bytes[bytes.len() - 5] & 1 == 1
}

fn signer(blob: &[u8]) -> Result<Signer, SignatureError> {
    let kind = Fields(blob).text().ok_or(SignatureError::Malformed("its key has no kind"))?;
    let mut rest = blob;
    let signer = if kind.ends_with("-cert-v01@openssh.com") {
        let certificate = Certificate::from_bytes(blob).map_err(|_| SignatureError::Malformed("its certificate"))?;
        // What was read must be all there was: bytes that nobody signed have no place here.
        rest = if certificate.to_bytes().is_ok_and(|bytes| bytes == blob) { &[] } else { rest };
        Signer::Certified(Box::new(certificate))
    } else {
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| SignatureError::Malformed("its key"))?;
        rest = if key.to_bytes().is_ok_and(|bytes| bytes == blob) { &[] } else { rest };
        Signer::Key(key.key_data().clone())
    };
    if !rest.is_empty() {
        return Err(SignatureError::Malformed("its key is not in the one form that it has"));
    }
    if signer.key().ed25519().is_some_and(|key| !is_strong(key)) {
        return Err(SignatureError::Weak("an ed25519 key of small order".to_owned()));
    }
    if is_taken(&signer.key().algorithm()) { Ok(signer) } else { Err(SignatureError::Weak(format!("a key of kind {kind}"))) }
}

/// A key of small order verifies more than one text.
fn is_strong(key: &ssh_key::public::Ed25519PublicKey) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key.as_ref()).is_ok_and(|key| !key.is_weak())
}

/// The kinds of keys that may sign.
pub(super) fn is_taken(algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => true,
        Algorithm::Ecdsa { curve } => *curve != ssh_key::EcdsaCurve::NistP521,
        _ => false,
    }
}

/// The signature in the inner field: it must be all that is there.
fn inside(blob: &[u8]) -> Result<Made, SignatureError> {
    let malformed = SignatureError::Malformed("its signature");
    let mut fields = Fields(blob);
    let kind = fields.text().ok_or_else(|| malformed.clone())?;
    if kind == passkey::KIND {
        return PasskeySignature::read(&mut fields).map(Made::Passkey).ok_or(malformed);
    }
    let hardware = kind.starts_with("sk-");
    fields.string().ok_or_else(|| malformed.clone())?;
    if fields.0.len() != if hardware { 5 } else { 0 } {
        return Err(malformed);
    }
    Signature::try_from(blob).map(Made::Plain).map_err(|_| malformed)
}

fn unarmour(text: &str) -> Result<Vec<u8>, SignatureError> {
    let body = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_prefix('\n'));
    let body = body.ok_or(SignatureError::Armour("its first line"))?;
    let body = body.strip_suffix('\n').and_then(|rest| rest.strip_suffix(END)).ok_or(SignatureError::Armour("its last line"))?;
    let joined: String = body.lines().collect();
    let blob = BASE64.decode(&joined).map_err(|_| SignatureError::Armour("its base64"))?;
    if in_lines(&joined) == body { Ok(blob) } else { Err(SignatureError::Armour("its lines")) }
}

fn in_lines(text: &str) -> String {
    text.as_bytes().chunks(COLUMNS).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

/// The fields of SSH's wire format.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of four bytes.
    pub fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A field.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// A field that is text.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.string()?.to_vec()).ok()
    }
}
