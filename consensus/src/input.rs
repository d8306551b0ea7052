//! Everything that can reach the engine.

use crate::config::Roots;
use crate::message::{Peer, VerifiedMessage};
use salus_primitives::block::Block;
use salus_primitives::certificate::VerifiedCertificate;
use salus_primitives::ids::{BlockId, View};
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer sent a message, and its signatures hold.
    Message {
        /// Who sent it.
        from: Peer,
        /// What it says.
        message: VerifiedMessage,
    },
    /// A peer connected.
    Connected(Peer),
    /// Time passed; see `Engine::wakeup`.
    Tick,
    /// Whether transactions wait to be included.
    Pending(bool),
    /// The answer to `Effect::Build`.
    Built {
        /// The view it was asked for.
        view: View,
        /// The block.
        block: Arc<Block>,
    },
    /// The answer to `Effect::Check`.
    Checked {
        /// Which block.
        block: BlockId,
        /// Whether its content is valid on its parent.
        valid: bool,
    },
    /// The answer to `Effect::Execute`.
    Executed {
        /// Which block.
        block: BlockId,
        /// The roots after it.
        roots: Roots,
    },
    /// Bodies that were asked for, ascending. They are used only where a certificate or a header names them.
    Bodies(Vec<Arc<Block>>),
    /// The final blocks from the last final one of this engine on, ascending, that were asked for (rule 10). The node has checked that
    /// they follow one another, and that the certificate finalises the last of them or a descendant of it.
    Range {
        /// The blocks.
        blocks: Vec<Arc<Block>>,
        /// What makes them final.
        finalization: VerifiedCertificate,
    },
}
