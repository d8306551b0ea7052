//! Properties that hold after every event.

use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::wire::Frame;
use salus_primitives::block::Block;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, Epoch, Height, Seat, View};
use salus_primitives::state::StateRoot;
use salus_primitives::transaction::TxId;
use std::collections::BTreeMap;

/// What was seen of the whole cluster.
#[derive(Debug, Default)]
pub struct Checks {
    /// One block a height, one root after it.
    finals: BTreeMap<Height, (BlockId, StateRoot)>,
    /// Where each transaction is final.
    included: BTreeMap<TxId, Height>,
    /// What each honest seat has said aloud in each view.
    said: BTreeMap<(Seat, Epoch, View), Said>,
    violation: Option<String>,
}

#[derive(Debug, Default)]
struct Said {
    notarized: Option<BlockId>,
    finalized: Option<BlockId>,
    nullified: bool,
}

/// Tenure of the simulated chain, for rule 6.
const TENURE: u64 = 4;

impl Checks {
    /// The first violation found.
    #[must_use]
    pub const fn violation(&self) -> Option<&String> {
        self.violation.as_ref()
    }

    /// A node says that a block is final with this root after it. No transaction is in two of them.
    pub fn on_final(&mut self, node: &str, id: BlockId, block: &Block, root: StateRoot) {
        let height = block.header.height;
        for transaction in &block.transactions {
            let transaction = transaction.body.id();
            let first = *self.included.entry(transaction).or_insert(height);
            if first != height {
                self.violate(format!(
                    "{node} has transaction {transaction} final at heights {first} and {height}"
                ));
            }
        }
        let known = self.finals.entry(height).or_insert((id, root));
        if *known != (id, root) {
            let known = *known;
            self.violate(format!(
                "{node} has {id} with root {root} final at height {height}, another node has {known:?}"
            ));
        }
    }

    /// An honest node sends a frame. Says how many votes are in it.
    pub fn on_sent(&mut self, seat: Seat, frame: &Frame) -> u64 {
        let votes = match frame {
            Frame::Consensus(Message::Vote { vote, .. }) => std::slice::from_ref(vote),
            Frame::Consensus(Message::Proposal(proposal)) => std::slice::from_ref(&proposal.vote),
            Frame::Consensus(Message::Status(status)) => &status.votes,
            Frame::Consensus(Message::Certificates(_))
            | Frame::Transactions(_)
            | Frame::Request(_)
            | Frame::Response(_) => &[],
        };
        for vote in votes {
            self.on_vote(seat, vote);
        }
        votes.len() as u64
    }

    /// An honest key never signs two things that exclude each other, crash or not (rules 3 and 6).
    fn on_vote(&mut self, seat: Seat, vote: &Vote) {
        if vote.seat != seat {
            self.violate(format!("seat {seat} sends a vote as seat {}", vote.seat));
            return;
        }
        let (epoch, view) = (vote.statement.epoch(), vote.statement.view());
        let said = self.said.entry((seat, epoch, view)).or_default();
        let conflict = match vote.statement {
            Statement::Notarize { block, .. } => said
                .notarized
                .replace(block)
                .is_some_and(|first| first != block),
            Statement::Finalize { block, .. } => said
                .finalized
                .replace(block)
                .is_some_and(|first| first != block),
            Statement::Nullify { .. } => {
                said.nullified = true;
                false
            }
        };
        if conflict {
            self.violate(format!(
                "seat {seat} contradicts itself: {:?}",
                vote.statement
            ));
        }
        let term = (view.get() - 1) / TENURE;
        let (first, last) = (term * TENURE + 1, (term + 1) * TENURE);
        let mut nullified = None;
        for number in first..=last {
            let Some(said) = self.said.get(&(seat, epoch, View::new(number))) else {
                continue;
            };
            if said.nullified && nullified.is_none() {
                nullified = Some(number);
            }
            if let (Some(nullified), Some(block)) = (nullified, said.finalized) {
                self.violate(format!(
                    "seat {seat} nullified view {nullified} and finalised {block} in view {number} of one term"
                ));
                return;
            }
        }
    }

    fn violate(&mut self, violation: String) {
        self.violation.get_or_insert(violation);
    }
}
