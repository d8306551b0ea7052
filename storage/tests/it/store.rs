//! One suite for both backends.

use crate::fixtures::{Backend, Chain, Memory, Rocks, writes};
use salus_primitives::ids::Height;
use salus_storage::batch::Batch;
use salus_storage::column::Column;
use salus_storage::store::{Direction, Durability, Entry, KeyRange, Read, Store};

macro_rules! on_both_backends {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::Memory::default()); })*
        }
        mod rocks {
            $(#[test] fn $name() { super::$name(&super::Rocks::default()); })*
        }
    };
}

on_both_backends!(
    a_batch_is_applied_in_order_and_as_a_whole,
    columns_do_not_share_keys,
    scans_are_ordered_bounded_and_limited,
    a_snapshot_does_not_see_later_writes,
    what_was_written_is_there_after_reopening,
    a_ledger_goes_on_where_it_was_closed,
);

fn a_batch_is_applied_in_order_and_as_a_whole(backend: &impl Backend) {
    let store = backend.open();
    let mut batch = Batch::new();
    batch.put(Column::Blocks, *b"twice", *b"first");
    batch.put(Column::Blocks, *b"twice", *b"second");
    batch.put(Column::Blocks, *b"gone", *b"x");
    batch.delete(Column::Blocks, *b"gone");
    batch.delete(Column::Blocks, *b"never there");
    batch.put(Column::TreeStale, *b"empty", []);

    store.write(batch, Durability::Buffered).unwrap();

    assert_eq!(get(&*store, b"twice"), Some(b"second".to_vec()));
    assert_eq!(get(&*store, b"gone"), None);
    assert_eq!(
        store.get(Column::TreeStale, b"empty").unwrap(),
        Some(vec![])
    );
}

fn columns_do_not_share_keys(backend: &impl Backend) {
    let store = backend.open();
    for column in Column::ALL {
        let mut batch = Batch::new();
        batch.put(column, *b"key", column.name());
        store.write(batch, Durability::Buffered).unwrap();
    }

    for column in Column::ALL {
        assert_eq!(
            store.get(column, b"key").unwrap(),
            Some(column.name().as_bytes().to_vec())
        );
    }
}

fn scans_are_ordered_bounded_and_limited(backend: &impl Backend) {
    let store = backend.open();
    let mut batch = Batch::new();
    for key in [[2, 0], [1, 0xff], [1, 0], [0, 9], [1, 7], [0xff, 0xff]] {
        batch.put(Column::Events, key, [key[1]]);
    }
    store.write(batch, Durability::Buffered).unwrap();
    let keys = |range: &KeyRange, direction, limit| -> Vec<Vec<u8>> {
        let entries: Vec<Entry> = store.scan(Column::Events, range, direction, limit).unwrap();
        entries.into_iter().map(|(key, _)| key).collect()
    };
    let up = Direction::Ascending;
    let down = Direction::Descending;

    assert_eq!(
        keys(&KeyRange::prefix(&[1]), up, 9),
        [[1, 0], [1, 7], [1, 0xff]]
    );
    assert_eq!(keys(&KeyRange::prefix(&[1]), down, 2), [[1, 0xff], [1, 7]]);
    assert_eq!(keys(&KeyRange::prefix(&[0xff]), up, 9), [[0xff, 0xff]]);
    assert_eq!(keys(&KeyRange::between([1, 0], [1, 7]), up, 9), [[1, 0]]);
    assert_eq!(
        keys(&KeyRange::from([2, 0]), down, 9),
        [[0xff, 0xff], [2, 0]]
    );
    assert_eq!(keys(&KeyRange::all(), up, 1), [[0, 9]]);
    assert!(keys(&KeyRange::all(), up, 0).is_empty());
    assert!(keys(&KeyRange::between([2], [1]), up, 9).is_empty());
    assert!(keys(&KeyRange::between([1, 7], [1, 7]), down, 9).is_empty());
    assert!(keys(&KeyRange::prefix(&[3]), up, 9).is_empty());
}

fn a_snapshot_does_not_see_later_writes(backend: &impl Backend) {
    let store = backend.open();
    put(&*store, b"key", b"old");
    let snapshot = store.snapshot();

    put(&*store, b"key", b"new");
    put(&*store, b"other", b"new");

    assert_eq!(get(&*snapshot, b"key"), Some(b"old".to_vec()));
    let all = KeyRange::all();
    let entries = snapshot.scan(Column::Blocks, &all, Direction::Ascending, 9);
    assert_eq!(entries.unwrap().len(), 1);
    assert_eq!(get(&*store, b"key"), Some(b"new".to_vec()));
}

/// The process ended without a sync: the operating system still has what it wrote.
fn what_was_written_is_there_after_reopening(backend: &impl Backend) {
    let store = backend.open();
    put(&*store, b"buffered", b"1");
    drop(store);

    let store = backend.open();

    assert_eq!(get(&*store, b"buffered"), Some(b"1".to_vec()));
}

fn a_ledger_goes_on_where_it_was_closed(backend: &impl Backend) {
    let chain = Chain::new(1);
    let ledger = chain.open(backend.open()).unwrap();
    chain.grow(&ledger, 5);
    let head = ledger.head();
    drop(ledger);

    let ledger = chain.open(backend.open()).unwrap();

    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.durable_height(), Height::new(5));
    assert_eq!(ledger.tree().root(head.height).unwrap(), head.state_root);
    let built = chain.next(&ledger, 2, writes(&[(1, 1)]));
    ledger.commit(&built.as_final()).unwrap();
    assert_eq!(ledger.block(Height::new(6)).unwrap(), Some(built.block));
}

fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(Column::Blocks, key, value);
    store.write(batch, Durability::Buffered).unwrap();
}

fn get(store: &(impl Read + ?Sized), key: &[u8]) -> Option<Vec<u8>> {
    store.get(Column::Blocks, key).unwrap()
}
