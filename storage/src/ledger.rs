//! The final chain on disk: one atomic batch a block.
//!
//! A commit carries everything a block leaves behind, so after a crash the ledger stands at some height as a whole.
//! Commits are buffered: fast, and safe from the end of the process. A loss of power may take the newest of them, which
//! are final and come back from the vote journal and from peers. Therefore: whoever drops something from the journal
//! because it is final calls [`Ledger::sync`] first, and drops only what lies at or below the height it returns. Else
//! all validators could lose the same final block in one power cut.
//!
//! After a failed write nothing more is written ([`LedgerError::Poisoned`]): it is unknown whether the block is on disk.
//! The process ends, and [`Ledger::open`] finds out.

mod epochs;
mod proofs;
mod reads;
mod snapshot;

use crate::batch::Batch;
use crate::column::{Column, height_key};
use crate::error::StoreError;
use crate::state::StateView;
use crate::store::{Direction, Durability, KeyRange, Read, Store};
use crate::tree::{Tree, TreeDelta, TreeError};
use crate::{events, record, records, schema, state, tree};
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{BlockId, GenesisHash, Height};
use salus_primitives::receipt::Receipt;
use salus_primitives::state::{StateRoot, WriteSet};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use reads::{RecordsPage, TransactionPosition};
pub use snapshot::Snapshot;

/// The final chain and the state after its last block. Shared: reads go on while a block is committed.
pub struct Ledger {
    store: Arc<dyn Store>,
    genesis: GenesisHash,
    retention: Retention,
    progress: Mutex<Progress>,
    recent_material: Mutex<proofs::RecentMaterial>,
}

/// How long what is superseded can still be proven. Blocks, receipts and certificates are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For how many heights below the head state proofs can be made.
    pub state_heights: u64,
}

impl Default for Retention {
    /// As many heights as one finality proof spans.
    fn default() -> Self {
        Self {
            state_heights: 1024,
        }
    }
}

/// The last committed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
    /// The root of the state after it.
    pub state_root: StateRoot,
}

/// What a chain begins with.
#[derive(Debug, Clone, Copy)]
pub struct FirstBlock<'a> {
    /// Block 0.
    pub block: &'a Block,
    /// The state it begins with.
    pub writes: &'a WriteSet,
    /// Epochs 1 and 2. Block 0 names the former.
    pub epochs: [&'a EpochConfig; 2],
}

/// A final block with everything it leaves behind.
#[derive(Debug, Clone, Copy)]
pub struct FinalBlock<'a> {
    /// The block. That the transactions are its header's was checked when it was voted on or fetched.
    pub block: &'a Block,
    /// One receipt a transaction, in order.
    pub receipts: &'a [Receipt],
    /// What its execution changed.
    pub writes: &'a WriteSet,
    /// What these writes do to the tree.
    pub tree: &'a TreeDelta,
    /// If it is an epoch's last block: the epoch after the next, whose validators it elects.
    pub elected: Option<&'a EpochConfig>,
    /// Its own finalisation, checked. `None` if a descendant's made it final.
    pub finalization: Option<&'a Certificate>,
}

