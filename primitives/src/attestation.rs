//! Attestations: the notarise votes of a block's committee, as a light client checks them (DESIGN section 5).
//!
//! # What an attestation says, and what it does not
//!
//! Each block has a committee of `m` verifiers, which follows from its lane and height. A transaction is *attested by k of m* when so
//! many of them have signed the notarise vote for its block in one view: each has checked the whole block, its author's right to
//! propose it included, and signs no other block in that view (`docs/protocol.md`, rule 3). The tier is reached when all `m` have.
//!
//! It is early and it is not final: the view may be given up, and another block may become final without the transaction. **Nothing
//! irreversible may rest on it**, and nothing that is only attested opens data. An attestation can be lost, and cannot be
//! contradicted within its view unless a member of its committee signs twice, which is evidence against it.
//!
//! # How much it is worth
//!
//! The paper scores the security of `m` verifiers as `S = kappa m^q`. Of the most verifiers `M` that the lane may have this is the share
//! `S / S_max = (m / M)^q`, in which `kappa` cancels out.
//!
//! A score is not a probability, so there is one beside it. Let the corrupt seats weigh no more than `f`, the most weight that may be
//! faulty. The most seats that fit into that weight, the lightest first, are `c` of `n` ([`ValidatorSet::corruptible_seats`]). Suppose that
//! `c` seats are corrupt and that which ones has nothing to do with who is in the committee. Then the number `X` of corrupt
//! members is hypergeometric,
//!
//! ```text
//! P(X = j) = C(c, j) C(n - c, m - j) / C(n, m)
//! ```
//!
//! and the votes at hand can all be lies with probability `P(X >= k)`, as corrupt members are as quick as they like; for
//! `k = m` that is `C(c, m) / C(n, m)`, the probability that all `m` are corrupt. It is an upper bound over all sets of
//! seats that weigh at most `f`, drawn with equal chance among those of one size.
//!
//! **The supposition is strong.** Committees follow from public data ahead of time. Against an adversary that chose its seats by the
//! committee, or corrupted this committee's members, the probability is 1 if `k <= c`, whatever the formula says; and 0 if
//! `k > c`, as then one of the votes is honest in any case.
//!
//! **An attestation alone does not show that its block was proposed.** Height and lane are what its header says. The height must be one
//! of its epoch's, and who knows in which lane the transaction was sent refuses a more urgent one ([`Attested::lane`]). Where
//! verifiers take turns the committee follows from the height, and whoever holds `m` seats can still look through the epoch for a height at
//! which they are the committee: of `h` heights one will do with a probability of up to `h` times the above ([`Attested::heights`]), and of
//! 1 at most. Finality has no such gap.

use crate::block::Header;
use crate::certificate::Statement;
use crate::crypto::sign::Signature;
use crate::ids::{BlockId, Epoch, GenesisHash, Height, Seat, View};
use crate::lane::Lane;
use crate::lanes::EpochLanes;
use crate::merkle::MerkleProof;
use crate::signed::{Signable, signing_digest};
use crate::transaction::{TxId, transaction_leaf};
use crate::validators::{SEATS_MAX, ValidatorSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Shows that members of a block's committee have notarised the block that holds a transaction.
///
/// As decoded it is a claim; [`Attestation::verify`] decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The block's header.
    pub header: Header,
    /// Which transaction.
    pub transaction: TxId,
    /// The sender's signature as it stands in the block.
    pub signature: Signature,
    /// Places the transaction under `header.transaction_root`.
    pub transaction_path: MerkleProof,
    /// The view of the votes. Later than the header's only for the last block of an epoch, which is proposed again until it is final.
    pub view: View,
    /// The members that have voted, strictly ascending, with the signatures under their notarise votes; 1 to m.
    pub votes: Vec<(Seat, Signature)>,
}

/// Upper bound of an encoded [`Attestation`] in bytes: a header and votes of the largest committee.
pub const ATTESTATION_MAX: usize = 64 * 1024;

/// An attestation that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Which transaction.
    pub transaction: TxId,
    /// The block that holds it.
    pub block: BlockId,
    /// The block's height.
    pub height: Height,
    /// The epoch.
    pub epoch: Epoch,
    /// The view of the votes.
    pub view: View,
    /// The lane.
    pub lane: Lane,
    /// How many members have voted: `k`.
    pub votes: usize,
    /// How many members the committee has: the paper's `m`.
    pub verifiers: usize,
    /// How many seats there are: `n`.
    pub seats: usize,
    /// How many seats could be corrupt at most: `c`.
    pub corruptible: usize,
    /// From how many heights, and so committees, a forger could have chosen: the epoch's where verifiers take turns, else 1.
    pub heights: u64,
}

