//! Problems to compare and to draw.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use salus_contracts::native::blockcfg::solver::{Candidate, Decimal, Problem, Weights};

/// The paper's Table II. What that leaves open is chosen here: capacities from 100 to 10 and prices of 1 to 10, so that the fast are the
/// dear; `K` 1, `psi` a microsecond a bit, `q` 2, and the weights of its monitoring application.
pub(super) fn table_two() -> Problem {
    Problem {
        weights: Weights {
            latency: tenths(6),
            security: tenths(2),
            cost: tenths(2),
        },
        verifiers: (1..=10)
            .rev()
            .map(|n| Candidate {
                capacity: Decimal::whole(10 * n),
                price: Decimal::whole(n),
            })
            .collect(),
        min_verifiers: 2,
        max_verifiers: 10,
        min_transactions: 2,
        max_transactions: 20,
        transaction_bits: Decimal::whole(1_000),
        feedback_bits: Decimal::whole(500_000),
        downlink_bps: Decimal::whole(1_200_000),
        uplink_bps: Decimal::whole(1_300_000),
        verification_work: Decimal::whole(1),
        broadcast_seconds_per_bit: Decimal::billionths(1_000),
        security_scale: Decimal::whole(1),
        security_exponent: 2,
    }
}

fn tenths(number: u64) -> Decimal {
    Decimal::billionths(number.saturating_mul(100_000_000))
}

/// Random problems with up to so many verifiers and transactions.
pub(super) struct Instances {
    random: ChaCha20Rng,
    verifiers_max: u64,
    transactions_max: u64,
}

impl Instances {
    pub(super) fn new(seed: u64, verifiers_max: u64, transactions_max: u64) -> Self {
        Self {
            random: ChaCha20Rng::seed_from_u64(seed),
            verifiers_max,
            transactions_max,
        }
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.random.next_u64() % (most - least + 1)
    }

    /// From a tenth to a hundred, each order of magnitude as often as another.
    fn spread(&mut self) -> Decimal {
        let digits = self.between(100, 999);
        let power = [1_000_000, 10_000_000, 100_000_000];
        let power = power[(self.random.next_u64() % 3) as usize];
        Decimal::billionths(digits.saturating_mul(power))
    }
}

impl Iterator for Instances {
    type Item = Problem;

    fn next(&mut self) -> Option<Problem> {
        let verifiers: Vec<Candidate> = (0..self.between(2, self.verifiers_max))
            .map(|_| Candidate {
                capacity: self.spread(),
                price: self.spread(),
            })
            .collect();
        let count = verifiers.len() as u64;
        let max_verifiers = self.between(count.div_ceil(2), count);
        let max_transactions =
            self.between(self.transactions_max.div_ceil(2), self.transactions_max);
        Some(Problem {
            weights: Weights {
                latency: Decimal::whole(self.between(1, 10)),
                security: Decimal::whole(self.between(1, 10)),
                cost: Decimal::whole(self.between(1, 10)),
            },
            verifiers,
            min_verifiers: self.between(1, max_verifiers.div_ceil(2)),
            max_verifiers,
            min_transactions: self.between(1, max_transactions.div_ceil(2)),
            max_transactions,
            transaction_bits: self.spread(),
            feedback_bits: self.spread(),
            downlink_bps: self.spread(),
            uplink_bps: self.spread(),
            verification_work: self.spread(),
            broadcast_seconds_per_bit: self.spread(),
            security_scale: Decimal::whole(1),
            security_exponent: self.between(2, 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_legal_and_follow_from_the_seed() {
        let some = |seed| -> Vec<Problem> { Instances::new(seed, 10, 20).take(200).collect() };

        assert!(some(1).iter().all(|problem| problem.check().is_ok()));
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
        assert!(table_two().check().is_ok());
    }
}
