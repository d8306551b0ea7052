//! What is to be solved, and what its numbers may be.

use super::decimal::Decimal;

/// One block's configuration problem. The symbols are the paper's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What counts how much.
    pub weights: Weights,
    /// Who may verify.
    pub verifiers: Vec<Candidate>,
    /// Fewest verifiers, `v`.
    pub min_verifiers: u64,
    /// Most verifiers, `M`: at most as many as there are.
    pub max_verifiers: u64,
    /// Fewest transactions a block, `t`.
    pub min_transactions: u64,
    /// Most transactions a block, `N`.
    pub max_transactions: u64,
    /// Bits of a transaction, `B`.
    pub transaction_bits: Decimal,
    /// Bits of a verifier's answer, `O`.
    pub feedback_bits: Decimal,
    /// From the manager to verifiers in bits per second, `r_d`; above 0.
    pub downlink_bps: Decimal,
    /// From verifiers to the manager in bits per second, `r_u`; above 0.
    pub uplink_bps: Decimal,
    /// Work to verify a block, `K`, in units of which a verifier does [`Candidate::capacity`] in a second.
    pub verification_work: Decimal,
    /// Seconds that a bit takes to reach one more verifier, `psi`.
    pub broadcast_seconds_per_bit: Decimal,
    /// Scale of security, `kappa`. It is the same for every choice and moves none; above 0.
    pub security_scale: Decimal,
    /// How security grows with verifiers, `q`; at least 2.
    pub security_exponent: u64,
}

/// How much latency, security and cost count; not all need be above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of latency, `alpha`.
    pub latency: Decimal,
    /// Of security, `beta`.
    pub security: Decimal,
    /// Of cost, `gamma`.
    pub cost: Decimal,
}

/// Someone who may verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Work done in a second, `x_i`; above 0.
    pub capacity: Decimal,
    /// Price of a unit of capacity, `rho_i`.
    pub price: Decimal,
}

/// Most candidates of a problem.
pub const VERIFIERS_MAX: usize = 4_096;
/// Most transactions a block in a problem.
pub const TRANSACTIONS_MAX: u64 = u32::MAX as u64;
/// Largest security exponent.
pub const EXPONENT_MAX: u64 = 64;

/// Which number of a problem is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// A number is too small or too large.
    #[error("{field} is {found}; it must be {minimum} to {maximum}")]
    Range {
        /// Which.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The least allowed.
        minimum: u64,
        /// The most allowed.
        maximum: u64,
    },
    /// Something that is divided by is 0.
    #[error("{field} is 0; it must be above 0")]
    Zero {
        /// Which.
        field: &'static str,
    },
    /// A verifier without capacity never answers.
    #[error("the capacity of verifier {index} is 0; leave it out, or give its capacity")]
    NoCapacity {
        /// Which, from 0.
        index: usize,
    },
    /// A choice to evaluate names nobody, a stranger, or somebody twice.
    #[error("the chosen verifiers must be indexes of the problem's verifiers, ascending")]
    Verifiers,
    /// A choice to evaluate has an empty block.
    #[error("a block of a choice has at least one transaction")]
    TransactionCount,
}

impl Problem {
    /// Checks all bounds.
    ///
    /// # Errors
    /// [`ProblemError`] names the first number that is out of its bounds.
    pub fn check(&self) -> Result<(), ProblemError> {
        // exhaustive, so that a new number cannot be forgotten here; the others may be anything of 0 or more
        let Self {
            weights: _,
            verifiers,
            min_verifiers,
            max_verifiers,
            min_transactions,
            max_transactions,
            transaction_bits: _,
            feedback_bits: _,
            downlink_bps,
            uplink_bps,
            verification_work: _,
            broadcast_seconds_per_bit: _,
            security_scale,
            security_exponent,
        } = self;
        let count = verifiers.len() as u64;
        range("the number of verifiers", count, 1, VERIFIERS_MAX as u64)?;
        range("max_verifiers", *max_verifiers, 1, count)?;
        range("min_verifiers", *min_verifiers, 1, *max_verifiers)?;
        range("max_transactions", *max_transactions, 1, TRANSACTIONS_MAX)?;
        range("min_transactions", *min_transactions, 1, *max_transactions)?;
        range("security_exponent", *security_exponent, 2, EXPONENT_MAX)?;
        for (field, number) in [
            ("downlink_bps", downlink_bps),
            ("uplink_bps", uplink_bps),
            ("security_scale", security_scale),
        ] {
            if number.is_zero() {
                return Err(ProblemError::Zero { field });
            }
        }
        match verifiers.iter().position(|it| it.capacity.is_zero()) {
            Some(index) => Err(ProblemError::NoCapacity { index }),
            None => Ok(()),
        }
    }
}

fn range(field: &'static str, found: u64, minimum: u64, maximum: u64) -> Result<(), ProblemError> {
    if (minimum..=maximum).contains(&found) {
        Ok(())
    } else {
        Err(ProblemError::Range {
            field,
            found,
            minimum,
            maximum,
        })
    }
}
