//! Events by contract, topic and height, for queries that do not know the transaction.

use crate::batch::Batch;
use crate::column::{Column, leading_height};
use crate::error::StoreError;
use crate::record;
use crate::store::{Direction, KeyRange, Read};
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::receipt::Receipt;

/// An event with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedEvent {
    /// The block.
    pub height: Height,
    /// The transaction's index in the block.
    pub transaction: u32,
    /// The event's index in the transaction's receipt.
    pub event: u32,
    /// The contract's own event type, encoded.
    pub data: Vec<u8>,
}

/// Adds the events of a block to its batch.
pub(crate) fn stage(batch: &mut Batch, height: Height, receipts: &[Receipt]) {
    for receipt in receipts {
        for (index, event) in (0u32..).zip(&receipt.events) {
            let mut key = prefix(event.contract, event.topic).to_vec();
            key.extend_from_slice(&height.get().to_be_bytes());
            key.extend_from_slice(&receipt.index.to_be_bytes());
            key.extend_from_slice(&index.to_be_bytes());
            record::put(batch, Column::Events, key, event.data.as_slice());
        }
    }
}

/// At most `limit` events of one kind from height `from` on, in the order of the chain.
///
/// # Errors
/// [`StoreError`] if they cannot be read or are damaged.
pub(crate) fn read(
    store: &dyn Read,
    contract: ContractId,
    topic: u16,
    from: Height,
    limit: usize,
) -> Result<Vec<IndexedEvent>, StoreError> {
    let kind = prefix(contract, topic);
    let start = [&kind[..], &from.get().to_be_bytes()].concat();
    let all = KeyRange::prefix(&kind);
    let range = match all.end() {
        Some(end) => KeyRange::between(start, end),
        None => KeyRange::from(start),
    };
    store
        .scan(Column::Events, &range, Direction::Ascending, limit)?
        .into_iter()
        .map(|(key, value)| {
            let data = record::open(Column::Events, &key, value)?;
            let place = key.get(kind.len()..).unwrap_or_default();
            match (leading_height(place), number(place, 8), number(place, 12)) {
                (Some(height), Some(transaction), Some(event)) => Ok(IndexedEvent {
                    height,
                    transaction,
                    event,
                    data,
                }),
                _ => Err(StoreError::corrupt(Column::Events, &key, "key too short")),
            }
        })
        .collect()
}

fn prefix(contract: ContractId, topic: u16) -> [u8; 4] {
    let [a, b] = contract.get().to_be_bytes();
    let [c, d] = topic.to_be_bytes();
    [a, b, c, d]
}

fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
