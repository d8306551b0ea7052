//! The lanes of an epoch: what governance says of them, solved with what was measured of the epoch's validators.
//!
//! The least utility decides (`solver`), with a validator's speed as the others saw it: `K/x_i` is how long its answer to a proposal
//! takes, so that who is near counts as fast, and `r_d` is the rate that a quorum of them reaches. `docs/block-configuration.md`.

use super::PRICE_DEFAULT;
use super::bounds::BLOCK_BYTES_MIN;
use super::measured::Measured;
use super::solver::{Candidate, Decimal, Method, Problem, Solution, Weights, solve};
use salus_primitives::ids::Seat;
use salus_primitives::lanes::{
    BlockModel, BlockPolicy, EpochLanes, LaneConfig, LaneParameters, Policy, Verifiers,
};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::validators::ValidatorSet;

/// What the choice of verifiers knows of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// How long its answer to a proposal takes, in microseconds; at least 1.
    pub response_us: u32,
    /// How fast it receives and checks the bytes of a proposal, in kilobits a second; at least 1.
    pub rate_kbps: u32,
    /// What a unit of its capacity costs; the paper's `rho`.
    pub price: u32,
}

impl Profile {
    /// What holds before anything was measured or said.
    #[must_use]
    pub const fn assumed(model: &BlockModel) -> Self {
        Self {
            response_us: model.response_us,
            rate_kbps: model.rate_kbps,
            price: PRICE_DEFAULT,
        }
    }

    /// What was measured, and where nothing was, what is assumed.
    pub(super) fn known(model: &BlockModel, measured: Measured, price: u32) -> Self {
        Self {
            response_us: measured.response_us.unwrap_or(model.response_us),
            rate_kbps: measured.rate_kbps.unwrap_or(model.rate_kbps),
            price,
        }
    }
}

/// The lanes of the epoch of `validators`, of each of whom `known` says something, in the order of seats.
#[must_use]
pub fn epoch_lanes(
    policy: &BlockPolicy,
    parameters: &ChainParameters,
    validators: &ValidatorSet,
    known: &[Profile],
) -> EpochLanes {
    let rate_kbps = quorum_rate(validators, known);
    let held = u64::from(policy.model.hold_max_ms)
        .saturating_mul(rate_kbps.into())
        .checked_div(8)
        .unwrap_or(0);
    let lanes = policy.lanes.iter().map(|lane| {
        let bounds = Bounds::new(lane, validators);
        let problem = bounds.problem(lane, &policy.model, known, rate_kbps);
        let solved = |method| solve(&problem, method).ok()?.solution;
        let (verifiers, transaction_limit) = match lane.policy {
            Policy::Exact => bounds.chosen(solved(Method::Exact)),
            Policy::Fastest => bounds.chosen(solved(Method::Fastest)),
            Policy::Rotating => bounds.rotating(solved(Method::Fastest)),
            Policy::Fixed => bounds.rotating(None),
        };
        LaneConfig {
            parameters: lane.clone(),
            verifiers,
            transaction_limit,
        }
    });
    EpochLanes {
        epoch: validators.epoch(),
        epoch_blocks: parameters.epoch_blocks,
        block_bytes: held.max(BLOCK_BYTES_MIN).min(parameters.block_bytes),
        security_scale: policy.model.security_scale,
        security_exponent: policy.model.security_exponent,
        lanes: lanes.collect(),
    }
}

/// A lane's bounds among so many seats.
struct Bounds {
    min_verifiers: u16,
    max_verifiers: u16,
    min_transactions: u32,
    max_transactions: u32,
}

impl Bounds {
    fn new(lane: &LaneParameters, validators: &ValidatorSet) -> Self {
        let seats = u16::try_from(validators.len()).unwrap_or(u16::MAX);
        Self {
            min_verifiers: lane.min_verifiers.min(seats),
            max_verifiers: lane.max_verifiers.min(seats),
            min_transactions: lane.min_transactions,
            max_transactions: lane.max_transactions,
        }
    }

