//! A problem in whole numbers.
//!
//! U is brought over one denominator once:
//!
//! ```text
//! D U = theta (A1 + A2 m) + K'/x_s + O' + B'/m^q + G P/theta
//! ```
//!
//! with whole `D, A1, A2, K', O', B', G`, whole capacities `x` and whole sums of prices `P`, all scaled alike. Multiplied by
//! `x_s m^q theta` this is a whole number, and two values of U are compared by cross-multiplication. Over theta it is convex: the step from
//! theta to theta + 1 adds `A - G P/(theta (theta + 1))`, where `A = A1 + A2 m`, so the least theta with `theta (theta + 1) >= G P/A` is the best.

use super::{Choice, Problem, ProblemError, Solution};
use core::cmp::Ordering;
use num_bigint::BigUint;
use num_integer::Integer as _;
use num_rational::Ratio;
use num_traits::{One as _, ToPrimitive as _, Zero as _};

/// A problem, scaled.
#[derive(Debug)]
pub(super) struct Model<'a> {
    problem: &'a Problem,
    /// Verifiers from the fastest to the slowest; of equal ones the smaller index first.
    pub(super) by_speed: Vec<Verifier>,
    pub(super) min_verifiers: usize,
    pub(super) max_verifiers: usize,
    pub(super) min_transactions: u64,
    pub(super) max_transactions: u64,
    per_transaction: BigUint,
    per_transaction_and_verifier: BigUint,
    work: BigUint,
    constant: BigUint,
    security: BigUint,
    /// Multiplies a sum of prices.
    pub(super) cost: BigUint,
    /// `D`.
    scale: BigUint,
    /// `m^q`, by m.
    powers: Vec<BigUint>,
}

/// A candidate, scaled.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    pub(super) index: usize,
    pub(super) capacity: BigUint,
    /// `rho x`.
    pub(super) price: BigUint,
}

/// U of one choice, up to the factor that all values of one model share.
#[derive(Clone, Debug)]
pub(super) struct Utility {
    numerator: BigUint,
    denominator: BigUint,
}

impl PartialEq for Utility {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Utility {}

impl PartialOrd for Utility {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Utility {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator))
    }
}

type Rational = Ratio<BigUint>;

/// The paper's terms as fractions.
struct Terms {
    /// `B/r_d`.
    downlink: Rational,
    /// `psi B`.
    broadcast: Rational,
    /// `K`.
    work: Rational,
    /// `O/r_u`.
    feedback: Rational,
}

impl Terms {
    fn new(problem: &Problem) -> Self {
        let bits = problem.transaction_bits.ratio();
        Self {
            downlink: &bits / problem.downlink_bps.ratio(),
            broadcast: problem.broadcast_seconds_per_bit.ratio() * &bits,
            work: problem.verification_work.ratio(),
            feedback: problem.feedback_bits.ratio() / problem.uplink_bps.ratio(),
        }
    }

    fn latency(&self, slowest: &Rational, verifiers: u64, transactions: u64) -> Rational {
        let transactions = whole(transactions);
        &transactions * &self.downlink
            + &self.work / slowest
            + &self.broadcast * &transactions * whole(verifiers)
            + &self.feedback
    }
}

impl<'a> Model<'a> {
    pub(super) fn new(problem: &'a Problem) -> Result<Self, ProblemError> {
        problem.check()?;
        let terms = Terms::new(problem);
        let capacities: Vec<Rational> = problem
            .verifiers
            .iter()
            .map(|it| it.capacity.ratio())
            .collect();
        let prices: Vec<Rational> = problem
            .verifiers
            .iter()
            .zip(&capacities)
            .map(|(it, capacity)| it.price.ratio() * capacity)
            .collect();
        let (capacity_scale, capacities) = scaled(&capacities);
        let (price_scale, prices) = scaled(&prices);
        let (latency_max, cost_max) = normalizers(problem);
        let weights = &problem.weights;
        // a term that is 0 for every choice stays 0
        let latency_weight = quotient(weights.latency.ratio(), &latency_max);
        let cost_weight = quotient(weights.cost.ratio(), &cost_max);
        let fewest = BigUint::from(problem.min_verifiers);
        let exponent = u32::try_from(problem.security_exponent).unwrap_or(u32::MAX);
        let (scale, factors) = scaled(&[
            &latency_weight * terms.downlink,
            &latency_weight * terms.broadcast,
            // the capacities were multiplied by their scale
            &latency_weight * terms.work * capacity_scale,
            &latency_weight * terms.feedback,
            weights.security.ratio() * fewest.pow(exponent),
            // and so were the prices
            cost_weight / price_scale,
        ]);
        let mut factors = factors.into_iter();
        let mut next = || factors.next().unwrap_or_default();
        let mut by_speed: Vec<Verifier> = capacities
            .into_iter()
            .zip(prices)
            .enumerate()
            .map(|(index, (capacity, price))| Verifier {
                index,
                capacity,
                price,
            })
            .collect();
        by_speed.sort_by(|a, b| b.capacity.cmp(&a.capacity).then(a.index.cmp(&b.index)));
        let max_verifiers = problem.max_verifiers;
        Ok(Self {
            problem,
            by_speed,
            min_verifiers: usize::try_from(problem.min_verifiers).unwrap_or(usize::MAX),
            max_verifiers: usize::try_from(max_verifiers).unwrap_or(usize::MAX),
            min_transactions: problem.min_transactions,
            max_transactions: problem.max_transactions,
            per_transaction: next(),
            per_transaction_and_verifier: next(),
            work: next(),
            constant: next(),
            security: next(),
            cost: next(),
            scale: scale.to_integer(),
            powers: (0..=max_verifiers)
                .map(|m| BigUint::from(m).pow(exponent))
                .collect(),
        })
    }

