//! Two final blocks where there can be one: the proof that more than a third of the weight broke the protocol.
//!
//! No honest minority causes it and no fault of a network does (`docs/protocol.md`, why it is safe). Who sees it cannot know which
//! of the two histories others follow, so it stops, and keeps what it saw: both proofs of finality, which anyone can check.

use crate::epoch::EpochChange;
use crate::ids::{BlockId, Epoch, GenesisHash, Height};
use crate::proof::{FinalityProof, ProofError};
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Two proofs of finality that cannot both be of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// One.
    pub first: FinalityProof,
    /// The other.
    pub second: FinalityProof,
}

/// A conflict with what leads from genesis to the validators who caused it, so that it can be checked from the anchor alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictEvidence {
    /// The two proofs.
    pub conflict: Conflict,
    /// The changes of validators since epoch 1, up to the later of the two proofs; fewer where they were not to be had.
    pub changes: Vec<EpochChange>,
}

/// Upper bound of an encoded [`ConflictEvidence`] in bytes: the changes of some 25,000 epochs of four validators.
pub const CONFLICT_MAX: usize = 24 * 1024 * 1024;

/// A conflict that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forked {
    /// The lowest height at which the two proofs name different blocks.
    pub height: Height,
    /// The block of the first proof.
    pub first: BlockId,
    /// The block of the second.
    pub second: BlockId,
    /// The epochs whose validators signed them.
    pub epochs: [Epoch; 2],
}

/// Why two proofs are no conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConflictError {
    /// They name the same blocks, or blocks of different heights.
    #[error("the two proofs can be of one chain")]
    None,
    /// The validators of an epoch are needed and not known.
    #[error("the validators of epoch {0} are not known")]
    UnknownEpoch(Epoch),
    /// One of them does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Conflict {
    /// Checks both proofs, and that they contradict each other. `validators` gives those of an epoch.
    ///
    /// # Errors
    /// [`ConflictError`]; of [`ConflictError::UnknownEpoch`] another client may know more.
    pub fn verify<'a>(
        &self,
        genesis: GenesisHash,
        validators: impl Fn(Epoch) -> Option<&'a ValidatorSet>,
    ) -> Result<Forked, ConflictError> {
        let (height, first, second) =
            contradiction(&self.first, &self.second).ok_or(ConflictError::None)?;
        let epochs = [&self.first, &self.second].map(|proof| proof.certificate.statement.epoch());
        for (proof, epoch) in [&self.first, &self.second].into_iter().zip(epochs) {
            let validators = validators(epoch).ok_or(ConflictError::UnknownEpoch(epoch))?;
            proof.verify(genesis, validators)?;
        }
        Ok(Forked {
            height,
            first,
            second,
            epochs,
        })
    }
}

/// The lowest height at which two proofs name different blocks, and these, whether or not the proofs hold.
#[must_use]
pub fn contradiction(
    first: &FinalityProof,
    second: &FinalityProof,
) -> Option<(Height, BlockId, BlockId)> {
    let mut others = finalized(second).peekable();
    for (height, id) in finalized(first) {
        while others.next_if(|(other, _)| *other < height).is_some() {}
        if let Some((other, other_id)) = others.peek()
            && *other == height
            && *other_id != id
        {
            return Some((height, id, *other_id));
        }
    }
    None
}

/// Which blocks a proof makes final, ascending: its headers', and the one that its first header names as its parent.
fn finalized(proof: &FinalityProof) -> impl Iterator<Item = (Height, BlockId)> {
    let parent = proof
        .headers
        .first()
        .and_then(|first| Some((first.height.previous()?, first.parent)));
    let headers = proof
        .headers
        .iter()
        .map(|header| (header.height, header.id()));
    parent.into_iter().chain(headers)
}

#[cfg(test)]
mod tests;
