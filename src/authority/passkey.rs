//! A signature by a passkey, as a browser makes it and as OpenSSH carries it: `webauthn-sk-ecdsa-sha2-nistp256@openssh.com`.
//!
//! The challenge that the browser signs over is the very text that `ssh-keygen -Y sign` would sign, so the answer is an SSH
//! signature like any other: it stands in the journal in the same armour, and `ssh-keygen -Y verify` takes it. The form is the
//! one of OpenSSH's `PROTOCOL.u2f`; a passkey is asked for the person too (user verification), not for a touch alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use ssh_key::public::{KeyData, SkEcdsaSha2NistP256};

use super::signature::{Fields, SignatureError, armour, put, to_sign};

/// What the signature calls itself.
pub const KIND: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

/// Bits of the authenticator's flags.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

/// A signature that was read and not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PasskeySignature {
    signature: Signature,
    flags: u8,
    counter: u32,
    origin: String,
    client_data: Vec<u8>,
    extensions: Vec<u8>,
}

/// What a browser answers when it is asked to sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assertion {
    /// The authenticator's own data: the digest of the relying party, flags, a counter.
    pub authenticator_data: Vec<u8>,
    /// What the browser signed over, as JSON.
    pub client_data: Vec<u8>,
    /// The signature, in DER.
    pub signature: Vec<u8>,
}

/// The bytes that a browser is asked to sign as a challenge.
pub fn challenge(namespace: &str, message: &[u8]) -> Vec<u8> {
    to_sign(namespace, HASH, message)
}

const HASH: &str = "sha512";

impl Assertion {
    /// The armoured SSH signature by this key; that it fits is for whoever checks it.
    ///
    /// # Errors
    /// When this is not an answer to a request to sign.
    pub fn armoured(&self, key: &SkEcdsaSha2NistP256, namespace: &str) -> Result<String, SignatureError> {
        let malformed = SignatureError::Malformed("the passkey's answer");
        let (head, extensions) = self.authenticator_data.split_at_checked(37).ok_or_else(|| malformed.clone())?;
        let counter = head[33..].try_into().map(u32::from_be_bytes).map_err(|_| malformed.clone())?;
        let told: serde_json::Value = serde_json::from_slice(&self.client_data).map_err(|_| malformed.clone())?;
        let made = PasskeySignature {
            signature: Signature::from_der(&self.signature).map_err(|_| malformed.clone())?,
            flags: head[32],
            counter,
            origin: told["origin"].as_str().ok_or(malformed)?.to_owned(),
            client_data: self.client_data.clone(),
            extensions: extensions.to_vec(),
        };
        let public = ssh_key::PublicKey::from(KeyData::SkEcdsaSha2NistP256(key.clone()));
        let public = public.to_bytes().map_err(|_| SignatureError::Malformed("its key"))?;
        Ok(armour(&public, namespace, HASH, &made.to_bytes()))
    }
}

impl PasskeySignature {
    /// Reads what stands behind the kind.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut inner = Fields::new(fields.string()?);
        let (r, s) = (scalar(inner.string()?)?, scalar(inner.string()?)?);
        let signature = inner.is_empty().then(|| Signature::from_scalars(r, s).ok())??;
        let flags = fields.byte()?;
        let counter = fields.number()?;
        let origin = fields.text()?;
        let (client_data, extensions) = (fields.string()?.to_vec(), fields.string()?.to_vec());
        fields.is_empty().then_some(Self { signature, flags, counter, origin, client_data, extensions })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let (r, s) = self.signature.split_bytes();
        let mut inner = Vec::new();
        put(&mut inner, &integer(&r));
        put(&mut inner, &integer(&s));
        let mut bytes = Vec::new();
        put(&mut bytes, KIND.as_bytes());
        put(&mut bytes, &inner);
        bytes.push(self.flags);
        bytes.extend(self.counter.to_be_bytes());
        put(&mut bytes, self.origin.as_bytes());
        put(&mut bytes, &self.client_data);
        put(&mut bytes, &self.extensions);
        bytes
    }

    /// Whether it is this key's over these bytes, given by a person who was there and was asked who they are.
    pub fn check(&self, key: &KeyData, signed: &[u8]) -> Result<(), SignatureError> {
        let KeyData::SkEcdsaSha2NistP256(key) = key else { return Err(SignatureError::Wrong) };
        if self.flags & PRESENT == 0 || self.flags & VERIFIED == 0 {
            return Err(SignatureError::Untouched);
        }
        let is_extended = self.flags & EXTENDED != 0;
        if self.flags & ATTESTED != 0 || is_extended == self.extensions.is_empty() || self.origin.contains('"') {
            return Err(SignatureError::Malformed("the passkey's flags"));
        }
        // OpenSSH compares this beginning byte by byte, and so does everybody who checks the record later.
        let challenge = BASE64URL.encode(signed);
        let begins = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{}""#, self.origin);
        let told: serde_json::Value = serde_json::from_slice(&self.client_data).unwrap_or_default();
        if !self.client_data.starts_with(begins.as_bytes()) || told["crossOrigin"] == true {
            return Err(SignatureError::Wrong);
        }
        let mut message = Sha256::digest(key.application().as_bytes()).to_vec();
        message.push(self.flags);
        message.extend(self.counter.to_be_bytes());
        message.extend(&self.extensions);
        message.extend(Sha256::digest(&self.client_data));
        let public = VerifyingKey::from_sec1_bytes(key.ec_point().as_ref()).map_err(|_| SignatureError::Wrong)?;
        public.verify(&message, &self.signature).map_err(|_| SignatureError::Wrong)
    }
}

