//! A block manager's proposal: a block, its justification, and the manager's own notarise vote.

use crate::vote::{VerifiedVote, Vote, VoteError};
use salus_primitives::block::Block;
use salus_primitives::certificate::{
    Certificate, CertificateError, Statement, VerifiedCertificate,
};
use salus_primitives::codec;
use salus_primitives::ids::{BlockId, GenesisHash, Seat, View};
use salus_primitives::validators::ValidatorSet;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A proposal as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The manager's notarise vote: names view and block.
    pub vote: Vote,
    /// The block.
    pub block: Block,
    /// The parent's notarisation and the nullifications of the views between, as far as they fit into
    /// [`JUSTIFICATION_MAX`]; a receiver that lacks one asks for it.
    pub justification: Vec<Certificate>,
}

/// Most bytes of certificates in a proposal.
pub const JUSTIFICATION_MAX: usize = 64 * 1024;

/// A proposal whose manager, id, body and certificates have been checked. Whether it is *valid* in its view is for rule 3.
#[derive(Clone, Debug)]
pub struct VerifiedProposal {
    pub(crate) vote: VerifiedVote,
    pub(crate) id: BlockId,
    pub(crate) block: Arc<Block>,
    pub(crate) justification: Vec<VerifiedCertificate>,
}

/// Why a proposal is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// The vote does not count.
    #[error(transparent)]
    Vote(#[from] VoteError),
    /// The vote is not a notarise vote for this block.
    #[error("the manager's vote does not notarise the block that comes with it")]
    OtherBlock,
    /// The transactions are not those of the header.
    #[error("the transactions are not those the header commits to")]
    OtherBody,
    /// More certificates than a manager sends; to check them all would take long.
    #[error("the justification takes {found} bytes of at most {JUSTIFICATION_MAX}")]
    LargeJustification {
        /// How many bytes.
        found: usize,
    },
    /// A certificate of the justification does not hold.
    #[error("the justification does not hold: {0}")]
    Justification(#[from] CertificateError),
}

impl Proposal {
    /// Checks the manager's signature, that vote, header and body belong together, and those certificates of the
    /// justification that are not `known`.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn verify(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        known: impl Fn(&Statement) -> bool,
    ) -> Result<VerifiedProposal, ProposalError> {
        let id = self.block.id();
        match self.vote.statement {
            Statement::Notarize { block, .. } if block == id => {}
            _ => return Err(ProposalError::OtherBlock),
        }
        let vote = self.vote.verify(genesis, validators)?;
        if !self.block.body_matches() {
            return Err(ProposalError::OtherBody);
        }
        let found = self
            .justification
            .iter()
            .map(|certificate| codec::encode(certificate).len())
            .fold(0, usize::saturating_add);
        if found > JUSTIFICATION_MAX {
            return Err(ProposalError::LargeJustification { found });
        }
        let justification = self
            .justification
            .into_iter()
            .filter(|certificate| !known(&certificate.statement))
            .map(|certificate| certificate.verified(genesis, validators))
            .collect::<Result<_, _>>()?;
        Ok(VerifiedProposal {
            vote,
            id,
            block: Arc::new(self.block),
            justification,
        })
    }
}

impl VerifiedProposal {
    /// The view it is for.
    #[must_use]
    pub const fn view(&self) -> View {
        self.vote.statement().view()
    }

    /// Who signed it.
    #[must_use]
    pub const fn manager(&self) -> Seat {
        self.vote.seat()
    }

    /// The block's id.
    #[must_use]
    pub const fn id(&self) -> BlockId {
        self.id
    }

    /// The block.
    #[must_use]
    pub const fn block(&self) -> &Arc<Block> {
        &self.block
    }
}
