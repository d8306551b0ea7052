//! Records by handle: whoever holds the key of a period knows its handle, and finds here what the key opens.
//!
//! Not part of the state: it follows from the receipts, and only the first record of a reading is in it.

use crate::batch::Batch;
use crate::column::{Column, leading_height};
use crate::error::StoreError;
use crate::ledger::TransactionPosition;
use crate::store::{Direction, KeyRange, Read};
use salus_primitives::calls::RECORDS;
use salus_primitives::codec;
use salus_primitives::ids::Height;
use salus_primitives::reading::Handle;
use salus_primitives::receipt::Receipt;
use salus_primitives::records::{RECORDED, RECORDS_EVENT_MAX, RecordsEvent};

/// Adds the records of a block to its batch.
pub(crate) fn stage(batch: &mut Batch, height: Height, receipts: &[Receipt]) {
    for receipt in receipts {
        let recorded = receipt
            .events
            .iter()
            .filter(|event| event.contract == RECORDS && event.topic == RECORDED);
        for event in recorded {
            let event = codec::decode(event.data.as_slice(), RECORDS_EVENT_MAX);
            if let Ok(RecordsEvent::Recorded { handle, .. }) = event {
                let position = TransactionPosition {
                    height,
                    index: receipt.index,
                };
                batch.put(Column::Records, key(&handle, position), []);
            }
        }
    }
}

/// Where at most `limit` records of a handle stand, from a position on, in the order of the chain.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub(crate) fn read(
    store: &dyn Read,
    handle: &Handle,
    from: TransactionPosition,
    limit: usize,
) -> Result<Vec<TransactionPosition>, StoreError> {
    let all = KeyRange::prefix(handle.as_bytes());
    let start = key(handle, from);
    let range = match all.end() {
        Some(end) => KeyRange::between(start, end),
        None => KeyRange::from(start),
    };
    store
        .scan(Column::Records, &range, Direction::Ascending, limit)?
        .into_iter()
        .map(|(key, _)| {
            let place = key.get(Handle::LENGTH..).unwrap_or_default();
            let index = place.get(8..).and_then(|index| index.try_into().ok());
            match (leading_height(place), index) {
                (Some(height), Some(index)) => Ok(TransactionPosition {
                    height,
                    index: u32::from_be_bytes(index),
                }),
                _ => Err(StoreError::corrupt(
                    Column::Records,
                    &key,
                    "no place in the chain",
                )),
            }
        })
        .collect()
}

fn key(handle: &Handle, position: TransactionPosition) -> Vec<u8> {
    [
        &handle.as_bytes()[..],
        &position.height.get().to_be_bytes(),
        &position.index.to_be_bytes(),
    ]
    .concat()
}
