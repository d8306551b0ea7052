//! A chain in memory: four validators that finalise whatever they are given. Proofs of it are real.

use salus_primitives::attestation::Attestation;
use salus_primitives::block::{BlockConfig, Header, transaction_root};
use salus_primitives::calls::Role;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{SecretKey, Signature, Signer};
use salus_primitives::epoch::{EpochChange, EpochConfig};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, GenesisHash, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    EpochLanes, LaneConfig, LaneParameters, LaneWeights, Policy, Verifiers,
};
use salus_primitives::merkle::{MerkleProof, MerkleTree};
use salus_primitives::proof::{FinalityProof, GenesisAnchor, ReceiptProof};
use salus_primitives::receipt::{Event, Outcome, Receipt, receipt_root};
use salus_primitives::signed::Signed;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::SignedTransaction;
use salus_primitives::validators::{Validator, ValidatorSet};

/// Four validators of equal weight, with other keys in each epoch, and their block 0.
pub(crate) struct Chain {
    seed: u8,
    anchor: GenesisAnchor,
    /// From which epoch on its blocks are others than those of the chain without a fork, signed by the same validators; who validates
    /// after that epoch is another set.
    fork: Option<Epoch>,
}

impl Chain {
    /// A chain whose keys follow from `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let first = epoch_config(seed, Epoch::new(1));
        let header = Header {
            next_epoch: Some(first.digest()),
            ..empty_header()
        };
        Self {
            seed,
            anchor: GenesisAnchor { header, first },
            fork: None,
        }
    }

    /// Another history of the same chain.
    pub(crate) fn forked(seed: u8, from: Epoch) -> Self {
        Self {
            fork: Some(from),
            ..Self::new(seed)
        }
    }

    /// An epoch.
    pub(crate) fn epoch(&self, epoch: Epoch) -> EpochConfig {
        epoch_config(self.seed_of(epoch), epoch)
    }

    fn seed_of(&self, epoch: Epoch) -> u8 {
        let is_other = self.fork.is_some_and(|fork| epoch > fork);
        if is_other {
            self.seed ^ 0x55
        } else {
            self.seed
        }
    }

    /// Blocks of a fork differ by their time.
    fn time(&self, epoch: Epoch, millis: u64) -> Timestamp {
        let is_other = self.fork.is_some_and(|fork| epoch >= fork);
        Timestamp::from_millis(millis + u64::from(is_other))
    }

    /// The proof of who validates after `epoch`.
    pub(crate) fn change(&self, epoch: Epoch) -> EpochChange {
        let next = self.epoch(epoch.next());
        let height = Height::new(epoch.get() * EPOCH_BLOCKS);
        let header = Header {
            height,
            epoch,
            view: View::new(EPOCH_BLOCKS),
            time: self.time(epoch, 9),
            next_epoch: Some(next.digest()),
            ..empty_header()
        };
        EpochChange {
            certificate: self.certificate(&header),
            header,
            next,
        }
    }

    /// The chain's name.
    pub(crate) fn genesis(&self) -> GenesisHash {
        self.anchor.check().expect("block 0 names epoch 1")
    }

    /// The encoded anchor.
    pub(crate) fn anchor(&self) -> Vec<u8> {
        codec::encode(&self.anchor)
    }

    /// Where [`Chain::finalize_in`] puts a transaction: each proof is of blocks of its own, as they would be on a chain that holds all of
    /// them, and the blocks of no two touch.
    fn height(epoch: Epoch, transaction: &SignedTransaction, outcome: Outcome) -> Height {
        let [a, b, c, d, ..] = *transaction.body.id().as_bytes();
        let place = u64::from(u32::from_le_bytes([a, b, c, d]));
        let kind = epoch.get() * 2 + u64::from(outcome != Outcome::Ok);
        Height::new((kind << 34 | place << 2) + 1)
    }

    /// Puts `transaction` into a block of epoch 1, with two others of its kind around it, and proves what became of it.
    pub(crate) fn finalize(&self, transaction: &SignedTransaction, outcome: Outcome) -> Vec<u8> {
        self.finalize_in(Epoch::new(1), transaction, outcome)
    }

    /// The same in a block of another epoch.
    pub(crate) fn finalize_in(
        &self,
        epoch: Epoch,
        transaction: &SignedTransaction,
        outcome: Outcome,
    ) -> Vec<u8> {
        self.finalize_with(epoch, transaction, outcome, Vec::new())
    }

    /// The same, with what the transaction made known.
    pub(crate) fn finalize_with(
        &self,
        epoch: Epoch,
        transaction: &SignedTransaction,
        outcome: Outcome,
        events: Vec<Event>,
    ) -> Vec<u8> {
        codec::encode(&self.prove(epoch, transaction, outcome, events))
    }

    fn prove(
        &self,
        epoch: Epoch,
        transaction: &SignedTransaction,
        outcome: Outcome,
        events: Vec<Event>,
    ) -> ReceiptProof {
        let (mut header, block) = self.block(epoch, transaction);
        header.height = Self::height(epoch, transaction, outcome);
        let receipts: Vec<Receipt> = (0_u32..)
            .zip(&block)
            .map(|(index, transaction)| Receipt {
                transaction: transaction.body.id(),
                index,
                lane: transaction.body.lane,
                outcome,
                events: events.clone(),
            })
            .collect();
        let next = Header {
            height: header.height.next(),
            view: View::new(2),
            parent: header.id(),
            time: self.time(epoch, 2),
            transaction_count: 0,
            transaction_root: transaction_root(&[]),
            parent_receipt_root: receipt_root(&receipts),
            ..header.clone()
        };
        ReceiptProof {
            receipt: receipts[1].clone(),
            receipt_path: MerkleTree::new(receipts.iter().map(Receipt::leaf).collect())
                .proof(1)
                .expect("three leaves"),
            signature: transaction.signature,
            transaction_path: path(&block),
            finality: FinalityProof {
                certificate: self.certificate(&next),
                headers: vec![header, next],
            },
        }
    }

    /// Shows that these seats have notarised the first block of an epoch, with `transaction` in it. The seats 0 and 2 are its committee.
    pub(crate) fn attest(
        &self,
        epoch: Epoch,
        transaction: &SignedTransaction,
        seats: &[u8],
    ) -> Vec<u8> {
        let (mut header, block) = self.block(epoch, transaction);
        header.height = attested_height(epoch);
        let statement = Statement::Notarize {
            epoch,
            view: header.view,
            block: header.id(),
        };
        codec::encode(&Attestation {
            transaction: transaction.body.id(),
            signature: transaction.signature,
            transaction_path: path(&block),
            view: header.view,
            votes: self.votes(statement, seats),
            header,
        })
    }

    /// The first block of an epoch: `transaction`, and two others of its kind around it.
    fn block(
        &self,
        epoch: Epoch,
        transaction: &SignedTransaction,
    ) -> (Header, [SignedTransaction; 3]) {
        let mut before = transaction.clone();
        before.body.nonce = [0xaa; 16];
        let mut after = transaction.clone();
        after.body.nonce = [0xbb; 16];
        let block = [before, transaction.clone(), after];
        let header = Header {
            height: Self::height(epoch, transaction, Outcome::Ok),
            epoch,
            view: View::new(1),
            parent: self.anchor.header.id(),
            time: self.time(epoch, 1),
            lane: transaction.body.lane,
            config: BlockConfig {
                verifier_count: 2,
                transaction_limit: 8,
                committee: committee(),
            },
            transaction_count: 3,
            transaction_root: transaction_root(&block),
            ..empty_header()
        };
        (header, block)
    }

    fn votes(&self, statement: Statement, seats: &[u8]) -> Vec<(Seat, Signature)> {
        let vote = |seat: &u8| {
            let signer = signer(self.seed_of(statement.epoch()), statement.epoch(), *seat);
            let vote = Signed::sign(statement, self.genesis(), &signer);
            (Seat::new((*seat).into()), *vote.signature())
        };
        seats.iter().map(vote).collect()
    }

    /// A quorum of three of the four.
    fn certificate(&self, header: &Header) -> Certificate {
        let statement = Statement::Finalize {
            epoch: header.epoch,
            view: header.view,
            block: header.id(),
        };
        let votes = self.votes(statement, &[0, 1, 2]);
        Certificate { statement, votes }
    }
}

