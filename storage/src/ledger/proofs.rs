//! Making the proofs that `primitives::proof` verifies. Each is made from one snapshot.

use super::reads::{scan_finalization, scan_headers};
use super::{Ledger, LedgerError, TransactionPosition, read_head};
use crate::column::{Column, height_key, leading_height};
use crate::error::StoreError;
use crate::record;
use crate::state::StateView;
use crate::store::{Direction, KeyRange, Read};
use crate::tree::Tree;
use salus_primitives::block::Block;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::Height;
use salus_primitives::merkle::MerkleTree;
use salus_primitives::proof::{
    FinalityProof, HEADERS_MAX, ReceiptProof, StateProof, StateValueProof,
};
use salus_primitives::receipt::Receipt;
use salus_primitives::records::RecordProof;
use salus_primitives::state::StateKey;
use salus_primitives::transaction::{SignedTransaction, TxId};
use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};

impl Ledger {
    /// Proves that the block at `height` is final: headers from there up to the first with a certificate. `None` if it
    /// is not committed, or if no certificate lies within [`HEADERS_MAX`] headers.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn finality_at(&self, height: Height) -> Result<Option<FinalityProof>, LedgerError> {
        Ok(finality(&*self.store.snapshot(), height, height)?)
    }

    /// Proves that the block at `height` and the one after it, whose header holds the roots after it, are final. `None` if that is not known
    /// yet.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn finality_after(&self, height: Height) -> Result<Option<FinalityProof>, LedgerError> {
        Ok(finality(&*self.store.snapshot(), height, height.next())?)
    }

    /// Proves what became of a transaction. `None` if it is not in the chain, or not provable yet: that takes a final
    /// block after its own.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn receipt_proof(&self, id: &TxId) -> Result<Option<ReceiptProof>, LedgerError> {
        let store = self.store.snapshot();
        let position: Option<TransactionPosition> =
            record::get_decoded(&*store, Column::Transactions, id.as_bytes())?;
        let Some(TransactionPosition { height, index }) = position else {
            return Ok(None);
        };
        let Some(finality) = finality(&*store, height, height.next())? else {
            return Ok(None);
        };
        let material = self.proof_material(&*store, height)?;
        material
            .receipt_proof(index, finality)
            .map(Some)
            .ok_or_else(|| {
                let reason = "points behind the end of its block";
                StoreError::corrupt(Column::Transactions, id.as_bytes(), reason).into()
            })
    }

    /// Proves that a transaction recorded a reading, or whatever else it did. `None` as with [`Ledger::receipt_proof`].
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn record_proof(&self, id: &TxId) -> Result<Option<RecordProof>, LedgerError> {
        let Some(receipt) = self.receipt_proof(id)? else {
            return Ok(None);
        };
        let Some(TransactionPosition { height, index }) = self.transaction_position(id)? else {
            return Ok(None);
        };
        let transaction = self
            .block(height)?
            .and_then(|block| {
                block
                    .transactions
                    .get(usize::try_from(index).ok()?)
                    .cloned()
            })
            .ok_or_else(|| {
                let reason = "points behind the end of its block";
                StoreError::corrupt(Column::Transactions, id.as_bytes(), reason)
            })?;
        Ok(Some(RecordProof {
            transaction,
            receipt,
        }))
    }

    /// Whether what became of the transactions of the block at a height can be proven: a block after it is final, and so is known
    /// to be.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn is_provable(&self, height: Height) -> Result<bool, LedgerError> {
        if self.head().height <= height {
            return Ok(false);
        }
        let last = scan_finalization(&*self.store.snapshot(), height.next())?;
        Ok(last.is_some_and(|(last, _)| last.since(height) < HEADERS_MAX as u64))
    }

    /// The value under a key of the tree space after the block at `height`, or that there is none, with the proof. It is
    /// checked against `parent_state_root` of the header at `height + 1`.
    ///
    /// # Errors
    /// [`LedgerError::Future`] above the head, [`LedgerError::Pruned`] below the retention.
    ///
    /// # Panics
    /// If `key` is not of the tree space: nothing else can be proven.
    pub fn state_proof(
        &self,
        height: Height,
        key: &StateKey,
    ) -> Result<(Option<Vec<u8>>, StateProof), LedgerError> {
        let store = self.store.snapshot();
        let head = read_head(&*store)?.height;
        self.value_with_proof(&*store, head, height, key)
    }

    /// The same with the proof that the header which commits to it is final: what a light client checks.
    ///
    /// Without a height, of the newest state that can be proven with one header. `None` if no block after `height` is known to be final
    /// yet.
    ///
    /// # Errors
    /// As [`Ledger::state_proof`].
    ///
    /// # Panics
    /// As [`Ledger::state_proof`].
    pub fn state_value_proof(
        &self,
        key: &StateKey,
        height: Option<Height>,
    ) -> Result<Option<StateValueProof>, LedgerError> {
        let store = self.store.snapshot();
        let head = read_head(&*store)?.height;
        let height = match height {
            Some(height) => height,
            None => match newest_finalization(&*store)?.and_then(Height::previous) {
                Some(height) => height,
                None => return Ok(None),
            },
        };
        let (value, tree) = self.value_with_proof(&*store, head, height, key)?;
        let next = height.next();
        let Some(finality) = finality(&*store, next, next)? else {
            return Ok(None);
        };
        Ok(Some(StateValueProof {
            contract: key.contract,
            key: Blob(key.key.clone()),
            value: value.map(Blob),
            tree,
            finality,
        }))
    }

    fn value_with_proof(
        &self,
        store: &dyn Read,
        head: Height,
        height: Height,
        key: &StateKey,
    ) -> Result<(Option<Vec<u8>>, StateProof), LedgerError> {
        assert!(
            key.space == salus_primitives::state::Space::Tree,
            "only the tree space has proofs"
        );
        if height > head {
            return Err(LedgerError::Future { height, head });
        }
        let oldest = Height::new(head.get().saturating_sub(self.retention.state_heights));
        if height < oldest {
            return Err(LedgerError::Pruned { height, oldest });
        }
        let value = StateView::new(store).value_at(key, height, head)?;
        let proof = Tree::new(store).prove(height, key)?;
        Ok((value, proof))
    }

    /// The trees over one block, kept for the few blocks that were asked for last: each of a block's senders asks for
    /// the same ones.
    fn proof_material(
        &self,
        store: &dyn Read,
        height: Height,
    ) -> Result<Arc<ProofMaterial>, StoreError> {
        let known = {
            let recent = self.recent_material();
            recent.iter().find(|(of, _)| *of == height).cloned()
        };
        if let Some((_, material)) = known {
            return Ok(material);
        }
        let material = Arc::new(ProofMaterial::read(store, height)?);
        let mut recent = self.recent_material();
        if recent.len() >= RECENT_MATERIAL_MAX {
            recent.pop_front();
        }
        recent.push_back((height, Arc::clone(&material)));
        Ok(material)
    }

    fn recent_material(&self) -> MutexGuard<'_, RecentMaterial> {
        self.recent_material
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The highest block with a certificate of its own.
fn newest_finalization(store: &dyn Read) -> Result<Option<Height>, StoreError> {
    let newest = store.scan(
        Column::Certificates,
        &KeyRange::from(height_key(Height::ZERO)),
        Direction::Descending,
        1,
    )?;
    Ok(newest.first().and_then(|(key, _)| leading_height(key)))
}

