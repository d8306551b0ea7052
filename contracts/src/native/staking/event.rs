//! What the staking contract makes known.

use crate::context::ContractEvent;
use salus_primitives::calls::{Delegation, ValidatorKeys};
use salus_primitives::evidence::Offence;
use salus_primitives::ids::{EntityId, Epoch};
use serde::{Deserialize, Serialize};

/// A change of who can be elected, by whose weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StakingEvent {
    /// Topic 1: a member stands for a seat.
    Stood {
        /// Which.
        member: EntityId,
    },
    /// Topic 2: a member stands no longer.
    SteppedDown {
        /// Which.
        member: EntityId,
    },
    /// Topic 3: a member delegates its weight.
    Delegated {
        /// Which.
        member: EntityId,
        /// To whom.
        delegation: Delegation,
    },
    /// Topic 4: a member delegates nothing any more.
    Withdrawn {
        /// Which.
        member: EntityId,
    },
    /// Topic 5: an inactive member returned.
    Returned {
        /// Which.
        member: EntityId,
    },
    /// Topic 6: a validator broke the protocol. Unless it was jailed before, it is now.
    Jailed {
        /// Who did what, and when.
        offence: Offence,
        /// Whose report it was.
        by: EntityId,
    },
    /// Topic 7: a jailed member was released.
    Released {
        /// Which.
        member: EntityId,
    },
    /// Topic 8: an entity became a member.
    Admitted {
        /// Which.
        member: EntityId,
        /// What it validates with.
        keys: Option<ValidatorKeys>,
        /// Its weight.
        weight: u64,
    },
    /// Topic 9: an entity is a member no longer.
    Retired {
        /// Which.
        member: EntityId,
    },
    /// Topic 10: a member has another weight.
    WeightSet {
        /// Which.
        member: EntityId,
        /// Its weight now.
        weight: u64,
    },
    /// Topic 11: a member has other keys in the sets that are elected from now on.
    KeysRotated {
        /// Which.
        member: EntityId,
        /// Its new keys.
        keys: ValidatorKeys,
    },
    /// Topic 12: a validator said what it saw of the others in the epoch before.
    Observed {
        /// Whose validator.
        by: EntityId,
        /// In which epoch.
        epoch: Epoch,
        /// In how many views.
        views: u32,
    },
    /// Topic 13: another share of votes is asked of members.
    ParticipationSet {
        /// In percent.
        percent: u8,
    },
}

/// Topic of [`StakingEvent::Stood`].
pub const STOOD: u16 = 1;
/// Topic of [`StakingEvent::SteppedDown`].
pub const STEPPED_DOWN: u16 = 2;
/// Topic of [`StakingEvent::Delegated`].
pub const DELEGATED: u16 = 3;
/// Topic of [`StakingEvent::Withdrawn`].
pub const WITHDRAWN: u16 = 4;
/// Topic of [`StakingEvent::Returned`].
pub const RETURNED: u16 = 5;
/// Topic of [`StakingEvent::Jailed`].
pub const JAILED: u16 = 6;
/// Topic of [`StakingEvent::Released`].
pub const RELEASED: u16 = 7;
/// Topic of [`StakingEvent::Admitted`].
pub const ADMITTED: u16 = 8;
/// Topic of [`StakingEvent::Retired`].
pub const RETIRED: u16 = 9;
/// Topic of [`StakingEvent::WeightSet`].
pub const WEIGHT_SET: u16 = 10;
/// Topic of [`StakingEvent::KeysRotated`].
pub const KEYS_ROTATED: u16 = 11;
/// Topic of [`StakingEvent::Observed`].
pub const OBSERVED: u16 = 12;
/// Topic of [`StakingEvent::ParticipationSet`].
pub const PARTICIPATION_SET: u16 = 13;

impl ContractEvent for StakingEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::Stood { .. } => STOOD,
            Self::SteppedDown { .. } => STEPPED_DOWN,
            Self::Delegated { .. } => DELEGATED,
            Self::Withdrawn { .. } => WITHDRAWN,
            Self::Returned { .. } => RETURNED,
            Self::Jailed { .. } => JAILED,
            Self::Released { .. } => RELEASED,
            Self::Admitted { .. } => ADMITTED,
            Self::Retired { .. } => RETIRED,
            Self::WeightSet { .. } => WEIGHT_SET,
            Self::KeysRotated { .. } => KEYS_ROTATED,
            Self::Observed { .. } => OBSERVED,
            Self::ParticipationSet { .. } => PARTICIPATION_SET,
        }
    }
}
