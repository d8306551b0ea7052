//! What the identity contract makes known.

use super::people::RepresentativeKind;
use crate::context::ContractEvent;
use salus_primitives::access::Requester;
use salus_primitives::calls::{NewDevice, Profession, Role};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, Height, ModelId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A change of who may act. What is about persons stands in their audit trails, see [`IdentityEvent::persons`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Topic 2: an entity bound devices to itself.
    DevicesRegistered {
        /// Whose.
        owner: EntityId,
        /// What they are.
        model: Option<ModelId>,
        /// Which, with their keys.
        devices: Vec<NewDevice>,
    },
    /// Topic 3: a device has another key, or is to have it.
    DeviceKeyRotated {
        /// Which.
        device: DeviceId,
        /// Its new key.
        key: PublicKey,
        /// From which block on; in this event's own, from the next transaction on.
        from: Height,
    },
    /// Topic 4: a device may not act any more.
    DeviceRevoked {
        /// Which.
        device: DeviceId,
        /// Who ended it: its owner or a ministry.
        by: EntityId,
    },
    /// Topic 5: an entity, its devices and practitioners may not act any more.
    EntityRevoked {
        /// Which.
        entity: EntityId,
        /// The ministry that ended it.
        by: EntityId,
    },
    /// Topic 6: devices of a model may not act any more, nor be registered.
    ModelRevoked {
        /// Which.
        model: ModelId,
        /// Whose devices; `None`: everybody's.
        owner: Option<EntityId>,
        /// Who ended them: their owner or a ministry.
        by: EntityId,
    },
    /// Topic 7: somebody works for an entity.
    PractitionerRegistered {
        /// Who.
        practitioner: PractitionerId,
        /// For whom.
        employer: EntityId,
        /// As what.
        profession: Profession,
        /// The key they sign with.
        key: PublicKey,
    },
    /// Topic 8: a practitioner has other keys.
    PractitionerKeysRotated {
        /// Who.
        practitioner: PractitionerId,
        /// The key they sign with now.
        key: PublicKey,
    },
    /// Topic 9: a practitioner may not act any more.
    PractitionerRevoked {
        /// Who.
        practitioner: PractitionerId,
        /// Who ended it: the employer or a ministry.
        by: EntityId,
    },
    /// Topic 10: an entity has a relation with a person.
    PersonRegistered {
        /// Who.
        person: Pseudonym,
        /// The entity.
        relation: EntityId,
        /// The key it signs with, if it has one.
        key: Option<PublicKey>,
        /// When it comes of age.
        of_age_at: Option<Timestamp>,
        /// Who holds the keys of its records.
        custodians: Vec<EntityId>,
    },
    /// Topic 11: a person has keys, or others.
    PersonKeysSet {
        /// Who.
        person: Pseudonym,
        /// The key it signs with now.
        key: PublicKey,
        /// Who gave it: itself or the entity that registered it.
        by: Requester,
    },
    /// Topic 12: others hold the keys of periods that begin from now on.
    CustodiansSet {
        /// Whose.
        person: Pseudonym,
        /// Who.
        custodians: Vec<EntityId>,
        /// Who chose: the person or a guardian.
        by: Requester,
    },
    /// Topic 13: somebody acts for a person.
    RepresentativeAppointed {
        /// For whom.
        person: Pseudonym,
        /// Who.
        representative: Pseudonym,
        /// As what.
        kind: RepresentativeKind,
        /// Until when.
        until: Option<Timestamp>,
        /// Who appointed.
        by: Requester,
    },
    /// Topic 14: somebody acts for a person no more.
    RepresentationEnded {
        /// For whom.
        person: Pseudonym,
        /// Who.
        representative: Pseudonym,
        /// Who ended it.
        by: Requester,
    },
    /// Topic 15: an entity says that two pseudonyms are one patient.
    MergeProposed {
        /// The one to be given up.
        person: Pseudonym,
        /// The one to stay.
        into: Pseudonym,
    },
    /// Topic 16: somebody on the patient's side of one of them says so too.
    MergeAssented {
        /// The one to be given up.
        person: Pseudonym,
        /// The one to stay.
        into: Pseudonym,
        /// Who.
        by: Pseudonym,
    },
    /// Topic 17: two pseudonyms are one patient.
    Merged {
        /// The one that was given up.
        person: Pseudonym,
        /// The one that stays.
        into: Pseudonym,
    },
    /// Topic 18: they are two after all, or are not to be one.
    Split {
        /// The one that was given up, or was to be.
        person: Pseudonym,
        /// The other.
        from: Pseudonym,
        /// Who says so.
        by: Requester,
    },
    /// Topic 19: an entity offers to hold keys, or does so with another key.
    CustodyKeySet {
        /// Which.
        entity: EntityId,
        /// The key that its key service signs with.
        key: PublicKey,
    },
}

