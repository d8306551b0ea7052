//! The ledger in good times: what a commit refuses, and what can be read and proven after it.

use crate::fixtures::{Backend, Chain, Memory, Rocks, index_key, tree_key, writes};
use proptest::prelude::*;
use salus_primitives::ids::{BlockId, ContractId, Height};
use salus_primitives::state::{MemoryState, StateRead as _, StateRoot, WriteSet};
use salus_storage::column::Column;
use salus_storage::ledger::{Ledger, LedgerError, Retention, TransactionPosition};
use salus_storage::store::{Direction, KeyRange, Store};
use std::sync::Arc;

fn memory() -> Arc<dyn Store> {
    Memory::default().open()
}

fn grown(chain: &Chain, height: u64) -> Ledger {
    let ledger = chain.open(memory()).unwrap();
    chain.grow(&ledger, height);
    ledger
}

#[test]
fn a_committed_block_is_found_by_height_id_and_transaction() {
    let chain = Chain::new(1);
    let ledger = grown(&chain, 3);
    let mut changes = writes(&[(1, 11)]);
    changes.put(index_key(9), vec![9]);
    let built = chain.next(&ledger, 3, changes);

    let head = ledger.commit(&built.as_final()).unwrap();

    let height = Height::new(4);
    let id = built.block.id();
    assert_eq!((head.height, head.id), (height, id));
    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.block(height).unwrap().as_ref(), Some(&built.block));
    assert_eq!(
        ledger.block_by_id(&id).unwrap().as_ref(),
        Some(&built.block)
    );
    assert_eq!(
        ledger.header(height).unwrap(),
        Some(built.block.header.clone())
    );
    assert_eq!(
        ledger.receipts(height).unwrap(),
        Some(built.receipts.clone())
    );
    assert_eq!(ledger.finalization(height).unwrap(), built.certificate);
    assert_eq!(
        ledger
            .transaction_position(&built.receipts[2].transaction)
            .unwrap(),
        Some(TransactionPosition { height, index: 2 })
    );
    assert_eq!(ledger.state().get(&tree_key(1)).unwrap(), Some(vec![11]));
    assert_eq!(ledger.state().get(&index_key(9)).unwrap(), Some(vec![9]));
    assert_eq!(ledger.state().get(&index_key(1)).unwrap(), None);
    assert_eq!(ledger.block(Height::new(5)).unwrap(), None);
    assert_eq!(ledger.block_by_id(&BlockId([3; 32])).unwrap(), None);
}

#[test]
fn blocks_that_do_not_follow_the_head_are_refused_and_change_nothing() {
    let chain = Chain::new(1);
    let ledger = grown(&chain, 2);
    let head = ledger.head();
    let good = || chain.next(&ledger, 1, writes(&[(1, 1)]));

    let mut again = good();
    again.block.header.height = Height::new(2);
    let mut skips = good();
    skips.block.header.height = Height::new(4);
    let mut orphan = good();
    orphan.block.header.parent = BlockId([9; 32]);
    let mut diverged = good();
    diverged.block.header.parent_state_root = StateRoot([9; 32]);
    let mut short = good();
    short.receipts.clear();
    let mut shifted = good();
    shifted.receipts[0].index = 1;
    let mut uncertified = good();
    uncertified.certificate = Some(chain.finalize(&chain.genesis.header));
    let mut stale_tree = good();
    stale_tree.tree = Arc::new(
        ledger
            .tree()
            .apply(&[], Height::new(2), &WriteSet::default())
            .unwrap(),
    );

    let refusal = |built: crate::fixtures::Built| ledger.commit(&built.as_final()).unwrap_err();
    assert!(matches!(refusal(again), LedgerError::NotNext { .. }));
    assert!(matches!(refusal(skips), LedgerError::NotNext { .. }));
    assert!(matches!(refusal(orphan), LedgerError::WrongParent { .. }));
    assert!(matches!(
        refusal(diverged),
        LedgerError::WrongStateRoot { .. }
    ));
    assert!(matches!(refusal(short), LedgerError::Mismatch { .. }));
    assert!(matches!(refusal(shifted), LedgerError::Mismatch { .. }));
    assert!(matches!(
        refusal(uncertified),
        LedgerError::WrongCertificate { .. }
    ));
    assert!(matches!(refusal(stale_tree), LedgerError::Mismatch { .. }));
    assert_eq!(ledger.head(), head);
    ledger.commit(&good().as_final()).unwrap();
}

