//! What happened to every transaction, as its client's own node sees it.

use super::uplink::Parcel;
use salus_primitives::ids::{BlockId, Height, Seat};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use std::collections::BTreeMap;

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

/// When a block was proposed.
#[derive(Debug)]
struct Proposed {
    at_us: u64,
    lane: Lane,
    is_empty: bool,
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Record {
    samples: BTreeMap<TxId, Sample>,
    blocks: BTreeMap<BlockId, Known>,
    finals: BTreeMap<BlockId, FinalBlock>,
    /// Blocks by height, as they were proposed first.
    proposed: BTreeMap<Height, Proposed>,
    /// What was submitted earlier does not count.
    counts_from_us: u64,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            samples: BTreeMap::new(),
            blocks: BTreeMap::new(),
            finals: BTreeMap::new(),
            proposed: BTreeMap::new(),
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

    /// A frame is on its way: if it holds a block, that is known from now on.
    pub(super) fn learn(&mut self, now_us: u64, parcel: &Parcel) {
        if let Some(block) = parcel.block() {
            let header = &block.header;
            self.proposed.entry(header.height).or_insert(Proposed {
                at_us: now_us,
                lane: header.lane,
                is_empty: header.transaction_count == 0,
            });
            self.blocks.entry(block.id()).or_insert_with(|| Known {
                committee: block.header.config.committee.clone(),
                transactions: parcel.ids.clone(),
            });
        }
    }

    /// A node has the votes of all of a block's committee.
    pub(super) fn on_attested(&mut self, now_us: u64, node: usize, id: BlockId) {
        let known = self.blocks.get(&id);
        for transaction in known.map_or(&[][..], |known| &known.transactions) {
            if let Some(sample) = self.samples.get_mut(transaction)
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

    /// How long each block with transactions in it kept the next one from being proposed, in microseconds, with its lane.
    pub(super) fn holds(&self) -> impl Iterator<Item = (Lane, u64)> {
        let of = self
            .proposed
            .iter()
            .filter(|(_, it)| !it.is_empty && it.at_us >= self.counts_from_us);
        of.filter_map(|(height, it)| {
            let next = self.proposed.get(&height.next())?;
            Some((it.lane, next.at_us - it.at_us))
        })
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
