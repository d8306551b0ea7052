//! Block 0 and everything that follows from it.

use crate::genesis::Genesis;
use salus_contracts::genesis::{GenesisMember, genesis_writes};
use salus_primitives::block::{Block, BlockConfig, Header, transaction_root};
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{BlockId, Epoch, GenesisHash, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::BlockPolicy;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::proof::GenesisAnchor;
use salus_primitives::receipt::receipt_root;
use salus_primitives::state::{StateRoot, WriteSet};
use salus_primitives::state_tree;

/// Where a chain begins. A pure function of the [`Genesis`]: the same bytes on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisBlock {
    /// The chain's name for people.
    pub chain: String,
    /// Block 0. It holds no transactions.
    pub block: Block,
    /// The state it begins with, over an empty one.
    pub writes: WriteSet,
    /// Epoch 1, which block 0 names.
    pub first: EpochConfig,
    /// Epoch 2, which block 0 elects: the same validators with the same weights.
    pub second: EpochConfig,
    /// The parameters of the chain.
    pub parameters: ChainParameters,
    /// What is said of lanes until governance changes it.
    pub policy: BlockPolicy,
    /// The members, ascending by entity id. In a chain with more members than seats not all of them are validators.
    pub members: Vec<GenesisMember>,
    /// The id of block 0: the chain's name for machines.
    pub hash: GenesisHash,
    /// What light clients start from.
    pub anchor: GenesisAnchor,
}

impl Genesis {
    /// Builds block 0.
    ///
    /// It is the last block of epoch 0 and names epoch 1. It has no parent; the state root that its header
    /// carries, in other blocks the parent's, is that of the genesis state.
    #[must_use]
    pub fn build(self) -> GenesisBlock {
        let writes = genesis_writes(
            &self.members,
            &self.parameters,
            &self.policy,
            self.participation_percent,
            &self.chain,
        );
        let header = Header {
            height: Height::ZERO,
            epoch: Epoch::ZERO,
            view: View::ZERO,
            parent: BlockId::default(),
            time: self.time,
            manager: Seat::new(0),
            lane: Lane::Routine,
            config: BlockConfig::default(),
            transaction_count: 0,
            transaction_root: transaction_root(&[]),
            parent_state_root: tree_root(&writes),
            parent_receipt_root: receipt_root(&[]),
            next_epoch: Some(self.first.digest()),
        };
        let block = Block {
            header: header.clone(),
            transactions: Vec::new(),
        };
        GenesisBlock {
            chain: self.chain,
            hash: GenesisHash(header.id().0),
            anchor: GenesisAnchor {
                header,
                first: self.first.clone(),
            },
            block,
            writes,
            first: self.first,
            second: self.second,
            parameters: self.parameters,
            policy: self.policy,
            members: self.members,
        }
    }
}

/// The root of the authenticated part of writes over an empty state.
fn tree_root(writes: &WriteSet) -> StateRoot {
    state_tree::root_of(
        writes
            .tree()
            .filter_map(|(key, value)| value.map(|value| (key, value))),
    )
}
