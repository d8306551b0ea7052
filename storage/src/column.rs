//! Every column: what it holds, how its keys are laid out, and its schema version.
//!
//! Heights and counters in keys are big-endian, so that key order is numeric order. Values are records of
//! `record`: the payload with a checksum that binds it to its column and key.

use salus_primitives::ids::{Epoch, Height};

/// A column of the store; a column family in RocksDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// `"genesis"`, `"head"`, `"column/<name>"` -> what the store is (`schema`) and how far it is.
    Meta,
    /// height (8) -> encoded block. Never pruned.
    Blocks,
    /// height (8) -> encoded header. Never pruned.
    Headers,
    /// block id (32) -> height (8).
    BlockIds,
    /// transaction id (32) -> height (8), index in the block (4).
    Transactions,
    /// height (8) -> encoded list of receipts.
    Receipts,
    /// height (8) -> the certificate that finalises the block of that height.
    Certificates,
    /// epoch (8) -> its validators. Never pruned: who starts from genesis follows all of them.
    Epochs,
    /// epoch (8) -> height (8) of its last block, once that is final.
    EpochEnds,
    /// contract (2), topic (2), height (8), receipt (4), event (4) -> the event's data.
    Events,
    /// handle (32), height (8), index in the block (4) -> nothing: a transaction that recorded a reading of that handle.
    Records,
    /// contract (2), key -> latest value of the authenticated space.
    StateTree,
    /// contract (2), key -> latest value of the index space.
    StateIndex,
    /// height (8), contract (2), key -> the value that the block of that height replaced in [`Column::StateTree`]:
    /// 0 where there was none, else 1 and the value. Pruned.
    StateUndo,
    /// version (8), number of nibbles (1), nibbles, two a byte -> node of the state tree. Pruned.
    TreeNodes,
    /// version since which the node is stale (8), key of the node -> nothing. Pruned.
    TreeStale,
}

impl Column {
    /// All columns.
    pub const ALL: [Self; 16] = [
        Self::Meta,
        Self::Blocks,
        Self::Headers,
        Self::BlockIds,
        Self::Transactions,
        Self::Receipts,
        Self::Certificates,
        Self::Epochs,
        Self::EpochEnds,
        Self::Events,
        Self::Records,
        Self::StateTree,
        Self::StateIndex,
        Self::StateUndo,
        Self::TreeNodes,
        Self::TreeStale,
    ];

    /// The name on disk. Never reused for another layout.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::Headers => "headers",
            Self::BlockIds => "block_ids",
            Self::Transactions => "transactions",
            Self::Receipts => "receipts",
            Self::Certificates => "certificates",
            Self::Epochs => "epochs",
            Self::EpochEnds => "epoch_ends",
            Self::Events => "events",
            Self::Records => "records",
            Self::StateTree => "state_tree",
            Self::StateIndex => "state_index",
            Self::StateUndo => "state_undo",
            Self::TreeNodes => "tree_nodes",
            Self::TreeStale => "tree_stale",
        }
    }

    /// The layout of keys and values; raised by one with every change of either.
    #[must_use]
    pub const fn schema_version(self) -> u16 {
        match self {
            Self::Meta
            | Self::Blocks
            | Self::Headers
            | Self::BlockIds
            | Self::Transactions
            | Self::Receipts
            | Self::Certificates
            | Self::Epochs
            | Self::EpochEnds
            | Self::Events
            | Self::Records
            | Self::StateTree
            | Self::StateIndex
            | Self::StateUndo
            | Self::TreeNodes
            | Self::TreeStale => 1,
        }
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Key of everything that is stored by height.
pub(crate) fn height_key(height: Height) -> [u8; 8] {
    height.get().to_be_bytes()
}

/// Key of everything that is stored by epoch.
pub(crate) fn epoch_key(epoch: Epoch) -> [u8; 8] {
    epoch.get().to_be_bytes()
}

/// The height at the front of a key or value.
pub(crate) fn leading_height(bytes: &[u8]) -> Option<Height> {
    bytes
        .first_chunk()
        .map(|number| Height::new(u64::from_be_bytes(*number)))
}

/// Key in [`Column::StateUndo`].
pub(crate) fn undo_key(height: Height, path: &[u8]) -> Vec<u8> {
    [&height_key(height)[..], path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_columns_share_a_name() {
        let names: BTreeSet<_> = Column::ALL.iter().map(|column| column.name()).collect();

        assert_eq!(names.len(), Column::ALL.len());
    }
}
