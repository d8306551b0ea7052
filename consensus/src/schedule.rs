//! Who manages a term: a pure function of the epoch's weights and seed.
//!
//! A cycle of slots holds each seat in proportion to its weight, spread evenly (smooth weighted round robin); the seed
//! decides ties and where the cycle starts. A seat with `s` of `n` slots waits at most [`Schedule::longest_wait`] terms.

use salus_primitives::ids::{GenesisHash, Seat, Term};
use salus_primitives::namespace::Domain;
use salus_primitives::validators::ValidatorSet;

/// The managers of an epoch's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    slots: Vec<Seat>,
    offset: u64,
}

/// Most slots in a cycle. Weights above this are rounded to it, each seat keeping at least one slot.
const SLOTS_MAX: u64 = 2_048;

impl Schedule {
    /// The schedule of `validators`, seeded by chain and epoch.
    #[must_use]
    pub fn new(genesis: GenesisHash, validators: &ValidatorSet) -> Self {
        let seed = Domain::ScheduleSeed.hash(&[
            genesis.as_bytes(),
            &validators.epoch().get().to_le_bytes(),
            validators.digest().as_bytes(),
        ]);
        let shares = shares(validators);
        let total: i64 = shares
            .iter()
            .fold(0i64, |sum, (_, n)| sum.saturating_add(*n));
        let mut order: Vec<(Seat, i64)> = shares;
        order.sort_by_key(|(seat, _)| {
            Domain::ScheduleSeed.hash(&[seed.as_bytes(), &seat.get().to_le_bytes()])
        });
        let mut credit = vec![0i64; order.len()];
        let slots = (0..total)
            .filter_map(|_| {
                for (credit, (_, share)) in credit.iter_mut().zip(&order) {
                    *credit = credit.saturating_add(*share);
                }
                // the first among the highest; `max_by_key` would give the last
                let (chosen, credit) = credit
                    .iter_mut()
                    .enumerate()
                    .rev()
                    .max_by_key(|(_, credit)| **credit)?;
                *credit = credit.saturating_sub(total);
                order.get(chosen).map(|(seat, _)| *seat)
            })
            .collect();
        let [a, b, c, d, e, f, g, h, ..] = *seed.as_bytes();
        Self {
            slots,
            offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 1,
        }
    }

    /// The block manager of a term.
    #[must_use]
    pub fn manager(&self, term: Term) -> Seat {
        let length = u64::try_from(self.slots.len()).unwrap_or(1).max(1);
        let slot = self
            .offset
            .wrapping_add(term.get())
            .checked_rem(length)
            .unwrap_or(0);
        usize::try_from(slot)
            .ok()
            .and_then(|slot| self.slots.get(slot))
            .copied()
            .unwrap_or_default()
    }

    /// Terms in a cycle: after so many terms each seat has had exactly its share.
    #[must_use]
    pub fn cycle(&self) -> usize {
        self.slots.len()
    }

    /// The most terms that pass from one term of `seat` to its next.
    #[must_use]
    pub fn longest_wait(&self, seat: Seat) -> usize {
        let positions: Vec<usize> = (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| **slot == seat)
            .map(|(position, _)| position)
            .collect();
        let wrapped = positions
            .first()
            .map(|first| first.saturating_add(self.slots.len()));
        positions
            .iter()
            .zip(positions.iter().copied().skip(1).chain(wrapped))
            .map(|(here, next)| next.saturating_sub(*here))
            .max()
            .unwrap_or(usize::MAX)
    }
}

/// Slots per seat: exact where the weights divided by their greatest common divisor fit into a cycle, else rounded.
fn shares(validators: &ValidatorSet) -> Vec<(Seat, i64)> {
    let weights: Vec<u64> = validators
        .seats()
        .map(|seat| validators.weight(seat))
        .collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total = validators.total_weight();
    let exact = total.checked_div(divisor).unwrap_or(total) <= SLOTS_MAX;
    validators
        .seats()
        .zip(weights)
        .map(|(seat, weight)| {
            let slots = if exact {
                weight.checked_div(divisor).unwrap_or(weight)
            } else {
                let scaled = u128::from(weight).saturating_mul(u128::from(SLOTS_MAX));
                let rounded = scaled
                    .saturating_add(u128::from(total / 2))
                    .checked_div(u128::from(total))
                    .unwrap_or(1);
                u64::try_from(rounded).unwrap_or(SLOTS_MAX).max(1)
            };
            (seat, i64::try_from(slots).unwrap_or(i64::MAX))
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    match a.checked_rem(b) {
        None => a,
        Some(rest) => gcd(b, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::crypto::sign::PublicKey;
    use salus_primitives::ids::{EntityId, Epoch};
    use salus_primitives::validators::Validator;

    fn set(epoch: u64, weights: &[u64]) -> ValidatorSet {
        let validators = (0u8..)
            .zip(weights)
            .map(|(n, weight)| Validator {
                entity: EntityId([n; 32]),
                key: PublicKey([n; 32]),
                network_key: PublicKey([n + 100; 32]),
                weight: *weight,
            })
            .collect();
        ValidatorSet::new(Epoch::new(epoch), validators).expect("legal")
    }

    /// Over 10,000 terms each seat manages its share, and waits no longer than the schedule says.
    #[test]
    fn shares_match_weights_and_waits_are_bounded() {
        let weights = [5, 3, 3, 3, 2, 1];
        let set = set(1, &weights);
        let schedule = Schedule::new(GenesisHash([1; 32]), &set);
        let terms = 10_000u64;
        let mut count = [0u64; 6];
        let mut last = [None; 6];
        for term in 0..terms {
            let seat = schedule.manager(Term::new(term)).index();
            count[seat] += 1;
            if let Some(last) = last[seat].replace(term) {
                let wait = usize::try_from(term - last).expect("small");
                assert!(wait <= schedule.longest_wait(Seat::new(seat as u16)));
            }
        }

        for (count, weight) in count.iter().zip(weights) {
            let share = terms * weight / 17;
            assert!(count.abs_diff(share) <= weight + 1, "{count} of {share}");
        }
        assert!(schedule.longest_wait(Seat::new(5)) <= 17);
        assert!(schedule.longest_wait(Seat::new(0)) <= 5);
    }

    #[test]
    fn the_order_depends_on_chain_and_epoch_and_nothing_else() {
        let first = |genesis: u8, epoch| {
            let schedule = Schedule::new(GenesisHash([genesis; 32]), &set(epoch, &[1; 7]));
            (0..14)
                .map(|term| schedule.manager(Term::new(term)).get())
                .collect::<Vec<_>>()
        };

        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(2, 1));
        assert_ne!(first(1, 1), first(1, 2));
    }

    #[test]
    fn a_tiny_weight_among_huge_ones_still_has_its_turn() {
        let set = set(1, &[1 << 40, 1 << 40, 1 << 40, 1 << 40, 1]);
        let schedule = Schedule::new(GenesisHash([1; 32]), &set);

        assert!(schedule.longest_wait(Seat::new(4)) <= schedule.cycle());
        assert!(schedule.cycle() <= 2_100);
    }
}
