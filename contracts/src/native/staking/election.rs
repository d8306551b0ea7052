//! Who is elected, and with which weight.
//!
//! 1. A candidate's standing is the weight delegated to it by all members. Delegations to those who are no members, who do
//!    not stand or who were admitted after the delegation count for nobody.
//! 2. Those without standing or keys, the jailed and the inactive are out. Of the others, the `seats` of greatest standing are
//!    elected; among equals the lesser id.
//! 3. A seat's weight is its standing, but at most the cap: the greatest `c` such that `3 c` is less than the sum of all
//!    `min(standing, c)`. Then no seat has a third, and nothing more is cut than that needs. Where no standing is a third of the
//!    sum, nothing is cut.
//! 4. With fewer than four elected there is no legal set.

use super::state::{Member, member, roll};
use crate::genesis::GenesisMember;
use core::cmp::Reverse;
use salus_primitives::calls::{Delegation, ValidatorKeys};
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::validators::{SEATS_MIN, Validator, ValidatorSet};
use std::collections::BTreeMap;

/// Someone who may be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub entity: EntityId,
    /// What it would validate with.
    pub keys: ValidatorKeys,
    /// The weight delegated to it.
    pub weight: u64,
}

/// The validators of `epoch` by the state as it is, or `None` if there is no legal set.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn election(
    state: &dyn StateRead,
    parameters: &ChainParameters,
    epoch: Epoch,
) -> Result<Option<ValidatorSet>, StateReadError> {
    Ok(elect(epoch, eligible(state)?, parameters.seats))
}

/// Who may be elected by the state as it is: those with keys and weight that stand and are neither jailed nor inactive.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn eligible(state: &dyn StateRead) -> Result<Vec<Standing>, StateReadError> {
    let members = members(state)?;
    let delegated = delegated(&members);
    let standings = members.iter().filter_map(|(entity, (_, member))| {
        Some(Standing {
            entity: *entity,
            keys: member.eligible()?,
            weight: delegated
                .get(entity)
                .copied()
                .filter(|weight| *weight > 0)?,
        })
    });
    Ok(standings.collect())
}

/// The validators of `epoch` by the founders' weights, or `None` if there is no legal set.
#[must_use]
pub fn genesis_election(
    members: &[GenesisMember],
    parameters: &ChainParameters,
    epoch: Epoch,
) -> Option<ValidatorSet> {
    let standings = members
        .iter()
        .map(|member| Standing {
            entity: member.entity,
            keys: member.keys(),
            weight: member.weight,
        })
        .collect();
    elect(epoch, standings, parameters.seats)
}

/// The weight delegated to each member that stands, jailed and inactive ones included: what it would be elected with.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn standings(state: &dyn StateRead) -> Result<BTreeMap<EntityId, u64>, StateReadError> {
    Ok(delegated(&members(state)?))
}

/// Elects among those who may be, in whatever order (steps 2 to 4 above).
#[must_use]
pub fn elect(epoch: Epoch, mut standings: Vec<Standing>, seats: u16) -> Option<ValidatorSet> {
    standings.retain(|standing| standing.weight > 0);
    standings.sort_unstable_by_key(|standing| (Reverse(standing.weight), standing.entity));
    standings.truncate(seats.into());
    if standings.len() < SEATS_MIN {
        return None;
    }
    let cap = cap(standings.iter().map(|standing| standing.weight));
    let validators = standings
        .iter()
        .map(|standing| Validator {
            entity: standing.entity,
            key: standing.keys.validator_key,
            network_key: standing.keys.network_key,
            weight: standing.weight.min(cap),
        })
        .collect();
    // legal by construction; were it not, no set is the safe answer
    ValidatorSet::new(epoch, validators).ok()
}

