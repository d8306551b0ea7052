//! The light client: trusts the genesis block, checks the rest (`DESIGN`, way of one reading, step 13).
//!
//! It holds the first epoch's validators and lanes, pinned by the genesis hash, and accepts a receipt only with the headers, finality
//! certificate and inclusion that prove it. A node can withhold a proof, but not forge one.
//!
//! Validators change with epochs. The client follows them change by change, each proven by the validators before it
//! ([`LightClient::advance`]), and remembers those of the last [`EPOCHS_KEPT`] epochs. What is older is forgotten: a proof from then is
//! checked by a client that starts at genesis again ([`LightClient::restarted`]) and goes no further than the proof's epoch.
//!
//! In place of genesis it can start from an epoch that its operator pins ([`Pin`]): then it trusts whoever named the pin for all that was
//! before, and knows nothing older. [`Sightings`] beside it notice two final blocks of one height. `docs/light-client.md` has the whole.

mod pin;
mod sightings;

pub use pin::{ParsePinError, Pin};
pub use sightings::{BOUNDARIES_MAX, HEADERS_KEPT, RECENT_MAX, Sightings};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::attestation::{ATTESTATION_MAX, Attestation, AttestationError, Attested};
use crate::block::Header;
use crate::codec::{self, CodecError};
use crate::conflict::{Conflict, ConflictError, Forked};
use crate::epoch::{EPOCH_CHANGE_MAX, EpochChange, EpochConfig};
use crate::hash::Digest;
use crate::ids::{Epoch, GenesisHash};
use crate::lane::Lane;
use crate::lanes::EpochLanes;
use crate::proof::{
    ANCHOR_MAX, AtHeight, FinalityProof, GenesisAnchor, ProofError, Proven, RECEIPT_PROOF_MAX,
    ReceiptProof, STATE_PROOF_MAX, StateValueProof,
};
use crate::receipt::Receipt;
use crate::records::{RECORD_PROOF_MAX, Record, RecordError, RecordProof};
use crate::state::StateKey;
use crate::transaction::TxId;
use crate::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// Checks proofs of one chain. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightClient {
    genesis: GenesisHash,
    first: Arc<EpochConfig>,
    /// Those of the epochs before the newest, ascending and without a gap.
    older: VecDeque<Arc<EpochConfig>>,
    newest: Arc<EpochConfig>,
}

/// How many epochs' validators a client remembers: 0.5 KB each with four validators, 53 KB with 512.
pub const EPOCHS_KEPT: usize = 128;
/// How many of them a checkpoint holds.
const EPOCHS_SAVED: usize = 8;
/// How many sightings of each kind it holds.
const SIGHTINGS_SAVED: usize = 8;
/// Upper bound of an encoded checkpoint in bytes: what is saved of 512 validators.
pub const CHECKPOINT_MAX: usize = 2 * 1024 * 1024;

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
    /// A proof of an epoch whose validators are not known yet. [`LightClient::advance`] first.
    #[error(
        "the proof is of epoch {need}, and the changes of validators are known up to epoch {have}"
    )]
    UnknownEpoch {
        /// The newest epoch that is known.
        have: Epoch,
        /// The epoch that is needed.
        need: Epoch,
    },
    /// A proof of an epoch whose validators are not remembered. [`LightClient::restarted`] knows them, once it has followed.
    #[error("the proof is of epoch {need}, and validators are remembered from epoch {oldest} on")]
    ForgottenEpoch {
        /// The oldest epoch that is remembered.
        oldest: Epoch,
        /// The epoch that is needed.
        need: Epoch,
    },
    /// A change that is not the next one.
    #[error("a change of validators ends epoch {found}, the next one ends epoch {expected}")]
    NotNext {
        /// The epoch it ends.
        found: Epoch,
        /// The epoch that the next one ends.
        expected: Epoch,
    },
    /// A change of validators that leads to another epoch than the pinned one.
    #[error("this is not the epoch that was pinned as {0}")]
    OtherPin(Pin),
    /// A checkpoint that no client of this chain made, or that was damaged since.
    #[error("the checkpoint {0}")]
    Checkpoint(&'static str),
    /// An attestation in a more urgent lane than the transaction was sent in, where fewer verifiers may be enough.
    #[error("the attestation is of lane {found}, and the transaction was sent in lane {asked}")]
    Lane {
        /// The attestation's.
        found: Lane,
        /// The transaction's.
        asked: Lane,
    },
    /// A well-formed proof that does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A well-formed proof of a record that shows none.
    #[error(transparent)]
    Record(RecordError),
    /// A well-formed conflict that is none.
    #[error(transparent)]
    Conflict(ConflictError),
    /// A well-formed attestation that does not hold.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
}

