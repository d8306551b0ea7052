//! A manager's lies: two proposals in one view, and one that is not valid, in every way there is.

use super::{Adversary, Letter, Lie, Stand};
use salus_consensus::message::Message;
use salus_consensus::proposal::Proposal;
use salus_consensus::vote::Vote;
use salus_node::wire::Frame;
use salus_primitives::block::{Block, transaction_root};
use salus_primitives::certificate::Statement;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::SignedTransaction;
use std::collections::BTreeSet;

/// A second proposal in one view.
pub(super) struct Fork {
    proposal: Proposal,
    /// Who gets it.
    half: BTreeSet<usize>,
    /// Whether these get the first one too.
    both: bool,
}

/// A way in which a proposal is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Height,
    Epoch,
    View,
    Manager,
    UnknownParent,
    OldParent,
    TimeNotLater,
    TimeAhead,
    StateRoot,
    ReceiptRoot,
    OtherLane,
    OverQuota,
    VerifierCount,
    TransactionLimit,
    Committee,
    TransactionRoot,
    TransactionCount,
    TooManyTransactions,
    Expired,
    BeyondWindow,
    Replayed,
    Repeated,
    BadSignature,
    NextEpoch,
    BeyondBoundary,
    NoJustification,
    ForgedJustification,
    OtherVote,
}

impl Fault {
    const ALL: [Self; 28] = [
        Self::Height,
        Self::Epoch,
        Self::View,
        Self::Manager,
        Self::UnknownParent,
        Self::OldParent,
        Self::TimeNotLater,
        Self::TimeAhead,
        Self::StateRoot,
        Self::ReceiptRoot,
        Self::OtherLane,
        Self::OverQuota,
        Self::VerifierCount,
        Self::TransactionLimit,
        Self::Committee,
        Self::TransactionRoot,
        Self::TransactionCount,
        Self::TooManyTransactions,
        Self::Expired,
        Self::BeyondWindow,
        Self::Replayed,
        Self::Repeated,
        Self::BadSignature,
        Self::NextEpoch,
        Self::BeyondBoundary,
        Self::NoJustification,
        Self::ForgedJustification,
        Self::OtherVote,
    ];
}

impl Adversary {
    /// In views it manages: another block for some. What it says of the view later fits what each was told.
    pub(super) fn equivocate(
        &mut self,
        stand: &Stand,
        to: &[usize],
        frame: &Frame,
        letters: &mut Vec<Letter>,
    ) {
        if let Frame::Consensus(Message::Proposal(proposal)) = frame {
            let position = position(&proposal.vote);
            if !self.forks.contains_key(&position)
                && let Some(fork) = self.fork(stand, to, proposal)
            {
                self.count("proposals_forked", 1);
                self.memory
                    .keep(&Frame::Consensus(Message::Proposal(Box::new(
                        fork.proposal.clone(),
                    ))));
                self.forks.insert(position, fork);
            }
        }
        let mut extra = Vec::new();
        for letter in letters.iter_mut() {
            let Lie::Frame(Frame::Consensus(message)) = &mut letter.content else {
                continue;
            };
            match message {
                Message::Proposal(proposal) => {
                    let Some(fork) = self.forks.get(&position(&proposal.vote)) else {
                        continue;
                    };
                    if fork.half.contains(&letter.to) {
                        if fork.both {
                            let first = Frame::Consensus(Message::Proposal(proposal.clone()));
                            extra.push(Letter::now(letter.to, first));
                        }
                        **proposal = fork.proposal.clone();
                    }
                }
                Message::Status(status) => {
                    for vote in &mut status.votes {
                        self.tell_of_fork(letter.to, vote);
                    }
                }
                Message::Vote { vote, .. } => self.tell_of_fork(letter.to, vote),
                Message::Certificates(_) => {}
            }
        }
        letters.extend(extra);
    }

    fn tell_of_fork(&self, to: usize, vote: &mut Vote) {
        if let Statement::Notarize { .. } = vote.statement
            && let Some(fork) = self.forks.get(&position(vote))
            && fork.half.contains(&to)
        {
            *vote = fork.proposal.vote;
        }
    }

    fn fork(&mut self, stand: &Stand, to: &[usize], proposal: &Proposal) -> Option<Fork> {
        if !self.dice.percent(70) {
            return None;
        }
        let mut block = proposal.block.clone();
        block.header.time = block.header.time.plus_millis(1);
        if self.dice.percent(50) {
            let mut transactions = block.transactions.clone();
            transactions.pop();
            fill(&mut block, transactions);
        }
        let proposal = signed(stand, proposal, block)?;
        let share = self.dice.between(20, 80);
        Some(Fork {
            proposal,
            half: to
                .iter()
                .filter(|_| self.dice.percent(share))
                .copied()
                .collect(),
            both: self.dice.percent(25),
        })
    }

