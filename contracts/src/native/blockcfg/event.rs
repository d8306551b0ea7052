//! What the block configuration contract makes known.

use crate::context::ContractEvent;
use salus_primitives::ids::EntityId;
use salus_primitives::lanes::{BlockModel, LaneParameters};
use serde::{Deserialize, Serialize};

/// A change of what blocks are configured by, from the second epoch after the present one on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockcfgEvent {
    /// Topic 1: governance changed a lane.
    LaneSet {
        /// What it says of it now.
        parameters: LaneParameters,
    },
    /// Topic 2: governance changed the model.
    ModelSet {
        /// What it is now.
        model: BlockModel,
    },
    /// Topic 3: a member said what its validator's work costs.
    PriceSet {
        /// Which member.
        member: EntityId,
        /// The price of a unit of capacity.
        price: u32,
    },
}

/// Topic of [`BlockcfgEvent::LaneSet`].
pub const LANE_SET: u16 = 1;
/// Topic of [`BlockcfgEvent::ModelSet`].
pub const MODEL_SET: u16 = 2;
/// Topic of [`BlockcfgEvent::PriceSet`].
pub const PRICE_SET: u16 = 3;

impl ContractEvent for BlockcfgEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::LaneSet { .. } => LANE_SET,
            Self::ModelSet { .. } => MODEL_SET,
            Self::PriceSet { .. } => PRICE_SET,
        }
    }
}
