//! From a device to a custodian.

use super::{Period, PeriodClaim, WrapContext};
use crate::codec;
use crate::crypto::exchange::{ExchangePublic, ExchangeSecret, WrapError, Wrapped};
use crate::crypto::sign::{PublicKey, Signer};
use crate::hash::Digest;
use crate::ids::{DeviceId, EntityId, GenesisHash, Height};
use crate::namespace::Domain;
use crate::reading::PeriodKey;
use crate::signed::{BadSignature, Signable, Signed, Verified};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// A device asks a custodian for the one-time key of a period. Asked again, it gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyRequest {
    /// Whom it asks.
    pub custodian: EntityId,
    /// Who asks.
    pub device: DeviceId,
    /// For which period.
    pub period: Period,
}

/// A custodian's one-time key: for one period of one device. Its secret part is never used for anything else, and goes with the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prekey {
    /// Whose.
    pub custodian: EntityId,
    /// For which device.
    pub device: DeviceId,
    /// For which period.
    pub period: Period,
    /// The public part, which names it.
    pub key: ExchangePublic,
    /// How often something that permitted access to the subject's data has ended, in the final state that the custodian knows. When it grows, the device
    /// begins another period.
    pub generation: u64,
    /// The height of that state.
    pub height: Height,
}

/// A period key, for one custodian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// For whom.
    pub custodian: EntityId,
    /// The one-time key that it is wrapped to.
    pub prekey: ExchangePublic,
    /// What the key covers, in words that the custodian can pass on.
    pub claim: Signed<PeriodClaim>,
    /// The period key.
    pub wrapped: Wrapped,
}

/// A custodian has unwrapped a deposit, has found it to be what it says, and holds it durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositReceipt {
    /// Who.
    pub custodian: EntityId,
    /// What: [`Deposit`]'s content.
    pub deposit: Digest,
}

/// A one-time key is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrekeyError {
    /// The custodian did not sign it.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// It is another custodian's, or for another device or period.
    #[error("the one-time key is for something else than was asked for")]
    ForSomethingElse,
}

/// A device cannot deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDeposited {
    /// The one-time key is not usable.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The claim is about another device or period than the one-time key is for, or about another key.
    #[error("the one-time key is for another period than the key to deposit")]
    OtherPeriod,
}

/// A deposit is not what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    /// The device signed neither this, nor this on this chain.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// It is for another custodian, or another one-time key.
    #[error("the deposit is for another custodian or another one-time key")]
    ForSomethingElse,
    /// The wrap does not open.
    #[error(transparent)]
    Closed(#[from] WrapError),
    /// What was wrapped is not the key of the handle.
    #[error("the wrapped key is not that of the handle")]
    OtherKey,
}

impl Signable for PrekeyRequest {
    const DOMAIN: Domain = Domain::PrekeyRequest;

    fn content(&self) -> Digest {
        Domain::PrekeyRequest.hash(&[&codec::encode(self)])
    }
}

impl Signable for Prekey {
    const DOMAIN: Domain = Domain::PrekeySignature;

    fn content(&self) -> Digest {
        Domain::PrekeySignature.hash(&[&codec::encode(self)])
    }
}

impl Signable for Deposit {
    const DOMAIN: Domain = Domain::DepositSignature;

    fn content(&self) -> Digest {
        Domain::DepositSignature.hash(&[&codec::encode(self)])
    }
}

impl Signable for DepositReceipt {
    const DOMAIN: Domain = Domain::DepositReceipt;

    fn content(&self) -> Digest {
        Domain::DepositReceipt.hash(&[&codec::encode(self)])
    }
}

impl Signed<Prekey> {
    /// Checks, as the device, that this answers `asked`.
    ///
    /// # Errors
    /// [`PrekeyError`]; nothing may be wrapped to this key then.
    pub fn answering(
        self,
        genesis: GenesisHash,
        asked: &PrekeyRequest,
        custody_key: &PublicKey,
    ) -> Result<Verified<Prekey>, PrekeyError> {
        let Prekey {
            custodian,
            device,
            period,
            ..
        } = self.body;
        let answered = PrekeyRequest {
            custodian,
            device,
            period,
        };
        if answered != *asked {
            return Err(PrekeyError::ForSomethingElse);
        }
        Ok(self.verify(genesis, custody_key)?)
    }
}

impl Deposit {
    /// Wraps a period's key to a one-time key and signs both, as the device.
    ///
    /// # Errors
    /// [`NotDeposited`].
    pub fn make(
        genesis: GenesisHash,
        device: &Signer,
        claim: Signed<PeriodClaim>,
        key: &PeriodKey,
        prekey: &Verified<Prekey>,
        entropy: &mut impl CryptoRng,
    ) -> Result<Verified<Self>, NotDeposited> {
        let prekey = prekey.body();
        let PeriodClaim {
            device: of,
            period,
            handle,
        } = claim.body;
        if (prekey.device, prekey.period, key.handle()) != (of, period, handle) {
            return Err(NotDeposited::OtherPeriod);
        }
        let context = WrapContext::Deposit {
            genesis,
            custodian: prekey.custodian,
            prekey: prekey.key,
            claim: claim.body,
        };
        let wrapped = prekey.key.wrap(&key.0, &context.bytes(), entropy)?;
        let deposit = Self {
            custodian: prekey.custodian,
            prekey: prekey.key,
            claim,
            wrapped,
        };
        Ok(Signed::sign(deposit, genesis, device))
    }
}

impl Signed<Deposit> {
    /// Checks and opens a deposit, as the custodian. Whether the device may deposit for this person is the chain's to say.
    ///
    /// # Errors
    /// [`DepositError`]; it is not to be kept then.
    pub fn open(
        &self,
        genesis: GenesisHash,
        custodian: &EntityId,
        device_key: &PublicKey,
        prekey: &ExchangeSecret,
    ) -> Result<PeriodKey, DepositError> {
        let deposit = &self.body;
        if deposit.custodian != *custodian || deposit.prekey != prekey.public() {
            return Err(DepositError::ForSomethingElse);
        }
        self.clone().verify(genesis, device_key)?;
        deposit.claim.clone().verify(genesis, device_key)?;
        deposit.unwrap_key(genesis, prekey)
    }
}

impl Deposit {
    /// Opens a deposit that was checked when it came, without checking its signatures again: device keys change.
    ///
    /// # Errors
    /// [`DepositError`] if it is not to this one-time key, or was changed.
    pub fn unwrap_key(
        &self,
        genesis: GenesisHash,
        prekey: &ExchangeSecret,
    ) -> Result<PeriodKey, DepositError> {
        let context = WrapContext::Deposit {
            genesis,
            custodian: self.custodian,
            prekey: self.prekey,
            claim: self.claim.body,
        };
        let bytes = prekey.unwrap(&self.wrapped, &context.bytes())?;
        let key = bytes
            .as_slice()
            .try_into()
            .map(PeriodKey)
            .map_err(|_| DepositError::OtherKey)?;
        if key.handle() != self.claim.body.handle {
            return Err(DepositError::OtherKey);
        }
        Ok(key)
    }
}

impl Signed<DepositReceipt> {
    /// Whether `custody_key` signed here that it holds just this deposit.
    #[must_use]
    pub fn is_for(
        &self,
        genesis: GenesisHash,
        deposit: &Verified<Deposit>,
        custody_key: &PublicKey,
    ) -> bool {
        let expected = DepositReceipt {
            custodian: deposit.body().custodian,
            deposit: *deposit.content(),
        };
        self.body == expected && self.clone().verify(genesis, custody_key).is_ok()
    }
}
