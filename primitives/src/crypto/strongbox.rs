//! Secrets at rest: how files with keys in them are encrypted, the same on nodes and devices. Reading and writing them is theirs.
//!
//! A [`Lock`] holds a random [`StoreKey`], encrypted under what the operator gives ([`Unlock`]): a passphrase, by argon2id, or 32 random bytes of a
//! key file. So the passphrase costs its time once a start, not once a file, and can be changed without writing the store anew. Each file is
//! [`Sealed`] under a key of its own name, so that none can take another one's place. The suite id comes first in both.
//!
//! An attacker who can write as well as read can put an *older* file in the place of a newer one; what must not come back is overwritten by whoever
//! keeps the files.

use crate::codec::{self, Blob, CodecError};
use crate::namespace::Domain;
use alloc::string::String;
use alloc::vec::Vec;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Which algorithms protect a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoreSuite {
    /// XChaCha20-Poly1305 with random nonces, keys derived with BLAKE3.
    XChaCha20Poly1305Blake3,
}

/// How the key that opens a lock is made from what the operator gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Derivation {
    /// From a passphrase, by argon2id version 1.3.
    Argon2id {
        /// What it costs.
        cost: PassphraseCost,
        /// Random.
        salt: [u8; 16],
    },
    /// From 32 random bytes, by BLAKE3.
    KeyFile,
}

/// What trying one passphrase costs, its owner and an attacker alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; computed one after the other here, side by side by an attacker.
    pub lanes: u32,
}

impl PassphraseCost {
    /// RFC 9106, the second recommended option: 64 MiB, three passes, four lanes.
    pub const RECOMMENDED: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 4,
    };
    /// The least there is: for tests, where a passphrase protects nothing.
    pub const LEAST: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    /// A file that was tampered with must not cost all memory, or hours.
    const fn is_bounded(self) -> bool {
        self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX && self.lanes <= LANES_MAX
    }
}

/// What the operator gives to open a store.
pub enum Unlock {
    /// A passphrase: any bytes, one at least.
    Passphrase(Zeroizing<Vec<u8>>),
    /// What a key file holds: 32 random bytes.
    KeyFile(Zeroizing<[u8; 32]>),
}

impl Unlock {
    /// The passphrase in a file: its first line, whatever ends it.
    #[must_use]
    pub fn passphrase_of_file(content: &[u8]) -> Self {
        let line = content.split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::Passphrase(Zeroizing::new(line.to_vec()))
    }
}

/// The lock of a store: its key, encrypted. Public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Which algorithms were used.
    pub suite: StoreSuite,
    /// How the key that opens it is made.
    pub derivation: Derivation,
    /// Random.
    pub nonce: [u8; NONCE_LENGTH],
    /// The store key, encrypted, with its tag.
    pub ciphertext: Blob,
}

/// The key of a store. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

/// An encrypted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which algorithms were used.
    pub suite: StoreSuite,
    /// Random.
    pub nonce: [u8; NONCE_LENGTH],
    /// What it holds, encrypted, with its tag.
    pub ciphertext: Blob,
}

