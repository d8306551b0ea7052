//! Everything that happened to a person's data, with what proves it from genesis alone.

use super::{Trail, trail_key};
use crate::codec;
use crate::epoch::EpochChange;
use crate::ids::{Epoch, GenesisHash, Height};
use crate::proof::{FinalityProof, GenesisAnchor, ProofError, ReceiptProof};
use crate::reading::Pseudonym;
use crate::receipt::Event;
use crate::state_tree::StateProof;
use crate::time::Timestamp;
use crate::transaction::TxId;
use crate::validators::ValidatorSet;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A person's audit trail, to be checked by whoever knows the genesis hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditExport {
    /// Block 0 and the first validators.
    pub anchor: GenesisAnchor,
    /// Who decides in the epochs after the first, as far as the rest needs it; ascending.
    pub changes: Vec<EpochChange>,
    /// Whose trail.
    pub person: Pseudonym,
    /// The salt of the person's paths.
    pub salt: [u8; 32],
    /// The transactions that made something known about the person, in the order of the chain.
    pub entries: Vec<AuditEntry>,
    /// The trail that the events lead to.
    pub trail: TrailProof,
}

/// A transaction with events about the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// What became of it.
    pub proof: ReceiptProof,
    /// Which of its events are about the person, ascending.
    pub events: Vec<u32>,
}

/// A person's trail after a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailProof {
    /// The trail.
    pub trail: Trail,
    /// Places it, or that there is none yet, under the state root of the second header.
    pub state: StateProof,
    /// The header of the block and those after it up to a final one; two at least: the second holds the root after the first.
    pub finality: FinalityProof,
}

/// Upper bound of an encoded [`AuditExport`] in bytes: some ten thousand events.
pub const AUDIT_EXPORT_MAX: usize = 64 * 1024 * 1024;

/// An export that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The chain.
    pub genesis: GenesisHash,
    /// Whose trail.
    pub person: Pseudonym,
    /// Up to which block it is complete.
    pub through: Height,
    /// When that was.
    pub time: Timestamp,
    /// All that happened, in the order of the chain.
    pub events: Vec<AuditedEvent>,
}

/// One event, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedEvent {
    /// The block.
    pub height: Height,
    /// The block's time.
    pub time: Timestamp,
    /// The transaction.
    pub transaction: TxId,
    /// The event's index in the receipt.
    pub index: u32,
    /// The event.
    pub event: Event,
}

/// Why an export shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Of another chain than the one that is asked about.
    #[error("the export is of chain {found}, not {expected}")]
    OtherChain {
        /// The export's.
        found: GenesisHash,
        /// The one asked about.
        expected: GenesisHash,
    },
    /// Something is of an epoch whose validators it does not show.
    #[error("the export does not show the validators of epoch {0}")]
    UnknownEpoch(Epoch),
    /// The validators of an epoch are not shown to be its.
    #[error("the change of validators at the end of epoch {epoch} does not hold: {problem}")]
    Change {
        /// Which epoch ends.
        epoch: Epoch,
        /// Why.
        problem: ProofError,
    },
    /// A receipt does not hold.
    #[error("entry {entry} does not hold: {problem}")]
    Entry {
        /// Which, counted from 0.
        entry: usize,
        /// Why.
        problem: ProofError,
    },
    /// Entries are not in the order of the chain, or one comes twice.
    #[error("entry {0} does not come after the one before it")]
    OutOfOrder(usize),
    /// An entry names events that its receipt does not have, none, or not in order.
    #[error("entry {0} names events that its receipt does not have, or in another order")]
    NoSuchEvent(usize),
    /// An entry is later than the trail.
    #[error("entry {0} is of a later block than the trail")]
    AfterTheTrail(usize),
    /// The trail's block is not final.
    #[error("the trail is not of a final block: {0}")]
    TrailNotFinal(ProofError),
    /// The state does not hold this trail.
    #[error("the state does not hold this trail of this person")]
    NotTheTrail,
    /// The events do not lead to the trail.
    #[error(
        "the trail has {expected} events and the export {found}, or not the same ones: something was left out, added or changed"
    )]
    Incomplete {
        /// How many events the trail has.
        expected: u64,
        /// How many the export has.
        found: u64,
    },
}

