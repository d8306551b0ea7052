//! What validators state in a vote, and certificates: a quorum's signatures under one statement.
//!
//! Used by consensus and by light clients alike.

use crate::codec;
use crate::crypto::sign::Signature;
use crate::hash::Digest;
use crate::ids::{BlockId, Epoch, GenesisHash, Seat, View};
use crate::namespace::Domain;
use crate::signed::{Signable, signing_digest};
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a vote says (`docs/protocol.md`, model). Signed with the genesis hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Statement {
    /// This is the first valid proposal that the signer saw in this view (rule 3).
    Notarize {
        /// The epoch.
        epoch: Epoch,
        /// The view.
        view: View,
        /// The block proposed in it.
        block: BlockId,
    },
    /// The signer saw a quorum notarise this block, and has not nullified this view or an earlier one of its term (rules 4, 6).
    Finalize {
        /// The epoch.
        epoch: Epoch,
        /// The view.
        view: View,
        /// The block notarised in it.
        block: BlockId,
    },
    /// The signer gives up on this view and the later ones of its term (rule 5).
    Nullify {
        /// The epoch.
        epoch: Epoch,
        /// The view.
        view: View,
    },
}

impl Statement {
    /// The epoch it is about.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Notarize { epoch, .. }
            | Self::Finalize { epoch, .. }
            | Self::Nullify { epoch, .. } => *epoch,
        }
    }

    /// The view it is about.
    #[must_use]
    pub const fn view(&self) -> View {
        match self {
            Self::Notarize { view, .. }
            | Self::Finalize { view, .. }
            | Self::Nullify { view, .. } => *view,
        }
    }

    /// The block it names, if it names one.
    #[must_use]
    pub const fn block(&self) -> Option<BlockId> {
        match self {
            Self::Notarize { block, .. } | Self::Finalize { block, .. } => Some(*block),
            Self::Nullify { .. } => None,
        }
    }
}

impl Signable for Statement {
    const DOMAIN: Domain = Domain::VoteSignature;

    fn content(&self) -> Digest {
        Domain::Statement.hash(&[&codec::encode(self)])
    }
}

/// A quorum's signatures under one statement: a notarisation, a finalisation or a nullification.
///
/// Whether it is one is decided by [`Certificate::verify`]; as decoded it is a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What was signed.
    pub statement: Statement,
    /// Who signed, strictly ascending, with each signature.
    pub votes: Vec<(Seat, Signature)>,
}

/// Why a certificate does not certify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is about another epoch than the set.
    #[error("the certificate is of epoch {found}, the validators are of epoch {expected}")]
    Epoch {
        /// The certificate's.
        found: Epoch,
        /// The set's.
        expected: Epoch,
    },
    /// Signers are not strictly ascending: a vote could count twice.
    #[error("signers are not in strictly ascending order at seat {0}")]
    Order(Seat),
    /// There is no such seat.
    #[error("there is no seat {0}")]
    UnknownSeat(Seat),
    /// Less than a quorum.
    #[error("signers weigh {weight}, a quorum is {quorum}")]
    NoQuorum {
        /// The signers' weight.
        weight: u64,
        /// The weight needed.
        quorum: u64,
    },
    /// A signature does not match.
    #[error("the signature of seat {0} does not match")]
    BadSignature(Seat),
}

/// A certificate that has been checked against its epoch's validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCertificate {
    certificate: Certificate,
    weight: u64,
}

impl Certificate {
    /// Checks order, weight and every signature against the validators of the certificate's epoch.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<u64, CertificateError> {
        let weight = self.check_weight(validators)?;
        let digest = signing_digest(Statement::DOMAIN, genesis, &self.statement.content());
        for (seat, signature) in &self.votes {
            let validator = validators
                .validator(*seat)
                .ok_or(CertificateError::UnknownSeat(*seat))?;
            if !validator.key.verifies(&digest, signature) {
                return Err(CertificateError::BadSignature(*seat));
            }
        }
        Ok(weight)
    }

    /// Like [`Certificate::verify`], keeping the knowledge in the type.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that is wrong.
    pub fn verified(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let weight = self.verify(genesis, validators)?;
        Ok(VerifiedCertificate {
            certificate: self,
            weight,
        })
    }

    fn check_weight(&self, validators: &ValidatorSet) -> Result<u64, CertificateError> {
        if self.statement.epoch() != validators.epoch() {
            return Err(CertificateError::Epoch {
                found: self.statement.epoch(),
                expected: validators.epoch(),
            });
        }
        let mut weight = 0u64;
        let mut last: Option<Seat> = None;
        for (seat, _) in &self.votes {
            if last.is_some_and(|last| last >= *seat) {
                return Err(CertificateError::Order(*seat));
            }
            last = Some(*seat);
            let validator = validators
                .validator(*seat)
                .ok_or(CertificateError::UnknownSeat(*seat))?;
            weight = weight.saturating_add(validator.weight);
        }
        let quorum = validators.quorum_weight();
        if weight < quorum {
            return Err(CertificateError::NoQuorum { weight, quorum });
        }
        Ok(weight)
    }
}

