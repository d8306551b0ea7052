//! One recorded reading, and transactions that record none.

use super::*;
use crate::block::transaction_root;
use crate::calls::StakingCall;
use crate::codec::Blob;
use crate::ids::{ContractId, EntityId};
use crate::lane::Lane;
use crate::merkle::MerkleTree;
use crate::proof::FinalityProof;
use crate::proof::tests::{EPOCH, child, finalize, genesis, genesis_header, key, validators};
use crate::reading::{Category, PeriodKey, Pseudonym, Reading};
use crate::receipt::{Event, Receipt, receipt_root};
use crate::signed::Signed;
use crate::time::Timestamp;
use crate::transaction::{Call, Transaction};
use alloc::vec::Vec;
use proptest::prelude::*;

fn sealed() -> SealedReading {
    let reading = Reading {
        subject: Pseudonym([1; 32]),
        category: Category::VitalSigns,
        taken_at: Timestamp::from_millis(7),
        observations: Vec::new(),
    };
    let device = DeviceId([8; 32]);
    SealedReading::seal(genesis(), device, &PeriodKey([3; 32]), &reading, [5; 16]).expect("fits")
}

/// Transaction and receipt of one call, alone in block 1.
fn record(call: Call, outcome: Outcome, topic: u16) -> RecordProof {
    let body = Transaction {
        genesis: genesis(),
        sender: key(9).public(),
        entity: EntityId([4; 32]),
        lane: Lane::Monitoring,
        valid_until: crate::ids::Height::new(9),
        nonce: [2; 16],
        call,
    };
    let transaction = Signed::sign(body, genesis(), &key(9).signer()).into_signed();
    let receipt = Receipt {
        transaction: transaction.body.id(),
        index: 0,
        lane: Lane::Monitoring,
        outcome,
        events: Vec::from([Event {
            contract: RECORDS,
            topic,
            data: Blob(Vec::new()),
        }]),
    };
    let mut first = child(&genesis_header());
    first.transaction_count = 1;
    first.transaction_root = transaction_root(core::slice::from_ref(&transaction));
    let mut second = child(&first);
    second.parent_receipt_root = receipt_root(core::slice::from_ref(&receipt));
    let path = |leaf| {
        MerkleTree::new(Vec::from([leaf]))
            .proof(0)
            .expect("one leaf")
    };
    RecordProof {
        receipt: ReceiptProof {
            receipt_path: path(receipt.leaf()),
            transaction_path: path(transaction.leaf()),
            signature: transaction.signature,
            receipt,
            finality: FinalityProof {
                certificate: finalize(&second),
                headers: Vec::from([first, second]),
            },
        },
        transaction,
    }
}

fn submission() -> Call {
    Call::new(RECORDS, &RecordsCall::Submit(sealed()))
}

fn check(proof: &RecordProof) -> Result<Proven<Record>, RecordError> {
    proof.verify(genesis(), &validators(EPOCH))
}

#[test]
fn a_recorded_reading_is_proven_as_it_was_sealed() {
    let proof = record(submission(), Outcome::Ok, RECORDED);

    let proven = check(&proof).expect("holds");

    assert_eq!(proven.value().sealed, sealed());
    assert_eq!(proven.value().transaction, proof.transaction.body.id());
    assert_eq!(proven.height(), Height::new(1));
}

/// To stand in the chain is not to be recorded.
#[test]
fn a_transaction_that_was_refused_repeated_or_something_else_is_no_record() {
    let refused = Outcome::Failed {
        contract: RECORDS,
        code: 2,
    };
    let staking = Call::new(ContractId::new(2), &StakingCall::Stand);
    let nonsense = Call {
        contract: RECORDS,
        payload: Blob(Vec::from([1, 2, 3])),
    };

    assert_eq!(
        check(&record(submission(), refused, RECORDED)),
        Err(RecordError::Refused)
    );
    assert_eq!(
        check(&record(submission(), Outcome::Ok, REPEATED)),
        Err(RecordError::Repeated)
    );
    assert_eq!(
        check(&record(staking, Outcome::Ok, RECORDED)),
        Err(RecordError::NotASubmission)
    );
    assert!(matches!(
        check(&record(nonsense, Outcome::Ok, RECORDED)),
        Err(RecordError::NotAReading(_))
    ));
}

/// The receipt of one transaction says nothing about another.
#[test]
fn a_receipt_of_another_transaction_is_refused() {
    let mut proof = record(submission(), Outcome::Ok, RECORDED);
    proof.transaction.body.nonce = [3; 16];

    assert!(matches!(
        check(&proof),
        Err(RecordError::Proof(ProofError::OtherTransaction { .. }))
    ));
    let mut signature = record(submission(), Outcome::Ok, RECORDED);
    signature.transaction.signature.0[0] ^= 1;
    assert_eq!(check(&signature), Err(RecordError::OtherSignature));
}

proptest! {
    #[test]
    fn any_changed_bit_is_noticed(flip in any::<usize>()) {
        let mut bytes = codec::encode(&record(submission(), Outcome::Ok, RECORDED));
        let flip = flip % (bytes.len() * 8);
        bytes[flip / 8] ^= 1 << (flip % 8);
        if let Ok(changed) = codec::decode::<RecordProof>(&bytes, RECORD_PROOF_MAX) {
            prop_assert!(check(&changed).is_err(), "bit {}", flip);
        }
    }
}
