//! What consensus says to other nodes.

use crate::proposal::{Proposal, ProposalError, VerifiedProposal};
use crate::vote::{VerifiedVote, Vote, VoteError};
use salus_primitives::certificate::{
    Certificate, CertificateError, Statement, VerifiedCertificate,
};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{Epoch, GenesisHash, Height, View};
use salus_primitives::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// The network key of the node a message came from or goes to. Authenticated by the connection.
pub type Peer = PublicKey;

/// A message as it travels: bounded by its frame, checked by [`Message::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Rule 2.
    Proposal(Box<Proposal>),
    /// Rules 3, 4 and 5. A nullify vote carries the certificate by which its signer entered the view.
    Vote {
        /// The vote.
        vote: Vote,
        /// How its signer entered the view.
        entry: Option<Certificate>,
    },
    /// Rules 4 and 5: what a tally gave, or what moves a peer on.
    Certificates(Vec<Certificate>),
    /// Rule 9: what a node says again every delta, and to a peer that just connected.
    Status(Status),
}

/// Where a node stands, with what it has said there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its epoch.
    pub epoch: Epoch,
    /// The view it is in.
    pub view: View,
    /// The view of its last final block.
    pub final_view: View,
    /// The height of its last final block.
    pub final_height: Height,
    /// Its own votes that may still count.
    pub votes: Vec<Vote>,
    /// How it entered its view.
    pub entry: Option<Certificate>,
}

/// Most votes in a [`Status`], and certificates in a message.
pub const LIST_MAX: usize = 64;

/// A message whose signatures have been checked.
#[derive(Clone, Debug)]
pub enum VerifiedMessage {
    /// See [`Message::Proposal`].
    Proposal(VerifiedProposal),
    /// See [`Message::Vote`].
    Vote {
        /// The vote.
        vote: VerifiedVote,
        /// How its signer entered the view, unless known before.
        entry: Option<VerifiedCertificate>,
    },
    /// See [`Message::Certificates`].
    Certificates(Vec<VerifiedCertificate>),
    /// See [`Message::Status`]; position and heights are claims.
    Status {
        /// The position.
        position: Position,
        /// The votes.
        votes: Vec<VerifiedVote>,
        /// How it entered its view, unless known before.
        entry: Option<VerifiedCertificate>,
    },
}

/// Where a peer claims to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The view it is in.
    pub view: View,
    /// The view of its last final block.
    pub final_view: View,
    /// The height of its last final block.
    pub final_height: Height,
}

/// Why a message is dropped. Each is its sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A proposal.
    #[error("proposal: {0}")]
    Proposal(#[from] ProposalError),
    /// A vote.
    #[error("vote: {0}")]
    Vote(#[from] VoteError),
    /// A certificate.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// A list over its bound.
    #[error("{found} entries in a list of at most {LIST_MAX}")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl Message {
    /// Checks every signature of the message, except of certificates whose statement is `known` to be certified.
    ///
    /// # Errors
    /// [`MessageError`]; nothing of the message is used then.
    pub fn verify(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        known: impl Fn(&Statement) -> bool,
    ) -> Result<VerifiedMessage, MessageError> {
        let check_entry = |entry: Option<Certificate>| {
            entry
                .filter(|certificate| !known(&certificate.statement))
                .map(|certificate| certificate.verified(genesis, validators))
                .transpose()
        };
        match self {
            Self::Proposal(proposal) => Ok(VerifiedMessage::Proposal(
                proposal.verify(genesis, validators, &known)?,
            )),
            Self::Vote { vote, entry } => Ok(VerifiedMessage::Vote {
                vote: vote.verify(genesis, validators)?,
                entry: check_entry(entry)?,
            }),
            Self::Certificates(certificates) => {
                if certificates.len() > LIST_MAX {
                    return Err(MessageError::TooMany {
                        found: certificates.len(),
                    });
                }
                let certificates = certificates
                    .into_iter()
                    .filter(|certificate| !known(&certificate.statement))
                    .map(|certificate| certificate.verified(genesis, validators))
                    .collect::<Result<_, _>>()?;
                Ok(VerifiedMessage::Certificates(certificates))
            }
            Self::Status(status) => {
                if status.votes.len() > LIST_MAX {
                    return Err(MessageError::TooMany {
                        found: status.votes.len(),
                    });
                }
                if status.epoch != validators.epoch() {
                    return Err(VoteError::Epoch.into());
                }
                let votes = status
                    .votes
                    .into_iter()
                    .map(|vote| vote.verify(genesis, validators))
                    .collect::<Result<_, _>>()?;
                Ok(VerifiedMessage::Status {
                    position: Position {
                        view: status.view,
                        final_view: status.final_view,
                        final_height: status.final_height,
                    },
                    votes,
                    entry: check_entry(status.entry)?,
                })
            }
        }
    }
}