    fn problem(
        &self,
        lane: &LaneParameters,
        model: &BlockModel,
        known: &[Profile],
        rate_kbps: u32,
    ) -> Problem {
        let rate = Decimal::whole(u64::from(rate_kbps).saturating_mul(1_000));
        let bits = |bytes: u32| Decimal::whole(u64::from(bytes).saturating_mul(8));
        Problem {
            weights: Weights {
                latency: Decimal::whole(lane.weights.latency.into()),
                security: Decimal::whole(lane.weights.security.into()),
                cost: Decimal::whole(lane.weights.cost.into()),
            },
            verifiers: known.iter().map(candidate).collect(),
            min_verifiers: self.min_verifiers.into(),
            max_verifiers: self.max_verifiers.into(),
            min_transactions: self.min_transactions.into(),
            max_transactions: self.max_transactions.into(),
            transaction_bits: bits(lane.transaction_bytes),
            feedback_bits: bits(model.vote_bytes),
            downlink_bps: rate,
            uplink_bps: rate,
            verification_work: Decimal::whole(WORK),
            broadcast_seconds_per_bit: Decimal::trillionths(model.broadcast_ps_per_bit.into()),
            security_scale: Decimal::whole(model.security_scale.into()),
            security_exponent: model.security_exponent.into(),
        }
    }

    /// The verifiers of a solution. The bounds of parameters leave a problem no way to have none; the most are the safe answer.
    fn chosen(&self, solution: Option<Solution>) -> (Verifiers, u32) {
        let Some(solution) = solution else {
            return self.rotating(None);
        };
        let seats = solution
            .verifiers
            .iter()
            .filter_map(|index| u16::try_from(*index).ok().map(Seat::new));
        (Verifiers::Chosen(seats.collect()), self.limit(&solution))
    }

    /// As many verifiers as a solution has, by turns.
    fn rotating(&self, solution: Option<Solution>) -> (Verifiers, u32) {
        let most = (
            Verifiers::Rotating(self.max_verifiers),
            self.max_transactions,
        );
        solution.map_or(most, |solution| {
            let count = u16::try_from(solution.verifiers.len()).unwrap_or(self.max_verifiers);
            (Verifiers::Rotating(count), self.limit(&solution))
        })
    }

    fn limit(&self, solution: &Solution) -> u32 {
        u32::try_from(solution.transaction_count).unwrap_or(self.max_transactions)
    }
}

/// The paper's `K`, in units such that a capacity of a trillion over the response in microseconds is done within the response.
const WORK: u64 = 1_000_000;

fn candidate(known: &Profile) -> Candidate {
    let response = u64::from(known.response_us.max(1));
    Candidate {
        capacity: Decimal::whole(1_000_000_000_000u64.checked_div(response).unwrap_or(1)),
        price: Decimal::whole(known.price.into()),
    }
}

