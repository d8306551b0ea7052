//! What must survive a crash (rule 8): own statements, and what they rest on.

use crate::proposal::Proposal;
use crate::vote::Vote;
use salus_primitives::block::Block;
use salus_primitives::certificate::Certificate;
use salus_primitives::ids::{Epoch, Height};
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
    /// A journal that was shortened leaves out what was final up to here, and durable in the ledger. Beside a ledger that has not
    /// got there its key must not vote: it would stand in views whose votes it no longer knows.
    Floor {
        /// The epoch that was under way.
        epoch: Epoch,
        /// The last final height.
        height: Height,
    },
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
            Self::Floor { epoch, .. } => *epoch,
        }
    }
}

/// The final height that a ledger must have reached for the journal to be whole beside it.
#[must_use]
pub fn floor(journal: &[JournalEntry]) -> Height {
    let floors = journal.iter().filter_map(|entry| match entry {
        JournalEntry::Floor { height, .. } => Some(*height),
        JournalEntry::Entry(_)
        | JournalEntry::Body(_)
        | JournalEntry::Proposal(_)
        | JournalEntry::Vote(_) => None,
    });
    floors.max().unwrap_or(Height::ZERO)
}

/// Upper bound of an encoded record in bytes.
pub const JOURNAL_ENTRY_MAX: usize = salus_primitives::block::BLOCK_MAX + 256 * 1024;
