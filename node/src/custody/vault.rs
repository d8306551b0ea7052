//! What a custodian keeps, encrypted, in one folder.
//!
//! ```text
//! lock             the store's key, locked with a passphrase or a key file
//! key              the key that the service signs with
//! statements       what the chain is still to be told, and up to where its orders were carried out
//! <64 digits>      the one-time keys and deposits of one person, one kind of data and 32 days; or what was released of one person and one kind of data; or one release
//! ```
//! The names of the last tell nothing without the store's key. All of a file is read, changed and replaced, which bounds what one may hold; and
//! what is replaced is overwritten ([`Wiped`]), so that what was erased is gone.

use super::wipe::Wiped;
use rand_core::CryptoRng;
use salus_primitives::codec;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::crypto::strongbox::{
    LOCK_MAX, Lock, PassphraseCost, StoreError, StoreKey, Unlock,
};
use salus_primitives::custody::{Deposit, Period, RELEASE_MAX};
use salus_primitives::ids::{DeviceId, Height};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::TxId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// An open vault.
#[derive(Debug)]
pub(super) struct Vault {
    folder: PathBuf,
    pub(super) files: Wiped,
    key: StoreKey,
    count: usize,
}

/// Why a vault is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is one already.
    #[error("{} holds a key service already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// There is none.
    #[error("there is no key service in {}; make it with `salus custody init`", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// It stays closed, or a file of it was changed.
    #[error("{}, file {file}: {source}", folder.display())]
    Closed {
        /// The folder.
        folder: PathBuf,
        /// Which file.
        file: String,
        /// Why.
        source: StoreError,
    },
    /// It holds as much as it may.
    #[error("the key service holds as much as it may")]
    Full,
    /// The disk refuses.
    #[error("cannot use {}: {source}", folder.display())]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One-time keys and deposits of one person, one kind of data and [`SHARD_DAYS`] days.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shard {
    /// Ascending by device and period.
    pub(super) holdings: Vec<Holding>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    pub(super) device: DeviceId,
    pub(super) period: Period,
    pub(super) prekey: PrekeySecret,
    pub(super) deposit: Option<Signed<Deposit>>,
}

/// The secret part of a one-time key; wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct PrekeySecret(pub(super) [u8; 32]);

impl core::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PrekeySecret(..)")
    }
}

/// What was released of one person and one kind of data.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// Oldest first.
    pub(super) releases: Vec<ReleasedDays>,
}

/// For which request, of which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReleasedDays {
    pub(super) request: TxId,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// What the chain is still to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledgered {
    /// Up to which height orders to erase were carried out.
    pub(super) watched: Height,
    /// What is still to be said, oldest first.
    pub(super) statements: Vec<Statement>,
}

/// What a key service says on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Statement {
    /// It has released the keys of this request.
    Released(TxId),
    /// It has destroyed what this order names.
    Erased(TxId),
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Seed([u8; 32]);

impl Vault {
    /// A new vault with a new signing key.
    pub(super) fn create(
        folder: &Path,
        unlock: &Unlock,
        cost: PassphraseCost,
        entropy: &mut impl CryptoRng,
    ) -> Result<SecretKey, VaultError> {
        let disk = |source| VaultError::Disk {
            folder: folder.into(),
            source,
        };
        let files = Wiped::open(folder).map_err(disk)?;
        if files.read(LOCK, LOCK_MAX as u64).map_err(disk)?.is_some() {
            return Err(VaultError::Exists {
                folder: folder.into(),
            });
        }
        let (lock, key) =
            Lock::make(unlock, cost, entropy).map_err(|source| VaultError::Closed {
                folder: folder.into(),
                file: LOCK.into(),
                source,
            })?;
        let signing = SecretKey::generate(entropy);
        let mut vault = Self {
            folder: folder.into(),
            files,
            key,
            count: 0,
        };
        // the lock comes last: a crash before leaves nothing that counts
        vault.write(KEY, &Seed(*signing.seed()), entropy)?;
        vault
            .files
            .replace(LOCK, &codec::encode(&lock))
            .map_err(disk)?;
        Ok(signing)
    }

    /// Opens a vault. With a passphrase, this takes its time.
    pub(super) fn open(folder: &Path, unlock: &Unlock) -> Result<(Self, SecretKey), VaultError> {
        let missing = || VaultError::Missing {
            folder: folder.into(),
        };
        if !folder.exists() {
            return Err(missing());
        }
        let disk = |source| VaultError::Disk {
            folder: folder.into(),
            source,
        };
        let files = Wiped::open(folder).map_err(disk)?;
        let lock = files
            .read(LOCK, LOCK_MAX as u64)
            .map_err(disk)?
            .ok_or_else(missing)?;
        let key = Lock::decode(&lock)
            .and_then(|lock| lock.open(unlock))
            .map_err(|source| VaultError::Closed {
                folder: folder.into(),
                file: LOCK.into(),
                source,
            })?;
        let count = files.names().map_err(disk)?.len();
        let vault = Self {
            folder: folder.into(),
            files,
            key,
            count,
        };
        let seed: Seed = vault.read(KEY)?.ok_or_else(missing)?;
        let signing = SecretKey::from_seed(seed.0);
        Ok((vault, signing))
    }

    /// Locks the vault with something else from now on.
    pub(super) fn relock(
        &mut self,
        unlock: &Unlock,
        cost: PassphraseCost,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let lock = Lock::around(&self.key, unlock, cost, entropy)
            .map_err(|source| self.closed(LOCK, source))?;
        self.files
            .replace(LOCK, &codec::encode(&lock))
            .map_err(|source| self.disk(source))
    }

