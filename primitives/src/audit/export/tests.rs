//! A chain of a few blocks with events about a person, and everything that can be done to an export of them.

use super::*;
use crate::block::{BlockConfig, Header, transaction_root};
use crate::calls::ACCESS;
use crate::certificate::{Certificate, Statement};
use crate::codec::Blob;
use crate::crypto::sign::{PublicKey, SecretKey};
use crate::epoch::EpochConfig;
use crate::ids::{BlockId, EntityId, Seat, View};
use crate::lane::Lane;
use crate::merkle::MerkleTree;
use crate::receipt::{Outcome, Receipt, receipt_root};
use crate::signed::{Signable, Signed, signing_digest};
use crate::state::{StateKey, StateRoot};
use crate::state_tree::root_of;
use crate::transaction::{Call, SignedTransaction, Transaction};
use crate::validators::Validator;

const PERSON: Pseudonym = Pseudonym([9; 32]);
const SALT: [u8; 32] = [8; 32];
const EPOCH: Epoch = Epoch::new(1);

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn first() -> EpochConfig {
    let validators = (0..4)
        .map(|n| Validator {
            entity: EntityId([n; 32]),
            key: key(n).public(),
            network_key: PublicKey([n + 50; 32]),
            weight: 1,
        })
        .collect();
    EpochConfig {
        validators: ValidatorSet::new(EPOCH, validators).expect("legal"),
        lanes: crate::lanes::tests::lanes(EPOCH),
    }
}

fn genesis_header() -> Header {
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
        next_epoch: Some(first().digest()),
    }
}

fn genesis() -> GenesisHash {
    genesis_header().genesis_hash().expect("block 0")
}

fn transaction(n: u8) -> SignedTransaction {
    let body = Transaction {
        genesis: genesis(),
        sender: key(n).public(),
        entity: EntityId([4; 32]),
        lane: Lane::Routine,
        valid_until: Height::new(9),
        nonce: [n; 16],
        call: Call {
            contract: ACCESS,
            payload: Blob(vec![n]),
        },
    };
    Signed::sign(body, genesis(), &key(n).signer()).into_signed()
}

/// A receipt with three events, of which the first and the last are about the person.
fn receipt(index: u32, transaction: &SignedTransaction) -> Receipt {
    let event = |topic| Event {
        contract: ACCESS,
        topic,
        data: Blob(transaction.body.nonce.to_vec()),
    };
    Receipt {
        transaction: transaction.body.id(),
        index,
        lane: Lane::Routine,
        outcome: Outcome::Ok,
        events: vec![event(1), event(2), event(3)],
    }
}

/// Blocks 1 and 2 with two transactions each, and empty ones up to 5; the state after block 3 holds the trail.
struct Chain {
    headers: Vec<Header>,
    blocks: Vec<Vec<SignedTransaction>>,
    receipts: Vec<Vec<Receipt>>,
    trail: Trail,
    state: Vec<(StateKey, Vec<u8>)>,
}

fn chain() -> Chain {
    let blocks: Vec<Vec<SignedTransaction>> = vec![
        vec![],
        vec![transaction(1), transaction(2)],
        vec![transaction(3), transaction(4)],
        vec![],
        vec![],
        vec![],
    ];
    let receipts: Vec<Vec<Receipt>> = blocks
        .iter()
        .map(|block| (0..).zip(block).map(|(n, it)| receipt(n, it)).collect())
        .collect();
    let trail = receipts
        .iter()
        .flatten()
        .fold(Trail::default(), |trail, it| {
            let id = &it.transaction;
            trail.after(id, &it.events[0]).after(id, &it.events[2])
        });
    let state = vec![(trail_key(&SALT, &PERSON), codec::encode(&trail))];
    let root = root_of(state.iter().map(|(key, value)| (key, value.as_slice())));
    let mut headers = vec![genesis_header()];
    for (height, block) in blocks.iter().enumerate().skip(1) {
        let parent = &headers[height - 1];
        headers.push(Header {
            height: parent.height.next(),
            epoch: EPOCH,
            view: parent.view.next(),
            parent: parent.id(),
            time: parent.time.plus_millis(5),
            transaction_count: block.len() as u32,
            transaction_root: transaction_root(block),
            parent_state_root: if height > 1 { root } else { StateRoot([3; 32]) },
            parent_receipt_root: receipt_root(&receipts[height - 1]),
            next_epoch: None,
            ..genesis_header()
        });
    }
    Chain {
        headers,
        blocks,
        receipts,
        trail,
        state,
    }
}