/// SSH's form of a number: no zeros in front but one where the first bit is set.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let zero = bytes.get(first).is_some_and(|byte| byte & 0x80 != 0);
    let mut number = vec![0; usize::from(zero)];
    number.extend(&bytes[first..]);
    number
}

/// 32 bytes from SSH's form of a number, if it is the one form that the number has.
fn scalar(number: &[u8]) -> Option<[u8; 32]> {
    let digits = number.strip_prefix(&[0]).unwrap_or(number);
    let mut bytes = [0; 32];
    bytes.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    (integer(&bytes) == number).then_some(bytes)
}

/// The line of `allowed_signers` for a new passkey: `public_key` is what the browser gives (SPKI in DER).
///
/// # Errors
/// When it is no key on P-256.
pub fn signer_line(person: &str, relying_party: &str, public_key: &[u8]) -> Result<String, SignatureError> {
    use p256::pkcs8::DecodePublicKey as _;
    let unfit = SignatureError::Weak("a passkey that is not ECDSA on P-256".to_owned());
    let key = p256::PublicKey::from_public_key_der(public_key).map_err(|_| unfit.clone())?;
    let key = KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256::new(key.into(), relying_party));
    let line = ssh_key::PublicKey::from(key).to_openssh().map_err(|_| unfit)?;
    Ok(format!("{person} {}", line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::NAMESPACE;
    use crate::authority::signature::SshSignature;
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;

    /// What a browser and its authenticator would answer.
    fn answer(key: &SigningKey, challenge: &[u8], flags: u8, more: &str) -> Assertion {
        let client_data = format!(
            r#"{{"type":"webauthn.get","challenge":"{}","origin":"https://night.example"{more}}}"#,
            BASE64URL.encode(challenge)
        );
        let mut authenticator_data = Sha256::digest(b"night.example").to_vec();
        authenticator_data.push(flags);
        authenticator_data.extend(7_u32.to_be_bytes());
        let signed = [authenticator_data.as_slice(), &Sha256::digest(client_data.as_bytes())].concat();
        let signature: Signature = key.sign(&signed);
        Assertion { authenticator_data, client_data: client_data.into_bytes(), signature: signature.to_der().as_bytes().to_vec() }
    }

    fn key_of(key: &SigningKey, relying_party: &str) -> SkEcdsaSha2NistP256 {
        SkEcdsaSha2NistP256::new(p256::PublicKey::from(key.verifying_key()).into(), relying_party)
    }

    #[test]
    fn a_passkeys_answer_is_an_ssh_signature_of_exactly_this_text() {
        for seed in 1..40_u8 {
            let key = SigningKey::from_slice(&[seed; 32]).expect("a key");
            let public = key_of(&key, "night.example");
            let text = b"pointsman-approval v1\n";
            let asked = challenge(NAMESPACE, text);
            let armoured = |flags, more: &str, public: &SkEcdsaSha2NistP256| {
                answer(&key, &asked, flags, more).armoured(public, NAMESPACE).expect("an answer")
            };
            let check = |armoured: &str, text: &[u8]| SshSignature::parse(armoured).and_then(|s| s.check(NAMESPACE, text));
            let good = armoured(0x05, r#","crossOrigin":false"#, &public);
            assert_eq!(check(&good, text), Ok(()));
            assert_eq!(check(&good, b"pointsman-approval v2\n"), Err(SignatureError::Wrong));
            assert_eq!(
                check(&armoured(0x01, "", &public), text),
                Err(SignatureError::Untouched),
                "nobody was asked who they are"
            );
            assert_eq!(check(&armoured(0x04, "", &public), text), Err(SignatureError::Untouched));
            assert_eq!(check(&armoured(0x05, r#","crossOrigin":true"#, &public), text), Err(SignatureError::Wrong));
            let elsewhere = armoured(0x05, "", &key_of(&key, "evil.example"));
            assert_eq!(check(&elsewhere, text), Err(SignatureError::Wrong), "a key of another place");
            let other = key_of(&SigningKey::from_slice(&[99; 32]).expect("a key"), "night.example");
            assert_eq!(check(&armoured(0x05, "", &other), text), Err(SignatureError::Wrong));
        }
    }

    #[test]
    fn numbers_have_one_form() {
        for bytes in [[0_u8; 32], [1; 32], [0xff; 32], {
            let mut b = [0; 32];
            b[31] = 0x80;
            b
        }] {
            assert_eq!(scalar(&integer(&bytes)), Some(bytes));
        }
        assert_eq!(scalar(&[0, 1]), None);
        assert_eq!(scalar(&[0x80]), None);
        assert_eq!(scalar(&[1; 33]), None);
    }
}
