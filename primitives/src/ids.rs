//! Names and positions: newtypes that cannot be mixed up.

use crate::hash::Digest;
use crate::hexadecimal::fixed_bytes;
use crate::namespace::Domain;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Text that is not the hexadecimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} needs {digits} hexadecimal digits, found {found:?}")]
pub struct ParseIdError {
    /// Which id was expected.
    pub kind: &'static str,
    /// How many digits it has.
    pub digits: usize,
    /// The beginning of what was given.
    pub found: String,
}

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(u64);

        impl $name {
            /// The first position.
            pub const ZERO: Self = Self(0);

            /// Names a position by its number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The position after this one; the last one is its own successor (unreachable in practice: 2^64).
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The position before this one, if there is one.
            #[must_use]
            pub const fn previous(self) -> Option<Self> {
                match self.0.checked_sub(1) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// This position moved forward, saturating.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How far this position lies ahead of `other`; zero if it does not.
            #[must_use]
            pub const fn since(self, other: Self) -> u64 {
                self.0.saturating_sub(other.0)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position! {
    /// Position of a block in the chain. Genesis is height 0.
    Height
}
position! {
    /// A period with one validator set, key set and tenure. Genesis alone is epoch 0; voting begins in epoch 1.
    Epoch
}
position! {
    /// One proposal slot of an epoch, counted from 1.
    View
}
position! {
    /// `tenure` consecutive views of an epoch with one block manager, counted from 0.
    Term
}

/// Index of a validator in its epoch's [`ValidatorSet`](crate::validators::ValidatorSet).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seat(u16);

impl Seat {
    /// Names a seat by its index.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// The index on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The index into a slice.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl core::fmt::Display for Seat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a contract in the registry. 0 is the executor itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ContractId(u16);

impl ContractId {
    /// The executor itself: refusals before any contract is called.
    pub const EXECUTOR: Self = Self(0);

    /// Names a contract by its number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl core::fmt::Display for ContractId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// A member organisation, whatever keys it holds today.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub [u8; 32]);
fixed_bytes!(EntityId, 32);

impl EntityId {
    /// The id of the member that registers under `name`.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(Domain::EntityId.hash(&[name.as_bytes()]).0)
    }
}

/// A device's unique key: derived from its hardware id and its registration id (SMS), so that neither is on chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub [u8; 32]);
fixed_bytes!(DeviceId, 32);

impl DeviceId {
    /// The unique key of a device. Both ids have a length prefix, so that no two pairs run together.
    #[must_use]
    pub fn derive(hardware_id: &[u8], registration_id: &[u8]) -> Self {
        let length = u64::try_from(hardware_id.len()).unwrap_or(u64::MAX);
        Self(
            Domain::DeviceId
                .hash(&[&length.to_le_bytes(), hardware_id, registration_id])
                .0,
        )
    }
}

/// Somebody who works for an entity, as a pseudonym that the entity alone can resolve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PractitionerId(pub [u8; 32]);
fixed_bytes!(PractitionerId, 32);

/// A model of device, so that all of its kind can be revoked together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(pub [u8; 32]);
fixed_bytes!(ModelId, 32);

impl ModelId {
    /// The id of a model by its maker's name for it.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(Domain::ModelId.hash(&[name.as_bytes()]).0)
    }
}

/// Names a chain: the id of its block 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenesisHash(pub [u8; 32]);
fixed_bytes!(GenesisHash, 32);

/// Names a block: the hash of its header.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub [u8; 32]);
fixed_bytes!(BlockId, 32);

impl From<Digest> for BlockId {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_do_not_confuse_where_one_part_ends() {
        assert_ne!(DeviceId::derive(b"ab", b"c"), DeviceId::derive(b"a", b"bc"));
    }

    #[test]
    fn positions_saturate_instead_of_wrapping() {
        assert_eq!(Height::new(u64::MAX).next(), Height::new(u64::MAX));
        assert_eq!(Height::ZERO.previous(), None);
    }
}