/// What a client knows, to go on from. The digests tell damage; they do not protect from who can write the file, and need not: he could
/// replace the anchor beside it.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    genesis: GenesisHash,
    /// Where the client that made it started.
    start: Pin,
    seen: Sightings,
    epochs: Vec<(Digest, EpochConfig)>,
}

impl LightClient {
    /// A client that starts from an encoded [`GenesisAnchor`], which must be of chain `pinned`, if one is.
    ///
    /// Without `pinned`, whoever gave the anchor chose the chain.
    ///
    /// # Errors
    /// [`LightError`] if the bytes are no anchor, or of another chain.
    pub fn new(anchor: &[u8], pinned: Option<GenesisHash>) -> Result<Self, LightError> {
        let anchor: GenesisAnchor = decode("anchor", anchor, ANCHOR_MAX)?;
        let genesis = anchor.check()?;
        if let Some(expected) = pinned
            && expected != genesis
        {
            return Err(LightError::OtherChain {
                found: genesis,
                expected,
            });
        }
        let first = Arc::new(anchor.first);
        Ok(Self {
            genesis,
            first: Arc::clone(&first),
            older: VecDeque::new(),
            newest: first,
        })
    }

    /// A client of the same chain that starts at a pinned epoch, from the encoded [`EpochChange`] that leads to it, and knows nothing older.
    ///
    /// The certificate of that change is not checked: it is the pin that says who validates.
    ///
    /// # Errors
    /// [`LightError::OtherPin`] if the change leads elsewhere.
    pub fn pinned(&self, pin: Pin, change: &[u8]) -> Result<Self, LightError> {
        let change = decode_change(change)?;
        let EpochConfig { validators, lanes } = &change.next;
        if Pin::of(&change.next) != pin || validators.epoch() != lanes.epoch {
            return Err(LightError::OtherPin(pin));
        }
        let first = Arc::new(change.next);
        Ok(Self {
            genesis: self.genesis,
            first: Arc::clone(&first),
            older: VecDeque::new(),
            newest: first,
        })
    }

    /// Where this client starts: genesis' first epoch, or the pinned one.
    #[must_use]
    pub fn start(&self) -> Pin {
        Pin::of(&self.first)
    }

    /// An epoch that it knows, for another client to pin.
    #[must_use]
    pub fn pin(&self, epoch: Epoch) -> Option<Pin> {
        self.known(epoch).map(Pin::of)
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// The newest epoch whose validators are known.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.newest.epoch()
    }

    /// The oldest epoch whose validators are remembered.
    #[must_use]
    pub fn oldest(&self) -> Epoch {
        self.older
            .front()
            .map_or(self.epoch(), |oldest| oldest.epoch())
    }

    /// The validators of an epoch, if they are known and remembered. A proof's weight is to be read against theirs.
    #[must_use]
    pub fn validators(&self, epoch: Epoch) -> Option<&ValidatorSet> {
        self.known(epoch).map(|known| &known.validators)
    }

    /// The lanes of an epoch, if they are known and remembered.
    #[must_use]
    pub fn lanes(&self, epoch: Epoch) -> Option<&EpochLanes> {
        self.known(epoch).map(|known| &known.lanes)
    }

    fn known(&self, epoch: Epoch) -> Option<&EpochConfig> {
        if epoch == self.newest.epoch() {
            return Some(&self.newest);
        }
        let mut older = self.older.iter().map(Arc::as_ref);
        older.find(|known| known.epoch() == epoch)
    }

    /// Follows an encoded [`EpochChange`] from the newest epoch to the next, and returns that.
    ///
    /// # Errors
    /// [`LightError`] names what is wrong; the client is as before.
    pub fn advance(&mut self, change: &[u8]) -> Result<Epoch, LightError> {
        self.advance_by(decode_change(change)?)
    }

    /// The same with a change that is decoded already.
    ///
    /// # Errors
    /// As [`LightClient::advance`].
    pub fn advance_by(&mut self, change: EpochChange) -> Result<Epoch, LightError> {
        let expected = self.epoch();
        if change.header.epoch != expected {
            return Err(LightError::NotNext {
                found: change.header.epoch,
                expected,
            });
        }
        let next = Arc::new(change.verify(self.genesis, &self.newest.validators)?);
        let before = core::mem::replace(&mut self.newest, next);
        self.older.push_back(before);
        if self.older.len() >= EPOCHS_KEPT {
            self.older.pop_front();
        }
        Ok(self.epoch())
    }