impl VerifiedCertificate {
    /// Builds a certificate from votes that were each checked, as a tally does.
    ///
    /// # Errors
    /// [`CertificateError`] if they are not a quorum of the set in seat order.
    pub fn from_checked_votes(
        statement: Statement,
        votes: Vec<(Seat, Signature)>,
        validators: &ValidatorSet,
    ) -> Result<Self, CertificateError> {
        let certificate = Certificate { statement, votes };
        let weight = certificate.check_weight(validators)?;
        Ok(Self {
            certificate,
            weight,
        })
    }

    /// What a quorum signed.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.certificate.statement
    }

    /// The view it is about.
    #[must_use]
    pub const fn view(&self) -> View {
        self.certificate.statement.view()
    }

    /// The weight of its signers.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// The certificate, for sending and storing.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sign::{PublicKey, SecretKey};
    use crate::ids::EntityId;
    use crate::validators::Validator;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32])
    }

    fn set() -> ValidatorSet {
        let validators = (0u8..4)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: key(n).public(),
                network_key: PublicKey([n.wrapping_add(50); 32]),
                weight: 1,
            })
            .collect();
        ValidatorSet::new(Epoch::new(1), validators).expect("legal")
    }

    fn certificate(seats: &[u8]) -> Certificate {
        let statement = Statement::Finalize {
            epoch: Epoch::new(1),
            view: View::new(9),
            block: BlockId([7; 32]),
        };
        let digest = signing_digest(
            Statement::DOMAIN,
            GenesisHash([1; 32]),
            &statement.content(),
        );
        Certificate {
            statement,
            votes: seats
                .iter()
                .map(|n| (Seat::new((*n).into()), key(*n).signer().sign(&digest)))
                .collect(),
        }
    }

    #[test]
    fn a_quorum_certifies_and_one_less_does_not() {
        let genesis = GenesisHash([1; 32]);

        assert_eq!(certificate(&[0, 1, 3]).verify(genesis, &set()), Ok(3));
        assert_eq!(
            certificate(&[0, 1]).verify(genesis, &set()),
            Err(CertificateError::NoQuorum {
                weight: 2,
                quorum: 3
            })
        );
    }

    #[test]
    fn a_repeated_or_reordered_signer_does_not_count_twice() {
        let genesis = GenesisHash([1; 32]);

        for seats in [[0, 1, 1], [1, 0, 2]] {
            assert!(matches!(
                certificate(&seats).verify(genesis, &set()),
                Err(CertificateError::Order(_))
            ));
        }
    }

    #[test]
    fn other_chain_epoch_seat_or_statement_is_refused() {
        let genesis = GenesisHash([1; 32]);
        let good = certificate(&[0, 1, 2]);

        assert!(good.verify(GenesisHash([2; 32]), &set()).is_err());
        let mut nullify = good.clone();
        nullify.statement = Statement::Nullify {
            epoch: Epoch::new(1),
            view: View::new(9),
        };
        assert!(nullify.verify(genesis, &set()).is_err());
        let mut stranger = good.clone();
        stranger.votes[2].0 = Seat::new(9);
        assert_eq!(
            stranger.verify(genesis, &set()),
            Err(CertificateError::UnknownSeat(Seat::new(9)))
        );
        let mut swapped = good;
        swapped.votes[2].0 = Seat::new(3);
        assert_eq!(
            swapped.verify(genesis, &set()),
            Err(CertificateError::BadSignature(Seat::new(3)))
        );
    }
}
