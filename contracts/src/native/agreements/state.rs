//! What the agreements contract keeps: the agreements in the authenticated tree, and in the index which of them an entity has proposed.

use crate::slot::Slot;
use salus_primitives::access::AgreementId;
use salus_primitives::calls::{AGREEMENTS, Agreement};
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::state::{StateKey, StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An agreement and who has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAgreement {
    /// What is agreed on.
    pub agreement: Agreement,
    /// Who has signed; ascending.
    pub accepted: Vec<EntityId>,
    /// Who ended it, if one did.
    pub ended: Option<Ended>,
}

/// How an agreement ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The party that ended it, or declined to sign.
    pub by: EntityId,
    /// The block in which it did.
    pub at: Height,
}

impl SignedAgreement {
    /// Whether data can be exchanged under it at this block time: all have signed, it has begun, and has not ended.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.missing() == 0 && self.agreement.from <= now && !self.is_over(now)
    }

    /// Whether it will never be active any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ended.is_some() || self.agreement.until <= now
    }

    /// How many parties have yet to sign.
    #[must_use]
    pub fn missing(&self) -> u8 {
        let missing = self
            .agreement
            .parties
            .len()
            .saturating_sub(self.accepted.len());
        u8::try_from(missing).unwrap_or(u8::MAX)
    }
}

/// The agreement of this id, active or not. One that is over may have been removed.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn agreement(
    state: &dyn StateRead,
    id: &AgreementId,
) -> Result<Option<SignedAgreement>, StateReadError> {
    agreement_slot(id).read(AGREEMENTS, state)
}

/// Where the tree keeps an agreement, for proofs.
#[must_use]
pub fn agreement_key(id: &AgreementId) -> StateKey {
    agreement_slot(id).key_of(AGREEMENTS)
}

pub(super) fn agreement_slot(id: &AgreementId) -> Slot<SignedAgreement> {
    Slot::tree(b'a', id.as_bytes())
}

/// What an entity has proposed, in the order it did.
pub(super) fn open_slot(by: &EntityId) -> Slot<Vec<AgreementId>> {
    Slot::index(b'o', by.as_bytes())
}
