//! A chain whose members' keys follow from small numbers.

use salus_genesis::block::GenesisBlock;
use salus_genesis::instant::Instant;
use salus_genesis::presets;
use salus_genesis::spec::{ConsensusSpec, GenesisSpec, LanesSpec, MemberSpec};
use salus_primitives::calls::Role;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::time::Timestamp;

/// The secret keys of one member.
#[derive(Clone, Debug)]
pub struct MemberKeys {
    /// Its name.
    pub name: String,
    /// Signs the entity's transactions.
    pub operator: SecretKey,
    /// Votes.
    pub validator: SecretKey,
    /// Authenticates connections.
    pub network: SecretKey,
    /// Unwraps keys.
    pub exchange: ExchangeSecret,
}

impl MemberKeys {
    /// The keys of the `n`th member.
    #[must_use]
    pub fn nth(n: u8) -> Self {
        let seed = |use_: u8| {
            let mut seed = [use_; 32];
            // not the first byte: X25519 ignores its low bits
            seed[1] = n;
            seed
        };
        Self {
            name: format!("member-{n}"),
            operator: SecretKey::from_seed(seed(1)),
            validator: SecretKey::from_seed(seed(2)),
            network: SecretKey::from_seed(seed(3)),
            exchange: ExchangeSecret::from_bytes(seed(4)),
        }
    }

    /// The key the member votes with after so many rotations.
    #[must_use]
    pub fn validator_of(&self, generation: u8) -> SecretKey {
        let mut seed = *self.validator.seed();
        seed[2] ^= generation;
        SecretKey::from_seed(seed)
    }
}

/// A chain with members of these weights, and their keys in the order of `weights`. All are hospitals.
///
/// # Panics
/// If the weights or the adjusted parameters are not legal.
#[must_use]
pub fn chain(
    weights: &[u64],
    adjust: impl Fn(&mut ConsensusSpec),
) -> (GenesisBlock, Vec<MemberKeys>) {
    chain_with(weights, |consensus, _| adjust(consensus))
}

/// As [`chain`], with lanes to adjust too.
///
/// # Panics
/// As [`chain`].
#[must_use]
pub fn chain_with(
    weights: &[u64],
    adjust: impl Fn(&mut ConsensusSpec, &mut LanesSpec),
) -> (GenesisBlock, Vec<MemberKeys>) {
    let keys: Vec<MemberKeys> = (0u8..).take(weights.len()).map(MemberKeys::nth).collect();
    let mut preset = presets::local();
    adjust(&mut preset.consensus, &mut preset.lanes);
    let members = keys
        .iter()
        .zip(weights)
        .map(|(keys, weight)| MemberSpec {
            name: keys.name.clone(),
            role: Role::Hospital,
            operator_key: keys.operator.public(),
            validator_key: keys.validator.public(),
            network_key: keys.network.public(),
            exchange_key: keys.exchange.public(),
            weight: *weight,
        })
        .collect();
    let spec = GenesisSpec {
        chain: "simulated".into(),
        genesis_time: Instant(Timestamp::from_millis(1_000_000)),
        consensus: preset.consensus,
        model: preset.model,
        lanes: preset.lanes,
        members,
    };
    let genesis = spec.check().expect("a legal genesis").build();
    (genesis, keys)
}
