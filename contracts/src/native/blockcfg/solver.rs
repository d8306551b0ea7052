//! Which verifiers, how many of them (m) and how many transactions a block (theta): ssHealth's optimisation, exact.
//!
//! For m verifiers and theta transactions the paper's equations (1) to (3) give
//!
//! ```text
//! L = theta B/r_d + K/x_s + psi theta B m + O/r_u       latency in seconds; x_s is the slowest chosen verifier
//! S = kappa m^q                                         security
//! C = (sum of rho_i x_i over the chosen) / theta        cost
//! U = alpha L/l_m + beta s_m/S + gamma C/c_m            to be least
//! ```
//!
//! with `s_m = kappa v^q`, and `l_m` and `c_m` the greatest L and C that the bounds allow. Numbers are exact: decimals come in, rationals of
//! whole numbers are compared, so that every node finds the same answer. `docs/block-configuration.md` has the mathematics.
//!
//! Ties: the least U, then the smaller m, then the smaller theta, then the smaller list of indexes.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "whole numbers of any size do not overflow, and what divides is checked to be above 0; machine words saturate"
)]

mod decimal;
mod exact;
mod fastest;
mod model;
mod paper;
mod problem;

pub use decimal::{DECIMAL_EXPONENT_MAX, DIGITS_MAX, Decimal, DecimalError};
pub use problem::{
    Candidate, EXPONENT_MAX, Problem, ProblemError, TRANSACTIONS_MAX, VERIFIERS_MAX, Weights,
};

pub use num_bigint::BigUint;
pub use num_rational::Ratio;

use model::{Model, Utility};

/// How to look for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The least U over all subsets of verifiers, all m and all theta, in `O(M^2)` values of U.
    Exact,
    /// The least U if the m fastest are chosen, as the paper chooses: in closed form for each m.
    Fastest,
    /// The paper's Algorithm 1 as printed: scans that stop early. It can miss the answer, or give none.
    Paper,
    /// The same with its bookkeeping mended: it always answers, but still takes the first rise over m for the least U.
    Repaired,
    /// Every m and theta for the m fastest: the oracle of `Fastest`, far slower.
    Exhaustive,
}

/// A choice and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The chosen verifiers, ascending, as indexes of [`Problem::verifiers`].
    pub verifiers: Vec<usize>,
    /// Transactions a block; the paper's theta.
    pub transaction_count: u64,
    /// U.
    pub utility: Ratio<BigUint>,
    /// L in seconds.
    pub latency_seconds: Ratio<BigUint>,
    /// S.
    pub security: Ratio<BigUint>,
    /// C.
    pub cost: Ratio<BigUint>,
}

/// What a method came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer; none only from [`Method::Paper`].
    pub solution: Option<Solution>,
    /// For how many choices U was computed.
    pub evaluations: u64,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [
        Self::Exact,
        Self::Fastest,
        Self::Paper,
        Self::Repaired,
        Self::Exhaustive,
    ];

    /// The name in commands and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fastest => "fastest",
            Self::Paper => "paper",
            Self::Repaired => "repaired",
            Self::Exhaustive => "exhaustive",
        }
    }
}

/// Solves a problem.
///
/// # Errors
/// [`ProblemError`] names the first number that is out of its bounds.
pub fn solve(problem: &Problem, method: Method) -> Result<Outcome, ProblemError> {
    let model = Model::new(problem)?;
    let mut search = Search::default();
    let choice = search.run(&model, method);
    Ok(Outcome {
        solution: choice.map(|choice| model.solution(&choice)),
        evaluations: search.evaluations,
    })
}

/// U of every choice that a method tries, in its order: for plots.
///
/// # Errors
/// [`ProblemError`] names the first number that is out of its bounds.
pub fn trace(problem: &Problem, method: Method) -> Result<Vec<Ratio<BigUint>>, ProblemError> {
    let model = Model::new(problem)?;
    let mut search = Search {
        tried: Some(Vec::new()),
        ..Search::default()
    };
    search.run(&model, method);
    let tried = search.tried.unwrap_or_default();
    Ok(tried.iter().map(|utility| model.value(utility)).collect())
}

/// What a choice of verifiers and transactions is worth: for comparisons and plots.
///
/// # Errors
/// [`ProblemError`]; also if there is no such verifier or the list is not ascending.
pub fn evaluate(
    problem: &Problem,
    verifiers: &[usize],
    transaction_count: u64,
) -> Result<Solution, ProblemError> {
    let model = Model::new(problem)?;
    let known = verifiers
        .iter()
        .all(|index| *index < problem.verifiers.len());
    if verifiers.is_empty() || !known || !verifiers.is_sorted_by(|a, b| a < b) {
        return Err(ProblemError::Verifiers);
    }
    if transaction_count == 0 {
        return Err(ProblemError::TransactionCount);
    }
    Ok(model.solution(&Choice {
        verifiers: verifiers.to_vec(),
        transaction_count,
    }))
}

/// A choice that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    verifiers: Vec<usize>,
    transaction_count: u64,
}

/// What every search counts.
#[derive(Debug, Default)]
struct Search {
    evaluations: u64,
    /// Every value, if they are wanted.
    tried: Option<Vec<Utility>>,
}

impl Search {
    fn run(&mut self, model: &Model<'_>, method: Method) -> Option<Choice> {
        match method {
            Method::Exact => exact::search(model, self),
            Method::Fastest => fastest::closed_form(model, self),
            Method::Exhaustive => fastest::exhaustive(model, self),
            Method::Paper => paper::printed(model, self),
            Method::Repaired => paper::repaired(model, self),
        }
    }

    fn count(&mut self, utility: &Utility) {
        self.evaluations = self.evaluations.saturating_add(1);
        if let Some(tried) = &mut self.tried {
            tried.push(utility.clone());
        }
    }
}
