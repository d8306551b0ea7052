//! Who calls.

use salus_primitives::calls::{Profession, Role};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, PractitionerId};
use salus_primitives::reading::Pseudonym;

/// Who signed a transaction. Exists only for a key that the identity contract knows and that may act now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key it signed with.
    pub key: PublicKey,
    /// Whose key that is.
    pub principal: Principal,
}

/// Who can act: an entity through its operator, its validator or its key service, a device, somebody who works for an entity, or a
/// person that an entity has a relation with.
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
    /// Somebody who works for an entity.
    Practitioner {
        /// Who, as a pseudonym.
        id: PractitionerId,
        /// For whom.
        employer: EntityId,
        /// As what.
        profession: Profession,
        /// What the employer is.
        role: Role,
    },
    /// A patient, or who acts for one. It may act also when the entity that registered it was revoked: its data are still its own.
    Person {
        /// Who, as the relation knows it.
        id: Pseudonym,
        /// The entity that registered it.
        relation: EntityId,
        /// What that entity is.
        role: Role,
    },
    /// An entity's key service. It says only what it does by itself: its key lies on a machine that runs unattended.
    Custodian {
        /// Whose key service.
        id: EntityId,
        /// What the entity is.
        role: Role,
    },
}

impl Principal {
    /// The role of the entity that answers for the call.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Entity { role, .. }
            | Self::Device { role, .. }
            | Self::Validator { role, .. }
            | Self::Practitioner { role, .. }
            | Self::Person { role, .. }
            | Self::Custodian { role, .. } => *role,
        }
    }

    /// The entity that answers for the call.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        match self {
            Self::Entity { id, .. } | Self::Validator { id, .. } | Self::Custodian { id, .. } => {
                *id
            }
            Self::Device { owner: id, .. }
            | Self::Practitioner { employer: id, .. }
            | Self::Person { relation: id, .. } => *id,
        }
    }

    /// The device, if one calls.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Device { id, .. } => Some(*id),
            Self::Entity { .. }
            | Self::Validator { .. }
            | Self::Practitioner { .. }
            | Self::Person { .. }
            | Self::Custodian { .. } => None,
        }
    }

    /// Whether an entity itself calls, by its operator's key.
    #[must_use]
    pub const fn is_entity(&self) -> bool {
        matches!(self, Self::Entity { .. })
    }
}