/// The greatest rate, in kilobits a second, that validators of a quorum's weight reach.
fn quorum_rate(validators: &ValidatorSet, known: &[Profile]) -> u32 {
    let mut rates: Vec<(u32, u64)> = validators
        .seats()
        .zip(known)
        .map(|(seat, known)| (known.rate_kbps, validators.weight(seat)))
        .collect();
    rates.sort_unstable_by(|a, b| b.cmp(a));
    let mut weight = 0u64;
    rates
        .into_iter()
        .find(|(_, of)| {
            weight = weight.saturating_add(*of);
            weight >= validators.quorum_weight()
        })
        .map_or(1, |(rate, _)| rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::calls::Role;
    use salus_primitives::crypto::sign::PublicKey;
    use salus_primitives::ids::{EntityId, Epoch};
    use salus_primitives::lane::Lane;
    use salus_primitives::lanes::LaneWeights;
    use salus_primitives::validators::Validator;

    fn validators(count: u8) -> ValidatorSet {
        let validators = (0..count)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: PublicKey([n; 32]),
                network_key: PublicKey([n + 100; 32]),
                weight: 1,
            })
            .collect();
        ValidatorSet::new(Epoch::new(3), validators).expect("legal")
    }

    fn lane(policy: Policy, latency: u32, security: u32, cost: u32) -> LaneParameters {
        LaneParameters {
            lane: Lane::Emergency,
            policy,
            weights: LaneWeights {
                latency,
                security,
                cost,
            },
            min_verifiers: 2,
            max_verifiers: 100,
            min_transactions: 1,
            max_transactions: 64,
            transaction_bytes: 512,
            roles: vec![Role::Hospital],
            quota: 0,
            wait_max_ms: 1_000,
            reserved_percent: 0,
        }
    }

    fn policy(lane: LaneParameters) -> BlockPolicy {
        BlockPolicy {
            model: BlockModel {
                security_scale: 1,
                security_exponent: 2,
                broadcast_ps_per_bit: 1_000,
                vote_bytes: 170,
                hold_max_ms: 100,
                response_us: 5_000,
                rate_kbps: 100_000,
            },
            lanes: vec![lane],
        }
    }

    fn parameters() -> ChainParameters {
        ChainParameters {
            tenure: 8,
            delta_ms: 250,
            delta_max_ms: 4000,
            skip_after: 2,
            heartbeat_ms: 10_000,
            window_blocks: 4096,
            block_bytes: 1 << 20,
            epoch_blocks: 10,
            seats: 10,
            proposal_blocks: 20,
        }
    }

    fn of(lane: LaneParameters, measured: &[Profile]) -> LaneConfig {
        let count = u8::try_from(measured.len()).expect("small");
        let lanes = epoch_lanes(&policy(lane), &parameters(), &validators(count), measured);
        lanes.lanes.into_iter().next().expect("one lane")
    }

    fn responses(us: &[u32]) -> Vec<Profile> {
        us.iter()
            .map(|us| Profile {
                response_us: *us,
                rate_kbps: 100_000,
                price: 1,
            })
            .collect()
    }

    /// Where latency is all that counts, the two nearest attest; where security is, all do.
    #[test]
    fn the_weights_choose_the_nearest_or_all() {
        let measured = responses(&[90_000, 3_000, 250_000, 2_000, 80_000]);

        let urgent = of(lane(Policy::Exact, 1, 0, 0), &measured);
        let secure = of(lane(Policy::Exact, 0, 1, 0), &measured);

        let nearest = vec![Seat::new(1), Seat::new(3)];
        assert_eq!(urgent.verifiers, Verifiers::Chosen(nearest));
        assert_eq!(
            urgent.transaction_limit, 1,
            "a smaller block is there sooner"
        );
        assert_eq!(secure.verifiers.count(), 5);
    }

    #[test]
    fn rotating_takes_as_many_as_the_fastest_would_and_fixed_the_most() {
        let measured = responses(&[90_000, 3_000, 250_000, 2_000, 80_000]);
        let [fastest, rotating, fixed] =
            [Policy::Fastest, Policy::Rotating, Policy::Fixed].map(|policy| {
                let lane = of(lane(policy, 8, 1, 1), &measured);
                (lane.verifiers, lane.transaction_limit)
            });

        let count = u16::try_from(fastest.0.count()).expect("small");
        assert_eq!(rotating, (Verifiers::Rotating(count), fastest.1));
        assert_eq!(fixed, (Verifiers::Rotating(5), 64));
    }

    /// With fewer seats than a lane's least, all attest.
    #[test]
    fn bounds_above_the_seats_mean_all_of_them() {
        let mut bounds = lane(Policy::Exact, 1, 0, 0);
        bounds.min_verifiers = 512;
        bounds.max_verifiers = 512;

        assert_eq!(of(bounds, &responses(&[1; 4])).verifiers.count(), 4);
    }

    /// A block's bytes are what a quorum takes in within the bound; one slow validator of four does not make blocks smaller.
    #[test]
    fn the_slowest_of_a_quorum_bounds_the_bytes_of_a_block() {
        let policy = policy(lane(Policy::Exact, 1, 1, 1));
        for (rates, bytes) in [
            ([20_000, 20_000, 20_000, 1], 250_000),
            ([20_000, 20_000, 16_000, 16_000], 200_000),
            ([1, 1, 1, 1], BLOCK_BYTES_MIN),
            ([u32::MAX; 4], 1 << 20),
        ] {
            let measured = rates.map(|rate_kbps| Profile {
                response_us: 1,
                rate_kbps,
                price: 1,
            });
            let lanes = epoch_lanes(&policy, &parameters(), &validators(4), &measured);
            assert_eq!(lanes.block_bytes, bytes, "{rates:?}");
        }
    }
}
