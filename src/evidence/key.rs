//! The key that seals: an Ed25519 seed as PKCS#8 PEM, which every OpenSSL reads, too. Pure.

use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// PKCS#8 of an Ed25519 key (RFC 8410), up to the seed.
const PRIVATE_DER: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// `SubjectPublicKeyInfo` of an Ed25519 key (RFC 8410), up to the point.
const PUBLIC_DER: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM of that kind.
    #[error("it is not a PEM block of the kind `{0}`")]
    NotPem(&'static str),
    /// A key, but of another algorithm.
    #[error("it does not hold an Ed25519 key")]
    NotEd25519,
}

/// A key that signs.
#[derive(Clone)]
pub struct Key(SigningKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public().id())
    }
}

impl Key {
    /// The key of a seed. The seed is all the secret there is.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a private key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = unarmour(text, "PRIVATE KEY")?;
        let seed = der.strip_prefix(&PRIVATE_DER[..]).ok_or(KeyError::NotEd25519)?;
        let seed: &[u8; 32] = seed.try_into().map_err(|_| KeyError::NotEd25519)?;
        Ok(Self::from_seed(seed))
    }

    /// Writes the private key.
    pub fn to_pem(&self) -> String {
        armour("PRIVATE KEY", &[&PRIVATE_DER[..], &self.0.to_bytes()[..]].concat())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// A key that checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = unarmour(text, "PUBLIC KEY")?;
        let point = der.strip_prefix(&PUBLIC_DER[..]).ok_or(KeyError::NotEd25519)?;
        let point: &[u8; 32] = point.try_into().map_err(|_| KeyError::NotEd25519)?;
        VerifyingKey::from_bytes(point).map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// Writes the public key.
    pub fn to_pem(&self) -> String {
        armour("PUBLIC KEY", &self.der())
    }

    /// Its name: SHA-256 of its DER form, as
    /// `openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` has it.
    pub fn id(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.der())))
    }

    /// Whether `signature` is this key's over `bytes`. Strict: one signature has one form.
    pub fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }

    fn der(&self) -> Vec<u8> {
        [&PUBLIC_DER[..], &self.0.as_bytes()[..]].concat()
    }
}

fn armour(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

fn unarmour(text: &str, kind: &'static str) -> Result<Vec<u8>, KeyError> {
    let body = text
        .trim()
        .strip_prefix(&format!("-----BEGIN {kind}-----"))
        .and_then(|it| it.strip_suffix(&format!("-----END {kind}-----")))
        .ok_or(KeyError::NotPem(kind))?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map_err(|_| KeyError::NotPem(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let key = Key::from_seed(&[7; 32]);
        let again = Key::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem()), Ok(key.public()));
        assert_eq!(Key::from_pem("x").unwrap_err(), KeyError::NotPem("PRIVATE KEY"));
        let rsa = armour("PUBLIC KEY", b"0not ed25519");
        assert_eq!(PublicKey::from_pem(&rsa), Err(KeyError::NotEd25519));
        assert!(!format!("{key:?}").contains("7, 7"), "a key never prints its seed");
    }
}
