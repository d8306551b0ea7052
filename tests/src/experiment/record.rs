//! What happened to every transaction, as its client's own node sees it.

use super::uplink::Parcel;
use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::wire::{Frame, Response};
use salus_primitives::block::Block;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::ids::{BlockId, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that counts.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) kind: Lane,
    /// The node that its client talks to.
    origin: usize,
    submitted_us: u64,
    attested_us: Option<u64>,
    final_us: Option<u64>,
}

/// A block with at least one transaction that is final.
#[derive(Clone, Debug)]
pub(super) struct FinalBlock {
    /// When the first node had it final.
    pub(super) at_us: u64,
    pub(super) committee: Vec<Seat>,
    pub(super) transactions: Vec<TxId>,
}

/// What a block says, as far as it matters here.
#[derive(Debug)]
struct Known {
    committee: Vec<Seat>,
    transactions: Vec<TxId>,
}

/// What one node has seen of a block in a view.
#[derive(Debug, Default)]
struct Sight {
    seats: BTreeSet<Seat>,
    is_attested: bool,
}

/// What one node has seen.
#[derive(Debug, Default)]
struct Seen {
    bodies: BTreeSet<BlockId>,
    votes: BTreeMap<(BlockId, View), Sight>,
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Record {
    samples: BTreeMap<TxId, Sample>,
    blocks: BTreeMap<BlockId, Known>,
    seen: Vec<Seen>,
    finals: BTreeMap<BlockId, FinalBlock>,
    /// What was submitted earlier does not count.
    counts_from_us: u64,
}

impl Record {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            samples: BTreeMap::new(),
            blocks: BTreeMap::new(),
            seen: (0..nodes).map(|_| Seen::default()).collect(),
            finals: BTreeMap::new(),
            counts_from_us: 0,
        }
    }

    /// What is submitted, or final, from now on counts.
    pub(super) fn begin(&mut self, now_us: u64) {
        self.counts_from_us = now_us;
        self.finals.clear();
    }

    pub(super) fn submitted(&mut self, now_us: u64, id: TxId, kind: Lane, origin: usize) {
        let sample = Sample {
            kind,
            origin,
            submitted_us: now_us,
            attested_us: None,
            final_us: None,
        };
        self.samples.insert(id, sample);
    }

    /// A node has received a frame, or says one itself.
    pub(super) fn seen(&mut self, now_us: u64, node: usize, parcel: &Parcel) {
        let mut touched = BTreeSet::new();
        if let Some(block) = parcel.block() {
            let id = block.id();
            self.learn(id, block, &parcel.ids);
            self.seen[node].bodies.insert(id);
            touched.extend(self.views_of(node, &id));
        }
        for (seat, statement) in votes_of(&parcel.frame) {
            if let Statement::Notarize { view, block, .. } = statement {
                let sight = self.seen[node].votes.entry((block, view)).or_default();
                if sight.seats.insert(seat) {
                    touched.insert((block, view));
                }
            }
        }
        for (block, view) in touched {
            self.attest(now_us, node, block, view);
        }
    }

    fn learn(&mut self, id: BlockId, block: &Block, ids: &[TxId]) {
        self.blocks.entry(id).or_insert_with(|| Known {
            committee: block.header.config.committee.clone(),
            transactions: ids.to_vec(),
        });
    }

    fn views_of(&self, node: usize, block: &BlockId) -> Vec<(BlockId, View)> {
        let all = (*block, View::ZERO)..=(*block, View::new(u64::MAX));
        self.seen[node]
            .votes
            .range(all)
            .map(|(key, _)| *key)
            .collect()
    }

    /// Marks what a block holds as attested at a node that has seen the block, and every committee member's vote for it in one view.
    fn attest(&mut self, now_us: u64, node: usize, block: BlockId, view: View) {
        let seen = &mut self.seen[node];
        let (Some(sight), Some(known)) =
            (seen.votes.get_mut(&(block, view)), self.blocks.get(&block))
        else {
            return;
        };
        let is_attested = seen.bodies.contains(&block)
            && known
                .committee
                .iter()
                .all(|seat| sight.seats.contains(seat));
        if !is_attested || std::mem::replace(&mut sight.is_attested, true) {
            return;
        }
        for id in &known.transactions {
            if let Some(sample) = self.samples.get_mut(id)
                && sample.origin == node
            {
                sample.attested_us.get_or_insert(now_us);
            }
        }
    }

    /// A node has a block final. Returns the transactions that its own clients submitted.
    pub(super) fn on_final(&mut self, now_us: u64, node: usize, id: BlockId) -> Vec<TxId> {
        let Some(known) = self.blocks.get(&id) else {
            return Vec::new();
        };
        let mut own = Vec::new();
        for transaction in &known.transactions {
            if let Some(sample) = self.samples.get_mut(transaction)
                && sample.origin == node
                && sample.final_us.is_none()
            {
                sample.final_us = Some(now_us);
                own.push(*transaction);
            }
        }
        if !known.transactions.is_empty() {
            self.finals.entry(id).or_insert_with(|| FinalBlock {
                at_us: now_us,
                committee: known.committee.clone(),
                transactions: known.transactions.clone(),
            });
        }
        own
    }

    /// What kind of transaction this is, unless it is none of those that clients submitted.
    pub(super) fn kind(&self, id: &TxId) -> Option<Lane> {
        Some(self.samples.get(id)?.kind)
    }

    /// Those that count.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        let from_us = self.counts_from_us;
        self.samples
            .values()
            .filter(move |it| it.submitted_us >= from_us)
    }

    pub(super) fn finals(&self) -> impl Iterator<Item = &FinalBlock> {
        self.finals.values()
    }

    /// Whether all that counts is final where it was submitted.
    pub(super) fn is_settled(&self) -> bool {
        self.samples().all(|sample| sample.final_us.is_some())
    }
}

impl Sample {
    /// From its submission until its node had the votes of all of its block's committee, in microseconds.
    pub(super) fn attested_after_us(&self) -> Option<u64> {
        Some(self.attested_us? - self.submitted_us)
    }

    /// From its submission until its node had it final, in microseconds.
    pub(super) fn final_after_us(&self) -> Option<u64> {
        Some(self.final_us? - self.submitted_us)
    }
}

fn votes_of(frame: &Frame) -> Vec<(Seat, Statement)> {
    let of_vote = |vote: &Vote| (vote.seat, vote.statement);
    let of_certificates = |certificates: &[Certificate]| -> Vec<(Seat, Statement)> {
        certificates
            .iter()
            .flat_map(|it| it.votes.iter().map(|(seat, _)| (*seat, it.statement)))
            .collect()
    };
    match frame {
        Frame::Consensus(Message::Proposal(proposal)) => {
            let mut votes = of_certificates(&proposal.justification);
            votes.push(of_vote(&proposal.vote));
            votes
        }
        Frame::Consensus(Message::Vote { vote, entry }) => {
            let mut votes = entry
                .as_ref()
                .map(|entry| of_certificates(std::slice::from_ref(entry)))
                .unwrap_or_default();
            votes.push(of_vote(vote));
            votes
        }
        Frame::Consensus(Message::Certificates(list))
        | Frame::Response(Response::Certificates(list)) => of_certificates(list),
        Frame::Consensus(Message::Status(status)) => {
            let entry = status.entry.as_ref();
            let mut votes = entry
                .map(|entry| of_certificates(std::slice::from_ref(entry)))
                .unwrap_or_default();
            votes.extend(status.votes.iter().map(of_vote));
            votes
        }
        Frame::Transactions(_) | Frame::Request(_) | Frame::Response(_) => Vec::new(),
    }
}