    /// In views it manages: something that is not valid, for all or for some.
    pub(super) fn spoil(&mut self, stand: &Stand, frame: &Frame, letters: &mut [Letter]) {
        let Frame::Consensus(Message::Proposal(proposal)) = frame else {
            return;
        };
        if self.always.is_none() && !self.dice.percent(60) {
            return;
        }
        // what can do most harm; and the last block of an epoch is rare
        let ends = proposal.block.header.next_epoch.is_some();
        let exhausted = stand.demotions.as_ref().map(|it| it.exhausted());
        let is_over = exhausted.is_some_and(|exhausted| !exhausted.is_empty());
        let fault = if let Some(always) = self.always {
            always
        } else if ends && self.dice.percent(40) {
            Fault::NextEpoch
        } else if is_over && self.dice.percent(20) {
            Fault::OverQuota
        } else if self.dice.percent(30) {
            *self
                .dice
                .pick(&[Fault::OldParent, Fault::OldParent, Fault::Replayed])
        } else {
            *self.dice.pick(&Fault::ALL)
        };
        let Some(spoilt) = self.spoilt(stand, proposal, fault) else {
            return;
        };
        self.count("proposals_spoilt", 1);
        let share = match self.always {
            Some(_) => 100,
            None => *self.dice.pick(&[50, 100, 100]),
        };
        for letter in letters {
            let is_proposal = matches!(
                letter.content,
                Lie::Frame(Frame::Consensus(Message::Proposal(_)))
            );
            if is_proposal && self.dice.percent(share) {
                let message = Message::Proposal(Box::new(spoilt.clone()));
                letter.content = Lie::Frame(Frame::Consensus(message));
            }
        }
    }

    /// The proposal with one fault, signed as it is.
    fn spoilt(&mut self, stand: &Stand, from: &Proposal, fault: Fault) -> Option<Proposal> {
        let mut block = from.block.clone();
        let parameters = &stand.genesis.parameters;
        let header = &mut block.header;
        match fault {
            Fault::Height => header.height = header.height.plus(1),
            Fault::Epoch => header.epoch = header.epoch.next(),
            Fault::View => header.view = View::new(header.view.get() + self.dice.between(1, 3)),
            Fault::Manager => {
                let seats = u16::try_from(stand.validators.len()).unwrap_or(u16::MAX);
                header.manager = Seat::new((header.manager.get() + 1) % seats);
            }
            Fault::UnknownParent => header.parent.0[0] ^= 1,
            Fault::OldParent => self.build_on_older(stand, &mut block)?,
            Fault::TimeNotLater => header.time = Timestamp::from_millis(1_000_001),
            Fault::TimeAhead => {
                header.time = header
                    .time
                    .plus_millis(*self.dice.pick(&[5_000, 3_600_000]));
            }
            Fault::StateRoot => header.parent_state_root.0[0] ^= 1,
            Fault::ReceiptRoot => header.parent_receipt_root.0[0] ^= 1,
            Fault::OtherLane => {
                let others: Vec<Lane> = Lane::ALL
                    .into_iter()
                    .filter(|lane| *lane != header.lane)
                    .collect();
                let lane = *self.dice.pick(&others);
                header.lane = lane;
                let lane = stand.lanes.lane(lane)?;
                header.config =
                    lane.block_config(stand.genesis.hash, &stand.validators, header.height);
            }
            Fault::OverQuota => {
                let exhausted: Vec<_> = stand.demotions.as_ref()?.exhausted().iter().collect();
                if exhausted.is_empty() {
                    return None;
                }
                let (lane, entity) = **self.dice.pick(&exhausted);
                let mut body = self.transaction_in(stand, lane, header.height.plus(4)).body;
                body.entity = entity;
                let over = Signed::sign(body, stand.genesis.hash, &self.operator);
                header.lane = lane;
                header.config = stand.lanes.lane(lane)?.block_config(
                    stand.genesis.hash,
                    &stand.validators,
                    header.height,
                );
                fill(&mut block, vec![over.into_signed()]);
                self.count("proposals_over_quota", 1);
            }
            Fault::VerifierCount => header.config.verifier_count += 1,
            Fault::TransactionLimit => header.config.transaction_limit += 1,
            Fault::Committee => {
                header.config.committee.pop()?;
            }
            Fault::TransactionRoot => header.transaction_root.0[0] ^= 1,
            Fault::TransactionCount => header.transaction_count += 1,
            Fault::TooManyTransactions => {
                let limit = stand.lanes.lane(header.lane)?.transaction_limit;
                let until = header.height.plus(8);
                let lane = header.lane;
                let many = (0..=limit)
                    .map(|_| self.transaction_in(stand, lane, until))
                    .collect();
                fill(&mut block, many);
            }
            Fault::Expired | Fault::BeyondWindow | Fault::BadSignature => {
                let until = match fault {
                    Fault::Expired => header.height.previous()?,
                    Fault::BeyondWindow => header.height.plus(parameters.window_blocks + 1),
                    _ => header.height.plus(4),
                };
                let lane = header.lane;
                let mut transaction = self.transaction_in(stand, lane, until);
                if fault == Fault::BadSignature {
                    transaction.signature.0[9] ^= 4;
                }
                fill(&mut block, vec![transaction]);
            }
            Fault::Replayed => {
                let height = header.height;
                let fits = |old: &&SignedTransaction| old.body.valid_until >= height;
                let of = |(_, old): &(BlockId, Block)| old.header.height < height;
                // what is not final yet is not known by its id in the window, what is old leaves it soon
                let newest = self.dice.percent(50);
                let blocks = self.memory.blocks();
                let mut old = blocks
                    .filter(|block| of(block))
                    .flat_map(|(_, old)| old.transactions.iter());
                let old = if newest {
                    old.rfind(fits)
                } else {
                    old.find(fits)
                };
                let old = old.cloned()?;
                header.lane = old.body.lane;
                let lane = stand.lanes.lane(header.lane)?;
                header.config =
                    lane.block_config(stand.genesis.hash, &stand.validators, header.height);
                fill(&mut block, vec![old]);
            }
            Fault::Repeated => {
                let (lane, until) = (header.lane, header.height.plus(4));
                let transaction = self.transaction_in(stand, lane, until);
                fill(&mut block, vec![transaction.clone(), transaction]);
            }
            Fault::NextEpoch => {
                header.next_epoch = match header.next_epoch {
                    Some(_) if self.dice.percent(50) => None,
                    Some(mut digest) => {
                        digest.0[0] ^= 1;
                        Some(digest)
                    }
                    None => Some(Digest([3; 32])),
                };
            }
            Fault::BeyondBoundary => {
                let beyond = parameters.last_height(stand.epoch).plus(1);
                header.height = beyond;
                header.next_epoch = None;
                let last = self
                    .memory
                    .blocks()
                    .rev()
                    .find(|(_, old)| old.header.height.next() == beyond)?;
                header.parent = last.0;
            }
            Fault::NoJustification => {
                let mut proposal = signed(stand, from, block)?;
                proposal.justification.clear();
                return Some(proposal);
            }
            Fault::ForgedJustification => {
                let mut proposal = signed(stand, from, block)?;
                let forged = self.forged(stand)?;
                if self.dice.percent(50) {
                    proposal.justification.clear();
                }
                proposal.justification.push(forged);
                return Some(proposal);
            }
            Fault::OtherVote => {
                let mut proposal = from.clone();
                let mut id = BlockId(proposal.block.id().0);
                id.0[0] ^= 1;
                let (epoch, view) = position(&from.vote);
                proposal.vote = stand.sign(Statement::Notarize {
                    epoch,
                    view,
                    block: id,
                })?;
                return Some(proposal);
            }
        }
        signed(stand, from, block)
    }

