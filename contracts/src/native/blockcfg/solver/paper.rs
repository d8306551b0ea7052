//! The paper's Algorithm 1, for comparison only: as printed, and with its bookkeeping mended.
//!
//! For each m, ascending, it raises theta until U rises, and it stops at the m at which U has risen. As printed:
//! - theta* is set only when U rises within the scan, so that it stays unset, or that of an earlier m, where N is best;
//! - what is compared between two values of m is the *last* U that was tried, the one that had risen already, not the least;
//! - m* is set only when U rises over m, so that it stays unset where M is best;
//! - and the first rise over m need not be behind the least U: over m it is not convex.
//!
//! The mended one has only the last of these.

use super::fastest::Fastest;
use super::model::{Model, Utility};
use super::{Choice, Search};

/// As printed. No answer, if m* or theta* was never set.
pub(super) fn printed(model: &Model<'_>, search: &mut Search) -> Option<Choice> {
    let mut transactions: Option<u64> = None;
    let mut before: Option<(Utility, Fastest<'_>)> = None;
    for fastest in Fastest::all(model) {
        let mut last = fastest.utility(model, model.min_transactions, search);
        for next in model.min_transactions.saturating_add(1)..=model.max_transactions {
            let utility = fastest.utility(model, next, search);
            let rises = utility > last;
            last = utility;
            if rises {
                transactions = next.checked_sub(1);
                break;
            }
        }
        match before {
            Some((earlier, smaller)) if last > earlier => {
                return transactions.map(|transactions| smaller.choice(transactions));
            }
            Some(_) | None => before = Some((last, fastest)),
        }
    }
    None
}

/// With the least U of each m, its own theta, and an answer where nothing rises.
pub(super) fn repaired(model: &Model<'_>, search: &mut Search) -> Option<Choice> {
    let mut best: Option<(Utility, Choice)> = None;
    for fastest in Fastest::all(model) {
        let (utility, transactions) = scan(model, &fastest, search);
        if best.as_ref().is_some_and(|(least, _)| utility > *least) {
            break;
        }
        if best.as_ref().is_none_or(|(least, _)| utility < *least) {
            best = Some((utility, fastest.choice(transactions)));
        }
    }
    best.map(|(_, choice)| choice)
}

/// The least U of one m: over theta U is convex, so the first rise is behind it.
fn scan(model: &Model<'_>, fastest: &Fastest<'_>, search: &mut Search) -> (Utility, u64) {
    let mut least = fastest.utility(model, model.min_transactions, search);
    let mut at = model.min_transactions;
    for transactions in model.min_transactions.saturating_add(1)..=model.max_transactions {
        let utility = fastest.utility(model, transactions, search);
        if utility > least {
            break;
        }
        if utility < least {
            (least, at) = (utility, transactions);
        }
    }
    (least, at)
}
