//! A chain of four headers with a certificate, and everything that can be wrong with proofs from it.

use super::*;
use crate::block::{BlockConfig, transaction_root};
use crate::codec::{self, Blob};
use crate::crypto::sign::{PublicKey, SecretKey};
use crate::hash::Digest;
use crate::ids::{ContractId, EntityId, Epoch, Seat, View};
use crate::lane::Lane;
use crate::merkle::MerkleTree;
use crate::receipt::{Event, Outcome, receipt_root};
use crate::signed::{Signable, Signed, signing_digest};
use crate::state::StateRoot;
use crate::time::Timestamp;
use crate::transaction::{Call, SignedTransaction, Transaction};
use crate::validators::{SEATS_MAX, Validator};
use proptest::prelude::*;

/// One way to change a value.
type Change<T> = fn(&mut T);

pub(crate) const EPOCH: Epoch = Epoch::new(1);

pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

pub(crate) fn validators(epoch: Epoch) -> ValidatorSet {
    let validators = (0u8..4)
        .map(|n| Validator {
            entity: EntityId([n; 32]),
            key: key(n).public(),
            network_key: PublicKey([n + 50; 32]),
            weight: 1,
        })
        .collect();
    ValidatorSet::new(epoch, validators).expect("legal")
}

pub(crate) fn first(epoch: Epoch) -> EpochConfig {
    EpochConfig {
        validators: validators(epoch),
        lanes: crate::lanes::tests::lanes(epoch),
    }
}

pub(crate) fn genesis_header() -> Header {
    Header {
        height: Height::ZERO,
        epoch: Epoch::ZERO,
        view: View::ZERO,
        parent: BlockId::default(),
        time: Timestamp::from_millis(1_000),
        manager: Seat::new(0),
        lane: Lane::Routine,
        config: BlockConfig::default(),
        transaction_count: 0,
        transaction_root: transaction_root(&[]),
        parent_state_root: StateRoot([3; 32]),
        parent_receipt_root: receipt_root(&[]),
        next_epoch: Some(first(EPOCH).digest()),
    }
}

pub(crate) fn genesis() -> GenesisHash {
    genesis_header().genesis_hash().expect("block 0")
}

/// The next header, empty unless changed.
pub(crate) fn child(parent: &Header) -> Header {
    Header {
        height: parent.height.next(),
        epoch: EPOCH,
        view: parent.view.next(),
        parent: parent.id(),
        time: parent.time.plus_millis(5),
        manager: Seat::new(2),
        lane: Lane::Emergency,
        config: BlockConfig {
            verifier_count: 2,
            transaction_limit: 64,
            committee: vec![Seat::new(1), Seat::new(3)],
        },
        next_epoch: None,
        ..genesis_header()
    }
}

pub(crate) fn certify(statement: Statement, seats: &[u8]) -> Certificate {
    let digest = signing_digest(Statement::DOMAIN, genesis(), &statement.content());
    Certificate {
        statement,
        votes: seats
            .iter()
            .map(|n| (Seat::new((*n).into()), key(*n).signer().sign(&digest)))
            .collect(),
    }
}

pub(crate) fn finalize(header: &Header) -> Certificate {
    certify(
        Statement::Finalize {
            epoch: header.epoch,
            view: header.view,
            block: header.id(),
        },
        &[0, 1, 3],
    )
}

fn transactions(count: u8) -> Vec<SignedTransaction> {
    (0..count)
        .map(|n| {
            let body = Transaction {
                genesis: genesis(),
                sender: key(n).public(),
                entity: EntityId([4; 32]),
                lane: Lane::Emergency,
                valid_until: Height::new(9),
                nonce: [n; 16],
                call: Call {
                    contract: ContractId::new(3),
                    payload: Blob(vec![n; 3]),
                },
            };
            Signed::sign(body, genesis(), &key(n).signer()).into_signed()
        })
        .collect()
}

fn receipts(transactions: &[SignedTransaction]) -> Vec<Receipt> {
    (0..)
        .zip(transactions)
        .map(|(index, transaction)| Receipt {
            transaction: transaction.body.id(),
            index,
            lane: Lane::Emergency,
            outcome: if index % 2 == 0 {
                Outcome::Ok
            } else {
                Outcome::Failed {
                    contract: ContractId::new(3),
                    code: 7,
                }
            },
            events: vec![Event {
                contract: ContractId::new(3),
                topic: 1,
                data: Blob(vec![5; 4]),
            }],
        })
        .collect()
}

