//! What the governance contract keeps, all of it in the authenticated tree, and the queries over it.

use crate::native::staking;
use crate::slot::Slot;
use salus_primitives::calls::{Change, GOVERNANCE};
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::state::{StateKey, StateRead, StateReadError};
use salus_primitives::transaction::TxId;
use serde::{Deserialize, Serialize};

/// A change that members sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What it changes.
    pub change: Change,
    /// Who proposed it.
    pub by: EntityId,
    /// The last height at which it can be signed.
    pub expires_at: Height,
    /// Who signed it, in the order of signing, the proposer first. Not all need be members still.
    pub signers: Vec<EntityId>,
}

/// The proposal that this transaction made, if it is kept: it has not passed, and its proposer has not proposed since it expired.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn proposal(state: &dyn StateRead, id: &TxId) -> Result<Option<Proposal>, StateReadError> {
    proposal_slot(id).read(GOVERNANCE, state)
}

/// The proposals that can be signed at `height`, by proposer and age.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn open_proposals(
    state: &dyn StateRead,
    height: Height,
) -> Result<Vec<(TxId, Proposal)>, StateReadError> {
    let mut open = Vec::new();
    for (member, _) in staking::roll(state)?.iter() {
        let ids = open_slot(member).read(GOVERNANCE, state)?;
        for id in ids.unwrap_or_default() {
            if let Some(proposal) = proposal(state, &id)?
                && height <= proposal.expires_at
            {
                open.push((id, proposal));
            }
        }
    }
    Ok(open)
}

/// Where the tree keeps a proposal, for proofs.
#[must_use]
pub fn proposal_key(id: &TxId) -> StateKey {
    proposal_slot(id).key_of(GOVERNANCE)
}

pub(super) fn proposal_slot(id: &TxId) -> Slot<Proposal> {
    Slot::tree(b'p', id.as_bytes())
}

/// The proposals of a member that are kept, oldest first.
pub(super) fn open_slot(member: &EntityId) -> Slot<Vec<TxId>> {
    Slot::tree(b'o', member.as_bytes())
}