/// The greatest cap under which no weight is a third of the sum, at most the greatest weight. For at least four positive weights.
///
/// `sum of min(w, c) - 3 c` is concave in `c`, zero at 0 and positive at 1, so that it is positive up to some `c` and
/// never after: bisection finds that one.
fn cap(weights: impl Iterator<Item = u64> + Clone) -> u64 {
    let fits = |cap: u64| {
        let sum: u128 = weights
            .clone()
            .map(|weight| u128::from(weight.min(cap)))
            .fold(0, u128::saturating_add);
        u128::from(cap).saturating_mul(3) < sum
    };
    let (mut fitting, mut beyond) = (1, weights.clone().max().unwrap_or(1).saturating_add(1));
    while beyond.saturating_sub(fitting) > 1 {
        let middle = fitting.midpoint(beyond);
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    fitting
}

/// Every member with its weight.
fn members(state: &dyn StateRead) -> Result<BTreeMap<EntityId, (u64, Member)>, StateReadError> {
    roll(state)?
        .iter()
        .map(|(id, weight)| {
            let member = member(state, id)?
                .ok_or_else(|| StateReadError(format!("member {id} is named but missing")))?;
            Ok((*id, (weight, member)))
        })
        .collect()
}

/// Step 1.
fn delegated(members: &BTreeMap<EntityId, (u64, Member)>) -> BTreeMap<EntityId, u64> {
    let mut standings: BTreeMap<EntityId, u64> = members
        .iter()
        .filter(|(_, (_, member))| member.candidate)
        .map(|(id, _)| (*id, 0))
        .collect();
    let mut count = |candidate: &EntityId, part: u64, delegated_at: Height| {
        let admitted = members
            .get(candidate)
            .is_some_and(|(_, member)| member.admitted_at <= delegated_at);
        if let Some(standing) = standings.get_mut(candidate).filter(|_| admitted) {
            *standing = standing.saturating_add(part);
        }
    };
    for (weight, member) in members.values() {
        match &member.delegation {
            None => {}
            Some(Delegation::Whole(candidate)) => count(candidate, *weight, member.delegated_at),
            Some(Delegation::Parts(parts)) => {
                for part in parts {
                    count(&part.candidate, part.weight, member.delegated_at);
                }
            }
        }
    }
    standings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use salus_primitives::crypto::sign::PublicKey;

    fn standing(n: u16, weight: u64) -> Standing {
        let bytes = |kind: u8| {
            let mut bytes = [kind; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            bytes
        };
        Standing {
            entity: EntityId(bytes(0)),
            keys: ValidatorKeys {
                validator_key: PublicKey(bytes(1)),
                network_key: PublicKey(bytes(2)),
            },
            weight,
        }
    }

    fn standings(weights: &[u64]) -> Vec<Standing> {
        (0u16..)
            .zip(weights)
            .map(|(n, weight)| standing(n, *weight))
            .collect()
    }

    /// The weights of who is elected, by number.
    fn elected(weights: &[u64], seats: u16) -> Option<Vec<(u16, u64)>> {
        let set = elect(Epoch::new(1), standings(weights), seats)?;
        let number = |entity: &EntityId| u16::from_be_bytes([entity.0[0], entity.0[1]]);
        Some(
            set.validators()
                .iter()
                .map(|validator| (number(&validator.entity), validator.weight))
                .collect(),
        )
    }

    #[test]
    fn the_heaviest_are_elected_and_among_equals_the_lesser_ids() {
        assert_eq!(
            elected(&[5, 6, 5, 7, 5, 6], 4),
            Some(vec![(0, 5), (1, 6), (3, 7), (5, 6)])
        );
        assert_eq!(
            elected(&[1, 0, 1, 1, 1], 4),
            Some(vec![(0, 1), (2, 1), (3, 1), (4, 1)])
        );
    }

    #[test]
    fn weights_are_cut_just_below_a_third_and_no_further() {
        let weights = |weights: &[u64]| -> Vec<u64> {
            let set = elected(weights, 100).expect("legal");
            set.iter().map(|(_, weight)| *weight).collect()
        };

        // nothing to cut: 9 of 28, and not 9 of 27
        assert_eq!(weights(&[9, 9, 9, 1]), [9, 9, 9, 1]);
        assert_eq!(weights(&[10, 7, 6, 6, 1]), [9, 7, 6, 6, 1]);
        // one beyond: 7 of 22
        assert_eq!(weights(&[100, 5, 5, 5]), [7, 5, 5, 5]);
        // two beyond: the others weigh 10, so 9 of 28
        assert_eq!(weights(&[1000, 100, 5, 5]), [9, 9, 5, 5]);
        assert_eq!(weights(&[1000, 100, 1, 1]), [1, 1, 1, 1]);
    }

    #[test]
    fn fewer_than_four_with_weight_are_no_set() {
        assert_eq!(elected(&[1, 1, 1], 10), None);
        assert_eq!(elected(&[1, 1, 1, 0], 10), None);
        assert_eq!(elected(&[], 10), None);
    }

    proptest! {
        /// No seat reaches a third, nothing is cut more than the greatest cap needs, and the order given does not matter.
        #[test]
        fn the_cap_is_the_greatest_that_is_legal(
            weights in proptest::collection::vec(0u64..40, 4..9),
            seats in 4u16..9,
            seed in any::<prop::sample::Index>(),
        ) {
            let mut shuffled = standings(&weights);
            let at = seed.index(shuffled.len());
            shuffled.rotate_left(at);
            shuffled.reverse();
            let set = elect(Epoch::new(1), standings(&weights), seats);
            prop_assert_eq!(&elect(Epoch::new(1), shuffled, seats), &set);
            let Some(set) = set else {
                prop_assert!(weights.iter().filter(|weight| **weight > 0).count() < 4);
                return Ok(());
            };
            for validator in set.validators() {
                prop_assert!(validator.weight * 3 < set.total_weight());
            }
            // by trying every cap, from the greatest down
            let chosen: Vec<u64> = set
                .validators()
                .iter()
                .map(|validator| standings(&weights)
                    .iter()
                    .find(|standing| standing.entity == validator.entity)
                    .expect("a candidate")
                    .weight)
                .collect();
            let cap = (1..=40u64)
                .rev()
                .find(|cap| cap * 3 < chosen.iter().map(|weight| weight.min(cap)).sum())
                .expect("1 fits");
            for (validator, weight) in set.validators().iter().zip(&chosen) {
                prop_assert_eq!(validator.weight, *weight.min(&cap));
            }
        }

        /// Whoever is elected stands before whoever is not: tried for every pair.
        #[test]
        fn nobody_is_passed_over(
            weights in proptest::collection::vec(0u64..6, 4..14),
            seats in 4u16..9,
        ) {
            let Some(set) = elected(&weights, seats) else { return Ok(()) };
            let is_elected = |n: u16| set.iter().any(|(other, _)| *other == n);
            let all: Vec<(u16, u64)> = (0u16..).zip(weights.iter().copied()).collect();
            let able = all.iter().filter(|(_, weight)| *weight > 0).count();

            prop_assert_eq!(set.len(), able.min(seats.into()));
            for (n, weight) in &all {
                for (m, other) in &all {
                    let before = (Reverse(*weight), *n) < (Reverse(*other), *m);
                    if before && is_elected(*m) {
                        prop_assert!(is_elected(*n), "{} before {}", n, m);
                    }
                }
            }
        }

        /// Weights of any size up to the bound of a set.
        #[test]
        fn large_weights_give_legal_sets(weights in proptest::collection::vec(1u64..(1 << 44), 4..16)) {
            let set = elected(&weights, 16).expect("four with weight");
            prop_assert_eq!(set.len(), weights.len());
        }
    }
}
