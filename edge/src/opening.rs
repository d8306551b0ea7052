//! Opening records with keys that a custodian released: nothing of what node or custodian say is believed (`docs/keys.md`).
//!
//! That the request was allowed, and what it asked for, is in its proven receipt. That a record is the device's is in its proven transaction, whose
//! signer is the device's key then; it has to have signed what its handle stands for, too. What is inside the envelope has to be of the person, kind
//! and day that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use salus_primitives::access::{AccessEvent, AccessRequest, Decision};
use salus_primitives::calls::{ACCESS, RECORDS, RecordsCall};
use salus_primitives::codec::{self, CodecError};
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::custody::{Expected, NotOpened, OpenedKey, Release, ReleaseError};
use salus_primitives::ids::DeviceId;
use salus_primitives::proof::{RECEIPT_PROOF_MAX, ReceiptProof};
use salus_primitives::reading::{Reading, SealedReading};
use salus_primitives::receipt::Outcome;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX, TxId};

use crate::light::{LightClient, LightError};

/// A request that was allowed, as its proven receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Its transaction.
    pub request: TxId,
    /// What it asked for.
    pub asked: AccessRequest,
}

/// A record that is proven to stand in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRecord {
    /// What the device sealed.
    pub sealed: SealedReading,
    /// The key that the device signed it with.
    pub signer: PublicKey,
}

/// Why nothing is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// A proof does not hold, or for an epoch that is not known.
    #[error(transparent)]
    Light(#[from] LightError),
    /// The receipt is proven, and says nothing of a request.
    #[error("transaction {0} is no request, or failed")]
    NoRequest(TxId),
    /// The receipt is proven, and the request was denied.
    #[error("the request {0} was denied")]
    Denied(TxId),
    /// The bytes are none of what they should be.
    #[error("{what}: {source}")]
    Malformed {
        /// What they should be.
        what: &'static str,
        /// Why they are not.
        source: CodecError,
    },
    /// The transaction is proven, and submitted no reading, or another transaction stands there.
    #[error("transaction {0} is not the record of a reading")]
    NoRecord(TxId),
    /// The custodian is not to be believed.
    #[error("the release is not to be believed: {0}")]
    Release(#[from] ReleaseError),
}

/// What a receipt proof says of a request.
///
/// # Errors
/// [`OpeningError`].
pub fn allowed(client: &LightClient, proof: &[u8]) -> Result<Allowed, OpeningError> {
    let proven = client.any_receipt(proof)?;
    let receipt = proven.value();
    let none = || OpeningError::NoRequest(receipt.transaction);
    let decided = receipt
        .events
        .iter()
        .filter(|event| event.contract == ACCESS)
        .find_map(|event| {
            let data = event.data.as_slice();
            match codec::decode(data, data.len()) {
                Ok(AccessEvent::Decided {
                    request,
                    asked,
                    decision,
                    ..
                }) => Some((Allowed { request, asked }, decision)),
                Ok(_) | Err(_) => None,
            }
        });
    let (allowed, decision) = decided.ok_or_else(none)?;
    if receipt.outcome != Outcome::Ok || allowed.request != receipt.transaction {
        return Err(none());
    }
    match decision {
        Decision::Allowed { .. } => Ok(allowed),
        Decision::Denied => Err(OpeningError::Denied(receipt.transaction)),
    }
}

/// The record that a transaction and the proof of its receipt, encoded one after the other, show.
///
/// # Errors
/// [`OpeningError`].
pub fn record(client: &LightClient, bytes: &[u8]) -> Result<ProvenRecord, OpeningError> {
    let (transaction, proof): (SignedTransaction, ReceiptProof) = codec::decode(bytes, RECORD_MAX)
        .map_err(|source| OpeningError::Malformed {
            what: "the proof of a record",
            source,
        })?;
    let id = transaction.body.id();
    let none = || OpeningError::NoRecord(id);
    let proven = client.receipt(&codec::encode(&proof), &id)?;
    if proven.value().outcome != Outcome::Ok
        || proof.signature != transaction.signature
        || transaction.body.call.contract != RECORDS
    {
        return Err(none());
    }
    let payload = transaction.body.call.payload.as_slice();
    let RecordsCall::Submit(sealed) =
        codec::decode(payload, TRANSACTION_MAX).map_err(|_| none())?;
    Ok(ProvenRecord {
        sealed,
        signer: transaction.body.sender,
    })
}

/// Checks a release and opens records with its keys. Says of each record what is in it, or why it stays shut.
///
/// # Errors
/// [`OpeningError`]: then the custodian is not to be believed in anything.
pub fn open(
    expected: &Expected,
    release: &Signed<Release>,
    recipient: &ExchangeSecret,
    records: &[ProvenRecord],
) -> Result<Vec<Result<Reading, NotOpened>>, OpeningError> {
    let mut signers: BTreeMap<DeviceId, BTreeSet<PublicKey>> = BTreeMap::new();
    for record in records {
        let of_device = signers.entry(record.sealed.device).or_default();
        of_device.insert(record.signer);
    }
    let keys = release.open(expected, recipient, |device| {
        let signers = signers.get(device);
        signers.into_iter().flatten().copied().collect()
    })?;
    Ok(records
        .iter()
        .map(|record| open_one(expected, &keys, &record.sealed))
        .collect())
}

fn open_one(
    expected: &Expected,
    keys: &[OpenedKey],
    sealed: &SealedReading,
) -> Result<Reading, NotOpened> {
    keys.iter()
        .find(|key| (key.claim.device, key.claim.handle) == (sealed.device, sealed.handle))
        .ok_or(NotOpened::OtherRecord)?
        .open(expected.genesis, sealed)
}

/// Upper bound of the proof of a record in bytes.
pub const RECORD_MAX: usize = TRANSACTION_MAX + RECEIPT_PROOF_MAX;
