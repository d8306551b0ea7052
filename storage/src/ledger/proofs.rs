//! Making the proofs that `primitives::proof` verifies. Each is made from one snapshot.

use super::reads::{scan_finalization, scan_headers};
use super::{Ledger, LedgerError, TransactionPosition, read_head};
use crate::column::{Column, height_key};
use crate::error::StoreError;
use crate::record;
use crate::state::StateView;
use crate::store::Read;
use crate::tree::Tree;
use salus_primitives::block::Block;
use salus_primitives::ids::Height;
use salus_primitives::merkle::MerkleTree;
use salus_primitives::proof::{FinalityProof, HEADERS_MAX, ReceiptProof, StateProof};
use salus_primitives::receipt::Receipt;
use salus_primitives::signed::Signed;
use salus_primitives::state::StateKey;
use salus_primitives::transaction::{SignedTransaction, TxId};

impl Ledger {
    /// Proves that the block at `height` is final: headers from there up to the first with a certificate. `None` if it
    /// is not committed, or if no certificate lies within [`HEADERS_MAX`] headers.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn finality_at(&self, height: Height) -> Result<Option<FinalityProof>, LedgerError> {
        Ok(finality(&*self.store.snapshot(), height, height)?)
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
        let key = height_key(height);
        let receipts: Vec<Receipt> = record::get_decoded(&*store, Column::Receipts, &key)?
            .ok_or_else(|| StoreError::corrupt(Column::Receipts, &key, "missing below head"))?;
        let block: Block = record::get_decoded(&*store, Column::Blocks, &key)?
            .ok_or_else(|| StoreError::corrupt(Column::Blocks, &key, "missing below head"))?;

        let receipt_path =
            MerkleTree::new(receipts.iter().map(Receipt::leaf).collect()).proof(index);
        let transactions = &block.transactions;
        let transaction_path =
            MerkleTree::new(transactions.iter().map(SignedTransaction::leaf).collect())
                .proof(index);
        let position = index as usize;
        let receipt = receipts.into_iter().nth(position);
        let signature = transactions.get(position).map(signature_of);
        match (receipt, receipt_path, signature, transaction_path) {
            (Some(receipt), Some(receipt_path), Some(signature), Some(transaction_path)) => {
                Ok(Some(ReceiptProof {
                    receipt,
                    receipt_path,
                    signature,
                    transaction_path,
                    finality,
                }))
            }
            _ => Err(StoreError::corrupt(
                Column::Transactions,
                id.as_bytes(),
                "points behind the end of its block",
            )
            .into()),
        }
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
        assert!(
            key.space == salus_primitives::state::Space::Tree,
            "only the tree space has proofs"
        );
        let store = self.store.snapshot();
        let head = read_head(&*store)?.height;
        if height > head {
            return Err(LedgerError::Future { height, head });
        }
        let oldest = Height::new(head.get().saturating_sub(self.retention.state_heights));
        if height < oldest {
            return Err(LedgerError::Pruned { height, oldest });
        }
        let value = StateView::new(&*store).value_at(key, height, head)?;
        let proof = Tree::new(&*store).prove(height, key)?;
        Ok((value, proof))
    }
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

fn signature_of<T>(signed: &Signed<T>) -> salus_primitives::crypto::sign::Signature {
    signed.signature
}