impl Chain {
    fn finality(&self, from: usize) -> FinalityProof {
        let headers = self.headers[from..].to_vec();
        let last = headers.last().expect("some");
        let statement = Statement::Finalize {
            epoch: EPOCH,
            view: last.view,
            block: last.id(),
        };
        let digest = signing_digest(Statement::DOMAIN, genesis(), &statement.content());
        let votes = [0, 1, 3].map(|n: u8| (Seat::new(n.into()), key(n).signer().sign(&digest)));
        FinalityProof {
            headers,
            certificate: Certificate {
                statement,
                votes: votes.to_vec(),
            },
        }
    }

    fn entry(&self, height: usize, index: usize) -> AuditEntry {
        let receipts = &self.receipts[height];
        let block = &self.blocks[height];
        let leaves = |leaves| MerkleTree::new(leaves).proof(index as u32).expect("there");
        AuditEntry {
            proof: ReceiptProof {
                receipt: receipts[index].clone(),
                receipt_path: leaves(receipts.iter().map(Receipt::leaf).collect()),
                signature: block[index].signature,
                transaction_path: leaves(block.iter().map(SignedTransaction::leaf).collect()),
                finality: self.finality(height),
            },
            events: vec![0, 2],
        }
    }

    fn export(&self) -> AuditExport {
        let key = &self.state[0].0;
        AuditExport {
            anchor: GenesisAnchor {
                header: genesis_header(),
                first: first(),
            },
            changes: Vec::new(),
            person: PERSON,
            salt: SALT,
            entries: vec![
                self.entry(1, 0),
                self.entry(1, 1),
                self.entry(2, 0),
                self.entry(2, 1),
            ],
            trail: TrailProof {
                trail: self.trail,
                // the only leaf of its tree
                state: StateProof {
                    leaf: Some((
                        crate::state_tree::key_hash(key),
                        crate::state_tree::value_hash(&self.state[0].1),
                    )),
                    siblings: Vec::new(),
                },
                finality: self.finality(3),
            },
        }
    }
}

#[test]
fn a_whole_export_shows_everything_in_order() {
    let export = chain().export();
    let bytes = codec::encode(&export);
    let export: AuditExport = codec::decode(&bytes, AUDIT_EXPORT_MAX).expect("canonical");

    let audited = export.verify(genesis()).expect("holds");

    assert_eq!(audited.through, Height::new(3));
    let topics: Vec<_> = audited
        .events
        .iter()
        .map(|it| (it.height.get(), it.event.topic))
        .collect();
    assert_eq!(
        topics,
        [
            (1, 1),
            (1, 3),
            (1, 1),
            (1, 3),
            (2, 1),
            (2, 3),
            (2, 1),
            (2, 3)
        ]
    );
}

