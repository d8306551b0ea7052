//! One key that is there, one that is not, and everything that can be wrong with proofs of either.

use super::*;
use crate::codec;
use crate::hash::Digest;
use crate::ids::Epoch;
use crate::proof::tests::{EPOCH, child, finalize, genesis, genesis_header, validators};
use crate::state_tree::{key_hash, root_of, tree_with_proof};
use proptest::prelude::*;

const CONTRACT: ContractId = ContractId::new(6);

fn key(n: u8) -> StateKey {
    StateKey::tree(CONTRACT, [b'g', n])
}

/// After block 1 the state holds keys 1 to 9, each with its number twice.
fn state() -> Vec<(StateKey, Vec<u8>)> {
    (1..10).map(|n| (key(n), Vec::from([n, n]))).collect()
}

/// What stands under a key after block 1, proven by block 2, which block 3 makes final.
fn proof(n: u8) -> StateValueProof {
    let state = state();
    let values: Vec<_> = state
        .iter()
        .map(|(key, value)| (key, value.as_slice()))
        .collect();
    let first = child(&genesis_header());
    let mut second = child(&first);
    second.parent_state_root = root_of(values.iter().copied());
    let third = child(&second);
    StateValueProof {
        contract: CONTRACT,
        key: Blob(key(n).key),
        value: state
            .iter()
            .find(|(known, _)| *known == key(n))
            .map(|(_, value)| Blob(value.clone())),
        tree: tree_with_proof(values.iter().copied(), &key_hash(&key(n))),
        finality: FinalityProof {
            certificate: finalize(&third),
            headers: Vec::from([second, third]),
        },
    }
}

const AFTER_ONE: AtHeight = AtHeight::Exactly(Height::new(1));

fn check(
    proof: &StateValueProof,
    n: u8,
    at: AtHeight,
) -> Result<Proven<Option<Vec<u8>>>, ProofError> {
    proof.verify(genesis(), &validators(EPOCH), &key(n), at)
}

#[test]
fn a_value_and_an_absence_are_proven_after_the_block_before_the_header() {
    for (n, expected) in [(3, Some(Vec::from([3, 3]))), (77, None)] {
        let proof = proof(n);
        let proven = check(&proof, n, AFTER_ONE).expect("holds");

        assert_eq!(proven.value(), &expected);
        assert_eq!(proven.height(), Height::new(1));
        assert_eq!(proven.block(), child(&genesis_header()).id());
        assert_eq!((proven.epoch(), proven.weight()), (EPOCH, 3));
    }
}

/// Present is never shown as absent, nor absent as present, nor with another value.
#[test]
fn presence_and_absence_are_not_confused() {
    let mut hidden = proof(3);
    hidden.value = None;
    let mut invented = proof(77);
    invented.value = Some(Blob(Vec::from([1])));
    let mut other = proof(3);
    other.value = Some(Blob(Vec::from([4, 4])));
    // an empty value is a value
    let mut empty = proof(77);
    empty.value = Some(Blob(Vec::new()));

    for (changed, n) in [(hidden, 3), (invented, 77), (other, 3), (empty, 77)] {
        assert_eq!(check(&changed, n, AFTER_ONE), Err(ProofError::State));
    }
}

/// A proof that held once is no answer to a question about later, and says so.
#[test]
fn a_stale_answer_is_refused() {
    let proof = proof(3);
    let later = Height::new(2);

    for at in [AtHeight::Exactly(later), AtHeight::NotBefore(later)] {
        assert_eq!(
            check(&proof, 3, at),
            Err(ProofError::OtherHeight {
                found: Height::new(1),
                expected: at
            })
        );
    }
    assert!(check(&proof, 3, AtHeight::NotBefore(Height::ZERO)).is_ok());
    assert!(check(&proof, 3, AtHeight::Exactly(Height::ZERO)).is_err());
    // claiming to be of a later time breaks the chain of headers, or the root
    let mut moved = proof;
    moved.finality.headers.remove(0);
    assert_eq!(
        check(&moved, 3, AtHeight::NotBefore(later)),
        Err(ProofError::State)
    );
}

