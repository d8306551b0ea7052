//! Who missed too many votes: counted by what validators saw of one another.
//!
//! In epoch e + 1 each validator of epoch e says, once, in how many of the views it observed it saw a vote of each seat
//! ([`StakingCall::Observe`](salus_primitives::calls::StakingCall::Observe)). At the end of e + 1:
//!
//! 1. Each seat's share of votes is the weighted median of what the *others* saw of it (`reports.rs`).
//! 2. Reports of less than a quorum's weight, without the seat's own, say nothing: the seat is not judged.
//! 3. The members of the seats with less than the share asked for are set inactive, those of least share first, while they weigh
//!    no more together than what may be faulty. Were it more, the model would not have held, and more likely the network was at fault.
//! 4. Who is inactive is not elected until it says that it has returned. What it missed up to the epoch of its return is settled:
//!    it may still have had a seat then. Who became a member after epoch e is not judged for it.
//!
//! A report counts only over at least half as many views as the epoch has blocks. Every block takes a view, so that who saw
//! fewer was away for most of the epoch, and cannot tell whether the others were.

use super::event::StakingEvent;
use super::reports::Reports;
use super::state::{member, member_key, observed_slot, participation, set_slot};
use super::{Outcome, StakingError};
use crate::context::Context;
use crate::overlay::Overlay;
use salus_primitives::calls::{Observed, ObservedSeat, STAKING};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Epoch, Seat};
use salus_primitives::lanes::{RATE_KBPS_MAX, RESPONSE_US_MAX};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::StateReadError;
use salus_primitives::validators::{SEATS_MAX, SEATS_MIN};
use serde::{Deserialize, Serialize};

/// That a member's validator voted in too few views of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// In which epoch.
    pub epoch: Epoch,
    /// In how many of a thousand views the others saw a vote of it.
    pub share_permille: u16,
}

/// The greatest share of votes that can be asked of members, in percent. Two thirds are what a quorum is: a network that loses
/// every third vote still decides, and who is no worse than the network is not absent.
pub const PARTICIPATION_MAX: u8 = 66;

/// What can be said of a report without state.
pub(super) fn check_form(observed: &Observed) -> Result<(), StakingError> {
    let counted = (SEATS_MIN..=SEATS_MAX).contains(&observed.seats.len());
    let within = |value: Option<u32>, most| value.is_none_or(|value| (1..=most).contains(&value));
    let well_formed = |seat: &ObservedSeat| {
        seat.votes <= observed.views
            && within(seat.response_us, RESPONSE_US_MAX)
            && within(seat.rate_kbps, RATE_KBPS_MAX)
    };
    if counted && observed.seats.iter().all(well_formed) {
        Ok(())
    } else {
        Err(StakingError::MalformedObservation)
    }
}

/// Keeps what a validator saw until the epoch ends.
pub(super) fn observe(context: &mut Context<'_>, observed: &Observed) -> Outcome {
    let by = context.caller().principal.entity();
    let (epoch, views) = (observed.epoch, observed.views);
    let parameters = context.parameters();
    if parameters.epoch_at(context.height()).previous() != Some(epoch) {
        return Err(StakingError::NotTheEpochBefore.into());
    }
    let set = context
        .load(&set_slot(epoch))?
        .ok_or(StakingError::UnknownEpoch)?;
    let seat = set.seat_of(&by).ok_or(StakingError::NoSeat)?;
    if observed.seats.len() != set.len() {
        return Err(StakingError::MalformedObservation.into());
    }
    if u64::from(views).saturating_mul(2) < parameters.epoch_blocks {
        return Err(StakingError::TooFewViews.into());
    }
    let slot = observed_slot(epoch, seat);
    if context.load(&slot)?.is_some() {
        return Err(StakingError::AlreadyObserved.into());
    }
    context.store(&slot, observed)?;
    context.emit(&StakingEvent::Observed { by, epoch, views })?;
    Ok(())
}

/// At the end of an epoch: sets inactive who missed too many votes in the one before, and forgets what was said of it.
pub(super) fn judge(
    state: &mut Overlay<'_>,
    parameters: &ChainParameters,
    ended: Epoch,
) -> Result<(), StateReadError> {
    let Some(reports) = Reports::about_the_epoch_before(state, ended)? else {
        return Ok(());
    };
    let validators = reports.validators();
    let epoch = validators.epoch();
    for by in reports.authors() {
        state.remove(observed_slot(epoch, by).key_of(STAKING));
    }
    let asked = u16::from(participation(state)?).saturating_mul(10);
    let mut absent: Vec<(u16, Seat)> = validators
        .seats()
        .filter_map(|seat| Some((share_of(seat, &reports)?, seat)))
        .filter(|(share, _)| *share < asked)
        .collect();
    absent.sort_unstable();
    let mut left = validators.fault_weight();
    for (share_permille, seat) in absent {
        let Some(validator) = validators.validator(seat) else {
            continue;
        };
        let Some(rest) = left.checked_sub(validator.weight) else {
            break;
        };
        left = rest;
        let absence = Absence {
            epoch,
            share_permille,
        };
        deactivate(state, parameters, &validator.entity, absence)?;
    }
    Ok(())
}

/// In how many of a thousand views the others saw a vote of a seat; `None` if they say too little.
fn share_of(seat: Seat, reports: &Reports) -> Option<u16> {
    let share = reports.median(seat, |views, seen| {
        u64::from(seen.votes)
            .saturating_mul(1_000)
            .checked_div(views.into())
    });
    share.and_then(|share| u16::try_from(share).ok())
}

/// Sets a member inactive, unless it is so already, has returned since, or was no member then.
fn deactivate(
    state: &mut Overlay<'_>,
    parameters: &ChainParameters,
    id: &EntityId,
    absence: Absence,
) -> Result<(), StateReadError> {
    let Some(mut member) = member(state, id)? else {
        return Ok(());
    };
    let settled = member
        .returned
        .is_some_and(|returned| absence.epoch <= returned);
    let newcomer = parameters.epoch_at(member.admitted_at) > absence.epoch;
    if member.inactive.is_none() && !settled && !newcomer {
        member.inactive = Some(absence);
        state.put(member_key(id), codec::encode(&member));
    }
    Ok(())
}
