//! Transactions that wait for a block: one first-in-first-out queue a lane, bounded in count and bytes. A transaction waits in
//! the lane that it counts in, which changes with what its entity has used of its quotas.
//!
//! Pure: time is an argument. Holds only transactions whose signature has been checked, and remembers the ids of the
//! replay window, so that nothing is included twice.

mod error;

use crate::proposer::turns::Waiting;
use salus_consensus::clock::Monotonic;
use salus_contracts::native::blockcfg::quota::Demotions;
use salus_primitives::codec;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::{SignedTransaction, Transaction, TxId, VerifiedTransaction};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use error::PoolError;

/// Bounds of the mempool: of what each lane takes in. What moves to a lane is kept there beyond them ([`Mempool::recount`]); all lanes
/// together take in nothing more while they hold twice what the four may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Most transactions that wait in one lane.
    pub lane_count_max: usize,
    /// Most encoded bytes that wait in one lane.
    pub lane_bytes_max: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self {
            lane_count_max: 16_384,
            lane_bytes_max: 32 * 1024 * 1024,
        }
    }
}

impl MempoolLimits {
    /// Up to how many transactions, and bytes of them, a lane takes from `source`.
    const fn of(&self, source: Source) -> (usize, usize) {
        let (count, bytes) = (self.lane_count_max, self.lane_bytes_max);
        match source {
            Source::Client => (count, bytes),
            Source::Peer => (count - count / OWN_SHARE, bytes - bytes / OWN_SHARE),
        }
    }
}

/// Who brought a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client of this node: it is this node's to forward until it is final.
    Client,
    /// A peer.
    Peer,
}

/// Orders before every other id.
const LOWEST_ID: TxId = TxId([0; 32]);
/// How long a client is told to wait when a lane is full.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// After how many milliseconds a client's transaction that still waits is forwarded again; then twice that, and so on.
const FORWARD_AGAIN_MS: u64 = 1_000;
/// How often that pause doubles: under load most of what waits is known to the peers already.
const FORWARD_DOUBLINGS_MAX: u32 = 2;
/// The last part of a lane that only this node's own clients may fill: one over so much. A validator that forwards
/// whatever anyone signs fills the rest of every lane at most.
const OWN_SHARE: usize = 4;
/// Of how many full lanes all lanes together hold as much, at most.
const ALL_LANES: usize = 2 * Lane::ALL.len();

/// What waits, and what was final within the window.
#[derive(Debug)]
pub struct Mempool {
    genesis: GenesisHash,
    window: u64,
    limits: MempoolLimits,
    entries: BTreeMap<TxId, Entry>,
    lanes: [LaneQueue; 4],
    /// The entries by their last height: what expires is found without looking at the rest.
    expiring: BTreeSet<(Height, TxId)>,
    /// Clients' entries by when they are to be forwarded again.
    forwarding: BTreeSet<(Monotonic, TxId)>,
    recent: BTreeMap<TxId, Height>,
    recent_by_height: VecDeque<(Height, Vec<TxId>)>,
    final_height: Height,
    revision: u64,
    /// In which lanes the next block's transactions count.
    demotions: Arc<Demotions>,
}

#[derive(Debug)]
struct Entry {
    transaction: VerifiedTransaction,
    /// Which it waits in.
    lane: Lane,
    bytes: usize,
    received_at: Monotonic,
    /// Set for clients' transactions.
    forward: Option<Forward>,
}

#[derive(Clone, Copy, Debug)]
struct Forward {
    at: Monotonic,
    doublings: u32,
}

#[derive(Debug, Default)]
struct LaneQueue {
    order: VecDeque<TxId>,
    bytes: usize,
    count: usize,
}

