//! Executes blocks on overlays of their branch, and commits them at finality.
//!
//! Blocks above the last final one are held here with their writes, receipts and tree changes; a commit lays one block's
//! into the ledger in one atomic batch and drops what it excludes. Synchronous: the runtime puts it on a thread, the simulator
//! calls it.

use salus_consensus::config::Roots;
use salus_contracts::context::BlockContext;
use salus_contracts::executor::Executor;
use salus_contracts::native::blockcfg::quota::{self, Demotions};
use salus_contracts::native::staking::{JAILED, StakingEvent};
use salus_contracts::native::{blockcfg, staking};
use salus_primitives::block::Block;
use salus_primitives::calls::STAKING;
use salus_primitives::certificate::Certificate;
use salus_primitives::codec;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::evidence::Offence;
use salus_primitives::ids::{BlockId, Epoch};
use salus_primitives::receipt::{Receipt, receipt_root};
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
use salus_storage::ledger::{FinalBlock, Ledger, LedgerError};
use salus_storage::tree::{TreeDelta, TreeError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The blocks between the ledger's head and the tips of its branches.
pub struct Execution {
    ledger: Arc<Ledger>,
    executor: Executor,
    pending: BTreeMap<BlockId, Pending>,
    /// In which lanes the transactions of the block after the ledger's head count, once that was asked.
    demotions: Option<Arc<Demotions>>,
}

#[derive(Debug)]
struct Pending {
    block: Arc<Block>,
    writes: Arc<WriteSet>,
    tree: Arc<TreeDelta>,
    receipts: Vec<Receipt>,
    executed: Executed,
}

/// What executing a block gave.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The roots after it.
    pub roots: Roots,
    /// If it is an epoch's last block: the validators it elects, for the epoch after the next.
    pub elected: Option<Arc<EpochConfig>>,
    /// The offences it put on chain.
    pub offences: Vec<Offence>,
    /// In which lanes the transactions of the block after it count.
    pub demotions: Arc<Demotions>,
}

/// A block that was committed, with its receipts.
#[derive(Debug)]
pub struct Committed {
    /// The block.
    pub block: Arc<Block>,
    /// What became of its transactions.
    pub receipts: Vec<Receipt>,
}

