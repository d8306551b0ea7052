//! The serve thread: reads final blocks for peers that are behind. What cannot be queued is dropped; the peer asks again.

use crate::runtime::RunError;
use crate::serve::answer;
use crate::wire::{Frame, Request};
use salus_network::{NetworkHandle, PeerKey};
use salus_storage::ledger::Ledger;
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
