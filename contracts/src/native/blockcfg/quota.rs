//! What entities have used of the lanes' quotas in an epoch, and in which lane a transaction counts by that.
//!
//! A transaction is charged to its sender's entity in the lane that it counts in, whatever becomes of it. An entity that has used a
//! lane's quota up counts in the next lower lane from the next block on, until the epoch ends. Validators' own transactions are
//! charged to nobody: what they say of one another must not depend on what their members send.

use crate::native::staking;
use crate::slot::Slot;
use salus_primitives::calls::BLOCKCFG;
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
use salus_primitives::transaction::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// In which lane each transaction of a block counts. Follows from the state before the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demotions {
    epoch: Epoch,
    exhausted: BTreeSet<(Lane, EntityId)>,
    exempt: BTreeSet<PublicKey>,
}

impl Demotions {
    /// Nobody has used anything up, in the block of an epoch, and nobody is exempt.
    #[must_use]
    pub const fn none(epoch: Epoch) -> Self {
        Self {
            epoch,
            exhausted: BTreeSet::new(),
            exempt: BTreeSet::new(),
        }
    }

    /// The same where these entities have used these lanes up, too.
    #[must_use]
    pub fn with(mut self, exhausted: impl IntoIterator<Item = (Lane, EntityId)>) -> Self {
        self.exhausted.extend(exhausted);
        self
    }

    /// The epoch of the block.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The lane that a transaction counts in: the first from the one it asks for downwards that its entity has not used up. A
    /// function of the transaction's bytes and the state before its block: whether the sender may use the lane, or is of that
    /// entity at all, does not matter here.
    #[must_use]
    pub fn lane_of(&self, transaction: &Transaction) -> Lane {
        let asked = transaction.lane;
        // validators' reports; in no other lane is a validator's key let in
        if asked == Lane::Routine && self.exempt.contains(&transaction.sender) {
            return asked;
        }
        Lane::ALL
            .into_iter()
            .filter(|lane| *lane >= asked)
            .find(|lane| !self.exhausted.contains(&(*lane, transaction.entity)))
            .unwrap_or(LOWEST)
    }

    /// Who has used which lane up.
    #[must_use]
    pub const fn exhausted(&self) -> &BTreeSet<(Lane, EntityId)> {
        &self.exhausted
    }
}

/// The lane without a quota: whoever has used all others up counts in it.
const LOWEST: Lane = Lane::Bulk;

/// How many transactions were charged to an entity, in the order of [`Lane::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Usage {
    /// Of which epoch: in a later one nothing is used yet.
    epoch: Epoch,
    counts: [u32; 4],
}

/// How many rows of [`exhausted_slot`] hold. Rows of earlier epochs stay until they are overwritten, so that nothing has to be
/// removed at an epoch's end: there are never more than entities were over their quotas in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ExhaustedCount {
    epoch: Epoch,
    count: u32,
}

/// In which lanes the transactions of the block at `height` count, over the state after its parent.
///
/// # Errors
/// [`StateReadError`] if the store fails or lacks what it must hold.
pub fn demotions(
    state: &dyn StateRead,
    parameters: &ChainParameters,
    height: Height,
) -> Result<Demotions, StateReadError> {
    let epoch = parameters.epoch_at(height);
    let mut demotions = Demotions::none(epoch);
    for index in 0..exhausted_count(state, epoch)? {
        let row = exhausted_slot(index)
            .read(BLOCKCFG, state)?
            .ok_or_else(|| StateReadError(format!("row {index} of quotas used up is missing")))?;
        demotions.exhausted.insert(row);
    }
    // who may act as a validator, see `identity::principal_of_key`
    for epoch in [Some(epoch), epoch.previous()].into_iter().flatten() {
        if let Some(set) = staking::set(state, epoch)? {
            let keys = set.validators().iter().map(|validator| validator.key);
            demotions.exempt.extend(keys);
        }
    }
    Ok(demotions)
}

/// Whether a block that writes this lets an entity use a lane up.
#[must_use]
pub fn is_changed_by(writes: &WriteSet) -> bool {
    writes
        .0
        .contains_key(&exhausted_count_slot().key_of(BLOCKCFG))
}

/// How many transactions were charged to an entity in an epoch, in the order of [`Lane::ALL`]. Only lanes with a quota count.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn used(
    state: &dyn StateRead,
    epoch: Epoch,
    entity: &EntityId,
) -> Result<[u32; 4], StateReadError> {
    let usage = usage_slot(entity).read(BLOCKCFG, state)?;
    Ok(usage
        .filter(|usage| usage.epoch == epoch)
        .map_or([0; 4], |usage| usage.counts))
}

/// What a block's transactions are charged.
pub(crate) struct Charges<'a> {
    lanes: &'a EpochLanes,
    used: BTreeMap<EntityId, [u32; 4]>,
    exhausted: Vec<(Lane, EntityId)>,
}

impl<'a> Charges<'a> {
    pub(crate) const fn new(lanes: &'a EpochLanes) -> Self {
        Self {
            lanes,
            used: BTreeMap::new(),
            exhausted: Vec::new(),
        }
    }

    /// Charges an entity with a transaction that counts in `lane`. `state` is any since the block's parent. All of a block's
    /// transactions are charged in the lane they counted in before it: an entity can go over its quota by what one block holds.
    pub(crate) fn charge(
        &mut self,
        state: &dyn StateRead,
        lane: Lane,
        entity: EntityId,
    ) -> Result<(), StateReadError> {
        let quota = self.lanes.lane(lane).map_or(0, |it| it.parameters.quota);
        if quota == 0 {
            return Ok(());
        }
        let used = match self.used.get_mut(&entity) {
            Some(used) => used,
            None => {
                let before = used(state, self.lanes.epoch, &entity)?;
                self.used.entry(entity).or_insert(before)
            }
        };
        if let Some(count) = used.get_mut(lane.index()) {
            *count = count.saturating_add(1);
            if *count == quota {
                self.exhausted.push((lane, entity));
            }
        }
        Ok(())
    }

    /// What is written after the block's transactions.
    pub(crate) fn finish(self, state: &dyn StateRead) -> Result<WriteSet, StateReadError> {
        let epoch = self.lanes.epoch;
        let mut writes = WriteSet::default();
        for (entity, counts) in self.used {
            let usage = Usage { epoch, counts };
            writes.put(usage_slot(&entity).key_of(BLOCKCFG), codec::encode(&usage));
        }
        if self.exhausted.is_empty() {
            return Ok(writes);
        }
        let mut count = exhausted_count(state, epoch)?;
        for row in self.exhausted {
            writes.put(exhausted_slot(count).key_of(BLOCKCFG), codec::encode(&row));
            count = count.saturating_add(1);
        }
        writes.put(
            exhausted_count_slot().key_of(BLOCKCFG),
            codec::encode(&ExhaustedCount { epoch, count }),
        );
        Ok(writes)
    }
}

fn exhausted_count(state: &dyn StateRead, epoch: Epoch) -> Result<u32, StateReadError> {
    let count = exhausted_count_slot().read(BLOCKCFG, state)?;
    Ok(count
        .filter(|count| count.epoch == epoch)
        .map_or(0, |count| count.count))
}

fn usage_slot(entity: &EntityId) -> Slot<Usage> {
    Slot::tree(b'u', entity.as_bytes())
}

fn exhausted_slot(index: u32) -> Slot<(Lane, EntityId)> {
    Slot::tree(b'x', &index.to_be_bytes())
}

fn exhausted_count_slot() -> Slot<ExhaustedCount> {
    Slot::tree(b'q', b"")
}
