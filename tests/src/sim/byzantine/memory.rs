//! What an adversary has heard, as far as it can use it.

use crate::sim::scenario::Dice;
use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::wire::{Frame, Response};
use salus_primitives::block::Block;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::{BlockId, Epoch, Seat, View};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The last of what was heard.
#[derive(Default)]
pub(super) struct Memory {
    frames: VecDeque<Frame>,
    blocks: VecDeque<(BlockId, Block)>,
    /// Blocks that were proposed in a view.
    proposed: BTreeMap<(Epoch, View), BTreeSet<BlockId>>,
    votes: BTreeMap<Statement, BTreeMap<Seat, Signature>>,
    /// The order in which statements came.
    statements: VecDeque<Statement>,
    certificates: VecDeque<Certificate>,
}

const FRAMES: usize = 64;
const BLOCKS: usize = 32;
const VIEWS: usize = 32;
const STATEMENTS: usize = 128;
const CERTIFICATES: usize = 32;

impl Memory {
    pub(super) fn keep(&mut self, frame: &Frame) {
        match frame {
            Frame::Consensus(message) => self.keep_message(message),
            Frame::Response(Response::Range { finalization, .. }) => {
                self.keep_certificate(finalization);
            }
            Frame::Response(Response::Certificates(certificates)) => {
                for certificate in certificates {
                    self.keep_certificate(certificate);
                }
            }
            Frame::Response(Response::Body(_) | Response::Diagnosis(_))
            | Frame::Request(_)
            | Frame::Transactions(_) => {}
        }
        push(&mut self.frames, FRAMES, frame.clone());
    }

    fn keep_message(&mut self, message: &Message) {
        match message {
            Message::Proposal(proposal) => {
                let (epoch, view) = position(&proposal.vote.statement);
                let id = proposal.block.id();
                if self.proposed.entry((epoch, view)).or_default().insert(id) {
                    push(&mut self.blocks, BLOCKS, (id, proposal.block.clone()));
                }
                while self.proposed.len() > VIEWS {
                    self.proposed.pop_first();
                }
                self.keep_vote(&proposal.vote);
                for certificate in &proposal.justification {
                    self.keep_certificate(certificate);
                }
            }
            Message::Vote { vote, entry } => {
                self.keep_vote(vote);
                entry.iter().for_each(|entry| self.keep_certificate(entry));
            }
            Message::Certificates(certificates) => {
                for certificate in certificates {
                    self.keep_certificate(certificate);
                }
            }
            Message::Status(status) => {
                for vote in &status.votes {
                    self.keep_vote(vote);
                }
            }
        }
    }

    fn keep_vote(&mut self, vote: &Vote) {
        self.keep_signature(vote.statement, vote.seat, vote.signature);
    }

    fn keep_signature(&mut self, statement: Statement, seat: Seat, signature: Signature) {
        if !self.votes.contains_key(&statement) {
            if self.statements.len() == STATEMENTS
                && let Some(oldest) = self.statements.pop_front()
            {
                self.votes.remove(&oldest);
            }
            self.statements.push_back(statement);
        }
        self.votes
            .entry(statement)
            .or_default()
            .insert(seat, signature);
    }

    fn keep_certificate(&mut self, certificate: &Certificate) {
        for (seat, signature) in &certificate.votes {
            self.keep_signature(certificate.statement, *seat, *signature);
        }
        if !self.certificates.contains(certificate) {
            push(&mut self.certificates, CERTIFICATES, certificate.clone());
        }
    }

    /// Blocks that were proposed in a view.
    pub(super) fn proposed_in(&self, epoch: Epoch, view: View) -> Vec<BlockId> {
        let blocks = self.proposed.get(&(epoch, view));
        blocks.into_iter().flatten().copied().collect()
    }

    /// The last blocks, oldest first.
    pub(super) fn blocks(&self) -> impl DoubleEndedIterator<Item = &(BlockId, Block)> {
        self.blocks.iter()
    }

    /// The signatures under a statement.
    pub(super) fn any_votes(&self, dice: &mut Dice) -> Option<(Statement, Vec<(Seat, Signature)>)> {
        if self.statements.is_empty() {
            return None;
        }
        // mostly of the present
        let back = dice.index(self.statements.len().min(12));
        let statement = self.statements[self.statements.len() - 1 - back];
        let votes = self.votes.get(&statement)?;
        Some((statement, votes.iter().map(|(s, v)| (*s, *v)).collect()))
    }

    pub(super) fn any_certificate(&self, dice: &mut Dice) -> Option<Certificate> {
        pick(&self.certificates, dice)
    }

    pub(super) fn any_frame(&self, dice: &mut Dice) -> Option<Frame> {
        pick(&self.frames, dice)
    }
}

fn position(statement: &Statement) -> (Epoch, View) {
    (statement.epoch(), statement.view())
}

fn push<T>(queue: &mut VecDeque<T>, most: usize, item: T) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

fn pick<T: Clone>(queue: &VecDeque<T>, dice: &mut Dice) -> Option<T> {
    if queue.is_empty() {
        return None;
    }
    queue.get(dice.index(queue.len())).cloned()
}