/// Why a store stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The passphrase or key is not the one it was locked with; or the file was changed, which cannot be told from it.
    #[error("wrong passphrase or key, or a changed file")]
    WrongSecret,
    /// A passphrase was given and a key file is needed, or the other way round.
    #[error("the store opens with {needed}")]
    OtherKind {
        /// What it needs.
        needed: &'static str,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// The file claims costs that no honest file has.
    #[error("the file claims a passphrase cost beyond all reason")]
    Cost,
    /// The bytes are no lock, or no sealed file.
    #[error("not a file of an encrypted store: {0}")]
    Malformed(#[from] CodecError),
}

/// Bytes of a nonce.
pub const NONCE_LENGTH: usize = 24;
/// Upper bound of an encoded [`Lock`] in bytes.
pub const LOCK_MAX: usize = 256;
/// How many bytes a sealed file is longer than what it holds.
pub const SEALED_OVERHEAD: usize = 4 + NONCE_LENGTH + 8 + 16;
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

impl Lock {
    /// A new store's lock, and its key.
    ///
    /// # Errors
    /// [`StoreError::Empty`], or [`StoreError::Cost`] for a cost out of bounds.
    pub fn make(
        unlock: &Unlock,
        cost: PassphraseCost,
        entropy: &mut impl CryptoRng,
    ) -> Result<(Self, StoreKey), StoreError> {
        let mut key = StoreKey([0; 32]);
        entropy.fill_bytes(&mut key.0);
        let lock = Self::around(&key, unlock, cost, entropy)?;
        Ok((lock, key))
    }

    /// A lock for a store that there is: how a passphrase is changed.
    ///
    /// # Errors
    /// As [`Lock::make`].
    pub fn around(
        key: &StoreKey,
        unlock: &Unlock,
        cost: PassphraseCost,
        entropy: &mut impl CryptoRng,
    ) -> Result<Self, StoreError> {
        let derivation = match unlock {
            Unlock::Passphrase(_) => {
                let mut salt = [0; 16];
                entropy.fill_bytes(&mut salt);
                Derivation::Argon2id { cost, salt }
            }
            Unlock::KeyFile(_) => Derivation::KeyFile,
        };
        let suite = StoreSuite::XChaCha20Poly1305Blake3;
        let outer = derivation.key(unlock)?;
        let Sealed {
            nonce, ciphertext, ..
        } = seal_under(&outer, &bound(suite, &derivation), &key.0, entropy);
        Ok(Self {
            suite,
            derivation,
            nonce,
            ciphertext,
        })
    }

    /// The store's key. Takes as long as the passphrase costs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&self, unlock: &Unlock) -> Result<StoreKey, StoreError> {
        let outer = self.derivation.key(unlock)?;
        let bytes = open_under(
            &outer,
            &bound(self.suite, &self.derivation),
            &self.nonce,
            &self.ciphertext,
        )?;
        let key = bytes.as_slice().try_into();
        key.map(StoreKey).map_err(|_| StoreError::WrongSecret)
    }

    /// Reads an encoded lock.
    ///
    /// # Errors
    /// [`StoreError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Ok(codec::decode(bytes, LOCK_MAX)?)
    }
}

impl StoreKey {
    /// A key for a store whose lock is kept elsewhere: of a secret that is as good as random.
    #[must_use]
    pub fn derive(secret: &[u8; 32], purpose: &[u8]) -> Self {
        Self(Domain::KeystoreKey.keyed(secret, &[purpose]))
    }

    /// Encrypts what the file `name` is to hold. The encoding of the result is the file.
    #[must_use]
    pub fn seal(&self, name: &str, content: &[u8], entropy: &mut impl CryptoRng) -> Sealed {
        seal_under(&self.of_file(name), b"file", content, entropy)
    }

    /// Decrypts what the file `name` holds.
    ///
    /// # Errors
    /// [`StoreError::Malformed`], or [`StoreError::WrongSecret`] for another store's or another name's file, or a changed one.
    pub fn open(&self, name: &str, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let sealed: Sealed = codec::decode(file, file.len())?;
        match sealed.suite {
            StoreSuite::XChaCha20Poly1305Blake3 => {}
        }
        open_under(
            &self.of_file(name),
            b"file",
            &sealed.nonce,
            &sealed.ciphertext,
        )
    }

    /// A name by which a file can be found that does not tell, to who does not have this key, what it is about.
    #[must_use]
    pub fn blind_name(&self, about: &[u8]) -> String {
        let name = Domain::KeystoreKey.keyed(&self.0, &[b"name", about]);
        hex::encode(name)
    }

    fn of_file(&self, name: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Domain::KeystoreKey.keyed(&self.0, &[b"file", name.as_bytes()]))
    }
}

