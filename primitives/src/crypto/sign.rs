//! Ed25519: signing with ed25519-dalek, verification by the ZIP-215 rules with ed25519-zebra.
//!
//! All nodes must agree on what is valid. ed25519-dalek's own `verify`, `verify_strict` and `verify_batch` disagree
//! with one another on crafted signatures, so a batch could split the chain; under ZIP-215 single and batch
//! verification agree always. Keys that are weak (small order) or not canonically encoded are refused where keys are registered
//! ([`PublicKey::check`]).

#[cfg(feature = "std")]
mod memo;
#[cfg(not(feature = "std"))]
#[path = "sign/no_memo.rs"]
mod memo;

#[cfg(feature = "std")]
pub use memo::remembering_verdicts;

use crate::hash::Digest;
use crate::hexadecimal::fixed_bytes;
use alloc::vec;
use alloc::vec::Vec;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An Ed25519 public key as claimed on the wire; 32 bytes that need not be a point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);
fixed_bytes!(PublicKey, 32);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);
fixed_bytes!(Signature, 64);

/// Why a public key may not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve.
    #[error("public key {0} is not a point of the curve")]
    NotAPoint(PublicKey),
    /// The point has another, canonical encoding.
    #[error("public key {0} is not canonically encoded")]
    NotCanonical(PublicKey),
    /// The point has small order: signatures under it prove nothing.
    #[error("public key {0} is weak")]
    Weak(PublicKey),
}

impl PublicKey {
    /// Checks that this key may be registered.
    ///
    /// # Errors
    /// [`KeyError`] for bytes off the curve, a second encoding of a point, or a point of small order.
    pub fn check(&self) -> Result<(), KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .map_err(|_| KeyError::NotAPoint(*self))?;
        if key.to_edwards().compress().to_bytes() != self.0 {
            return Err(KeyError::NotCanonical(*self));
        }
        if key.is_weak() {
            return Err(KeyError::Weak(*self));
        }
        Ok(())
    }

    /// Whether `signature` signs `message` under this key (ZIP-215).
    #[must_use]
    pub fn verifies(&self, message: &Digest, signature: &Signature) -> bool {
        memo::verdict(&(*self, *message, *signature), || {
            self.verifies_anew(message, signature)
        })
    }

    fn verifies_anew(&self, message: &Digest, signature: &Signature) -> bool {
        VerificationKey::try_from(VerificationKeyBytes::from(self.0)).is_ok_and(|key| {
            key.verify(
                &ed25519_zebra::Signature::from_bytes(&signature.0),
                &message.0,
            )
            .is_ok()
        })
    }
}

/// An Ed25519 secret key, wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A new key from the given entropy.
    #[must_use]
    pub fn generate(entropy: &mut impl CryptoRng) -> Self {
        let mut seed = [0; 32];
        entropy.fill_bytes(&mut seed);
        Self(seed)
    }

    /// A key from its 32-byte seed.
    #[must_use]
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The seed, for writing it to a protected file.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(
            ed25519_dalek::SigningKey::from_bytes(&self.0)
                .verifying_key()
                .to_bytes(),
        )
    }

    /// Prepares this key for repeated signing.
    #[must_use]
    pub fn signer(&self) -> Signer {
        Signer(ed25519_dalek::SigningKey::from_bytes(&self.0))
    }
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// A secret key with its public part computed once.
#[derive(Clone)]
pub struct Signer(ed25519_dalek::SigningKey);

impl Signer {
    /// The public part.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a digest. Deterministic (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &Digest) -> Signature {
        Signature(ed25519_dalek::Signer::sign(&self.0, &message.0).to_bytes())
    }
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signer(of {})", self.public())
    }
}

/// One claim to verify: this key signed this digest with this signature.
pub type Claim = (PublicKey, Digest, Signature);

/// Verifies many claims at once and says of each whether it holds.
///
/// A batch that fails is verified in parts of 64 claims, and a part that fails claim by claim. So a bad signature
/// costs whoever checks it less than checking all singly, and nothing but bad ones less than twice that; halving
/// again and again costs more than single checks with one bad claim of 1024, and five times as much if all are bad
/// (`benches/verify.rs`). Agrees with [`PublicKey::verifies`] on every claim. `entropy` must be unpredictable to whoever
/// made the signatures.
pub fn verify_batch(claims: &[Claim], entropy: &mut impl CryptoRng) -> Vec<bool> {
    if all_hold(claims, entropy) {
        return vec![true; claims.len()];
    }
    let mut verdicts = Vec::with_capacity(claims.len());
    for part in claims.chunks(PART) {
        // a single part is known to have failed
        if part.len() < claims.len() && all_hold(part, entropy) {
            verdicts.extend(core::iter::repeat_n(true, part.len()));
        } else {
            verdicts.extend(part.iter().map(holds));
        }
    }
    verdicts
}

/// Claims of which a batch is nearly as fast, each, as one of a thousand.
const PART: usize = 64;

fn holds((key, message, signature): &Claim) -> bool {
    key.verifies(message, signature)
}

