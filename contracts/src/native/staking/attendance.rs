//! Who missed too many votes: counted by what validators saw of one another.
//!
//! In epoch e + 1 each validator of epoch e says, once, in how many of the views it observed it saw a vote of each seat
//! ([`StakingCall::Observe`](salus_primitives::calls::StakingCall::Observe)). At the end of e + 1:
//!
//! 1. Each seat's share of votes is the median of what the *others* saw of it, weighted by the reporters' consensus weight in epoch
//!    e. What a seat says of itself does not count. Of two medians it is the lesser.
//! 2. Reports of less than a quorum's weight, without the seat's own, say nothing: the seat is not judged. (No seat weighs more than
//!    what may be faulty, so the others can always be a quorum.)
//! 3. The members of the seats with less than the share asked for are set inactive, those of least share first, while they weigh
//!    no more together than what may be faulty. Were it more, the model would not have held, and more likely the network was at fault.
//! 4. Who is inactive is not elected until it says that it has returned. What it missed up to the epoch of its return is settled:
//!    it may still have had a seat then. Who became a member after epoch e is not judged for it.
//!
//! Liars of the weight that may be faulty move no share past what honest validators saw: a quorum weighs at least `2 f + 1`, so
//! that they are less than half of the reports, and a median lies between the least and the greatest honest value.
//!
//! A report counts only over at least half as many views as the epoch has blocks. Every block takes a view, so that who saw
//! fewer was away for most of the epoch, and cannot tell whether the others were.

use super::event::StakingEvent;
use super::state::{member, member_key, observed_slot, participation, set, set_slot};
use super::{Outcome, StakingError};
use crate::context::Context;
use crate::overlay::Overlay;
use salus_primitives::calls::{Observed, STAKING};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Epoch, Seat};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::StateReadError;
use salus_primitives::validators::{SEATS_MAX, SEATS_MIN, ValidatorSet};
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
    let within = |votes: u32| votes <= observed.views;
    if counted && observed.seats.iter().all(|seat| within(seat.votes)) {
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
    let Some(epoch) = ended.previous() else {
        return Ok(());
    };
    let Some(validators) = set(state, epoch)? else {
        return Ok(());
    };
    let mut reports = Vec::new();
    for seat in validators.seats() {
        let slot = observed_slot(epoch, seat);
        if let Some(observed) = slot.read(STAKING, state)? {
            state.remove(slot.key_of(STAKING));
            reports.push((seat, observed));
        }
    }
    if reports.is_empty() {
        return Ok(());
    }
    let asked = u16::from(participation(state)?).saturating_mul(10);
    let mut absent: Vec<(u16, Seat)> = validators
        .seats()
        .filter_map(|seat| Some((share_of(seat, &reports, &validators)?, seat)))
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
fn share_of(seat: Seat, reports: &[(Seat, Observed)], validators: &ValidatorSet) -> Option<u16> {
    let mut seen: Vec<(u16, u64)> = reports
        .iter()
        .filter(|(by, _)| *by != seat)
        .filter_map(|(by, observed)| {
            let votes = u64::from(observed.seats.get(seat.index())?.votes);
            let share = votes
                .saturating_mul(1_000)
                .checked_div(observed.views.into())?;
            Some((u16::try_from(share).ok()?, validators.weight(*by)))
        })
        .collect();
    let weight = seen
        .iter()
        .fold(0u64, |sum, (_, weight)| sum.saturating_add(*weight));
    if weight < validators.quorum_weight() {
        return None;
    }
    seen.sort_unstable();
    let mut below = 0u64;
    seen.into_iter()
        .find(|(_, by)| {
            below = below.saturating_add(*by);
            below.saturating_mul(2) >= weight
        })
        .map(|(share, _)| share)
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
