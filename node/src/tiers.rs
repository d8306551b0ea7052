//! What is known of blocks before they are final: who of their committees has attested them (DESIGN section 5).
//!
//! Kept in memory, for the latest blocks, final or not, as long as there is room (`ENTRIES_MAX`); gone after a restart. That is enough:
//! who has the proof of a receipt needs no attestation any more. Nothing here makes anything final, and nothing that only stands here
//! may open data.

use salus_primitives::attestation::Attestation;
use salus_primitives::block::{Block, Header};
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::{BlockId, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::merkle::MerkleTree;
use salus_primitives::transaction::{TxId, transaction_leaf};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// The attestations of the latest blocks that hold transactions.
#[derive(Debug)]
pub struct Tiers {
    blocks: Mutex<Blocks>,
    /// Counts changes, for who waits for one.
    changes: watch::Sender<u64>,
}

/// How far a transaction has got. Only [`Tier::Final`] and [`Tier::Proven`] are irreversible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// It waits for a block, or its block for its committee.
    Pending,
    /// The whole committee of its block has notarised it, in one view. It may still be lost.
    Attested,
    /// It is in a final block.
    Final,
    /// What became of it can be proven.
    Proven,
}

impl Tier {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Attested => "attested",
            Self::Final => "final",
            Self::Proven => "proven",
        }
    }
}

/// How far the attestation of a transaction's block has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attesting {
    /// The block's height.
    pub height: Height,
    /// The block's lane.
    pub lane: Lane,
    /// How many members of its committee have voted in one view; the `k` of `k` of `m`.
    pub votes: usize,
    /// How many members the committee has.
    pub verifiers: usize,
}

impl Attesting {
    /// Whether the whole committee has voted.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.votes == self.verifiers
    }
}

/// The transactions of a block that its whole committee has just attested, as far as clients or peers brought them before.
#[derive(Debug)]
pub struct Completed {
    /// The block's lane.
    pub lane: Lane,
    /// Since when each of them was known.
    pub known_since: Vec<Instant>,
}

/// A committee member's vote.
#[derive(Clone, Copy, Debug)]
pub struct CommitteeVote {
    /// Which block.
    pub block: BlockId,
    /// In which view.
    pub view: View,
    /// The member's seat.
    pub seat: Seat,
    /// The signature under its notarise vote, which was checked.
    pub signature: Signature,
}

#[derive(Debug, Default)]
struct Blocks {
    kept: HashMap<BlockId, Kept>,
    /// In the order they were learned.
    order: BTreeMap<u64, BlockId>,
    /// How many were learned.
    learned: u64,
    /// Those that are not final, by height: a commit looks at no others.
    open: BTreeSet<(Height, BlockId)>,
    /// The blocks that hold a transaction: more than one where a block was lost.
    of_transaction: HashMap<TxId, Vec<BlockId>>,
    entries: usize,
}

#[derive(Debug)]
struct Kept {
    /// Its place in the order.
    place: u64,
    header: Header,
    transactions: Arc<[(TxId, Signature)]>,
    /// Since when the transactions were known; empty once that was told.
    known_since: Vec<Instant>,
    votes: BTreeMap<View, BTreeMap<Seat, Signature>>,
    is_final: bool,
}

/// How many transactions and committee members are kept, together; each takes about 200 bytes.
const ENTRIES_MAX: usize = 1 << 17;

