//! What the validators of an epoch said of one another, and the one number that follows from it for each seat.
//!
//! The value of a seat is the median of what the *others* said, weighted by their consensus weight in that epoch. What a seat says of
//! itself does not count. Of two medians it is the lesser. Reports of less than a quorum's weight, without the seat's own, say nothing.
//! (No seat weighs more than what may be faulty, so the others can always be a quorum.)
//!
//! Liars of the weight that may be faulty move no value past what honest validators said: a quorum weighs at least `2 f + 1`, so that
//! they are less than half of the reports, and a median lies between the least and the greatest honest value.

use super::state::{observed_slot, set};
use salus_primitives::calls::{Observed, ObservedSeat, STAKING};
use salus_primitives::ids::{Epoch, Seat};
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::validators::ValidatorSet;

/// All reports about one epoch.
#[derive(Debug)]
pub(crate) struct Reports {
    validators: ValidatorSet,
    said: Vec<(Seat, Observed)>,
}

impl Reports {
    /// The reports that were made in an epoch: they are about the one before. `None` if there are none.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails.
    pub(crate) fn about_the_epoch_before(
        state: &dyn StateRead,
        present: Epoch,
    ) -> Result<Option<Self>, StateReadError> {
        let Some(epoch) = present.previous() else {
            return Ok(None);
        };
        let Some(validators) = set(state, epoch)? else {
            return Ok(None);
        };
        let mut said = Vec::new();
        for seat in validators.seats() {
            if let Some(observed) = observed_slot(epoch, seat).read(STAKING, state)? {
                said.push((seat, observed));
            }
        }
        Ok((!said.is_empty()).then_some(Self { validators, said }))
    }

    /// The validators that speak, and are spoken of.
    pub(crate) const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The seats that said something, ascending.
    pub(super) fn authors(&self) -> impl Iterator<Item = Seat> {
        self.said.iter().map(|(by, _)| *by)
    }

    /// The weighted median of what the others say of a seat: `value` makes it of the views that one observed and what it saw of
    /// the seat. `None` if those who say something weigh less than a quorum.
    pub(crate) fn median(
        &self,
        of: Seat,
        value: impl Fn(u32, &ObservedSeat) -> Option<u64>,
    ) -> Option<u64> {
        let mut said: Vec<(u64, u64)> = self
            .said
            .iter()
            .filter(|(by, _)| *by != of)
            .filter_map(|(by, observed)| {
                let value = value(observed.views, observed.seats.get(of.index())?)?;
                Some((value, self.validators.weight(*by)))
            })
            .collect();
        let weight = said
            .iter()
            .fold(0u64, |sum, (_, weight)| sum.saturating_add(*weight));
        if weight < self.validators.quorum_weight() {
            return None;
        }
        said.sort_unstable();
        let mut below = 0u64;
        said.into_iter()
            .find(|(_, by)| {
                below = below.saturating_add(*by);
                below.saturating_mul(2) >= weight
            })
            .map(|(value, _)| value)
    }
}
