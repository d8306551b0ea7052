//! The edge's own encrypted store of period keys: until they are in the custody of others, and then no longer.
//!
//! A period key is random, and durable here before anything is sealed under it. It is deposited with the person's custodians ([`deposit`](crate::deposit)),
//! whose receipts are kept beside it; when its period is over and they have acknowledged it, it is forgotten: the file that held it is overwritten. Who
//! has no custodians keeps the keys here, wrapped for the hospital besides if its key is known.
//!
//! The file is one encrypted whole, under a key of the device's secret, or of what its operator unlocks it with
//! ([`strongbox`](salus_primitives::crypto::strongbox)). It is replaced as a whole, so that a crash leaves the old or the new one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use getrandom::SysRng;
use rand_core::{CryptoRng, TryRng, UnwrapErr};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::{ExchangePublic, WrapError, Wrapped};
use salus_primitives::crypto::strongbox::{
    LOCK_MAX, Lock, PassphraseCost, StoreError, StoreKey, Unlock,
};
use salus_primitives::custody::{DepositReceipt, Period, PeriodClaim};
use salus_primitives::ids::{DeviceId, EntityId};
use salus_primitives::reading::{Handle, PeriodKey, Pseudonym};
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::device::Device;
use crate::seal::DayData;
use crate::{files, wipe};

/// The period keys of one device.
#[derive(Debug)]
pub struct Keystore {
    path: PathBuf,
    device: DeviceId,
    store_key: StoreKey,
    periods: BTreeMap<Period, Stored>,
    turns: BTreeMap<Pseudonym, Turns>,
    /// When something was last sealed under a key. Not kept: after a restart, a reading that comes late begins another period.
    used: BTreeMap<Period, Timestamp>,
}

/// Why a period key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file belongs to another device, is locked with something else, or was changed.
    #[error("{path} does not open: {source}")]
    Closed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// There are more periods than the store holds; old ones have to be deposited, and so forgotten, first.
    #[error("the key store is full with {PERIODS_MAX} periods")]
    Full,
    /// The hospital's exchange key is not usable.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    Entropy,
    /// The disk refuses.
    #[error("cannot use the key store {path}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One period.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    handle: Handle,
    /// None when it is forgotten.
    key: Option<HeldKey>,
    wraps: Vec<PeriodWrap>,
    receipts: Vec<Signed<DepositReceipt>>,
}

/// A period key wrapped for one recipient, bound to device, handle and period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodWrap {
    /// Who can open it.
    pub recipient: ExchangePublic,
    /// The wrapped key.
    pub wrapped: Wrapped,
}

/// How often something that permitted access to a person's data has ended, as custodians told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Turns {
    /// The generation that new periods begin at.
    generation: u64,
    /// On which day it last grew, and how often on that day.
    day: u32,
    count: u32,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Content {
    periods: Vec<(Period, Stored)>,
    turns: Vec<(Pseudonym, Turns)>,
}

/// Key bytes in the store; wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct HeldKey([u8; 32]);

impl std::fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldKey(..)")
    }
}

/// The key of a folder's stores, by its lock in the file `keys.lock`, which is made if there is none. With a passphrase this takes its time.
///
/// # Errors
/// [`KeystoreError::Closed`] for a wrong passphrase or key; [`KeystoreError::Disk`].
pub fn unlock(
    folder: &Path,
    unlock: &Unlock,
    cost: PassphraseCost,
) -> Result<StoreKey, KeystoreError> {
    let path = folder.join(LOCK_FILE);
    let disk = |source| KeystoreError::Disk {
        path: path.clone(),
        source,
    };
    let closed = |source| KeystoreError::Closed {
        path: path.clone(),
        source,
    };
    let bytes = files::read(&path, u64::try_from(LOCK_MAX).unwrap_or(u64::MAX)).map_err(disk)?;
    if let Some(bytes) = bytes {
        return Lock::decode(&bytes)
            .and_then(|lock| lock.open(unlock))
            .map_err(closed);
    }
    SysRng.try_next_u32().map_err(|_| KeystoreError::Entropy)?;
    let (lock, key) = Lock::make(unlock, cost, &mut UnwrapErr(SysRng)).map_err(closed)?;
    files::replace(&path, &codec::encode(&lock)).map_err(disk)?;
    Ok(key)
}

