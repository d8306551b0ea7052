//! The least U over every subset of verifiers.
//!
//! U depends on a subset by three numbers: its size, its slowest member and the sum of its prices. So for each candidate as the slowest
//! and each size, the best others are the cheapest among those that are at least as fast. Each pair asks for one value of U.

use super::model::{Model, Utility, Verifier};
use super::{Choice, Search};
use num_bigint::BigUint;
use num_traits::Zero as _;

/// The best choice; there always is one.
pub(super) fn search(model: &Model<'_>, search: &mut Search) -> Option<Choice> {
    // where cost counts for nothing prices must not either, or they would decide ties before the list of indexes
    let ignore_prices = model.cost.is_zero();
    let mut best: Option<(Utility, Choice)> = None;
    // those at least as fast as the slowest, the cheapest first
    let mut others: Vec<&Verifier> = Vec::new();
    let mut groups = model.by_speed.chunk_by(|a, b| a.capacity == b.capacity);
    for group in &mut groups {
        for verifier in group {
            let at = others.partition_point(|other| is_before(other, verifier, ignore_prices));
            others.insert(at, verifier);
        }
        for slowest in group {
            consider(model, slowest, &others, &mut best, search);
        }
    }
    best.map(|(_, choice)| choice)
}

/// Tries every size with this verifier as the slowest.
fn consider(
    model: &Model<'_>,
    slowest: &Verifier,
    others: &[&Verifier],
    best: &mut Option<(Utility, Choice)>,
    search: &mut Search,
) {
    let mut prices = slowest.price.clone();
    let mut chosen = vec![slowest.index];
    let cheapest = others.iter().filter(|other| other.index != slowest.index);
    let mut cheapest = cheapest.map(Some).chain([None]);
    while chosen.len() <= model.max_verifiers {
        if chosen.len() >= model.min_verifiers {
            offer(model, slowest, &chosen, &prices, best, search);
        }
        let Some(Some(next)) = cheapest.next() else {
            break;
        };
        prices += &next.price;
        chosen.push(next.index);
    }
}

/// Keeps a choice if it is better than the best so far.
fn offer(
    model: &Model<'_>,
    slowest: &Verifier,
    chosen: &[usize],
    prices: &BigUint,
    best: &mut Option<(Utility, Choice)>,
    search: &mut Search,
) {
    let count = chosen.len();
    let transaction_count = model.transactions(count, prices);
    let utility = model.utility(&slowest.capacity, count, prices, transaction_count);
    search.count(&utility);
    let choice = || {
        let mut verifiers = chosen.to_vec();
        verifiers.sort_unstable();
        Choice {
            verifiers,
            transaction_count,
        }
    };
    let better = match &*best {
        None => true,
        Some((least, known)) => match utility.cmp(least) {
            core::cmp::Ordering::Less => true,
            core::cmp::Ordering::Greater => false,
            core::cmp::Ordering::Equal => rank(&choice()) < rank(known),
        },
    };
    if better {
        *best = Some((utility, choice()));
    }
}

/// How ties are broken.
fn rank(choice: &Choice) -> (usize, u64, &[usize]) {
    (
        choice.verifiers.len(),
        choice.transaction_count,
        &choice.verifiers,
    )
}

fn is_before(a: &Verifier, b: &Verifier, ignore_prices: bool) -> bool {
    if ignore_prices {
        a.index < b.index
    } else {
        (&a.price, a.index) < (&b.price, b.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_count_for_nothing_do_not_order() {
        let verifier = |index, price: u8| Verifier {
            index,
            capacity: BigUint::from(1u8),
            price: BigUint::from(price),
        };

        assert!(is_before(&verifier(1, 9), &verifier(2, 1), true));
        assert!(!is_before(&verifier(1, 9), &verifier(2, 1), false));
        assert!(is_before(&verifier(1, 1), &verifier(2, 1), false));
        assert!(!BigUint::from(1u8).is_zero());
    }
}
