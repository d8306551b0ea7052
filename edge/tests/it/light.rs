//! What the light client accepts.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use salus_edge::device::Device;
use salus_edge::light::{LightClient, LightError};
use salus_edge::submit::sign;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::cipher::{Envelope, Suite};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::proof::ProofError;
use salus_primitives::reading::{Handle, ReadingId, SealedReading};
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::{SignedTransaction, TxId};

use crate::chain::Chain;

fn transaction(genesis: GenesisHash) -> SignedTransaction {
    let device = Device::generate("h", "r", &mut UnwrapErr(SysRng));
    let sealed = SealedReading {
        device: device.id(),
        handle: Handle([1; 32]),
        reading: ReadingId([2; 32]),
        envelope: Envelope {
            suite: Suite::Twofish256EaxBlake3,
            nonce: [3; 16],
            commitment: Digest([4; 32]),
            ciphertext: Blob(vec![5; 272]),
        },
    };
    sign(
        genesis,
        &device,
        Lane::Monitoring,
        &sealed,
        Height::new(9),
        [6; 16],
    )
}

/// A receipt is proven with its height, lane and weight, from anchor and proof alone.
#[test]
fn receipt_is_proven_from_anchor_and_proof_alone() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = chain.finalize(&transaction, Outcome::Ok);

    let client = LightClient::new(&chain.anchor(), Some(chain.genesis())).unwrap();
    let proven = client.receipt(&proof, &transaction.body.id()).unwrap();

    assert_eq!(proven.height(), Height::new(1));
    assert_eq!(
        (proven.value().lane, proven.value().outcome),
        (Lane::Monitoring, Outcome::Ok)
    );
    assert_eq!((proven.weight(), client.total_weight()), (30, 40));
}

/// Any changed bit of header, certificate, receipt or path leaves nothing proven.
#[test]
fn any_changed_bit_of_a_proof_is_refused() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = chain.finalize(&transaction, Outcome::Ok);
    let client = LightClient::new(&chain.anchor(), Some(chain.genesis())).unwrap();

    for position in 0..proof.len() {
        for bit in [0x01, 0x80] {
            let mut changed = proof.clone();
            changed[position] ^= bit;
            assert!(
                client.any_receipt(&changed).is_err(),
                "byte {position}, bit {bit:#x}"
            );
        }
    }
    assert!(client.any_receipt(&proof[..proof.len() - 1]).is_err());
    assert!(
        client
            .any_receipt(&[proof.as_slice(), &[0]].concat())
            .is_err()
    );
}

/// Any changed bit of the anchor is another chain or none, with and without a pinned genesis hash.
#[test]
fn any_changed_bit_of_the_anchor_is_refused() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = chain.finalize(&transaction, Outcome::Ok);
    let anchor = chain.anchor();

    for position in 0..anchor.len() {
        let mut changed = anchor.clone();
        changed[position] ^= 1;
        assert!(
            LightClient::new(&changed, Some(chain.genesis())).is_err(),
            "byte {position}"
        );
        let believed = LightClient::new(&changed, None);
        assert!(
            believed.is_err() || believed.unwrap().any_receipt(&proof).is_err(),
            "byte {position}"
        );
    }
}

/// A proof of another transaction, or of another chain, is no answer.
#[test]
fn proof_of_something_else_is_refused() {
    let (chain, other) = (Chain::new(1), Chain::new(9));
    let transaction = transaction(chain.genesis());
    let proof = chain.finalize(&transaction, Outcome::Ok);
    let client = LightClient::new(&chain.anchor(), None).unwrap();

    let asked = client.receipt(&proof, &TxId([0; 32])).unwrap_err();
    assert!(
        matches!(
            asked,
            LightError::Proof(ProofError::OtherTransaction { .. })
        ),
        "{asked}"
    );
    let foreign = LightClient::new(&other.anchor(), None)
        .unwrap()
        .any_receipt(&proof)
        .unwrap_err();
    assert!(
        matches!(foreign, LightError::Proof(ProofError::Certificate(_))),
        "{foreign}"
    );
    let pinned = LightClient::new(&other.anchor(), Some(chain.genesis())).unwrap_err();
    assert!(matches!(pinned, LightError::OtherChain { .. }), "{pinned}");
}