#[test]
fn a_block_0_that_does_not_fit_its_state_is_refused() {
    let mut chain = Chain::new(1);
    chain.genesis_writes = writes(&[(1, 1)]);

    assert!(matches!(
        chain.open(memory()).err(),
        Some(LedgerError::WrongStateRoot { .. })
    ));
}

/// A light client's own check: inclusion, receipt and finality from a final descendant.
#[test]
fn a_receipt_is_provable_once_the_next_block_is_final() {
    let chain = Chain::new(1);
    let ledger = chain.open(memory()).unwrap();
    let mut built = chain.next(&ledger, 5, WriteSet::default());
    built.certificate = None;
    ledger.commit(&built.as_final()).unwrap();
    let id = built.receipts[3].transaction;
    assert_eq!(ledger.receipt_proof(&id).unwrap(), None);

    let next = chain.next(&ledger, 1, WriteSet::default());
    ledger.commit(&next.as_final()).unwrap();

    let proof = ledger.receipt_proof(&id).unwrap().unwrap();
    let proven = proof
        .verify(chain.name(), &chain.first.validators, &id)
        .unwrap();
    assert_eq!(proven.value(), &built.receipts[3]);
    assert_eq!(proven.height(), Height::new(1));
    assert_eq!(
        ledger.receipt_proof(&next.receipts[0].transaction).unwrap(),
        None
    );
}

/// More blocks than are kept at hand, in both orders: each proof is of its own block.
#[test]
fn receipts_of_many_blocks_are_provable_in_any_order() {
    let chain = Chain::new(1);
    let ledger = grown(&chain, 15);
    let heights: Vec<u64> = (1..15).chain((1..15).rev()).collect();

    for height in heights {
        let receipts = ledger.receipts(Height::new(height)).unwrap().unwrap();
        let id = receipts[0].transaction;
        let proof = ledger.receipt_proof(&id).unwrap().unwrap();
        let proven = proof
            .verify(chain.name(), &chain.first.validators, &id)
            .unwrap();
        assert_eq!(proven.height(), Height::new(height));
    }
}

/// Only the last of several blocks has a finalisation of its own; a late one shortens the proof.
#[test]
fn a_descendants_finalisation_proves_its_ancestors() {
    let chain = Chain::new(1);
    let ledger = chain.open(memory()).unwrap();
    for height in 1..=4 {
        let mut built = chain.next(&ledger, 1, WriteSet::default());
        if height < 4 {
            built.certificate = None;
        }
        ledger.commit(&built.as_final()).unwrap();
    }
    let length = |height| {
        let proof = ledger.finality_at(Height::new(height)).unwrap().unwrap();
        let proven = proof.verify(chain.name(), &chain.first.validators).unwrap();
        assert_eq!(proven.height(), Height::new(height));
        proof.headers.len()
    };
    assert_eq!((length(1), length(3), length(4)), (4, 2, 1));
    assert_eq!(ledger.finality_at(Height::new(5)).unwrap(), None);

    let second = ledger.header(Height::new(2)).unwrap().unwrap();
    let certificate = chain.finalize(&second);
    ledger
        .add_finalization(Height::new(2), &certificate)
        .unwrap();

    assert_eq!((length(1), length(2), length(3)), (2, 1, 2));
    assert!(matches!(
        ledger.add_finalization(Height::new(3), &certificate),
        Err(LedgerError::WrongCertificate { .. })
    ));
}

