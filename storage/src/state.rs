//! The state as contracts read it.

use crate::column::{Column, undo_key};
use crate::error::StoreError;
use crate::record;
use crate::store::Read;
use salus_primitives::ids::Height;
use salus_primitives::state::{Space, StateKey, StateRead, StateReadError, WriteSet};
use std::sync::Arc;

/// The state after the last committed block, in both spaces.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    store: &'a dyn Read,
}

/// The state after a block that is not final: its branch's writes over the committed state.
#[derive(Clone)]
pub struct BranchView<'a> {
    committed: StateView<'a>,
    branch: Vec<Arc<WriteSet>>,
}

impl<'a> StateView<'a> {
    /// The state in a store or snapshot.
    #[must_use]
    pub fn new(store: &'a dyn Read) -> Self {
        Self { store }
    }

    /// Lays the writes of blocks that are not committed yet over this state, oldest first. Writes that were committed
    /// meanwhile may still be among them.
    #[must_use]
    pub fn with_branch(self, branch: Vec<Arc<WriteSet>>) -> BranchView<'a> {
        BranchView {
            committed: self,
            branch,
        }
    }

    /// The value under `key` now.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read or is damaged.
    pub fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StoreError> {
        record::get(self.store, column(key.space), &key.path())
    }

    /// The value under a key of the tree space as it was after the block at `height`, if `head` is the last one: what
    /// the first later block that changed it has replaced. The caller knows that no undo record between was pruned.
    pub(crate) fn value_at(
        &self,
        key: &StateKey,
        height: Height,
        head: Height,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let path = key.path();
        let mut later = height;
        while later < head {
            later = later.next();
            let undo = undo_key(later, &path);
            if let Some(replaced) = record::get(self.store, Column::StateUndo, &undo)? {
                return match replaced.split_first() {
                    Some((0, [])) => Ok(None),
                    Some((1, value)) => Ok(Some(value.to_vec())),
                    _ => Err(StoreError::corrupt(
                        Column::StateUndo,
                        &undo,
                        "neither a value nor the absence of one",
                    )),
                };
            }
        }
        self.value(key)
    }
}

impl StateRead for StateView<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        self.value(key)
            .map_err(|error| StateReadError(error.to_string()))
    }
}

impl StateRead for BranchView<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        let written = self
            .branch
            .iter()
            .rev()
            .find_map(|writes| writes.0.get(key));
        match written {
            Some(value) => Ok(value.clone()),
            None => self.committed.get(key),
        }
    }
}

/// Adds a block's writes to its batch, with what they replace in the tree space.
///
/// # Errors
/// [`StoreError`] if what they replace cannot be read.
pub(crate) fn stage(
    store: &dyn Read,
    batch: &mut crate::batch::Batch,
    height: Height,
    writes: &WriteSet,
) -> Result<(), StoreError> {
    for (key, value) in &writes.0 {
        let path = key.path();
        // Nothing is before block 0.
        if key.space == Space::Tree && height > Height::ZERO {
            let replaced = match record::get(store, Column::StateTree, &path)? {
                Some(value) => [&[1], value.as_slice()].concat(),
                None => vec![0],
            };
            record::put(batch, Column::StateUndo, undo_key(height, &path), &replaced);
        }
        match value {
            Some(value) => record::put(batch, column(key.space), path, value),
            None => batch.delete(column(key.space), path),
        }
    }
    Ok(())
}

/// Where a space lives.
pub(crate) fn column(space: Space) -> Column {
    match space {
        Space::Tree => Column::StateTree,
        Space::Index => Column::StateIndex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::memory::MemoryStore;
    use crate::store::{Durability, Store};
    use proptest::prelude::*;
    use salus_primitives::ids::ContractId;
    use salus_primitives::state::MemoryState;

    /// Keys of both spaces.
    fn key(n: u8) -> StateKey {
        if n.is_multiple_of(2) {
            StateKey::tree(ContractId::new(1), [n])
        } else {
            StateKey::index(ContractId::new(1), [n])
        }
    }

    /// A block's changes; `None` removes.
    fn changes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        proptest::collection::vec((0u8..12, proptest::option::of(any::<u8>())), 0..12)
    }

    fn write_set(changes: &[(u8, Option<u8>)]) -> WriteSet {
        let mut writes = WriteSet::default();
        for (n, value) in changes {
            match value {
                Some(value) => writes.put(key(*n), vec![*value]),
                None => writes.remove(key(*n)),
            }
        }
        writes
    }

    fn commit(store: &MemoryStore, height: u64, writes: &WriteSet) {
        let mut batch = Batch::new();
        stage(store, &mut batch, Height::new(height), writes).expect("memory");
        store.write(batch, Durability::Buffered).expect("memory");
    }

    fn reads(state: &dyn StateRead) -> Vec<Option<Vec<u8>>> {
        (0..12)
            .map(|n| state.get(&key(n)).expect("memory"))
            .collect()
    }

    proptest! {
        /// A branch reads like the state to which its blocks were applied in order, also while the oldest of them are
        /// being committed below it.
        #[test]
        fn a_branch_reads_like_the_state_after_its_blocks(
            start in changes(),
            blocks in proptest::collection::vec(changes(), 0..5),
        ) {
            let store = MemoryStore::new();
            commit(&store, 0, &write_set(&start));
            let mut oracle = MemoryState::default();
            oracle.apply(&write_set(&start));
            prop_assert_eq!(reads(&StateView::new(&store)), reads(&oracle));
            let branch: Vec<_> = blocks.iter().map(|block| Arc::new(write_set(block))).collect();
            for block in &branch {
                oracle.apply(block);
            }
            let view = StateView::new(&store).with_branch(branch.clone());

            prop_assert_eq!(reads(&view), reads(&oracle));

            for (height, block) in (1..).zip(&branch) {
                commit(&store, height, block);
                prop_assert_eq!(reads(&view), reads(&oracle), "committed to {}", height);
            }
        }
    }
}
