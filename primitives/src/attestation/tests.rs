//! A block with three transactions and a committee of three among five, and everything that can be wrong with its attestation.

use super::*;
use crate::block::{BlockConfig, transaction_root};
use crate::codec::{self, Blob};
use crate::crypto::sign::{PublicKey, SecretKey};
use crate::hash::Digest;
use crate::ids::{ContractId, EntityId};
use crate::lanes::Verifiers;
use crate::merkle::MerkleTree;
use crate::signed::Signed;
use crate::state::StateRoot;
use crate::time::Timestamp;
use crate::transaction::{Call, SignedTransaction, Transaction};
use crate::validators::Validator;
use proptest::prelude::*;

const GENESIS: GenesisHash = GenesisHash([1; 32]);

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn weighing(weights: &[u64]) -> ValidatorSet {
    let validators = (0u8..)
        .zip(weights)
        .map(|(n, weight)| Validator {
            entity: EntityId([n; 32]),
            key: key(n).public(),
            network_key: PublicKey([n + 50; 32]),
            weight: *weight,
        })
        .collect();
    ValidatorSet::new(Epoch::new(1), validators).expect("legal")
}

fn validators() -> ValidatorSet {
    weighing(&[1; 5])
}

fn committee() -> Vec<Seat> {
    [0, 2, 3].map(Seat::new).to_vec()
}

/// Every lane has chosen [`committee`].
fn lanes() -> EpochLanes {
    let mut lanes = crate::lanes::tests::lanes(Epoch::new(1));
    for lane in &mut lanes.lanes {
        lane.verifiers = Verifiers::Chosen(committee());
    }
    lanes
}

fn config() -> BlockConfig {
    BlockConfig {
        verifier_count: 3,
        transaction_limit: 8,
        committee: committee(),
    }
}

fn transaction(n: u8) -> SignedTransaction {
    let signer = key(100 + n).signer();
    let body = Transaction {
        genesis: GENESIS,
        sender: signer.public(),
        entity: EntityId([n; 32]),
        lane: Lane::Monitoring,
        valid_until: Height::new(9),
        nonce: [n; 16],
        call: Call {
            contract: ContractId::new(1),
            payload: Blob(vec![n]),
        },
    };
    Signed::sign(body, GENESIS, &signer).into_signed()
}

fn header() -> Header {
    let transactions: Vec<_> = (0..3).map(transaction).collect();
    Header {
        height: Height::new(7),
        epoch: Epoch::new(1),
        view: View::new(9),
        parent: BlockId([1; 32]),
        time: Timestamp::from_millis(1),
        manager: Seat::new(1),
        lane: Lane::Monitoring,
        config: config(),
        transaction_count: 3,
        transaction_root: transaction_root(&transactions),
        parent_state_root: StateRoot([2; 32]),
        parent_receipt_root: Digest([3; 32]),
        next_epoch: None,
    }
}

fn sign(seat: u16, statement: Statement) -> (Seat, Signature) {
    let digest = signing_digest(Statement::DOMAIN, GENESIS, &statement.content());
    let signer = key(u8::try_from(seat).expect("small")).signer();
    (Seat::new(seat), signer.sign(&digest))
}

fn notarized(header: &Header, view: View, seats: &[u16]) -> Vec<(Seat, Signature)> {
    let statement = Statement::Notarize {
        epoch: header.epoch,
        view,
        block: header.id(),
    };
    seats.iter().map(|seat| sign(*seat, statement)).collect()
}

fn of(header: Header, view: View, seats: &[u16]) -> Attestation {
    let transactions: Vec<_> = (0..3).map(transaction).collect();
    let tree = MerkleTree::new(transactions.iter().map(SignedTransaction::leaf).collect());
    Attestation {
        transaction: transactions[1].body.id(),
        signature: transactions[1].signature,
        transaction_path: tree.proof(1).expect("within"),
        view,
        votes: notarized(&header, view, seats),
        header,
    }
}

fn attestation(seats: &[u16]) -> Attestation {
    of(header(), View::new(9), seats)
}

fn check(attestation: &Attestation) -> Result<Attested, AttestationError> {
    attestation.verify(GENESIS, &validators(), &lanes())
}