/// Why a block was not executed or committed. The disk failed or we have a bug: the process ends.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The parent has not been executed: the caller broke the order.
    #[error("the parent of block {0} has not been executed")]
    UnknownParent(BlockId),
    /// The block has not been executed.
    #[error("block {0} has not been executed")]
    NotExecuted(BlockId),
    /// The state does not say how an epoch that is to come is: a bug.
    #[error("the state names no validators or lanes of epoch {0}")]
    NoEpoch(Epoch),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// The tree has no answer.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The ledger does not take the block.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Execution {
    /// Starts at the ledger's head.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            executor: Executor::default(),
            pending: BTreeMap::new(),
            demotions: None,
        }
    }

    /// Executes a block on its parent's branch. Executing it again gives the same roots.
    ///
    /// # Errors
    /// [`ExecutionError`]; contracts that refuse a call are no error, their receipts say so.
    pub fn execute(&mut self, id: BlockId, block: &Arc<Block>) -> Result<Executed, ExecutionError> {
        if let Some(pending) = self.pending.get(&id) {
            return Ok(pending.executed.clone());
        }
        let demotions = self.demotions_after(&block.header.parent, id)?;
        let branch = self.branch(&block.header.parent, id)?;
        let writes: Vec<Arc<WriteSet>> = branch.iter().map(|p| Arc::clone(&p.writes)).collect();
        let deltas: Vec<Arc<TreeDelta>> = branch.iter().map(|p| Arc::clone(&p.tree)).collect();
        let state = self.ledger.state().with_branch(writes);
        let context = BlockContext {
            height: block.header.height,
            time: block.header.time,
        };
        let outcome =
            self.executor
                .execute_block(context, &block.transactions, &state, &demotions)?;
        let tree = self
            .ledger
            .tree()
            .apply(&deltas, block.header.height, &outcome.writes)?;
        let roots = Roots {
            state: tree.root(),
            receipts: receipt_root(&outcome.receipts),
        };
        let writes = Arc::new(outcome.writes);
        let layers = branch
            .iter()
            .map(|pending| Arc::clone(&pending.writes))
            .chain([Arc::clone(&writes)])
            .collect();
        let after = self.ledger.state().with_branch(layers);
        let height = block.header.height;
        let parameters = blockcfg::parameters(&after)?;
        let ended = parameters.epoch_ending_at(height);
        let demotions = if ended.is_some() || quota::is_changed_by(&writes) {
            Arc::new(quota::demotions(&after, &parameters, height.next())?)
        } else {
            demotions
        };
        let executed = Executed {
            roots,
            elected: ended.map(|ended| elected(&after, ended)).transpose()?,
            offences: offences(&outcome.receipts),
            demotions,
        };
        let pending = Pending {
            block: Arc::clone(block),
            writes,
            tree: Arc::new(tree),
            receipts: outcome.receipts,
            executed: executed.clone(),
        };
        self.pending.insert(id, pending);
        Ok(executed)
    }

    /// Commits an executed block on the ledger's head. `finalization` is the block's own, if it has one.
    ///
    /// # Errors
    /// [`ExecutionError`]; after a failed write the ledger takes nothing more.
    pub fn commit(
        &mut self,
        id: BlockId,
        finalization: Option<&Certificate>,
    ) -> Result<Committed, ExecutionError> {
        let pending = self
            .pending
            .remove(&id)
            .ok_or(ExecutionError::NotExecuted(id))?;
        self.ledger.commit(&FinalBlock {
            block: &pending.block,
            receipts: &pending.receipts,
            writes: &pending.writes,
            tree: &pending.tree,
            elected: pending.executed.elected.as_deref(),
            finalization,
        })?;
        self.demotions = Some(pending.executed.demotions);
        let height = pending.block.header.height;
        self.pending
            .retain(|_, other| other.block.header.height > height);
        Ok(Committed {
            block: pending.block,
            receipts: pending.receipts,
        })
    }

    /// In which lanes the transactions of a block on `parent` count.
    fn demotions_after(
        &mut self,
        parent: &BlockId,
        of: BlockId,
    ) -> Result<Arc<Demotions>, ExecutionError> {
        if let Some(pending) = self.pending.get(parent) {
            return Ok(Arc::clone(&pending.executed.demotions));
        }
        let head = self.ledger.head();
        if head.id != *parent {
            return Err(ExecutionError::UnknownParent(of));
        }
        if let Some(demotions) = &self.demotions {
            return Ok(Arc::clone(demotions));
        }
        let state = self.ledger.state();
        let parameters = blockcfg::parameters(&state)?;
        let demotions = quota::demotions(&state, &parameters, head.height.next())?;
        Ok(Arc::clone(self.demotions.insert(Arc::new(demotions))))
    }

    /// How many blocks wait for finality.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The executed blocks from the ledger's head up to `parent`, oldest first.
    fn branch(&self, parent: &BlockId, of: BlockId) -> Result<Vec<&Pending>, ExecutionError> {
        let head = self.ledger.head().id;
        let mut branch = Vec::new();
        let mut id = *parent;
        while id != head {
            let pending = self
                .pending
                .get(&id)
                .ok_or(ExecutionError::UnknownParent(of))?;
            id = pending.block.header.parent;
            branch.push(pending);
        }
        branch.reverse();
        Ok(branch)
    }
}

/// An epoch as the state has it.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn epoch_config(
    state: &dyn StateRead,
    epoch: Epoch,
) -> Result<Option<EpochConfig>, StateReadError> {
    let (Some(validators), Some(lanes)) =
        (staking::set(state, epoch)?, blockcfg::lanes(state, epoch)?)
    else {
        return Ok(None);
    };
    Ok(Some(EpochConfig { validators, lanes }))
}

/// The epoch that was elected at the end of another: the execution of its last block wrote it into the state.
fn elected(state: &dyn StateRead, ended: Epoch) -> Result<Arc<EpochConfig>, ExecutionError> {
    let epoch = ended.next().next();
    let elected = epoch_config(state, epoch)?.ok_or(ExecutionError::NoEpoch(epoch))?;
    Ok(Arc::new(elected))
}

/// The offences that a block's calls proved.
fn offences(receipts: &[Receipt]) -> Vec<Offence> {
    receipts
        .iter()
        .flat_map(|receipt| &receipt.events)
        .filter(|event| (event.contract, event.topic) == (STAKING, JAILED))
        .filter_map(|event| {
            match codec::decode(event.data.as_slice(), event.data.as_slice().len()) {
                Ok(StakingEvent::Jailed { offence, .. }) => Some(offence),
                _ => None,
            }
        })
        .collect()
}
