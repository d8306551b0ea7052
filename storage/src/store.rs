//! The seam between the ledger and a key-value backend.
//!
//! Two backends exist: [`RocksStore`](crate::rocks::RocksStore) for nodes and
//! [`MemoryStore`](crate::memory::MemoryStore) for the simulator, which also fails on request. `tests/it` runs one
//! suite on both. Keys are ordered as byte strings within a column.

use crate::batch::Batch;
use crate::column::Column;
use crate::error::StoreError;

/// One key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Reading, from the latest state or from a snapshot.
pub trait Read: Send + Sync {
    /// The value at `key`, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Read`] if the backend fails.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries of `range`, in the order of `direction`.
    ///
    /// # Errors
    /// [`StoreError::Read`] if the backend fails.
    fn scan(
        &self,
        column: Column,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;
}

/// A key-value store with columns and atomic batches.
pub trait Store: Read {
    /// Applies the whole batch or nothing of it, also when the process or the machine stops in between. Batches
    /// become durable in the order of their writes: if one survives a crash, all before it did.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Write`]. It is then unknown whether the batch was applied.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Makes every batch written so far durable.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn sync(&self) -> Result<(), StoreError>;

    /// A consistent view of this moment that later writes do not change. Cheap to take, but hold it briefly: what is
    /// overwritten meanwhile cannot be freed.
    fn snapshot(&self) -> Box<dyn Read + '_>;
}

/// What must have happened when a write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The batch, and every batch before it, survives a loss of power.
    Synced,
    /// The batch survives the end of the process, but a loss of power may undo it, together with every later one.
    Buffered,
}

/// Which way a scan goes through its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key.
    Ascending,
    /// From the greatest key.
    Descending,
}

/// The keys from `start` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key of the column.
    #[must_use]
    pub fn all() -> Self {
        Self::from(Vec::new())
    }

    /// Keys not below `start`.
    #[must_use]
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self {
            start: start.into(),
            end: None,
        }
    }

    /// Keys from `start` up to but without `end`; none if `end` is not above `start`.
    #[must_use]
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self {
            start: start.into(),
            end: Some(end.into()),
        }
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        // The successor of a prefix: drop its trailing 0xff bytes and add one to what remains.
        while let Some(last) = end.last_mut() {
            if let Some(next) = last.checked_add(1) {
                *last = next;
                return Self::between(prefix, end);
            }
            end.pop();
        }
        Self::from(prefix)
    }

    /// The smallest key of the range.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The key behind the range, if it has an end.
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether the range holds no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_at_the_successor_of_the_prefix() {
        assert_eq!(KeyRange::prefix(&[1, 2]).end(), Some(&[1, 3][..]));
        assert_eq!(KeyRange::prefix(&[1, 0xff]).end(), Some(&[2][..]));
        assert_eq!(KeyRange::prefix(&[0xff, 0xff]).end(), None);
        assert_eq!(KeyRange::prefix(&[]), KeyRange::all());
    }
}
