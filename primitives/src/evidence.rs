//! Proof that a validator broke the protocol: two of its votes that no honest one signs both.
//!
//! Anyone can check it from its bytes, the chain's name and the validators of the epoch: no history is needed, and who
//! reports it does not matter.

use crate::certificate::Statement;
use crate::ids::{EntityId, Epoch, GenesisHash, Seat, Term, View};
use crate::signed::Signed;
use crate::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// Two votes of one seat that contradict each other, the lesser statement first: one contradiction has one order.
///
/// As decoded it is a claim; [`Evidence::verify`] decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whose votes.
    pub seat: Seat,
    /// The lesser statement of the two, in the order of [`Statement`].
    pub first: Signed<Statement>,
    /// The greater one.
    pub second: Signed<Statement>,
}

/// What evidence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offence {
    /// Who did it.
    pub entity: EntityId,
    /// In which epoch.
    pub epoch: Epoch,
    /// What it did.
    pub kind: OffenceKind,
}

/// The ways to break the protocol that two votes prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffenceKind {
    /// Two notarise votes for different blocks in one view; a proposal is its manager's notarise vote (rule 3).
    DoubleNotarize,
    /// Two finalise votes for different blocks in one view (rule 4: a view notarises one block).
    DoubleFinalize,
    /// A finalise vote in a view that the same seat gave up, by nullifying it or an earlier one of its term (rule 6).
    FinalizeAndNullify,
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The votes are of two epochs, in which one seat may belong to two validators.
    #[error("the votes are of epochs {first} and {second}")]
    EpochsDiffer {
        /// The first vote's.
        first: Epoch,
        /// The second vote's.
        second: Epoch,
    },
    /// It is about another epoch than the set.
    #[error("the evidence is of epoch {found}, the validators are of epoch {expected}")]
    Epoch {
        /// The evidence's.
        found: Epoch,
        /// The set's.
        expected: Epoch,
    },
    /// The statements are equal, or the greater one stands first.
    #[error("the statements are not in strictly ascending order")]
    Order,
    /// An honest validator can sign both.
    #[error("the statements do not contradict each other")]
    NoConflict,
    /// There is no such seat.
    #[error("there is no seat {0}")]
    UnknownSeat(Seat),
    /// One of the signatures is not the seat's.
    #[error("a signature does not match the key of seat {0}")]
    BadSignature(Seat),
}

impl Evidence {
    /// Evidence of two votes of a seat, whichever came first.
    #[must_use]
    pub fn new(seat: Seat, one: Signed<Statement>, other: Signed<Statement>) -> Self {
        let (first, second) = if one.body <= other.body {
            (one, other)
        } else {
            (other, one)
        };
        Self {
            seat,
            first,
            second,
        }
    }

    /// The epoch it is about.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.first.body.epoch()
    }

    /// What the two votes break if they are genuine, under terms of `tenure` views.
    ///
    /// # Errors
    /// [`EvidenceError::EpochsDiffer`], [`EvidenceError::Order`] or [`EvidenceError::NoConflict`].
    pub fn conflict(&self, tenure: u64) -> Result<OffenceKind, EvidenceError> {
        let (first, second) = (&self.first.body, &self.second.body);
        if first.epoch() != second.epoch() {
            return Err(EvidenceError::EpochsDiffer {
                first: first.epoch(),
                second: second.epoch(),
            });
        }
        if first >= second {
            return Err(EvidenceError::Order);
        }
        match (first, second) {
            // the blocks differ: the statements do
            (Statement::Notarize { view, .. }, Statement::Notarize { view: other, .. })
                if view == other =>
            {
                Ok(OffenceKind::DoubleNotarize)
            }
            (Statement::Finalize { view, .. }, Statement::Finalize { view: other, .. })
                if view == other =>
            {
                Ok(OffenceKind::DoubleFinalize)
            }
            (Statement::Finalize { view, .. }, Statement::Nullify { view: given_up, .. })
                if view >= given_up && term(*view, tenure) == term(*given_up, tenure) =>
            {
                Ok(OffenceKind::FinalizeAndNullify)
            }
            (
                Statement::Notarize { .. } | Statement::Finalize { .. } | Statement::Nullify { .. },
                _,
            ) => Err(EvidenceError::NoConflict),
        }
    }

    /// Checks everything: that the votes contradict each other, and that the seat signed both on this chain.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first thing that is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        tenure: u64,
    ) -> Result<Offence, EvidenceError> {
        let kind = self.conflict(tenure)?;
        if self.epoch() != validators.epoch() {
            return Err(EvidenceError::Epoch {
                found: self.epoch(),
                expected: validators.epoch(),
            });
        }
        let validator = validators
            .validator(self.seat)
            .ok_or(EvidenceError::UnknownSeat(self.seat))?;
        for vote in [&self.first, &self.second] {
            vote.clone()
                .verify(genesis, &validator.key)
                .map_err(|_| EvidenceError::BadSignature(self.seat))?;
        }
        Ok(Offence {
            entity: validator.entity,
            epoch: self.epoch(),
            kind,
        })
    }
}

