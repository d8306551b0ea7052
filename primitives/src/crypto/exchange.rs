//! Wrapping a key for one recipient: HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! The suite id comes first, so that a key exchange that withstands quantum computers can follow without changing what surrounds it.

use crate::codec::Blob;
use crate::hexadecimal::fixed_bytes;
use crate::namespace::Domain;
use alloc::vec::Vec;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// An X25519 public key that keys are wrapped for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangePublic(pub [u8; 32]);
fixed_bytes!(ExchangePublic, 32);

/// An X25519 secret key, wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ExchangeSecret([u8; 32]);

/// Which algorithms a wrap uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WrapSuite {
    /// HPKE in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
    X25519HkdfSha256ChaCha20Poly1305,
}

/// A short secret, encrypted for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrapped {
    /// Which algorithms were used.
    pub suite: WrapSuite,
    /// The ephemeral public key.
    pub encapsulated: [u8; 32],
    /// The encrypted secret and its tag.
    pub ciphertext: Blob,
}

/// Why a secret was not wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The recipient's public key is no usable X25519 key.
    #[error("exchange key {0} is not usable")]
    BadRecipient(ExchangePublic),
    /// Wrong recipient, wrong context, or changed bytes.
    #[error("the wrap does not open with this key and context")]
    Closed,
}

impl ExchangeSecret {
    /// A new key from the given entropy.
    #[must_use]
    pub fn generate(entropy: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 32];
        entropy.fill_bytes(&mut secret);
        Self(secret)
    }

    /// A key from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The bytes, for writing them to a protected file.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> ExchangePublic {
        let public = X25519HkdfSha256::sk_to_pk(&self.hpke_key());
        ExchangePublic(public.to_bytes().into())
    }

    /// Opens what was wrapped for this key with the same `context`.
    ///
    /// # Errors
    /// [`WrapError::Closed`].
    pub fn unwrap(
        &self,
        wrapped: &Wrapped,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        match wrapped.suite {
            WrapSuite::X25519HkdfSha256ChaCha20Poly1305 => {}
        }
        let encapsulated =
            <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&wrapped.encapsulated)
                .map_err(|_| WrapError::Closed)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.hpke_key(),
            &encapsulated,
            Domain::PeriodKeyWrap.context().as_bytes(),
            wrapped.ciphertext.as_slice(),
            context,
        )
        .map(Zeroizing::new)
        .map_err(|_| WrapError::Closed)
    }

    fn hpke_key(&self) -> <X25519HkdfSha256 as Kem>::PrivateKey {
        <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.0)
            .expect("every 32 bytes are an X25519 secret key")
    }
}

impl core::fmt::Debug for ExchangeSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ExchangeSecret(of {})", self.public())
    }
}

impl ExchangePublic {
    /// Encrypts `secret` so that only this key's holder can read it; `context` is authenticated.
    ///
    /// # Errors
    /// [`WrapError::BadRecipient`] if this is no usable key.
    pub fn wrap(
        &self,
        secret: &[u8],
        context: &[u8],
        entropy: &mut impl CryptoRng,
    ) -> Result<Wrapped, WrapError> {
        let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.0)
            .map_err(|_| WrapError::BadRecipient(*self))?;
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &recipient,
                Domain::PeriodKeyWrap.context().as_bytes(),
                secret,
                context,
                entropy,
            )
            .map_err(|_| WrapError::BadRecipient(*self))?;
        Ok(Wrapped {
            suite: WrapSuite::X25519HkdfSha256ChaCha20Poly1305,
            encapsulated: encapsulated.to_bytes().into(),
            ciphertext: Blob(ciphertext),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn only_the_recipient_opens_a_wrap_and_only_in_its_context() {
        let mut entropy = ChaCha20Rng::seed_from_u64(1);
        let hospital = ExchangeSecret::generate(&mut entropy);
        let other = ExchangeSecret::generate(&mut entropy);

        let wrapped = hospital
            .public()
            .wrap(&[5; 32], b"2026-11-20", &mut entropy)
            .expect("a good key");

        let opened = hospital.unwrap(&wrapped, b"2026-11-20").expect("opens");
        assert_eq!(opened.as_slice(), [5; 32]);
        assert!(hospital.unwrap(&wrapped, b"2026-11-21").is_err());
        assert!(other.unwrap(&wrapped, b"2026-11-20").is_err());
    }

    #[test]
    fn a_public_key_of_small_order_is_refused() {
        let mut entropy = ChaCha20Rng::seed_from_u64(1);

        let error = ExchangePublic([0; 32]).wrap(&[5; 32], b"", &mut entropy);

        assert_eq!(error, Err(WrapError::BadRecipient(ExchangePublic([0; 32]))));
    }
}
