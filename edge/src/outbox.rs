//! What has to reach the chain, on disk until it is proven (`DESIGN`, way of one reading, step 5).
//!
//! An append-only log of sealed readings, their signed transactions and what is done; it survives SIGKILL and a torn tail.
//! The most urgent lane goes first. The outbox is bounded: a full one refuses with [`OutboxError::Full`], which is pressure on
//! the source, and some room is kept for emergencies. Time is an argument, in milliseconds of any monotonic clock.
//!
//! A signed transaction is kept, so that a second try after a crash is the same transaction. Only when it has expired, or its
//! call failed, is the reading signed again; its reading id stays.

mod log;
mod queue;
mod sync;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use salus_primitives::lane::Lane;
use salus_primitives::reading::{ReadingId, SealedReading};
use salus_primitives::transaction::SignedTransaction;
use serde::{Deserialize, Serialize};

use log::Log;
use queue::Queue;
pub use sync::{SyncError, SyncPoint, Syncer};

/// Names an item of one outbox, for as long as its file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId(u64);

/// How much an outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most items.
    pub items: usize,
    /// How many of these only emergencies may take.
    pub reserved_for_emergencies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items: 8_192,
            reserved_for_emergencies: 1_024,
        }
    }
}

/// Why the outbox refuses.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// No room for this lane until something is proven.
    #[error("the outbox has no room for {lane}: {items} of {limit} items")]
    Full {
        /// The lane that was asked for.
        lane: Lane,
        /// Items it holds.
        items: usize,
        /// Items it may hold for this lane.
        limit: usize,
    },
    /// The file is not an outbox.
    #[error("the file is not an outbox")]
    NotAnOutbox,
    /// The disk refuses. Nothing may be sent any more: what was written is not known.
    #[error("the outbox cannot be written")]
    Disk(#[from] std::io::Error),
}

/// What an outbox found when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Items of an earlier run that are not done.
    pub items: usize,
    /// Bytes that belonged to no intact record: a torn tail, or damage.
    pub damaged_bytes: u64,
}

/// What became of a reading that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is queued.
    Queued(ItemId),
    /// It is queued already, from this or an earlier run.
    Known,
    /// It is done: proven a while ago.
    Done,
}

/// An item to work on. Nobody else gets it until it is retried, parked or done.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Which item.
    pub id: ItemId,
    /// The lane it takes.
    pub lane: Lane,
    /// What is to be submitted.
    pub sealed: Arc<SealedReading>,
    /// The transaction that was signed for it, if one was.
    pub signed: Option<Arc<SignedTransaction>>,
}

/// The durable queue.
#[derive(Debug)]
pub struct Outbox {
    log: Log,
    limits: Limits,
    items: BTreeMap<ItemId, Item>,
    readings: BTreeSet<ReadingId>,
    queue: Queue,
    done: BTreeSet<ReadingId>,
    done_order: VecDeque<ReadingId>,
    next_id: u64,
}

#[derive(Debug)]
struct Item {
    lane: Lane,
    sealed: Arc<SealedReading>,
    signed: Option<Arc<SignedTransaction>>,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    /// A reading was queued.
    Queued {
        item: ItemId,
        lane: Lane,
        sealed: SealedReading,
    },
    /// It was signed; replaces an earlier signature.
    Signed {
        item: ItemId,
        transaction: SignedTransaction,
    },
    /// Its transaction will never do; it has to be signed again.
    Unsigned { item: ItemId },
    /// It is proven. The item may be long forgotten; the reading is remembered for a while.
    Done { item: ItemId, reading: ReadingId },
}

impl Outbox {
    /// Opens the outbox at `path`, or a new one if there is none. Only one process may hold it; the caller locks.
    ///
    /// # Errors
    /// [`OutboxError::NotAnOutbox`] for a file of another kind; [`OutboxError::Disk`].
    pub fn open(path: &Path, limits: Limits) -> Result<(Self, Recovered), OutboxError> {
        let (log, read) = Log::open(path)?;
        let mut outbox = Self {
            log,
            limits,
            items: BTreeMap::new(),
            readings: BTreeSet::new(),
            queue: Queue::default(),
            done: BTreeSet::new(),
            done_order: VecDeque::new(),
            next_id: 0,
        };
        for record in read.records {
            outbox.replay(record);
        }
        for (id, item) in &outbox.items {
            outbox.queue.insert(*id, item.lane);
            outbox.readings.insert(item.sealed.reading);
        }
        if read.damaged_bytes > 0 {
            outbox.compact()?;
        }
        let recovered = Recovered {
            items: outbox.items.len(),
            damaged_bytes: read.damaged_bytes,
        };
        Ok((outbox, recovered))
    }

    fn replay(&mut self, record: Record) {
        match record {
            Record::Queued { item, lane, sealed } => {
                self.next_id = self.next_id.max(item.0.saturating_add(1));
                self.items.insert(
                    item,
                    Item {
                        lane,
                        sealed: Arc::new(sealed),
                        signed: None,
                    },
                );
            }
            Record::Signed { item, transaction } => {
                if let Some(item) = self.items.get_mut(&item) {
                    item.signed = Some(Arc::new(transaction));
                }
            }
            Record::Unsigned { item } => {
                if let Some(item) = self.items.get_mut(&item) {
                    item.signed = None;
                }
            }
            Record::Done { item, reading } => {
                self.next_id = self.next_id.max(item.0.saturating_add(1));
                self.items.remove(&item);
                self.remember_done(reading);
            }
        }
    }