/// Why the ledger does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A commit is not for the height after the head.
    #[error("a block of height {found} cannot be committed where {expected} is next")]
    NotNext {
        /// The block's.
        found: Height,
        /// The next height.
        expected: Height,
    },
    /// A block does not build on the head.
    #[error("block {height} builds on {found}, the head is {expected}")]
    WrongParent {
        /// The block's height.
        height: Height,
        /// Its parent.
        found: BlockId,
        /// The head.
        expected: BlockId,
    },
    /// A block claims another state before it than this ledger holds: this node diverged, or the block is not final.
    #[error("block {height} claims the state root {found} before it, the ledger holds {expected}")]
    WrongStateRoot {
        /// The block's height.
        height: Height,
        /// What the header claims.
        found: StateRoot,
        /// What the ledger holds.
        expected: StateRoot,
    },
    /// Receipts, tree changes or epochs that are not this block's.
    #[error("{what} of block {height} do not belong to it")]
    Mismatch {
        /// The block's height.
        height: Height,
        /// What does not belong.
        what: &'static str,
    },
    /// A certificate that does not finalise the block it comes with.
    #[error("the certificate does not finalise block {height}")]
    WrongCertificate {
        /// The block's height.
        height: Height,
    },
    /// The block given as block 0 is none.
    #[error("the given block 0 has height {found}")]
    NotGenesis {
        /// Its height.
        found: Height,
    },
    /// Not committed yet.
    #[error("height {height} is above the head at {head}")]
    Future {
        /// The height asked for.
        height: Height,
        /// The head.
        head: Height,
    },
    /// The state of this height is no longer kept.
    #[error("the state of height {height} is pruned, the oldest kept is {oldest}")]
    Pruned {
        /// The height asked for.
        height: Height,
        /// The oldest that can be proven.
        oldest: Height,
    },
    /// An earlier write failed; the process must end.
    #[error("the ledger failed to write before and takes nothing more")]
    Poisoned,
    /// The state tree has no answer.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store failed, or holds another chain.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Opens the chain that begins with `genesis`: in a blank store writes block 0 and its state, in another checks that
    /// it is this chain in this version's layout. What an ended process left buffered is durable on return.
    ///
    /// # Errors
    /// [`StoreError::WrongChain`] and [`StoreError::Schema`] for another store; [`LedgerError::NotGenesis`] and
    /// [`LedgerError::WrongStateRoot`] or [`LedgerError::Mismatch`] for a block 0 that does not fit its writes or epochs.
    pub fn open(
        store: Arc<dyn Store>,
        genesis: &FirstBlock<'_>,
        retention: Retention,
    ) -> Result<Self, LedgerError> {
        let header = &genesis.block.header;
        let name = header.genesis_hash().ok_or(LedgerError::NotGenesis {
            found: header.height,
        })?;
        if !schema::check(&*store, &name)? {
            write_genesis(&*store, &name, genesis)?;
        }
        store.sync()?;
        let head = read_head(&*store)?;
        Ok(Self {
            store,
            genesis: name,
            retention,
            progress: Mutex::new(Progress {
                head,
                durable: head.height,
                pruned: Height::ZERO,
                poisoned: false,
            }),
            recent_material: Mutex::default(),
        })
    }

    /// The chain's name.
    #[must_use]
    pub fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// The last committed block.
    #[must_use]
    pub fn head(&self) -> Head {
        self.progress().head
    }

    /// The greatest height that survives a loss of power for certain.
    #[must_use]
    pub fn durable_height(&self) -> Height {
        self.progress().durable
    }

    /// The state after the head. It follows the head: whoever needs several values of one moment reads them where no
    /// commit happens meanwhile, as the execution thread does.
    #[must_use]
    pub fn state(&self) -> StateView<'_> {
        StateView::new(&*self.store)
    }

    /// The state tree, for computing the roots of blocks that are not final.
    #[must_use]
    pub fn tree(&self) -> Tree<'_> {
        Tree::new(&*self.store)
    }

    /// Commits the block after the head: all of it, or nothing. It is then readable, and survives the end of the
    /// process; see [`Ledger::sync`].
    ///
    /// # Errors
    /// [`LedgerError::NotNext`], [`LedgerError::WrongParent`], [`LedgerError::WrongStateRoot`], [`LedgerError::Mismatch`]
    /// and [`LedgerError::WrongCertificate`] change nothing. [`LedgerError::Store`] from a write poisons the ledger.
    pub fn commit(&self, block: &FinalBlock<'_>) -> Result<Head, LedgerError> {
        // Held throughout: commits are one after the other.
        let mut progress = self.usable()?;
        let head = progress.head;
        let header = &block.block.header;
        check_next(&head, block)?;
        let next = Head {
            height: header.height,
            id: header.id(),
            state_root: block.tree.root(),
        };
        if let Some(certificate) = block.finalization {
            check_finalizes(certificate, header, &next.id)?;
        }
        epochs::check(&*self.store, header, block.elected)?;

        let mut batch = Batch::new();
        stage_block(&*self.store, &mut batch, block, &next)?;
        let pruned = self.stage_pruning(&mut batch, progress.pruned, next.height)?;
        if let Err(error) = self.store.write(batch, Durability::Buffered) {
            progress.poisoned = true;
            return Err(error.into());
        }
        progress.head = next;
        progress.pruned = pruned;
        Ok(next)
    }

    /// Adds the finalisation of a block that is committed already, so that proofs need fewer headers. Changes nothing if
    /// there is one.
    ///
    /// # Errors
    /// [`LedgerError::WrongCertificate`] if it finalises no block of this chain at `height`. A failed write poisons the
    /// ledger.
    pub fn add_finalization(
        &self,
        height: Height,
        certificate: &Certificate,
    ) -> Result<(), LedgerError> {
        let mut progress = self.usable()?;
        let header = self
            .header(height)?
            .ok_or(LedgerError::WrongCertificate { height })?;
        check_finalizes(certificate, &header, &header.id())?;
        let key = height_key(height);
        if self.store.get(Column::Certificates, &key)?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new();
        record::put_encoded(&mut batch, Column::Certificates, key, certificate);
        self.store
            .write(batch, Durability::Buffered)
            .map_err(|error| {
                progress.poisoned = true;
                LedgerError::from(error)
            })
    }

    /// Makes every committed block durable, and returns the height up to which that is so. Called before the journal
    /// forgets anything, and at a graceful stop.
    ///
    /// # Errors
    /// [`LedgerError::Store`]; the ledger is then poisoned.
    pub fn sync(&self) -> Result<Height, LedgerError> {
        let height = self.usable()?.head.height;
        // Not held while the disk works: reads of the head go on.
        let synced = self.store.sync();
        let mut progress = self.progress();
        if let Err(error) = synced {
            progress.poisoned = true;
            return Err(error.into());
        }
        progress.durable = progress.durable.max(height);
        Ok(height)
    }

    /// Drops what no height within the retention needs. At most `PRUNE_LIMIT` records of each kind a block, so that a
    /// shortened retention is caught up with over some blocks instead of in one. Returns up to where all is pruned.
    fn stage_pruning(
        &self,
        batch: &mut Batch,
        from: Height,
        head: Height,
    ) -> Result<Height, StoreError> {
        let Some(floor) = head.get().checked_sub(self.retention.state_heights) else {
            return Ok(from);
        };
        let floor = Height::new(floor);
        // Starting behind what was pruned before also spares the scan the markers that deletions leave.
        let nodes = tree::stage_pruning(&*self.store, batch, from, floor, PRUNE_LIMIT)?;
        let range = KeyRange::between(height_key(from), height_key(floor.next()));
        let undo = self
            .store
            .scan(Column::StateUndo, &range, Direction::Ascending, PRUNE_LIMIT)?;
        let complete = nodes && undo.len() < PRUNE_LIMIT;
        for (key, _) in undo {
            batch.delete(Column::StateUndo, key);
        }
        Ok(if complete { floor.next() } else { from })
    }

    fn usable(&self) -> Result<MutexGuard<'_, Progress>, LedgerError> {
        let progress = self.progress();
        if progress.poisoned {
            return Err(LedgerError::Poisoned);
        }
        Ok(progress)
    }

    /// Each field is set in one step, so a panic elsewhere leaves nothing half done.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Progress {
    head: Head,
    durable: Height,
    /// Everything stale or undone below this height is gone.
    pruned: Height,
    poisoned: bool,
}