/// Whatever is left out, added or changed is noticed.
#[test]
fn a_tampered_export_is_refused() {
    type Change = fn(&mut AuditExport);
    type Check<'a> = &'a dyn Fn(&AuditError) -> bool;
    let incomplete = |error: &AuditError| matches!(error, AuditError::Incomplete { .. });
    let cases: &[(&str, Change, Check<'_>)] = &[
        (
            "an entry is left out",
            |it| drop(it.entries.remove(1)),
            &incomplete,
        ),
        (
            "the last entry is left out",
            |it| drop(it.entries.pop()),
            &incomplete,
        ),
        (
            "all entries are left out",
            |it| it.entries.clear(),
            &incomplete,
        ),
        (
            "an event is left out",
            |it| it.entries[0].events.truncate(1),
            &incomplete,
        ),
        (
            "an event is added",
            |it| it.entries[0].events.insert(1, 1),
            &incomplete,
        ),
        (
            "an event that is not there",
            |it| it.entries[0].events.push(3),
            &|error| *error == AuditError::NoSuchEvent(0),
        ),
        (
            "an event twice",
            |it| it.entries[2].events.push(2),
            &|error| *error == AuditError::NoSuchEvent(2),
        ),
        (
            "an entry twice",
            |it| it.entries.insert(1, it.entries[0].clone()),
            &|error| *error == AuditError::OutOfOrder(1),
        ),
        ("another order", |it| it.entries.swap(0, 1), &|error| {
            *error == AuditError::OutOfOrder(1)
        }),
        (
            "another content",
            |it| it.entries[1].proof.receipt.events[0].data.0[0] ^= 1,
            &|error| {
                matches!(
                    error,
                    AuditError::Entry {
                        entry: 1,
                        problem: ProofError::Receipt
                    }
                )
            },
        ),
        (
            "a shorter trail",
            |it| {
                it.entries.pop();
                let receipt = &it.entries[0].proof.receipt;
                it.trail.trail = Trail::default().after(&receipt.transaction, &receipt.events[0]);
            },
            &|error| *error == AuditError::NotTheTrail,
        ),
        (
            "no trail at all",
            |it| {
                it.entries.clear();
                it.trail.trail = Trail::default();
                it.trail.state.leaf = None;
            },
            &|error| *error == AuditError::NotTheTrail,
        ),
        ("another person", |it| it.person.0[0] ^= 1, &|error| {
            *error == AuditError::NotTheTrail
        }),
        ("another salt", |it| it.salt[0] ^= 1, &|error| {
            *error == AuditError::NotTheTrail
        }),
        (
            "a vote too few",
            |it| it.trail.finality.certificate.votes.truncate(2),
            &|error| matches!(error, AuditError::TrailNotFinal(ProofError::Certificate(_))),
        ),
        (
            "a proof cut short",
            |it| drop(it.entries[3].proof.finality.headers.pop()),
            &|error| matches!(error, AuditError::Entry { entry: 3, .. }),
        ),
        (
            "a trail without the header after",
            |it| it.trail.finality.headers.truncate(1),
            &|error| matches!(error, AuditError::TrailNotFinal(_)),
        ),
        (
            "other validators",
            |it| it.anchor.first.lanes.block_bytes += 1,
            &|error| matches!(error, AuditError::Change { .. }),
        ),
    ];

    for (what, change, expected) in cases {
        let mut export = chain().export();
        change(&mut export);

        let error = export.verify(genesis()).expect_err(what);

        assert!(expected(&error), "{what}: {error:?}");
    }
}

/// A root of before the trail's last events does not hold it, and events of after the trail's block are none of it.
#[test]
fn a_trail_of_an_earlier_block_is_refused() {
    let chain = chain();
    let with_trail_after = |height| {
        let mut export = chain.export();
        export.trail.finality = chain.finality(height);
        export.verify(genesis())
    };

    assert_eq!(with_trail_after(0), Err(AuditError::NotTheTrail));
    assert_eq!(with_trail_after(1), Err(AuditError::AfterTheTrail(2)));
    assert!(with_trail_after(2).is_ok());
}

#[test]
fn an_export_of_another_chain_is_refused() {
    let other = GenesisHash([7; 32]);

    let error = chain().export().verify(other).expect_err("another chain");

    assert!(matches!(error, AuditError::OtherChain { expected, .. } if expected == other));
}
