//! What the identity contract makes known.

use crate::context::ContractEvent;
use salus_primitives::calls::Role;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId};
use serde::{Deserialize, Serialize};

/// A change of who may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentityEvent {
    /// Topic 1: a ministry admitted an entity.
    EntityRegistered {
        /// Which.
        entity: EntityId,
        /// What it is.
        role: Role,
        /// Its key.
        key: PublicKey,
    },
    /// Topic 2: an entity bound a device to itself.
    DeviceRegistered {
        /// Which.
        device: DeviceId,
        /// Whose.
        owner: EntityId,
        /// Its key.
        key: PublicKey,
    },
    /// Topic 3: a device has another key.
    DeviceKeyRotated {
        /// Which.
        device: DeviceId,
        /// Its new key.
        key: PublicKey,
    },
    /// Topic 4: a device may not act any more.
    DeviceRevoked {
        /// Which.
        device: DeviceId,
        /// Who ended it: its owner or a ministry.
        by: EntityId,
    },
    /// Topic 5: an entity and its devices may not act any more.
    EntityRevoked {
        /// Which.
        entity: EntityId,
        /// The ministry that ended it.
        by: EntityId,
    },
}

/// Topic of [`IdentityEvent::EntityRegistered`].
pub const ENTITY_REGISTERED: u16 = 1;
/// Topic of [`IdentityEvent::DeviceRegistered`].
pub const DEVICE_REGISTERED: u16 = 2;
/// Topic of [`IdentityEvent::DeviceKeyRotated`].
pub const DEVICE_KEY_ROTATED: u16 = 3;
/// Topic of [`IdentityEvent::DeviceRevoked`].
pub const DEVICE_REVOKED: u16 = 4;
/// Topic of [`IdentityEvent::EntityRevoked`].
pub const ENTITY_REVOKED: u16 = 5;

impl ContractEvent for IdentityEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::EntityRegistered { .. } => ENTITY_REGISTERED,
            Self::DeviceRegistered { .. } => DEVICE_REGISTERED,
            Self::DeviceKeyRotated { .. } => DEVICE_KEY_ROTATED,
            Self::DeviceRevoked { .. } => DEVICE_REVOKED,
            Self::EntityRevoked { .. } => ENTITY_REVOKED,
        }
    }
}
