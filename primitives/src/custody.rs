//! Keys in custody: what devices, custodians and those who ask say to one another off chain (`docs/keys.md`).
//!
//! A device makes a period key, seals readings under it, and deposits it with each of the person's custodians, wrapped to a one-time key
//! of that custodian. A custodian releases it to whom the chain allowed, wrapped anew. Every message is signed by who makes it and bound
//! to its chain; every wrap is bound to all that it stands for, so that none can be passed off as another:
//!
//! | message | signed by | says |
//! |---|---|---|
//! | [`PrekeyRequest`] | device | give me a one-time key for this period |
//! | [`Prekey`] | custodian | this one, for that period and no other |
//! | [`PeriodClaim`] | device | this handle stands for this period |
//! | [`Deposit`] | device | here is its key, for that one-time key |
//! | [`DepositReceipt`] | custodian | I hold it durably |
//! | [`Release`] | custodian | here are the keys that your request opens |
//!
//! Whoever is allowed to see a period gets the device's claim with the key, and the reading inside an envelope names subject, category and time
//! once more; so a custodian that hands out another key, or a right key under a wrong name, is noticed
//! (`Signed::<Release>::open`, [`OpenedKey::open`]).

mod deposit;
mod release;

#[cfg(test)]
mod tests;

pub use deposit::{
    Deposit, DepositError, DepositReceipt, NotDeposited, Prekey, PrekeyError, PrekeyRequest,
};
pub use release::{
    Expected, KeyScope, NotOpened, NotReleased, OpenedKey, Release, ReleaseError, ReleasedKey,
    ReleasedSecret, asks_for,
};

use crate::access::Sensitivity;
use crate::codec;
use crate::crypto::exchange::ExchangePublic;
use crate::hash::Digest;
use crate::ids::{DeviceId, EntityId, GenesisHash};
use crate::namespace::Domain;
use crate::reading::{Category, Handle, Pseudonym, Reading};
use crate::signed::Signable;
use crate::time::Timestamp;
use crate::transaction::TxId;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What one period key covers, on one device: one patient, one kind of data, one sensitivity, one day at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// How sensitive.
    pub sensitivity: Sensitivity,
    /// Which day: whole days since 1 January 1970, UTC.
    pub day: u32,
    /// Which of this day, ascending: a device begins another when something that permitted has ended, so that who saw the one cannot open the next.
    pub generation: u64,
}

/// What a device says that a handle stands for. On chain, only the handle shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodClaim {
    /// Which device.
    pub device: DeviceId,
    /// What its key covers.
    pub period: Period,
    /// The handle of that key.
    pub handle: Handle,
}

/// The day of a moment: whole days since 1 January 1970, UTC. Saturates some eleven million years later.
#[must_use]
pub fn day_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_millis() / DAY_MS).unwrap_or(u32::MAX)
}

impl Period {
    /// Whether a reading belongs to this period. The reading does not know its sensitivity or generation.
    #[must_use]
    pub fn holds(&self, reading: &Reading) -> bool {
        reading.subject == self.subject
            && reading.category == self.category
            && day_of(reading.taken_at) == self.day
    }
}

impl Signable for PeriodClaim {
    const DOMAIN: Domain = Domain::PeriodClaim;

    fn content(&self) -> Digest {
        Domain::PeriodClaim.hash(&[&codec::encode(self)])
    }
}

/// What a wrap stands for. Its encoding is authenticated with the wrap: opened as anything else, it stays closed.
#[derive(Serialize)]
enum WrapContext {
    /// A period key on its way from a device to a custodian.
    Deposit {
        genesis: GenesisHash,
        custodian: EntityId,
        prekey: ExchangePublic,
        claim: PeriodClaim,
    },
    /// A key on its way from a custodian to who asked.
    Release {
        genesis: GenesisHash,
        custodian: EntityId,
        request: TxId,
        recipient: ExchangePublic,
        claim: PeriodClaim,
        scope: KeyScope,
    },
}

impl WrapContext {
    fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;
/// Upper bound of an encoded, signed [`PrekeyRequest`], [`Prekey`], [`Deposit`] or [`DepositReceipt`] in bytes.
pub const CUSTODY_MESSAGE_MAX: usize = 1_024;
/// Most keys in one [`Release`].
pub const RELEASED_KEYS_MAX: usize = 4_096;
/// Upper bound of an encoded, signed [`Release`] in bytes.
pub const RELEASE_MAX: usize = 1_536 * 1_024;
