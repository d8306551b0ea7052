//! How lanes are configured: by the solver from what the network is truly like, or all alike.

use super::ExperimentError;
use super::load::reading_bytes;
use super::world::{UPLINK_BPS, World};
use crate::experiment::cost;
use salus_contracts::native::blockcfg::solver::{
    Candidate, Decimal, Method, Problem, Weights, solve,
};
use salus_primitives::lane::Lane;

/// How blocks are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The best verifiers, m and theta for each lane.
    Exact,
    /// The m fastest verifiers, the best m and theta with those.
    Fastest,
    /// m and theta as `Exact`, but every block has other verifiers.
    Rotating,
    /// What `Exact` finds for the routine lane, for all lanes, which are one queue.
    Fixed,
}

/// A lane's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneChoice {
    /// The committee, as nodes of the world; none if it rotates.
    pub chosen: Option<Vec<usize>>,
    /// m.
    pub verifier_count: u16,
    /// theta.
    pub transaction_limit: u32,
}

/// What of a transaction is not its reading, in bytes: envelope, names, signature.
const OVERHEAD_BYTES: usize = 430;
/// Bits of a vote with its frame.
const VOTE_BITS: u64 = 8 * 200;
/// Fewest verifiers, unless the lane has all.
const VERIFIERS_MIN: usize = 3;

impl Policy {
    /// All.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Fastest, Self::Rotating, Self::Fixed];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fastest => "fastest",
            Self::Rotating => "rotating",
            Self::Fixed => "fixed",
        }
    }

    /// The lane in which transactions of this kind are submitted.
    #[must_use]
    pub const fn lane(self, kind: Lane) -> Lane {
        match self {
            Self::Fixed => Lane::Routine,
            Self::Exact | Self::Fastest | Self::Rotating => kind,
        }
    }
}

/// The configuration of every lane, in the order of [`Lane::ALL`].
///
/// # Errors
/// [`ExperimentError::Problem`] if a lane's numbers are out of bounds: never in the worlds of this module.
pub fn lanes_for(policy: Policy, world: &World) -> Result<Vec<LaneChoice>, ExperimentError> {
    let choose = |lane, method| -> Result<LaneChoice, ExperimentError> {
        let solution = solve(&problem(lane, world), method)?.solution;
        let solution = solution.expect("only the printed algorithm has no answer");
        Ok(LaneChoice {
            verifier_count: u16::try_from(solution.verifiers.len()).unwrap_or(u16::MAX),
            transaction_limit: u32::try_from(solution.transaction_count).unwrap_or(u32::MAX),
            chosen: Some(solution.verifiers),
        })
    };
    Lane::ALL
        .into_iter()
        .map(|lane| match policy {
            Policy::Exact => choose(lane, Method::Exact),
            Policy::Fastest => choose(lane, Method::Fastest),
            Policy::Rotating => Ok(LaneChoice {
                chosen: None,
                ..choose(lane, Method::Exact)?
            }),
            Policy::Fixed => choose(Lane::Routine, Method::Exact),
        })
        .collect()
}

/// How long a verifier takes to answer a small proposal, in microseconds: the median over the others of the round trip, with its own work.
#[must_use]
pub fn response_us(world: &World, verifier: usize) -> u64 {
    let mut trips: Vec<u64> = (0..world.len())
        .filter(|other| *other != verifier)
        .map(|other| 2 * world.one_way_us(other, verifier))
        .collect();
    trips.sort_unstable();
    let trip = trips.get((trips.len().saturating_sub(1)) / 2).copied();
    let work = cost::INPUT_US + cost::VOTE_US + cost::TRANSACTION_US;
    trip.unwrap_or_default() + work * world.slowness(verifier)
}

/// What a verifier does in a second, in answers: the paper's x. Its price is 1.
#[must_use]
pub fn answers_per_second(world: &World, verifier: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "less than a minute")]
    let response = response_us(world, verifier) as f64;
    1_000_000.0 / response
}

/// A lane's problem with the world's true numbers.
fn problem(lane: Lane, world: &World) -> Problem {
    let (latency, security, cost, max_transactions) = match lane {
        Lane::Emergency => (8, 1, 1, 64),
        Lane::Monitoring => (6, 2, 2, 256),
        Lane::Routine => (1, 1, 1, 512),
        Lane::Bulk => (1, 8, 1, 1_024),
    };
    let all = world.len();
    let min_verifiers = match lane {
        Lane::Bulk => all,
        Lane::Emergency | Lane::Monitoring | Lane::Routine => VERIFIERS_MIN,
    };
    let candidate = |verifier| Candidate {
        // answers a second, to the billionth
        capacity: Decimal::billionths(1_000_000_000_000_000 / response_us(world, verifier)),
        price: Decimal::whole(1),
    };
    let bytes = reading_bytes(lane) + OVERHEAD_BYTES;
    Problem {
        weights: Weights {
            latency: Decimal::whole(latency),
            security: Decimal::whole(security),
            cost: Decimal::whole(cost),
        },
        verifiers: (0..all).map(candidate).collect(),
        min_verifiers: min_verifiers as u64,
        max_verifiers: all as u64,
        min_transactions: 1,
        max_transactions,
        transaction_bits: Decimal::whole(8 * bytes as u64),
        feedback_bits: Decimal::whole(VOTE_BITS),
        downlink_bps: Decimal::whole(UPLINK_BPS),
        uplink_bps: Decimal::whole(UPLINK_BPS),
        verification_work: Decimal::whole(1),
        // one uplink for all: each further verifier costs what the first cost
        broadcast_seconds_per_bit: Decimal::billionths(1_000_000_000 / UPLINK_BPS),
        security_scale: Decimal::whole(1),
        security_exponent: 2,
    }
}
