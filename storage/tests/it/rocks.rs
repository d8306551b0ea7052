//! What only the backend on disk can show: refusals that an operator reads.

use crate::fixtures::{Backend as _, Chain, Rocks};
use salus_storage::error::StoreError;
use salus_storage::ledger::LedgerError;
use salus_storage::rocks::RocksStore;
use std::fs;

#[test]
fn a_missing_store_is_not_created_by_opening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");

    assert!(matches!(
        RocksStore::open(&path),
        Err(StoreError::Missing { .. })
    ));
    assert!(!path.exists());
}

#[test]
fn creating_does_not_overwrite() {
    let backend = Rocks::default();
    let store = backend.open();
    let path = backend.0.path().join("ledger");
    drop(store);

    assert!(matches!(
        RocksStore::create(&path),
        Err(StoreError::Exists { .. })
    ));
}

#[test]
fn a_store_in_use_is_refused_as_locked() {
    let backend = Rocks::default();
    let _store = backend.open();

    let second = RocksStore::open(&backend.0.path().join("ledger"));

    assert!(
        matches!(second, Err(StoreError::Locked { .. })),
        "{second:?}"
    );
}

/// Something overwrote the beginning of the manifest.
#[test]
fn a_damaged_store_is_refused_as_damaged() {
    let backend = Rocks::default();
    drop(backend.open());
    let path = backend.0.path().join("ledger");
    let manifest = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("MANIFEST"))
        .unwrap();
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[..16].fill(0xaa);
    fs::write(&manifest, bytes).unwrap();

    let opened = RocksStore::open(&path);

    assert!(
        matches!(opened, Err(StoreError::Damaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_store_of_another_chain_is_refused() {
    let backend = Rocks::default();
    drop(Chain::new(1).open(backend.open()).unwrap());

    let other = Chain::new(2).open(backend.open());

    assert!(matches!(
        other.err(),
        Some(LedgerError::Store(StoreError::WrongChain { .. }))
    ));
}
