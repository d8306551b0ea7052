//! What the authenticated state holds under one key, or that it holds nothing there.

use super::{FinalityProof, ProofError, Proven, StateProof};
use crate::codec::Blob;
use crate::ids::{ContractId, GenesisHash, Height};
use crate::state::StateKey;
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Shows the value under one key of the authenticated state after a block, or that there is none.
///
/// The block of height h commits to the state *before* it. So the state after h is proven by a final header of height h+1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateValueProof {
    /// Whose state.
    pub contract: ContractId,
    /// The contract's own key.
    pub key: Blob,
    /// What stands there; `None` claims that nothing does.
    pub value: Option<Blob>,
    /// Places the value, or its absence, under `finality.headers[0].parent_state_root`.
    pub tree: StateProof,
    /// Headers h+1, h+2, ... up to a finalised one.
    pub finality: FinalityProof,
}

/// Upper bound of a key of the state in bytes.
pub const STATE_KEY_MAX: usize = 1024;
/// Upper bound of a value of the state in bytes.
pub const STATE_VALUE_MAX: usize = 64 * 1024;
/// Upper bound of an encoded [`StateValueProof`] in bytes: key, value, 256 siblings, and as many headers as a finality proof has.
pub const STATE_PROOF_MAX: usize = 2 * 1024 * 1024;

/// Of which time an answer must be. A proof is true of its own time only: what was revoked since, it still shows as granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtHeight {
    /// The state after just this block.
    Exactly(Height),
    /// The state after this block or any later one.
    NotBefore(Height),
}

impl AtHeight {
    /// Whether the state after the block of this height will do.
    #[must_use]
    pub fn allows(self, height: Height) -> bool {
        match self {
            Self::Exactly(expected) => height == expected,
            Self::NotBefore(earliest) => height >= earliest,
        }
    }
}

impl core::fmt::Display for AtHeight {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exactly(height) => write!(f, "that after height {height}"),
            Self::NotBefore(height) => write!(f, "that after height {height} or later"),
        }
    }
}

impl StateValueProof {
    /// The key it is about.
    #[must_use]
    pub fn state_key(&self) -> StateKey {
        StateKey::tree(self.contract, self.key.as_slice())
    }

    /// After which block the state is: the one before its first header. `None` for what proves nothing.
    #[must_use]
    pub fn height(&self) -> Option<Height> {
        self.finality.headers.first()?.height.previous()
    }

    /// Checks that the state holds just this, at a time that will do, by the validators of the certificate's epoch.
    ///
    /// [`Proven::height`] and [`Proven::block`] are those of the block *after* which the state is.
    ///
    /// # Errors
    /// [`ProofError`] names what is wrong; [`ProofError::OtherKey`] and [`ProofError::OtherHeight`] are answers to something else than
    /// was asked.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        expected: &StateKey,
        at: AtHeight,
    ) -> Result<Proven<Option<Vec<u8>>>, ProofError> {
        let key = self.state_key();
        if key != *expected {
            return Err(ProofError::OtherKey);
        }
        let value = self.value.as_ref().map(Blob::as_slice);
        if self.key.len() > STATE_KEY_MAX
            || value.is_some_and(|value| value.len() > STATE_VALUE_MAX)
        {
            return Err(ProofError::StateSize);
        }
        let (Some(next), Some(height)) = (self.finality.headers.first(), self.height()) else {
            return Err(ProofError::HeaderCount {
                found: 0,
                minimum: 1,
            });
        };
        if !at.allows(height) {
            return Err(ProofError::OtherHeight {
                found: height,
                expected: at,
            });
        }
        if !self.tree.proves(&next.parent_state_root, &key, value) {
            return Err(ProofError::State);
        }
        let proven = self.finality.verify(genesis, validators)?;
        Ok(Proven {
            value: value.map(<[u8]>::to_vec),
            height,
            block: next.parent,
            epoch: proven.epoch,
            weight: proven.weight,
        })
    }
}

#[cfg(test)]
mod tests;