    /// A client of the same chain that knows where it started alone.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self {
            genesis: self.genesis,
            first: Arc::clone(&self.first),
            older: VecDeque::new(),
            newest: Arc::clone(&self.first),
        }
    }

    /// What this client knows of the newest epochs, and the newest of what it has seen, for [`LightClient::resumed`].
    #[must_use]
    pub fn checkpoint(&self, seen: &Sightings) -> Vec<u8> {
        let skipped = self
            .older
            .len()
            .saturating_sub(EPOCHS_SAVED.saturating_sub(1));
        let epochs = self.older.iter().skip(skipped).chain([&self.newest]);
        codec::encode(&Checkpoint {
            genesis: self.genesis,
            start: self.start(),
            seen: seen.newest(SIGHTINGS_SAVED, SIGHTINGS_SAVED),
            epochs: epochs
                .map(|known| (known.digest(), known.as_ref().clone()))
                .collect(),
        })
    }

    /// This client with what an earlier one of the same chain and start knew and had seen.
    ///
    /// # Errors
    /// [`LightError`] if the bytes are no whole checkpoint of this chain.
    pub fn resumed(&self, checkpoint: &[u8]) -> Result<(Self, Sightings), LightError> {
        let checkpoint: Checkpoint = decode("checkpoint", checkpoint, CHECKPOINT_MAX)?;
        if checkpoint.genesis != self.genesis {
            return Err(LightError::Checkpoint("is of another chain"));
        }
        if checkpoint.start != self.start() {
            return Err(LightError::Checkpoint("was followed from another start"));
        }
        let mut older: VecDeque<Arc<EpochConfig>> = VecDeque::new();
        for (digest, known) in checkpoint.epochs {
            if known.digest() != digest {
                return Err(LightError::Checkpoint("is damaged"));
            }
            let follows = older
                .back()
                .is_none_or(|last| last.epoch().next() == known.epoch());
            if !follows {
                return Err(LightError::Checkpoint("has a gap"));
            }
            older.push_back(Arc::new(known));
        }
        let newest = older
            .pop_back()
            .filter(|_| older.len() < EPOCHS_KEPT)
            .ok_or(LightError::Checkpoint("holds no validators, or too many"))?;
        let resumed = Self {
            older,
            newest,
            ..self.restarted()
        };
        Ok((resumed, checkpoint.seen))
    }

    /// Checks an encoded [`ReceiptProof`] of transaction `expected`.
    ///
    /// # Errors
    /// [`LightError`] names what does not hold; after [`LightError::UnknownEpoch`] and [`LightError::ForgottenEpoch`] it may
    /// hold all the same.
    pub fn receipt(&self, proof: &[u8], expected: &TxId) -> Result<Proven<Receipt>, LightError> {
        self.check_receipt(&decode_receipt(proof)?, expected)
    }

    /// Checks an encoded [`ReceiptProof`] of whichever transaction it is about.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn any_receipt(&self, proof: &[u8]) -> Result<Proven<Receipt>, LightError> {
        let proof = decode_receipt(proof)?;
        self.check_receipt(&proof, &proof.receipt.transaction)
    }

    /// The same of a proof that is decoded already.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn check_receipt(
        &self,
        proof: &ReceiptProof,
        expected: &TxId,
    ) -> Result<Proven<Receipt>, LightError> {
        let epoch = self.signing(&proof.finality)?;
        Ok(proof.verify(self.genesis, &epoch.validators, expected)?)
    }

    /// Checks that a header is final.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn check_finality(&self, proof: &FinalityProof) -> Result<Proven<Header>, LightError> {
        let epoch = self.signing(proof)?;
        let proven = proof.verify(self.genesis, &epoch.validators)?;
        Ok(proven.map(Header::clone))
    }

    /// Checks an encoded [`StateValueProof`] of a key, at a time that will do.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn state(
        &self,
        proof: &[u8],
        expected: &StateKey,
        at: AtHeight,
    ) -> Result<Proven<Option<Vec<u8>>>, LightError> {
        self.check_state(&decode_state(proof)?, expected, at)
    }

    /// The same of a proof that is decoded already.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn check_state(
        &self,
        proof: &StateValueProof,
        expected: &StateKey,
        at: AtHeight,
    ) -> Result<Proven<Option<Vec<u8>>>, LightError> {
        let epoch = self.signing(&proof.finality)?;
        Ok(proof.verify(self.genesis, &epoch.validators, expected, at)?)
    }

    /// Checks an encoded [`RecordProof`].
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn record(&self, proof: &[u8]) -> Result<Proven<Record>, LightError> {
        self.check_record(&decode_record(proof)?)
    }

    /// The same of a proof that is decoded already.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn check_record(&self, proof: &RecordProof) -> Result<Proven<Record>, LightError> {
        let epoch = self.signing(&proof.receipt.finality)?;
        proof
            .verify(self.genesis, &epoch.validators)
            .map_err(|error| match error {
                RecordError::Proof(error) => error.into(),
                other => LightError::Record(other),
            })
    }

    /// Checks that two proofs of finality hold and contradict each other.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn check_conflict(&self, conflict: &Conflict) -> Result<Forked, LightError> {
        for proof in [&conflict.first, &conflict.second] {
            self.signing(proof)?;
        }
        conflict
            .verify(self.genesis, |epoch| self.validators(epoch))
            .map_err(|error| match error {
                ConflictError::Proof(error) => error.into(),
                other => LightError::Conflict(other),
            })
    }

    /// Checks an encoded [`Attestation`] of transaction `expected`, which was sent in lane `asked`, against the committee that its lane
    /// demands in its epoch. A lower lane will do: the transaction may be over a quota. It shows nothing final.
    ///
    /// # Errors
    /// As [`LightClient::receipt`]; and [`LightError::Lane`].
    pub fn attestation(
        &self,
        bytes: &[u8],
        expected: &TxId,
        asked: Lane,
    ) -> Result<Attested, LightError> {
        let attested = self.any_attestation(bytes)?;
        // lanes are ordered from the most urgent on
        if attested.lane < asked {
            let found = attested.lane;
            return Err(LightError::Lane { found, asked });
        }
        if attested.transaction != *expected {
            return Err(ProofError::OtherTransaction {
                found: attested.transaction,
                expected: *expected,
            }
            .into());
        }
        Ok(attested)
    }

    /// Checks an encoded [`Attestation`] of whichever transaction it is about. Its lane is what a node says: who knows in which lane the
    /// transaction was sent looks at that.
    ///
    /// # Errors
    /// As [`LightClient::receipt`].
    pub fn any_attestation(&self, bytes: &[u8]) -> Result<Attested, LightError> {
        let attestation: Attestation = decode("attestation", bytes, ATTESTATION_MAX)?;
        let epoch = self.needed(attestation.header.epoch)?;
        Ok(attestation.verify(self.genesis, &epoch.validators, &epoch.lanes)?)
    }

    /// The epoch whose validators a proof is signed by.
    fn signing(&self, proof: &FinalityProof) -> Result<&EpochConfig, LightError> {
        self.needed(proof.certificate.statement.epoch())
    }

    fn needed(&self, need: Epoch) -> Result<&EpochConfig, LightError> {
        self.known(need).ok_or_else(|| {
            let have = self.epoch();
            if need > have {
                return LightError::UnknownEpoch { have, need };
            }
            let oldest = self.oldest();
            LightError::ForgottenEpoch { oldest, need }
        })
    }
}

