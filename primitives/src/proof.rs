//! Proofs that a light client checks: finality, inclusion, receipts. Verification only; `storage` makes them.

use crate::block::Header;
use crate::certificate::{Certificate, CertificateError, Statement};
use crate::crypto::sign::Signature;
use crate::epoch::EpochConfig;
use crate::ids::{BlockId, Epoch, GenesisHash, Height};
use crate::merkle::MerkleProof;
use crate::receipt::Receipt;
use crate::transaction::{TxId, transaction_leaf};
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

mod value;

pub use crate::state_tree::StateProof;
pub use value::{AtHeight, STATE_KEY_MAX, STATE_PROOF_MAX, STATE_VALUE_MAX, StateValueProof};

/// Something that was checked against a final header, and at which height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    value: T,
    height: Height,
    block: BlockId,
    epoch: Epoch,
    weight: u64,
}

impl<T> Proven<T> {
    /// What was proven.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value alone.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// What follows from what was proven. Only what follows from the value alone is proven with it.
    #[must_use]
    pub fn map<U>(self, follows: impl FnOnce(T) -> U) -> Proven<U> {
        Proven {
            value: follows(self.value),
            height: self.height,
            block: self.block,
            epoch: self.epoch,
            weight: self.weight,
        }
    }

    /// The same where it may fail, as with a value that is decoded.
    ///
    /// # Errors
    /// What `follows` says.
    pub fn try_map<U, E>(self, follows: impl FnOnce(T) -> Result<U, E>) -> Result<Proven<U>, E> {
        let Self {
            value,
            height,
            block,
            epoch,
            weight,
        } = self;
        Ok(Proven {
            value: follows(value)?,
            height,
            block,
            epoch,
            weight,
        })
    }

    /// The height it belongs to.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The block it belongs to.
    #[must_use]
    pub const fn block(&self) -> BlockId {
        self.block
    }

    /// The epoch whose validators signed its finality. The last block of an epoch may be shown to be final by the next.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The weight of the validators that signed its finality.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }
}

/// What a light client starts from: block 0 and the first validators, pinned by the genesis hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesisAnchor {
    /// The header of block 0, which names epoch 1.
    pub header: Header,
    /// That epoch.
    pub first: EpochConfig,
}

/// Upper bound of an encoded [`GenesisAnchor`] in bytes.
pub const ANCHOR_MAX: usize = 128 * 1024;

impl GenesisAnchor {
    /// Checks that the first epoch is as block 0 names it, and returns the chain's name.
    ///
    /// # Errors
    /// [`ProofError::NotGenesis`].
    pub fn check(&self) -> Result<GenesisHash, ProofError> {
        let genesis = self.header.genesis_hash().ok_or(ProofError::NotGenesis)?;
        let epoch = self.header.epoch.next();
        let named = self.header.next_epoch == Some(self.first.digest());
        if !named || self.first.epoch() != epoch || self.first.lanes.epoch != epoch {
            return Err(ProofError::NotGenesis);
        }
        Ok(genesis)
    }
}

/// Shows that the first of some consecutive headers is final: the last is finalised by a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalityProof {
    /// Consecutive headers, ascending; 1 to [`HEADERS_MAX`].
    pub headers: Vec<Header>,
    /// The finalisation of the last.
    pub certificate: Certificate,
}

/// Most headers in a [`FinalityProof`].
pub const HEADERS_MAX: usize = 1024;

/// Shows what became of a transaction: it stands in block h, its receipt is what block h+1 commits to, and both are final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptProof {
    /// The receipt.
    pub receipt: Receipt,
    /// Places the receipt under `headers[1].parent_receipt_root`.
    pub receipt_path: MerkleProof,
    /// The sender's signature as it stands in the block.
    pub signature: Signature,
    /// Places the transaction under `headers[0].transaction_root`.
    pub transaction_path: MerkleProof,
    /// Headers h, h+1, ... up to a finalised one.
    pub finality: FinalityProof,
}