#[test]
fn ranges_stop_at_their_limits_and_at_the_head() {
    let chain = Chain::new(1);
    let ledger = grown(&chain, 6);
    let heights = |blocks: Vec<salus_primitives::block::Block>| -> Vec<u64> {
        blocks
            .iter()
            .map(|block| block.header.height.get())
            .collect()
    };

    assert_eq!(ledger.headers(Height::new(2), 3).unwrap().len(), 3);
    assert_eq!(ledger.headers(Height::new(5), 9).unwrap().len(), 2);
    assert_eq!(
        heights(ledger.blocks(Height::new(2), 3, usize::MAX).unwrap()),
        [2, 3, 4]
    );
    assert_eq!(
        heights(ledger.blocks(Height::new(5), 9, usize::MAX).unwrap()),
        [5, 6]
    );
    assert_eq!(heights(ledger.blocks(Height::new(5), 9, 1).unwrap()), [5]);
}

#[test]
fn recent_transactions_are_those_of_the_last_blocks() {
    let chain = Chain::new(1);
    let ledger = grown(&chain, 5);
    let heights = |window| -> Vec<u64> {
        let recent = ledger.recent_transactions(window).unwrap();
        recent.iter().map(|(height, _)| height.get()).collect()
    };

    assert_eq!(heights(2), [4, 5]);
    assert_eq!(heights(100), [1, 2, 3, 4, 5]);
    assert!(heights(0).is_empty());
    let last = ledger.receipts(Height::new(5)).unwrap().unwrap();
    assert_eq!(
        ledger.recent_transactions(1).unwrap(),
        [(Height::new(5), vec![last[0].transaction])]
    );
}

#[test]
fn events_are_listed_by_contract_and_topic_from_a_height_on() {
    let chain = Chain::new(1);
    let ledger = chain.open(memory()).unwrap();
    for _ in 0..3 {
        let built = chain.next(&ledger, 3, WriteSet::default());
        ledger.commit(&built.as_final()).unwrap();
    }
    let places = |topic, from, limit| -> Vec<(u64, u32)> {
        let contract = ContractId::new(3);
        let events = ledger
            .events(contract, topic, Height::new(from), limit)
            .unwrap();
        events
            .iter()
            .map(|event| (event.height.get(), event.transaction))
            .collect()
    };

    // Transactions 0 and 2 of each block have topic 0, transaction 1 has topic 1.
    assert_eq!(places(0, 2, 9), [(2, 0), (2, 2), (3, 0), (3, 2)]);
    assert_eq!(places(0, 0, 3), [(1, 0), (1, 2), (2, 0)]);
    assert_eq!(places(1, 0, 9), [(1, 1), (2, 1), (3, 1)]);
    assert!(places(2, 0, 9).is_empty());
    let first = &ledger
        .events(ContractId::new(3), 1, Height::ZERO, 1)
        .unwrap()[0];
    assert_eq!(first.data, [1, 1]);
}

#[test]
fn an_old_state_is_proven_within_the_retention_and_refused_beyond() {
    let mut chain = Chain::new(1);
    chain.retention = Retention { state_heights: 3 };
    let ledger = grown(&chain, 9);
    let key = tree_key(2);

    for height in 6..=8 {
        let (value, proof) = ledger.state_proof(Height::new(height), &key).unwrap();
        let next = ledger.header(Height::new(height + 1)).unwrap().unwrap();
        assert!(proof.proves(&next.parent_state_root, &key, value.as_deref()));
    }
    // Block 8 overwrote what block 3 had written.
    let value_at = |height| ledger.state_proof(Height::new(height), &key).unwrap().0;
    assert_eq!((value_at(7), value_at(8)), (Some(vec![2]), Some(vec![7])));
    assert!(matches!(
        ledger.state_proof(Height::new(5), &key),
        Err(LedgerError::Pruned { oldest, .. }) if oldest == Height::new(6)
    ));
    assert!(matches!(
        ledger.state_proof(Height::new(10), &key),
        Err(LedgerError::Future { .. })
    ));
}

