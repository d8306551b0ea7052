//! In which lane what is final counts: a plain count of each entity's transactions, beside the contract's.

use super::{Checks, Identity};
use crate::sim::property::Property;
use salus_contracts::error::StableError as _;
use salus_contracts::executor::ExecutorError;
use salus_primitives::block::Block;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{ContractId, EntityId, Epoch};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::transaction::Transaction;
use std::collections::BTreeMap;

/// What entities have used in an epoch.
#[derive(Debug, Default)]
pub(super) struct LaneTally {
    epoch: Epoch,
    counts: BTreeMap<(EntityId, Lane), u32>,
}

impl LaneTally {
    fn lane_of(&self, lanes: &EpochLanes, transaction: &Transaction) -> Lane {
        let is_open = |lane: &Lane| {
            let quota = lanes.lane(*lane).map_or(0, |it| it.parameters.quota);
            let used = self.counts.get(&(transaction.entity, *lane));
            quota == 0 || used.copied().unwrap_or(0) < quota
        };
        let asked = transaction.lane.index();
        let open = Lane::ALL[asked..].iter().copied().find(is_open);
        open.unwrap_or(Lane::Bulk)
    }
}

impl Checks {
    /// Every transaction counts, by the blocks before, in the lane of its block, and its receipt says so. Blocks come in order.
    pub(super) fn check_lanes(&mut self, node: &Identity, block: &Block, receipts: &[Receipt]) {
        let header = &block.header;
        if self.tally.epoch != header.epoch {
            self.tally = LaneTally {
                epoch: header.epoch,
                counts: BTreeMap::new(),
            };
        }
        let Some(lanes) = self.lanes.get(&header.epoch).cloned() else {
            return;
        };
        let mut charged = Vec::new();
        for (transaction, receipt) in block.transactions.iter().zip(receipts) {
            let transaction = &transaction.body;
            let of_validator = self.votes(header.epoch, &transaction.sender);
            let lane = if of_validator {
                transaction.lane
            } else {
                self.tally.lane_of(&lanes, transaction)
            };
            if (lane, lane) != (header.lane, receipt.lane) {
                let message = format!(
                    "{}: transaction {} of height {} counts as {lane}; its block is {}, its receipt says {}",
                    node.name,
                    transaction.id(),
                    header.height,
                    header.lane,
                    receipt.lane
                );
                self.violate(Property::LanesCount, message);
            }
            if lane > transaction.lane {
                self.demoted += 1;
            }
            if !of_validator && is_of_its_entity(receipt) {
                charged.push((transaction.entity, lane));
            }
        }
        for of in charged {
            *self.tally.counts.entry(of).or_default() += 1;
        }
    }

    /// Whether a key votes in an epoch, or did in the one before.
    fn votes(&self, epoch: Epoch, key: &PublicKey) -> bool {
        [Some(epoch), epoch.previous()]
            .into_iter()
            .flatten()
            .filter_map(|epoch| self.sets.get(&epoch))
            .any(|(set, _)| {
                set.validators()
                    .iter()
                    .any(|validator| validator.key == *key)
            })
    }
}

/// Whether the sender was one who may act, and of the entity that it named.
fn is_of_its_entity(receipt: &Receipt) -> bool {
    let not_its = [
        ExecutorError::UnknownSender,
        ExecutorError::DeviceRevoked,
        ExecutorError::EntityRevoked,
        ExecutorError::KeyRotated,
        ExecutorError::WrongEntity,
    ];
    match receipt.outcome {
        Outcome::Ok => true,
        Outcome::Failed { contract, code } => {
            contract != ContractId::EXECUTOR || not_its.iter().all(|error| error.code() != code)
        }
    }
}
