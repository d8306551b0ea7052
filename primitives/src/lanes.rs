//! How blocks of each lane are configured: what governance says of a lane, and what follows from it in one epoch.

use crate::block::BlockConfig;
use crate::calls::Role;
use crate::ids::{Epoch, GenesisHash, Height, Seat};
use crate::lane::Lane;
use crate::namespace::Domain;
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use serde::{Deserialize, Serialize};

/// All that governance says of block configuration. Part of the authenticated state; genesis gives the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPolicy {
    /// What holds for all lanes.
    pub model: BlockModel,
    /// The lanes, in the order of [`Lane::ALL`].
    pub lanes: Vec<LaneParameters>,
}

/// The constants of the model that chooses verifiers, and what is taken for measured before anything was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockModel {
    /// Security of `m` verifiers is `kappa m^q`: this is the paper's `kappa`.
    pub security_scale: u32,
    /// The paper's `q`, at least 2.
    pub security_exponent: u8,
    /// What it takes the manager to send a bit to one more verifier, in picoseconds; the paper's `psi`.
    pub broadcast_ps_per_bit: u32,
    /// Bytes of a verifier's vote; the paper's `O`.
    pub vote_bytes: u32,
    /// For how long the checking of one block may hold up the next, in milliseconds: bounds the bytes of a block.
    pub hold_max_ms: u32,
    /// How long a validator takes to answer a proposal, in microseconds, until others have measured it.
    pub response_us: u32,
    /// How fast a validator receives and checks the bytes of a proposal, in kilobits a second, until others have measured it.
    pub rate_kbps: u32,
}

/// How a lane's verifiers and the size of its blocks are chosen, within the lane's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The least utility over all subsets of verifiers and all block sizes.
    Exact,
    /// The same over the fastest verifiers alone, as the paper chooses them.
    Fastest,
    /// As many as [`Policy::Fastest`] would take, by turns: predictable, and fair.
    Rotating,
    /// The most verifiers, by turns, and the largest blocks: adapts to nothing.
    Fixed,
}

/// How much latency, security and cost count in a lane; only their ratio matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneWeights {
    /// The paper's `alpha`.
    pub latency: u32,
    /// The paper's `beta`.
    pub security: u32,
    /// The paper's `gamma`.
    pub cost: u32,
}

/// What governance says of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneParameters {
    /// Which lane.
    pub lane: Lane,
    /// How verifiers and block size are chosen.
    pub policy: Policy,
    /// What they are chosen by.
    pub weights: LaneWeights,
    /// Fewest verifiers that attest a block; the paper's `v`. With fewer seats, all.
    pub min_verifiers: u16,
    /// Most verifiers; the paper's `M`.
    pub max_verifiers: u16,
    /// Least value of the most transactions in a block; the paper's `t`.
    pub min_transactions: u32,
    /// Most transactions in a block; the paper's `N`.
    pub max_transactions: u32,
    /// Bytes of a typical transaction; the paper's `B`.
    pub transaction_bytes: u32,
    /// The roles whose entities and devices may use it, ascending.
    pub roles: Vec<Role>,
    /// How many transactions an entity may have in this lane in an epoch; those beyond count in the next lower lane. With 0 there
    /// is no bound.
    pub quota: u32,
    /// Lanes whose oldest transaction has waited for longer than this share every second block, in milliseconds.
    pub wait_max_ms: u32,
    /// Of a hundred blocks made while this lane waits, it gets as many, as long as no other has waited too long.
    pub reserved_percent: u8,
}

/// A lane as it is in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneConfig {
    /// What governance said of it.
    pub parameters: LaneParameters,
    /// Who attests its blocks.
    pub verifiers: Verifiers,
    /// Most transactions in a block; the paper's `theta`.
    pub transaction_limit: u32,
}

/// Who attests a lane's blocks in an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verifiers {
    /// These seats, ascending.
    Chosen(Vec<Seat>),
    /// So many seats, by turns that anyone can compute.
    Rotating(u16),
}

/// All lanes as they are in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochLanes {
    /// Which epoch.
    pub epoch: Epoch,
    /// How many blocks each epoch has, so that light clients know its heights.
    pub epoch_blocks: u64,
    /// Most bytes of encoded transactions in a block.
    pub block_bytes: u64,
    /// The paper's `kappa`, by which light clients score who has attested a block.
    pub security_scale: u32,
    /// The paper's `q`, likewise.
    pub security_exponent: u8,
    /// The lanes, in the order of [`Lane::ALL`].
    pub lanes: Vec<LaneConfig>,
}

/// The longest that an answer to a proposal can be said to take, in microseconds: a minute.
pub const RESPONSE_US_MAX: u32 = 60_000_000;
/// The fastest that a validator can be said to be, in kilobits a second: a hundred gigabits.
pub const RATE_KBPS_MAX: u32 = 100_000_000;
/// The dearest that a member can call its validator's work.
pub const PRICE_MAX: u32 = 1_000;

impl Policy {
    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fastest => "fastest",
            Self::Rotating => "rotating",
            Self::Fixed => "fixed",
        }
    }
}

impl Verifiers {
    /// How many; the paper's `m`.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Chosen(seats) => seats.len(),
            Self::Rotating(count) => usize::from(*count),
        }
    }
}

impl BlockPolicy {
    /// What is said of a lane. Something is said of each: genesis is refused otherwise.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> Option<&LaneParameters> {
        self.lanes.iter().find(|it| it.lane == lane)
    }
}

