//! Stored values with a checksum that binds them to their place.
//!
//! RocksDB checks the blocks of its files, but not what happens above it: a bit flipped in memory, or a record under
//! a wrong key. A damaged tree node or state value would give this node another root than its peers, and the fault
//! would look like a fork; so it is found here, at the record that carries it.

use crate::batch::Batch;
use crate::column::Column;
use crate::error::StoreError;
use crate::store::Read;
use salus_primitives::codec;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::LazyLock;

/// Bytes of the checksum in front of every payload.
const CHECKSUM_BYTES: usize = 8;

/// Puts `payload` with its checksum into the batch.
pub(crate) fn put(batch: &mut Batch, column: Column, key: impl Into<Vec<u8>>, payload: &[u8]) {
    let key = key.into();
    let mut value = Vec::with_capacity(CHECKSUM_BYTES + payload.len());
    value.extend_from_slice(&checksum(column, &key, payload));
    value.extend_from_slice(payload);
    batch.put(column, key, value);
}

/// Puts the encoding of `value` with its checksum into the batch.
pub(crate) fn put_encoded<T: Serialize + ?Sized>(
    batch: &mut Batch,
    column: Column,
    key: impl Into<Vec<u8>>,
    value: &T,
) {
    put(batch, column, key, &codec::encode(value));
}

/// Reads a payload and checks it.
///
/// # Errors
/// [`StoreError::Corrupt`] if the checksum does not match, else what the store says.
pub(crate) fn get(
    store: &dyn Read,
    column: Column,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    store
        .get(column, key)?
        .map(|value| open(column, key, value))
        .transpose()
}

/// Reads and decodes a value.
///
/// # Errors
/// [`StoreError::Corrupt`] if the checksum does not match or the payload does not decode, else what the store says.
pub(crate) fn get_decoded<T: Serialize + DeserializeOwned>(
    store: &dyn Read,
    column: Column,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    get(store, column, key)?
        .map(|payload| decode(column, key, &payload))
        .transpose()
}

/// Checks a value as read and returns its payload.
///
/// # Errors
/// [`StoreError::Corrupt`] if the checksum does not match.
pub(crate) fn open(column: Column, key: &[u8], mut value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let Some((found, payload)) = value.split_first_chunk::<CHECKSUM_BYTES>() else {
        return Err(StoreError::corrupt(column, key, "shorter than a checksum"));
    };
    if *found != checksum(column, key, payload) {
        return Err(StoreError::corrupt(column, key, "checksum does not match"));
    }
    value.drain(..CHECKSUM_BYTES);
    Ok(value)
}

/// Decodes a payload.
///
/// # Errors
/// [`StoreError::Corrupt`] if it is not the encoding of a `T`.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    column: Column,
    key: &[u8],
    payload: &[u8],
) -> Result<T, StoreError> {
    codec::decode(payload, codec::LIMIT_MAX)
        .map_err(|error| StoreError::corrupt(column, key, error.to_string()))
}

/// Cloned for each record: deriving the key costs as much as hashing a small one.
static HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("salus v1 stored record checksum"));

fn checksum(column: Column, key: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = HASHER.clone();
    for part in [column.name().as_bytes(), key] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(payload);
    let mut checksum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record under another key, in another column or with any bit changed is damage, not data.
    #[test]
    fn a_record_is_bound_to_its_place_and_bytes() {
        let mut batch = Batch::new();
        put(&mut batch, Column::Blocks, *b"key", b"payload");
        let value = batch.changes()[0].value.clone().unwrap();

        assert_eq!(
            open(Column::Blocks, b"key", value.clone()).unwrap(),
            b"payload"
        );
        assert!(open(Column::Blocks, b"kez", value.clone()).is_err());
        assert!(open(Column::Headers, b"key", value.clone()).is_err());
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Column::Blocks, b"key", damaged).is_err());
        }
    }
}
