//! What is final: one chain, in which every header follows from its parent, and every epoch from the one before.

use super::{Checks, Finality, Identity, LEAD_MAX_MS};
use crate::sim::history::Moment;
use crate::sim::property::Property;
use salus_consensus::schedule::Schedule;
use salus_primitives::block::{Block, Header, transaction_root};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, Epoch, Height, Term};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::receipt_root;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::validators::ValidatorSet;
use std::sync::Arc;

/// What the first node to have a height final has there.
#[derive(Debug)]
pub(super) struct FinalHeight {
    id: BlockId,
    root: StateRoot,
    receipts: Digest,
    time: Timestamp,
}

impl Checks {
    pub(super) fn elect_founders(&mut self) {
        let header = &self.genesis.block.header;
        self.finals.insert(
            Height::ZERO,
            FinalHeight {
                id: header.id(),
                root: header.parent_state_root,
                receipts: receipt_root(&[]),
                time: header.time,
            },
        );
        let digest = self.genesis.first.digest();
        self.elected.insert(Epoch::ZERO.next(), digest);
    }

    /// A node has blocks final by this certificate, which names the last of them or a descendant.
    pub(in crate::sim) fn on_finalization(
        &mut self,
        node: &Identity,
        last: Option<BlockId>,
        certificate: &Certificate,
    ) {
        self.on_certificate(node, certificate);
        match certificate.statement {
            Statement::Finalize { block, .. } if self.is_at_or_above(block, last) => {}
            statement => self.violate(
                Property::CertificatesHold,
                format!(
                    "{} has {last:?} final by a certificate of {statement:?}",
                    node.name
                ),
            ),
        }
    }

    /// Whether a block is `last`, or may lie above it. What no honest node has final yet may: a Byzantine one can be the first.
    fn is_at_or_above(&self, block: BlockId, last: Option<BlockId>) -> bool {
        let height = |id| {
            let mut finals = self.finals.iter();
            finals
                .find(|(_, known)| known.id == id)
                .map(|(height, _)| *height)
        };
        Some(block) == last
            || last.is_some_and(|last| match (height(last), height(block)) {
                (_, None) => true,
                (Some(last), Some(block)) => last < block,
                (None, Some(_)) => false,
            })
    }

    /// A node says that a block is final. The first to say so of a height decides; its block is looked at in full.
    pub(in crate::sim) fn on_final(&mut self, node: &Identity, finality: Finality<'_>) {
        let Finality {
            id,
            block,
            root,
            receipts,
            elected,
        } = finality;
        let root_of_receipts = receipt_root(receipts);
        let height = block.header.height;
        self.note(Moment::Final {
            name: node.name.clone(),
            height,
            block: id,
            transactions: block.transactions.len(),
        });
        if let Some(known) = self.finals.get(&height) {
            if known.id != id {
                let message = format!(
                    "{} has {id} final at height {height}, another node {}",
                    node.name, known.id
                );
                self.violate(Property::OneBlockAHeight, message);
            } else if (known.root, known.receipts) != (root, root_of_receipts) {
                let message = format!(
                    "{} has root {root} after height {height}, another node {}",
                    node.name, known.root
                );
                self.violate(Property::EqualRoots, message);
            }
            return;
        }
        self.check_block(node, block);
        self.check_transactions(node, block);
        self.check_lanes(node, block, receipts);
        if let Some(config) = elected {
            self.check_elected(node, config.epoch(), config.digest());
        }
        let time = block.header.time;
        self.finals.insert(
            height,
            FinalHeight {
                id,
                root,
                receipts: root_of_receipts,
                time,
            },
        );
    }

    /// A node begins an epoch, or starts in one, with this set and the next, on a chain of this final height.
    pub(in crate::sim) fn on_epoch(
        &mut self,
        node: &Identity,
        set: &Arc<ValidatorSet>,
        lanes: &Arc<EpochLanes>,
        next: &EpochConfig,
        head: Height,
    ) {
        let epoch = set.epoch();
        self.note(Moment::Epoch {
            name: node.name.clone(),
            epoch,
        });
        let config = EpochConfig {
            validators: ValidatorSet::clone(set),
            lanes: EpochLanes::clone(lanes),
        };
        self.check_elected(node, epoch, config.digest());
        self.check_elected(node, next.epoch(), next.digest());
        let begins = epoch.previous().map_or(Height::ZERO, |before| {
            self.genesis.parameters.last_height(before)
        });
        if head < begins {
            self.violate(
                Property::ElectedSet,
                format!(
                    "{} begins epoch {epoch} at height {head}, before {begins} is final",
                    node.name
                ),
            );
        }
        if self.sets.contains_key(&epoch) {
            return;
        }
        let faulty: u64 = set
            .validators()
            .iter()
            .filter(|validator| self.is_faulty(&validator.entity))
            .map(|validator| validator.weight)
            .sum();
        let total: u64 = set.validators().iter().map(|v| v.weight).sum();
        if faulty > (total - 1) / 3 {
            self.violate(
                Property::WithinTheModel,
                format!("faulty members weigh {faulty} of {total} in epoch {epoch}"),
            );
        }
        let schedule = Schedule::new(self.genesis.hash, set);
        self.sets.insert(epoch, (Arc::clone(set), schedule));
        self.lanes.insert(epoch, Arc::clone(lanes));
    }

