//! A block from what waits: the proposal's side of rule 2, and its check, rule 3.

use crate::mempool::Mempool;
use salus_consensus::clock::Monotonic;
use salus_consensus::effect::BuildRequest;
use salus_contracts::native::blockcfg::quota::Demotions;
use salus_primitives::block::{Block, Header, transaction_root};
use salus_primitives::codec;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::transaction::{TRANSACTION_MAX, TxId};
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use turns::LaneTurns;

pub mod turns;

/// What a block's content follows from.
#[derive(Clone, Debug)]
pub struct Proposer {
    /// The chain.
    pub genesis: GenesisHash,
    /// Who votes.
    pub validators: Arc<ValidatorSet>,
    /// How its blocks are configured.
    pub lanes: Arc<EpochLanes>,
    /// The next epoch: named by the present one's last block.
    pub next: Arc<EpochConfig>,
    /// Bounds.
    pub parameters: ChainParameters,
    /// Whose turn it is, up to the last final block.
    pub turns: LaneTurns,
}

/// What lies between the last final block and the parent of a block.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// Its transactions.
    pub included: BTreeSet<TxId>,
    /// The lanes of its blocks that have transactions, in order.
    pub lanes: Vec<Lane>,
}

/// Why a proposal's content is not valid on its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The manager claims another configuration than the lane has.
    #[error("the block's configuration is not that of its lane at this height")]
    Config,
    /// The epoch's last block names another next epoch than was elected, or another block names one.
    #[error("the block does not name the next epoch as elected")]
    NextEpoch,
    /// More transactions than `theta`.
    #[error("{found} transactions, the lane allows {limit}")]
    TooMany {
        /// How many.
        found: usize,
        /// How many are allowed.
        limit: u32,
    },
    /// More bytes than a block may have.
    #[error("{found} bytes of transactions, a block may have {limit}")]
    TooLarge {
        /// How many.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A transaction larger than any node admits.
    #[error("transaction {0} is too large")]
    TransactionTooLarge(TxId),
    /// A transaction that counts in another lane than the block's: it asks for another, or its entity has used this one up.
    #[error("transaction {0} does not count in the block's lane")]
    Lane(TxId),
    /// A transaction outside its window or of another chain.
    #[error("transaction {0} is not admissible at this height")]
    Window(TxId),
    /// A transaction that is in the chain already.
    #[error("transaction {0} is in the chain already")]
    Replayed(TxId),
    /// A transaction whose signature does not hold.
    #[error("transaction {0} has a bad signature")]
    Signature(TxId),
}

impl Proposer {
    /// Builds the block that `request` asks for, on the parent at the end of `branch`, from a mempool that counts by what holds
    /// after it ([`Mempool::recount`]). Without a transaction the block is empty, which is valid at any time.
    #[must_use]
    pub fn build(
        &self,
        now: Monotonic,
        request: &BuildRequest,
        mempool: &Mempool,
        branch: &Branch,
    ) -> Block {
        let height = request.parent_header.height.next();
        let waiting = mempool.waiting_since(height, &branch.included);
        let mut turns = self.turns.clone();
        for lane in &branch.lanes {
            turns.made(*lane, now, &waiting, &self.lanes);
        }
        let lane = turns.next(&waiting).unwrap_or(Lane::Routine);
        let config = self.lanes.lane(lane);
        let transactions = config.map_or_else(Vec::new, |config| {
            mempool.select(
                lane,
                usize::try_from(config.transaction_limit).unwrap_or(usize::MAX),
                usize::try_from(self.lanes.block_bytes).unwrap_or(usize::MAX),
                height,
                &branch.included,
            )
        });
        let header = Header {
            height,
            epoch: self.validators.epoch(),
            view: request.view,
            parent: request.parent,
            time: request.time,
            manager: request.manager,
            lane,
            config: config
                .map(|lane| lane.block_config(self.genesis, &self.validators, height))
                .unwrap_or_default(),
            transaction_count: u32::try_from(transactions.len()).expect("a lane's limit is a u32"),
            transaction_root: transaction_root(&transactions),
            parent_state_root: request.roots.state,
            parent_receipt_root: request.roots.receipts,
            next_epoch: self.named_at(height),
        };
        Block {
            header,
            transactions,
        }
    }

    /// A block is final, and the mempool knows it: what was made for its lane counts when the next one's is chosen.
    pub fn on_final(&mut self, now: Monotonic, header: &Header, mempool: &Mempool) {
        if header.transaction_count > 0 {
            let waiting = mempool.waiting_since(header.height.next(), &BTreeSet::new());
            self.turns.made(header.lane, now, &waiting, &self.lanes);
        }
    }

    /// What the header at a height must name: the next epoch, if it is this one's last.
    fn named_at(&self, height: Height) -> Option<Digest> {
        self.parameters
            .epoch_ending_at(height)
            .map(|_| self.next.digest())
    }

    /// Checks everything about a proposed block that does not need a signature check.
    ///
    /// `ids` are its transactions' ids, `branch` ends with its parent, after which `demotions` hold.
    ///
    /// # Errors
    /// [`ContentError`] names the first fault: the manager's.
    pub fn check(
        &self,
        block: &Block,
        ids: &[TxId],
        mempool: &Mempool,
        branch: &Branch,
        demotions: &Demotions,
    ) -> Result<(), ContentError> {
        let header = &block.header;
        let lane = self.lanes.lane(header.lane).ok_or(ContentError::Config)?;
        if header.config != lane.block_config(self.genesis, &self.validators, header.height) {
            return Err(ContentError::Config);
        }
        if header.next_epoch != self.named_at(header.height) {
            return Err(ContentError::NextEpoch);
        }
        if header.transaction_count > lane.transaction_limit {
            return Err(ContentError::TooMany {
                found: block.transactions.len(),
                limit: lane.transaction_limit,
            });
        }
        let mut bytes = 0;
        for (transaction, id) in block.transactions.iter().zip(ids) {
            let length = codec::encode(transaction).len();
            if length > TRANSACTION_MAX {
                return Err(ContentError::TransactionTooLarge(*id));
            }
            bytes += length as u64;
        }
        if bytes > self.lanes.block_bytes {
            return Err(ContentError::TooLarge {
                found: bytes,
                limit: self.lanes.block_bytes,
            });
        }
        let mut within = BTreeSet::new();
        for (transaction, id) in block.transactions.iter().zip(ids) {
            if demotions.lane_of(&transaction.body) != header.lane {
                return Err(ContentError::Lane(*id));
            }
            if mempool
                .check_window(&transaction.body, header.height)
                .is_err()
            {
                return Err(ContentError::Window(*id));
            }
            if mempool.is_recent(id) || branch.included.contains(id) || !within.insert(*id) {
                return Err(ContentError::Replayed(*id));
            }
        }
        Ok(())
    }
}
