//! Headers and blocks.

use crate::codec;
use crate::hash::Digest;
use crate::ids::{BlockId, Epoch, GenesisHash, Height, Seat, View};
use crate::lane::Lane;
use crate::merkle::MerkleTree;
use crate::namespace::Domain;
use crate::state::StateRoot;
use crate::time::Timestamp;
use crate::transaction::SignedTransaction;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How a block is attested and filled (ssHealth): follows from its lane and the parent's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockConfig {
    /// How many verifiers attest; the paper's `m`.
    pub verifier_count: u16,
    /// How many transactions it may hold at most; the paper's `theta`.
    pub transaction_limit: u32,
    /// The verifiers, ascending.
    pub committee: Vec<Seat>,
}

/// Everything about a block but its transactions. The block's id is the hash of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Position in the chain.
    pub height: Height,
    /// The epoch whose validators decide on it.
    pub epoch: Epoch,
    /// The view it was first proposed in.
    pub view: View,
    /// The block before it. Zero for block 0.
    pub parent: BlockId,
    /// Greater than the parent's.
    pub time: Timestamp,
    /// Who proposed it first: the block manager of `view`.
    pub manager: Seat,
    /// The lane all its transactions are in.
    pub lane: Lane,
    /// Verifiers and limits.
    pub config: BlockConfig,
    /// How many transactions it holds.
    pub transaction_count: u32,
    /// Merkle root over ids *and* signatures of its transactions.
    pub transaction_root: Digest,
    /// Root of the state after the parent. In block 0: of the genesis state.
    pub parent_state_root: StateRoot,
    /// Merkle root of the parent's receipts.
    pub parent_receipt_root: Digest,
    /// In the last block of an epoch: the digest of the next epoch's [`EpochConfig`](crate::epoch::EpochConfig): who decides in it and
    /// how its blocks are configured. Block 0 is the last block of epoch 0.
    pub next_epoch: Option<Digest>,
}

impl Header {
    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        Domain::BlockId.hash(&[&codec::encode(self)]).into()
    }

    /// The chain's name, if this is block 0.
    #[must_use]
    pub fn genesis_hash(&self) -> Option<GenesisHash> {
        (self.height == Height::ZERO).then(|| GenesisHash(self.id().0))
    }
}

/// A header with its transactions. Whether they belong together is for [`Block::body_matches`] to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions in the order they are executed.
    pub transactions: Vec<SignedTransaction>,
}

/// Upper bound of an encoded block in bytes.
pub const BLOCK_MAX: usize = 3 * 1024 * 1024;

impl Block {
    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// Whether the transactions are those the header commits to.
    #[must_use]
    pub fn body_matches(&self) -> bool {
        u32::try_from(self.transactions.len()) == Ok(self.header.transaction_count)
            && transaction_root(&self.transactions) == self.header.transaction_root
    }
}

/// The transaction root of a list of transactions.
#[must_use]
pub fn transaction_root(transactions: &[SignedTransaction]) -> Digest {
    MerkleTree::new(transactions.iter().map(SignedTransaction::leaf).collect()).root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sign::{PublicKey, Signature};
    use crate::ids::{ContractId, EntityId};
    use crate::signed::Signed;
    use crate::transaction::{Call, Transaction};

    fn header() -> Header {
        Header {
            height: Height::new(7),
            epoch: Epoch::new(1),
            view: View::new(9),
            parent: BlockId([1; 32]),
            time: Timestamp::from_millis(1),
            manager: Seat::new(2),
            lane: Lane::Monitoring,
            config: BlockConfig {
                verifier_count: 2,
                transaction_limit: 8,
                committee: vec![Seat::new(0), Seat::new(2)],
            },
            transaction_count: 0,
            transaction_root: transaction_root(&[]),
            parent_state_root: StateRoot([2; 32]),
            parent_receipt_root: Digest([3; 32]),
            next_epoch: None,
        }
    }

    fn transaction(n: u8) -> SignedTransaction {
        Signed {
            body: Transaction {
                genesis: GenesisHash([1; 32]),
                sender: PublicKey([n; 32]),
                entity: EntityId([4; 32]),
                lane: Lane::Monitoring,
                valid_until: Height::new(9),
                nonce: [n; 16],
                call: Call::new(ContractId::new(1), &n),
            },
            signature: Signature([n; 64]),
        }
    }

    fn block(count: u8) -> Block {
        let transactions: Vec<_> = (0..count).map(transaction).collect();
        let header = Header {
            transaction_count: count.into(),
            transaction_root: transaction_root(&transactions),
            ..header()
        };
        Block {
            header,
            transactions,
        }
    }

    /// No bit of a header can change without changing the block's id.
    #[test]
    fn any_flipped_bit_of_a_header_gives_another_id() {
        let bytes = codec::encode(&header());
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = codec::decode::<Header>(&changed, 4096) {
                assert_ne!(changed.id(), header().id(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_block_is_named_by_its_header_and_only_block_0_names_a_chain() {
        let mut block = block(2);

        assert_eq!(block.id(), block.header.id());
        assert_eq!(block.header.genesis_hash(), None);
        block.header.height = Height::ZERO;
        assert_eq!(
            block.header.genesis_hash(),
            Some(GenesisHash(block.header.id().0))
        );
    }

    /// A body that lacks, repeats, reorders or replaces a transaction, or only its signature, is another body.
    #[test]
    fn only_the_committed_transactions_match_the_header() {
        for count in [0, 1, 2, 5] {
            assert!(block(count).body_matches(), "{count}");
        }
        type Change = fn(&mut Block);
        let changes: [(&str, Change); 6] = [
            ("lacks", |b| drop(b.transactions.pop())),
            ("repeats", |b| b.transactions.push(transaction(4))),
            ("reorders", |b| b.transactions.swap(0, 1)),
            ("replaces", |b| b.transactions[3].body.nonce[0] ^= 1),
            ("signature", |b| b.transactions[3].signature.0[0] ^= 1),
            ("count", |b| b.header.transaction_count += 1),
        ];
        for (name, change) in changes {
            let mut block = block(5);
            change(&mut block);

            assert!(!block.body_matches(), "{name}");
        }
    }
}
