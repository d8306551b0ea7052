//! What the light client accepts.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use salus_edge::device::Device;
use salus_edge::light::{EPOCHS_KEPT, LightClient, LightError, decode_receipt};
use salus_edge::odds::Odds;
use salus_edge::submit::sign;
use salus_primitives::codec::{self, Blob};
use salus_primitives::crypto::cipher::{Envelope, Suite};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{EntityId, Epoch, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::light::Sightings;
use salus_primitives::proof::ProofError;
use salus_primitives::reading::{Handle, ReadingId, SealedReading};
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::{SignedTransaction, TxId};

use crate::chain::Chain;

pub(crate) fn transaction(genesis: GenesisHash) -> SignedTransaction {
    let device = Device::generate("h", "r", EntityId([4; 32]), &mut UnwrapErr(SysRng));
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

    let header = &decode_receipt(&proof).unwrap().finality.headers[0];
    assert_eq!(
        (proven.height(), proven.block()),
        (header.height, header.id())
    );
    assert_eq!(
        (proven.value().lane, proven.value().outcome),
        (Lane::Monitoring, Outcome::Ok)
    );
    assert_eq!(proven.epoch(), Epoch::new(1));
    let validators = client.validators(proven.epoch()).unwrap();
    assert_eq!((proven.weight(), validators.total_weight()), (30, 40));
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

fn client(chain: &Chain) -> LightClient {
    LightClient::new(&chain.anchor(), Some(chain.genesis())).unwrap()
}

fn change(chain: &Chain, epoch: u64) -> Vec<u8> {
    codec::encode(&chain.change(Epoch::new(epoch)))
}

/// A client that has followed to the epoch after `ended`.
fn followed(chain: &Chain, ended: u64) -> LightClient {
    let mut client = client(chain);
    for epoch in 1..=ended {
        let next = client.advance(&change(chain, epoch)).unwrap();
        assert_eq!(next, Epoch::new(epoch + 1));
    }
    client
}

/// Proofs of every epoch that is remembered hold with its own validators; what is missing is said.
#[test]
fn proofs_of_later_epochs_hold_after_following() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = |epoch| chain.finalize_in(Epoch::new(epoch), &transaction, Outcome::Ok);
    let client = followed(&chain, 3);

    for epoch in 1..=4 {
        let proven = client.any_receipt(&proof(epoch)).unwrap();
        assert_eq!(proven.epoch(), Epoch::new(epoch));
    }
    assert_eq!(
        client.any_receipt(&proof(6)),
        Err(LightError::UnknownEpoch {
            have: Epoch::new(4),
            need: Epoch::new(6)
        })
    );
    assert_eq!(
        client.any_receipt(&proof(0)),
        Err(LightError::ForgottenEpoch {
            oldest: Epoch::new(1),
            need: Epoch::ZERO
        })
    );
}

/// Memory is bounded: the oldest are forgotten, and a client that starts again knows them.
#[test]
fn old_epochs_are_forgotten_and_known_again_after_a_restart() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = chain.finalize(&transaction, Outcome::Ok);
    let kept = EPOCHS_KEPT as u64;
    let mut client = followed(&chain, kept - 1);
    assert!(client.any_receipt(&proof).is_ok());

    client.advance(&change(&chain, kept)).unwrap();

    let forgotten = LightError::ForgottenEpoch {
        oldest: Epoch::new(2),
        need: Epoch::new(1),
    };
    assert_eq!(client.any_receipt(&proof), Err(forgotten));
    assert!(client.restarted().any_receipt(&proof).is_ok());
}

/// Whatever is wrong with a change, the client stays as it was.
#[test]
fn wrong_changes_are_refused_and_change_nothing() {
    let chain = Chain::new(1);
    let mut client = followed(&chain, 1);
    let before = client.clone();
    let good = change(&chain, 2);

    for position in 0..good.len() {
        let mut changed = good.clone();
        changed[position] ^= 1;
        assert!(client.advance(&changed).is_err(), "byte {position}");
    }
    for (epoch, chain) in [(1, &chain), (3, &chain)] {
        assert_eq!(
            client.advance(&change(chain, epoch)),
            Err(LightError::NotNext {
                found: Epoch::new(epoch),
                expected: Epoch::new(2)
            })
        );
    }
    let foreign = client.advance(&change(&Chain::new(9), 2)).unwrap_err();
    assert!(matches!(foreign, LightError::Proof(_)), "{foreign}");
    assert_eq!(client, before);
    assert!(client.advance(&good).is_ok());
}

