use super::*;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{ContractId, EntityId, Epoch};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::Call;

const GENESIS: GenesisHash = GenesisHash([1; 32]);
const NEXT: Height = Height::new(11);
const EPOCH: Epoch = Epoch::new(1);

fn transaction(n: u8, lane: Lane, valid_until: u64) -> VerifiedTransaction {
    let signer = SecretKey::from_seed([9; 32]).signer();
    let body = Transaction {
        genesis: GENESIS,
        sender: signer.public(),
        entity: EntityId([4; 32]),
        lane,
        valid_until: Height::new(valid_until),
        nonce: [n; 16],
        call: Call {
            contract: ContractId::new(3),
            payload: Blob(vec![n; 100]),
        },
    };
    Signed::sign(body, GENESIS, &signer)
}

fn mempool() -> Mempool {
    Mempool::new(
        GENESIS,
        64,
        MempoolLimits {
            lane_count_max: 4,
            lane_bytes_max: 1 << 20,
        },
        Height::new(10),
        Vec::new(),
        Arc::new(Demotions::none(EPOCH)),
    )
}

fn at(ms: u64) -> Monotonic {
    Monotonic::from_millis(ms)
}

#[test]
fn refuses_each_kind_of_unfit_transaction_with_its_reason() {
    let mut pool = mempool();
    pool.on_final(
        Height::new(11),
        vec![transaction(1, Lane::Routine, 40).id()],
    );
    let mut insert = |tx| pool.insert(at(0), tx, Source::Client);

    assert!(matches!(
        insert(transaction(2, Lane::Routine, 11)),
        Err(PoolError::Expired { .. })
    ));
    assert!(matches!(
        insert(transaction(3, Lane::Routine, 77)),
        Err(PoolError::WindowTooFar { .. })
    ));
    assert!(matches!(
        insert(transaction(1, Lane::Routine, 40)),
        Err(PoolError::AlreadyFinal { .. })
    ));
    assert_eq!(insert(transaction(4, Lane::Routine, 76)), Ok(Lane::Routine));
    assert!(matches!(
        insert(transaction(4, Lane::Routine, 76)),
        Err(PoolError::AlreadyPending { .. })
    ));
}

/// A full lane refuses, says when to come back, and leaves the other lanes alone.
#[test]
fn a_full_lane_pushes_back_and_others_do_not() {
    let mut pool = mempool();
    for n in 0..4 {
        pool.insert(at(0), transaction(n, Lane::Bulk, 40), Source::Client)
            .expect("room");
    }

    let full = pool.insert(at(0), transaction(5, Lane::Bulk, 40), Source::Client);

    assert!(matches!(
        full,
        Err(PoolError::LaneFull {
            lane: Lane::Bulk,
            ..
        })
    ));
    assert!(
        pool.insert(at(0), transaction(6, Lane::Emergency, 40), Source::Client)
            .is_ok()
    );
}

/// The replay window: an id is refused as long as its transaction could still be valid, and forgotten after.
#[test]
fn an_id_is_remembered_for_exactly_the_window() {
    let mut pool = mempool();
    let id = transaction(1, Lane::Routine, 40).id();
    pool.on_final(Height::new(11), vec![id]);

    pool.on_final(Height::new(75), vec![]);
    assert!(pool.is_recent(&id), "valid_until can be 11 + 64 = 75");
    pool.on_final(Height::new(76), vec![]);
    assert!(!pool.is_recent(&id));
}

/// The oldest that could stand in the next block: not one that is in the branch already, nor one whose window ends before.
#[test]
fn each_lane_waits_since_its_oldest_came_that_can_be_included() {
    let mut pool = mempool();
    for (n, lane, valid_until) in [
        (1, Lane::Bulk, 40),
        (2, Lane::Bulk, 40),
        (3, Lane::Emergency, 12),
        (4, Lane::Emergency, 40),
    ] {
        let tx = transaction(n, lane, valid_until);
        pool.insert(at(n.into()), tx, Source::Client).expect("room");
    }
    let included = BTreeSet::from([transaction(1, Lane::Bulk, 40).id()]);

    let since = pool.waiting_since(Height::new(13), &included);

    assert_eq!(since, [Some(at(4)), None, None, Some(at(2))]);
}

#[test]
fn selects_in_order_within_count_bytes_and_validity() {
    let mut pool = mempool();
    for (n, valid) in [(1, 40), (2, 12), (3, 40)] {
        pool.insert(at(0), transaction(n, Lane::Routine, valid), Source::Peer)
            .expect("room");
    }
    let included = BTreeSet::from([transaction(1, Lane::Routine, 40).id()]);

    let chosen = pool.select(Lane::Routine, 10, 1 << 20, Height::new(13), &included);

    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].body.nonce, [3; 16]);
    assert!(
        pool.select(Lane::Routine, 10, 10, Height::new(11), &included)
            .is_empty()
    );
}