impl Keystore {
    /// Opens the store of `device` at `path`, or a new one if there is none, under a key of the device's own secret.
    ///
    /// # Errors
    /// [`KeystoreError::Closed`] for a file of another device or a changed one; [`KeystoreError::Disk`].
    pub fn open(path: &Path, device: &Device) -> Result<Self, KeystoreError> {
        let key = StoreKey::derive(device.secret().as_bytes(), device.id().as_bytes());
        Self::open_with(path, device, key)
    }

    /// The same, under the key of [`unlock`].
    ///
    /// # Errors
    /// As [`Keystore::open`].
    pub fn open_with(
        path: &Path,
        device: &Device,
        store_key: StoreKey,
    ) -> Result<Self, KeystoreError> {
        let mut store = Self {
            path: path.to_owned(),
            device: device.id(),
            store_key,
            periods: BTreeMap::new(),
            turns: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        wipe::recover(path).map_err(|source| store.disk(source))?;
        let bytes = files::read(path, FILE_BYTES_MAX).map_err(|source| store.disk(source))?;
        let Some(bytes) = bytes else {
            return Ok(store);
        };
        let closed = |source| KeystoreError::Closed {
            path: path.to_owned(),
            source,
        };
        let plain = store
            .store_key
            .open(&store.file_name(), &bytes)
            .map_err(closed)?;
        let content: Content =
            codec::decode(&plain, plain.len()).map_err(|error| closed(error.into()))?;
        store.periods = content.periods.into_iter().collect();
        store.turns = content.turns.into_iter().collect();
        Ok(store)
    }

    /// The key to seal such data under now, and its period. Made and stored durably if there is none, or the last one is forgotten, or what permitted
    /// access to this person's data has ended since; and wrapped for `recipient` if there is one.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing may then be sealed.
    pub fn period_key(
        &mut self,
        data: DayData,
        now: Timestamp,
        recipient: Option<&ExchangePublic>,
        entropy: &mut impl CryptoRng,
    ) -> Result<(Period, PeriodKey), KeystoreError> {
        let period = self.present(&data);
        self.used.insert(period, now);
        let known = self.periods.get(&period);
        let missing = recipient.filter(|recipient| {
            known.is_none_or(|known| known.wraps.iter().all(|wrap| wrap.recipient != **recipient))
        });
        if let (Some(key), None) = (known.and_then(Stored::period_key), missing) {
            return Ok((period, key));
        }
        if known.is_none() {
            self.make_room()?;
        }
        let mut stored = self.periods.get(&period).cloned().unwrap_or_else(|| {
            let mut key = HeldKey([0; 32]);
            entropy.fill_bytes(&mut key.0);
            Stored {
                handle: PeriodKey(key.0).handle(),
                key: Some(key),
                wraps: Vec::new(),
                receipts: Vec::new(),
            }
        });
        let key = stored.period_key().ok_or(KeystoreError::Full)?;
        if let Some(recipient) = missing {
            let context = wrap_context(&self.device, &stored.handle, &period);
            let wrapped = recipient.wrap(&key.0, &context, entropy)?;
            stored.wraps.push(PeriodWrap {
                recipient: *recipient,
                wrapped,
            });
        }
        self.periods.insert(period, stored);
        self.save()?;
        Ok((period, key))
    }

    /// The period that such data belong to now, whether or not it has a key yet: the last one that is not forgotten and not left behind, or the next.
    fn present(&self, data: &DayData) -> Period {
        let turned = self
            .turns
            .get(&data.subject)
            .map_or(0, |turns| turns.generation);
        let last = self
            .periods
            .range(data.period(0)..=data.period(u64::MAX))
            .next_back();
        match last {
            Some((period, stored)) if stored.key.is_some() => {
                data.period(period.generation.max(turned))
            }
            Some((period, _)) => data.period(period.generation.saturating_add(1).max(turned)),
            None => data.period(turned),
        }
    }

    /// The key of a period, if it is not forgotten.
    #[must_use]
    pub fn key(&self, period: &Period) -> Option<PeriodKey> {
        self.periods.get(period).and_then(Stored::period_key)
    }

    /// What this device says that a period's handle stands for.
    #[must_use]
    pub fn claim(&self, period: &Period) -> Option<PeriodClaim> {
        self.periods.get(period).map(|stored| PeriodClaim {
            device: self.device,
            period: *period,
            handle: stored.handle,
        })
    }

    /// The periods whose keys are here.
    #[must_use]
    pub fn held(&self) -> Vec<Period> {
        let held = |(period, stored): (&Period, &Stored)| stored.key.is_some().then_some(*period);
        self.periods.iter().filter_map(held).collect()
    }

    /// For whom the key of `period` is wrapped, and the wraps.
    #[must_use]
    pub fn wraps(&self, period: &Period) -> &[PeriodWrap] {
        self.periods.get(period).map_or(&[], |stored| &stored.wraps)
    }

    /// Who has acknowledged the key of a period. Receipts are kept when the key is forgotten.
    #[must_use]
    pub fn receipts(&self, period: &Period) -> &[Signed<DepositReceipt>] {
        self.periods
            .get(period)
            .map_or(&[], |stored| &stored.receipts)
    }

    /// Keeps a custodian's receipt, which the caller has checked. Durable on return.
    ///
    /// # Errors
    /// [`KeystoreError::Disk`].
    pub fn acknowledge(
        &mut self,
        period: &Period,
        receipt: Signed<DepositReceipt>,
    ) -> Result<(), KeystoreError> {
        let Some(stored) = self.periods.get_mut(period) else {
            return Ok(());
        };
        stored
            .receipts
            .retain(|held| held.body.custodian != receipt.body.custodian);
        stored.receipts.push(receipt);
        self.save()
    }

    /// A custodian says how often something that permitted access to a person's data has ended. If that is oftener than before, new readings begin new
    /// periods; but only so often a day, so that a custodian that makes it up fills no store. It holds the keys itself: to hold a turn back gains
    /// it nothing.
    ///
    /// # Errors
    /// [`KeystoreError::Disk`].
    pub fn turned(
        &mut self,
        subject: &Pseudonym,
        generation: u64,
        now: Timestamp,
    ) -> Result<bool, KeystoreError> {
        let today = salus_primitives::custody::day_of(now);
        let turns = self.turns.get(subject).copied().unwrap_or_default();
        let count = if turns.day == today { turns.count } else { 0 };
        if generation <= turns.generation || count >= TURNS_A_DAY_MAX {
            return Ok(false);
        }
        self.turns.insert(
            *subject,
            Turns {
                generation,
                day: today,
                count: count.saturating_add(1),
            },
        );
        self.save()?;
        Ok(true)
    }

    /// Forgets keys of periods that are over and in the custody of others: by all that `custodians` names for the person, or by two at least when some
    /// have not answered for a week. Durable on return, and the file that held them overwritten. Says how many.
    ///
    /// A period is over when its day is, or another has begun in its place, and nothing was sealed under it for ten minutes.
    ///
    /// # Errors
    /// [`KeystoreError::Disk`]; they are then still here, or forgotten.
    pub fn forget_what_is_over<'a>(
        &mut self,
        now: Timestamp,
        custodians: impl Fn(&Pseudonym) -> Option<&'a [EntityId]>,
    ) -> Result<usize, KeystoreError> {
        let today = salus_primitives::custody::day_of(now);
        let mut over = Vec::new();
        for period in self.held() {
            let is_quiet = self
                .used
                .get(&period)
                .is_none_or(|used| now.millis_since(*used) >= QUIET_MS);
            let is_left = period.generation < self.present(&DayData::of_period(&period)).generation;
            let Some(wanted) = custodians(&period.subject) else {
                continue;
            };
            let receipts = self.receipts(&period);
            let acknowledged = wanted
                .iter()
                .filter(|custodian| {
                    receipts
                        .iter()
                        .any(|receipt| receipt.body.custodian == **custodian)
                })
                .count();
            let days_over = today.saturating_sub(period.day);
            let is_held = acknowledged >= ACKNOWLEDGED_MIN
                && (acknowledged == wanted.len() || days_over > PATIENCE_DAYS);
            if is_quiet && (days_over > 0 || is_left) && is_held {
                over.push(period);
            }
        }
        self.forget(&over)?;
        Ok(over.len())
    }