impl core::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl core::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::KeyFile(_) => "KeyFile(..)",
        })
    }
}

impl Derivation {
    fn key(&self, unlock: &Unlock) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        match (self, unlock) {
            (Self::Argon2id { cost, salt }, Unlock::Passphrase(passphrase)) => {
                if passphrase.is_empty() {
                    return Err(StoreError::Empty);
                }
                if !cost.is_bounded() {
                    return Err(StoreError::Cost);
                }
                let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
                    .map_err(|_| StoreError::Cost)?;
                let mut key = Zeroizing::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(passphrase, salt, key.as_mut_slice())
                    .map_err(|_| StoreError::Cost)?;
                Ok(key)
            }
            (Self::KeyFile, Unlock::KeyFile(bytes)) => {
                Ok(Zeroizing::new(Domain::KeystoreKey.keyed(bytes, &[b"lock"])))
            }
            (Self::Argon2id { .. }, Unlock::KeyFile(_)) => Err(StoreError::OtherKind {
                needed: "a passphrase",
            }),
            (Self::KeyFile, Unlock::Passphrase(_)) => Err(StoreError::OtherKind {
                needed: "a key file",
            }),
        }
    }
}

/// What the ciphertext of a lock is bound to.
fn bound(suite: StoreSuite, derivation: &Derivation) -> Vec<u8> {
    codec::encode(&(suite, derivation))
}

fn seal_under(
    key: &[u8; 32],
    additional: &[u8],
    content: &[u8],
    entropy: &mut impl CryptoRng,
) -> Sealed {
    let mut nonce = [0; NONCE_LENGTH];
    entropy.fill_bytes(&mut nonce);
    let payload = Payload {
        msg: content,
        aad: additional,
    };
    let ciphertext = XChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a file is shorter than the 256 GiB that the cipher takes");
    Sealed {
        suite: StoreSuite::XChaCha20Poly1305Blake3,
        nonce,
        ciphertext: Blob(ciphertext),
    }
}

