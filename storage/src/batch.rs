//! What is written together.

use crate::column::Column;

/// A list of changes that is applied as a whole. Later changes of one key win over earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    size_bytes: usize,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub column: Column,
    /// Which key.
    pub key: Vec<u8>,
    /// The new value; `None` removes the key, and removing a missing key is no error.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(column, key.into(), Some(value.into()));
    }

    /// Removes a key.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.push(column, key.into(), None);
    }

    /// The changes, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes, in order, by value.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn push(&mut self, column: Column, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.size_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.changes.push(Change { column, key, value });
    }
}
