//! The ledger in bad times: crashes at every point, failing and damaged disks.

use crate::fixtures::{Backend as _, Chain, Memory, tree_key, writes};
use salus_primitives::ids::Height;
use salus_primitives::state::StateRead as _;
use salus_storage::batch::Batch;
use salus_storage::column::Column;
use salus_storage::error::StoreError;
use salus_storage::ledger::LedgerError;
use salus_storage::memory::{FaultPlan, MemoryStore, WriteFault};
use salus_storage::store::{Durability, Read as _, Store as _};

/// After a loss of power at any point the ledger stands at some height as a whole, and the lost blocks can be committed
/// again with the same result.
#[test]
fn a_crash_leaves_whole_blocks_and_the_rest_is_committed_again() {
    let chain = Chain::new(1);
    for survivors in 0..=4 {
        let backend = Memory::default();
        let ledger = chain.open(backend.open()).unwrap();
        chain.grow(&ledger, 3);
        assert_eq!(ledger.sync().unwrap(), Height::new(3));
        chain.grow(&ledger, 7);
        let head = ledger.head();
        assert_eq!(ledger.durable_height(), Height::new(3));
        drop(ledger);

        backend.0.crash_keeping(survivors);
        let ledger = chain.open(backend.open()).unwrap();

        let height = ledger.head().height;
        assert_eq!(height, Height::new(3 + survivors as u64));
        assert_eq!(
            ledger.tree().root(height).unwrap(),
            ledger.head().state_root
        );
        assert!(ledger.block(height).unwrap().is_some());
        assert_eq!(ledger.block(height.next()).unwrap(), None);
        assert_eq!(ledger.receipts(height.next()).unwrap(), None);
        chain.grow(&ledger, 7);
        assert_eq!(ledger.head(), head);
    }
}

/// Undone step by step in reverse, or the key would keep the batch's first value.
#[test]
fn a_crash_undoes_a_batch_that_changed_one_key_twice() {
    let store = MemoryStore::new();
    let put = |values: &[&str], durability| {
        let mut batch = Batch::new();
        for value in values {
            batch.put(Column::Meta, *b"key", *value);
        }
        store.write(batch, durability).unwrap();
    };
    put(&["synced"], Durability::Synced);
    put(&["first", "second"], Durability::Buffered);
    assert_eq!(store.unsynced_batches(), 1);

    store.crash();

    assert_eq!(
        store.get(Column::Meta, b"key").unwrap(),
        Some(b"synced".to_vec())
    );
}

/// Block 0 is synced before the ledger is used.
#[test]
fn a_crash_after_the_first_opening_keeps_block_0() {
    let chain = Chain::new(1);
    let backend = Memory::default();
    drop(chain.open(backend.open()).unwrap());

    backend.0.crash();

    assert!(matches!(
        Chain::new(2).open(backend.open()).err(),
        Some(LedgerError::Store(StoreError::WrongChain { .. }))
    ));
    assert_eq!(
        chain.open(backend.open()).unwrap().head().height,
        Height::ZERO
    );
}

/// A failed write may have happened or not: either way the ledger stops, and a restart finds whole blocks.
#[test]
fn a_failed_commit_poisons_the_ledger_and_leaves_all_or_nothing() {
    for (fault, height) in [(WriteFault::Lost, 2), (WriteFault::Kept, 3)] {
        let chain = Chain::new(1);
        let backend = Memory::default();
        let ledger = chain.open(backend.open()).unwrap();
        chain.grow(&ledger, 2);
        let built = chain.next(&ledger, 2, writes(&[(1, 99)]));
        backend.0.set_faults(FaultPlan {
            write: Some((0, fault)),
            ..FaultPlan::default()
        });

        let failed = ledger.commit(&built.as_final());

        assert!(matches!(
            failed,
            Err(LedgerError::Store(StoreError::Write { .. }))
        ));
        assert_eq!(ledger.head().height, Height::new(2));
        assert!(matches!(
            ledger.commit(&built.as_final()),
            Err(LedgerError::Poisoned)
        ));
        assert!(matches!(ledger.sync(), Err(LedgerError::Poisoned)));
        let ledger = chain.open(backend.open()).unwrap();
        assert_eq!(ledger.head().height, Height::new(height));
        let written = ledger.state().get(&tree_key(1)).unwrap() == Some(vec![99]);
        assert_eq!(written, height == 3);
        chain.grow(&ledger, 5);
    }
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let chain = Chain::new(1);
    let backend = Memory::default();
    let ledger = chain.open(backend.open()).unwrap();
    chain.grow(&ledger, 2);
    backend.0.set_faults(FaultPlan {
        disk_full: true,
        ..FaultPlan::default()
    });

    assert!(matches!(
        ledger.sync(),
        Err(LedgerError::Store(StoreError::DiskFull { .. }))
    ));
    assert!(matches!(ledger.sync(), Err(LedgerError::Poisoned)));

    backend.0.set_faults(FaultPlan::default());
    assert_eq!(
        chain.open(backend.open()).unwrap().head().height,
        Height::new(2)
    );
}

/// Every record the ledger reads carries its checksum: damage is an error, never another answer.
#[test]
fn a_damaged_record_is_an_error_wherever_it_is_read() {
    let chain = Chain::new(1);
    let backend = Memory::default();
    let ledger = chain.open(backend.open()).unwrap();
    chain.grow(&ledger, 3);
    let height = Height::new(2);
    let key = height.get().to_be_bytes().to_vec();
    let id = ledger.receipts(height).unwrap().unwrap()[0].transaction;
    let state_key = tree_key(1).path();
    let damage = |column, key: &[u8]| {
        backend.0.set_faults(FaultPlan {
            damaged: [(column, key.to_vec())].into(),
            ..FaultPlan::default()
        });
    };
    let corrupt = |error: LedgerError, column: Column| matches!(error, LedgerError::Store(StoreError::Corrupt { column: found, .. }) if found == column);

    damage(Column::Headers, &key);
    assert!(corrupt(ledger.header(height).unwrap_err(), Column::Headers));
    assert!(corrupt(
        ledger.headers(height, 1).unwrap_err(),
        Column::Headers
    ));
    damage(Column::Blocks, &key);
    assert!(corrupt(ledger.block(height).unwrap_err(), Column::Blocks));
    assert!(corrupt(
        ledger.receipt_proof(&id).unwrap_err(),
        Column::Blocks
    ));
    damage(Column::Receipts, &key);
    assert!(corrupt(
        ledger.recent_transactions(9).unwrap_err(),
        Column::Receipts
    ));
    damage(Column::Certificates, &key);
    assert!(corrupt(
        ledger.finality_at(height).unwrap_err(),
        Column::Certificates
    ));
    damage(Column::Transactions, id.as_bytes());
    assert!(corrupt(
        ledger.transaction_position(&id).unwrap_err(),
        Column::Transactions
    ));
    damage(Column::StateTree, &state_key);
    assert!(ledger.state().get(&tree_key(1)).is_err());
    damage(Column::Meta, b"head");
    drop(ledger);
    assert!(corrupt(
        chain.open(backend.open()).err().unwrap(),
        Column::Meta
    ));
}