/// A proof for transaction `index` of `count` in block 1, finalised at block 3, and the transaction's id.
fn receipt_proof(count: u8, index: u8) -> (ReceiptProof, TxId) {
    let transactions = transactions(count);
    let receipts = receipts(&transactions);
    let mut first = child(&genesis_header());
    first.transaction_count = count.into();
    first.transaction_root = transaction_root(&transactions);
    let mut second = child(&first);
    second.parent_receipt_root = receipt_root(&receipts);
    let third = child(&second);

    let leaves = MerkleTree::new(transactions.iter().map(SignedTransaction::leaf).collect());
    let receipt_leaves = MerkleTree::new(receipts.iter().map(Receipt::leaf).collect());
    let transaction = &transactions[usize::from(index)];
    let proof = ReceiptProof {
        receipt: receipts[usize::from(index)].clone(),
        receipt_path: receipt_leaves.proof(index.into()).expect("within"),
        signature: transaction.signature,
        transaction_path: leaves.proof(index.into()).expect("within"),
        finality: FinalityProof {
            certificate: finalize(&third),
            headers: vec![first, second, third],
        },
    };
    (proof, transaction.body.id())
}

fn check(proof: &ReceiptProof, expected: &TxId) -> Result<(), ProofError> {
    proof
        .verify(genesis(), &validators(EPOCH), expected)
        .map(drop)
}

/// Every single way to change a header.
fn header_changes() -> Vec<(&'static str, Change<Header>)> {
    vec![
        ("height", |h| h.height = h.height.next()),
        ("epoch", |h| h.epoch = h.epoch.next()),
        ("view", |h| h.view = h.view.next()),
        ("parent", |h| h.parent.0[0] ^= 1),
        ("time", |h| h.time = h.time.plus_millis(1)),
        ("manager", |h| h.manager = Seat::new(3)),
        ("lane", |h| h.lane = Lane::Bulk),
        ("verifier_count", |h| h.config.verifier_count += 1),
        ("transaction_limit", |h| h.config.transaction_limit += 1),
        ("committee", |h| h.config.committee.push(Seat::new(3))),
        ("transaction_count", |h| h.transaction_count += 1),
        ("transaction_root", |h| h.transaction_root.0[0] ^= 1),
        ("parent_state_root", |h| h.parent_state_root.0[0] ^= 1),
        ("parent_receipt_root", |h| h.parent_receipt_root.0[0] ^= 1),
        ("next_epoch", |h| {
            h.next_epoch = h.next_epoch.xor(Some(Digest([1; 32])));
        }),
    ]
}

#[test]
fn a_receipt_is_proven_at_its_block_with_the_weight_of_its_finality() {
    let (proof, id) = receipt_proof(5, 2);

    let proven = proof
        .verify(genesis(), &validators(EPOCH), &id)
        .expect("holds");

    assert_eq!(proven.value(), &proof.receipt);
    assert_eq!(proven.height(), Height::new(1));
    assert_eq!(proven.block(), proof.finality.headers[0].id());
    assert_eq!(proven.weight(), 3);
}

/// Each of the three headers of a receipt proof is bound in each of its fields.
#[test]
fn a_changed_field_of_any_header_is_noticed() {
    let (proof, id) = receipt_proof(5, 2);
    for position in 0..3 {
        for (field, change) in header_changes() {
            let mut changed = proof.clone();
            change(&mut changed.finality.headers[position]);

            assert!(check(&changed, &id).is_err(), "{field} of {position}");
        }
    }
}

#[test]
fn a_changed_field_of_a_receipt_proof_is_noticed() {
    let (proof, id) = receipt_proof(5, 2);
    let changes: Vec<(&str, Change<ReceiptProof>, ProofError)> = vec![
        (
            "receipt.index",
            |p| p.receipt.index += 1,
            ProofError::Receipt,
        ),
        (
            "receipt.lane",
            |p| p.receipt.lane = Lane::Bulk,
            ProofError::Receipt,
        ),
        (
            "receipt.outcome",
            |p| {
                p.receipt.outcome = Outcome::Failed {
                    contract: ContractId::EXECUTOR,
                    code: 1,
                };
            },
            ProofError::Receipt,
        ),
        (
            "receipt.events",
            |p| p.receipt.events.clear(),
            ProofError::Receipt,
        ),
        (
            "receipt_path.index",
            |p| p.receipt_path.index += 1,
            ProofError::Receipt,
        ),
        (
            "receipt_path.leaf_count",
            |p| p.receipt_path.leaf_count += 1,
            ProofError::Receipt,
        ),
        (
            "receipt_path.siblings",
            |p| p.receipt_path.siblings[0].0[0] ^= 1,
            ProofError::Receipt,
        ),
        (
            "receipt_path, longer",
            |p| p.receipt_path.siblings.push(Digest::default()),
            ProofError::Receipt,
        ),
        (
            "signature",
            |p| p.signature.0[0] ^= 1,
            ProofError::Transaction,
        ),
        (
            "transaction_path.index",
            |p| p.transaction_path.index += 1,
            ProofError::Transaction,
        ),
        (
            "transaction_path.leaf_count",
            |p| p.transaction_path.leaf_count += 1,
            ProofError::Transaction,
        ),
        (
            "transaction_path.siblings",
            |p| p.transaction_path.siblings[0].0[0] ^= 1,
            ProofError::Transaction,
        ),
        (
            "transaction_path, shorter",
            |p| p.transaction_path.siblings.truncate(1),
            ProofError::Transaction,
        ),
    ];

    for (field, change, error) in changes {
        let mut changed = proof.clone();
        change(&mut changed);

        assert_eq!(check(&changed, &id), Err(error), "{field}");
    }
    let other = TxId([0; 32]);
    assert_eq!(
        check(&proof, &other),
        Err(ProofError::OtherTransaction {
            found: id,
            expected: other
        })
    );
}