impl AuditExport {
    /// Checks that the export holds all that was ever made known about the person, up to the trail's block, and nothing else.
    ///
    /// # Errors
    /// [`AuditError`] names what is wrong.
    pub fn verify(&self, genesis: GenesisHash) -> Result<Audited, AuditError> {
        let found = self.anchor.check().map_err(|problem| AuditError::Change {
            epoch: Epoch::ZERO,
            problem,
        })?;
        if found != genesis {
            return Err(AuditError::OtherChain {
                found,
                expected: genesis,
            });
        }
        let sets = self.sets(genesis)?;
        let set = |epoch| sets.get(&epoch).ok_or(AuditError::UnknownEpoch(epoch));

        let (through, time) = self.check_trail(genesis, set)?;
        let mut trail = Trail::default();
        let mut events = Vec::new();
        let mut before = None;
        for (number, entry) in self.entries.iter().enumerate() {
            let header = entry.proof.finality.headers.first();
            let epoch = entry.proof.finality.certificate.statement.epoch();
            let proven = entry
                .proof
                .verify(genesis, set(epoch)?, &entry.proof.receipt.transaction)
                .map_err(|problem| AuditError::Entry {
                    entry: number,
                    problem,
                })?;
            let receipt = proven.value();
            let place = (proven.height(), receipt.index);
            if before.is_some_and(|before| before >= place) {
                return Err(AuditError::OutOfOrder(number));
            }
            before = Some(place);
            if proven.height() > through {
                return Err(AuditError::AfterTheTrail(number));
            }
            let ascending = entry.events.is_sorted_by(|a, b| a < b);
            if entry.events.is_empty() || !ascending {
                return Err(AuditError::NoSuchEvent(number));
            }
            for index in &entry.events {
                let event = usize::try_from(*index)
                    .ok()
                    .and_then(|index| receipt.events.get(index))
                    .ok_or(AuditError::NoSuchEvent(number))?;
                trail = trail.after(&receipt.transaction, event);
                events.push(AuditedEvent {
                    height: proven.height(),
                    time: header.map_or_else(Timestamp::default, |header| header.time),
                    transaction: receipt.transaction,
                    index: *index,
                    event: event.clone(),
                });
            }
        }
        if trail != self.trail.trail {
            return Err(AuditError::Incomplete {
                expected: self.trail.trail.count,
                found: trail.count,
            });
        }
        Ok(Audited {
            genesis,
            person: self.person,
            through,
            time,
            events,
        })
    }

    /// The validators of the first epoch and of those that the changes lead to.
    fn sets(&self, genesis: GenesisHash) -> Result<BTreeMap<Epoch, ValidatorSet>, AuditError> {
        let first = self.anchor.first.validators.clone();
        let mut newest = first.epoch();
        let mut sets = BTreeMap::from([(newest, first)]);
        for change in &self.changes {
            let epoch = newest;
            let ends = sets.get(&epoch).ok_or(AuditError::UnknownEpoch(epoch))?;
            let next = change
                .clone()
                .verify(genesis, ends)
                .map_err(|problem| AuditError::Change { epoch, problem })?;
            newest = next.epoch();
            sets.insert(newest, next.validators);
        }
        Ok(sets)
    }

    /// The block after which the state holds the trail, and its time.
    fn check_trail<'a>(
        &self,
        genesis: GenesisHash,
        set: impl Fn(Epoch) -> Result<&'a ValidatorSet, AuditError>,
    ) -> Result<(Height, Timestamp), AuditError> {
        let TrailProof {
            trail,
            state,
            finality,
        } = &self.trail;
        let set = set(finality.certificate.statement.epoch())?;
        let proven = finality
            .verify(genesis, set)
            .map_err(AuditError::TrailNotFinal)?;
        let next =
            finality
                .headers
                .get(1)
                .ok_or(AuditError::TrailNotFinal(ProofError::HeaderCount {
                    found: finality.headers.len(),
                    minimum: 2,
                }))?;
        let key = trail_key(&self.salt, &self.person);
        // a person of whom nothing was ever made known has no row
        let value = (*trail != Trail::default()).then(|| codec::encode(trail));
        if !state.proves(&next.parent_state_root, &key, value.as_deref()) {
            return Err(AuditError::NotTheTrail);
        }
        Ok((proven.height(), proven.value().time))
    }
}

#[cfg(test)]
mod tests;