#[test]
fn some_or_all_of_the_committee_attest() {
    for (seats, complete) in [(&[0][..], false), (&[2, 3], false), (&[0, 2, 3], true)] {
        let attested = check(&attestation(seats)).expect("holds");

        assert_eq!((attested.votes, attested.verifiers), (seats.len(), 3));
        assert_eq!(attested.is_complete(), complete);
        assert_eq!(attested.transaction, transaction(1).body.id());
        assert_eq!(attested.block, header().id());
        assert_eq!((attested.seats, attested.corruptible), (5, 1));
        assert_eq!(attested.holds_an_honest_vote(), seats.len() > 1);
    }
}

/// The manager's friends, signing for a committee that the manager invented.
#[test]
fn a_committee_that_lane_and_height_do_not_demand_is_refused() {
    let mut invented = header();
    invented.config.committee = vec![Seat::new(0), Seat::new(2)];
    invented.config.verifier_count = 2;
    let mut roomy = header();
    roomy.config.transaction_limit = 9;

    for header in [invented, roomy] {
        assert_eq!(
            check(&of(header, View::new(9), &[0, 2])),
            Err(AttestationError::OtherCommittee)
        );
    }
}

/// A committee that takes turns is another one at another height, and one of another epoch is none.
#[test]
fn lanes_decide_on_the_committee() {
    let mut turning = lanes();
    for lane in &mut turning.lanes {
        lane.verifiers = Verifiers::Rotating(3);
    }
    let (mut held, mut refused, mut heights) = (0, 0, None);
    for height in 1..60 {
        let header = Header {
            height: Height::new(height),
            ..header()
        };
        match of(header, View::new(9), &[0, 2, 3]).verify(GENESIS, &validators(), &turning) {
            Ok(attested) => {
                heights = Some(attested.heights);
                held += 1;
            }
            Err(error) => {
                assert_eq!(error, AttestationError::OtherCommittee);
                refused += 1;
            }
        }
    }
    assert!(held > 0 && refused > held, "{held} {refused}");
    assert_eq!(heights, Some(60), "a forger may look through the epoch");
    assert_eq!(check(&attestation(&[0])).map(|it| it.heights), Ok(1));

    let mut others = lanes();
    others.epoch = Epoch::new(2);
    assert!(matches!(
        attestation(&[0]).verify(GENESIS, &validators(), &others),
        Err(AttestationError::Epoch { .. })
    ));
}

/// A forger cannot look for its committee beyond the epoch that the validators sign for, nor call any block the last.
#[test]
fn heights_beyond_the_epoch_are_refused() {
    for height in [0, 61, 120, u64::MAX] {
        let header = Header {
            height: Height::new(height),
            ..header()
        };
        assert!(
            matches!(
                check(&of(header, View::new(9), &[0, 2, 3])),
                Err(AttestationError::Height { found, first, last })
                    if (found.get(), first.get(), last.get()) == (height, 1, 60)
            ),
            "{height}"
        );
    }
    for (height, next_epoch) in [(7, Some(Digest([5; 32]))), (60, None)] {
        let header = Header {
            height: Height::new(height),
            next_epoch,
            ..header()
        };
        assert_eq!(
            check(&of(header, View::new(9), &[0, 2, 3])),
            Err(AttestationError::NextEpoch)
        );
    }
}

/// Non-members, too many votes, none, the same one twice, out of order.
#[test]
fn only_members_count_and_each_once() {
    let refused = |seats: &[u16]| check(&attestation(seats)).unwrap_err();

    assert_eq!(
        refused(&[0, 1, 2]),
        AttestationError::NotAMember(Seat::new(1))
    );
    assert_eq!(refused(&[0, 9]), AttestationError::NotAMember(Seat::new(9)));
    assert_eq!(refused(&[0, 0]), AttestationError::Order(Seat::new(0)));
    assert_eq!(refused(&[2, 0]), AttestationError::Order(Seat::new(0)));
    for seats in [&[][..], &[0, 2, 3, 3]] {
        let found = seats.len();
        let verifiers = 3;
        assert_eq!(refused(seats), AttestationError::Count { found, verifiers });
    }
}

#[test]
fn votes_of_another_kind_view_epoch_block_or_chain_are_refused() {
    let header = header();
    let (epoch, view, block) = (header.epoch, header.view, header.id());
    for statement in [
        Statement::Finalize { epoch, view, block },
        Statement::Notarize {
            epoch,
            view: view.next(),
            block,
        },
        Statement::Notarize {
            epoch: epoch.next(),
            view,
            block,
        },
        Statement::Notarize {
            epoch,
            view,
            block: BlockId([9; 32]),
        },
    ] {
        let mut attestation = attestation(&[0, 2]);
        attestation.votes[1] = sign(2, statement);
        assert_eq!(
            check(&attestation),
            Err(AttestationError::BadSignature(Seat::new(2)))
        );
    }
    assert_eq!(
        attestation(&[0]).verify(GenesisHash([2; 32]), &validators(), &lanes()),
        Err(AttestationError::BadSignature(Seat::new(0)))
    );
}

