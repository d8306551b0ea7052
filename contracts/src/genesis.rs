//! The state that a chain begins with.

use crate::native::{blockcfg, identity};
use salus_primitives::calls::Role;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::WriteSet;

/// An entity that founds the chain and validates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisMember {
    /// Derived from its name.
    pub entity: EntityId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The key its own transactions are signed with.
    pub operator_key: PublicKey,
    /// The key its validator votes with.
    pub validator_key: PublicKey,
    /// The key its validator connects with.
    pub network_key: PublicKey,
    /// The key that secrets are wrapped for.
    pub exchange_key: ExchangePublic,
    /// Its consensus weight.
    pub weight: u64,
}

/// The writes of block 0. The order of `members` does not matter.
///
/// Checks nothing: names, keys, weights and bounds are `salus-genesis`'s to check before.
#[must_use]
pub fn genesis_writes(
    members: &[GenesisMember],
    parameters: &ChainParameters,
    chain: &str,
) -> WriteSet {
    let mut writes = WriteSet::default();
    blockcfg::genesis(chain, parameters, &mut writes);
    for member in members {
        identity::genesis(member, &mut writes);
    }
    writes
}