fn write_genesis(
    store: &dyn Store,
    name: &GenesisHash,
    genesis: &FirstBlock<'_>,
) -> Result<(), LedgerError> {
    let FirstBlock {
        block,
        writes,
        epochs: [first, second],
    } = *genesis;
    let tree = Tree::new(store).apply(&[], Height::ZERO, writes)?;
    let claimed = block.header.parent_state_root;
    if claimed != tree.root() {
        return Err(LedgerError::WrongStateRoot {
            height: Height::ZERO,
            found: claimed,
            expected: tree.root(),
        });
    }
    epochs::check_first(&block.header, first, second)?;
    let head = Head {
        height: Height::ZERO,
        id: block.id(),
        state_root: tree.root(),
    };
    let mut batch = Batch::new();
    schema::describe(&mut batch, name);
    epochs::stage_config(&mut batch, first);
    let block = FinalBlock {
        block,
        receipts: &[],
        writes,
        tree: &tree,
        elected: Some(second),
        finalization: None,
    };
    stage_block(store, &mut batch, &block, &head)?;
    store.write(batch, Durability::Synced)?;
    Ok(())
}

/// Adds everything of one block to its batch.
fn stage_block(
    store: &dyn Read,
    batch: &mut Batch,
    block: &FinalBlock<'_>,
    head: &Head,
) -> Result<(), StoreError> {
    let height = head.height;
    let key = height_key(height);
    record::put_encoded(batch, Column::Blocks, key, block.block);
    record::put_encoded(batch, Column::Headers, key, &block.block.header);
    record::put_encoded(batch, Column::BlockIds, *head.id.as_bytes(), &height);
    record::put_encoded(batch, Column::Receipts, key, block.receipts);
    for receipt in block.receipts {
        let position = TransactionPosition {
            height,
            index: receipt.index,
        };
        let key = *receipt.transaction.as_bytes();
        record::put_encoded(batch, Column::Transactions, key, &position);
    }
    if let Some(certificate) = block.finalization {
        record::put_encoded(batch, Column::Certificates, key, certificate);
    }
    if let Some(elected) = block.elected {
        epochs::stage_end(batch, &block.block.header, elected);
    }
    events::stage(batch, height, block.receipts);
    records::stage(batch, height, block.receipts);
    state::stage(store, batch, height, block.writes)?;
    block.tree.stage(batch);
    record::put_encoded(batch, Column::Meta, HEAD_KEY, head);
    Ok(())
}

