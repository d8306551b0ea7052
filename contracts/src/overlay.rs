//! Writes that are not committed yet, laid over the state they change.

use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};

/// Buffered writes over a state. Reads see them; the state below never changes.
///
/// Overlays nest: one transaction's lies over its block's. Dropping an overlay drops its writes, merging its
/// [`WriteSet`] into the one below keeps them.
pub struct Overlay<'a> {
    base: &'a dyn StateRead,
    writes: WriteSet,
}

impl<'a> Overlay<'a> {
    /// An empty overlay over `base`.
    #[must_use]
    pub fn new(base: &'a dyn StateRead) -> Self {
        Self {
            base,
            writes: WriteSet::default(),
        }
    }

    /// Sets a value.
    pub fn put(&mut self, key: StateKey, value: Vec<u8>) {
        self.writes.put(key, value);
    }

    /// Removes a value.
    pub fn remove(&mut self, key: StateKey) {
        self.writes.remove(key);
    }

    /// Lays the writes of an overlay that was made over this one on top of its own.
    pub fn merge(&mut self, later: WriteSet) {
        self.writes.extend(later);
    }

    /// What changed, against the base.
    #[must_use]
    pub fn into_writes(self) -> WriteSet {
        self.writes
    }
}

impl StateRead for Overlay<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        match self.writes.0.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use salus_primitives::ids::ContractId;
    use salus_primitives::state::MemoryState;

    fn key(n: u8) -> StateKey {
        if n.is_multiple_of(2) {
            StateKey::tree(ContractId::new(1), [n])
        } else {
            StateKey::index(ContractId::new(1), [n])
        }
    }

    /// One buffered change; `None` removes.
    fn change() -> impl Strategy<Value = (u8, Option<u8>)> {
        (0u8..12, proptest::option::of(any::<u8>()))
    }

    fn changes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        proptest::collection::vec(change(), 0..12)
    }

    fn write(overlay: &mut Overlay<'_>, changes: &[(u8, Option<u8>)]) {
        for (n, value) in changes {
            match value {
                Some(value) => overlay.put(key(*n), vec![*value]),
                None => overlay.remove(key(*n)),
            }
        }
    }

    fn write_set(changes: &[(u8, Option<u8>)]) -> WriteSet {
        let nothing = MemoryState::default();
        let mut overlay = Overlay::new(&nothing);
        write(&mut overlay, changes);
        overlay.into_writes()
    }

    fn reads(state: &dyn StateRead) -> Vec<Option<Vec<u8>>> {
        (0..12)
            .map(|n| state.get(&key(n)).expect("memory"))
            .collect()
    }

    proptest! {
        /// Nested overlays, kept or dropped, read and commit like a plain map to which only the kept ones were applied.
        #[test]
        fn nested_overlays_agree_with_a_plain_map(
            start in changes(),
            transactions in proptest::collection::vec((changes(), any::<bool>()), 0..6),
        ) {
            let mut base = MemoryState::default();
            base.apply(&write_set(&start));
            let mut oracle = base.clone();
            let mut block = Overlay::new(&base);

            for (changes, kept) in &transactions {
                let mut inner = Overlay::new(&block);
                write(&mut inner, changes);
                let mut expected = oracle.clone();
                expected.apply(&write_set(changes));
                prop_assert_eq!(reads(&inner), reads(&expected));
                let writes = inner.into_writes();
                if *kept {
                    block.merge(writes);
                    oracle = expected;
                }
                prop_assert_eq!(reads(&block), reads(&oracle));
            }

            let writes = block.into_writes();
            let mut committed = base.clone();
            committed.apply(&writes);
            prop_assert_eq!(committed.0, oracle.0);
        }
    }
}
