//! What work costs on a validator's processors, in virtual microseconds of the fastest one.
//!
//! One processor decides (frames, signatures, votes), another executes, as in the runtime. The figures are of the size of what was
//! measured on one core of a small server; what matters here is how they grow, and that slower validators take a multiple.

use crate::sim::node::Node;
use salus_consensus::message::Message;
use salus_node::wire::{Frame, Response};
use salus_primitives::block::Block;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::transaction::TxId;

/// Any input at all: decoding, queues, writing the journal.
pub const INPUT_US: u64 = 30;
/// A signature of a vote, alone or in a certificate that is new.
pub const VOTE_US: u64 = 35;
/// A signature of a transaction, in a batch.
pub const TRANSACTION_US: u64 = 15;
/// Decoding and hashing a KiB.
pub const KIB_US: u64 = 2;
/// Executing and committing a block, whatever is in it.
pub const EXECUTE_BLOCK_US: u64 = 400;
/// Executing a transaction.
pub const EXECUTE_TRANSACTION_US: u64 = 40;

/// What a frame costs its receiver, before it has looked at it. `ids` are those of the transactions in it.
#[must_use]
pub fn of_frame(node: &Node, frame: &Frame, bytes: u64, ids: &[TxId]) -> u64 {
    let Some(replica) = node.replica() else {
        return 0;
    };
    let engine = replica.engine();
    let certificates = |certificates: &[Certificate]| -> u64 {
        certificates
            .iter()
            .filter(|it| !engine.knows(&it.statement))
            .map(|it| it.votes.len() as u64)
            .sum()
    };
    let unchecked = |transactions: &[_]| -> u64 {
        let unknown = transactions
            .iter()
            .zip(ids)
            .filter(|(transaction, id)| !replica.mempool().has_checked(id, transaction));
        unknown.count() as u64
    };
    let (votes, transactions) = match frame {
        Frame::Consensus(Message::Proposal(proposal)) => (
            1 + certificates(&proposal.justification),
            unchecked(&proposal.block.transactions),
        ),
        Frame::Consensus(Message::Vote { vote, entry }) => {
            // a committee's vote counts after finality too, and once, so that its signature is checked
            let is_old = vote.statement.view() <= engine.final_view()
                && !matches!(vote.statement, Statement::Notarize { .. });
            let entry = entry
                .as_ref()
                .map_or(0, |it| certificates(std::slice::from_ref(it)));
            (u64::from(!is_old) + entry, 0)
        }
        Frame::Consensus(Message::Certificates(list)) => (certificates(list), 0),
        Frame::Consensus(Message::Status(status)) => {
            let new = status
                .votes
                .iter()
                .filter(|vote| vote.statement.view() > engine.final_view());
            (new.count() as u64, 0)
        }
        Frame::Transactions(transactions) => (0, unchecked(transactions)),
        Frame::Response(Response::Certificates(list)) => (certificates(list), 0),
        Frame::Response(Response::Body(_) | Response::Range { .. } | Response::Diagnosis(_))
        | Frame::Request(_) => (0, 0),
    };
    INPUT_US + VOTE_US * votes + TRANSACTION_US * transactions + KIB_US * bytes / 1024
}

/// What executing a block costs.
#[must_use]
pub fn of_execution(block: &Block) -> u64 {
    EXECUTE_BLOCK_US + EXECUTE_TRANSACTION_US * block.transactions.len() as u64
}