impl Default for Tiers {
    fn default() -> Self {
        Self {
            blocks: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Tiers {
    /// A block may become final. `ids` are its transactions', `known_since` tells when those came that came to this node before.
    pub fn learn(&self, id: BlockId, block: &Block, ids: &[TxId], known_since: Vec<Instant>) {
        if ids.is_empty() {
            return;
        }
        let signatures = block.transactions.iter().map(|signed| signed.signature);
        let kept = Kept {
            place: 0,
            header: block.header.clone(),
            transactions: ids.iter().copied().zip(signatures).collect(),
            known_since,
            votes: BTreeMap::new(),
            is_final: false,
        };
        self.locked().insert(id, kept);
    }

    /// A member of a block's committee has voted. Tells of the block when its committee is complete for the first time.
    pub fn attest(&self, vote: CommitteeVote) -> Option<Completed> {
        let completed = {
            let mut blocks = self.locked();
            let kept = blocks.kept.get_mut(&vote.block)?;
            let votes = kept.votes.entry(vote.view).or_default();
            votes.insert(vote.seat, vote.signature);
            let is_complete = votes.len() == kept.header.config.committee.len();
            (is_complete && !kept.known_since.is_empty()).then(|| Completed {
                lane: kept.header.lane,
                known_since: std::mem::take(&mut kept.known_since),
            })
        };
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        completed
    }

    /// These blocks are final. What stood beside them is lost, and its attestation means nothing any more.
    pub fn finalize(&self, ids: &[BlockId], height: Height) {
        {
            let mut blocks = self.locked();
            for id in ids {
                blocks.settle(id);
            }
            while let Some((_, lost)) = blocks.open.first().copied().filter(|(at, _)| *at <= height)
            {
                blocks.forget(&lost);
            }
        }
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How far the attestation of a transaction has got; nothing if nobody has attested it, or too long ago.
    #[must_use]
    pub fn attesting(&self, id: &TxId) -> Option<Attesting> {
        let blocks = self.locked();
        let (_, kept) = blocks.holding(id)?;
        let (_, votes) = kept.best_view()?;
        Some(Attesting {
            height: kept.header.height,
            lane: kept.header.lane,
            votes: votes.len(),
            verifiers: kept.header.config.committee.len(),
        })
    }

    /// What shows it, to be checked by who gets it.
    #[must_use]
    pub fn attestation(&self, id: &TxId) -> Option<Attestation> {
        let (header, transactions, view, votes) = {
            let blocks = self.locked();
            let (_, kept) = blocks.holding(id)?;
            let (view, votes) = kept.best_view()?;
            let votes = votes.iter().map(|(seat, vote)| (*seat, *vote)).collect();
            (
                kept.header.clone(),
                Arc::clone(&kept.transactions),
                view,
                votes,
            )
        };
        let index = transactions.iter().position(|(other, _)| other == id)?;
        let leaves = transactions
            .iter()
            .map(|(id, signature)| transaction_leaf(id, signature))
            .collect();
        let (transaction, signature) = transactions.get(index).copied()?;
        Some(Attestation {
            header,
            transaction,
            signature,
            transaction_path: MerkleTree::new(leaves).proof(u32::try_from(index).ok()?)?,
            view,
            votes,
        })
    }

    /// Counts changes of what stands here.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn locked(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    fn insert(&mut self, id: BlockId, mut kept: Kept) {
        if self.kept.contains_key(&id) {
            return;
        }
        self.learned += 1;
        kept.place = self.learned;
        self.entries += kept.entries();
        self.open.insert((kept.header.height, id));
        self.order.insert(kept.place, id);
        for (transaction, _) in kept.transactions.iter() {
            self.of_transaction
                .entry(*transaction)
                .or_default()
                .push(id);
        }
        self.kept.insert(id, kept);
        while self.entries > ENTRIES_MAX
            && self.order.len() > 1
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
    }

    /// A block is final.
    fn settle(&mut self, id: &BlockId) {
        if let Some(kept) = self.kept.get_mut(id) {
            kept.is_final = true;
            self.open.remove(&(kept.header.height, *id));
        }
    }

    fn forget(&mut self, id: &BlockId) {
        let Some(kept) = self.kept.remove(id) else {
            return;
        };
        self.entries -= kept.entries();
        self.order.remove(&kept.place);
        self.open.remove(&(kept.header.height, *id));
        for (transaction, _) in kept.transactions.iter() {
            if let Some(blocks) = self.of_transaction.get_mut(transaction) {
                blocks.retain(|other| other != id);
                if blocks.is_empty() {
                    self.of_transaction.remove(transaction);
                }
            }
        }
    }

    /// The block that holds a transaction: the final one, else the one of the latest view.
    fn holding(&self, id: &TxId) -> Option<(&BlockId, &Kept)> {
        self.of_transaction
            .get(id)?
            .iter()
            .filter_map(|block| self.kept.get_key_value(block))
            .max_by_key(|(_, kept)| (kept.is_final, kept.header.epoch, kept.header.view))
    }
}

impl Kept {
    fn entries(&self) -> usize {
        self.transactions.len() + self.header.config.committee.len()
    }

    /// The view in which most members have voted, the first of such.
    fn best_view(&self) -> Option<(View, &BTreeMap<Seat, Signature>)> {
        let views = self.votes.iter().rev();
        let (view, votes) = views.max_by_key(|(_, votes)| votes.len())?;
        Some((*view, votes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::block::BlockConfig;
    use salus_primitives::codec::Blob;
    use salus_primitives::crypto::sign::PublicKey;
    use salus_primitives::hash::Digest;
    use salus_primitives::ids::{ContractId, EntityId, Epoch, GenesisHash};
    use salus_primitives::signed::Signed;
    use salus_primitives::state::StateRoot;
    use salus_primitives::time::Timestamp;
    use salus_primitives::transaction::{Call, SignedTransaction, Transaction};

    fn transaction(number: u64) -> SignedTransaction {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        Signed {
            body: Transaction {
                genesis: GenesisHash([1; 32]),
                sender: PublicKey([2; 32]),
                entity: EntityId([4; 32]),
                lane: Lane::Routine,
                valid_until: Height::new(9),
                nonce,
                call: Call {
                    contract: ContractId::new(1),
                    payload: Blob(vec![]),
                },
            },
            signature: Signature([3; 64]),
        }
    }

    /// A block with a committee of the seats 0 and 1.
    fn block(height: u64, view: u64, transactions: &[u64]) -> Block {
        Block {
            header: Header {
                height: Height::new(height),
                epoch: Epoch::new(1),
                view: View::new(view),
                parent: BlockId([4; 32]),
                time: Timestamp::from_millis(view),
                manager: Seat::new(0),
                lane: Lane::Routine,
                config: BlockConfig {
                    verifier_count: 2,
                    transaction_limit: 100,
                    committee: vec![Seat::new(0), Seat::new(1)],
                },
                transaction_count: 0,
                transaction_root: Digest::default(),
                parent_state_root: StateRoot::default(),
                parent_receipt_root: Digest::default(),
                next_epoch: None,
            },
            transactions: transactions.iter().map(|it| transaction(*it)).collect(),
        }
    }

    fn id(number: u64) -> TxId {
        transaction(number).body.id()
    }

    fn learn(tiers: &Tiers, block: &Block, known_since: Vec<Instant>) {
        let ids: Vec<TxId> = block.transactions.iter().map(|it| it.body.id()).collect();
        tiers.learn(block.id(), block, &ids, known_since);
    }

    fn attest(tiers: &Tiers, block: &Block, view: u64, seat: u16) -> bool {
        let vote = CommitteeVote {
            block: block.id(),
            view: View::new(view),
            seat: Seat::new(seat),
            signature: Signature([seat as u8; 64]),
        };
        tiers.attest(vote).is_some()
    }

    fn votes(tiers: &Tiers, number: u64) -> Option<usize> {
        tiers
            .attesting(&id(number))
            .map(|attesting| attesting.votes)
    }

    /// The latency of a block is told once, however many views its committee completes.
    #[test]
    fn completion_is_told_once() {
        let tiers = Tiers::default();
        let block = block(1, 1, &[1]);
        learn(&tiers, &block, vec![Instant::now()]);

        let told = [(1, 0), (2, 1), (1, 1), (1, 1), (2, 0)]
            .map(|(view, seat)| attest(&tiers, &block, view, seat));

        assert_eq!(told, [false, false, true, false, false]);
    }

    /// A transaction may stand in a block that is lost and in a later one: the final one counts, and before that the latest.
    #[test]
    fn the_final_or_the_latest_block_counts() {
        let tiers = Tiers::default();
        let (early, late) = (block(1, 1, &[1, 2]), block(1, 5, &[1]));
        for block in [&early, &late] {
            learn(&tiers, block, Vec::new());
        }
        attest(&tiers, &early, 1, 0);
        attest(&tiers, &early, 1, 1);
        assert_eq!(votes(&tiers, 1), None, "nobody has attested the later one");
        attest(&tiers, &late, 5, 0);
        assert_eq!((votes(&tiers, 1), votes(&tiers, 2)), (Some(1), Some(2)));

        tiers.finalize(&[early.id()], Height::new(1));

        assert_eq!((votes(&tiers, 1), votes(&tiers, 2)), (Some(2), Some(2)));
        assert_eq!(
            tiers.attestation(&id(1)).expect("kept").header,
            early.header
        );
    }

    /// However many blocks come, final or not, what is kept is bounded, and the latest are kept.
    #[test]
    fn the_oldest_blocks_make_room() {
        let tiers = Tiers::default();
        let many: Vec<u64> = (0..1_000).collect();
        for height in 1..=300 {
            let numbers: Vec<u64> = many.iter().map(|it| height * 1_000 + it).collect();
            let block = block(height, height, &numbers);
            learn(&tiers, &block, Vec::new());
            attest(&tiers, &block, height, 0);
            if height % 2 == 0 {
                tiers.finalize(&[block.id()], Height::new(height - 1));
            }
        }

        let blocks = tiers.locked();
        let kept: usize = blocks.kept.values().map(Kept::entries).sum();
        assert_eq!(kept, blocks.entries);
        assert!(kept <= ENTRIES_MAX && kept > ENTRIES_MAX / 2, "{kept}");
        assert_eq!(blocks.order.len(), blocks.kept.len());
        let open = blocks.kept.values().filter(|kept| !kept.is_final).count();
        assert_eq!(blocks.open.len(), open);
        assert!(blocks.of_transaction.len() <= kept);
        drop(blocks);
        assert_eq!(
            (votes(&tiers, 300_001), votes(&tiers, 2_001)),
            (Some(1), None)
        );
    }
}