/// A checkpoint goes on where it was made, with the epochs just before; any damage, and any other chain's, is refused.
#[test]
fn a_checkpoint_is_whole_or_refused() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let proof = |epoch| chain.finalize_in(Epoch::new(epoch), &transaction, Outcome::Ok);
    let checkpoint = followed(&chain, 20).checkpoint(&Sightings::default());

    let (mut resumed, seen) = client(&chain).resumed(&checkpoint).unwrap();
    assert!(seen.is_empty());
    assert_eq!(resumed.epoch(), Epoch::new(21));
    for epoch in 14..=21 {
        assert!(resumed.any_receipt(&proof(epoch)).is_ok(), "{epoch}");
    }
    assert!(matches!(
        resumed.any_receipt(&proof(13)),
        Err(LightError::ForgottenEpoch { .. })
    ));
    assert!(resumed.restarted().any_receipt(&proof(1)).is_ok());
    assert!(resumed.advance(&change(&chain, 21)).is_ok());

    for position in 0..checkpoint.len() {
        let mut changed = checkpoint.clone();
        changed[position] ^= 1;
        assert!(client(&chain).resumed(&changed).is_err(), "byte {position}");
    }
    assert!(client(&chain).resumed(&checkpoint[..99]).is_err());
    assert!(client(&Chain::new(9)).resumed(&checkpoint).is_err());
    assert_eq!(
        client(&chain).resumed(&client(&chain).checkpoint(&Sightings::default())),
        Ok((client(&chain), Sightings::default()))
    );
}

/// The committee's votes are checked from the anchor alone, also in a later epoch, and say how many of how many.
#[test]
fn attestation_is_checked_from_the_anchor_alone() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let (id, lane) = (transaction.body.id(), transaction.body.lane);
    let mut client = LightClient::new(&chain.anchor(), None).unwrap();
    let early = chain.attest(Epoch::new(2), &transaction, &[0]);
    assert_eq!(
        client.attestation(&early, &id, lane),
        Err(LightError::UnknownEpoch {
            have: Epoch::new(1),
            need: Epoch::new(2)
        })
    );
    client
        .advance(&codec::encode(&chain.change(Epoch::new(1))))
        .unwrap();

    for (epoch, seats) in [(1, &[0][..]), (1, &[0, 2]), (2, &[2]), (2, &[0, 2])] {
        let bytes = chain.attest(Epoch::new(epoch), &transaction, seats);

        let attested = client.attestation(&bytes, &id, lane).unwrap();

        assert_eq!((attested.votes, attested.verifiers), (seats.len(), 2));
        assert_eq!(attested.epoch, Epoch::new(epoch));
        let odds = Odds::known(&client, &attested).unwrap();
        let share = seats.len() as f64 / 4.0;
        assert!((odds.security - share * share).abs() < 1e-12, "{odds:?}");
        // one of four can be corrupt: never two
        assert_eq!(
            odds.all_corrupt_if_chosen,
            if seats.len() > 1 { 0.0 } else { 1.0 }
        );
    }
}

/// Votes of others than the committee, for another transaction or of another chain, attest nothing.
#[test]
fn attestation_of_others_is_refused() {
    let chain = Chain::new(1);
    let transaction = transaction(chain.genesis());
    let (id, lane) = (transaction.body.id(), transaction.body.lane);
    let client = LightClient::new(&chain.anchor(), None).unwrap();
    let good = chain.attest(Epoch::new(1), &transaction, &[0, 2]);

    for seats in [&[1][..], &[0, 3], &[2, 0], &[0, 0], &[]] {
        let bytes = chain.attest(Epoch::new(1), &transaction, seats);
        assert!(
            matches!(
                client.attestation(&bytes, &id, lane),
                Err(LightError::Attestation(_))
            ),
            "{seats:?}"
        );
    }
    assert!(matches!(
        client.attestation(&good, &TxId([9; 32]), lane),
        Err(LightError::Proof(ProofError::OtherTransaction { .. }))
    ));
    // it counts in the lane it was sent in, or in a lower one
    assert!(client.attestation(&good, &id, Lane::Emergency).is_ok());
    assert_eq!(
        client.attestation(&good, &id, Lane::Bulk),
        Err(LightError::Lane {
            found: Lane::Monitoring,
            asked: Lane::Bulk
        })
    );
    let other = LightClient::new(&Chain::new(2).anchor(), None).unwrap();
    assert!(other.attestation(&good, &id, lane).is_err());
    assert!(matches!(
        client.attestation(&good[..good.len() - 1], &id, lane),
        Err(LightError::Encoding { .. })
    ));
}