    /// The shard of a day; empty if there is none.
    pub(super) fn shard(
        &self,
        subject: &Pseudonym,
        category: Category,
        day: u32,
    ) -> Result<Shard, VaultError> {
        let name = self.shard_name(subject, category, day);
        Ok(self.read(&name)?.unwrap_or_default())
    }

    /// Puts a shard back; an empty one goes.
    pub(super) fn put_shard(
        &mut self,
        subject: &Pseudonym,
        category: Category,
        day: u32,
        shard: &Shard,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let name = self.shard_name(subject, category, day);
        if shard.holdings.is_empty() {
            return self.remove(&name);
        }
        if shard.holdings.len() > HOLDINGS_MAX {
            return Err(VaultError::Full);
        }
        self.write(&name, shard, entropy)
    }

    /// What was released of a person's data of one kind.
    pub(super) fn index(
        &self,
        subject: &Pseudonym,
        category: Category,
    ) -> Result<Index, VaultError> {
        let name = self.index_name(subject, category);
        Ok(self.read(&name)?.unwrap_or_default())
    }

    /// Puts that back.
    pub(super) fn put_index(
        &mut self,
        subject: &Pseudonym,
        category: Category,
        index: &Index,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let name = self.index_name(subject, category);
        if index.releases.is_empty() {
            return self.remove(&name);
        }
        self.write(&name, index, entropy)
    }

    /// The release for a request, as it was given.
    pub(super) fn release(&self, request: &TxId) -> Result<Option<Vec<u8>>, VaultError> {
        let name = self.release_name(request);
        let bytes = self.read_raw(&name)?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// Keeps the release for a request.
    pub(super) fn put_release(
        &mut self,
        request: &TxId,
        release: &[u8],
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let name = self.release_name(request);
        self.write_raw(&name, release, entropy)
    }

    /// Destroys it.
    pub(super) fn remove_release(&mut self, request: &TxId) -> Result<(), VaultError> {
        let name = self.release_name(request);
        self.remove(&name)
    }

    /// What the chain is still to be told.
    pub(super) fn ledgered(&self) -> Result<Ledgered, VaultError> {
        Ok(self.read(STATEMENTS)?.unwrap_or_default())
    }

    /// Puts that back.
    pub(super) fn put_ledgered(
        &mut self,
        ledgered: &Ledgered,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        self.write(STATEMENTS, ledgered, entropy)
    }

    fn shard_name(&self, subject: &Pseudonym, category: Category, day: u32) -> String {
        let about = codec::encode(&("shard", subject, category, day / SHARD_DAYS));
        self.key.blind_name(&about)
    }

    fn index_name(&self, subject: &Pseudonym, category: Category) -> String {
        self.key
            .blind_name(&codec::encode(&("index", subject, category)))
    }

    fn release_name(&self, request: &TxId) -> String {
        self.key.blind_name(&codec::encode(&("release", request)))
    }

    fn read<T: Serialize + DeserializeOwned>(&self, name: &str) -> Result<Option<T>, VaultError> {
        let Some(bytes) = self.read_raw(name)? else {
            return Ok(None);
        };
        codec::decode(&bytes, FILE_MAX)
            .map(Some)
            .map_err(|error| self.closed(name, error.into()))
    }

    pub(super) fn read_raw(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let sealed = self
            .files
            .read(name, FILE_MAX as u64)
            .map_err(|source| self.disk(source))?;
        sealed
            .map(|sealed| self.key.open(name, &sealed))
            .transpose()
            .map_err(|source| self.closed(name, source))
    }

    fn write<T: Serialize>(
        &mut self,
        name: &str,
        value: &T,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        self.write_raw(name, &Zeroizing::new(codec::encode(value)), entropy)
    }

    fn write_raw(
        &mut self,
        name: &str,
        bytes: &[u8],
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let is_new = !self.folder.join(name).exists();
        if is_new && self.count >= FILES_MAX {
            return Err(VaultError::Full);
        }
        let sealed = codec::encode(&self.key.seal(name, bytes, entropy));
        self.files
            .replace(name, &sealed)
            .map_err(|source| self.disk(source))?;
        self.count = self.count.saturating_add(usize::from(is_new));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), VaultError> {
        if !self.folder.join(name).exists() {
            return Ok(());
        }
        self.files
            .remove(name)
            .map_err(|source| self.disk(source))?;
        self.count = self.count.saturating_sub(1);
        Ok(())
    }

    fn closed(&self, file: &str, source: StoreError) -> VaultError {
        VaultError::Closed {
            folder: self.folder.clone(),
            file: file.to_owned(),
            source,
        }
    }

    fn disk(&self, source: io::Error) -> VaultError {
        VaultError::Disk {
            folder: self.folder.clone(),
            source,
        }
    }
}

impl Shard {
    /// What there is for a device's period, or where it would be.
    pub(super) fn find(&self, device: &DeviceId, period: &Period) -> Result<usize, usize> {
        self.holdings
            .binary_search_by_key(&(*device, *period), |holding| {
                (holding.device, holding.period)
            })
    }
}

/// Days of one shard.
pub(super) const SHARD_DAYS: u32 = 32;
/// Most one-time keys and deposits of one shard.
pub(super) const HOLDINGS_MAX: usize = 8_192;
/// Most releases that are kept of one person and one kind of data; the oldest go.
pub(super) const RELEASES_MAX: usize = 1_024;
/// Most files.
const FILES_MAX: usize = 1_000_000;
/// Longest file: [`HOLDINGS_MAX`] holdings of less than a kilobyte each.
const FILE_MAX: usize = 12 * 1024 * 1024;
const LOCK: &str = "lock";
const KEY: &str = "key";
const STATEMENTS: &str = "statements";
const _: () = assert!(RELEASE_MAX < FILE_MAX, "a file holds a release");
