//! What waits for a block: taken in, sent on to the peers, counted in its lanes, and whether it is reason for a block.

use super::{Effect, Replica};
use crate::mempool::Source;
use crate::proposer::Branch;
use crate::wire::Frame;
use salus_consensus::clock::Now;
use salus_consensus::input::Input as EngineInput;
use salus_contracts::native::blockcfg::quota::Demotions;
use salus_primitives::block::Block;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::transaction::{TRANSACTION_MAX, TxId, VerifiedTransaction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An answer, and everything it depends on.
pub(super) struct Waiting {
    /// The blocks on their way to finality.
    live: Vec<BlockId>,
    height: Height,
    revision: u64,
    waits: bool,
}

/// How often clients' waiting transactions are looked through for forwarding, in milliseconds.
const FORWARD_EVERY_MS: u64 = 250;
/// How long the tip may stay the same, while transactions wait, before a node tells the others what waits; and again after
/// that. In milliseconds.
const STANDSTILL_MS: u64 = 2_000;
/// How many transactions it tells them of at most, and how many encoded bytes.
const STANDSTILL_COUNT: usize = 64;
const STANDSTILL_BYTES: usize = 64 * 1024 + TRANSACTION_MAX;

impl Replica {
    pub(super) fn on_transactions(
        &mut self,
        now: Now,
        transactions: Vec<VerifiedTransaction>,
        source: Source,
        effects: &mut Vec<Effect>,
    ) {
        let mut admitted = Vec::new();
        for transaction in transactions {
            let id = transaction.id();
            let signed = (source == Source::Client).then(|| transaction.signed().clone());
            let result = self.mempool.insert(now.monotonic, transaction, source);
            if result.is_ok() {
                admitted.extend(signed);
            }
            effects.push(Effect::Admitted { id, result, source });
        }
        let frames = Frame::of_transactions(admitted);
        effects.extend(frames.into_iter().map(Effect::Broadcast));
        self.drive(now, EngineInput::Tick, effects);
    }

    /// Sends clients' transactions that still wait to the peers again: a frame may have been lost, a peer away.
    pub(super) fn forward(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.monotonic < self.forward_at {
            return;
        }
        self.forward_at = now.monotonic.plus_millis(FORWARD_EVERY_MS);
        let again = self.mempool.forward_again(
            now.monotonic,
            crate::wire::TRANSACTIONS_MAX,
            crate::wire::TRANSACTIONS_BYTES,
        );
        if !again.is_empty() {
            effects.push(Effect::Broadcast(Frame::Transactions(again)));
        }
    }

    /// While the chain stands still, whoever has transactions that wait tells the others, whoever brought them. Liveness rests on
    /// all honest nodes having what one of them waits for, and the node whose client sent it may be gone.
    pub(super) fn tell_what_waits(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let tip = self.engine.head_height();
        let (height, since) = self.stands;
        if height != tip || self.mempool.is_empty() {
            self.stands = (tip, now.monotonic);
        } else if now.monotonic.millis_since(since) >= STANDSTILL_MS {
            self.stands = (tip, now.monotonic);
            let waiting = self
                .mempool
                .oldest(STANDSTILL_COUNT, STANDSTILL_BYTES, tip.next());
            if !waiting.is_empty() {
                effects.push(Effect::Broadcast(Frame::Transactions(waiting)));
            }
        }
    }

    /// In which lanes the transactions of a block on `parent` count.
    pub(super) fn demotions_after(&self, parent: &BlockId) -> Arc<Demotions> {
        let demotions = self.demotions.get(parent);
        Arc::clone(demotions.expect("a parent whose roots are known was executed, or is the base"))
    }

    /// The ids of a block's transactions, computed once.
    pub(super) fn transaction_ids(&mut self, id: &BlockId, block: &Block) -> Arc<Vec<TxId>> {
        let ids = self.block_ids.entry(*id).or_insert_with(|| {
            let ids = block.transactions.iter().map(|tx| tx.body.id()).collect();
            Arc::new(ids)
        });
        Arc::clone(ids)
    }

    /// What lies between the last final block and `tip`, with `tip` itself.
    pub(super) fn branch(&mut self, tip: &BlockId) -> Branch {
        let mut branch = Branch::default();
        for (id, block) in self.engine.branch(tip).unwrap_or_default() {
            if block.header.transaction_count > 0 {
                branch.lanes.push(block.header.lane);
            }
            branch
                .included
                .extend(self.transaction_ids(&id, &block).iter().copied());
        }
        branch
    }

    /// Whether a transaction waits that could stand in the next block and is in none that is on its way to finality.
    /// Asked after every input, so the answer is kept until something changes it.
    pub(super) fn waits(&mut self) -> bool {
        if self.mempool.is_empty() {
            return false;
        }
        let branches: Vec<(BlockId, Arc<Block>)> = self
            .engine
            .live_tips()
            .iter()
            .filter_map(|tip| self.engine.branch(tip))
            .flatten()
            .collect();
        let live: Vec<BlockId> = branches.iter().map(|(id, _)| *id).collect();
        let (height, revision) = (self.engine.head_height().next(), self.mempool.revision());
        if let Some(known) = &self.waiting
            && known.live == live
            && (known.height, known.revision) == (height, revision)
        {
            return known.waits;
        }
        let mut included = BTreeSet::new();
        for (id, block) in &branches {
            included.extend(self.transaction_ids(id, block).iter().copied());
        }
        let waits = self.mempool.has_other_than(&included, height);
        self.waiting = Some(Waiting {
            live,
            height,
            revision,
            waits,
        });
        waits
    }
}