fn open_under(
    key: &[u8; 32],
    additional: &[u8],
    nonce: &[u8; NONCE_LENGTH],
    ciphertext: &Blob,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let payload = Payload {
        msg: ciphertext.as_slice(),
        aad: additional,
    };
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&XNonce::from(*nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::WrongSecret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn entropy() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(5)
    }

    fn passphrase(text: &str) -> Unlock {
        Unlock::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn key_file(byte: u8) -> Unlock {
        Unlock::KeyFile(Zeroizing::new([byte; 32]))
    }

    fn locked(unlock: &Unlock) -> (Lock, StoreKey) {
        Lock::make(unlock, PassphraseCost::LEAST, &mut entropy()).expect("locks")
    }

    /// Another implementation gives the same, so that the passphrase costs what the parameters say.
    #[test]
    fn the_passphrase_goes_through_argon2id() {
        let derivation = Derivation::Argon2id {
            cost: PassphraseCost {
                memory_kib: 64,
                passes: 2,
                lanes: 1,
            },
            salt: *b"somesaltsomesalt",
        };

        let key = derivation.key(&passphrase("password")).expect("derives");

        assert_eq!(hex::encode(*key), ARGON2ID_REFERENCE);
    }

    #[test]
    fn a_lock_opens_with_what_it_was_locked_with_only() {
        for (right, wrong) in [
            (passphrase("correct horse"), passphrase("correct horsf")),
            (key_file(1), key_file(2)),
        ] {
            let (lock, key) = locked(&right);

            assert_eq!(lock.open(&right).expect("opens").0, key.0);
            assert_eq!(lock.open(&wrong).err(), Some(StoreError::WrongSecret));
        }
        let (lock, _) = locked(&passphrase("a"));
        assert!(matches!(
            lock.open(&key_file(1)),
            Err(StoreError::OtherKind { .. })
        ));
        let (lock, _) = locked(&key_file(1));
        assert!(matches!(
            lock.open(&passphrase("a")),
            Err(StoreError::OtherKind { .. })
        ));
        assert_eq!(
            Lock::make(&passphrase(""), PassphraseCost::LEAST, &mut entropy()).err(),
            Some(StoreError::Empty)
        );
    }

    #[test]
    fn a_passphrase_in_a_file_ends_with_its_line() {
        let (lock, _) = locked(&passphrase("correct horse"));
        for content in ["correct horse", "correct horse\n", "correct horse\r\nnote"] {
            let unlock = Unlock::passphrase_of_file(content.as_bytes());

            assert!(lock.open(&unlock).is_ok(), "{content:?}");
        }
    }

    /// Another passphrase for the same files; the old one opens no more.
    #[test]
    fn a_passphrase_is_changed_without_the_files() {
        let (_, key) = locked(&passphrase("old"));
        let file = codec::encode(&key.seal("f", b"secret", &mut entropy()));

        let lock = Lock::around(
            &key,
            &passphrase("new"),
            PassphraseCost::LEAST,
            &mut entropy(),
        )
        .expect("locks");

        let again = lock.open(&passphrase("new")).expect("opens");
        assert_eq!(again.open("f", &file).expect("opens").as_slice(), b"secret");
        assert!(lock.open(&passphrase("old")).is_err());
    }

    #[test]
    fn any_flipped_bit_of_lock_or_file_is_noticed() {
        let unlock = key_file(1);
        let (lock, key) = locked(&unlock);
        let bytes = codec::encode(&lock);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = Lock::decode(&changed) {
                assert!(changed.open(&unlock).is_err(), "bit {bit} of the lock");
            }
        }
        let file = codec::encode(&key.seal("name", b"content", &mut entropy()));
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open("name", &changed).is_err(), "bit {bit} of the file");
        }
        assert!(key.open("name", &file).is_ok());
    }

    /// A file does not open as another one, nor under another store's key; and its length is what was said.
    #[test]
    fn a_file_is_bound_to_its_name_and_store() {
        let (_, key) = locked(&key_file(1));
        let (_, other) = Lock::make(
            &key_file(1),
            PassphraseCost::LEAST,
            &mut ChaCha20Rng::seed_from_u64(6),
        )
        .expect("locks");
        let file = codec::encode(&key.seal("one", b"content", &mut entropy()));

        assert_eq!(file.len(), b"content".len() + SEALED_OVERHEAD);
        assert_eq!(key.open("two", &file), Err(StoreError::WrongSecret));
        assert_eq!(other.open("one", &file), Err(StoreError::WrongSecret));
        assert_ne!(key.blind_name(b"a"), other.blind_name(b"a"));
        assert_ne!(key.blind_name(b"a"), key.blind_name(b"b"));
    }

    /// A changed file cannot make its reader spend a terabyte.
    #[test]
    fn costs_beyond_reason_are_refused_before_they_are_paid() {
        let (mut lock, _) = locked(&passphrase("a"));
        lock.derivation = Derivation::Argon2id {
            cost: PassphraseCost {
                memory_kib: u32::MAX,
                ..PassphraseCost::LEAST
            },
            salt: [0; 16],
        };

        assert_eq!(lock.open(&passphrase("a")).err(), Some(StoreError::Cost));
    }

    #[test]
    fn debug_shows_no_secret() {
        let (_, key) = locked(&key_file(7));

        assert_eq!(format!("{key:?}"), "StoreKey(..)");
        assert_eq!(format!("{:?}", passphrase("hunter2")), "Passphrase(..)");
    }

    /// By the implementation in OpenSSL, which gives the reference implementation's published values.
    const ARGON2ID_REFERENCE: &str =
        "1a98fba8e6394425c9bdc333a9c750aaf811df070f5fb4a5788e1cf4db5793a1";
}
