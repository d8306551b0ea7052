//! The seam between contracts and storage: contracts read a [`StateRead`] and return a [`WriteSet`]; storage commits it
//! and returns a [`StateRoot`].

use crate::hexadecimal::fixed_bytes;
use crate::ids::ContractId;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Authenticated by the state root, provable: the rules (entities, devices, lanes, grants).
    Tree,
    /// Replicated and deterministic, outside the root: indexes into the log, such as which reading ids exist.
    Index,
}

/// Names one value of the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey {
    /// Where it lives.
    pub space: Space,
    /// Whose it is.
    pub contract: ContractId,
    /// The contract's own key.
    pub key: Vec<u8>,
}

impl StateKey {
    /// A key in the authenticated tree.
    #[must_use]
    pub fn tree(contract: ContractId, key: impl Into<Vec<u8>>) -> Self {
        Self {
            space: Space::Tree,
            contract,
            key: key.into(),
        }
    }

    /// A key in the plain index.
    #[must_use]
    pub fn index(contract: ContractId, key: impl Into<Vec<u8>>) -> Self {
        Self {
            space: Space::Index,
            contract,
            key: key.into(),
        }
    }

    /// Contract number (big-endian) and key: the order and the bytes that storage and proofs use.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let mut path = self.contract.get().to_be_bytes().to_vec();
        path.extend_from_slice(&self.key);
        path
    }
}

/// Reading failed: the disk or the store, never the contract. Execution stops, the process ends.
#[derive(Debug, Clone, thiserror::Error)]
#[error("state cannot be read: {0}")]
pub struct StateReadError(pub String);

/// The state as of one block.
pub trait StateRead {
    /// The value under `key`, or `None` if there is none.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails; absence is not an error.
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError>;
}

impl<T: StateRead + ?Sized> StateRead for &T {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        (**self).get(key)
    }
}

/// What a block changes: a new value, or `None` to remove it. In key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet(pub BTreeMap<StateKey, Option<Vec<u8>>>);

impl WriteSet {
    /// Sets a value.
    pub fn put(&mut self, key: StateKey, value: Vec<u8>) {
        self.0.insert(key, Some(value));
    }

    /// Removes a value.
    pub fn remove(&mut self, key: StateKey) {
        self.0.insert(key, None);
    }

    /// Lays `later` over this set.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// The changes of the authenticated tree.
    pub fn tree(&self) -> impl Iterator<Item = (&StateKey, Option<&[u8]>)> {
        self.in_space(Space::Tree)
    }

    /// The changes of the plain index.
    pub fn index(&self) -> impl Iterator<Item = (&StateKey, Option<&[u8]>)> {
        self.in_space(Space::Index)
    }

    fn in_space(&self, space: Space) -> impl Iterator<Item = (&StateKey, Option<&[u8]>)> {
        self.0
            .iter()
            .filter(move |(key, _)| key.space == space)
            .map(|(key, value)| (key, value.as_deref()))
    }
}

/// An empty state, and one held in memory: for genesis and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(pub BTreeMap<StateKey, Vec<u8>>);

impl MemoryState {
    /// Applies a block's changes.
    pub fn apply(&mut self, writes: &WriteSet) {
        for (key, value) in &writes.0 {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}

impl StateRead for MemoryState {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        Ok(self.0.get(key).cloned())
    }
}

/// Root of the authenticated tree, see [`state_tree`](crate::state_tree).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateRoot(pub [u8; 32]);
fixed_bytes!(StateRoot, 32);