#[test]
fn expired_transactions_leave_and_are_named() {
    let mut pool = mempool();
    pool.insert(at(0), transaction(1, Lane::Routine, 12), Source::Client)
        .expect("room");

    assert_eq!(pool.on_final(Height::new(11), vec![]).len(), 0);
    let expired = pool.on_final(Height::new(12), vec![]);

    assert_eq!(expired, [transaction(1, Lane::Routine, 12).id()]);
    assert!(pool.is_empty());
}

#[test]
fn only_clients_transactions_are_forwarded_again_and_not_too_often() {
    let mut pool = mempool();
    pool.insert(at(0), transaction(1, Lane::Routine, 40), Source::Client)
        .expect("room");
    pool.insert(at(0), transaction(2, Lane::Routine, 40), Source::Peer)
        .expect("room");

    assert!(pool.forward_again(at(500), 10, 1 << 20).is_empty());
    assert_eq!(pool.forward_again(at(1_000), 10, 1 << 20).len(), 1);
    assert!(pool.forward_again(at(1_500), 10, 1 << 20).is_empty());
}

/// The pause between two forwards doubles up to four seconds, and ends with the transaction.
#[test]
fn forwarding_slows_down_and_ends_when_the_transaction_leaves() {
    let mut pool = mempool();
    let tx = transaction(1, Lane::Routine, 40);
    let id = tx.id();
    pool.insert(at(0), tx, Source::Client).expect("room");

    let times: Vec<u64> = (0..20_000)
        .step_by(250)
        .filter(|ms| !pool.forward_again(at(*ms), 10, 1 << 20).is_empty())
        .collect();
    pool.on_final(NEXT, vec![id]);

    assert_eq!(times, [1_000, 3_000, 7_000, 11_000, 15_000, 19_000]);
    assert_eq!(pool.forward_at(), None);
}

/// What a peer brought first and a client after that is the client's: forwarded until it is final.
#[test]
fn a_clients_copy_of_a_peers_transaction_is_forwarded() {
    let mut pool = mempool();
    pool.insert(at(0), transaction(1, Lane::Routine, 40), Source::Peer)
        .expect("room");
    assert_eq!(pool.forward_at(), None);

    let again = pool.insert(at(5), transaction(1, Lane::Routine, 40), Source::Client);

    assert!(matches!(again, Err(PoolError::AlreadyPending { .. })));
    assert_eq!(pool.forward_at(), Some(at(1_005)));
}

/// A validator that forwards whatever anyone signs cannot take the whole lane from this node's own clients.
#[test]
fn peers_leave_a_part_of_each_lane_to_clients() {
    let mut pool = mempool();
    let taken = (0..4)
        .filter(|n| {
            pool.insert(at(0), transaction(*n, Lane::Bulk, 40), Source::Peer)
                .is_ok()
        })
        .count();

    let client = pool.insert(at(0), transaction(9, Lane::Bulk, 40), Source::Client);

    assert_eq!(taken, 3);
    assert_eq!(client, Ok(Lane::Bulk));
}

/// A transaction whose end lies below the next block is no reason for a block: without this, the managers make empty
/// ones as fast as they can until it leaves.
#[test]
fn what_cannot_stand_in_the_next_block_is_no_reason_to_make_one() {
    let mut pool = mempool();
    let none = BTreeSet::new();
    pool.insert(at(0), transaction(1, Lane::Emergency, 12), Source::Client)
        .expect("room");
    assert!(pool.has_other_than(&none, Height::new(12)));
    assert!(!pool.has_other_than(&none, Height::new(13)));

    pool.insert(at(0), transaction(2, Lane::Bulk, 40), Source::Client)
        .expect("room");

    assert!(pool.has_other_than(&none, Height::new(13)));
    let included = BTreeSet::from([transaction(2, Lane::Bulk, 40).id()]);
    assert!(!pool.has_other_than(&included, Height::new(13)));
    assert!(pool.has_other_than(&included, Height::new(12)));
    let since = pool.waiting_since(Height::new(13), &none);
    assert_eq!(since, [None, None, None, Some(at(0))]);
}

fn of_entity(n: u8, entity: u8, lane: Lane) -> VerifiedTransaction {
    let signer = SecretKey::from_seed([9; 32]).signer();
    let mut body = transaction(n, lane, 40).body().clone();
    body.entity = EntityId([entity; 32]);
    Signed::sign(body, GENESIS, &signer)
}

