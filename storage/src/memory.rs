//! The backend of the simulator: a store in memory that loses, fails and damages on request.

use crate::batch::{Batch, Change};
use crate::column::Column;
use crate::error::{BackendError, StoreError};
use crate::store::{Direction, Durability, Entry, KeyRange, Read, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory. What was not synced is lost by [`MemoryStore::crash`], as by a loss of power.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

/// Which faults the store shows. Settable at any time, by [`MemoryStore::set_faults`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Lets one write fail: how many more writes succeed before it (0: the next one), and what it leaves behind.
    pub write: Option<(u64, WriteFault)>,
    /// Every write and sync fails, and changes nothing.
    pub disk_full: bool,
    /// Reading these keys gives a value with one bit flipped.
    pub damaged: BTreeSet<(Column, Vec<u8>)>,
}

/// What a failed write leaves behind. A real disk may do either, so callers must bear both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// Nothing was written.
    Lost,
    /// The batch was applied, and the error came after.
    Kept,
}

impl MemoryStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the fault plan.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.lock().faults = faults;
    }

    /// The fault plan, as far as it has not happened yet.
    #[must_use]
    pub fn faults(&self) -> FaultPlan {
        self.lock().faults.clone()
    }

    /// A loss of power: every batch after the last sync is gone.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// A loss of power that spares the oldest `batches` of those not yet synced. A log that is written in order may
    /// lose any suffix, but nothing in the middle.
    pub fn crash_keeping(&self, batches: usize) {
        let mut inner = self.lock();
        while inner.unsynced.len() > batches {
            let undo = inner.unsynced.pop().unwrap_or_default();
            for change in undo.into_iter().rev() {
                inner.set(change);
            }
        }
        inner.unsynced.clear();
    }

    /// How many batches a crash would lose now.
    #[must_use]
    pub fn unsynced_batches(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// A panic in another thread leaves the maps whole: every change is one insertion.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for MemoryStore {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.lock().view().get(column, key)
    }

    fn scan(
        &self,
        column: Column,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        // The view shares the maps, so the lock is not held while they are walked.
        let view = self.lock().view();
        view.scan(column, range, direction, limit)
    }
}

impl Store for MemoryStore {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.faults.disk_full {
            return Err(disk_full());
        }
        let fault = match inner.faults.write.take() {
            Some((0, fault)) => Some(fault),
            Some((remaining, fault)) => {
                inner.faults.write = Some((remaining - 1, fault));
                None
            }
            None => None,
        };
        if fault == Some(WriteFault::Lost) {
            return Err(write_failed());
        }
        let undo = batch
            .into_changes()
            .into_iter()
            .map(|change| inner.set(change))
            .collect();
        inner.unsynced.push(undo);
        if fault == Some(WriteFault::Kept) {
            return Err(write_failed());
        }
        if durability == Durability::Synced {
            inner.unsynced.clear();
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.faults.disk_full {
            return Err(disk_full());
        }
        inner.unsynced.clear();
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(self.lock().view())
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
struct Inner {
    /// Shared with snapshots; a write copies a column only while a snapshot of it lives.
    columns: BTreeMap<Column, Arc<Map>>,
    /// For each batch since the last sync, what its changes replaced.
    unsynced: Vec<Vec<Change>>,
    faults: FaultPlan,
}

impl Inner {
    /// Applies a change and returns the one that undoes it.
    fn set(&mut self, change: Change) -> Change {
        let map = Arc::make_mut(self.columns.entry(change.column).or_default());
        let value = match change.value {
            Some(value) => map.insert(change.key.clone(), value),
            None => map.remove(&change.key),
        };
        Change {
            column: change.column,
            key: change.key,
            value,
        }
    }

    fn view(&self) -> View {
        View {
            columns: self.columns.clone(),
            damaged: self.faults.damaged.clone(),
        }
    }
}

/// The store at one moment.
struct View {
    columns: BTreeMap<Column, Arc<Map>>,
    damaged: BTreeSet<(Column, Vec<u8>)>,
}

impl View {
    fn read(&self, column: Column, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        if !self.damaged.is_empty() && self.damaged.contains(&(column, key.to_vec())) {
            match value.last_mut() {
                Some(byte) => *byte ^= 1,
                None => value.push(1),
            }
        }
        value
    }
}

impl Read for View {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .columns
            .get(&column)
            .and_then(|map| map.get(key))
            .map(|value| self.read(column, key, value)))
    }

    fn scan(
        &self,
        column: Column,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(map) = self.columns.get(&column) else {
            return Ok(Vec::new());
        };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let bounds = (
            Bound::Included(range.start()),
            range.end().map_or(Bound::Unbounded, Bound::Excluded),
        );
        let entries = map.range::<[u8], _>(bounds);
        let read =
            |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), self.read(column, key, value));
        Ok(match direction {
            Direction::Ascending => entries.take(limit).map(read).collect(),
            Direction::Descending => entries.rev().take(limit).map(read).collect(),
        })
    }
}

fn write_failed() -> StoreError {
    StoreError::Write {
        source: BackendError::new("injected write failure"),
    }
}

fn disk_full() -> StoreError {
    StoreError::DiskFull {
        source: BackendError::new("injected full disk"),
    }
}