    /// Puts a block on an older one than the certificates ask for, with the roots that its other child names.
    fn build_on_older(&mut self, stand: &Stand, block: &mut Block) -> Option<()> {
        let height = block.header.height;
        let older: Vec<(BlockId, Block, Block)> = self
            .memory
            .blocks()
            .filter(|(_, child)| child.header.height < height)
            .filter_map(|(_, child)| {
                let parent = self
                    .memory
                    .blocks()
                    .find(|(id, _)| *id == child.header.parent)?;
                Some((parent.0, parent.1.clone(), child.clone()))
            })
            .collect();
        if older.is_empty() {
            return None;
        }
        // the newest are not final yet: there a fork does harm
        let back = self.dice.index(older.len().min(4));
        let (id, parent, child) = &older[older.len() - 1 - back];
        let header = &mut block.header;
        header.parent = *id;
        header.height = parent.header.height.next();
        header.parent_state_root = child.header.parent_state_root;
        header.parent_receipt_root = child.header.parent_receipt_root;
        header.next_epoch = child.header.next_epoch;
        let lane = stand.lanes.lane(header.lane)?;
        header.config = lane.block_config(stand.genesis.hash, &stand.validators, header.height);
        fill(block, Vec::new());
        Some(())
    }

    fn transaction_in(
        &mut self,
        stand: &Stand,
        lane: Lane,
        until: salus_primitives::ids::Height,
    ) -> salus_primitives::transaction::SignedTransaction {
        loop {
            let transaction = self.transaction(stand, until);
            if transaction.body.lane == lane {
                return transaction;
            }
        }
    }
}

/// A proposal of another block in the same view.
fn signed(stand: &Stand, from: &Proposal, block: Block) -> Option<Proposal> {
    let (epoch, view) = position(&from.vote);
    let vote = stand.sign(Statement::Notarize {
        epoch,
        view,
        block: block.id(),
    })?;
    Some(Proposal {
        vote,
        block,
        justification: from.justification.clone(),
    })
}

/// Gives a block other transactions, and a header that commits to them.
fn fill(block: &mut Block, transactions: Vec<salus_primitives::transaction::SignedTransaction>) {
    block.header.transaction_count = u32::try_from(transactions.len()).unwrap_or(u32::MAX);
    block.header.transaction_root = transaction_root(&transactions);
    block.transactions = transactions;
}

const fn position(vote: &Vote) -> (salus_primitives::ids::Epoch, salus_primitives::ids::View) {
    (vote.statement.epoch(), vote.statement.view())
}
