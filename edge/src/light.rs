//! The light client: trusts the genesis block, checks the rest (`DESIGN`, way of one reading, step 13).
//!
//! It holds the first validators, pinned by the genesis hash, and accepts a receipt only with the headers, finality
//! certificate and inclusion that prove it. A node can withhold a proof, but not forge one.

use salus_primitives::codec::{self, CodecError};
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::{
    ANCHOR_MAX, GenesisAnchor, ProofError, Proven, RECEIPT_PROOF_MAX, ReceiptProof,
};
use salus_primitives::receipt::Receipt;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;

/// Checks proofs of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightClient {
    genesis: GenesisHash,
    validators: ValidatorSet,
}

/// Why bytes prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// Not the encoding of what they should be.
    #[error("{what}: {reason}")]
    Encoding {
        /// What was expected.
        what: &'static str,
        /// What the decoder found.
        reason: CodecError,
    },
    /// A well-formed anchor of another chain.
    #[error("the anchor is of chain {found}, not {expected}")]
    OtherChain {
        /// The chain it is of.
        found: GenesisHash,
        /// The chain that was pinned.
        expected: GenesisHash,
    },
    /// A well-formed proof that does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl LightClient {
    /// A client that starts from an encoded [`GenesisAnchor`], which must be of chain `pinned`, if one is.
    ///
    /// Without `pinned`, whoever gave the anchor chose the chain.
    ///
    /// # Errors
    /// [`LightError`] if the bytes are no anchor, or of another chain.
    pub fn new(anchor: &[u8], pinned: Option<GenesisHash>) -> Result<Self, LightError> {
        let anchor: GenesisAnchor =
            codec::decode(anchor, ANCHOR_MAX).map_err(|reason| LightError::Encoding {
                what: "anchor",
                reason,
            })?;
        let genesis = anchor.check()?;
        if let Some(expected) = pinned
            && expected != genesis
        {
            return Err(LightError::OtherChain {
                found: genesis,
                expected,
            });
        }
        Ok(Self {
            genesis,
            validators: anchor.validators,
        })
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// The weight of all validators, against which a proof's weight is to be read.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.validators.total_weight()
    }

    /// Checks an encoded [`ReceiptProof`] of transaction `expected`.
    ///
    /// # Errors
    /// [`LightError`] names what does not hold.
    pub fn receipt(&self, proof: &[u8], expected: &TxId) -> Result<Proven<Receipt>, LightError> {
        Ok(decode_proof(proof)?.verify(self.genesis, &self.validators, expected)?)
    }

    /// Checks an encoded [`ReceiptProof`] of whichever transaction it is about.
    ///
    /// # Errors
    /// [`LightError`] names what does not hold.
    pub fn any_receipt(&self, proof: &[u8]) -> Result<Proven<Receipt>, LightError> {
        let proof = decode_proof(proof)?;
        let about = proof.receipt.transaction;
        Ok(proof.verify(self.genesis, &self.validators, &about)?)
    }
}

fn decode_proof(proof: &[u8]) -> Result<ReceiptProof, LightError> {
    codec::decode(proof, RECEIPT_PROOF_MAX).map_err(|reason| LightError::Encoding {
        what: "proof",
        reason,
    })
}