impl EpochLanes {
    /// A lane. There are all.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> Option<&LaneConfig> {
        self.lanes.iter().find(|it| it.parameters.lane == lane)
    }

    /// The heights of the epoch's blocks.
    #[must_use]
    pub fn heights(&self) -> RangeInclusive<Height> {
        let last = self.epoch.get().saturating_mul(self.epoch_blocks);
        let before = last.saturating_sub(self.epoch_blocks);
        Height::new(before.saturating_add(1))..=Height::new(last)
    }
}

impl LaneConfig {
    /// Whether the committee of this lane's blocks depends on their height, among so many seats.
    #[must_use]
    pub fn takes_turns(&self, seats: usize) -> bool {
        match &self.verifiers {
            Verifiers::Chosen(_) => false,
            Verifiers::Rotating(count) => usize::from(*count) < seats,
        }
    }

    /// The configuration of this lane's block at a height: a pure function of what the chain says, which everyone computes and
    /// compares. Where verifiers take turns, they are the first seats in the order of a hash of chain, height and seat.
    #[must_use]
    pub fn block_config(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        height: Height,
    ) -> BlockConfig {
        let committee = match &self.verifiers {
            Verifiers::Chosen(seats) => seats.clone(),
            Verifiers::Rotating(count) => in_turn(genesis, validators, height, *count),
        };
        BlockConfig {
            verifier_count: u16::try_from(committee.len()).unwrap_or(u16::MAX),
            transaction_limit: self.transaction_limit,
            committee,
        }
    }
}

fn in_turn(
    genesis: GenesisHash,
    validators: &ValidatorSet,
    height: Height,
    count: u16,
) -> Vec<Seat> {
    let mut seats: Vec<Seat> = validators.seats().collect();
    let count = usize::from(count).clamp(1, seats.len().max(1));
    if count < seats.len() {
        seats.sort_by_cached_key(|seat| {
            Domain::ScheduleSeed.hash(&[
                genesis.as_bytes(),
                &height.get().to_le_bytes(),
                &seat.get().to_le_bytes(),
            ])
        });
        seats.truncate(count);
        seats.sort_unstable();
    }
    seats
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::crypto::sign::PublicKey;
    use crate::ids::EntityId;
    use crate::validators::Validator;
    use std::collections::BTreeMap;

    const GENESIS: GenesisHash = GenesisHash([7; 32]);

    fn validators(count: u8) -> ValidatorSet {
        let validators = (0..count)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: PublicKey([n; 32]),
                network_key: PublicKey([n + 100; 32]),
                weight: 1,
            })
            .collect();
        ValidatorSet::new(Epoch::new(1), validators).expect("legal")
    }

    fn lane(verifiers: Verifiers) -> LaneConfig {
        LaneConfig {
            parameters: LaneParameters {
                lane: Lane::Routine,
                policy: Policy::Rotating,
                weights: LaneWeights {
                    latency: 1,
                    security: 1,
                    cost: 1,
                },
                min_verifiers: 1,
                max_verifiers: 8,
                min_transactions: 1,
                max_transactions: 8,
                transaction_bytes: 512,
                roles: vec![Role::Hospital],
                quota: 0,
                wait_max_ms: 1_000,
                reserved_percent: 5,
            },
            verifiers,
            transaction_limit: 8,
        }
    }

    /// Some lanes of an epoch.
    pub(crate) fn lanes(epoch: Epoch) -> EpochLanes {
        let lanes = Lane::ALL.map(|name| {
            let mut lane = lane(Verifiers::Rotating(3));
            lane.parameters.lane = name;
            lane
        });
        EpochLanes {
            epoch,
            epoch_blocks: 60,
            block_bytes: 1 << 20,
            security_scale: 1,
            security_exponent: 2,
            lanes: lanes.into(),
        }
    }

    fn committee(lane: &LaneConfig, seats: u8, height: u64) -> Vec<Seat> {
        let config = lane.block_config(GENESIS, &validators(seats), Height::new(height));
        assert_eq!(usize::from(config.verifier_count), config.committee.len());
        config.committee
    }

    #[test]
    fn chosen_verifiers_attest_every_block() {
        let chosen = vec![Seat::new(1), Seat::new(3)];
        let lane = lane(Verifiers::Chosen(chosen.clone()));

        for height in 1..20 {
            assert_eq!(committee(&lane, 5, height), chosen);
        }
    }

    /// Over many heights each seat attests about as often as any other.
    #[test]
    fn rotating_verifiers_take_turns() {
        let lane = lane(Verifiers::Rotating(2));
        let mut turns: BTreeMap<Seat, u32> = BTreeMap::new();
        for height in 1..=1_000 {
            let committee = committee(&lane, 5, height);
            assert_eq!(committee.len(), 2);
            assert!(committee.is_sorted_by(|a, b| a < b), "{committee:?}");
            for seat in committee {
                *turns.entry(seat).or_default() += 1;
            }
        }

        assert_eq!(turns.len(), 5);
        // 400 on average, with a standard deviation of 15
        assert!(
            turns.values().all(|turns| (320..=480).contains(turns)),
            "{turns:?}"
        );
    }

    #[test]
    fn more_verifiers_than_seats_are_all_of_them() {
        assert_eq!(committee(&lane(Verifiers::Rotating(9)), 4, 1).len(), 4);
    }
}
