//! From a custodian to who was allowed to see.

use super::{Period, PeriodClaim, RELEASED_KEYS_MAX, WrapContext};
use crate::access::{AccessRequest, Extent};
use crate::codec;
use crate::crypto::cipher::RecordKey;
use crate::crypto::exchange::{ExchangePublic, ExchangeSecret, WrapError, Wrapped};
use crate::crypto::sign::PublicKey;
use crate::hash::Digest;
use crate::ids::{DeviceId, EntityId, GenesisHash};
use crate::namespace::Domain;
use crate::reading::{Handle, OpenError, PeriodKey, Reading, ReadingId, SealedReading};
use crate::signed::{BadSignature, Signable, Signed};
use crate::transaction::TxId;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// What a custodian gives for a request that the chain allowed. Given again, it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The transaction that asked.
    pub request: TxId,
    /// Who releases.
    pub custodian: EntityId,
    /// For whom: the exchange key that the chain has of who asked.
    pub recipient: ExchangePublic,
    /// 1 to [`RELEASED_KEYS_MAX`](super::RELEASED_KEYS_MAX) keys.
    pub keys: Vec<ReleasedKey>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedKey {
    /// What the device said that its period key covers.
    pub claim: Signed<PeriodClaim>,
    /// How much of that this key opens.
    pub scope: KeyScope,
    /// The key.
    pub wrapped: Wrapped,
}

/// How much of a period a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyScope {
    /// All of it: it is the period key.
    Period,
    /// One reading: it is that record's key, if the period has it.
    Record(ReadingId),
}

/// What who asked knows beforehand, none of it from the custodian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The chain.
    pub genesis: GenesisHash,
    /// The transaction that asked.
    pub request: TxId,
    /// What it asked for.
    pub asked: AccessRequest,
    /// Who was asked.
    pub custodian: EntityId,
    /// The key that the chain has of its key service.
    pub custody_key: PublicKey,
}

/// Why a release is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The custodian did not sign it.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// It answers another request, comes from another custodian, or is for another recipient.
    #[error("the release is for another request, of another custodian, or for another recipient")]
    ForSomethingElse,
    /// It has no keys, or more than it may.
    #[error("the release has {0} keys")]
    Count(usize),
    /// It has a key that was not asked for, or one twice.
    #[error("the release has a key of handle {0} that was not asked for, or has it twice")]
    NotAsked(Handle),
    /// The device did not say that the handle stands for the period.
    #[error("device {0} did not sign what its handle is said to stand for")]
    NotClaimed(DeviceId),
    /// A wrap does not open with the recipient's key, for this request.
    #[error("a wrapped key does not open: {0}")]
    Closed(WrapError),
    /// What was wrapped is not the key of the handle.
    #[error("the key released for handle {0} is another one's")]
    OtherKey(Handle),
}

/// A custodian cannot release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReleased {
    /// There is nothing.
    #[error("there is no key to release")]
    Nothing,
    /// More than one release may hold.
    #[error("{0} keys are more than one release holds; ask for fewer days")]
    TooMany(usize),
    /// The recipient's key is not usable.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// Why a reading was not opened with a released key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// The key is of another device or handle, or of another record.
    #[error("the key is for other records")]
    OtherRecord,
    /// The envelope stays closed.
    #[error(transparent)]
    Closed(#[from] OpenError),
    /// What is inside is of another person, kind or day than was claimed.
    #[error("the reading inside is not of the person, kind and day that its key was released for")]
    NotAsClaimed,
}

/// A key that was released, checked and unwrapped.
#[derive(Clone, Debug)]
pub struct OpenedKey {
    /// What the device said that the handle stands for.
    pub claim: PeriodClaim,
    /// The key.
    pub secret: ReleasedSecret,
}

/// The secret of an [`OpenedKey`]; wiped when dropped.
#[derive(Clone, Debug)]
pub enum ReleasedSecret {
    /// Opens every record of the period.
    Period(PeriodKey),
    /// Opens one record.
    Record(ReadingId, RecordKey),
}

impl Signable for Release {
    const DOMAIN: Domain = Domain::ReleaseSignature;

    fn content(&self) -> Digest {
        Domain::ReleaseSignature.hash(&[&codec::encode(self)])
    }
}

impl KeyScope {
    /// What a request for `extent` gets of a period that it names.
    #[must_use]
    pub const fn of(extent: &Extent) -> Self {
        match extent {
            Extent::Reading { reading, .. } => Self::Record(*reading),
            Extent::Days { .. } | Extent::All => Self::Period,
        }
    }
}

/// Whether a key of this device and period is among those that a request asks for.
#[must_use]
pub fn asks_for(asked: &AccessRequest, device: &DeviceId, period: &Period) -> bool {
    let extent = match asked.extent {
        Extent::Reading {
            day, device: of, ..
        } => day == period.day && of == *device,
        Extent::Days { first, last } => first <= period.day && period.day <= last,
        Extent::All => true,
    };
    extent
        && asked.subject == period.subject
        && asked.category == period.category
        && period.sensitivity <= asked.sensitivity
}