fn all_hold(claims: &[Claim], entropy: &mut impl CryptoRng) -> bool {
    // one claim is no faster as a batch
    if let [claim] = claims {
        return holds(claim);
    }
    if memo::is_on() {
        return claims.iter().all(holds);
    }
    let mut verifier = batch::Verifier::new();
    for (key, message, signature) in claims {
        verifier.queue((
            VerificationKeyBytes::from(key.0),
            ed25519_zebra::Signature::from_bytes(&signature.0),
            &message.0,
        ));
    }
    verifier.verify(entropy).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Domain;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn entropy() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(7)
    }

    fn claims(count: u8) -> Vec<Claim> {
        (0..count)
            .map(|n| {
                let signer = SecretKey::from_seed([n; 32]).signer();
                let message = Domain::BlockId.hash(&[&[n]]);
                (signer.public(), message, signer.sign(&message))
            })
            .collect()
    }

    #[test]
    fn a_batch_names_exactly_the_bad_signatures() {
        let mut claims = claims(210);
        claims[3].2.0[40] ^= 1;
        claims[200].1.0[0] ^= 1;

        let verdicts = verify_batch(&claims, &mut entropy());

        let bad: Vec<usize> = (0..210).filter(|n| !verdicts[*n]).collect();
        assert_eq!(bad, [3, 200]);
    }

    /// Whatever mixture of good and bad claims, keys that are no points among them: the verdicts are those of single checks.
    #[test]
    fn verdicts_are_those_of_single_checks_for_every_mixture() {
        for count in [0u8, 1, 2, 63, 64, 65, 129] {
            for bad in [0usize, 1, 2, 3] {
                let mut claims = claims(count);
                for (n, claim) in claims.iter_mut().enumerate() {
                    match (n + bad) % 4 {
                        0 if bad > 0 => claim.0 = PublicKey([2; 32]),
                        1 if bad > 1 => claim.2.0[0] ^= 1,
                        2 if bad > 2 => claim.1.0[0] ^= 1,
                        _ => {}
                    }
                }
                let single: Vec<bool> = claims
                    .iter()
                    .map(|(key, message, signature)| key.verifies(message, signature))
                    .collect();

                assert_eq!(
                    verify_batch(&claims, &mut entropy()),
                    single,
                    "{count} {bad}"
                );
            }
        }
    }

    /// The same claim twice, and one key under many claims, are no special case.
    #[test]
    fn repeated_claims_and_keys_are_judged_each() {
        let good = claims(1)[0];
        let mut bad = good;
        bad.1.0[0] ^= 1;

        assert_eq!(
            verify_batch(&[good, good, bad, good, bad], &mut entropy()),
            [true, true, false, true, false]
        );
    }

    /// Keys that may not be registered, by reason.
    #[test]
    fn keys_off_the_curve_not_canonical_or_weak_are_refused() {
        let point = |first: u8, last: u8| {
            let mut bytes = [0xff; 32];
            bytes[0] = first;
            bytes[31] = last;
            PublicKey(bytes)
        };
        let mut negative_zero = [0; 32];
        negative_zero[0] = 1;
        negative_zero[31] = 0x80;
        // y = p + 3 is y = 3, a point of large order with a second encoding
        let second_encoding = point(0xf0, 0x7f);

        assert!(matches!(
            PublicKey([2; 32]).check(),
            Err(KeyError::NotAPoint(_))
        ));
        assert_eq!(
            second_encoding.check(),
            Err(KeyError::NotCanonical(second_encoding))
        );
        assert!(PublicKey(negative_zero).check().is_err());
        assert_eq!(
            PublicKey([0; 32]).check(),
            Err(KeyError::Weak(PublicKey([0; 32])))
        );
        assert_eq!(SecretKey::from_seed([1; 32]).public().check(), Ok(()));
    }

    /// A signature with a small-order R and key passes cofactored and fails cofactorless equations; single and batch
    /// verification must give one answer, alone and among honest signatures.
    #[test]
    fn single_and_batch_agree_on_small_order_points() {
        let mut identity = [0; 32];
        identity[0] = 1;
        // the eight encodings of small-order points that curve25519 tables list, canonical and not
        let order_8 =
            hex::decode("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
                .expect("hexadecimal");
        let mut non_canonical = [0xff; 32];
        non_canonical[0] = 0xee;
        non_canonical[31] = 0x7f;
        let points: Vec<[u8; 32]> = vec![
            identity,
            [0; 32],
            order_8.try_into().expect("32 bytes"),
            non_canonical,
        ];
        for key in &points {
            for r in &points {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(r);
                let crafted = (
                    PublicKey(*key),
                    Domain::BlockId.hash(&[b"m"]),
                    Signature(signature),
                );
                let single = crafted.0.verifies(&crafted.1, &crafted.2);
                let mut all = claims(5);
                all.push(crafted);

                assert_eq!(
                    verify_batch(&all, &mut entropy())[5],
                    single,
                    "{key:?} {r:?}"
                );
                assert!(single, "ZIP-215 accepts small-order points");
                assert!(PublicKey(*key).check().is_err(), "but none is registered");
            }
        }
    }

    #[test]
    fn a_scalar_beyond_the_group_order_is_refused() {
        let (key, message, mut signature) = claims(2)[1];
        signature.0[63] |= 0xe0;

        assert!(!key.verifies(&message, &signature));
    }

    #[test]
    fn debug_output_of_a_secret_shows_only_its_public_part() {
        let secret = SecretKey::from_seed([9; 32]);

        let text = format!("{secret:?} {:?}", secret.signer());

        assert!(!text.contains(&hex::encode([9; 32])));
        assert!(text.contains(&secret.public().to_string()));
    }
}