fn path(block: &[SignedTransaction]) -> MerkleProof {
    let leaves = block.iter().map(SignedTransaction::leaf).collect();
    MerkleTree::new(leaves).proof(1).expect("three leaves")
}

/// The seats 0 and 2 attest every block.
fn lane_config(lane: Lane) -> LaneConfig {
    LaneConfig {
        parameters: LaneParameters {
            lane,
            policy: Policy::Exact,
            weights: LaneWeights {
                latency: 1,
                security: 1,
                cost: 1,
            },
            min_verifiers: 1,
            max_verifiers: 4,
            min_transactions: 1,
            max_transactions: 8,
            transaction_bytes: 512,
            roles: vec![Role::Hospital],
            quota: 0,
            wait_max_ms: 1_000,
            reserved_percent: 5,
        },
        verifiers: Verifiers::Chosen(committee()),
        transaction_limit: 8,
    }
}

fn committee() -> Vec<Seat> {
    vec![Seat::new(0), Seat::new(2)]
}

fn epoch_config(seed: u8, epoch: Epoch) -> EpochConfig {
    EpochConfig {
        validators: validators(seed, epoch),
        lanes: EpochLanes {
            epoch,
            block_bytes: 1 << 20,
            epoch_blocks: EPOCH_BLOCKS,
            security_scale: 3,
            security_exponent: 2,
            lanes: Lane::ALL.map(lane_config).into(),
        },
    }
}

fn validators(seed: u8, epoch: Epoch) -> ValidatorSet {
    let validators = (0..4)
        .map(|number| Validator {
            entity: EntityId([number; 32]),
            key: signer(seed, epoch, number).public(),
            network_key: signer(seed ^ 0x80, epoch, number).public(),
            weight: 10,
        })
        .collect();
    ValidatorSet::new(epoch, validators).expect("four equal seats are a legal set")
}

fn signer(seed: u8, epoch: Epoch, number: u8) -> Signer {
    let mut bytes = [seed; 32];
    bytes[..8].copy_from_slice(&epoch.get().to_le_bytes());
    bytes[8] = number;
    SecretKey::from_seed(bytes).signer()
}

/// The first block of an epoch: attestations are of a height of theirs.
fn attested_height(epoch: Epoch) -> Height {
    Height::new(epoch.get().saturating_sub(1) * EPOCH_BLOCKS + 1)
}

const EPOCH_BLOCKS: u64 = 10;

fn empty_header() -> Header {
    Header {
        height: Height::ZERO,
        epoch: Epoch::ZERO,
        view: View::ZERO,
        parent: BlockId::default(),
        time: Timestamp::from_millis(0),
        manager: Seat::new(0),
        lane: Lane::Routine,
        config: BlockConfig::default(),
        transaction_count: 0,
        transaction_root: transaction_root(&[]),
        parent_state_root: StateRoot::default(),
        parent_receipt_root: Digest::default(),
        next_epoch: None,
    }
}
