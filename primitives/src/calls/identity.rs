//! Calls of the `identity` contract.

use super::Role;
use crate::crypto::exchange::ExchangePublic;
use crate::crypto::sign::PublicKey;
use crate::ids::{DeviceId, EntityId};
use serde::{Deserialize, Serialize};

/// Calls of the `identity` contract.
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
    /// An entity binds a device to itself and a signing key to the device.
    RegisterDevice {
        /// The device's unique key.
        device: DeviceId,
        /// The device's signing key.
        key: PublicKey,
    },
    /// A device's owner gives it another signing key, valid from the next transaction on.
    RotateDeviceKey {
        /// Which device.
        device: DeviceId,
        /// The new key.
        key: PublicKey,
    },
    /// A device's owner or a ministry ends a device: nothing after this transaction is accepted from it.
    RevokeDevice {
        /// Which device.
        device: DeviceId,
    },
    /// A ministry ends an entity that is not a member: neither it nor its devices may act any more.
    RevokeEntity {
        /// Which entity.
        entity: EntityId,
    },
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