    fn check_elected(&mut self, node: &Identity, epoch: Epoch, digest: Digest) {
        let known = *self.elected.entry(epoch).or_insert(digest);
        if known != digest {
            self.violate(
                Property::ElectedSet,
                format!(
                    "{} holds {digest} for epoch {epoch}, the chain elected {known}",
                    node.name
                ),
            );
        }
    }

    fn check_block(&mut self, node: &Identity, block: &Block) {
        let header = &block.header;
        let height = header.height;
        let parent = height
            .previous()
            .and_then(|previous| self.finals.get(&previous));
        let problem = match parent {
            None => Some("is final before its parent"),
            Some(parent) => self.header_problem(header, parent),
        }
        .or_else(|| content_problem(block, self.lanes.get(&header.epoch)?));
        if let Some(problem) = problem {
            self.violate(
                Property::BlocksFollow,
                format!("{}: final block of height {height} {problem}", node.name),
            );
        }
    }

    fn header_problem(&self, header: &Header, parent: &FinalHeight) -> Option<&'static str> {
        let parameters = &self.genesis.parameters;
        let epoch = parameters.epoch_at(header.height);
        let Some((set, schedule)) = self.sets.get(&epoch) else {
            return Some("is of an epoch that has not begun");
        };
        let term = Term::new(header.view.get().saturating_sub(1) / self.tenure());
        let ends = parameters.epoch_ending_at(header.height).is_some();
        let named = ends
            .then(|| self.elected.get(&epoch.next()).copied())
            .flatten();
        let lane = self
            .lanes
            .get(&epoch)
            .and_then(|lanes| lanes.lane(header.lane));
        let config = lane.map(|lane| lane.block_config(self.genesis.hash, set, header.height));
        let problems = [
            (header.parent != parent.id, "has another parent"),
            (header.epoch != epoch, "is of another epoch"),
            (header.time <= parent.time, "is not later than its parent"),
            (
                header.time.as_millis() > self.wall_ms + LEAD_MAX_MS,
                "lies too far ahead",
            ),
            (
                header.parent_state_root != parent.root,
                "claims another state before it",
            ),
            (
                header.parent_receipt_root != parent.receipts,
                "claims other receipts before it",
            ),
            (
                header.manager != schedule.manager(term),
                "is not by the manager of its view",
            ),
            (
                Some(&header.config) != config.as_ref(),
                "has not the configuration of its lane",
            ),
            (
                header.next_epoch != named || ends != header.next_epoch.is_some(),
                "does not name the elected set where it must",
            ),
        ];
        problems
            .into_iter()
            .find_map(|(holds, problem)| holds.then_some(problem))
    }

    fn check_transactions(&mut self, node: &Identity, block: &Block) {
        let header = &block.header;
        let height = header.height;
        let window = self.genesis.parameters.window_blocks;
        for transaction in &block.transactions {
            let body = &transaction.body;
            let id = body.id();
            let problem = [
                (body.genesis != self.genesis.hash, "of another chain"),
                (body.lane > header.lane, "of a lower lane"),
                (body.valid_until < height, "expired"),
                (
                    body.valid_until.get() > height.get() + window,
                    "valid beyond the window",
                ),
                (transaction.clone().check().is_err(), "badly signed"),
            ]
            .into_iter()
            .find_map(|(holds, problem)| holds.then_some(problem));
            if let Some(problem) = problem {
                self.violate(
                    Property::TransactionsAdmissible,
                    format!(
                        "{} has transaction {id} final at height {height}, which is {problem}",
                        node.name
                    ),
                );
            }
            if let Some(first) = self.included.insert(id, height) {
                self.violate(
                    Property::TransactionsOnce,
                    format!(
                        "{} has transaction {id} final at heights {first} and {height}",
                        node.name
                    ),
                );
            }
        }
    }
}

fn content_problem(block: &Block, lanes: &EpochLanes) -> Option<&'static str> {
    let header = &block.header;
    let count = block.transactions.len();
    let bytes: usize = block
        .transactions
        .iter()
        .map(|transaction| codec::encode(transaction).len())
        .sum();
    let limit = lanes
        .lane(header.lane)
        .map_or(0, |lane| lane.transaction_limit);
    [
        (
            header.transaction_count as usize != count,
            "has not as many transactions as it says",
        ),
        (
            count > limit as usize,
            "has more transactions than its lane allows",
        ),
        (
            header.transaction_root != transaction_root(&block.transactions),
            "does not commit to its transactions",
        ),
        (
            bytes as u64 > lanes.block_bytes,
            "has more bytes than a block may have",
        ),
    ]
    .into_iter()
    .find_map(|(holds, problem)| holds.then_some(problem))
}