/// Each block copies the root; jmt does not call the copies stale.
#[test]
fn blocks_without_tree_writes_do_not_pile_up_roots() {
    let mut chain = Chain::new(1);
    chain.retention = Retention { state_heights: 4 };
    let store = memory();
    let ledger = chain.open(store.clone()).unwrap();
    let nodes = || {
        let all = KeyRange::all();
        let nodes = store.scan(Column::TreeNodes, &all, Direction::Ascending, 999);
        nodes.unwrap().len()
    };
    let grow = |blocks| {
        for _ in 0..blocks {
            let built = chain.next(&ledger, 1, WriteSet::default());
            ledger.commit(&built.as_final()).unwrap();
        }
    };
    grow(10);
    let before = nodes();

    grow(20);

    assert_eq!(nodes(), before);
}

/// The same few keys for ever: superseded nodes and values do not pile up.
#[test]
fn superseded_state_is_pruned() {
    let mut chain = Chain::new(1);
    chain.retention = Retention { state_heights: 4 };
    let store = memory();
    let ledger = chain.open(store.clone()).unwrap();
    let records = |column| {
        let all = KeyRange::all();
        store
            .scan(column, &all, Direction::Ascending, usize::MAX)
            .unwrap()
            .len()
    };
    chain.grow(&ledger, 30);
    let counts = || [Column::TreeNodes, Column::TreeStale, Column::StateUndo].map(records);
    let before = counts();

    chain.grow(&ledger, 30 + 50);

    assert_eq!(counts(), before);
    assert_eq!(before[2], 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Blocks committed one by one: at every height, every key's value or absence is proven under the oracle's root.
    #[test]
    fn every_key_is_provable_at_every_height(
        blocks in proptest::collection::vec(
            proptest::collection::btree_map(0u8..24, proptest::option::weighted(0.7, any::<u8>()), 0..12),
            1..8,
        )
    ) {
        let chain = Chain::new(1);
        let ledger = chain.open(memory()).unwrap();
        let mut states = vec![MemoryState::default()];
        states[0].apply(&chain.genesis_writes);
        for block in blocks {
            let changes = WriteSet(
                block
                    .into_iter()
                    .map(|(key, value)| (tree_key(key), value.map(|value| vec![value])))
                    .collect(),
            );
            let mut state = states.last().unwrap().clone();
            state.apply(&changes);
            states.push(state);
            ledger.commit(&chain.next(&ledger, 0, changes).as_final()).unwrap();
        }
        for (height, state) in (0..).map(Height::new).zip(&states) {
            let root = salus_primitives::state_tree::root_of(
                state.0.iter().map(|(key, value)| (key, value.as_slice())),
            );
            prop_assert_eq!(ledger.tree().root(height).unwrap(), root);
            for key in (0..26).chain([100, 101]).map(tree_key) {
                let (value, proof) = ledger.state_proof(height, &key).unwrap();
                prop_assert_eq!(value.as_deref(), state.0.get(&key).map(Vec::as_slice));
                prop_assert!(proof.proves(&root, &key, value.as_deref()));
            }
        }
    }
}

/// Reads and proofs go on while blocks are committed, and each is of one moment.
#[test]
fn proofs_made_during_commits_are_consistent() {
    let mut chain = Chain::new(1);
    chain.retention = Retention { state_heights: 2 };
    let backend = Rocks::default();
    let ledger = chain.open(backend.open()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            chain.grow(&ledger, 200);
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let height = ledger.head().height;
            match ledger.state_proof(height, &tree_key(3)) {
                Ok((value, proof)) => {
                    let root = match ledger.header(height.next()).unwrap() {
                        Some(next) => next.parent_state_root,
                        None => continue,
                    };
                    assert!(proof.proves(&root, &tree_key(3), value.as_deref()));
                }
                Err(LedgerError::Pruned { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
}
