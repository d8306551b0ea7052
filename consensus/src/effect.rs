//! Everything the engine can ask for. To be carried out in order: what is persisted before a send is durable before it.

use crate::config::Roots;
use crate::journal::JournalEntry;
use crate::message::{Message, Peer};
use crate::vote::{VerifiedVote, Vote};
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::VerifiedCertificate;
use salus_primitives::ids::{BlockId, Height, Seat, View};
use salus_primitives::time::Timestamp;
use std::sync::Arc;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make this durable before anything that follows is sent (rule 8).
    Persist(JournalEntry),
    /// Send to every peer.
    Broadcast(Message),
    /// Send to one peer.
    Send(Peer, Message),
    /// It is this node's turn: make a block (rule 2). Answered by `Input::Built`.
    Build(BuildRequest),
    /// Check a block's content against its parent (rules 3 and 4). Answered by `Input::Checked`; of a view that was left, finality waits
    /// for the answer.
    Check {
        /// Its id.
        id: BlockId,
        /// The block.
        block: Arc<Block>,
        /// Its parent.
        parent: Header,
    },
    /// Execute a block on its parent. Answered by `Input::Executed`.
    Execute {
        /// Its id.
        id: BlockId,
        /// The block.
        block: Arc<Block>,
    },
    /// Ask peers for the body of a block that a certificate names.
    FetchBody(BlockId),
    /// Ask peers for the certificates that lead from this view to theirs.
    FetchCertificates {
        /// The first view a certificate is wanted for.
        from: View,
    },
    /// Ask peers for final blocks from this height on (rule 10).
    FetchRange {
        /// The first height wanted.
        from: Height,
    },
    /// These blocks, ascending, are final (rule 7).
    Finalized {
        /// The blocks with their ids.
        blocks: Vec<(BlockId, Arc<Block>)>,
        /// Finalises the last of them, or a descendant of it that is not here yet (rule 10).
        certificate: VerifiedCertificate,
    },
    /// A seat's notarise vote above the last final view was seen, this node's own among them, first or once more in a certificate.
    /// It decides nothing here: who counts a committee's votes wants it.
    Notarized(VerifiedVote),
    /// A view ended without a block.
    Nullified {
        /// The view.
        view: View,
        /// Its manager.
        manager: Seat,
        /// Why this node gave it up, if it did.
        cause: Option<NullifyCause>,
    },
    /// A validator contradicted itself: two votes that no honest one signs both (rules 3, 4 and 6). Told once for each seat and term.
    Equivocation {
        /// The vote that was seen first.
        first: Vote,
        /// The other.
        second: Vote,
    },
    /// A quorum holds other roots than this node's own (rule 11). It has stopped voting.
    Diverged(Box<Divergence>),
}

/// What a block must be built on.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The view.
    pub view: View,
    /// This node's seat.
    pub manager: Seat,
    /// The parent's id.
    pub parent: BlockId,
    /// The parent's header.
    pub parent_header: Header,
    /// The roots after the parent.
    pub roots: Roots,
    /// The time to give the block.
    pub time: Timestamp,
}

/// Why a node gave up a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NullifyCause {
    /// No valid proposal within 2 delta.
    NoProposal,
    /// The view was not left within 3 delta.
    NoProgress,
    /// The manager proposed something invalid.
    InvalidProposal,
    /// The manager signed two proposals.
    Equivocation,
    /// A block of this term has not become final within 6 delta.
    FinalityLag,
    /// The manager was silent in its last terms.
    SilentManager,
}

impl NullifyCause {
    /// All causes.
    pub const ALL: [Self; 6] = [
        Self::NoProposal,
        Self::NoProgress,
        Self::InvalidProposal,
        Self::Equivocation,
        Self::FinalityLag,
        Self::SilentManager,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoProposal => "no_proposal",
            Self::NoProgress => "no_progress",
            Self::InvalidProposal => "invalid_proposal",
            Self::Equivocation => "equivocation",
            Self::FinalityLag => "finality_lag",
            Self::SilentManager => "silent_manager",
        }
    }
}

/// What a quorum says against what this node computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The block whose header the quorum certified.
    pub block: BlockId,
    /// Its header.
    pub header: Header,
    /// What this node has after the header's parent.
    pub own: Roots,
    /// The quorum's certificate.
    pub certificate: VerifiedCertificate,
}
