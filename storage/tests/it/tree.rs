//! The state tree against the oracle of `primitives`, which builds the whole tree anew each time.

use crate::fixtures::{tree_key, writes};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use salus_primitives::ids::Height;
use salus_primitives::state::{MemoryState, StateKey, StateRoot, WriteSet};
use salus_primitives::state_tree::root_of;
use salus_storage::error::StoreError;
use salus_storage::memory::MemoryStore;
use salus_storage::tree::{Tree, TreeDelta, TreeError};
use std::sync::Arc;

/// The root over a plain map: no versions, no nodes, no jmt.
fn oracle(state: &MemoryState) -> StateRoot {
    root_of(state.0.iter().map(|(key, value)| (key, value.as_slice())))
}

fn after(blocks: &[&WriteSet]) -> StateRoot {
    let mut state = MemoryState::default();
    for writes in blocks {
        state.apply(writes);
    }
    oracle(&state)
}

fn apply(
    store: &MemoryStore,
    branch: &[Arc<TreeDelta>],
    height: u64,
    writes: &WriteSet,
) -> Arc<TreeDelta> {
    let tree = Tree::new(store);
    Arc::new(tree.apply(branch, Height::new(height), writes).unwrap())
}

/// Few keys, so that blocks overwrite, delete and bring back the same ones, and delete what was never there.
fn blocks() -> impl Strategy<Value = Vec<WriteSet>> {
    let write = (0u8..40, proptest::option::weighted(0.7, any::<u8>()));
    vec(vec(write, 0..25), 1..14).prop_map(|blocks| {
        let write_set = |block: Vec<(u8, Option<u8>)>| {
            WriteSet(
                block
                    .into_iter()
                    .map(|(key, value)| (tree_key(key), value.map(|value| vec![value])))
                    .collect(),
            )
        };
        blocks.into_iter().map(write_set).collect()
    })
}

proptest! {
    /// Uncommitted branches of any length have the roots that the oracle computes.
    #[test]
    fn a_branch_of_any_blocks_has_the_oracles_roots(blocks in blocks()) {
        let store = MemoryStore::new();
        let mut state = MemoryState::default();
        let mut branch = Vec::new();
        for (height, writes) in (0..).zip(&blocks) {
            let delta = apply(&store, &branch, height, writes);
            branch.push(delta.clone());
            state.apply(writes);
            prop_assert_eq!(delta.root(), oracle(&state), "height {}", height);
        }
    }

    /// The order of writes within a block, and how they are split into blocks, do not matter.
    #[test]
    fn one_block_or_many_give_one_root(values in btree_map(any::<u8>(), any::<u8>(), 0..60)) {
        let values: Vec<(u8, u8)> = values.into_iter().collect();
        let store = MemoryStore::new();
        let at_once = apply(&store, &[], 0, &writes(&values));
        let mut branch = vec![apply(&store, &[], 0, &WriteSet::default())];
        for (height, value) in (1..).zip(values.iter().rev()) {
            branch.push(apply(&store, &branch, height, &writes(&[*value])));
        }

        prop_assert_eq!(branch.last().unwrap().root(), at_once.root());
    }
}

/// Two proposals on one parent: neither sees the other's writes.
#[test]
fn competing_branches_do_not_know_each_other() {
    let store = MemoryStore::new();
    let genesis = writes(&[(1, 1), (2, 2), (3, 3)]);
    let (left, right) = (writes(&[(1, 10), (4, 4)]), writes(&[(2, 20)]));
    let left_child = writes(&[(3, 30)]);
    let root = apply(&store, &[], 0, &genesis);

    let a = apply(&store, std::slice::from_ref(&root), 1, &left);
    let b = apply(&store, std::slice::from_ref(&root), 1, &right);
    let a2 = apply(&store, &[root.clone(), a.clone()], 2, &left_child);

    assert_eq!(a.root(), after(&[&genesis, &left]));
    assert_eq!(b.root(), after(&[&genesis, &right]));
    assert_eq!(a2.root(), after(&[&genesis, &left, &left_child]));
}

#[test]
fn a_block_without_tree_writes_keeps_the_root_and_costs_one_node() {
    let store = MemoryStore::new();
    let genesis = apply(&store, &[], 0, &writes(&[(1, 1), (2, 2), (3, 3)]));
    let mut index_only = WriteSet::default();
    index_only.put(StateKey::index(Default::default(), [1]), vec![1]);

    let next = apply(&store, std::slice::from_ref(&genesis), 1, &index_only);

    assert_eq!(next.root(), genesis.root());
    assert_eq!(next.node_count(), 1);
}

/// jmt would take a missing root for an empty tree, and the node would vote for a root of its own.
#[test]
fn a_branch_that_leads_nowhere_is_refused() {
    let store = MemoryStore::new();
    let tree = Tree::new(&store);
    let genesis = apply(&store, &[], 0, &writes(&[(1, 1)]));
    let empty = WriteSet::default();

    assert!(matches!(
        tree.apply(&[], Height::new(5), &empty),
        Err(TreeError::MissingVersion { version }) if version == Height::new(4)
    ));
    assert!(matches!(
        tree.apply(&[genesis], Height::new(2), &empty),
        Err(TreeError::BrokenBranch { .. })
    ));
}

/// A flipped bit in a node is an error, not another root.
#[test]
fn a_damaged_node_is_an_error_and_no_root() {
    use crate::fixtures::Chain;
    use salus_storage::column::Column;
    use salus_storage::memory::FaultPlan;
    use salus_storage::store::{Direction, KeyRange, Read as _};

    let chain = Chain::new(1);
    let store = Arc::new(MemoryStore::new());
    let ledger = chain.open(store.clone()).unwrap();
    let nodes = store
        .scan(
            Column::TreeNodes,
            &KeyRange::all(),
            Direction::Ascending,
            99,
        )
        .unwrap();
    store.set_faults(FaultPlan {
        damaged: nodes
            .into_iter()
            .map(|(key, _)| (Column::TreeNodes, key))
            .collect(),
        ..FaultPlan::default()
    });

    let applied = ledger.tree().apply(&[], Height::new(1), &writes(&[(1, 1)]));

    assert!(matches!(
        applied,
        Err(TreeError::Store(StoreError::Corrupt {
            column: Column::TreeNodes,
            ..
        }))
    ));
}
