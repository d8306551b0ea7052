//! What the governance contract makes known. What a passed proposal changed, the changed contract makes known.

use crate::context::ContractEvent;
use salus_primitives::calls::Change;
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::transaction::TxId;
use serde::{Deserialize, Serialize};

/// A step of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GovernanceEvent {
    /// Topic 1: a member proposed a change, and signed it.
    Proposed {
        /// The proposing transaction.
        proposal: TxId,
        /// Who proposed.
        by: EntityId,
        /// What.
        change: Change,
        /// The last height at which it can be signed.
        expires_at: Height,
    },
    /// Topic 2: a member signed a proposal.
    Signed {
        /// Which.
        proposal: TxId,
        /// Who signed.
        by: EntityId,
        /// The weight of all who signed, at this moment.
        signed: u64,
        /// The weight of all members, at this moment.
        total: u64,
    },
    /// Topic 3: a proposal passed, and its change took effect.
    Passed {
        /// Which.
        proposal: TxId,
    },
}

/// Topic of [`GovernanceEvent::Proposed`].
pub const PROPOSED: u16 = 1;
/// Topic of [`GovernanceEvent::Signed`].
pub const SIGNED: u16 = 2;
/// Topic of [`GovernanceEvent::Passed`].
pub const PASSED: u16 = 3;

impl ContractEvent for GovernanceEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::Proposed { .. } => PROPOSED,
            Self::Signed { .. } => SIGNED,
            Self::Passed { .. } => PASSED,
        }
    }
}
