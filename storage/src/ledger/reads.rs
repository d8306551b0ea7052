//! Looking things up in the final chain.

use super::{Ledger, LedgerError};
use crate::column::{Column, height_key, leading_height};
use crate::error::StoreError;
use crate::events::{self, IndexedEvent};
use crate::store::{Direction, KeyRange, Read};
use crate::{record, records};
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::Certificate;
use salus_primitives::codec;
use salus_primitives::ids::{BlockId, ContractId, Height};
use salus_primitives::reading::Handle;
use salus_primitives::receipt::Receipt;
use salus_primitives::state::Space;
use salus_primitives::transaction::{SignedTransaction, TxId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Where a transaction stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransactionPosition {
    /// Its block.
    pub height: Height,
    /// Its index in the block.
    pub index: u32,
}

/// Some records of a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsPage {
    /// Their transactions as they stand in the chain, in its order.
    pub records: Vec<(TransactionPosition, SignedTransaction)>,
    /// Where the next page begins, if there may be one.
    pub next: Option<TransactionPosition>,
}

impl TransactionPosition {
    /// The first position of a height.
    #[must_use]
    pub const fn start_of(height: Height) -> Self {
        Self { height, index: 0 }
    }

    /// The position after this one; the last one of all is its own.
    #[must_use]
    pub fn next(self) -> Self {
        match self.index.checked_add(1) {
            Some(index) => Self { index, ..self },
            None => Self::start_of(self.height.next()),
        }
    }
}

/// All of these answer `None`, or fewer items, for what is not committed.
///
/// # Errors
/// [`LedgerError::Store`] if the store fails or a record is damaged.
impl Ledger {
    /// The header at a height.
    pub fn header(&self, height: Height) -> Result<Option<Header>, LedgerError> {
        self.at_height(Column::Headers, height)
    }

    /// The block at a height.
    pub fn block(&self, height: Height) -> Result<Option<Block>, LedgerError> {
        self.at_height(Column::Blocks, height)
    }

    /// The receipts of the block at a height.
    pub fn receipts(&self, height: Height) -> Result<Option<Vec<Receipt>>, LedgerError> {
        self.at_height(Column::Receipts, height)
    }

    /// The certificate that finalises the block of exactly this height, if there is one of its own.
    pub fn finalization(&self, height: Height) -> Result<Option<Certificate>, LedgerError> {
        self.at_height(Column::Certificates, height)
    }

    /// The height of a block.
    pub fn height_of(&self, id: &BlockId) -> Result<Option<Height>, LedgerError> {
        Ok(record::get_decoded(
            &*self.store,
            Column::BlockIds,
            id.as_bytes(),
        )?)
    }

    /// The block with an id.
    pub fn block_by_id(&self, id: &BlockId) -> Result<Option<Block>, LedgerError> {
        match self.height_of(id)? {
            Some(height) => self.block(height),
            None => Ok(None),
        }
    }

    /// At most `limit` consecutive headers from `from` on.
    pub fn headers(&self, from: Height, limit: usize) -> Result<Vec<Header>, LedgerError> {
        Ok(scan_headers(&*self.store, from, limit)?)
    }