/// Receipt and transaction must stand at one position: a receipt of a neighbour does not pass for one's own.
#[test]
fn parts_of_two_proofs_do_not_make_one() {
    let (proof, id) = receipt_proof(5, 2);
    let (other, _) = receipt_proof(5, 3);

    let mut receipt = proof.clone();
    receipt.receipt = other.receipt.clone();
    receipt.receipt_path = other.receipt_path.clone();
    receipt.receipt.transaction = id;
    assert_eq!(check(&receipt, &id), Err(ProofError::Receipt));

    let mut transaction = proof.clone();
    transaction.transaction_path = other.transaction_path;
    transaction.signature = other.signature;
    assert_eq!(check(&transaction, &id), Err(ProofError::Transaction));
}

#[test]
fn a_receipt_proof_needs_the_header_after_its_block() {
    let (mut proof, id) = receipt_proof(5, 2);
    proof.finality.headers.truncate(1);
    proof.finality.certificate = finalize(&proof.finality.headers[0]);

    assert_eq!(
        check(&proof, &id),
        Err(ProofError::HeaderCount {
            found: 1,
            minimum: 2
        })
    );
}

/// Whatever is certified but not a finalisation of the last header by a quorum of its epoch is none.
#[test]
fn another_certificate_does_not_finalise_the_last_header() {
    let (proof, _) = receipt_proof(1, 0);
    let proof = proof.finality;
    let [_, middle, last] = proof.headers.as_slice() else {
        panic!("three headers");
    };
    let (epoch, view) = (last.epoch, last.view);
    let block = last.id();
    let all = [0, 1, 2, 3];
    let wrong = [
        certify(Statement::Notarize { epoch, view, block }, &all),
        certify(Statement::Nullify { epoch, view }, &all),
        finalize(middle),
        certify(
            Statement::Finalize {
                epoch: epoch.next(),
                view,
                block,
            },
            &all,
        ),
    ];

    for certificate in wrong {
        let changed = FinalityProof {
            certificate,
            ..proof.clone()
        };

        assert_eq!(
            changed.verify(genesis(), &validators(EPOCH)),
            Err(ProofError::NotAFinalization)
        );
    }
    let mut weak = proof.clone();
    weak.certificate.votes.pop();
    assert!(matches!(
        weak.verify(genesis(), &validators(EPOCH)),
        Err(ProofError::Certificate(CertificateError::NoQuorum { .. }))
    ));
    let mut elsewhere = proof.clone();
    elsewhere.certificate.votes[0].1.0[0] ^= 1;
    assert!(elsewhere.verify(genesis(), &validators(EPOCH)).is_err());
    assert!(
        proof
            .verify(GenesisHash([1; 32]), &validators(EPOCH))
            .is_err()
    );
    assert!(matches!(
        proof.verify(genesis(), &validators(EPOCH.next())),
        Err(ProofError::Certificate(CertificateError::Epoch { .. }))
    ));
    assert!(proof.verify(genesis(), &validators(EPOCH)).is_ok());
}

/// The last block of an epoch is proposed again until it is final: its finalisation may be of a later view.
#[test]
fn a_finalisation_of_a_later_view_counts() {
    let header = child(&genesis_header());
    let statement = Statement::Finalize {
        epoch: EPOCH,
        view: header.view.plus(7),
        block: header.id(),
    };
    let proof = FinalityProof {
        certificate: certify(statement, &[1, 2, 3]),
        headers: vec![header],
    };

    assert!(proof.verify(genesis(), &validators(EPOCH)).is_ok());
}

/// Only the first header may be of the epoch before, as block 0 is; a set says nothing about other epochs between.
#[test]
fn epochs_change_only_after_the_first_header() {
    let first = child(&genesis_header());
    let second = child(&first);
    let from_genesis = FinalityProof {
        certificate: finalize(&second),
        headers: vec![genesis_header(), first.clone(), second],
    };
    assert!(from_genesis.verify(genesis(), &validators(EPOCH)).is_ok());

    let mut stray = child(&first);
    stray.epoch = Epoch::new(2);
    let last = child(&stray);
    let mixed = FinalityProof {
        certificate: finalize(&last),
        headers: vec![first, stray.clone(), last],
    };
    assert_eq!(
        mixed.verify(genesis(), &validators(EPOCH)),
        Err(ProofError::BrokenChain(stray.height))
    );
}