fn check_next(head: &Head, block: &FinalBlock<'_>) -> Result<(), LedgerError> {
    let header = &block.block.header;
    let height = header.height;
    if height != head.height.next() {
        return Err(LedgerError::NotNext {
            found: height,
            expected: head.height.next(),
        });
    }
    if header.parent != head.id {
        return Err(LedgerError::WrongParent {
            height,
            found: header.parent,
            expected: head.id,
        });
    }
    if header.parent_state_root != head.state_root {
        return Err(LedgerError::WrongStateRoot {
            height,
            found: header.parent_state_root,
            expected: head.state_root,
        });
    }
    if block.tree.version() != height {
        return Err(LedgerError::Mismatch {
            height,
            what: "tree changes",
        });
    }
    let indexes = block.receipts.iter().map(|receipt| receipt.index);
    if block.receipts.len() != block.block.transactions.len()
        || !indexes.eq(0..block.receipts.len() as u32)
    {
        return Err(LedgerError::Mismatch {
            height,
            what: "receipts",
        });
    }
    Ok(())
}

/// Signatures were checked by whoever built or fetched the certificate; this is about the block.
fn check_finalizes(
    certificate: &Certificate,
    header: &Header,
    id: &BlockId,
) -> Result<(), LedgerError> {
    match certificate.statement {
        Statement::Finalize { epoch, block, .. } if block == *id && epoch == header.epoch => Ok(()),
        _ => Err(LedgerError::WrongCertificate {
            height: header.height,
        }),
    }
}

fn read_head(store: &dyn Read) -> Result<Head, StoreError> {
    record::get_decoded(store, Column::Meta, HEAD_KEY)?
        .ok_or_else(|| StoreError::corrupt(Column::Meta, HEAD_KEY, "no head recorded"))
}

const HEAD_KEY: &[u8] = b"head";
/// Most records of one kind that a commit prunes.
const PRUNE_LIMIT: usize = 4096;