/// Headers from `from` up to the first one at or above `at_least` that has a certificate.
fn finality(
    store: &dyn Read,
    from: Height,
    at_least: Height,
) -> Result<Option<FinalityProof>, StoreError> {
    let Some((last, certificate)) = scan_finalization(store, at_least)? else {
        return Ok(None);
    };
    let count = last.since(from).saturating_add(1);
    let count = match usize::try_from(count) {
        Ok(count) if count <= HEADERS_MAX => count,
        _ => return Ok(None),
    };
    let headers = scan_headers(store, from, count)?;
    if headers.len() != count {
        return Err(StoreError::corrupt(
            Column::Headers,
            &height_key(from),
            "headers are missing below a certificate",
        ));
    }
    Ok(Some(FinalityProof {
        headers,
        certificate,
    }))
}

/// What the receipt proofs of one block have in common. A final block never changes.
pub(super) struct ProofMaterial {
    receipts: Vec<Receipt>,
    signatures: Vec<Signature>,
    receipt_tree: MerkleTree,
    transaction_tree: MerkleTree,
}

/// Material of the blocks that were asked for last, oldest first.
pub(super) type RecentMaterial = VecDeque<(Height, Arc<ProofMaterial>)>;

impl ProofMaterial {
    fn read(store: &dyn Read, height: Height) -> Result<Self, StoreError> {
        let key = height_key(height);
        let missing = |column| StoreError::corrupt(column, &key, "missing below head");
        let receipts: Vec<Receipt> = record::get_decoded(store, Column::Receipts, &key)?
            .ok_or_else(|| missing(Column::Receipts))?;
        let block: Block = record::get_decoded(store, Column::Blocks, &key)?
            .ok_or_else(|| missing(Column::Blocks))?;
        let transactions = &block.transactions;
        Ok(Self {
            receipt_tree: MerkleTree::new(receipts.iter().map(Receipt::leaf).collect()),
            transaction_tree: MerkleTree::new(
                transactions.iter().map(SignedTransaction::leaf).collect(),
            ),
            signatures: transactions.iter().map(|signed| signed.signature).collect(),
            receipts,
        })
    }

    /// The proof for the transaction at `index`, if there is one.
    fn receipt_proof(&self, index: u32, finality: FinalityProof) -> Option<ReceiptProof> {
        let position = usize::try_from(index).ok()?;
        Some(ReceiptProof {
            receipt: self.receipts.get(position)?.clone(),
            receipt_path: self.receipt_tree.proof(index)?,
            signature: *self.signatures.get(position)?,
            transaction_path: self.transaction_tree.proof(index)?,
            finality,
        })
    }
}

/// Each holds the receipts of a block: a few hundred kilobytes at most.
const RECENT_MATERIAL_MAX: usize = 8;