/// Topic of [`IdentityEvent::EntityRegistered`].
pub const ENTITY_REGISTERED: u16 = 1;
/// Topic of [`IdentityEvent::DevicesRegistered`].
pub const DEVICES_REGISTERED: u16 = 2;
/// Topic of [`IdentityEvent::DeviceKeyRotated`].
pub const DEVICE_KEY_ROTATED: u16 = 3;
/// Topic of [`IdentityEvent::DeviceRevoked`].
pub const DEVICE_REVOKED: u16 = 4;
/// Topic of [`IdentityEvent::EntityRevoked`].
pub const ENTITY_REVOKED: u16 = 5;
/// Topic of [`IdentityEvent::ModelRevoked`].
pub const MODEL_REVOKED: u16 = 6;
/// Topic of [`IdentityEvent::PractitionerRegistered`].
pub const PRACTITIONER_REGISTERED: u16 = 7;
/// Topic of [`IdentityEvent::PractitionerKeysRotated`].
pub const PRACTITIONER_KEYS_ROTATED: u16 = 8;
/// Topic of [`IdentityEvent::PractitionerRevoked`].
pub const PRACTITIONER_REVOKED: u16 = 9;
/// Topic of [`IdentityEvent::PersonRegistered`].
pub const PERSON_REGISTERED: u16 = 10;
/// Topic of [`IdentityEvent::PersonKeysSet`].
pub const PERSON_KEYS_SET: u16 = 11;
/// Topic of [`IdentityEvent::CustodiansSet`].
pub const CUSTODIANS_SET: u16 = 12;
/// Topic of [`IdentityEvent::RepresentativeAppointed`].
pub const REPRESENTATIVE_APPOINTED: u16 = 13;
/// Topic of [`IdentityEvent::RepresentationEnded`].
pub const REPRESENTATION_ENDED: u16 = 14;
/// Topic of [`IdentityEvent::MergeProposed`].
pub const MERGE_PROPOSED: u16 = 15;
/// Topic of [`IdentityEvent::MergeAssented`].
pub const MERGE_ASSENTED: u16 = 16;
/// Topic of [`IdentityEvent::Merged`].
pub const MERGED: u16 = 17;
/// Topic of [`IdentityEvent::Split`].
pub const SPLIT: u16 = 18;
/// Topic of [`IdentityEvent::CustodyKeySet`].
pub const CUSTODY_KEY_SET: u16 = 19;

impl IdentityEvent {
    /// The persons in whose audit trails it stands.
    #[must_use]
    pub const fn persons(&self) -> [Option<Pseudonym>; 2] {
        match self {
            Self::PersonRegistered { person, .. }
            | Self::PersonKeysSet { person, .. }
            | Self::CustodiansSet { person, .. }
            | Self::RepresentativeAppointed { person, .. }
            | Self::RepresentationEnded { person, .. } => [Some(*person), None],
            Self::MergeProposed { person, into }
            | Self::MergeAssented { person, into, .. }
            | Self::Merged { person, into }
            | Self::Split {
                person, from: into, ..
            } => [Some(*person), Some(*into)],
            Self::EntityRegistered { .. }
            | Self::DevicesRegistered { .. }
            | Self::DeviceKeyRotated { .. }
            | Self::DeviceRevoked { .. }
            | Self::EntityRevoked { .. }
            | Self::ModelRevoked { .. }
            | Self::PractitionerRegistered { .. }
            | Self::PractitionerKeysRotated { .. }
            | Self::PractitionerRevoked { .. }
            | Self::CustodyKeySet { .. } => [None, None],
        }
    }
}

impl ContractEvent for IdentityEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::EntityRegistered { .. } => ENTITY_REGISTERED,
            Self::DevicesRegistered { .. } => DEVICES_REGISTERED,
            Self::DeviceKeyRotated { .. } => DEVICE_KEY_ROTATED,
            Self::DeviceRevoked { .. } => DEVICE_REVOKED,
            Self::EntityRevoked { .. } => ENTITY_REVOKED,
            Self::ModelRevoked { .. } => MODEL_REVOKED,
            Self::PractitionerRegistered { .. } => PRACTITIONER_REGISTERED,
            Self::PractitionerKeysRotated { .. } => PRACTITIONER_KEYS_ROTATED,
            Self::PractitionerRevoked { .. } => PRACTITIONER_REVOKED,
            Self::PersonRegistered { .. } => PERSON_REGISTERED,
            Self::PersonKeysSet { .. } => PERSON_KEYS_SET,
            Self::CustodiansSet { .. } => CUSTODIANS_SET,
            Self::RepresentativeAppointed { .. } => REPRESENTATIVE_APPOINTED,
            Self::RepresentationEnded { .. } => REPRESENTATION_ENDED,
            Self::MergeProposed { .. } => MERGE_PROPOSED,
            Self::MergeAssented { .. } => MERGE_ASSENTED,
            Self::Merged { .. } => MERGED,
            Self::Split { .. } => SPLIT,
            Self::CustodyKeySet { .. } => CUSTODY_KEY_SET,
        }
    }
}