    /// Queues a reading. A reading that is queued or done already changes nothing.
    ///
    /// # Errors
    /// [`OutboxError::Full`] if there is no room in its lane; [`OutboxError::Disk`].
    pub fn push(&mut self, lane: Lane, sealed: SealedReading) -> Result<Pushed, OutboxError> {
        let reading = sealed.reading;
        if self.done.contains(&reading) {
            return Ok(Pushed::Done);
        }
        if self.readings.contains(&reading) {
            return Ok(Pushed::Known);
        }
        self.check_room(lane)?;
        let id = ItemId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        let record = Record::Queued {
            item: id,
            lane,
            sealed,
        };
        self.log.append(&record)?;
        if let Record::Queued { sealed, .. } = record {
            self.items.insert(
                id,
                Item {
                    lane,
                    sealed: Arc::new(sealed),
                    signed: None,
                },
            );
        }
        self.readings.insert(reading);
        self.queue.insert(id, lane);
        Ok(Pushed::Queued(id))
    }

    /// Whether a reading of `lane` finds room now.
    ///
    /// # Errors
    /// [`OutboxError::Full`] if it does not.
    pub fn check_room(&self, lane: Lane) -> Result<(), OutboxError> {
        let limit = match lane {
            Lane::Emergency => self.limits.items,
            Lane::Monitoring | Lane::Routine | Lane::Bulk => self
                .limits
                .items
                .saturating_sub(self.limits.reserved_for_emergencies),
        };
        if self.items.len() >= limit {
            return Err(OutboxError::Full {
                lane,
                items: self.items.len(),
                limit,
            });
        }
        Ok(())
    }

    /// The most urgent item that is due at `now`, if one is in a lane at least as urgent as `least`.
    pub fn poll_send(&mut self, now_ms: u64, least: Lane) -> Option<Dispatch> {
        let id = self.queue.take(now_ms, least)?;
        let item = self.items.get(&id)?;
        Some(Dispatch {
            id,
            lane: item.lane,
            sealed: Arc::clone(&item.sealed),
            signed: item.signed.clone(),
        })
    }

    /// Keeps the transaction that was signed for an item. Send it only when the returned point is durable.
    ///
    /// # Errors
    /// [`OutboxError::Disk`].
    pub fn sign(
        &mut self,
        id: ItemId,
        transaction: Arc<SignedTransaction>,
    ) -> Result<SyncPoint, OutboxError> {
        let record = Record::Signed {
            item: id,
            transaction: (*transaction).clone(),
        };
        let point = self.log.append(&record)?;
        if let Some(item) = self.items.get_mut(&id) {
            item.signed = Some(transaction);
        }
        Ok(point)
    }

    /// Forgets the transaction that was signed for an item: it expired or failed.
    ///
    /// # Errors
    /// [`OutboxError::Disk`].
    pub fn unsign(&mut self, id: ItemId) -> Result<(), OutboxError> {
        if let Some(item) = self.items.get_mut(&id)
            && item.signed.take().is_some()
        {
            self.log.append(&Record::Unsigned { item: id })?;
        }
        Ok(())
    }

    /// Gives an item back; it is due again at `due_ms`.
    pub fn retry(&mut self, id: ItemId, due_ms: u64) {
        if let Some(item) = self.items.get(&id) {
            self.queue.insert_later(id, item.lane, due_ms);
        }
    }

    /// Ends the work on an item for this run; the next run tries it again. Nothing is lost, and nothing is tried for ever.
    pub fn park(&mut self, id: ItemId) {
        self.queue.remove(id);
    }

    /// An item is proven. Doing this twice changes nothing.
    ///
    /// # Errors
    /// [`OutboxError::Disk`].
    pub fn ack(&mut self, id: ItemId) -> Result<(), OutboxError> {
        let Some(item) = self.items.remove(&id) else {
            return Ok(());
        };
        let reading = item.sealed.reading;
        self.queue.remove(id);
        self.readings.remove(&reading);
        self.log.append(&Record::Done { item: id, reading })?;
        self.remember_done(reading);
        let live = u64::try_from(self.items.len()).unwrap_or(u64::MAX);
        if self.log.is_mostly_dead(live) {
            self.compact()?;
        }
        Ok(())
    }

    /// How many items are not done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether everything is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many items wait to be dispatched, now or later.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Makes points durable, without holding the outbox.
    #[must_use]
    pub fn syncer(&self) -> Arc<Syncer> {
        self.log.syncer()
    }

    fn remember_done(&mut self, reading: ReadingId) {
        if self.done.insert(reading) {
            self.done_order.push_back(reading);
        }
        if self.done_order.len() > DONE_REMEMBERED
            && let Some(oldest) = self.done_order.pop_front()
        {
            self.done.remove(&oldest);
        }
    }

    /// Writes a log of what is still true in the place of the old one.
    fn compact(&mut self) -> Result<(), OutboxError> {
        // Done readings come first, under an item id that was used before, so that ids are never used twice.
        let last = ItemId(self.next_id.saturating_sub(1));
        let done = self.done_order.iter().map(|reading| Record::Done {
            item: last,
            reading: *reading,
        });
        let live = self.items.iter().flat_map(|(id, item)| {
            let queued = Record::Queued {
                item: *id,
                lane: item.lane,
                sealed: (*item.sealed).clone(),
            };
            let signed = item.signed.as_deref().cloned();
            let signed = signed.map(|transaction| Record::Signed {
                item: *id,
                transaction,
            });
            std::iter::once(queued).chain(signed)
        });
        self.log.replace(done.chain(live))?;
        Ok(())
    }
}

/// More than a day of minutes for several beds; older repeats are harmless on the chain.
const DONE_REMEMBERED: usize = 8_192;

#[cfg(test)]
mod tests;