    /// U of `count` verifiers of which the slowest has `slowest`, with prices of `prices` together.
    pub(super) fn utility(
        &self,
        slowest: &BigUint,
        count: usize,
        prices: &BigUint,
        transactions: u64,
    ) -> Utility {
        let one = BigUint::one();
        let power = self.powers.get(count).unwrap_or(&one);
        let transactions = BigUint::from(transactions);
        // over x m^q theta: each of the five terms with the factors it does not have
        let speed_and_power = slowest * power;
        let linear = self.slope(count) * &transactions + &self.constant;
        let security_and_work = &self.security * slowest + &self.work * power;
        let numerator = (linear * &speed_and_power + security_and_work) * &transactions
            + &self.cost * prices * &speed_and_power;
        Utility {
            numerator,
            denominator: speed_and_power * transactions,
        }
    }

    /// U itself.
    pub(super) fn value(&self, utility: &Utility) -> Rational {
        let Utility {
            numerator,
            denominator,
        } = utility;
        Ratio::new(numerator.clone(), denominator * &self.scale)
    }

    /// The best theta for so many verifiers with prices of `prices` together: the least of the best ones within the bounds.
    pub(super) fn transactions(&self, count: usize, prices: &BigUint) -> u64 {
        let falling = &self.cost * prices;
        if falling.is_zero() {
            return self.min_transactions;
        }
        let slope = self.slope(count);
        if slope.is_zero() {
            return self.max_transactions;
        }
        // theta (theta + 1) is whole, so it reaches the quotient where it reaches the next whole number
        let target = falling.div_ceil(&slope);
        let root = ((&target << 2u32) + 1u32).sqrt();
        let below = (root - 1u32) >> 1u32;
        let reached = &below * (&below + 1u32) >= target;
        let least = if reached { below } else { below + 1u32 };
        least
            .to_u64()
            .unwrap_or(u64::MAX)
            .clamp(self.min_transactions, self.max_transactions)
    }

    /// What one more transaction adds to latency, weighed.
    fn slope(&self, count: usize) -> BigUint {
        &self.per_transaction + &self.per_transaction_and_verifier * count
    }

    /// What a choice is worth, in the problem's own units.
    pub(super) fn solution(&self, choice: &Choice) -> Solution {
        let problem = self.problem;
        let chosen = || {
            choice
                .verifiers
                .iter()
                .filter_map(|index| problem.verifiers.get(*index))
        };
        let slowest = chosen()
            .map(|it| it.capacity.ratio())
            .min()
            .unwrap_or_else(Rational::one);
        let count = choice.verifiers.len() as u64;
        let latency = Terms::new(problem).latency(&slowest, count, choice.transaction_count);
        let prices: Rational = chosen()
            .map(|it| it.price.ratio() * it.capacity.ratio())
            .sum();
        let cost = prices / whole(choice.transaction_count);
        let exponent = u32::try_from(problem.security_exponent).unwrap_or(u32::MAX);
        let power = |m: u64| Rational::from_integer(BigUint::from(m).pow(exponent));
        let scale = problem.security_scale.ratio();
        let (latency_max, cost_max) = normalizers(problem);
        let weights = &problem.weights;
        Solution {
            utility: quotient(weights.latency.ratio() * &latency, &latency_max)
                + weights.security.ratio() * power(problem.min_verifiers) / power(count)
                + quotient(weights.cost.ratio() * &cost, &cost_max),
            verifiers: choice.verifiers.clone(),
            transaction_count: choice.transaction_count,
            latency_seconds: latency,
            security: scale * power(count),
            cost,
        }
    }
}

/// `l_m` and `c_m`: the greatest latency and cost within the bounds.
fn normalizers(problem: &Problem) -> (Rational, Rational) {
    let slowest = problem
        .verifiers
        .iter()
        .map(|it| it.capacity.ratio())
        .min()
        .unwrap_or_else(Rational::one);
    let latency =
        Terms::new(problem).latency(&slowest, problem.max_verifiers, problem.max_transactions);
    let mut prices: Vec<Rational> = problem
        .verifiers
        .iter()
        .map(|it| it.price.ratio() * it.capacity.ratio())
        .collect();
    prices.sort_by(|a, b| b.cmp(a));
    let dearest: Rational = prices
        .into_iter()
        .take(usize::try_from(problem.max_verifiers).unwrap_or(usize::MAX))
        .sum();
    (latency, dearest / whole(problem.min_transactions))
}

/// Nothing, where the divisor is nothing: then the dividend is so for every choice.
fn quotient(dividend: Rational, divisor: &Rational) -> Rational {
    if divisor.is_zero() {
        Rational::zero()
    } else {
        dividend / divisor
    }
}

/// The least common denominator, and the numbers multiplied by it.
fn scaled(numbers: &[Rational]) -> (Rational, Vec<BigUint>) {
    let common = numbers
        .iter()
        .fold(BigUint::one(), |common, number| common.lcm(number.denom()));
    let scaled = numbers
        .iter()
        .map(|number| number.numer() * (&common / number.denom()))
        .collect();
    (Rational::from_integer(common), scaled)
}

fn whole(number: u64) -> Rational {
    Rational::from_integer(BigUint::from(number))
}
