//! Records: sealed readings that stand in the chain.
//!
//! A record lives in the log and not in the state tree. What proves it is its transaction, under the root of a final block, and its
//! receipt, which says that the contract took it and that it was the first of its reading: a transaction alone would also stand there
//! if it was refused.

use crate::calls::{RECORDS, RecordsCall};
use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, GenesisHash, Height};
use crate::proof::{ProofError, Proven, RECEIPT_PROOF_MAX, ReceiptProof};
use crate::reading::{Handle, ReadingId, SealedReading};
use crate::receipt::Outcome;
use crate::transaction::{SignedTransaction, TRANSACTION_MAX, TxId};
use crate::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// Where a reading was first recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstRecord {
    /// The height of its block.
    pub height: Height,
    /// Its transaction.
    pub transaction: TxId,
}

/// What the contract `records` makes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordsEvent {
    /// Topic 1: a reading was recorded.
    Recorded {
        /// The device that sealed it.
        device: DeviceId,
        /// Stands for (relation, category, period).
        handle: Handle,
        /// Names the reading.
        reading: ReadingId,
    },
    /// Topic 2: a reading came again; the first record stands.
    Repeated {
        /// The device that sealed it.
        device: DeviceId,
        /// Names the reading.
        reading: ReadingId,
        /// Where it was first recorded.
        first: FirstRecord,
    },
}

/// Topic of [`RecordsEvent::Recorded`].
pub const RECORDED: u16 = 1;
/// Topic of [`RecordsEvent::Repeated`].
pub const REPEATED: u16 = 2;
/// Upper bound of an encoded [`RecordsEvent`] in bytes.
pub const RECORDS_EVENT_MAX: usize = 256;

/// A record: what a device sealed, and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its transaction.
    pub transaction: TxId,
    /// What was sealed. The envelope opens only with the record's key.
    pub sealed: SealedReading,
}

/// Shows that a sealed reading is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordProof {
    /// The device's transaction as it stands in the block.
    pub transaction: SignedTransaction,
    /// What became of it.
    pub receipt: ReceiptProof,
}

/// Upper bound of an encoded [`RecordProof`] in bytes.
pub const RECORD_PROOF_MAX: usize = TRANSACTION_MAX + RECEIPT_PROOF_MAX;

/// Why a proof shows no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Inclusion, receipt or finality do not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Another signature than the one in the block: the device may have signed twice, only one stands.
    #[error("the transaction in the block has another signature")]
    OtherSignature,
    /// It stands in the chain, but was refused.
    #[error("the transaction stands in the chain, and was refused")]
    Refused,
    /// It is no call that submits a reading.
    #[error("the transaction submits no reading")]
    NotASubmission,
    /// It submits something that is no sealed reading.
    #[error("what was submitted is no sealed reading: {0}")]
    NotAReading(CodecError),
    /// The reading was recorded before, by another transaction, and that one counts.
    #[error("the reading was recorded before, by another transaction")]
    Repeated,
}

impl RecordProof {
    /// Checks inclusion, receipt and finality, and that it was this transaction that recorded its reading.
    ///
    /// # Errors
    /// [`RecordError`] names what is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<Proven<Record>, RecordError> {
        let id = self.transaction.body.id();
        let proven = self.receipt.verify(genesis, validators, &id)?;
        if self.transaction.signature != self.receipt.signature {
            return Err(RecordError::OtherSignature);
        }
        let receipt = proven.value();
        if receipt.outcome != Outcome::Ok {
            return Err(RecordError::Refused);
        }
        let call = &self.transaction.body.call;
        if call.contract != RECORDS {
            return Err(RecordError::NotASubmission);
        }
        let RecordsCall::Submit(sealed) = codec::decode(call.payload.as_slice(), TRANSACTION_MAX)
            .map_err(RecordError::NotAReading)?;
        let is_first = receipt
            .events
            .iter()
            .any(|event| event.contract == RECORDS && event.topic == RECORDED);
        if !is_first {
            return Err(RecordError::Repeated);
        }
        let record = Record {
            transaction: id,
            sealed,
        };
        Ok(proven.map(|_| record))
    }
}

#[cfg(test)]
mod tests;
