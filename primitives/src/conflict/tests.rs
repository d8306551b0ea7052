//! Two histories signed by the same validators, and what is no conflict.

use super::*;
use crate::block::Header;
use crate::hash::Digest;
use crate::proof::tests::{EPOCH, child, finalize, genesis, genesis_header, validators};

/// Four headers after genesis; with a `twist`, of another history from that height on.
fn history(twist: Option<u64>) -> Vec<Header> {
    let mut headers = Vec::from([genesis_header()]);
    for height in 1..=4 {
        let mut next = child(&headers[headers.len() - 1]);
        if twist == Some(height) {
            next.time = next.time.plus_millis(1);
        }
        headers.push(next);
    }
    headers
}

fn proof(history: &[Header], from: usize, to: usize) -> FinalityProof {
    FinalityProof {
        headers: history[from..=to].to_vec(),
        certificate: finalize(&history[to]),
    }
}

fn verify(first: FinalityProof, second: FinalityProof) -> Result<Forked, ConflictError> {
    let validators = validators(EPOCH);
    Conflict { first, second }.verify(genesis(), |epoch| (epoch == EPOCH).then_some(&validators))
}

#[test]
fn two_final_blocks_of_one_height_are_a_conflict() {
    let (one, other) = (history(None), history(Some(2)));

    let forked = verify(proof(&one, 1, 3), proof(&other, 2, 4)).expect("a conflict");

    assert_eq!(forked.height, Height::new(2));
    assert_eq!((forked.first, forked.second), (one[2].id(), other[2].id()));
    assert_eq!(forked.epochs, [EPOCH; 2]);
}

/// A final header makes its parent final: the proofs need not hold headers of one height.
#[test]
fn a_final_block_on_another_parent_is_a_conflict() {
    let (one, other) = (history(None), history(Some(2)));

    let forked = verify(proof(&one, 2, 2), proof(&other, 3, 3)).expect("a conflict");

    assert_eq!(forked.height, Height::new(2));
}

#[test]
fn proofs_of_one_chain_are_no_conflict() {
    let one = history(None);
    for (first, second) in [
        ((1, 3), (2, 4)),
        ((1, 1), (4, 4)),
        ((2, 3), (2, 3)),
        ((1, 2), (3, 4)),
    ] {
        let [first, second] = [first, second].map(|(from, to)| proof(&one, from, to));
        assert_eq!(verify(first, second), Err(ConflictError::None));
    }
}

/// Who has no quorum behind him cannot make anybody stop.
#[test]
fn a_conflict_that_nobody_signed_is_none() {
    let (one, other) = (history(None), history(Some(2)));
    let good = proof(&one, 1, 3);
    let mut forged = proof(&other, 2, 4);
    forged.certificate.votes.truncate(2);
    assert!(matches!(
        verify(good.clone(), forged.clone()),
        Err(ConflictError::Proof(ProofError::Certificate(_)))
    ));
    assert!(matches!(
        verify(forged, good.clone()),
        Err(ConflictError::Proof(ProofError::Certificate(_)))
    ));
    let mut twisted = proof(&one, 2, 4);
    twisted.headers[0].transaction_root = Digest([7; 32]);
    assert!(matches!(
        verify(good.clone(), twisted),
        Err(ConflictError::Proof(ProofError::BrokenChain(_)))
    ));
    let mut notarized = proof(&other, 2, 4);
    if let crate::certificate::Statement::Finalize { epoch, view, block } =
        notarized.certificate.statement
    {
        notarized.certificate.statement =
            crate::certificate::Statement::Notarize { epoch, view, block };
    }
    assert!(verify(good.clone(), notarized).is_err());
    let conflict = Conflict {
        first: good,
        second: proof(&other, 2, 4),
    };
    assert_eq!(
        conflict.verify(genesis(), |_| None),
        Err(ConflictError::UnknownEpoch(EPOCH))
    );
    let validators = validators(EPOCH);
    assert!(
        conflict
            .verify(GenesisHash([9; 32]), |_| Some(&validators))
            .is_err()
    );
}

/// Empty proofs and heights at the ends of their range are no reason to panic.
#[test]
fn proofs_without_headers_contradict_nothing() {
    let mut empty = proof(&history(None), 1, 3);
    empty.headers.clear();
    assert_eq!(contradiction(&empty, &empty), None);
    assert_eq!(
        verify(empty.clone(), proof(&history(None), 1, 3)),
        Err(ConflictError::None)
    );
    let genesis = proof(&history(None), 0, 1);
    assert_eq!(contradiction(&genesis, &genesis), None);
}

mod sightings {
    use super::*;
    use crate::light::{HEADERS_KEPT, RECENT_MAX, Sightings};

    #[test]
    fn the_second_history_is_noticed_in_either_order_and_not_remembered() {
        let (one, other) = (history(None), history(Some(2)));
        for (first, second) in [(&one, &other), (&other, &one)] {
            let mut seen = Sightings::default();
            seen.note(&proof(first, 1, 2)).expect("the first");
            seen.note(&proof(first, 2, 3)).expect("of one chain");
            let before = seen.clone();

            let conflict = seen.note(&proof(second, 2, 4)).expect_err("of another");

            assert!(verify(conflict.first, conflict.second).is_ok());
            assert_eq!(seen, before);
        }
    }

    /// Below the fork the two histories are one.
    #[test]
    fn what_both_histories_share_is_no_conflict() {
        let (one, other) = (history(None), history(Some(3)));
        let mut seen = Sightings::default();
        seen.note(&proof(&one, 1, 2)).expect("the first");
        seen.note(&proof(&other, 1, 2)).expect("the same blocks");
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten() {
        let mut headers = Vec::from([genesis_header()]);
        let mut seen = Sightings::default();
        for height in 1..=RECENT_MAX + 40 {
            headers.push(child(&headers[height - 1]));
            let from = height.saturating_sub(HEADERS_KEPT + 4).max(1);
            seen.note(&proof(&headers, from, height))
                .expect("one chain");
        }
        assert_eq!(seen.len(), RECENT_MAX);
        assert_eq!(seen.newest(8, 8).len(), 8);
        let mut twisted = headers[RECENT_MAX + 30].clone();
        twisted.time = twisted.time.plus_millis(1);
        let twisted = FinalityProof {
            certificate: finalize(&twisted),
            headers: Vec::from([twisted]),
        };
        assert!(seen.newest(20, 0).note(&twisted).is_err());
        let mut forgotten = headers[2].clone();
        forgotten.time = forgotten.time.plus_millis(1);
        let forgotten = FinalityProof {
            certificate: finalize(&forgotten),
            headers: Vec::from([forgotten]),
        };
        assert!(seen.note(&forgotten).is_ok());
    }
}
