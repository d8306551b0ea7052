//! The state that a chain begins with.

use crate::native::{blockcfg, identity, staking};
use salus_primitives::calls::{Role, ValidatorKeys};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::lanes::BlockPolicy;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::WriteSet;

/// An entity that founds the chain: a member with weight, and a candidate.
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
    /// Its voting weight.
    pub weight: u64,
}

impl GenesisMember {
    /// What its validator acts with.
    #[must_use]
    pub const fn keys(&self) -> ValidatorKeys {
        ValidatorKeys {
            validator_key: self.validator_key,
            network_key: self.network_key,
        }
    }
}

/// The writes of block 0. The order of `members` does not matter; `participation_percent` is the share of votes that is asked of
/// members until governance changes it.
///
/// Checks nothing: names, keys, weights and bounds are `salus-genesis`'s to check before.
#[must_use]
pub fn genesis_writes(
    members: &[GenesisMember],
    parameters: &ChainParameters,
    policy: &BlockPolicy,
    participation_percent: u8,
    chain: &str,
) -> WriteSet {
    let first = staking::first_sets(members, parameters);
    let mut writes = WriteSet::default();
    blockcfg::genesis(chain, parameters, policy, &first, &mut writes);
    for member in members {
        identity::genesis(member, &mut writes);
    }
    staking::genesis(members, participation_percent, &first, &mut writes);
    writes
}
