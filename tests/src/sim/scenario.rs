//! What one seed draws: the members, who of them is faulty and how, the chain, and how long it goes.

use super::byzantine::Behaviour;
use super::plan::Plan;
use super::{Counts, Sim};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use salus_genesis::spec::{ConsensusSpec, LanesSpec};

/// What is asked for; the rest is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Draws everything.
    pub seed: u64,
    /// How many members.
    pub validators: Option<usize>,
    /// How many of them are Byzantine.
    pub byzantine: Option<usize>,
    /// After how many views the faults end.
    pub views: Option<u64>,
}

/// Why there is no such scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Less than a legal set, or more than names and keys are made for.
    #[error("{found} validators; choose {VALIDATORS_MIN} to {VALIDATORS_MAX}")]
    Validators {
        /// How many were asked for.
        found: usize,
    },
    /// The protocol promises nothing then.
    #[error(
        "{count} Byzantine members weigh at least {weight}, and at most f = {fault_weight} of {total} may be faulty; choose fewer, or more validators"
    )]
    TooManyByzantine {
        /// How many were asked for.
        count: usize,
        /// What the lightest so many weigh.
        weight: u64,
        /// The most that may be faulty.
        fault_weight: u64,
        /// What all members weigh.
        total: u64,
    },
}

/// Fewest members of a chain.
pub const VALIDATORS_MIN: usize = 4;
/// Most members of a simulated chain.
pub const VALIDATORS_MAX: usize = 64;

/// What a member is in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Follows the protocol, crashes and all.
    Honest,
    /// Does what it likes with its keys.
    Byzantine(Vec<Behaviour>),
    /// Loses its disks at some time: it observes until its key is rotated.
    Wiped,
    /// Follows the protocol with a clock that is off by this, in milliseconds.
    HourOff(i64),
}

/// A run, as drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What was asked for.
    pub options: Options,
    /// The members' weights at first.
    pub weights: Vec<u64>,
    /// What each member is.
    pub parts: Vec<Part>,
    /// After how many views the faults end.
    pub views: u64,
    /// How rough it is: the most that is lost and repeated, in percent, and the longest delay, in milliseconds.
    pub worst: Plan,
    /// Milliseconds between two faults, on average.
    pub fault_every_ms: u64,
    /// Milliseconds between two transactions, on average.
    pub load_every_ms: u64,
    chain: ChainShape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChainShape {
    tenure: u64,
    skip_after: u64,
    epoch_blocks: u64,
    window_blocks: u64,
    transaction_limit: u32,
    participation_percent: u8,
    /// Transactions that an entity may have in an epoch in each lane but the lowest; 0 is without bound.
    quotas: [u32; 3],
}

/// Transactions in a block of the routine lane, at least.
const ROUTINE_LIMIT: u32 = 64;
/// Most seats: more than members.
const SEATS: u16 = VALIDATORS_MAX as u16;
/// An hour, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Numbers from a seed.
pub(super) struct Dice(ChaCha20Rng);

impl Dice {
    /// Dice of their own for each use of a seed.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
        Self(ChaCha20Rng::from_seed(bytes))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    /// A number from `low` to `high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// An index below `length`.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// True so often in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }

