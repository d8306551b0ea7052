//! What the ledger answers to peers that are behind (rule 10).

use crate::wire::{RANGE_BLOCKS, RANGE_BYTES, RANGE_TOTAL, Request, Response, TRAILED_BYTES};
use salus_primitives::block::{Block, Header};
use salus_primitives::codec;
use salus_primitives::ids::Height;
use salus_storage::ledger::{Ledger, LedgerError};

/// Headers of a trail that are read at once.
const TRAIL_PAGE: usize = 1_024;

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

/// Blocks of one epoch from `from` on, up to the last one among them that has a finalisation of its own; if none has, as many as leave
/// room for the headers up to the next one that has. An epoch's last block always has one, so a range never needs to cross it.
fn range(ledger: &Ledger, from: Height) -> Result<Option<Response>, LedgerError> {
    let mut blocks: Vec<Block> = ledger.blocks(from, RANGE_BLOCKS, RANGE_BYTES)?;
    let Some(epoch) = blocks.first().map(|block| block.header.epoch) else {
        return Ok(None);
    };
    blocks.retain(|block| block.header.epoch == epoch);
    for (index, block) in blocks.iter().enumerate().rev() {
        if let Some(finalization) = ledger.finalization(block.header.height)? {
            blocks.truncate(index + 1);
            return Ok(Some(Response::Range {
                blocks,
                trail: Vec::new(),
                finalization,
            }));
        }
    }
    trailed(ledger, blocks)
}

/// The blocks with the headers that lead from them to a finalisation. Nothing if these do not fit into a frame.
fn trailed(ledger: &Ledger, mut blocks: Vec<Block>) -> Result<Option<Response>, LedgerError> {
    let mut bytes = 0;
    let mut count = 0;
    for block in &blocks {
        let length = codec::encode(block).len();
        if count > 0 && bytes + length > TRAILED_BYTES {
            break;
        }
        bytes += length;
        count += 1;
    }
    blocks.truncate(count);
    let Some(next) = blocks.last().map(|block| block.header.height.next()) else {
        return Ok(None);
    };
    let Some((end, finalization)) = ledger.finalization_from(next)? else {
        return Ok(None);
    };
    let mut trail: Vec<Header> = Vec::new();
    let mut from = next;
    while from <= end {
        let left = usize::try_from(end.since(from)).unwrap_or(usize::MAX);
        let page = ledger.headers(from, left.saturating_add(1).min(TRAIL_PAGE))?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        from = last.height.next();
        bytes += codec::encode(&page).len();
        if bytes > RANGE_TOTAL {
            return Ok(None);
        }
        trail.extend(page);
    }
    Ok(Some(Response::Range {
        blocks,
        trail,
        finalization,
    }))
}
