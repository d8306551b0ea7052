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
    /// In the last block of an epoch: the digest of the next epoch's [`ValidatorSet`](crate::validators::ValidatorSet).
    /// Block 0 is the last block of epoch 0.
    pub next_validators: Option<Digest>,
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
