//! Which validators an epoch has: elected two epochs ahead, so that newcomers have synced when their epoch begins.

use super::attendance::judge;
use super::election::{election, genesis_election};
use super::state::{SETS_KEPT, genesis as members, member, offences, offences_key, set, set_key};
use crate::genesis::GenesisMember;
use crate::overlay::Overlay;
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
use salus_primitives::validators::{Validator, ValidatorSet};

/// What follows the last block of an epoch: sets inactive who missed too many votes in the epoch before (`attendance.rs`), elects the
/// validators of the epoch after the next by the state after that, records them, and forgets those of [`SETS_KEPT`] epochs before.
///
/// If there is no legal set, the validators of the next epoch continue, with the keys they have now.
///
/// # Errors
/// [`StateReadError`] if the store fails or lacks the next epoch's validators.
pub fn close_epoch(
    state: &dyn StateRead,
    parameters: &ChainParameters,
    ended: Epoch,
) -> Result<WriteSet, StateReadError> {
    let mut judged = Overlay::new(state);
    judge(&mut judged, parameters, ended)?;
    let epoch = ended.plus(AHEAD);
    let elected = match election(&judged, parameters, epoch)? {
        Some(elected) => elected,
        None => continued(&judged, epoch)?,
    };
    let mut writes = judged.into_writes();
    record_set(&elected, &mut writes);
    if let Some(old) = epoch.get().checked_sub(SETS_KEPT).map(Epoch::new) {
        if set(state, old)?.is_some() {
            writes.remove(set_key(old));
        }
        if !offences(state, old)?.is_empty() {
            writes.remove(offences_key(old));
        }
    }
    Ok(writes)
}

/// The end of epoch e elects the set of e + 2 (`docs/protocol.md`, E1).
const AHEAD: u64 = 2;

/// Records the validators of their epoch.
pub fn record_set(set: &ValidatorSet, writes: &mut WriteSet) {
    writes.put(set_key(set.epoch()), codec::encode(set));
}

/// Writes the founders, and the validators of the first epochs.
pub(crate) fn genesis(
    founders: &[GenesisMember],
    participation_percent: u8,
    first: &[ValidatorSet],
    writes: &mut WriteSet,
) {
    members(founders, participation_percent, writes);
    for set in first {
        record_set(set, writes);
    }
}

/// The validators that a chain begins with, of the first two epochs. Those of epoch 2 could only be elected by the state after
/// genesis, which is the end of epoch 0.
pub(crate) fn first_sets(
    founders: &[GenesisMember],
    parameters: &ChainParameters,
) -> Vec<ValidatorSet> {
    [1, AHEAD]
        .map(Epoch::new)
        .into_iter()
        .filter_map(|epoch| genesis_election(founders, parameters, epoch))
        .collect()
}

/// The validators of the epoch before, for one epoch more. A key that was rotated since is the new one: a network of four with
/// one jailed could otherwise never replace a lost key.
fn continued(state: &dyn StateRead, epoch: Epoch) -> Result<ValidatorSet, StateReadError> {
    let missing = || StateReadError(format!("the validators before epoch {epoch} are missing"));
    let before = epoch.previous().ok_or_else(missing)?;
    let before = set(state, before)?.ok_or_else(missing)?;
    let validators = before
        .validators()
        .iter()
        .map(|validator| {
            let keys = member(state, &validator.entity)?.and_then(|member| member.keys);
            Ok(match keys {
                Some(keys) => Validator {
                    key: keys.validator_key,
                    network_key: keys.network_key,
                    ..*validator
                },
                None => *validator,
            })
        })
        .collect::<Result<_, StateReadError>>()?;
    ValidatorSet::new(epoch, validators)
        .map_err(|error| StateReadError(format!("the validators before epoch {epoch}: {error}")))
}
