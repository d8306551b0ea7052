//! What the agreements contract makes known.

use crate::context::ContractEvent;
use salus_primitives::access::AgreementId;
use salus_primitives::calls::Agreement;
use salus_primitives::ids::EntityId;
use serde::{Deserialize, Serialize};

/// A step of an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgreementsEvent {
    /// Topic 1: a party proposed it, and signed it.
    Proposed {
        /// The proposing transaction.
        agreement: AgreementId,
        /// Who proposed.
        by: EntityId,
        /// What.
        text: Agreement,
    },
    /// Topic 2: a party signed it.
    Accepted {
        /// Which.
        agreement: AgreementId,
        /// Who signed.
        by: EntityId,
        /// How many have yet to; with none it is active in its time.
        missing: u8,
    },
    /// Topic 3: a party ended it, or declined to sign.
    Ended {
        /// Which.
        agreement: AgreementId,
        /// Who ended it.
        by: EntityId,
    },
}

/// Topic of [`AgreementsEvent::Proposed`].
pub const PROPOSED: u16 = 1;
/// Topic of [`AgreementsEvent::Accepted`].
pub const ACCEPTED: u16 = 2;
/// Topic of [`AgreementsEvent::Ended`].
pub const ENDED: u16 = 3;

impl ContractEvent for AgreementsEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::Proposed { .. } => PROPOSED,
            Self::Accepted { .. } => ACCEPTED,
            Self::Ended { .. } => ENDED,
        }
    }
}
