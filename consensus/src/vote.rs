//! One validator's signed statement.

use salus_primitives::certificate::{Statement, VerifiedCertificate};
use salus_primitives::crypto::sign::{Signature, Signer};
use salus_primitives::ids::{GenesisHash, Seat};
use salus_primitives::signed::{Signable, signing_digest};
use salus_primitives::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// A vote as it travels: nobody has checked it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose vote it claims to be.
    pub seat: Seat,
    /// What it says.
    pub statement: Statement,
    /// The claimed signature.
    pub signature: Signature,
}

/// A vote whose signature has been checked under its seat's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedVote(Vote);

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// It is of another epoch.
    #[error("the vote is not of this epoch")]
    Epoch,
    /// There is no such seat.
    #[error("there is no seat {0}")]
    UnknownSeat(Seat),
    /// The signature does not match.
    #[error("the signature of seat {0} does not match")]
    BadSignature(Seat),
}

impl Vote {
    /// Checks epoch, seat and signature.
    ///
    /// # Errors
    /// [`VoteError`].
    pub fn verify(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<VerifiedVote, VoteError> {
        if self.statement.epoch() != validators.epoch() {
            return Err(VoteError::Epoch);
        }
        let validator = validators
            .validator(self.seat)
            .ok_or(VoteError::UnknownSeat(self.seat))?;
        let digest = signing_digest(Statement::DOMAIN, genesis, &self.statement.content());
        if !validator.key.verifies(&digest, &self.signature) {
            return Err(VoteError::BadSignature(self.seat));
        }
        Ok(VerifiedVote(self))
    }
}

impl VerifiedVote {
    /// Signs a statement for a seat. Whoever calls this has made sure of rules 3 and 6, and persists before sending.
    #[must_use]
    pub fn sign(statement: Statement, seat: Seat, genesis: GenesisHash, signer: &Signer) -> Self {
        let digest = signing_digest(Statement::DOMAIN, genesis, &statement.content());
        Self(Vote {
            seat,
            statement,
            signature: signer.sign(&digest),
        })
    }

    /// The votes that a certificate is made of: each signature was checked when the certificate was.
    pub(crate) fn of_certificate(
        certificate: &VerifiedCertificate,
    ) -> impl Iterator<Item = Self> + '_ {
        let certificate = certificate.certificate();
        certificate.votes.iter().map(|(seat, signature)| {
            Self(Vote {
                seat: *seat,
                statement: certificate.statement,
                signature: *signature,
            })
        })
    }

    /// The vote, for sending and storing.
    #[must_use]
    pub const fn vote(&self) -> &Vote {
        &self.0
    }

    /// Whose vote.
    #[must_use]
    pub const fn seat(&self) -> Seat {
        self.0.seat
    }

    /// What it says.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.0.statement
    }
}
