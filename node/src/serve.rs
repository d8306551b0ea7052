//! What the ledger answers to peers that are behind (rule 10).

use crate::wire::{RANGE_BLOCKS, RANGE_BYTES, Request, Response};
use salus_primitives::block::Block;
use salus_primitives::ids::Height;
use salus_storage::ledger::{Ledger, LedgerError};

/// What the ledger has for a request.
///
/// # Errors
/// [`LedgerError`] if the store fails.
pub fn answer(ledger: &Ledger, request: Request) -> Result<Option<Response>, LedgerError> {
    match request {
        Request::Body(id) => Ok(ledger.block_by_id(&id)?.map(Box::new).map(Response::Body)),
        Request::Range { from } => range(ledger, from),
        Request::Finalization(height) => Ok(ledger
            .finalization(height)?
            .map(|finalization| Response::Certificates(vec![finalization]))),
        Request::Certificates { .. } | Request::Diagnosis => Ok(None),
    }
}

/// Blocks of one epoch from `from` on, up to the last one among them that has a finalisation of its own. An epoch's last
/// block always has one, so a range never needs to cross it.
fn range(ledger: &Ledger, from: Height) -> Result<Option<Response>, LedgerError> {
    let mut blocks: Vec<Block> = ledger.blocks(from, RANGE_BLOCKS, RANGE_BYTES)?;
    if let Some(epoch) = blocks.first().map(|block| block.header.epoch) {
        blocks.retain(|block| block.header.epoch == epoch);
    }
    while let Some(last) = blocks.last() {
        if let Some(finalization) = ledger.finalization(last.header.height)? {
            return Ok(Some(Response::Range {
                blocks,
                finalization,
            }));
        }
        blocks.pop();
    }
    Ok(None)
}
