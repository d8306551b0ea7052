//! What became of a transaction.

use crate::codec::{self, Blob};
use crate::hash::Digest;
use crate::ids::ContractId;
use crate::lane::Lane;
use crate::merkle::{MerkleTree, leaf_digest};
use crate::transaction::TxId;
use serde::{Deserialize, Serialize};

/// Something a contract made known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which contract.
    pub contract: ContractId,
    /// What kind of event, by the contract's own numbering.
    pub topic: u16,
    /// The contract's own event type, in canonical encoding.
    pub data: Blob,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its writes and events took effect.
    Ok,
    /// It was refused and left no writes and no events.
    Failed {
        /// Who refused: a contract, or the executor.
        contract: ContractId,
        /// The stable code of the reason, see the contract's `Error`.
        code: u16,
    },
}

/// The record of one executed transaction. Its block's successor commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which transaction.
    pub transaction: TxId,
    /// Position in its block.
    pub index: u32,
    /// The lane it was counted in.
    pub lane: Lane,
    /// How it ended.
    pub outcome: Outcome,
    /// What it made known, in order.
    pub events: Vec<Event>,
}

impl Receipt {
    /// The leaf of this receipt in its block's receipt root.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        leaf_digest(&codec::encode(self))
    }
}

/// The receipt root of a block.
#[must_use]
pub fn receipt_root(receipts: &[Receipt]) -> Digest {
    MerkleTree::new(receipts.iter().map(Receipt::leaf).collect()).root()
}