    /// Forgets keys at once, whoever holds them. Durable on return, and the file that held them overwritten.
    ///
    /// # Errors
    /// [`KeystoreError::Disk`]; they are then still here, or forgotten.
    pub fn forget(&mut self, periods: &[Period]) -> Result<(), KeystoreError> {
        let mut is_any = false;
        for period in periods {
            if let Some(stored) = self.periods.get_mut(period)
                && stored.key.is_some()
            {
                stored.key = None;
                // a wrap is as good as the key to who can open it
                stored.wraps.clear();
                is_any = true;
            }
            self.used.remove(period);
        }
        if is_any { self.save() } else { Ok(()) }
    }

    /// Room for one more period: what is remembered of forgotten ones goes first.
    fn make_room(&mut self) -> Result<(), KeystoreError> {
        if self.periods.len() < PERIODS_MAX {
            return Ok(());
        }
        let oldest = self
            .periods
            .iter()
            .filter(|(_, stored)| stored.key.is_none())
            .min_by_key(|(period, _)| period.day)
            .map(|(period, _)| *period)
            .ok_or(KeystoreError::Full)?;
        self.periods.remove(&oldest);
        Ok(())
    }

    fn save(&self) -> Result<(), KeystoreError> {
        SysRng.try_next_u32().map_err(|_| KeystoreError::Entropy)?;
        let content = Content {
            periods: self
                .periods
                .iter()
                .map(|(period, stored)| (*period, stored.clone()))
                .collect(),
            turns: self
                .turns
                .iter()
                .map(|(who, turns)| (*who, *turns))
                .collect(),
        };
        let plain = Zeroizing::new(codec::encode(&content));
        let sealed = self
            .store_key
            .seal(&self.file_name(), &plain, &mut UnwrapErr(SysRng));
        // what a failed write left would stand in the way
        wipe::recover(&self.path)
            .and_then(|()| wipe::replace(&self.path, &codec::encode(&sealed)))
            .map_err(|source| self.disk(source))
    }

    /// Two devices' files of one folder cannot be exchanged.
    fn file_name(&self) -> String {
        format!("keys of {}", self.device)
    }

    fn disk(&self, source: std::io::Error) -> KeystoreError {
        KeystoreError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

impl Stored {
    fn period_key(&self) -> Option<PeriodKey> {
        self.key.as_ref().map(|key| PeriodKey(key.0))
    }
}

/// What a hospital's wrap is bound to: device, handle and period.
#[must_use]
pub fn wrap_context(device: &DeviceId, handle: &Handle, period: &Period) -> Vec<u8> {
    codec::encode(&(device, handle, period))
}

/// Ten years of one patient.
const PERIODS_MAX: usize = 4_096;
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How many custodians have to hold a key before it is forgotten.
const ACKNOWLEDGED_MIN: usize = 2;
/// How long a custodian that does not answer is waited for, if others do.
const PATIENCE_DAYS: u32 = 7;
/// How long nothing was sealed under a key before it is forgotten.
const QUIET_MS: u64 = 600_000;
/// How often a day new periods begin because a custodian says so: a few less than custodians take (64).
const TURNS_A_DAY_MAX: u32 = 60;
const LOCK_FILE: &str = "keys.lock";

#[cfg(test)]
mod tests;
