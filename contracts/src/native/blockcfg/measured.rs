//! What validators measured of one another, and what becomes of it.
//!
//! In epoch e + 1 each validator of epoch e says, beside the votes it saw ([`StakingCall::Observe`]), how long each other seat took to
//! answer its small proposals, and how fast it took in its large ones. At the end of e + 1 a seat's two values are the weighted
//! medians of what the others said (`staking/reports.rs`): what it says of itself does not count, a value of which less than a
//! quorum's weight says something stays as it was, and liars of the weight that may be faulty move none past what honest
//! validators said. The lanes of e + 3 are the first that follow from them.
//!
//! [`StakingCall::Observe`]: salus_primitives::calls::StakingCall::Observe

use super::measured_slot;
use crate::native::staking::{self, Reports};
use salus_primitives::calls::{BLOCKCFG, ObservedSeat};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Epoch};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};
use serde::{Deserialize, Serialize};

/// What others measured of a member's validator, as far as a quorum of them could.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How long its answer to a small proposal takes, in microseconds, the way there and back included.
    pub response_us: Option<u32>,
    /// How fast it takes in the bytes of a large one, in kilobits a second.
    pub rate_kbps: Option<u32>,
}

/// What is known of a member's validator.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn measured(state: &dyn StateRead, member: &EntityId) -> Result<Measured, StateReadError> {
    Ok(measured_slot(member)
        .read(BLOCKCFG, state)?
        .unwrap_or_default())
}

/// Where the tree keeps what is known of a member's validator, for proofs.
#[must_use]
pub fn measured_key(member: &EntityId) -> StateKey {
    measured_slot(member).key_of(BLOCKCFG)
}

/// What follows from the reports that were made in an epoch, at its end and before they are forgotten.
///
/// Nothing is kept of who is no member any more, or became one after the epoch that the reports are about.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn measure(
    state: &dyn StateRead,
    parameters: &ChainParameters,
    ended: Epoch,
) -> Result<WriteSet, StateReadError> {
    let mut writes = WriteSet::default();
    let Some(reports) = Reports::about_the_epoch_before(state, ended)? else {
        return Ok(writes);
    };
    let validators = reports.validators();
    for (seat, validator) in validators.seats().zip(validators.validators()) {
        let Some(member) = staking::member(state, &validator.entity)? else {
            continue;
        };
        if parameters.epoch_at(member.admitted_at) > validators.epoch() {
            continue;
        }
        let median = |of: fn(&ObservedSeat) -> Option<u32>| {
            let median = reports.median(seat, |_, seen| of(seen).map(u64::from));
            median.and_then(|value| u32::try_from(value).ok())
        };
        let old = measured(state, &validator.entity)?;
        let new = Measured {
            response_us: median(|seen| seen.response_us).or(old.response_us),
            rate_kbps: median(|seen| seen.rate_kbps).or(old.rate_kbps),
        };
        if new != old {
            writes.put(measured_key(&validator.entity), codec::encode(&new));
        }
    }
    Ok(writes)
}
