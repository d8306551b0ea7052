//! Whether the chain makes progress.

use super::facts::Facts;
use crate::wire::{Account, Condition};
use serde::{Deserialize, Serialize};

/// How the chain is, as far as the node that was asked can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Blocks become final.
    Progressing,
    /// There is nothing to make final.
    Idle,
    /// There is something to make final, and nothing is.
    Stuck,
}

/// After how many deltas without finality, with something to do, a chain is stuck: a term of an absent manager takes two, and
/// a few of these may follow one another.
const STUCK_DELTAS: u64 = 12;

impl Verdict {
    pub(super) fn of(facts: &Facts) -> Self {
        let limit = facts.delta_ms.saturating_mul(STUCK_DELTAS);
        let Some(work) = work_ms(facts) else {
            return Self::Idle;
        };
        if work.min(final_age_ms(facts)) > limit {
            Self::Stuck
        } else {
            Self::Progressing
        }
    }
}

/// How long ago a block became final, here or, as more than the faulty weight say, elsewhere.
pub(super) fn final_age_ms(facts: &Facts) -> u64 {
    let elsewhere = credible(facts, |account| Some(account.final_age_ms));
    facts
        .account
        .final_age_ms
        .min(elsewhere.unwrap_or(u64::MAX))
}

/// For how long there has been something to do; `None` if there is nothing. A node that stands still does not know.
fn work_ms(facts: &Facts) -> Option<u64> {
    let own = match facts.account.condition {
        Condition::Votes | Condition::Observes | Condition::CatchesUp => facts.account.work_ms,
        Condition::DiskFull { .. } | Condition::Halted(_) => None,
    };
    own.or_else(|| credible(facts, |account| account.work_ms))
}

/// The least value that peers of more than the faulty weight say is reached: at least one of them is honest.
fn credible(facts: &Facts, value: impl Fn(&Account) -> Option<u64>) -> Option<u64> {
    let mut said: Vec<(u64, u64)> = facts
        .seats
        .iter()
        .filter_map(|seat| Some((value(seat.account.as_ref()?)?, seat.weight)))
        .collect();
    said.sort_unstable();
    let mut weight: u64 = 0;
    for (value, of) in said {
        weight = weight.saturating_add(of);
        if weight > facts.fault_weight {
            return Some(value);
        }
    }
    None
}
