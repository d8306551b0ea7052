//! Counts one kind of vote in one view.

use crate::vote::{VerifiedVote, Vote};
use salus_primitives::certificate::{Statement, VerifiedCertificate};
use salus_primitives::ids::Seat;
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeMap;

/// The votes of one kind in one view, at most one a seat.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    votes: BTreeMap<Seat, Vote>,
    certified: bool,
}

/// What counting a vote led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Counted, or known before; no quorum by it.
    Pending,
    /// The accepted weight first reached a quorum.
    Quorum(VerifiedCertificate),
    /// The seat voted otherwise before: both votes are evidence, the first one stays counted.
    Conflict {
        /// The vote that was counted.
        first: Vote,
        /// The one that contradicts it.
        second: Vote,
    },
}

impl Tally {
    /// Counts one vote. Gives the certificate exactly once, when the weight of equal statements first reaches a quorum.
    /// Counting the same vote twice changes nothing.
    pub fn count(&mut self, vote: &VerifiedVote, validators: &ValidatorSet) -> Counted {
        let statement = *vote.statement();
        if let Some(first) = self.votes.get(&vote.seat()) {
            return if first.statement == statement {
                Counted::Pending
            } else {
                Counted::Conflict {
                    first: *first,
                    second: *vote.vote(),
                }
            };
        }
        self.votes.insert(vote.seat(), *vote.vote());
        if self.certified || self.weight(&statement, validators) < validators.quorum_weight() {
            return Counted::Pending;
        }
        let votes = self
            .votes
            .iter()
            .filter(|(_, vote)| vote.statement == statement)
            .map(|(seat, vote)| (*seat, vote.signature))
            .collect();
        match VerifiedCertificate::from_checked_votes(statement, votes, validators) {
            Ok(certificate) => {
                self.certified = true;
                Counted::Quorum(certificate)
            }
            Err(_) => Counted::Pending,
        }
    }

    /// The weight behind a statement.
    #[must_use]
    pub fn weight(&self, statement: &Statement, validators: &ValidatorSet) -> u64 {
        self.votes
            .values()
            .filter(|vote| vote.statement == *statement)
            .fold(0, |sum: u64, vote| {
                sum.saturating_add(validators.weight(vote.seat))
            })
    }

    /// Every vote counted, by seat.
    #[must_use]
    pub const fn votes(&self) -> &BTreeMap<Seat, Vote> {
        &self.votes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{keys, nullify, set};

    #[test]
    fn the_certificate_comes_once_and_at_the_quorum() {
        let (set, keys) = (set(&[1; 4]), keys(4));
        let mut tally = Tally::default();

        let outcomes: Vec<bool> = [0, 0, 1, 1, 2, 3]
            .map(|seat| {
                matches!(
                    tally.count(&nullify(seat, 5, &keys), &set),
                    Counted::Quorum(_)
                )
            })
            .to_vec();

        assert_eq!(outcomes, [false, false, false, false, true, false]);
    }

    /// Weights count, not heads.
    #[test]
    fn a_majority_of_seats_without_the_weight_is_no_quorum() {
        let (set, keys) = (set(&[3, 3, 3, 1, 1, 1]), keys(6));
        let mut tally = Tally::default();

        // Q = 12 - 3 = 9; seats 1, 3, 4, 5 weigh 6
        for seat in [1, 3, 4, 5] {
            let counted = tally.count(&nullify(seat, 5, &keys), &set);
            assert_eq!(counted, Counted::Pending);
        }
        assert!(matches!(
            tally.count(&nullify(0, 5, &keys), &set),
            Counted::Quorum(_)
        ));
    }
}