impl Mempool {
    /// A mempool at the last final height, knowing the ids of the blocks in the window, and in which lanes the next block's
    /// transactions count.
    #[must_use]
    pub fn new(
        genesis: GenesisHash,
        window: u64,
        limits: MempoolLimits,
        final_height: Height,
        recent: Vec<(Height, Vec<TxId>)>,
        demotions: Arc<Demotions>,
    ) -> Self {
        let mut mempool = Self {
            genesis,
            window,
            limits,
            entries: BTreeMap::new(),
            lanes: Default::default(),
            expiring: BTreeSet::new(),
            forwarding: BTreeSet::new(),
            recent: BTreeMap::new(),
            recent_by_height: VecDeque::new(),
            final_height,
            revision: 0,
            demotions,
        };
        for (height, ids) in recent {
            mempool.remember(height, ids);
        }
        mempool
    }

    /// Takes in a transaction, and says in which lane it waits: another than it asks for if its entity has used that one up.
    ///
    /// # Errors
    /// [`PoolError`]; nothing has changed then.
    pub fn insert(
        &mut self,
        now: Monotonic,
        transaction: VerifiedTransaction,
        source: Source,
    ) -> Result<Lane, PoolError> {
        let id = transaction.id();
        let body = transaction.body();
        self.check_window(body, self.final_height.next())?;
        if let Some(height) = self.recent.get(&id) {
            return Err(PoolError::AlreadyFinal {
                id,
                height: *height,
            });
        }
        let forward = (source == Source::Client).then(|| Forward {
            at: now.plus_millis(FORWARD_AGAIN_MS),
            doublings: 0,
        });
        if let Some(entry) = self.entries.get_mut(&id) {
            if let (Some(forward), None) = (forward, entry.forward) {
                entry.forward = Some(forward);
                self.forwarding.insert((forward.at, id));
            }
            return Err(PoolError::AlreadyPending { id });
        }
        let lane = self.demotions.lane_of(body);
        let bytes = codec::encode(transaction.signed()).len();
        let (count_max, bytes_max) = self.limits.of(source);
        let (all_count, all_bytes) = self.lanes.iter().fold((0, bytes), |(count, bytes), lane| {
            (count + lane.count, bytes + lane.bytes)
        });
        let queue = &mut self.lanes[lane.index()];
        if queue.count >= count_max
            || queue.bytes.saturating_add(bytes) > bytes_max
            || all_count >= count_max.saturating_mul(ALL_LANES)
            || all_bytes > bytes_max.saturating_mul(ALL_LANES)
        {
            return Err(PoolError::LaneFull {
                lane,
                retry_after: RETRY_AFTER,
            });
        }
        queue.order.push_back(id);
        queue.bytes += bytes;
        queue.count += 1;
        self.revision += 1;
        self.expiring.insert((body.valid_until, id));
        if let Some(forward) = forward {
            self.forwarding.insert((forward.at, id));
        }
        let entry = Entry {
            transaction,
            lane,
            bytes,
            received_at: now,
            forward,
        };
        self.entries.insert(id, entry);
        Ok(lane)
    }

    /// From now on transactions count by `demotions`, those of the next block. What waits in another lane by that moves to it, in the
    /// order in which it came. It was admitted, so it is kept also where that lane is full: then the lane takes nothing new until it has
    /// room again. So it is not lost either when a block turns out not to be final and what it demoted counts where it did.
    ///
    /// Looks at everything that waits, but only if something changed: at most once for each lane that an entity uses up, and once an
    /// epoch.
    pub fn recount(&mut self, demotions: &Arc<Demotions>) {
        if Arc::ptr_eq(&self.demotions, demotions) || self.demotions == *demotions {
            return;
        }
        self.demotions = Arc::clone(demotions);
        let mut moving: Vec<(Monotonic, TxId, Lane)> = self
            .entries
            .iter()
            .map(|(id, entry)| (entry, *id, demotions.lane_of(entry.transaction.body())))
            .filter(|(entry, _, lane)| entry.lane != *lane)
            .map(|(entry, id, lane)| (entry.received_at, id, lane))
            .collect();
        if moving.is_empty() {
            return;
        }
        self.revision += 1;
        moving.sort_unstable();
        for (_, id, lane) in &moving {
            let entry = self.entries.get_mut(id).expect("it waits");
            let left = &mut self.lanes[entry.lane.index()];
            left.bytes -= entry.bytes;
            left.count -= 1;
            entry.lane = *lane;
            let taking = &mut self.lanes[lane.index()];
            taking.bytes += entry.bytes;
            taking.count += 1;
        }
        let entries = &self.entries;
        for lane in Lane::ALL {
            let order = &mut self.lanes[lane.index()].order;
            order.retain(|id| entries.get(id).is_some_and(|entry| entry.lane == lane));
        }
        for (_, id, lane) in moving {
            self.lanes[lane.index()].order.push_back(id);
        }
        for queue in &mut self.lanes {
            queue
                .order
                .make_contiguous()
                .sort_by_key(|id| entries.get(id).map(|entry| entry.received_at));
        }
    }

