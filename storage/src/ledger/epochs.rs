//! Who decides in which epoch and how its blocks are configured, for ever: whoever starts from genesis follows the epochs one by one.

use super::{Ledger, LedgerError};
use crate::batch::Batch;
use crate::column::{Column, epoch_key};
use crate::error::StoreError;
use crate::record;
use crate::store::{Direction, KeyRange, Read};
use salus_primitives::block::Header;
use salus_primitives::epoch::{EpochChange, EpochConfig};
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::validators::ValidatorSet;

/// All of these answer `None` for what is not committed.
///
/// # Errors
/// [`LedgerError::Store`] if the store fails or a record is damaged.
impl Ledger {
    /// Who decides in an epoch and how its blocks are configured: known for all epochs up to the one after the present.
    pub fn epoch(&self, epoch: Epoch) -> Result<Option<EpochConfig>, LedgerError> {
        Ok(config(&*self.store, epoch)?)
    }

    /// The validators of an epoch, as [`Ledger::epoch`] has them.
    pub fn validators(&self, epoch: Epoch) -> Result<Option<ValidatorSet>, LedgerError> {
        Ok(self.epoch(epoch)?.map(|config| config.validators))
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

    /// What proves the epoch after `epoch` to who knows the validators of `epoch`. `None` for epoch 0, which
    /// is proven by being genesis.
    pub fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, LedgerError> {
        let Some(end) = self.epoch_end(epoch)? else {
            return Ok(None);
        };
        let (Some(header), Some(certificate), Some(next)) = (
            self.header(end)?,
            self.finalization(end)?,
            self.epoch(epoch.next())?,
        ) else {
            return Ok(None);
        };
        Ok(Some(EpochChange {
            header,
            certificate,
            next,
        }))
    }
}

/// An epoch's last block names the next epoch, which is known, and elects the one after; no other block does either.
pub(super) fn check(
    store: &dyn Read,
    header: &Header,
    elected: Option<&EpochConfig>,
) -> Result<(), LedgerError> {
    let fits = match (header.next_epoch, elected) {
        (None, None) => true,
        (Some(named), Some(elected)) => {
            let next = config(store, header.epoch.next())?;
            next.is_some_and(|next| next.digest() == named) && elects(header, elected)
        }
        (Some(_), None) | (None, Some(_)) => false,
    };
    fitting(header, fits)
}

/// Block 0 names epoch 1 and elects epoch 2.
pub(super) fn check_first(
    header: &Header,
    first: &EpochConfig,
    second: &EpochConfig,
) -> Result<(), LedgerError> {
    let named = header.next_epoch == Some(first.digest());
    let fits = named && first.epoch() == header.epoch.next() && elects(header, second);
    fitting(header, fits)
}

fn elects(header: &Header, elected: &EpochConfig) -> bool {
    let epoch = header.epoch.next().next();
    elected.epoch() == epoch && elected.lanes.epoch == epoch
}

fn fitting(header: &Header, fits: bool) -> Result<(), LedgerError> {
    if fits {
        return Ok(());
    }
    Err(LedgerError::Mismatch {
        height: header.height,
        what: "the next epoch",
    })
}

/// Adds the end of an epoch, and whom it elects, to the batch of the epoch's last block.
pub(super) fn stage_end(batch: &mut Batch, header: &Header, elected: &EpochConfig) {
    let key = epoch_key(header.epoch);
    record::put_encoded(batch, Column::EpochEnds, key, &header.height);
    stage_config(batch, elected);
}

pub(super) fn stage_config(batch: &mut Batch, config: &EpochConfig) {
    let key = epoch_key(config.epoch());
    record::put_encoded(batch, Column::Epochs, key, config);
}

fn config(store: &dyn Read, epoch: Epoch) -> Result<Option<EpochConfig>, StoreError> {
    record::get_decoded(store, Column::Epochs, &epoch_key(epoch))
}
