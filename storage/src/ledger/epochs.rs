//! Who validates in which epoch, for ever: whoever starts from genesis follows the sets one by one.

use super::{Ledger, LedgerError};
use crate::batch::Batch;
use crate::column::{Column, epoch_key};
use crate::error::StoreError;
use crate::record;
use crate::store::{Direction, KeyRange, Read};
use salus_primitives::block::Header;
use salus_primitives::epoch::EpochChange;
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::validators::ValidatorSet;

/// All of these answer `None` for what is not committed.
///
/// # Errors
/// [`LedgerError::Store`] if the store fails or a record is damaged.
impl Ledger {
    /// The validators of an epoch: known for all epochs up to the one after the present.
    pub fn validators(&self, epoch: Epoch) -> Result<Option<ValidatorSet>, LedgerError> {
        Ok(validators(&*self.store, epoch)?)
    }

    /// The height of an epoch's last block. Epoch 0 is block 0 alone.
    pub fn epoch_end(&self, epoch: Epoch) -> Result<Option<Height>, LedgerError> {
        Ok(record::get_decoded(
            &*self.store,
            Column::EpochEnds,
            &epoch_key(epoch),
        )?)
    }

    /// The last epoch whose last block is committed; at first epoch 0.
    pub fn last_ended_epoch(&self) -> Result<Epoch, LedgerError> {
        let last = self.store.scan(
            Column::EpochEnds,
            &KeyRange::all(),
            Direction::Descending,
            1,
        )?;
        let epoch = last
            .first()
            .and_then(|(key, _)| key.first_chunk())
            .map(|number| Epoch::new(u64::from_be_bytes(*number)));
        Ok(epoch
            .ok_or_else(|| StoreError::corrupt(Column::EpochEnds, &[], "no epoch has ended"))?)
    }

    /// What proves the validators of the epoch after `epoch` to who knows those of `epoch`. `None` for epoch 0, which
    /// is proven by being genesis.
    pub fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, LedgerError> {
        let Some(end) = self.epoch_end(epoch)? else {
            return Ok(None);
        };
        let (Some(header), Some(certificate), Some(validators)) = (
            self.header(end)?,
            self.finalization(end)?,
            self.validators(epoch.next())?,
        ) else {
            return Ok(None);
        };
        Ok(Some(EpochChange {
            header,
            certificate,
            validators,
        }))
    }
}

/// An epoch's last block names the validators of the next epoch, which are known, and elects those of the one after;
/// no other block does either.
pub(super) fn check(
    store: &dyn Read,
    header: &Header,
    elected: Option<&ValidatorSet>,
) -> Result<(), LedgerError> {
    let fits = match (header.next_validators, elected) {
        (None, None) => true,
        (Some(named), Some(elected)) => {
            let next = validators(store, header.epoch.next())?;
            next.is_some_and(|next| next.digest() == named) && elects(header, elected)
        }
        (Some(_), None) | (None, Some(_)) => false,
    };
    fitting(header, fits)
}

/// Block 0 names the validators of epoch 1 and elects those of epoch 2.
pub(super) fn check_first(
    header: &Header,
    first: &ValidatorSet,
    second: &ValidatorSet,
) -> Result<(), LedgerError> {
    let named = header.next_validators == Some(first.digest());
    let fits = named && first.epoch() == header.epoch.next() && elects(header, second);
    fitting(header, fits)
}

fn elects(header: &Header, elected: &ValidatorSet) -> bool {
    elected.epoch() == header.epoch.next().next()
}

fn fitting(header: &Header, fits: bool) -> Result<(), LedgerError> {
    if fits {
        return Ok(());
    }
    Err(LedgerError::Mismatch {
        height: header.height,
        what: "the validators",
    })
}

/// Adds the end of an epoch, and whom it elects, to the batch of the epoch's last block.
pub(super) fn stage_end(batch: &mut Batch, header: &Header, elected: &ValidatorSet) {
    let key = epoch_key(header.epoch);
    record::put_encoded(batch, Column::EpochEnds, key, &header.height);
    stage_validators(batch, elected);
}

pub(super) fn stage_validators(batch: &mut Batch, validators: &ValidatorSet) {
    let key = epoch_key(validators.epoch());
    record::put_encoded(batch, Column::Validators, key, validators);
}

fn validators(store: &dyn Read, epoch: Epoch) -> Result<Option<ValidatorSet>, StoreError> {
    record::get_decoded(store, Column::Validators, &epoch_key(epoch))
}