/// Votes of a later view are for the last block of an epoch only (E3), and never of an earlier one.
#[test]
fn only_the_last_block_of_an_epoch_is_attested_in_a_later_view() {
    let mut last = header();
    last.height = *lanes().heights().end();
    last.next_epoch = Some(Digest([5; 32]));

    let attested = check(&of(last.clone(), View::new(11), &[0, 2])).expect("holds");

    assert_eq!(attested.view, View::new(11));
    for (header, view) in [(header(), 11), (header(), 8), (last, 8)] {
        assert!(matches!(
            check(&of(header, View::new(view), &[0, 2])),
            Err(AttestationError::View { .. })
        ));
    }
}

#[test]
fn another_transaction_place_or_epoch_is_refused() {
    let mut other = attestation(&[0]);
    other.transaction = transaction(2).body.id();
    assert_eq!(check(&other), Err(AttestationError::Transaction));
    let mut moved = attestation(&[0]);
    moved.transaction_path.index = 2;
    assert_eq!(check(&moved), Err(AttestationError::Transaction));
    let mut cut = attestation(&[0]);
    cut.transaction_path.siblings.pop();
    assert_eq!(check(&cut), Err(AttestationError::Transaction));
    let mut later = header();
    later.epoch = Epoch::new(2);
    assert!(matches!(
        check(&of(later, View::new(9), &[0])),
        Err(AttestationError::Epoch { .. })
    ));
}

/// With weights, the lightest seats that fit into the faulty weight are the most that can be corrupt.
#[test]
fn as_many_seats_can_be_corrupt_as_fit_into_the_faulty_weight() {
    for (weights, expected) in [
        (&[1, 1, 1, 1][..], 1),
        (&[1; 7], 2),
        (&[1; 10], 3),
        // f = 10 of 31
        (&[5, 5, 1, 9, 9, 1, 1], 4),
        // f = 3 of 12: no single seat of 4 or more fits
        (&[3, 3, 3, 3], 1),
        (&[100, 101, 102, 103, 104], 1),
    ] {
        assert_eq!(
            weighing(weights).corruptible_seats(),
            expected,
            "{weights:?}"
        );
    }
}

/// The largest committee there can be, all of whom have voted, in the longest header, at the end of the deepest tree.
#[test]
fn the_largest_attestation_fits_its_bound() {
    let mut large = attestation(&[0]);
    let vote = large.votes[0].1;
    large.header.config.committee = (0..SEATS_MAX as u16).map(Seat::new).collect();
    large.header.next_epoch = Some(Digest::default());
    large.votes = (0..SEATS_MAX as u16)
        .map(|n| (Seat::new(n), vote))
        .collect();
    large.transaction_path.siblings = vec![Digest::default(); 32];

    assert!(codec::encode(&large).len() <= ATTESTATION_MAX);
}

/// Bytes that end early are no attestation.
#[test]
fn cut_off_bytes_do_not_decode() {
    let bytes = codec::encode(&attestation(&[0, 2, 3]));
    for length in 0..bytes.len() {
        assert!(codec::decode::<Attestation>(&bytes[..length], ATTESTATION_MAX).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any bit that is flipped is noticed.
    #[test]
    fn a_flipped_bit_is_noticed(position in any::<prop::sample::Index>()) {
        let mut bytes = codec::encode(&attestation(&[0, 2, 3]));
        let bit = position.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = codec::decode::<Attestation>(&bytes, ATTESTATION_MAX) {
            prop_assert!(check(&changed).is_err(), "bit {bit}");
        }
    }

    /// Whoever signs: it holds if and only if the votes are an ascending list of different members.
    #[test]
    fn only_ascending_members_hold(seats in prop::collection::vec(0u16..5, 0..6)) {
        let ascending = seats.is_sorted_by(|a, b| a < b);
        let members = seats.iter().all(|seat| committee().contains(&Seat::new(*seat)));
        let expected = !seats.is_empty() && ascending && members;

        prop_assert_eq!(check(&attestation(&seats)).is_ok(), expected);
    }
}
