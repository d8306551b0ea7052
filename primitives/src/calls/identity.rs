//! Calls of the `identity` contract.

use super::Role;
use crate::crypto::exchange::ExchangePublic;
use crate::crypto::sign::PublicKey;
use crate::ids::{DeviceId, EntityId, Height, ModelId, PractitionerId};
use crate::reading::Pseudonym;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Calls of the `identity` contract.
///
/// A *person* is a patient, or somebody who acts for one, as one entity (the relation) knows them: a [`Pseudonym`]. Who is a patient in two
/// hospitals has two, which nobody can put together but that person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentityCall {
    /// A ministry admits an entity. It gets no voting weight by this.
    RegisterEntity {
        /// Its name, from which its id derives; 1 to 64 bytes.
        name: String,
        /// What it is.
        role: Role,
        /// The key its own transactions are signed with.
        key: PublicKey,
        /// The key that secrets are wrapped for.
        exchange_key: ExchangePublic,
    },
    /// An entity binds devices to itself, and a signing key to each: all of them or none.
    RegisterDevices {
        /// What they are, if a fault of the model could make all of them unfit.
        model: Option<ModelId>,
        /// 1 to [`DEVICES_IN_BATCH_MAX`], ascending by device.
        devices: Vec<NewDevice>,
    },
    /// A device's owner gives it another signing key.
    RotateDeviceKey {
        /// Which device.
        device: DeviceId,
        /// The new key.
        key: PublicKey,
        /// The first block in which the new key holds and the old one does not; above the height of the block that has this call. `None`: from the next transaction on.
        from: Option<Height>,
    },
    /// A device's owner or a ministry ends a device: nothing after this transaction is accepted from it.
    RevokeDevice {
        /// Which device.
        device: DeviceId,
    },
    /// Ends all devices of a model: an entity its own, a ministry those of all. Devices of this model can be registered no more by whom it concerns.
    RevokeModel {
        /// Which model.
        model: ModelId,
    },
    /// A ministry ends an entity that is not a member: neither it nor its devices may act any more.
    RevokeEntity {
        /// Which entity.
        entity: EntityId,
    },
    /// An entity registers somebody who works for it.
    RegisterPractitioner {
        /// Who, as a pseudonym.
        practitioner: PractitionerId,
        /// As what.
        profession: Profession,
        /// What they sign and receive secrets with.
        keys: PersonKeys,
    },
    /// A practitioner, or the employer, changes the practitioner's keys, from the next transaction on.
    RotatePractitionerKeys {
        /// Whose.
        practitioner: PractitionerId,
        /// The new ones.
        keys: PersonKeys,
    },
    /// The employer or a ministry ends a practitioner.
    RevokePractitioner {
        /// Whom.
        practitioner: PractitionerId,
    },
    /// An entity registers a person that it has a relation with.
    RegisterPerson {
        /// Who, as this entity knows them.
        person: Pseudonym,
        /// Where the state keeps what belongs to the person: random, told to nobody who only knows the pseudonym, so that proofs of presence and absence answer no
        /// outsider (`docs/privacy.md`).
        salt: [u8; 32],
        /// What they sign with; a minor, or somebody not identified yet, may have none.
        keys: Option<PersonKeys>,
        /// Until when guardians act for a minor; `None` for an adult.
        of_age_at: Option<Timestamp>,
        /// The entities whose key services hold the keys of this person's records: [`CUSTODIANS_MIN`] to [`CUSTODIANS_MAX`], ascending.
        custodians: Vec<EntityId>,
    },
    /// Gives a person keys, from the next transaction on: itself, to change them; the entity that registered it, if it has none yet and is of age.
    SetPersonKeys {
        /// Whose.
        person: Pseudonym,
        /// The new ones.
        keys: PersonKeys,
    },
    /// Other custodians hold the keys of periods that begin from now on. By the person, or a guardian.
    SetCustodians {
        /// Whose.
        person: Pseudonym,
        /// As in [`IdentityCall::RegisterPerson`].
        custodians: Vec<EntityId>,
    },
    /// Lets a guardian act for a person: the entity that registered it, for a minor, until it is of age at the latest; a ministry, for an adult who cannot act.
    AppointGuardian {
        /// For whom.
        person: Pseudonym,
        /// Who: a person with keys.
        guardian: Pseudonym,
        /// When that ends; `None` for a minor's coming of age, or for good.
        until: Option<Timestamp>,
    },
    /// A person of age lets another one act for it.
    AppointDelegate {
        /// For whom.
        person: Pseudonym,
        /// Who: a person with keys.
        delegate: Pseudonym,
        /// When that ends.
        until: Timestamp,
    },
    /// Ends that somebody acts for a person, from the next transaction on. By the person (a delegate), by who appointed, by the representative itself, or a ministry.
    EndRepresentation {
        /// For whom.
        person: Pseudonym,
        /// Who acts no more.
        representative: Pseudonym,
    },
    /// Two pseudonyms of one entity turn out to be one patient: the entity says so first, and it holds once the patient's sides of both, as far as there are any,
    /// have said so too, with the same call. What was granted for `into` then holds for the data of both.
    Merge {
        /// The pseudonym that is given up for new data.
        person: Pseudonym,
        /// The one that stays.
        into: Pseudonym,
    },
    /// They turn out to be two after all: the entity, or the patient's side of either, ends the merge, or declines the one that was proposed. What was granted
    /// while it lasted holds for `into` alone.
    Split {
        /// The pseudonym that was given up.
        person: Pseudonym,
    },
    /// An entity offers to hold keys: its key service signs with this key, from the next transaction on; in place of the one before.
    SetCustodyKey {
        /// The key service's.
        key: PublicKey,
    },
}

