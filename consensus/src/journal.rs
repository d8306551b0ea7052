//! What must survive a crash (rule 8): own statements, and what they rest on.

use crate::proposal::Proposal;
use crate::vote::Vote;
use salus_primitives::block::Block;
use salus_primitives::certificate::Certificate;
use salus_primitives::ids::Epoch;
use serde::{Deserialize, Serialize};

/// One record of the vote journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalEntry {
    /// How the view of the following records was entered.
    Entry(Certificate),
    /// The body of a block this node notarises; kept and served until finality (rule 3).
    Body(Block),
    /// This node's own proposal, which is its notarise vote.
    Proposal(Box<Proposal>),
    /// This node's own vote.
    Vote(Vote),
}

impl JournalEntry {
    /// The epoch it is of.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Entry(certificate) => certificate.statement.epoch(),
            Self::Body(block) => block.header.epoch,
            Self::Proposal(proposal) => proposal.vote.statement.epoch(),
            Self::Vote(vote) => vote.statement.epoch(),
        }
    }
}

/// Upper bound of an encoded record in bytes.
pub const JOURNAL_ENTRY_MAX: usize = salus_primitives::block::BLOCK_MAX + 256 * 1024;