impl Release {
    /// Wraps keys for who asked, as the custodian. That the chain allowed it is the caller's to have checked.
    ///
    /// # Errors
    /// [`NotReleased`].
    pub fn make<'a>(
        expected: &Expected,
        recipient: ExchangePublic,
        deposits: impl IntoIterator<Item = (Signed<PeriodClaim>, &'a PeriodKey)>,
        entropy: &mut impl CryptoRng,
    ) -> Result<Self, NotReleased> {
        let mut keys = Vec::new();
        let scope = KeyScope::of(&expected.asked.extent);
        for (claim, key) in deposits {
            let context = expected.context(recipient, claim.body, scope);
            let wrapped = match scope {
                KeyScope::Period => recipient.wrap(&key.0, &context, entropy)?,
                KeyScope::Record(reading) => {
                    recipient.wrap(&key.record_key(&reading).0, &context, entropy)?
                }
            };
            keys.push(ReleasedKey {
                claim,
                scope,
                wrapped,
            });
        }
        match keys.len() {
            0 => Err(NotReleased::Nothing),
            count if count > RELEASED_KEYS_MAX => Err(NotReleased::TooMany(count)),
            _ => Ok(Self {
                request: expected.request,
                custodian: expected.custodian,
                recipient,
                keys,
            }),
        }
    }
}

impl Expected {
    fn context(&self, recipient: ExchangePublic, claim: PeriodClaim, scope: KeyScope) -> Vec<u8> {
        WrapContext::Release {
            genesis: self.genesis,
            custodian: self.custodian,
            request: self.request,
            recipient,
            claim,
            scope,
        }
        .bytes()
    }
}

impl Signed<Release> {
    /// Checks and opens a release, as who asked. `device_keys` tells the keys that a device has or had, as the chain says; keys of a device of which it
    /// tells none are left out, because nothing says what they are for.
    ///
    /// A record's key is not known to be the right one until it opens the record: [`OpenedKey::open`].
    ///
    /// # Errors
    /// [`ReleaseError`]: the custodian is not to be believed in anything then.
    pub fn open(
        &self,
        expected: &Expected,
        recipient: &ExchangeSecret,
        device_keys: impl Fn(&DeviceId) -> Vec<PublicKey>,
    ) -> Result<Vec<OpenedKey>, ReleaseError> {
        let release = &self.body;
        if release.request != expected.request
            || release.custodian != expected.custodian
            || release.recipient != recipient.public()
        {
            return Err(ReleaseError::ForSomethingElse);
        }
        self.clone()
            .verify(expected.genesis, &expected.custody_key)?;
        if release.keys.is_empty() || release.keys.len() > RELEASED_KEYS_MAX {
            return Err(ReleaseError::Count(release.keys.len()));
        }
        let mut opened: Vec<OpenedKey> = Vec::with_capacity(release.keys.len());
        let mut seen = BTreeSet::new();
        for key in &release.keys {
            let claim = key.claim.body;
            if key.scope != KeyScope::of(&expected.asked.extent)
                || !asks_for(&expected.asked, &claim.device, &claim.period)
                || !seen.insert((claim.device, claim.handle))
            {
                return Err(ReleaseError::NotAsked(claim.handle));
            }
            let keys = device_keys(&claim.device);
            if keys.is_empty() {
                continue;
            }
            let claimed = |device_key| {
                let claim = key.claim.clone();
                claim.verify(expected.genesis, device_key).is_ok()
            };
            if !keys.iter().any(claimed) {
                return Err(ReleaseError::NotClaimed(claim.device));
            }
            let context = expected.context(release.recipient, claim, key.scope);
            let bytes = recipient
                .unwrap(&key.wrapped, &context)
                .map_err(ReleaseError::Closed)?;
            let other = || ReleaseError::OtherKey(claim.handle);
            let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| other())?;
            let secret = match key.scope {
                KeyScope::Period => ReleasedSecret::Period(PeriodKey(bytes)),
                KeyScope::Record(reading) => ReleasedSecret::Record(reading, RecordKey(bytes)),
            };
            if let ReleasedSecret::Period(key) = &secret
                && key.handle() != claim.handle
            {
                return Err(other());
            }
            opened.push(OpenedKey { claim, secret });
        }
        Ok(opened)
    }
}

impl OpenedKey {
    /// Opens a record, and checks that it is what the key was said to be for.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, genesis: GenesisHash, sealed: &SealedReading) -> Result<Reading, NotOpened> {
        if (sealed.device, sealed.handle) != (self.claim.device, self.claim.handle) {
            return Err(NotOpened::OtherRecord);
        }
        let reading = match &self.secret {
            ReleasedSecret::Period(key) => {
                sealed.open(genesis, &key.record_key(&sealed.reading))?
            }
            ReleasedSecret::Record(reading, key) if *reading == sealed.reading => {
                sealed.open(genesis, key)?
            }
            ReleasedSecret::Record(..) => return Err(NotOpened::OtherRecord),
        };
        if self.claim.period.holds(&reading) {
            Ok(reading)
        } else {
            Err(NotOpened::NotAsClaimed)
        }
    }
}
