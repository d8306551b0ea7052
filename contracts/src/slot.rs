//! Typed places in a contract's state.

use core::marker::PhantomData;
use salus_primitives::codec;
use salus_primitives::ids::ContractId;
use salus_primitives::state::{Space, StateKey, StateRead, StateReadError};
use serde::{Serialize, de::DeserializeOwned};

/// Upper bound of one stored value in bytes.
pub const VALUE_MAX: usize = 64 * 1024;

/// Where a contract keeps a value of type `T`. Names no contract: a [`Context`](crate::context::Context) adds its own, so that no
/// contract can name another's state.
#[derive(Debug)]
pub struct Slot<T> {
    space: Space,
    key: Vec<u8>,
    value: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    /// A place in the authenticated tree. `kind` keeps a contract's tables apart.
    #[must_use]
    pub fn tree(kind: u8, key: &[u8]) -> Self {
        Self::new(Space::Tree, kind, key)
    }

    /// A place in the plain index. `kind` keeps a contract's tables apart.
    #[must_use]
    pub fn index(kind: u8, key: &[u8]) -> Self {
        Self::new(Space::Index, kind, key)
    }

    fn new(space: Space, kind: u8, key: &[u8]) -> Self {
        Self {
            space,
            key: [&[kind], key].concat(),
            value: PhantomData,
        }
    }

    /// The key under which `contract` keeps this.
    #[must_use]
    pub fn key_of(&self, contract: ContractId) -> StateKey {
        StateKey {
            space: self.space,
            contract,
            key: self.key.clone(),
        }
    }
}

impl<T: Serialize + DeserializeOwned> Slot<T> {
    /// Reads what `contract` keeps here.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails, or holds what this contract never wrote.
    pub fn read(
        &self,
        contract: ContractId,
        state: &dyn StateRead,
    ) -> Result<Option<T>, StateReadError> {
        let key = self.key_of(contract);
        let Some(bytes) = state.get(&key)? else {
            return Ok(None);
        };
        codec::decode(&bytes, VALUE_MAX).map(Some).map_err(|error| {
            StateReadError(format!(
                "value of contract {contract} under {key:?}: {error}"
            ))
        })
    }
}