#[test]
fn headers_are_consecutive_and_bounded() {
    let first = child(&genesis_header());
    let second = child(&first);
    let third = child(&second);
    let with = |headers: Vec<Header>| FinalityProof {
        certificate: finalize(&third),
        headers,
    };
    let verify = |proof: FinalityProof| proof.verify(genesis(), &validators(EPOCH)).map(drop);

    assert_eq!(
        verify(with(vec![])),
        Err(ProofError::HeaderCount {
            found: 0,
            minimum: 1
        })
    );
    assert_eq!(
        verify(with(vec![first.clone(), third.clone()])),
        Err(ProofError::BrokenChain(third.height))
    );
    assert_eq!(
        verify(with(vec![second.clone(), first, third.clone()])),
        Err(ProofError::BrokenChain(Height::new(1)))
    );
    assert_eq!(
        verify(with(vec![third.clone(), third.clone()])),
        Err(ProofError::BrokenChain(third.height))
    );
    assert_eq!(
        verify(with(vec![third.clone(); HEADERS_MAX + 1])),
        Err(ProofError::HeaderCount {
            found: HEADERS_MAX + 1,
            minimum: 1
        })
    );
}

/// The most headers a proof may have, each with the largest committee, fit into its bound with room for a receipt.
#[test]
fn the_largest_finality_proof_fits_into_the_bound() {
    let mut header = child(&genesis_header());
    header.config.committee = (0u16..).map(Seat::new).take(SEATS_MAX).collect();
    header.next_epoch = Some(Digest::default());
    let (mut proof, _) = receipt_proof(5, 2);
    proof.finality.headers = vec![header; HEADERS_MAX];
    proof.finality.certificate.votes = (0u16..)
        .map(|n| (Seat::new(n), Signature([0; 64])))
        .take(SEATS_MAX)
        .collect();

    let bytes = codec::encode(&proof);

    assert!(
        bytes.len() + 512 * 1024 < RECEIPT_PROOF_MAX,
        "{}",
        bytes.len()
    );
}

#[test]
fn an_anchor_is_a_block_0_with_the_epoch_it_names() {
    let anchor = GenesisAnchor {
        header: genesis_header(),
        first: first(EPOCH),
    };
    assert_eq!(anchor.check(), Ok(genesis()));

    for (field, change) in header_changes() {
        let mut changed = anchor.clone();
        change(&mut changed.header);

        assert_ne!(changed.check(), Ok(genesis()), "{field}");
    }
    let later = GenesisAnchor {
        header: child(&genesis_header()),
        ..anchor.clone()
    };
    assert_eq!(later.check(), Err(ProofError::NotGenesis));
    let other_epoch = GenesisAnchor {
        first: first(EPOCH.next()),
        ..anchor.clone()
    };
    assert_eq!(other_epoch.check(), Err(ProofError::NotGenesis));
    let mut consistent = other_epoch;
    consistent.header.next_epoch = Some(consistent.first.digest());
    assert_eq!(
        consistent.check(),
        Err(ProofError::NotGenesis),
        "the set of block 0 votes in the epoch after it"
    );
}

/// No bit of an anchor can change without changing the chain's name, which whoever uses it has pinned.
#[test]
fn any_flipped_bit_of_an_anchor_is_noticed() {
    let anchor = GenesisAnchor {
        header: genesis_header(),
        first: first(EPOCH),
    };
    let bytes = codec::encode(&anchor);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = codec::decode::<GenesisAnchor>(&changed, ANCHOR_MAX) {
            assert_ne!(changed.check(), Ok(genesis()), "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_of_a_receipt_proof_is_noticed(count in 1u8..12, pick in any::<u8>(), bit in any::<usize>()) {
        let (proof, id) = receipt_proof(count, pick % count);
        let mut bytes = codec::encode(&proof);
        prop_assert!(check(&proof, &id).is_ok());
        let bit = bit % (bytes.len() * 8);

        bytes[bit / 8] ^= 1 << (bit % 8);

        if let Ok(changed) = codec::decode::<ReceiptProof>(&bytes, RECEIPT_PROOF_MAX) {
            prop_assert!(check(&changed, &id).is_err(), "bit {}", bit);
        }
    }

    /// Arbitrary bytes neither panic nor prove anything.
    #[test]
    fn arbitrary_bytes_prove_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(proof) = codec::decode::<ReceiptProof>(&bytes, RECEIPT_PROOF_MAX) {
            prop_assert!(check(&proof, &proof.receipt.transaction).is_err());
        }
    }
}