    /// Whether a transaction may stand in the block at `height`, as far as chain and window tell.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn check_window(&self, transaction: &Transaction, height: Height) -> Result<(), PoolError> {
        if transaction.genesis != self.genesis {
            return Err(PoolError::WrongChain {
                found: transaction.genesis,
                expected: self.genesis,
            });
        }
        let valid_until = transaction.valid_until;
        if valid_until < height {
            return Err(PoolError::Expired {
                valid_until,
                next: height,
            });
        }
        let latest = height.plus(self.window);
        if valid_until > latest {
            return Err(PoolError::WindowTooFar {
                valid_until,
                latest,
            });
        }
        Ok(())
    }

    /// Whether this id is final within the window.
    #[must_use]
    pub fn is_recent(&self, id: &TxId) -> bool {
        self.recent.contains_key(id)
    }

    /// Whether exactly this transaction, with this signature, was checked before.
    #[must_use]
    pub fn has_checked(&self, id: &TxId, transaction: &SignedTransaction) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| *entry.transaction.signature() == transaction.signature)
    }

    /// Whether a transaction waits.
    #[must_use]
    pub fn contains(&self, id: &TxId) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether something waits that could stand in the block at `height` and is not in `included`. What cannot is no
    /// reason for a block: it only waits for its end.
    #[must_use]
    pub fn has_other_than(&self, included: &BTreeSet<TxId>, height: Height) -> bool {
        let ending = self.expiring.range(..(height, LOWEST_ID)).count();
        let waiting = self.entries.len() - ending;
        // spares the look at each included one where it cannot matter
        waiting > included.len()
            || waiting
                > included
                    .iter()
                    .filter(|id| self.is_valid_at(id, height))
                    .count()
    }

    /// Since when the oldest of each lane waits that could stand in the block at `height` and is not in `included`.
    #[must_use]
    pub fn waiting_since(&self, height: Height, included: &BTreeSet<TxId>) -> Waiting {
        Lane::ALL.map(|lane| {
            let oldest = self
                .waiting(lane)
                .find(|id| !included.contains(*id) && self.is_valid_at(id, height))?;
            Some(self.entries.get(oldest)?.received_at)
        })
    }

    /// Up to `count` transactions of a lane, oldest first, of at most `bytes` encoded, valid at `height` and not in
    /// `included`.
    #[must_use]
    pub fn select(
        &self,
        lane: Lane,
        count: usize,
        bytes: usize,
        height: Height,
        included: &BTreeSet<TxId>,
    ) -> Vec<SignedTransaction> {
        let mut room = bytes;
        self.waiting(lane)
            .filter(|id| !included.contains(*id))
            .filter_map(|id| self.entries.get(id))
            .filter(|entry| self.check_window(entry.transaction.body(), height).is_ok())
            .take(count)
            .map_while(|entry| {
                room = room.checked_sub(entry.bytes)?;
                Some(entry.transaction.signed().clone())
            })
            .collect()
    }

    /// Up to `count` transactions of at most `bytes` encoded that could stand in the block at `height`, the most urgent lane
    /// first, the oldest of a lane first.
    #[must_use]
    pub fn oldest(&self, count: usize, bytes: usize, height: Height) -> Vec<SignedTransaction> {
        let (mut oldest, mut room) = (Vec::new(), bytes);
        for lane in Lane::ALL {
            let left = count - oldest.len();
            let some = self.select(lane, left, room, height, &BTreeSet::new());
            let taken: usize = some.iter().map(|tx| codec::encode(tx).len()).sum();
            room -= taken;
            oldest.extend(some);
        }
        oldest
    }

    /// A block is final: its transactions and those that can no longer be included leave. Returns what expired.
    pub fn on_final(&mut self, height: Height, ids: Vec<TxId>) -> Vec<TxId> {
        for id in &ids {
            self.remove(id);
        }
        self.remember(height, ids);
        self.final_height = height;
        let next = height.next();
        let expired: Vec<TxId> = self
            .expiring
            .range(..(next, LOWEST_ID))
            .map(|(_, id)| *id)
            .collect();
        for id in &expired {
            self.remove(id);
        }
        self.compact();
        expired
    }

    /// Clients' transactions that have waited for a while and are to be sent to the peers again, longest due first.
    pub fn forward_again(
        &mut self,
        now: Monotonic,
        count: usize,
        bytes: usize,
    ) -> Vec<SignedTransaction> {
        let mut room = bytes;
        let mut forwarded = Vec::new();
        while forwarded.len() < count
            && let Some((at, id)) = self.forwarding.first().copied()
            && at <= now
        {
            let entry = self.entries.get_mut(&id).expect("removed together");
            let Some(left) = room.checked_sub(entry.bytes) else {
                break;
            };
            room = left;
            let doublings = entry.forward.map_or(0, |forward| forward.doublings) + 1;
            let next = Forward {
                at: now.plus_millis(FORWARD_AGAIN_MS << doublings.min(FORWARD_DOUBLINGS_MAX)),
                doublings: doublings.min(FORWARD_DOUBLINGS_MAX),
            };
            entry.forward = Some(next);
            forwarded.push(entry.transaction.signed().clone());
            self.forwarding.pop_first();
            self.forwarding.insert((next.at, id));
        }
        forwarded
    }

    /// When [`Mempool::forward_again`] has something next.
    #[must_use]
    pub fn forward_at(&self) -> Option<Monotonic> {
        self.forwarding.first().map(|(at, _)| *at)
    }

    /// How many wait in each lane, in the order of [`Lane::ALL`].
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        Lane::ALL.map(|lane| self.lanes[lane.index()].count)
    }

    /// Changes whenever a transaction comes or leaves: as long as it is the same, so is what waits.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// In which lanes transactions are counted.
    #[must_use]
    pub const fn demotions(&self) -> &Arc<Demotions> {
        &self.demotions
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn waiting(&self, lane: Lane) -> impl Iterator<Item = &TxId> {
        self.lanes[lane.index()]
            .order
            .iter()
            .filter(|id| self.entries.contains_key(*id))
    }

    fn is_valid_at(&self, id: &TxId, height: Height) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| self.check_window(entry.transaction.body(), height).is_ok())
    }

    fn remove(&mut self, id: &TxId) {
        if let Some(entry) = self.entries.remove(id) {
            self.expiring
                .remove(&(entry.transaction.body().valid_until, *id));
            if let Some(forward) = entry.forward {
                self.forwarding.remove(&(forward.at, *id));
            }
            let queue = &mut self.lanes[entry.lane.index()];
            queue.bytes -= entry.bytes;
            queue.count -= 1;
            self.revision += 1;
        }
    }

    /// Drops ids of transactions that left from the queues, once they are the greater part.
    fn compact(&mut self) {
        for queue in &mut self.lanes {
            while queue
                .order
                .front()
                .is_some_and(|id| !self.entries.contains_key(id))
            {
                queue.order.pop_front();
            }
            if queue.order.len() > 2 * queue.count + 64 {
                queue.order.retain(|id| self.entries.contains_key(id));
            }
        }
    }

    fn remember(&mut self, height: Height, ids: Vec<TxId>) {
        for id in &ids {
            self.recent.insert(*id, height);
        }
        if !ids.is_empty() {
            self.recent_by_height.push_back((height, ids));
        }
        // an id included at h was valid until h + window at most
        while let Some((oldest, _)) = self.recent_by_height.front()
            && height.since(*oldest) > self.window
        {
            if let Some((_, ids)) = self.recent_by_height.pop_front() {
                for id in ids {
                    self.recent.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