/// Decodes an [`EpochChange`], within its bound.
///
/// # Errors
/// [`LightError::Encoding`].
pub fn decode_change(change: &[u8]) -> Result<EpochChange, LightError> {
    decode("change of validators", change, EPOCH_CHANGE_MAX)
}

/// Decodes a [`ReceiptProof`], within its bound.
///
/// # Errors
/// [`LightError::Encoding`].
pub fn decode_receipt(proof: &[u8]) -> Result<ReceiptProof, LightError> {
    decode("proof", proof, RECEIPT_PROOF_MAX)
}

/// Decodes a [`StateValueProof`], within its bound.
///
/// # Errors
/// [`LightError::Encoding`].
pub fn decode_state(proof: &[u8]) -> Result<StateValueProof, LightError> {
    decode("state proof", proof, STATE_PROOF_MAX)
}

/// Decodes a [`RecordProof`], within its bound.
///
/// # Errors
/// [`LightError::Encoding`].
pub fn decode_record(proof: &[u8]) -> Result<RecordProof, LightError> {
    decode("record proof", proof, RECORD_PROOF_MAX)
}

fn decode<T: Serialize + serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, LightError> {
    codec::decode(bytes, limit).map_err(|reason| LightError::Encoding { what, reason })
}

#[cfg(test)]
mod tests;
