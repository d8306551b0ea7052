//! Giving period keys into the custody of others (`docs/keys.md`).
//!
//! For each key that the [`Keystore`] holds of a person with custodians, a `round` asks each of them for a one-time key, wraps the period key to it, hands
//! that in, and keeps the signed receipt. The custodian's answer also tells how often something that permitted access to the person's data has
//! ended; when that grows, new readings get another key. What is over and acknowledged is forgotten, and what all custodians say was ordered to be
//! erased, at once.
//!
//! A custodian that is away, or answers something else than was asked, is asked again in the next round: until then the key stays here. Sealing
//! never waits for any of this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand_core::CryptoRng;
use salus_primitives::access::Sensitivity;
use salus_primitives::calls::{CUSTODIANS_MAX, CUSTODIANS_MIN};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::custody::{
    Deposit, DepositReceipt, NotDeposited, Period, Prekey, PrekeyError, PrekeyRequest,
};
use salus_primitives::ids::{EntityId, GenesisHash};
use salus_primitives::reading::Pseudonym;
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use serde::Deserialize;

use crate::device::Device;
use crate::http::HttpUrl;
use crate::keystore::{Keystore, KeystoreError};

/// Who is at which bed, and who holds the keys of their records. From a file; `Custody::default()` is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custody {
    patients: BTreeMap<u32, Patient>,
    custodians: BTreeMap<EntityId, Custodian>,
}

/// A patient whose keys are given into custody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// Its pseudonym in the relation with the device's owner.
    pub person: Pseudonym,
    /// How sensitive what is measured at its bed is.
    pub sensitivity: Sensitivity,
    /// Who holds the keys: two to five.
    pub custodians: Vec<EntityId>,
}

/// Where a custodian's key service is, and what it signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custodian {
    /// The key that the chain has of it.
    pub key: PublicKey,
    /// The API of its node.
    pub url: HttpUrl,
}

