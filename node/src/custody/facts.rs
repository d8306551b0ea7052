//! What the key service needs to know of the final chain: plain data.

use salus_primitives::access::AccessRequest;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::transaction::TxId;

/// Who may deposit what, in the final state of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositFacts {
    /// The height.
    pub height: Height,
    /// The key that the chain has of this entity's key service.
    pub custody_key: Option<PublicKey>,
    /// The device, if it may act.
    pub device: Option<DeviceFacts>,
    /// The person, if it is registered.
    pub person: Option<PersonFacts>,
    /// How often something that permitted access to the person's data has ended.
    pub generation: u64,
    /// Whether the period's day was ordered to be erased.
    pub is_erased: bool,
}

/// A device that may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Whose.
    pub owner: EntityId,
    /// The key it signs with.
    pub key: PublicKey,
}

/// A person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonFacts {
    /// The entity that registered it.
    pub relation: EntityId,
    /// Whether this entity is one of its custodians now.
    pub is_custodian: bool,
}

/// A request that was allowed, finally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The key that the chain has of this entity's key service.
    pub custody_key: Option<PublicKey>,
    /// What was asked for.
    pub asked: AccessRequest,
    /// The exchange key that the chain has of who asked, if they may act still.
    pub recipient: Option<ExchangePublic>,
    /// Whether what allowed it holds still.
    pub is_open: bool,
    /// Whether the chain has been told that this entity released.
    pub is_released: bool,
    /// The days of this person and kind of data that were ordered to be erased: first and last of each.
    pub erased: Vec<(u32, u32)>,
}

impl ReleaseFacts {
    /// Whether any of these days was ordered to be erased.
    #[must_use]
    pub fn is_any_erased(&self, first: u32, last: u32) -> bool {
        self.erased
            .iter()
            .any(|(from, to)| *from <= last && first <= *to)
    }
}

/// A final order to erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's transaction.
    pub order: TxId,
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// First day.
    pub first_day: u32,
    /// Last day.
    pub last_day: u32,
    /// Whether the chain waits for this entity to say that it has destroyed the keys.
    pub awaits_us: bool,
}

impl Order {
    /// Whether it names a day.
    #[must_use]
    pub const fn names(&self, day: u32) -> bool {
        self.first_day <= day && day <= self.last_day
    }
}