fn exhausted(rows: &[(Lane, u8)]) -> Arc<Demotions> {
    let rows = rows.iter().map(|(lane, n)| (*lane, EntityId([*n; 32])));
    Arc::new(Demotions::none(EPOCH).with(rows))
}

fn waiting(pool: &Mempool, lane: Lane) -> Vec<u8> {
    pool.select(lane, 100, 1 << 20, NEXT, &BTreeSet::new())
        .iter()
        .map(|tx| tx.body.nonce[0])
        .collect()
}

/// What waits moves with its entity's quota, among the others in the order in which all came, and back when an epoch begins.
#[test]
fn what_waits_moves_to_the_lane_it_counts_in_and_back() {
    let mut pool = mempool();
    for (n, entity, lane) in [
        (1, 1, Lane::Emergency),
        (2, 2, Lane::Monitoring),
        (3, 1, Lane::Emergency),
        (4, 2, Lane::Emergency),
    ] {
        pool.insert(at(n.into()), of_entity(n, entity, lane), Source::Peer)
            .expect("room");
    }
    let revision = pool.revision();

    pool.recount(&exhausted(&[(Lane::Emergency, 1)]));

    assert_ne!(pool.revision(), revision);
    assert_eq!(waiting(&pool, Lane::Emergency), [4]);
    assert_eq!(waiting(&pool, Lane::Monitoring), [1, 2, 3]);
    assert_eq!(pool.counts(), [1, 3, 0, 0]);
    let late = of_entity(5, 1, Lane::Emergency);
    assert_eq!(
        pool.insert(at(5), late, Source::Client),
        Ok(Lane::Monitoring)
    );
    let both = exhausted(&[(Lane::Emergency, 1), (Lane::Monitoring, 1)]);
    pool.recount(&both);
    assert_eq!(pool.counts(), [1, 1, 3, 0]);

    pool.recount(&exhausted(&[]));

    assert_eq!(waiting(&pool, Lane::Emergency), [1, 3, 4, 5]);
    assert_eq!(waiting(&pool, Lane::Monitoring), [2]);
    pool.on_final(NEXT, vec![of_entity(1, 1, Lane::Emergency).id()]);
    assert_eq!(pool.counts(), [3, 1, 0, 0]);
}

/// What was admitted is kept where it moves, beyond the bounds of the lane, which then takes nothing new; and it moves back, as
/// when the block that demoted it is lost.
#[test]
fn what_moves_to_a_full_lane_is_kept_and_moves_back() {
    let mut pool = mempool();
    for n in 0..3 {
        let tx = of_entity(n, 2, Lane::Monitoring);
        pool.insert(at(50), tx, Source::Client).expect("room");
    }
    for n in 10..14 {
        let tx = of_entity(n, 1, Lane::Emergency);
        pool.insert(at(n.into()), tx, Source::Client).expect("room");
    }

    pool.recount(&exhausted(&[(Lane::Emergency, 1)]));

    assert_eq!(waiting(&pool, Lane::Monitoring), [10, 11, 12, 13, 0, 1, 2]);
    assert_eq!(pool.counts(), [0, 7, 0, 0]);
    let full = pool.insert(at(60), of_entity(20, 2, Lane::Monitoring), Source::Client);
    let lane = Lane::Monitoring;
    assert!(matches!(full, Err(PoolError::LaneFull { lane: of, .. }) if of == lane));
    let urgent = pool.insert(at(60), of_entity(21, 2, Lane::Emergency), Source::Client);
    assert_eq!(urgent, Ok(Lane::Emergency));
    assert_eq!(pool.forward_again(at(9_000), 100, 1 << 20).len(), 8);

    pool.recount(&exhausted(&[]));

    assert_eq!(waiting(&pool, Lane::Emergency), [10, 11, 12, 13, 21]);
    assert_eq!(pool.counts(), [5, 3, 0, 0]);
}

/// Entities that use up one lane after another fill the lowest, but not the memory.
#[test]
fn all_lanes_together_are_bounded_whatever_moves() {
    let mut pool = mempool();
    let mut used_up = Vec::new();
    let mut refused = 0;
    for entity in 1..=60 {
        for n in 0..4 {
            let tx = of_entity(entity * 4 + n, entity, Lane::Emergency);
            refused += u32::from(pool.insert(at(1), tx, Source::Client).is_err());
        }
        used_up.push((Lane::Emergency, entity));
        used_up.push((Lane::Monitoring, entity));
        used_up.push((Lane::Routine, entity));
        pool.recount(&exhausted(&used_up));
    }

    assert_eq!(pool.counts(), [0, 0, 0, 32], "eight lanes of four");
    assert_eq!(refused, 60 * 4 - 32);
}