    /// At most `limit` consecutive blocks from `from` on, and of those no more than fit `bytes` encoded, but at least
    /// one: what a peer that catches up is sent.
    pub fn blocks(
        &self,
        from: Height,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Block>, LedgerError> {
        let mut blocks = Vec::new();
        let mut total = 0usize;
        let mut height = from;
        while blocks.len() < limit {
            let key = height_key(height);
            let Some(payload) = record::get(&*self.store, Column::Blocks, &key)? else {
                break;
            };
            total = total.saturating_add(payload.len());
            if total > bytes && !blocks.is_empty() {
                break;
            }
            blocks.push(record::decode(Column::Blocks, &key, &payload)?);
            height = height.next();
        }
        Ok(blocks)
    }

    /// Where a transaction stands, whichever its outcome.
    pub fn transaction_position(
        &self,
        id: &TxId,
    ) -> Result<Option<TransactionPosition>, LedgerError> {
        Ok(record::get_decoded(
            &*self.store,
            Column::Transactions,
            id.as_bytes(),
        )?)
    }

    /// The lowest certificate at or above a height: what finalises the block there.
    pub fn finalization_from(
        &self,
        height: Height,
    ) -> Result<Option<(Height, Certificate)>, LedgerError> {
        Ok(scan_finalization(&*self.store, height)?)
    }

    /// The transaction ids of the last `window` blocks, oldest block first: what a node needs to refuse repeats.
    pub fn recent_transactions(
        &self,
        window: u64,
    ) -> Result<Vec<(Height, Vec<TxId>)>, LedgerError> {
        let head = self.head().height;
        // Block 0 has no transactions.
        let mut height = Height::new(head.get().saturating_sub(window.saturating_sub(1)).max(1));
        let mut recent = Vec::new();
        while window > 0 && height <= head {
            let receipts = self.receipts(height)?.ok_or_else(|| {
                StoreError::corrupt(Column::Receipts, &height_key(height), "missing below head")
            })?;
            let ids = receipts.iter().map(|receipt| receipt.transaction).collect();
            recent.push((height, ids));
            height = height.next();
        }
        Ok(recent)
    }

    /// At most `limit` events of one contract and topic from height `from` on, in the order of the chain.
    pub fn events(
        &self,
        contract: ContractId,
        topic: u16,
        from: Height,
        limit: usize,
    ) -> Result<Vec<IndexedEvent>, LedgerError> {
        Ok(events::read(&*self.store, contract, topic, from, limit)?)
    }

    /// The keys of one contract's values after the last block that begin with `prefix`, without it and in order: at most `limit`, those after
    /// `after` if it is given.
    pub fn state_keys(
        &self,
        space: Space,
        contract: ContractId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, LedgerError> {
        let path = [&contract.get().to_be_bytes()[..], prefix].concat();
        let all = KeyRange::prefix(&path);
        // the first key behind `after` is the same with a zero
        let start = [&path[..], after.unwrap_or_default()].concat();
        let start = if after.is_some() {
            [&start[..], &[0]].concat()
        } else {
            start
        };
        let range = match all.end() {
            Some(end) => KeyRange::between(start, end),
            None => KeyRange::from(start),
        };
        let column = crate::state::column(space);
        let entries = self
            .store
            .scan(column, &range, Direction::Ascending, limit)?;
        Ok(entries
            .into_iter()
            .filter_map(|(key, _)| key.get(path.len()..).map(<[u8]>::to_vec))
            .collect())
    }

    /// At most `limit` records of a handle from a position on, and no more than fit `bytes` encoded, but at least one. Whole blocks are
    /// read for them: at most `RECORDS_READ_MAX` bytes and one more block.
    pub fn records(
        &self,
        handle: &Handle,
        from: TransactionPosition,
        limit: usize,
        bytes: usize,
    ) -> Result<RecordsPage, LedgerError> {
        let store = self.store.snapshot();
        let positions = records::read(&*store, handle, from, limit)?;
        let mut page = RecordsPage {
            next: (limit > 0 && positions.len() == limit)
                .then(|| positions.last().map(|last| last.next()))
                .flatten(),
            records: Vec::new(),
        };
        let mut block: Option<Block> = None;
        let (mut read, mut total) = (0usize, 0usize);
        for position in positions {
            let key = height_key(position.height);
            let known = block.take_if(|block| block.header.height == position.height);
            let present = match known {
                Some(block) => block,
                None if read >= RECORDS_READ_MAX => {
                    page.next = Some(position);
                    break;
                }
                None => {
                    let payload = record::get(&*store, Column::Blocks, &key)?.ok_or_else(|| {
                        StoreError::corrupt(Column::Blocks, &key, "missing below head")
                    })?;
                    read = read.saturating_add(payload.len());
                    record::decode(Column::Blocks, &key, &payload)?
                }
            };
            let transaction = usize::try_from(position.index)
                .ok()
                .and_then(|index| present.transactions.get(index).cloned())
                .ok_or_else(|| {
                    StoreError::corrupt(Column::Records, &key, "points behind the end of its block")
                })?;
            block = Some(present);
            total = total.saturating_add(codec::encode(&transaction).len());
            if total > bytes && !page.records.is_empty() {
                page.next = Some(position);
                break;
            }
            page.records.push((position, transaction));
        }
        Ok(page)
    }

    fn at_height<T: Serialize + DeserializeOwned>(
        &self,
        column: Column,
        height: Height,
    ) -> Result<Option<T>, LedgerError> {
        Ok(record::get_decoded(
            &*self.store,
            column,
            &height_key(height),
        )?)
    }
}

/// How many bytes of blocks are read for a page of records. The records of a period are spread over many blocks.
const RECORDS_READ_MAX: usize = 16 * 1024 * 1024;

/// Consecutive headers from a height on.
pub(super) fn scan_headers(
    store: &dyn Read,
    from: Height,
    limit: usize,
) -> Result<Vec<Header>, StoreError> {
    let range = KeyRange::from(height_key(from));
    store
        .scan(Column::Headers, &range, Direction::Ascending, limit)?
        .into_iter()
        .map(|(key, value)| {
            let payload = record::open(Column::Headers, &key, value)?;
            record::decode(Column::Headers, &key, &payload)
        })
        .collect()
}

/// The lowest certificate at or above a height.
pub(super) fn scan_finalization(
    store: &dyn Read,
    from: Height,
) -> Result<Option<(Height, Certificate)>, StoreError> {
    let range = KeyRange::from(height_key(from));
    store
        .scan(Column::Certificates, &range, Direction::Ascending, 1)?
        .into_iter()
        .next()
        .map(|(key, value)| {
            let payload = record::open(Column::Certificates, &key, value)?;
            let certificate = record::decode(Column::Certificates, &key, &payload)?;
            let height = leading_height(&key)
                .ok_or_else(|| StoreError::corrupt(Column::Certificates, &key, "key too short"))?;
            Ok((height, certificate))
        })
        .transpose()
}
