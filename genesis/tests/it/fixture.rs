//! The file of four members, and its founders' keys.

use salus_genesis::block::GenesisBlock;
use salus_genesis::instant::Instant;
use salus_genesis::presets;
use salus_genesis::spec::{GenesisSpec, MemberSpec};
use salus_primitives::calls::Role;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::time::Timestamp;

/// `fixtures/four.toml`: what [`spec`] writes.
pub(crate) const FOUR: &str = include_str!("fixtures/four.toml");

pub(crate) fn member(n: u8, name: &str, role: Role, weight: u64) -> MemberSpec {
    let key = |kind: u8| SecretKey::from_seed([n * 10 + kind; 32]).public();
    MemberSpec {
        name: name.into(),
        role,
        operator_key: key(1),
        validator_key: key(2),
        network_key: key(3),
        exchange_key: ExchangeSecret::from_bytes([n * 10 + 4; 32]).public(),
        weight,
    }
}

pub(crate) fn spec() -> GenesisSpec {
    let preset = presets::local();
    GenesisSpec {
        chain: "salus-fixture".into(),
        genesis_time: Instant(Timestamp::from_millis(1_795_161_600_000)),
        consensus: preset.consensus,
        model: preset.model,
        lanes: preset.lanes,
        members: vec![
            member(1, "hospital", Role::Hospital, 10),
            member(2, "pharmacy", Role::Pharmacy, 9),
            member(3, "ministry", Role::Ministry, 8),
            member(4, "institute", Role::Institute, 10),
        ],
    }
}

pub(crate) fn build(text: &str) -> GenesisBlock {
    let spec: GenesisSpec = text.parse().expect("a genesis file");
    spec.check().expect("a legal genesis").build()
}
