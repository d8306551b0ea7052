//! What nodes say to one another: consensus, transactions, and requests for what is missing.

use salus_consensus::message::Message;
use salus_network::Channel;
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::Certificate;
use salus_primitives::codec::{self, CodecError};
use salus_primitives::ids::{BlockId, Height, View};
use salus_primitives::transaction::SignedTransaction;
use serde::{Deserialize, Serialize};

mod account;

pub use account::{Account, CONNECTED_MAX, Condition, Halt, ROOTS_MAX, RootAt};

/// One frame on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// Votes, certificates, proposals, positions.
    Consensus(Message),
    /// Transactions their sender's node has admitted.
    Transactions(Vec<SignedTransaction>),
    /// Something this node lacks.
    Request(Request),
    /// The answer to a request.
    Response(Response),
}

/// What a node asks of a peer. Answered if the peer has it, else not at all: the asker asks another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Request {
    /// A block that a certificate names.
    Body(BlockId),
    /// The certificates that lead from this view to the peer's.
    Certificates {
        /// The first view a certificate is wanted for.
        from: View,
    },
    /// Final blocks from this height on.
    Range {
        /// The first height wanted.
        from: Height,
    },
    /// The finalisation of the block at this height: of an epoch's last one, it moves a peer on that is still in it.
    Finalization(Height),
    /// The peer's account of itself: an operator asks why nothing is final.
    Diagnosis,
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// A block.
    Body(Box<Block>),
    /// Certificates.
    Certificates(Vec<Certificate>),
    /// Consecutive final blocks, ascending, and what shows that they are final.
    Range {
        /// The blocks.
        blocks: Vec<Block>,
        /// The headers that follow them, up to one that has a finalisation of its own; none if the last block has one.
        trail: Vec<Header>,
        /// Finalises the last of these headers, or without them the last block.
        finalization: Certificate,
    },
    /// The peer's account of itself: a claim.
    Diagnosis(Box<Account>),
}

/// Largest frame in bytes.
pub const FRAME_MAX: usize = 4 * 1024 * 1024;
/// Largest proposal that travels with the votes instead of behind data, in bytes.
const URGENT_MAX: usize = 64 * 1024;
/// Most transactions in one frame.
pub const TRANSACTIONS_MAX: usize = 1_024;
/// Most encoded bytes of transactions in one frame.
pub const TRANSACTIONS_BYTES: usize = 1024 * 1024;
/// Most blocks in a range.
pub const RANGE_BLOCKS: usize = 64;
/// Most bytes of blocks in a range, unless its first block alone is larger.
pub const RANGE_BYTES: usize = 3 * 1024 * 1024;
/// Most bytes of blocks in a range with a trail, unless its first block alone is larger: the rest of the frame is the trail's.
pub const TRAILED_BYTES: usize = 1024 * 1024;
/// What a frame with a range holds besides blocks and trail at most, in bytes: a finalisation by the largest set, and lengths.
const RANGE_SPARE: usize = 64 * 1024;
/// Most bytes of blocks and trail in a range.
pub const RANGE_TOTAL: usize = FRAME_MAX - RANGE_SPARE;

impl Frame {
    /// Encodes the frame and chooses its channel: what decides on finality goes first, what is large goes with the data.
    #[must_use]
    pub fn encode(&self) -> (Channel, Vec<u8>) {
        let bytes = codec::encode(self);
        let urgent = match self {
            Self::Consensus(Message::Proposal(_)) => bytes.len() <= URGENT_MAX,
            Self::Consensus(_) | Self::Request(_) | Self::Response(Response::Diagnosis(_)) => true,
            Self::Response(Response::Body(_) | Response::Certificates(_)) => {
                bytes.len() <= URGENT_MAX
            }
            Self::Transactions(_) | Self::Response(Response::Range { .. }) => false,
        };
        let channel = if urgent {
            Channel::Consensus
        } else {
            Channel::Data
        };
        (channel, bytes)
    }

    /// Frames that carry these transactions, each within [`TRANSACTIONS_MAX`] and [`TRANSACTIONS_BYTES`].
    #[must_use]
    pub fn of_transactions(transactions: Vec<SignedTransaction>) -> Vec<Self> {
        let mut frames = Vec::new();
        let mut current = Vec::new();
        let mut bytes = 0;
        for transaction in transactions {
            let length = codec::encode(&transaction).len();
            if current.len() == TRANSACTIONS_MAX || bytes + length > TRANSACTIONS_BYTES {
                frames.push(Self::Transactions(std::mem::take(&mut current)));
                bytes = 0;
            }
            bytes += length;
            current.push(transaction);
        }
        if !current.is_empty() {
            frames.push(Self::Transactions(current));
        }
        frames
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// [`CodecError`]: the peer is at fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, FRAME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::codec::Blob;
    use salus_primitives::crypto::sign::SecretKey;
    use salus_primitives::ids::{ContractId, EntityId, GenesisHash};
    use salus_primitives::lane::Lane;
    use salus_primitives::signed::Signed;
    use salus_primitives::transaction::{Call, TRANSACTION_MAX, Transaction};

    fn transactions(count: usize, payload: usize) -> Vec<SignedTransaction> {
        let signer = SecretKey::from_seed([9; 32]).signer();
        let body = Transaction {
            genesis: GenesisHash([1; 32]),
            sender: signer.public(),
            entity: EntityId([4; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(9),
            nonce: [0; 16],
            call: Call {
                contract: ContractId::new(3),
                payload: Blob(vec![0; payload]),
            },
        };
        let transaction = Signed::sign(body, GenesisHash([1; 32]), &signer).into_signed();
        vec![transaction; count]
    }

    /// A batch of admitted transactions in one frame would be too large to send, and nobody would hear of them.
    #[test]
    fn transactions_are_split_into_frames_within_both_bounds() {
        for (count, payload) in [(1_500, 10), (100, TRANSACTION_MAX - 256), (1, 10), (0, 0)] {
            let frames = Frame::of_transactions(transactions(count, payload));

            let mut total = 0;
            for frame in &frames {
                let Frame::Transactions(part) = frame else {
                    panic!("{frame:?}");
                };
                total += part.len();
                assert!(!part.is_empty() && part.len() <= TRANSACTIONS_MAX);
                assert!(codec::encode(frame).len() <= TRANSACTIONS_BYTES + 16);
            }
            assert_eq!(total, count);
        }
    }
}
