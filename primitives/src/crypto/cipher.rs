//! The encrypted envelope: Twofish-256 in EAX mode, padded to few sizes, with a commitment to its key.
//!
//! EAX does not commit to its key: one ciphertext can be made to open under two keys. The commitment is BLAKE3 over
//! record key, nonce and additional data, and is checked before anything is decrypted. The suite id comes first, so that
//! another cipher can follow without changing what surrounds it.

use crate::codec::Blob;
use crate::hash::Digest;
use crate::namespace::Domain;
use alloc::vec::Vec;
use eax::Eax;
use eax::aead::array::Array;
use eax::aead::{Aead, KeyInit, Payload};
use serde::{Deserialize, Serialize};
use twofish::Twofish;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Which algorithms an envelope uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suite {
    /// Twofish with a 256-bit key in EAX mode (128-bit nonce and tag), committed with BLAKE3.
    Twofish256EaxBlake3,
}

/// A ciphertext with all that its key's holder needs to open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Which algorithms were used.
    pub suite: Suite,
    /// Random, never repeated under one key.
    pub nonce: [u8; NONCE_LENGTH],
    /// Commits to key, nonce and additional data.
    pub commitment: Digest,
    /// Padded plaintext, encrypted, with its tag: one of [`SIZE_CLASSES`] plus [`TAG_LENGTH`] bytes.
    pub ciphertext: Blob,
}

/// Bytes of a nonce.
pub const NONCE_LENGTH: usize = 16;
/// Bytes of the authentication tag.
pub const TAG_LENGTH: usize = 16;
/// The only lengths a padded plaintext has, in bytes. They are all that a length reveals.
pub const SIZE_CLASSES: [usize; 6] = [256, 512, 1024, 4096, 16_384, 65_536];
/// Longest plaintext in bytes: the largest size class less its length prefix.
pub const PLAINTEXT_MAX: usize = 65_532;
const LENGTH_PREFIX: usize = 4;

/// The key of one record. Never used for two records.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecordKey(pub [u8; 32]);

impl core::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

/// Why an envelope was not made or not opened. Opening tells nothing about why beyond what is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The plaintext is larger than the largest size class allows.
    #[error("{length} bytes exceed the largest record of {limit}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The key, the nonce or the additional data are not those the envelope was made with.
    #[error("the envelope is not committed to this key and additional data")]
    WrongKey,
    /// The ciphertext was changed.
    #[error("the ciphertext was changed")]
    Corrupt,
}

impl Envelope {
    /// Encrypts `plaintext` under `key`, binding `additional` (chain, device, handle, ...).
    ///
    /// `nonce` must be random and fresh.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] beyond the largest of [`SIZE_CLASSES`].
    pub fn seal(
        key: &RecordKey,
        nonce: [u8; NONCE_LENGTH],
        additional: &[u8],
        plaintext: &[u8],
    ) -> Result<Self, EnvelopeError> {
        let padded = pad(plaintext)?;
        let ciphertext = cipher(key)
            .encrypt(
                &Array(nonce),
                Payload {
                    msg: &padded,
                    aad: additional,
                },
            )
            .map_err(|_| EnvelopeError::Corrupt)?;
        Ok(Self {
            suite: Suite::Twofish256EaxBlake3,
            nonce,
            commitment: commitment(key, &nonce, additional),
            ciphertext: Blob(ciphertext),
        })
    }

    /// Decrypts the envelope.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] or [`EnvelopeError::Corrupt`]; no plaintext is given for either.
    pub fn open(
        &self,
        key: &RecordKey,
        additional: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        match self.suite {
            Suite::Twofish256EaxBlake3 => {}
        }
        if commitment(key, &self.nonce, additional) != self.commitment {
            return Err(EnvelopeError::WrongKey);
        }
        let padded = Zeroizing::new(
            cipher(key)
                .decrypt(
                    &Array(self.nonce),
                    Payload {
                        msg: self.ciphertext.as_slice(),
                        aad: additional,
                    },
                )
                .map_err(|_| EnvelopeError::Corrupt)?,
        );
        unpad(&padded).ok_or(EnvelopeError::Corrupt)
    }

