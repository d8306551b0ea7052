//! What a store says about itself: which chain it holds, and in which layout.

use crate::batch::Batch;
use crate::column::Column;
use crate::error::StoreError;
use crate::record;
use crate::store::Read;
use salus_primitives::ids::GenesisHash;

/// Puts the identity of a new store into the batch that also holds its first block.
pub(crate) fn describe(batch: &mut Batch, genesis: &GenesisHash) {
    record::put(batch, Column::Meta, GENESIS_KEY, genesis.as_bytes());
    for column in Column::ALL {
        record::put_encoded(
            batch,
            Column::Meta,
            version_key(column),
            &column.schema_version(),
        );
    }
}

/// Checks that the store holds this chain in this version's layout. Returns `false` for a store that holds nothing
/// yet: it was created, and no block 0 was written.
///
/// # Errors
/// [`StoreError::WrongChain`]; [`StoreError::Schema`] if a column is newer, or older (no migration exists yet: version
/// 1 is the first); [`StoreError::Corrupt`] if the identity is damaged.
pub(crate) fn check(store: &dyn Read, expected: &GenesisHash) -> Result<bool, StoreError> {
    let Some(found) = record::get_decoded::<GenesisHash>(store, Column::Meta, GENESIS_KEY)? else {
        return Ok(false);
    };
    if found != *expected {
        return Err(StoreError::WrongChain {
            found,
            expected: *expected,
        });
    }
    for column in Column::ALL {
        let key = version_key(column);
        let supported = column.schema_version();
        let found: u16 = record::get_decoded(store, Column::Meta, &key)?
            .ok_or_else(|| StoreError::corrupt(Column::Meta, &key, "no schema version recorded"))?;
        if found != supported {
            return Err(StoreError::Schema {
                column,
                found,
                supported,
            });
        }
    }
    Ok(true)
}

const GENESIS_KEY: &[u8] = b"genesis";

fn version_key(column: Column) -> Vec<u8> {
    format!("column/{}", column.name()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::store::{Durability, Store as _};

    const CHAIN: GenesisHash = GenesisHash([1; 32]);

    fn described() -> MemoryStore {
        let store = MemoryStore::new();
        let mut batch = Batch::new();
        describe(&mut batch, &CHAIN);
        store.write(batch, Durability::Synced).unwrap();
        store
    }

    #[test]
    fn a_blank_store_is_told_from_one_of_this_chain_and_of_another() {
        assert!(!check(&MemoryStore::new(), &CHAIN).unwrap());
        assert!(check(&described(), &CHAIN).unwrap());
        assert!(matches!(
            check(&described(), &GenesisHash([2; 32])),
            Err(StoreError::WrongChain { .. })
        ));
    }

    /// A later version that changes a layout raises its number; this version must not read it.
    #[test]
    fn a_newer_column_is_refused() {
        let store = described();
        let mut batch = Batch::new();
        record::put_encoded(&mut batch, Column::Meta, version_key(Column::Events), &2u16);
        store.write(batch, Durability::Synced).unwrap();

        assert!(matches!(
            check(&store, &CHAIN),
            Err(StoreError::Schema {
                column: Column::Events,
                found: 2,
                supported: 1
            })
        ));
    }
}
