//! The chain of an experiment: the preset's lanes under one policy, configured by the contract from what the world is truly like.
//!
//! A chain learns that from its validators' reports within a few epochs. Here its first epoch knows it already, so that runs need not wait for it.

use super::cost;
use super::load::{OVERHEAD_BYTES, reading_bytes};
use super::world::{UPLINK_BPS, World};
use crate::keys::{MemberKeys, chain_with};
use salus_contracts::native::blockcfg::lanes::{Profile, epoch_lanes};
use salus_genesis::block::GenesisBlock;
use salus_genesis::spec::{ConsensusSpec, LanesSpec};
use salus_primitives::codec;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::GenesisHash;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use salus_primitives::state_tree;

/// Covers half of the longest round trip, a large block on 49 links, and the slowest validator.
const DELTA_MS: u64 = 500;
/// Of the block by which the rate of a validator is known.
const LARGE_BYTES: u64 = 256 * 1024;

/// All policies, in the order of the tables.
pub const POLICIES: [Policy; 4] = [
    Policy::Exact,
    Policy::Fastest,
    Policy::Rotating,
    Policy::Fixed,
];

/// The lane in which transactions of this kind are submitted. What treats all alike has one queue.
#[must_use]
pub const fn lane_of(policy: Policy, kind: Lane) -> Lane {
    match policy {
        Policy::Fixed => Lane::Routine,
        Policy::Exact | Policy::Fastest | Policy::Rotating => kind,
    }
}

/// The chain, and the keys of its members by their place in the world.
pub(super) fn found(world: &World, policy: Policy) -> (GenesisBlock, Vec<MemberKeys>) {
    let weights = vec![1; world.len()];
    let (mut genesis, keys) = chain_with(&weights, |consensus, lanes| {
        adjust(consensus, lanes, policy)
    });
    let [first, second] =
        [&genesis.first, &genesis.second].map(|epoch| measured(epoch, &genesis, &keys, world));
    for (old, new) in [(&genesis.first, &first), (&genesis.second, &second)] {
        let (old, new) = (codec::encode(&old.lanes), codec::encode(&new.lanes));
        let at = genesis
            .writes
            .tree()
            .find(|(_, value)| *value == Some(&old[..]));
        let key = at.expect("the state holds the lanes").0.clone();
        genesis.writes.put(key, new);
    }
    let header = &mut genesis.block.header;
    let values = genesis.writes.tree();
    header.parent_state_root =
        state_tree::root_of(values.filter_map(|(key, value)| value.map(|value| (key, value))));
    header.next_epoch = Some(first.digest());
    genesis.hash = GenesisHash(header.id().0);
    genesis.anchor.header = header.clone();
    genesis.anchor.first = first.clone();
    (genesis.first, genesis.second) = (first, second);
    (genesis, keys)
}

fn adjust(consensus: &mut ConsensusSpec, lanes: &mut LanesSpec, policy: Policy) {
    consensus.delta_ms = DELTA_MS;
    consensus.delta_max_ms = 8 * DELTA_MS;
    consensus.epoch_blocks = 1_000_000;
    let LanesSpec {
        emergency,
        monitoring,
        routine,
        bulk,
    } = lanes;
    for (lane, spec) in Lane::ALL
        .into_iter()
        .zip([emergency, monitoring, routine, bulk])
    {
        spec.policy = policy;
        let bytes = reading_bytes(lane) + OVERHEAD_BYTES;
        spec.transaction_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }
}

/// An epoch's lanes as the contract configures them from true measurements.
fn measured(
    epoch: &EpochConfig,
    genesis: &GenesisBlock,
    keys: &[MemberKeys],
    world: &World,
) -> EpochConfig {
    let validators = &epoch.validators;
    let known: Vec<Profile> = validators
        .validators()
        .iter()
        .map(|validator| {
            let is_its = |keys: &MemberKeys| keys.network.public() == validator.network_key;
            let node = keys.iter().position(is_its).expect("a member");
            profile(world, node)
        })
        .collect();
    EpochConfig {
        lanes: epoch_lanes(&genesis.policy, &genesis.parameters, validators, &known),
        validators: validators.clone(),
    }
}

/// What the others find out about a validator: how long it takes to answer a small proposal, the median over the others, and how fast
/// it takes in a large one beyond that, when each manager's uplink is shared by all.
fn profile(world: &World, node: usize) -> Profile {
    let large_us = World::sending_us(LARGE_BYTES) * (world.len() as u64 - 1)
        + world.slowness(node) * cost::KIB_US * LARGE_BYTES / 1024;
    let rate_kbps = LARGE_BYTES * 8 * 1_000 / large_us;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Profile {
        response_us: small(response_us(world, node)),
        rate_kbps: small(rate_kbps.min(UPLINK_BPS / 1_000)),
        price: 1,
    }
}

fn response_us(world: &World, node: usize) -> u64 {
    let mut trips: Vec<u64> = (0..world.len())
        .filter(|other| *other != node)
        .map(|other| 2 * world.one_way_us(other, node))
        .collect();
    trips.sort_unstable();
    let trip = trips[(trips.len() - 1) / 2];
    trip + world.slowness(node) * (cost::INPUT_US + cost::VOTE_US + cost::TRANSACTION_US)
}

/// What a validator does in a second, in answers: the paper's x. Its price is 1.
pub(super) fn answers_per_second(world: &World, node: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "less than a minute")]
    let response = response_us(world, node) as f64;
    1_000_000.0 / response
}