    /// Index into [`SIZE_CLASSES`], or `None` if the ciphertext has a length no honest device makes.
    #[must_use]
    pub fn size_class(&self) -> Option<usize> {
        let length = self.ciphertext.len().checked_sub(TAG_LENGTH)?;
        SIZE_CLASSES.iter().position(|size| *size == length)
    }
}

fn cipher(key: &RecordKey) -> Eax<Twofish> {
    let cipher_key = Zeroizing::new(Domain::EnvelopeKey.keyed(&key.0, &[]));
    Eax::<Twofish>::new(&Array(*cipher_key))
}

fn commitment(key: &RecordKey, nonce: &[u8; NONCE_LENGTH], additional: &[u8]) -> Digest {
    Digest(Domain::EnvelopeCommitment.keyed(&key.0, &[nonce, additional]))
}

fn pad(plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let needed = plaintext.len().saturating_add(LENGTH_PREFIX);
    let size = SIZE_CLASSES
        .into_iter()
        .find(|size| *size >= needed)
        .ok_or(EnvelopeError::TooLong {
            length: plaintext.len(),
            limit: PLAINTEXT_MAX,
        })?;
    let length = u32::try_from(plaintext.len()).expect("a size class is below 2^32");
    let mut padded = Zeroizing::new(Vec::with_capacity(size));
    padded.extend_from_slice(&length.to_le_bytes());
    padded.extend_from_slice(plaintext);
    padded.resize(size, 0);
    Ok(padded)
}

/// The plaintext before padding; `None` unless length and padding are exactly what [`pad`] makes.
fn unpad(padded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (prefix, rest) = padded.split_first_chunk::<LENGTH_PREFIX>()?;
    let length = usize::try_from(u32::from_le_bytes(*prefix)).ok()?;
    let (plaintext, padding) = rest.split_at_checked(length)?;
    let again = pad(plaintext).ok()?;
    (again.len() == padded.len() && padding.iter().all(|byte| *byte == 0))
        .then(|| Zeroizing::new(plaintext.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plaintext: &[u8]) -> Envelope {
        Envelope::seal(&RecordKey([1; 32]), [2; 16], b"chain|device", plaintext).expect("fits")
    }

    #[test]
    fn opens_to_what_was_sealed_at_every_size() {
        for length in [0, 1, 251, 252, 253, 508, 1020, 4000, 65_532] {
            let plaintext = vec![7; length];

            let envelope = sealed(&plaintext);

            assert!(envelope.size_class().is_some());
            let opened = envelope.open(&RecordKey([1; 32]), b"chain|device");
            assert_eq!(opened.as_deref(), Ok(&plaintext));
        }
    }

    #[test]
    fn too_long_a_record_is_refused() {
        let error = Envelope::seal(&RecordKey([1; 32]), [2; 16], b"", &vec![0; 65_533]);

        assert!(matches!(error, Err(EnvelopeError::TooLong { .. })));
    }

    /// Nothing opens after any single bit of the envelope, the key or the additional data has changed.
    #[test]
    fn any_flipped_bit_closes_the_envelope() {
        let envelope = sealed(b"heart rate 61.1 /min");
        let bytes = crate::codec::encode(&envelope);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = crate::codec::decode::<Envelope>(&changed, 1 << 20) {
                assert!(
                    changed.open(&RecordKey([1; 32]), b"chain|device").is_err(),
                    "bit {bit}"
                );
            }
        }
        assert_eq!(
            envelope.open(&RecordKey([3; 32]), b"chain|device"),
            Err(EnvelopeError::WrongKey)
        );
        assert_eq!(
            envelope.open(&RecordKey([1; 32]), b"chain|other"),
            Err(EnvelopeError::WrongKey)
        );
    }

    /// The published Twofish vector for a 256-bit key (Schneier et al., ECB tables, I=3), so that the cipher is Twofish.
    #[test]
    fn the_block_cipher_is_twofish() {
        use twofish::cipher::{BlockCipherEncrypt, KeyInit};
        let key = hex::decode("0123456789ABCDEFFEDCBA987654321000112233445566778899AABBCCDDEEFF")
            .expect("hexadecimal");
        let cipher = Twofish::new_from_slice(&key).expect("256 bits");
        let mut block = Array([0u8; 16]);

        cipher.encrypt_block(&mut block);

        assert_eq!(
            hex::encode_upper(block.0),
            "37527BE0052334B89F0CFCCAE87CFA20"
        );
    }
}
