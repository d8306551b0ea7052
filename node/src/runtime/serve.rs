//! The serve thread: reads final blocks for peers that are behind. What cannot be queued is dropped; the peer asks again.

use crate::runtime::RunError;
use crate::wire::{Frame, RANGE_BLOCKS, RANGE_BYTES, Request, Response};
use salus_network::{NetworkHandle, PeerKey};
use salus_primitives::block::Block;
use salus_primitives::ids::Height;
use salus_storage::ledger::{Ledger, LedgerError};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Requests that may wait.
const QUEUE: usize = 64;

pub(crate) struct ServeThread {
    pub(crate) requests: SyncSender<(PeerKey, Request)>,
    pub(crate) thread: JoinHandle<()>,
}

pub(crate) fn spawn(ledger: Arc<Ledger>, network: NetworkHandle) -> Result<ServeThread, RunError> {
    let (requests, queue) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name("serve".into())
        .spawn(move || {
            for (peer, request) in queue {
                match answer(&ledger, request) {
                    Ok(Some(response)) => {
                        let (channel, bytes) = Frame::Response(response).encode();
                        // a full queue or a lost peer: it asks another, or again
                        if let Err(error) = network.send(peer, channel, bytes.into()) {
                            tracing::debug!(%peer, %error, "an answer was not sent");
                        }
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the ledger cannot be read for a peer"),
                }
            }
        })
        .map_err(|_| RunError::Thread("serve"))?;
    Ok(ServeThread { requests, thread })
}

/// What the ledger has for a request.
///
/// # Errors
/// [`LedgerError`] if the store fails.
pub(crate) fn answer(ledger: &Ledger, request: Request) -> Result<Option<Response>, LedgerError> {
    match request {
        Request::Body(id) => Ok(ledger.block_by_id(&id)?.map(Box::new).map(Response::Body)),
        Request::Range { from } => range(ledger, from),
        Request::Certificates { .. } => Ok(None),
    }
}

/// Blocks from `from` on, up to the last one among them that has a finalisation of its own.
fn range(ledger: &Ledger, from: Height) -> Result<Option<Response>, LedgerError> {
    let mut blocks: Vec<Block> = ledger.blocks(from, RANGE_BLOCKS, RANGE_BYTES)?;
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