/// The term a view belongs to; views count from 1, terms from 0.
fn term(view: View, tenure: u64) -> Term {
    let index = view.get().saturating_sub(1);
    Term::new(index.checked_div(tenure).unwrap_or(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::crypto::sign::{PublicKey, SecretKey};
    use crate::ids::BlockId;
    use crate::validators::Validator;
    use proptest::prelude::*;

    const GENESIS: GenesisHash = GenesisHash([1; 32]);
    const TENURE: u64 = 4;
    const EPOCH: u64 = 3;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32])
    }

    fn set(epoch: u64) -> ValidatorSet {
        let validators = (0u8..4)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: key(n).public(),
                network_key: PublicKey([n.wrapping_add(50); 32]),
                weight: 1,
            })
            .collect();
        ValidatorSet::new(Epoch::new(epoch), validators).expect("legal")
    }

    fn notarize(view: u64, block: u8) -> Statement {
        Statement::Notarize {
            epoch: Epoch::new(EPOCH),
            view: View::new(view),
            block: BlockId([block; 32]),
        }
    }

    fn finalize(view: u64, block: u8) -> Statement {
        Statement::Finalize {
            epoch: Epoch::new(EPOCH),
            view: View::new(view),
            block: BlockId([block; 32]),
        }
    }

    fn nullify(view: u64) -> Statement {
        Statement::Nullify {
            epoch: Epoch::new(EPOCH),
            view: View::new(view),
        }
    }

    fn signed(statement: Statement, by: u8) -> Signed<Statement> {
        Signed::sign(statement, GENESIS, &key(by).signer()).into_signed()
    }

    /// Of seat 2, signed by it.
    fn evidence(one: Statement, other: Statement) -> Evidence {
        Evidence::new(Seat::new(2), signed(one, 2), signed(other, 2))
    }

    fn verify(evidence: &Evidence) -> Result<Offence, EvidenceError> {
        evidence.verify(GENESIS, &set(EPOCH), TENURE)
    }

    #[test]
    fn each_contradiction_proves_its_offence_against_its_author() {
        for (one, other, kind) in [
            (notarize(7, 1), notarize(7, 2), OffenceKind::DoubleNotarize),
            (finalize(7, 1), finalize(7, 2), OffenceKind::DoubleFinalize),
            (finalize(7, 1), nullify(7), OffenceKind::FinalizeAndNullify),
            // views 5 to 8 are one term
            (finalize(8, 1), nullify(5), OffenceKind::FinalizeAndNullify),
        ] {
            let offence = Offence {
                entity: EntityId([2; 32]),
                epoch: Epoch::new(EPOCH),
                kind,
            };

            assert_eq!(verify(&evidence(one, other)), Ok(offence));
        }
    }

    /// What an honest validator signs in the course of the protocol never convicts it.
    #[test]
    fn what_one_may_sign_together_is_no_conflict() {
        for (one, other) in [
            // two views
            (notarize(7, 1), notarize(8, 2)),
            (finalize(7, 1), finalize(8, 2)),
            // rule 4: a quorum's block in place of one's own
            (notarize(7, 1), finalize(7, 1)),
            (notarize(7, 1), finalize(7, 2)),
            // rule 5: given up after the vote
            (notarize(7, 1), nullify(7)),
            (notarize(8, 1), nullify(7)),
            // rule 6 excludes neither a later view given up nor one of another term
            (finalize(7, 1), nullify(8)),
            (finalize(9, 1), nullify(8)),
            (finalize(5, 1), nullify(4)),
            (nullify(7), nullify(8)),
        ] {
            assert_eq!(
                verify(&evidence(one, other)),
                Err(EvidenceError::NoConflict),
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn the_term_follows_from_the_tenure() {
        let evidence = evidence(finalize(8, 1), nullify(5));

        assert!(evidence.verify(GENESIS, &set(EPOCH), 4).is_ok());
        for tenure in [1, 3, 5] {
            assert_eq!(
                evidence.verify(GENESIS, &set(EPOCH), tenure),
                Err(EvidenceError::NoConflict)
            );
        }
        assert!(evidence.verify(GENESIS, &set(EPOCH), 8).is_ok());
    }

    /// A vote said twice, in whatever signatures, is no contradiction.
    #[test]
    fn equal_and_reordered_statements_are_refused() {
        for statement in [notarize(7, 1), finalize(7, 1), nullify(7)] {
            assert_eq!(
                verify(&evidence(statement, statement)),
                Err(EvidenceError::Order)
            );
        }
        let mut reversed = evidence(finalize(7, 1), nullify(7));
        std::mem::swap(&mut reversed.first, &mut reversed.second);

        assert_eq!(verify(&reversed), Err(EvidenceError::Order));
    }

    #[test]
    fn votes_of_two_epochs_or_of_another_epoch_than_the_set_are_refused() {
        let later = Statement::Notarize {
            epoch: Epoch::new(EPOCH + 1),
            view: View::new(7),
            block: BlockId([2; 32]),
        };
        assert_eq!(
            verify(&evidence(notarize(7, 1), later)),
            Err(EvidenceError::EpochsDiffer {
                first: Epoch::new(EPOCH),
                second: Epoch::new(EPOCH + 1)
            })
        );
        assert_eq!(
            evidence(notarize(7, 1), notarize(7, 2)).verify(GENESIS, &set(EPOCH + 1), TENURE),
            Err(EvidenceError::Epoch {
                found: Epoch::new(EPOCH),
                expected: Epoch::new(EPOCH + 1)
            })
        );
    }

    /// Neither another's vote, nor another seat, nor another chain's votes convict.
    #[test]
    fn forged_votes_are_refused() {
        let good = evidence(notarize(7, 1), notarize(7, 2));
        let forged = EvidenceError::BadSignature(Seat::new(2));
        assert!(verify(&good).is_ok());

        let mut first = good.clone();
        first.first = signed(notarize(7, 1), 1);
        assert_eq!(verify(&first), Err(forged));
        let mut second = good.clone();
        second.second = signed(notarize(7, 2), 1);
        assert_eq!(verify(&second), Err(forged));
        let mut swapped = good.clone();
        std::mem::swap(&mut swapped.first.signature, &mut swapped.second.signature);
        assert_eq!(verify(&swapped), Err(forged));
        let mut seat = good.clone();
        seat.seat = Seat::new(1);
        assert_eq!(
            verify(&seat),
            Err(EvidenceError::BadSignature(Seat::new(1)))
        );
        seat.seat = Seat::new(4);
        assert_eq!(verify(&seat), Err(EvidenceError::UnknownSeat(Seat::new(4))));
        assert_eq!(
            good.verify(GenesisHash([2; 32]), &set(EPOCH), TENURE),
            Err(forged)
        );
    }

    fn statement() -> impl Strategy<Value = Statement> {
        prop_oneof![
            (1u64..10, 1u8..3).prop_map(|(view, block)| notarize(view, block)),
            (1u64..10, 1u8..3).prop_map(|(view, block)| finalize(view, block)),
            (1u64..10).prop_map(nullify),
        ]
    }

    proptest! {
        /// Whichever vote was seen first, the evidence is the same bytes; it convicts exactly where rules 3, 4 and 6 say so.
        #[test]
        fn one_contradiction_has_one_encoding(one in statement(), other in statement()) {
            let evidence = evidence(one, other);
            let reversed = Evidence::new(Seat::new(2), signed(other, 2), signed(one, 2));
            prop_assert_eq!(codec::encode(&evidence), codec::encode(&reversed));

            let excluded = |finalized: Statement, nullified: Statement| {
                matches!(finalized, Statement::Finalize { .. })
                    && matches!(nullified, Statement::Nullify { .. })
                    && finalized.view() >= nullified.view()
                    && (finalized.view().get() - 1) / TENURE == (nullified.view().get() - 1) / TENURE
            };
            let twice = std::mem::discriminant(&one) == std::mem::discriminant(&other)
                && one.view() == other.view()
                && one.block() != other.block();
            prop_assert_eq!(
                verify(&evidence).is_ok(),
                twice || excluded(one, other) || excluded(other, one)
            );
        }
    }
}