/// Upper bound of an encoded [`ReceiptProof`] in bytes: [`HEADERS_MAX`] headers with the largest committees, and room for
/// the receipt's events.
pub const RECEIPT_PROOF_MAX: usize = 2 * 1024 * 1024;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The anchor is not a block 0 with its validators.
    #[error("the anchor is not a block 0 with the validators it names")]
    NotGenesis,
    /// Too few or too many headers.
    #[error("{found} headers; a proof has {minimum} to {HEADERS_MAX}")]
    HeaderCount {
        /// How many there are.
        found: usize,
        /// How many are needed.
        minimum: usize,
    },
    /// A header does not follow the one before it.
    #[error("the header at height {0} does not follow the one before it")]
    BrokenChain(Height),
    /// The certificate is no finalisation of the last header.
    #[error("the certificate does not finalise the last header")]
    NotAFinalization,
    /// Validators or lanes are not those that the epoch's last header names.
    #[error("validators or lanes are not those that the last header of the epoch names")]
    OtherEpoch,
    /// The certificate does not hold.
    #[error("the finalisation does not hold: {0}")]
    Certificate(#[from] CertificateError),
    /// The receipt is not what the next header commits to.
    #[error("the receipt is not under the receipt root of the next header")]
    Receipt,
    /// The transaction is not in the block.
    #[error("the transaction is not under the transaction root of its header")]
    Transaction,
    /// The value, or its absence, is not what the header commits to.
    #[error("the value is not what the state root of the next header commits to")]
    State,
    /// A key or a value longer than any in the state.
    #[error("a key has at most {STATE_KEY_MAX} bytes and a value at most {STATE_VALUE_MAX}")]
    StateSize,
    /// The proof is about another key.
    #[error("the proof is about another key than the one asked for")]
    OtherKey,
    /// The proof is of the state of another time: an old answer, which may have been true then.
    #[error("the proof is of the state after height {found}, asked for was {expected}")]
    OtherHeight {
        /// After which block.
        found: Height,
        /// After which one it was asked for.
        expected: AtHeight,
    },
    /// The proof is about another transaction.
    #[error("the proof is about transaction {found}, not {expected}")]
    OtherTransaction {
        /// The one it is about.
        found: TxId,
        /// The one asked for.
        expected: TxId,
    },
}

impl FinalityProof {
    /// Checks that the last header, and so every one before it, is final by the validators of its epoch.
    ///
    /// All headers are of that epoch; only the first may be the last one of the epoch before. The certificate may be of a
    /// later view than the header's: the last block of an epoch is proposed again until it is final.
    ///
    /// # Errors
    /// [`ProofError`] names what is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<Proven<&Header>, ProofError> {
        let (Some(first), Some(last)) = (self.headers.first(), self.headers.last()) else {
            return Err(ProofError::HeaderCount {
                found: 0,
                minimum: 1,
            });
        };
        if self.headers.len() > HEADERS_MAX {
            return Err(ProofError::HeaderCount {
                found: self.headers.len(),
                minimum: 1,
            });
        }
        for (header, next) in self.headers.iter().zip(self.headers.iter().skip(1)) {
            if next.height != header.height.next()
                || next.parent != header.id()
                || next.epoch != last.epoch
            {
                return Err(ProofError::BrokenChain(next.height));
            }
        }
        match self.certificate.statement {
            Statement::Finalize { epoch, block, .. }
                if block == last.id() && epoch == last.epoch => {}
            _ => return Err(ProofError::NotAFinalization),
        }
        let weight = self.certificate.verify(genesis, validators)?;
        Ok(Proven {
            value: first,
            height: first.height,
            block: first.id(),
            epoch: validators.epoch(),
            weight,
        })
    }
}

impl ReceiptProof {
    /// Checks inclusion, receipt and finality, for the transaction `expected`.
    ///
    /// # Errors
    /// [`ProofError`] names what is wrong.
    pub fn verify(
        &self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
        expected: &TxId,
    ) -> Result<Proven<Receipt>, ProofError> {
        if self.receipt.transaction != *expected {
            return Err(ProofError::OtherTransaction {
                found: self.receipt.transaction,
                expected: *expected,
            });
        }
        let [header, next, ..] = self.finality.headers.as_slice() else {
            return Err(ProofError::HeaderCount {
                found: self.finality.headers.len(),
                minimum: 2,
            });
        };
        let index = self.receipt.index;
        let count = header.transaction_count;
        if self.receipt_path.index != index
            || self.receipt_path.leaf_count != count
            || self.receipt_path.root_of(self.receipt.leaf()) != Some(next.parent_receipt_root)
        {
            return Err(ProofError::Receipt);
        }
        let leaf = transaction_leaf(expected, &self.signature);
        if self.transaction_path.index != index
            || self.transaction_path.leaf_count != count
            || self.transaction_path.root_of(leaf) != Some(header.transaction_root)
        {
            return Err(ProofError::Transaction);
        }
        let first = self.finality.verify(genesis, validators)?;
        Ok(Proven {
            value: self.receipt.clone(),
            height: first.height,
            block: first.block,
            epoch: first.epoch,
            weight: first.weight,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