    /// An order of `0..length`.
    pub(super) fn order(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.index(last + 1);
            order.swap(last, other);
        }
        order
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

impl Scenario {
    /// Draws a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`] if what is asked for is outside the model.
    pub fn draw(options: Options) -> Result<Self, ScenarioError> {
        let mut dice = Dice::new(options.seed, 1);
        let drawn = *dice.pick(&[4, 4, 4, 4, 7, 7, 7, 10]);
        let count = options.validators.unwrap_or(drawn);
        if !(VALIDATORS_MIN..=VALIDATORS_MAX).contains(&count) {
            return Err(ScenarioError::Validators { found: count });
        }
        let weights = draw_weights(&mut dice, count);
        let mut parts = draw_parts(&mut dice, &weights, options.byzantine)?;
        let participation_percent = draw_participation(options);
        if participation_percent > 0 {
            // who is down for long leaves the set, and f with it shrinks: nobody is faulty then
            parts.fill(Part::Honest);
        }
        let drawn = dice.between(60, 200);
        let roughness = dice.below(3);
        Ok(Self {
            options,
            weights,
            parts,
            views: options.views.unwrap_or(drawn),
            worst: Plan {
                loss_percent: [5, 20, 30][roughness as usize],
                duplicate_percent: dice.between(0, 50),
                delay_ms_min: 0,
                delay_ms_max: [30, 150, 500][roughness as usize],
                execution_ms_max: dice.between(0, 40),
            },
            fault_every_ms: dice.between(50, 1_000),
            load_every_ms: dice.between(20, 300),
            chain: ChainShape {
                tenure: dice.between(1, 6),
                skip_after: dice.between(1, 3),
                epoch_blocks: *dice.pick(&[8, 8, 9, 10, 13, 20, 1_000]),
                window_blocks: *dice.pick(&[64, 65, 80]),
                transaction_limit: u32::try_from(dice.between(2, 9)).unwrap_or(4),
                participation_percent,
                quotas: draw_quotas(options.seed),
            },
        })
    }

    /// The cluster, of which no node runs yet.
    pub(super) fn cluster(&self) -> Sim {
        let shape = self.chain;
        let adjust = move |consensus: &mut ConsensusSpec, lanes: &mut LanesSpec| {
            consensus.tenure = shape.tenure;
            consensus.skip_after = shape.skip_after;
            consensus.epoch_blocks = shape.epoch_blocks;
            consensus.window_blocks = shape.window_blocks;
            consensus.participation_percent = shape.participation_percent;
            for lane in [&mut lanes.emergency, &mut lanes.monitoring, &mut lanes.bulk] {
                lane.min_transactions = 1;
                lane.max_transactions = shape.transaction_limit;
            }
            [
                lanes.emergency.quota,
                lanes.monitoring.quota,
                lanes.routine.quota,
            ] = shape.quotas;
            // what validators say of one another must not fill an epoch
            consensus.seats = SEATS;
            let limit = ROUTINE_LIMIT + shape.transaction_limit;
            (
                lanes.routine.min_transactions,
                lanes.routine.max_transactions,
            ) = (limit, limit);
        };
        Sim::build(self.options.seed, &self.weights, Plan::calm(), adjust)
    }

    /// Whether members that miss too many votes are set inactive.
    pub(super) const fn sets_members_inactive(&self) -> bool {
        self.chain.participation_percent > 0
    }

    /// The members of a kind.
    pub(super) fn members(&self, is: impl Fn(&Part) -> bool) -> Vec<usize> {
        (0..)
            .zip(&self.parts)
            .filter(|(_, part)| is(part))
            .map(|(member, _)| member)
            .collect()
    }

    /// How many members are Byzantine.
    #[must_use]
    pub fn byzantine(&self) -> usize {
        self.members(|part| matches!(part, Part::Byzantine(_)))
            .len()
    }