#[test]
fn an_answer_about_another_key_is_refused() {
    assert_eq!(check(&proof(4), 3, AFTER_ONE), Err(ProofError::OtherKey));
    let mut renamed = proof(4);
    renamed.key = Blob(key(3).key);
    assert_eq!(check(&renamed, 3, AFTER_ONE), Err(ProofError::State));
    let mut other_contract = proof(3);
    other_contract.contract = ContractId::new(7);
    assert_eq!(
        check(&other_contract, 3, AFTER_ONE),
        Err(ProofError::OtherKey)
    );
    // the index is under no root
    let index = StateKey::index(CONTRACT, key(3).key);
    assert_eq!(
        proof(3).verify(genesis(), &validators(EPOCH), &index, AFTER_ONE),
        Err(ProofError::OtherKey)
    );
}

#[test]
fn a_truncated_proof_is_refused() {
    let whole = proof(3);
    let mut shorter = whole.clone();
    shorter.tree.siblings.pop();
    assert_eq!(check(&shorter, 3, AFTER_ONE), Err(ProofError::State));
    let mut uncertified = whole.clone();
    uncertified.finality.headers.pop();
    assert_eq!(
        check(&uncertified, 3, AFTER_ONE),
        Err(ProofError::NotAFinalization)
    );
    let mut headless = whole.clone();
    headless.finality.headers.clear();
    assert!(matches!(
        check(&headless, 3, AFTER_ONE),
        Err(ProofError::HeaderCount { .. })
    ));
    let mut votes = whole.clone();
    votes.finality.certificate.votes.pop();
    assert!(matches!(
        check(&votes, 3, AFTER_ONE),
        Err(ProofError::Certificate(_))
    ));
    let bytes = codec::encode(&whole);
    for length in 0..bytes.len() {
        assert!(codec::decode::<StateValueProof>(&bytes[..length], STATE_PROOF_MAX).is_err());
    }
}

/// Block 0 is before everything: there is no state after a block before it.
#[test]
fn a_header_of_height_zero_proves_nothing() {
    let mut proof = proof(3);
    let mut header = genesis_header();
    header.parent_state_root = proof.finality.headers[0].parent_state_root;
    proof.finality.certificate = finalize(&header);
    proof.finality.headers = Vec::from([header]);

    assert_eq!(proof.height(), None);
    assert!(check(&proof, 3, AtHeight::NotBefore(Height::ZERO)).is_err());
}

#[test]
fn another_chain_or_epoch_does_not_prove_it() {
    let proof = proof(3);
    assert!(
        proof
            .verify(GenesisHash([9; 32]), &validators(EPOCH), &key(3), AFTER_ONE)
            .is_err()
    );
    let later = validators(Epoch::new(2));
    assert!(proof.verify(genesis(), &later, &key(3), AFTER_ONE).is_err());
}

#[test]
fn keys_and_values_beyond_their_bounds_are_refused() {
    let mut long = proof(3);
    long.value = Some(Blob(Vec::from([0; STATE_VALUE_MAX + 1])));
    assert_eq!(check(&long, 3, AFTER_ONE), Err(ProofError::StateSize));
}

/// The largest that a node may make fits its bound.
#[test]
fn the_largest_proof_fits_its_bound() {
    use crate::ids::Seat;
    use crate::proof::HEADERS_MAX;
    let mut large = proof(3);
    large.key = Blob(Vec::from([0; STATE_KEY_MAX]));
    large.value = Some(Blob(Vec::from([0; STATE_VALUE_MAX])));
    large.tree.siblings = Vec::from([Digest::default(); 256]);
    let mut header = large.finality.headers[0].clone();
    header.config.committee = (0..512).map(Seat::new).collect();
    header.next_epoch = Some(Digest::default());
    large.finality.headers = core::iter::repeat_n(header, HEADERS_MAX).collect();
    let signature = large.finality.certificate.votes[0].1;
    large.finality.certificate.votes = (0..512).map(|n| (Seat::new(n), signature)).collect();

    let length = codec::encode(&large).len();

    assert!(length <= STATE_PROOF_MAX, "{length}");
}

proptest! {
    /// A changed bit of a proof is noticed wherever it is.
    #[test]
    fn any_changed_bit_is_noticed(n in 1u8..20, flip in any::<usize>()) {
        let mut bytes = codec::encode(&proof(n));
        let flip = flip % (bytes.len() * 8);
        bytes[flip / 8] ^= 1 << (flip % 8);
        if let Ok(changed) = codec::decode::<StateValueProof>(&bytes, STATE_PROOF_MAX) {
            prop_assert!(check(&changed, n, AFTER_ONE).is_err(), "bit {}", flip);
        }
    }
}
