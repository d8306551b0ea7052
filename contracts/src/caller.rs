//! Who calls.

use salus_primitives::calls::Role;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId};

/// Who signed a transaction. Exists only for a key that the identity contract knows and that may act now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key it signed with.
    pub key: PublicKey,
    /// Whose key that is.
    pub principal: Principal,
}

/// Who can act: an entity through its operator or its validator, or a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An entity.
    Entity {
        /// Which.
        id: EntityId,
        /// What it is.
        role: Role,
    },
    /// A device.
    Device {
        /// Which.
        id: DeviceId,
        /// The entity that registered it.
        owner: EntityId,
        /// What its owner is.
        role: Role,
    },
    /// A member's validator, by the key it votes with in this epoch or did in the one before. It says only what a validator
    /// node says by itself: its key lies on a machine that runs unattended.
    Validator {
        /// Whose validator.
        id: EntityId,
        /// What the member is.
        role: Role,
    },
}

impl Principal {
    /// The entity's role, or that of the device's owner.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Entity { role, .. }
            | Self::Device { role, .. }
            | Self::Validator { role, .. } => *role,
        }
    }

    /// The entity that answers for the call.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        match self {
            Self::Entity { id, .. } | Self::Validator { id, .. } => *id,
            Self::Device { owner, .. } => *owner,
        }
    }

    /// The device, if one calls.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Entity { .. } | Self::Validator { .. } => None,
            Self::Device { id, .. } => Some(*id),
        }
    }
}