    /// What was drawn, for the report.
    pub(super) fn describe(&self, counts: &mut Counts) {
        let mut add = |name, number| {
            *counts.entry(name).or_default() += number;
        };
        add("drawn_loss_percent", self.worst.loss_percent);
        add("drawn_duplicate_percent", self.worst.duplicate_percent);
        add("drawn_delay_ms", self.worst.delay_ms_max);
        add("drawn_tenure", self.chain.tenure);
        add("drawn_epoch_blocks", self.chain.epoch_blocks);
        add(
            "drawn_participation_percent",
            self.chain.participation_percent.into(),
        );
        let [emergency, monitoring, routine] = self.chain.quotas.map(u64::from);
        add("drawn_quota_emergency", emergency);
        add("drawn_quota_monitoring", monitoring);
        add("drawn_quota_routine", routine);
        for part in &self.parts {
            match part {
                Part::Honest => {}
                Part::Wiped => add("members_wiped", 1),
                Part::HourOff(_) => add("members_an_hour_off", 1),
                Part::Byzantine(behaviours) => {
                    for behaviour in behaviours {
                        add(behaviour.name(), 1);
                    }
                }
            }
        }
    }
}

/// In half of the runs lanes have quotas that clients go over soon.
fn draw_quotas(seed: u64) -> [u32; 3] {
    let mut dice = Dice::new(seed, 6);
    if dice.percent(50) {
        return [0; 3];
    }
    [0; 3].map(|_: u32| {
        let quota = *dice.pick(&[0, 1, 2, 5, 10, 20]);
        if quota == 0 {
            0
        } else {
            quota + u32::try_from(dice.below(3)).unwrap_or(0)
        }
    })
}

/// In one run of eight members are set inactive below a share of votes, if nobody is asked to be Byzantine.
fn draw_participation(options: Options) -> u8 {
    let mut dice = Dice::new(options.seed, 4);
    let is_free = options.byzantine.is_none_or(|count| count == 0);
    if is_free && dice.percent(12) {
        *dice.pick(&[20, 50, 66])
    } else {
        0
    }
}

/// Equal ones, or 1 to 5 each, none a third or more.
fn draw_weights(dice: &mut Dice, count: usize) -> Vec<u64> {
    if dice.percent(30) {
        return vec![1; count];
    }
    loop {
        let weights: Vec<u64> = (0..count).map(|_| dice.between(1, 5)).collect();
        let total: u64 = weights.iter().sum();
        if weights.iter().all(|weight| weight * 3 < total) {
            return weights;
        }
    }
}

/// Who is faulty: in any order, as long as their weight stays within f.
fn draw_parts(
    dice: &mut Dice,
    weights: &[u64],
    asked: Option<usize>,
) -> Result<Vec<Part>, ScenarioError> {
    let total: u64 = weights.iter().sum();
    let fault_weight = (total - 1) / 3;
    let mut parts = vec![Part::Honest; weights.len()];
    let mut room = fault_weight;
    let byzantine = match asked {
        Some(count) => choose(dice, weights, count, fault_weight).ok_or_else(|| {
            let mut lightest = weights.to_vec();
            lightest.sort_unstable();
            ScenarioError::TooManyByzantine {
                count,
                weight: lightest.iter().take(count).sum(),
                fault_weight,
                total,
            }
        })?,
        None if dice.percent(20) => Vec::new(),
        None => {
            let most = dice.index(weights.len());
            dice.order(weights.len())
                .into_iter()
                .take(1 + most)
                .collect()
        }
    };
    for member in byzantine {
        if weights[member] <= room {
            room -= weights[member];
            parts[member] = Part::Byzantine(Behaviour::draw(dice));
        }
    }
    for member in dice.order(weights.len()) {
        if weights[member] <= room && parts[member] == Part::Honest && dice.percent(60) {
            room -= weights[member];
            parts[member] = match dice.below(3) {
                0 => Part::Wiped,
                1 => Part::HourOff(HOUR_MS),
                _ => Part::HourOff(-HOUR_MS),
            };
        }
    }
    Ok(parts)
}

/// So many members whose weight is within `room`, if there are.
fn choose(dice: &mut Dice, weights: &[u64], count: usize, room: u64) -> Option<Vec<usize>> {
    let fits = |members: &[usize]| {
        members.len() == count && members.iter().map(|m| weights[*m]).sum::<u64>() <= room
    };
    for _ in 0..20 {
        let members: Vec<usize> = dice.order(weights.len()).into_iter().take(count).collect();
        if fits(&members) {
            return Some(members);
        }
    }
    let mut lightest: Vec<usize> = (0..weights.len()).collect();
    lightest.sort_by_key(|member| weights[*member]);
    lightest.truncate(count);
    fits(&lightest).then_some(lightest)
}
