//! Everything the replica can ask for.

use crate::mempool::{PoolError, Source};
use crate::wire::{Frame, Request};
use salus_consensus::effect::{Divergence, NullifyCause};
use salus_consensus::journal::JournalEntry;
use salus_consensus::message::Peer;
use salus_primitives::block::Block;
use salus_primitives::certificate::{Statement, VerifiedCertificate};
use salus_primitives::crypto::sign::Signature;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{BlockId, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::transaction::{SignedTransaction, TxId};
use salus_primitives::validators::ValidatorSet;
use std::sync::Arc;

/// One thing to do; to be carried out in order.
#[derive(Debug)]
pub enum Effect {
    /// Make durable before anything behind it is sent.
    Persist(JournalEntry),
    /// Send to one peer.
    Send(Peer, Frame),
    /// Send to every peer.
    Broadcast(Frame),
    /// Execute a block on its parent; answered by [`Input::Executed`](super::Input::Executed).
    Execute {
        /// Its id.
        id: BlockId,
        /// The block.
        block: Arc<Block>,
        /// Its transactions' ids.
        ids: Arc<Vec<TxId>>,
    },
    /// One more member of a block's committee has notarised it, in a view. Told of blocks whose execution was asked for, also after they
    /// are final. It makes nothing final.
    Attested {
        /// Which block.
        block: BlockId,
        /// Its height.
        height: Height,
        /// The view; another than before only for the last block of an epoch.
        view: View,
        /// Who, and the signature under the notarise vote.
        vote: (Seat, Signature),
        /// How many members have by now; the `k` of `k` of `m`.
        votes: usize,
        /// How many members there are; the paper's `m`.
        verifiers: usize,
    },
    /// Commit executed blocks, ascending.
    Commit {
        /// The blocks with their ids.
        blocks: Vec<(BlockId, Arc<Block>)>,
        /// Finalises the last, or a descendant of it.
        certificate: VerifiedCertificate,
    },
    /// Answer a peer from the ledger, if the ledger has it.
    Serve(Peer, Request),
    /// What became of a transaction that [`Input::Transactions`](super::Input::Transactions) brought.
    Admitted {
        /// Which.
        id: TxId,
        /// The lane in which it waits for a block now, or why it does not.
        result: Result<Lane, PoolError>,
        /// Who brought it.
        source: Source,
    },
    /// Transactions that wait no longer and were not included: their last height has passed.
    Left(Vec<TxId>),
    /// Check these transactions' signatures; answered by [`Input::Transactions`](super::Input::Transactions).
    Verify(Vec<SignedTransaction>),
    /// Something to count.
    Note(Note),
    /// An epoch has begun: who votes in it, and who in the next. Both may connect.
    EpochBegun {
        /// The validators.
        validators: Arc<ValidatorSet>,
        /// The lanes.
        lanes: Arc<EpochLanes>,
        /// The next epoch.
        next: Arc<EpochConfig>,
    },
    /// A quorum holds other roots than this node's own: it votes no more.
    Diverged(Box<Divergence>),
}

/// Kinds of faults of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The bytes are no frame.
    MalformedFrame,
    /// The frame says what is not so: a signature, a certificate, a body, a size.
    InvalidMessage,
}

impl FaultKind {
    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedFrame => "malformed_frame",
            Self::InvalidMessage => "invalid_message",
        }
    }
}

/// Something operators want to see.
#[derive(Clone, Debug)]
pub enum Note {
    /// A peer sent something no honest peer sends.
    PeerFault {
        /// Which peer.
        peer: Peer,
        /// What kind of fault.
        kind: FaultKind,
        /// What was wrong.
        reason: String,
    },
    /// A view ended without a block.
    Nullified {
        /// The view.
        view: View,
        /// Its manager.
        manager: Seat,
        /// Why this node gave it up, if it did.
        cause: Option<NullifyCause>,
    },
    /// A manager proposed content that is not valid.
    InvalidProposal {
        /// Its seat.
        manager: Seat,
        /// What was wrong.
        reason: String,
    },
    /// A validator signed two things that exclude each other.
    Equivocation {
        /// Its seat.
        seat: Seat,
        /// One statement.
        first: Statement,
        /// The other.
        second: Statement,
    },
}
