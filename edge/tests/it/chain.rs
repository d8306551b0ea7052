//! A chain in memory: four validators that finalise whatever they are given. Proofs of it are real.

use salus_primitives::block::{BlockConfig, Header, transaction_root};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, GenesisHash, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::merkle::MerkleTree;
use salus_primitives::proof::{FinalityProof, GenesisAnchor, ReceiptProof};
use salus_primitives::receipt::{Outcome, Receipt, receipt_root};
use salus_primitives::signed::Signed;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::SignedTransaction;
use salus_primitives::validators::{Validator, ValidatorSet};

/// Four validators of equal weight and their block 0.
pub(crate) struct Chain {
    signers: Vec<Signer>,
    anchor: GenesisAnchor,
}

impl Chain {
    /// A chain whose keys follow from `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let mut signers: Vec<(EntityId, Signer)> = (0..4)
            .map(|number| {
                (
                    EntityId([number; 32]),
                    SecretKey::from_seed([seed ^ number; 32]).signer(),
                )
            })
            .collect();
        signers.sort_by_key(|(entity, _)| *entity);
        let validators = signers
            .iter()
            .map(|(entity, signer)| Validator {
                entity: *entity,
                key: signer.public(),
                network_key: SecretKey::from_seed([seed ^ 0x80 ^ entity.0[0]; 32]).public(),
                weight: 10,
            })
            .collect();
        let validators =
            ValidatorSet::new(Epoch::new(1), validators).expect("four equal seats are a legal set");
        let header = Header {
            next_validators: Some(validators.digest()),
            ..empty_header()
        };
        let signers = signers.into_iter().map(|(_, signer)| signer).collect();
        Self {
            signers,
            anchor: GenesisAnchor { header, validators },
        }
    }

    /// The chain's name.
    pub(crate) fn genesis(&self) -> GenesisHash {
        self.anchor.check().expect("block 0 names its validators")
    }

    /// The encoded anchor.
    pub(crate) fn anchor(&self) -> Vec<u8> {
        codec::encode(&self.anchor)
    }

    /// Puts `transaction` into block 1, with two others of its kind around it, and proves what became of it.
    pub(crate) fn finalize(&self, transaction: &SignedTransaction, outcome: Outcome) -> Vec<u8> {
        let mut before = transaction.clone();
        before.body.nonce = [0xaa; 16];
        let mut after = transaction.clone();
        after.body.nonce = [0xbb; 16];
        let block = [before, transaction.clone(), after];
        let receipts: Vec<Receipt> = (0_u32..)
            .zip(&block)
            .map(|(index, transaction)| Receipt {
                transaction: transaction.body.id(),
                index,
                lane: transaction.body.lane,
                outcome,
                events: Vec::new(),
            })
            .collect();
        let header = Header {
            height: Height::new(1),
            epoch: Epoch::new(1),
            view: View::new(1),
            parent: self.anchor.header.id(),
            time: Timestamp::from_millis(1),
            lane: transaction.body.lane,
            transaction_count: 3,
            transaction_root: transaction_root(&block),
            ..empty_header()
        };
        let next = Header {
            height: Height::new(2),
            view: View::new(2),
            parent: header.id(),
            time: Timestamp::from_millis(2),
            transaction_count: 0,
            transaction_root: transaction_root(&[]),
            parent_receipt_root: receipt_root(&receipts),
            ..header.clone()
        };
        let leaves = block.iter().map(SignedTransaction::leaf).collect();
        let proof = ReceiptProof {
            receipt: receipts[1].clone(),
            receipt_path: MerkleTree::new(receipts.iter().map(Receipt::leaf).collect())
                .proof(1)
                .expect("three leaves"),
            signature: transaction.signature,
            transaction_path: MerkleTree::new(leaves).proof(1).expect("three leaves"),
            finality: FinalityProof {
                certificate: self.certificate(&next),
                headers: vec![header, next],
            },
        };
        codec::encode(&proof)
    }

    /// A quorum of three of the four.
    fn certificate(&self, header: &Header) -> Certificate {
        let statement = Statement::Finalize {
            epoch: header.epoch,
            view: header.view,
            block: header.id(),
        };
        let votes = (0_u16..)
            .zip(&self.signers)
            .take(3)
            .map(|(seat, signer)| {
                let vote = Signed::sign(statement, self.genesis(), signer);
                (Seat::new(seat), *vote.signature())
            })
            .collect();
        Certificate { statement, votes }
    }
}

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
        next_validators: None,
    }
}