impl IdentityCall {
    /// Binds one device, of no model.
    #[must_use]
    pub fn register_device(device: DeviceId, key: PublicKey) -> Self {
        Self::RegisterDevices {
            model: None,
            devices: vec![NewDevice { device, key }],
        }
    }

    /// Gives a device another key from the next transaction on.
    #[must_use]
    pub const fn rotate_device_key(device: DeviceId, key: PublicKey) -> Self {
        Self::RotateDeviceKey {
            device,
            key,
            from: None,
        }
    }
}

/// Most devices in [`IdentityCall::RegisterDevices`].
pub const DEVICES_IN_BATCH_MAX: usize = 256;
/// Fewest custodians of a person.
pub const CUSTODIANS_MIN: usize = 2;
/// Most custodians of a person.
pub const CUSTODIANS_MAX: usize = 5;

/// A device to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevice {
    /// The device's unique key.
    pub device: DeviceId,
    /// The device's signing key.
    pub key: PublicKey,
}

/// What somebody signs transactions and receives secrets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonKeys {
    /// For signatures.
    pub key: PublicKey,
    /// That secrets are wrapped for.
    pub exchange_key: ExchangePublic,
}

/// What somebody does for the entity that employs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profession {
    /// Treats patients; may break the glass.
    Physician,
    /// Cares for patients; may break the glass.
    Nurse,
    /// Dispenses medication.
    Pharmacist,
    /// Handles claims.
    ClaimsHandler,
    /// Does research.
    Researcher,
    /// Watches over public health.
    PublicHealthOfficer,
    /// Reviews who has seen what; sees no data by that.
    PrivacyOfficer,
}

impl Profession {
    /// All professions.
    pub const ALL: [Self; 7] = [
        Self::Physician,
        Self::Nurse,
        Self::Pharmacist,
        Self::ClaimsHandler,
        Self::Researcher,
        Self::PublicHealthOfficer,
        Self::PrivacyOfficer,
    ];

    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Physician => "physician",
            Self::Nurse => "nurse",
            Self::Pharmacist => "pharmacist",
            Self::ClaimsHandler => "claims_handler",
            Self::Researcher => "researcher",
            Self::PublicHealthOfficer => "public_health_officer",
            Self::PrivacyOfficer => "privacy_officer",
        }
    }
}
