//! The calls a device or an entity can make: the wire types that edge, node and contracts share.
//!
//! What a call means, and who may make it, is the contract's business (`salus-contracts`).

use crate::crypto::exchange::ExchangePublic;
use crate::crypto::sign::PublicKey;
use crate::ids::{ContractId, DeviceId, EntityId};
use crate::reading::SealedReading;
use serde::{Deserialize, Serialize};

/// Entities, their roles and their devices.
pub const IDENTITY: ContractId = ContractId::new(1);
/// Lanes and block configuration.
pub const BLOCKCFG: ContractId = ContractId::new(2);
/// Sealed readings.
pub const RECORDS: ContractId = ContractId::new(3);

/// What kind of organisation a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Treats patients; runs devices.
    Hospital,
    /// Dispenses medication; runs devices.
    Pharmacy,
    /// Pays claims.
    Insurer,
    /// Does research.
    Institute,
    /// Supervises; registers entities.
    Ministry,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Hospital,
        Self::Pharmacy,
        Self::Insurer,
        Self::Institute,
        Self::Ministry,
    ];

    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Pharmacy => "pharmacy",
            Self::Insurer => "insurer",
            Self::Institute => "institute",
            Self::Ministry => "ministry",
        }
    }
}

impl core::fmt::Display for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

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

/// Calls of the `records` contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordsCall {
    /// A device submits a sealed reading.
    Submit(SealedReading),
}
