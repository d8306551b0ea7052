//! The paper's choice of verifiers, the m fastest: m and theta in closed form, and by trying all.

use super::model::{Model, Utility, Verifier};
use super::{Choice, Search};
use num_bigint::BigUint;

/// The m fastest verifiers.
pub(super) struct Fastest<'a> {
    chosen: &'a [Verifier],
    slowest: &'a BigUint,
    prices: BigUint,
}

impl<'a> Fastest<'a> {
    /// Those for every m within the bounds, ascending.
    pub(super) fn all(model: &'a Model<'_>) -> impl Iterator<Item = Self> {
        (model.min_verifiers..=model.max_verifiers).filter_map(|count| {
            let chosen = model.by_speed.get(..count)?;
            Some(Self {
                chosen,
                slowest: &chosen.last()?.capacity,
                prices: chosen.iter().map(|verifier| &verifier.price).sum(),
            })
        })
    }

    pub(super) fn utility(
        &self,
        model: &Model<'_>,
        transactions: u64,
        search: &mut Search,
    ) -> Utility {
        let utility = model.utility(self.slowest, self.chosen.len(), &self.prices, transactions);
        search.count(&utility);
        utility
    }

    pub(super) fn choice(&self, transaction_count: u64) -> Choice {
        let mut verifiers: Vec<usize> = self.chosen.iter().map(|verifier| verifier.index).collect();
        verifiers.sort_unstable();
        Choice {
            verifiers,
            transaction_count,
        }
    }
}

/// The best m, with the best theta of each.
pub(super) fn closed_form(model: &Model<'_>, search: &mut Search) -> Option<Choice> {
    let candidates = Fastest::all(model).map(|fastest| {
        let transactions = model.transactions(fastest.chosen.len(), &fastest.prices);
        let utility = fastest.utility(model, transactions, search);
        (utility, fastest, transactions)
    });
    first_least(candidates)
}

/// The best m and theta of all.
pub(super) fn exhaustive(model: &Model<'_>, search: &mut Search) -> Option<Choice> {
    let mut best: Option<(Utility, Choice)> = None;
    for fastest in Fastest::all(model) {
        for transactions in model.min_transactions..=model.max_transactions {
            let utility = fastest.utility(model, transactions, search);
            if best.as_ref().is_none_or(|(least, _)| utility < *least) {
                best = Some((utility, fastest.choice(transactions)));
            }
        }
    }
    best.map(|(_, choice)| choice)
}

/// Of equal ones the first: candidates come in the order in which ties are broken.
fn first_least<'a>(
    candidates: impl Iterator<Item = (Utility, Fastest<'a>, u64)>,
) -> Option<Choice> {
    candidates
        .reduce(|best, next| if next.0 < best.0 { next } else { best })
        .map(|(_, fastest, transactions)| fastest.choice(transactions))
}