/// Why an attestation attests nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// It is about another epoch than validators or lanes.
    #[error("the attestation is of epoch {found}, the validators or lanes are of epoch {expected}")]
    Epoch {
        /// The attestation's.
        found: Epoch,
        /// That of the validators, or of the lanes.
        expected: Epoch,
    },
    /// No block of the epoch has this height.
    #[error("height {found} is not of this epoch, whose blocks have the heights {first} to {last}")]
    Height {
        /// The header's.
        found: Height,
        /// The epoch's first.
        first: Height,
        /// The epoch's last.
        last: Height,
    },
    /// The last block of an epoch names the next one, and no other block does.
    #[error("the header names a next epoch where it must not, or does not where it must")]
    NextEpoch,
    /// The header claims another committee or limit than lane and height demand: its manager could have named its friends.
    #[error("the committee is not the one that lane and height demand")]
    OtherCommittee,
    /// No vote of a view other than the header's counts, unless the block is the last of its epoch.
    #[error("votes of view {found} do not attest a block of view {expected}")]
    View {
        /// The votes'.
        found: View,
        /// The header's.
        expected: View,
    },
    /// The transaction is not in the block.
    #[error("the transaction is not under the transaction root of the header")]
    Transaction,
    /// Nobody has voted, or more than the committee has members.
    #[error("{found} votes of a committee of {verifiers}")]
    Count {
        /// How many votes.
        found: usize,
        /// How many members.
        verifiers: usize,
    },
    /// Votes are not strictly ascending: one could count twice.
    #[error("votes are not in strictly ascending order at seat {0}")]
    Order(Seat),
    /// A seat that is not in the committee.
    #[error("seat {0} is not in the committee")]
    NotAMember(Seat),
    /// A signature does not match.
    #[error("the signature of seat {0} does not match")]
    BadSignature(Seat),
}

impl Attestation {
    /// Checks everything: that lane and height demand this committee, that the transaction is in the block, and each vote.
    ///
    /// `validators` and `lanes` are those of the header's epoch, which the caller knows from the chain and not from the header.
    /// Whether enough have voted is the caller's to judge: [`Attested::is_complete`].
    ///
    /// # Errors
    /// [`AttestationError`] names the first thing that is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        lanes: &EpochLanes,
    ) -> Result<Attested, AttestationError> {
        let header = &self.header;
        for expected in [validators.epoch(), lanes.epoch] {
            if header.epoch != expected {
                return Err(AttestationError::Epoch {
                    found: header.epoch,
                    expected,
                });
            }
        }
        let heights = lanes.heights();
        if !heights.contains(&header.height) {
            return Err(AttestationError::Height {
                found: header.height,
                first: *heights.start(),
                last: *heights.end(),
            });
        }
        let is_last = header.height == *heights.end();
        if header.next_epoch.is_some() != is_last {
            return Err(AttestationError::NextEpoch);
        }
        let lane = lanes
            .lane(header.lane)
            .ok_or(AttestationError::OtherCommittee)?;
        let expected = lane.block_config(genesis, validators, header.height);
        if header.config != expected {
            return Err(AttestationError::OtherCommittee);
        }
        let is_repeated = is_last && self.view > header.view;
        if self.view != header.view && !is_repeated {
            return Err(AttestationError::View {
                found: self.view,
                expected: header.view,
            });
        }
        let leaf = transaction_leaf(&self.transaction, &self.signature);
        if self.transaction_path.leaf_count != header.transaction_count
            || self.transaction_path.root_of(leaf) != Some(header.transaction_root)
        {
            return Err(AttestationError::Transaction);
        }
        let block = header.id();
        self.verify_votes(genesis, validators, block, &expected.committee)?;
        Ok(Attested {
            transaction: self.transaction,
            block,
            height: header.height,
            epoch: header.epoch,
            view: self.view,
            lane: header.lane,
            votes: self.votes.len(),
            verifiers: expected.committee.len(),
            seats: validators.len(),
            corruptible: validators.corruptible_seats(),
            heights: if lane.takes_turns(validators.len()) {
                lanes.epoch_blocks
            } else {
                1
            },
        })
    }

    fn verify_votes(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        block: BlockId,
        committee: &[Seat],
    ) -> Result<(), AttestationError> {
        let (found, verifiers) = (self.votes.len(), committee.len());
        if found == 0 || found > verifiers || found > SEATS_MAX {
            return Err(AttestationError::Count { found, verifiers });
        }
        let statement = Statement::Notarize {
            epoch: validators.epoch(),
            view: self.view,
            block,
        };
        let digest = signing_digest(Statement::DOMAIN, genesis, &statement.content());
        let mut last: Option<Seat> = None;
        for (seat, signature) in &self.votes {
            if last.is_some_and(|last| last >= *seat) {
                return Err(AttestationError::Order(*seat));
            }
            last = Some(*seat);
            let validator = validators
                .validator(*seat)
                .filter(|_| committee.binary_search(seat).is_ok())
                .ok_or(AttestationError::NotAMember(*seat))?;
            if !validator.key.verifies(&digest, signature) {
                return Err(AttestationError::BadSignature(*seat));
            }
        }
        Ok(())
    }
}

impl Attested {
    /// Whether the whole committee has voted: the tier is reached.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.votes == self.verifiers
    }

    /// Whether one of the votes is honest whoever is corrupt, as long as the corrupt seats weigh no more than may be faulty.
    #[must_use]
    pub const fn holds_an_honest_vote(&self) -> bool {
        self.votes > self.corruptible
    }
}

impl ValidatorSet {
    /// The most seats that weigh no more together than what may be faulty: the lightest ones, as many as fit.
    #[must_use]
    pub fn corruptible_seats(&self) -> usize {
        let mut weights: Vec<u64> = self.validators().iter().map(|it| it.weight).collect();
        weights.sort_unstable();
        let mut room = self.fault_weight();
        weights
            .into_iter()
            .take_while(|weight| match room.checked_sub(*weight) {
                Some(left) => {
                    room = left;
                    true
                }
                None => false,
            })
            .count()
    }
}

#[cfg(test)]
mod tests;
