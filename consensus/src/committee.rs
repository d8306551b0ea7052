//! Which verifiers attest a block: a pure function of chain data.

use salus_primitives::block::BlockConfig;
use salus_primitives::ids::{GenesisHash, Height, Seat};
use salus_primitives::namespace::Domain;
use salus_primitives::parameters::LaneParameters;
use salus_primitives::validators::ValidatorSet;

/// The configuration of the block of a lane at a height: the lane's `m` and `theta`, and the `m` verifiers whose turn it is.
///
/// The committee rotates: seats in the order of a hash of chain, height and seat. Anyone can compute and check it.
#[must_use]
pub fn block_config(
    genesis: GenesisHash,
    validators: &ValidatorSet,
    lane: &LaneParameters,
    height: Height,
) -> BlockConfig {
    let mut seats: Vec<Seat> = validators.seats().collect();
    let verifiers = usize::from(lane.verifier_count).clamp(1, seats.len().max(1));
    if verifiers < seats.len() {
        seats.sort_by_cached_key(|seat| {
            Domain::ScheduleSeed.hash(&[
                genesis.as_bytes(),
                &height.get().to_le_bytes(),
                &seat.get().to_le_bytes(),
            ])
        });
        seats.truncate(verifiers);
        seats.sort_unstable();
    }
    BlockConfig {
        verifier_count: u16::try_from(seats.len()).unwrap_or(u16::MAX),
        transaction_limit: lane.transaction_limit,
        committee: seats,
    }
}