/// Why a custody file is refused.
#[derive(Debug, thiserror::Error)]
pub enum CustodyFileError {
    /// The disk refuses.
    #[error("cannot read the file")]
    Read(#[from] std::io::Error),
    /// It is not the JSON that is expected.
    #[error("not a custody file: {0}")]
    Syntax(#[from] serde_json::Error),
    /// An address is none.
    #[error("the address of custodian {name}: {source}")]
    Address {
        /// Whose.
        name: String,
        /// Why.
        source: crate::http::UrlError,
    },
    /// A name stands for two custodians, or a bed for two patients.
    #[error("{0} stands there twice")]
    Twice(String),
    /// A patient's custodian is not described.
    #[error("bed {bed} names the custodian {name}, which is not described")]
    Unknown {
        /// The bed.
        bed: u32,
        /// The custodian.
        name: String,
    },
    /// Too few or too many.
    #[error("bed {bed} needs {CUSTODIANS_MIN} to {CUSTODIANS_MAX} different custodians")]
    Count {
        /// The bed.
        bed: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustodyFile {
    custodians: Vec<CustodianEntry>,
    patients: Vec<PatientEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustodianEntry {
    name: String,
    key: PublicKey,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatientEntry {
    bed: u32,
    person: Pseudonym,
    #[serde(default = "normal")]
    sensitivity: Sensitivity,
    custodians: Vec<String>,
}

const fn normal() -> Sensitivity {
    Sensitivity::Normal
}

impl Custody {
    /// Reads a custody file.
    ///
    /// # Errors
    /// [`CustodyFileError`].
    pub fn read(path: &Path) -> Result<Self, CustodyFileError> {
        let bytes = crate::files::read(path, FILE_BYTES_MAX)?
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        Self::parse(&bytes)
    }

    /// What a custody file says.
    ///
    /// # Errors
    /// [`CustodyFileError`].
    pub fn parse(json: &[u8]) -> Result<Self, CustodyFileError> {
        let file: CustodyFile = serde_json::from_slice(json)?;
        let mut custody = Self::default();
        for CustodianEntry { name, key, url } in file.custodians {
            let url = url.parse().map_err(|source| CustodyFileError::Address {
                name: name.clone(),
                source,
            })?;
            let described = Custodian { key, url };
            if custody
                .custodians
                .insert(EntityId::of_name(&name), described)
                .is_some()
            {
                return Err(CustodyFileError::Twice(format!("custodian {name}")));
            }
        }
        for entry in file.patients {
            let bed = entry.bed;
            let mut custodians = BTreeSet::new();
            for name in &entry.custodians {
                let id = EntityId::of_name(name);
                if !custody.custodians.contains_key(&id) {
                    let name = name.clone();
                    return Err(CustodyFileError::Unknown { bed, name });
                }
                custodians.insert(id);
            }
            if custodians.len() != entry.custodians.len()
                || !(CUSTODIANS_MIN..=CUSTODIANS_MAX).contains(&custodians.len())
            {
                return Err(CustodyFileError::Count { bed });
            }
            let patient = Patient {
                person: entry.person,
                sensitivity: entry.sensitivity,
                custodians: custodians.into_iter().collect(),
            };
            if custody.patients.insert(bed, patient).is_some() {
                return Err(CustodyFileError::Twice(format!("bed {bed}")));
            }
        }
        Ok(custody)
    }

    /// Whether no keys are given into custody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }

    /// The patient at a bed, if it is one of these.
    #[must_use]
    pub fn at_bed(&self, bed: u32) -> Option<&Patient> {
        self.patients.get(&bed)
    }

    /// Who holds the keys of a person's records, if it is one of these.
    #[must_use]
    pub fn custodians_of(&self, person: &Pseudonym) -> Option<&[EntityId]> {
        self.patients
            .values()
            .find(|patient| patient.person == *person)
            .map(|patient| &patient.custodians[..])
    }

    /// A custodian.
    #[must_use]
    pub fn custodian(&self, id: &EntityId) -> Option<&Custodian> {
        self.custodians.get(id)
    }
}

/// A custodian did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It is away, or has no time now.
    #[error("no answer: {0}")]
    Away(String),
    /// The keys of this period were ordered to be destroyed.
    #[error("the period was ordered to be erased")]
    Erased,
    /// It refuses for another reason.
    #[error("refused: {0}")]
    Refused(String),
    /// It answers something else than was asked.
    #[error("a wrong answer: {0}")]
    Wrong(String),
}

impl From<PrekeyError> for CallError {
    fn from(error: PrekeyError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<NotDeposited> for CallError {
    fn from(error: NotDeposited) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// How key services are reached: over HTTP, or in a test's memory. What they answer is checked by who asks.
pub trait KeyServices {
    /// Asks one for a one-time key.
    ///
    /// # Errors
    /// [`CallError`].
    fn prekey(
        &self,
        custodian: &EntityId,
        asked: &Signed<PrekeyRequest>,
    ) -> Result<Signed<Prekey>, CallError>;

    /// Hands a deposit in.
    ///
    /// # Errors
    /// [`CallError`].
    fn deposit(
        &self,
        custodian: &EntityId,
        deposit: &Signed<Deposit>,
    ) -> Result<Signed<DepositReceipt>, CallError>;
}

/// What came of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many deposits were acknowledged.
    pub deposited: usize,
    /// How many are still to be made.
    pub missing: usize,
    /// How many keys were forgotten.
    pub forgotten: usize,
    /// How many persons' next readings get another key.
    pub turned: usize,
    /// What went wrong, each custodian once.
    pub failures: BTreeMap<EntityId, String>,
}

/// A device that deposits.
#[derive(Clone, Copy, Debug)]
pub struct Depositor<'a> {
    /// The chain.
    pub genesis: GenesisHash,
    /// Who deposits.
    pub device: &'a Device,
    /// For whom, and with whom.
    pub custody: &'a Custody,
}

impl Depositor<'_> {
    /// Deposits what can be, and forgets what may be.
    ///
    /// # Errors
    /// [`KeystoreError`]: nothing that was not durable has been relied on.
    pub fn round(
        &self,
        keystore: &Mutex<Keystore>,
        services: &impl KeyServices,
        now: Timestamp,
        entropy: &mut impl CryptoRng,
    ) -> Result<Round, KeystoreError> {
        let mut round = Round::default();
        let held = lock(keystore).held();
        let mut turned: BTreeMap<Pseudonym, u64> = BTreeMap::new();
        for period in held {
            let Some(custodians) = self.custody.custodians_of(&period.subject) else {
                continue;
            };
            let mut erased = 0usize;
            for custodian in custodians {
                // who was away a moment ago is asked in the next round
                if round.failures.contains_key(custodian) {
                    round.missing = round.missing.saturating_add(1);
                    continue;
                }
                match self.deposit(keystore, services, custodian, &period, entropy)? {
                    Ok((generation, is_new)) => {
                        round.deposited = round.deposited.saturating_add(usize::from(is_new));
                        let most = turned.entry(period.subject).or_default();
                        *most = generation.max(*most);
                    }
                    Err(CallError::Erased) => erased = erased.saturating_add(1),
                    Err(error) => {
                        round.missing = round.missing.saturating_add(1);
                        round.failures.insert(*custodian, error.to_string());
                    }
                }
            }
            // all of them: one that lies about it must not make this device lose the only key
            if erased == custodians.len() {
                lock(keystore).forget(&[period])?;
                round.forgotten = round.forgotten.saturating_add(1);
            }
        }
        let mut keystore = lock(keystore);
        for (subject, generation) in turned {
            let is_new = keystore.turned(&subject, generation, now)?;
            round.turned = round.turned.saturating_add(usize::from(is_new));
        }
        let forgotten =
            keystore.forget_what_is_over(now, |person| self.custody.custodians_of(person))?;
        round.forgotten = round.forgotten.saturating_add(forgotten);
        Ok(round)
    }

    /// One key to one custodian, if it has not acknowledged it yet. Says how often permissions have ended, as it knows, and whether the receipt is new.
    fn deposit(
        &self,
        keystore: &Mutex<Keystore>,
        services: &impl KeyServices,
        custodian: &EntityId,
        period: &Period,
        entropy: &mut impl CryptoRng,
    ) -> Result<Result<(u64, bool), CallError>, KeystoreError> {
        let Some(described) = self.custody.custodian(custodian) else {
            return Ok(Err(CallError::Refused("it is not described".into())));
        };
        let request = PrekeyRequest {
            custodian: *custodian,
            device: self.device.id(),
            period: *period,
        };
        let asked = Signed::sign(request, self.genesis, self.device.signer()).into_signed();
        let prekey = services
            .prekey(custodian, &asked)
            .and_then(|prekey| Ok(prekey.answering(self.genesis, &request, &described.key)?));
        let prekey = match prekey {
            Ok(prekey) => prekey,
            Err(error) => return Ok(Err(error)),
        };
        let generation = prekey.body().generation;
        let (key, claim) = {
            let keystore = lock(keystore);
            let is_acknowledged = keystore
                .receipts(period)
                .iter()
                .any(|receipt| receipt.body.custodian == *custodian);
            match (keystore.key(period), keystore.claim(period)) {
                (Some(key), Some(claim)) if !is_acknowledged => (key, claim),
                (_, _) => return Ok(Ok((generation, false))),
            }
        };
        let claim = Signed::sign(claim, self.genesis, self.device.signer()).into_signed();
        let signer = self.device.signer();
        let deposit = match Deposit::make(self.genesis, signer, claim, &key, &prekey, entropy) {
            Ok(deposit) => deposit,
            Err(error) => return Ok(Err(error.into())),
        };
        let receipt = match services.deposit(custodian, deposit.signed()) {
            Ok(receipt) => receipt,
            Err(error) => return Ok(Err(error)),
        };
        if !receipt.is_for(self.genesis, &deposit, &described.key) {
            return Ok(Err(CallError::Wrong("a receipt for something else".into())));
        }
        lock(keystore).acknowledge(period, receipt)?;
        Ok(Ok((generation, true)))
    }
}

/// No code panics while it holds this lock.
pub(crate) fn lock(keystore: &Mutex<Keystore>) -> MutexGuard<'_, Keystore> {
    keystore.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thousand patients.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
