//! What became of a transaction.

use crate::codec::{self, Blob};
use crate::hash::Digest;
use crate::ids::ContractId;
use crate::lane::Lane;
use crate::merkle::{MerkleTree, leaf_digest};
use crate::transaction::TxId;
use alloc::vec::Vec;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(index: u32) -> Receipt {
        Receipt {
            transaction: TxId([1; 32]),
            index,
            lane: Lane::Routine,
            outcome: Outcome::Failed {
                contract: ContractId::new(3),
                code: 2,
            },
            events: vec![Event {
                contract: ContractId::new(3),
                topic: 1,
                data: Blob(vec![1, 2]),
            }],
        }
    }

    /// No bit of a receipt can change without changing its leaf.
    #[test]
    fn any_flipped_bit_of_a_receipt_gives_another_leaf() {
        let bytes = codec::encode(&receipt(0));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = codec::decode::<Receipt>(&changed, 4096) {
                assert_ne!(changed.leaf(), receipt(0).leaf(), "bit {bit}");
            }
        }
    }

    /// Where one event ends and the next begins is part of the leaf.
    #[test]
    fn events_that_run_together_give_another_leaf() {
        let mut split = receipt(0);
        let event = split.events[0].clone();
        split.events = vec![
            Event {
                data: Blob(vec![1]),
                ..event.clone()
            },
            Event {
                data: Blob(vec![2]),
                ..event
            },
        ];

        assert_ne!(split.leaf(), receipt(0).leaf());
    }

    #[test]
    fn the_root_commits_to_every_receipt_their_order_and_number() {
        let roots = [
            receipt_root(&[]),
            receipt_root(&[receipt(0)]),
            receipt_root(&[receipt(0), receipt(1)]),
            receipt_root(&[receipt(1), receipt(0)]),
            receipt_root(&[receipt(0), receipt(0)]),
        ];

        let distinct: std::collections::BTreeSet<_> = roots.iter().collect();

        assert_eq!(distinct.len(), roots.len());
    }
}
