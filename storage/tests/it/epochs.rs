//! The sets of validators that a ledger remembers, and the changes between them.

use crate::fixtures::{Backend, Built, Chain, Memory, Rocks, epoch_config, tree_key, writes};
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::state::StateRead;
use salus_storage::ledger::{FirstBlock, Ledger, LedgerError, Retention};

const EPOCH_BLOCKS: u64 = 3;

fn chain() -> Chain {
    Chain {
        epoch_blocks: EPOCH_BLOCKS,
        ..Chain::new(1)
    }
}

fn next(chain: &Chain, ledger: &Ledger) -> Built {
    chain.next(ledger, 1, writes(&[(1, 1)]))
}

/// Also after many more epochs than the state remembers, and in both backends.
#[test]
fn every_epochs_validators_follow_from_genesis() {
    let (memory, rocks) = (Memory::default(), Rocks::default());
    let backends: [&dyn Backend; 2] = [&memory, &rocks];
    for backend in backends {
        let chain = chain();
        let ledger = chain.open(backend.open()).unwrap();
        assert_eq!(ledger.last_ended_epoch().unwrap(), Epoch::ZERO);
        chain.grow(&ledger, 20 * EPOCH_BLOCKS + 1);
        drop(ledger);
        let ledger = chain.open(backend.open()).unwrap();

        let mut known = chain.first.clone();
        for epoch in (1..=20).map(Epoch::new) {
            let end = Height::new(epoch.get() * EPOCH_BLOCKS);
            assert_eq!(ledger.epoch_end(epoch).unwrap(), Some(end));
            let change = ledger.epoch_change(epoch).unwrap().unwrap();
            assert_eq!(change.header.height, end);
            known = change.verify(chain.name(), &known.validators).unwrap();
            assert_eq!(known, epoch_config(epoch.next()));
        }
        assert_eq!(ledger.last_ended_epoch().unwrap(), Epoch::new(20));
        assert_eq!(ledger.epoch_change(Epoch::new(21)).unwrap(), None);
        assert!(ledger.validators(Epoch::new(22)).unwrap().is_some());
        assert_eq!(ledger.validators(Epoch::new(23)).unwrap(), None);
        assert_eq!(ledger.epoch_end(Epoch::ZERO).unwrap(), Some(Height::ZERO));
        assert_eq!(ledger.epoch_change(Epoch::ZERO).unwrap(), None);
    }
}

/// A loss of power around an epoch's last block leaves the block with its election, or neither.
#[test]
fn an_election_is_lost_or_kept_with_its_block() {
    for survivors in 0..=3 {
        let chain = chain();
        let backend = Memory::default();
        let ledger = chain.open(backend.open()).unwrap();
        chain.grow(&ledger, EPOCH_BLOCKS - 2);
        ledger.sync().unwrap();
        chain.grow(&ledger, EPOCH_BLOCKS + 1);
        drop(ledger);

        backend.0.crash_keeping(survivors);
        let ledger = chain.open(backend.open()).unwrap();

        let ended = ledger.head().height.get() >= EPOCH_BLOCKS;
        assert_eq!(ended, survivors >= 2);
        let first = Epoch::new(1);
        assert_eq!(ledger.epoch_change(first).unwrap().is_some(), ended);
        assert_eq!(ledger.validators(Epoch::new(3)).unwrap().is_some(), ended);
        chain.grow(&ledger, 2 * EPOCH_BLOCKS);
        assert!(ledger.epoch_change(Epoch::new(2)).unwrap().is_some());
    }
}

#[test]
fn validators_that_do_not_fit_the_block_are_refused_and_change_nothing() {
    let chain = chain();
    let ledger = chain.open(Memory::default().open()).unwrap();
    let refused = |built: &Built| {
        let before = ledger.head();
        let result = ledger.commit(&built.as_final());
        assert!(
            matches!(result, Err(LedgerError::Mismatch { what, .. }) if what == "the next epoch"),
            "{result:?}"
        );
        assert_eq!(ledger.head(), before);
    };

    let mut inside = next(&chain, &ledger);
    inside.elected = Some(epoch_config(Epoch::new(3)));
    refused(&inside);

    chain.grow(&ledger, EPOCH_BLOCKS - 1);
    let mut without = next(&chain, &ledger);
    without.elected = None;
    refused(&without);
    let mut too_early = next(&chain, &ledger);
    too_early.elected = Some(epoch_config(Epoch::new(2)));
    refused(&too_early);
    let mut others = next(&chain, &ledger);
    others.block.header.next_epoch = Some(epoch_config(Epoch::new(7)).digest());
    others.certificate = None;
    refused(&others);

    ledger.commit(&next(&chain, &ledger).as_final()).unwrap();
    assert_eq!(ledger.last_ended_epoch().unwrap(), Epoch::new(1));
}

#[test]
fn a_block_0_that_names_another_epoch_is_refused() {
    let chain = chain();
    let (first, second) = (epoch_config(Epoch::new(1)), epoch_config(Epoch::new(2)));
    for given in [[&second, &second], [&first, &first], [&second, &first]] {
        let first = FirstBlock {
            block: &chain.genesis,
            writes: &chain.genesis_writes,
            epochs: given,
        };
        let opened = Ledger::open(Memory::default().open(), &first, Retention::default());
        assert!(matches!(opened.err(), Some(LedgerError::Mismatch { .. })));
    }
}

/// What is read from one snapshot belongs together, whatever is committed meanwhile.
#[test]
fn a_snapshot_keeps_its_moment() {
    let (memory, rocks) = (Memory::default(), Rocks::default());
    let backends: [&dyn Backend; 2] = [&memory, &rocks];
    for backend in backends {
        let chain = chain();
        let ledger = chain.open(backend.open()).unwrap();
        let built = chain.next(&ledger, 0, writes(&[(1, 11)]));
        ledger.commit(&built.as_final()).unwrap();

        let snapshot = ledger.snapshot().unwrap();
        let built = chain.next(&ledger, 0, writes(&[(1, 12)]));
        ledger.commit(&built.as_final()).unwrap();

        assert_eq!(snapshot.head().height, Height::new(1));
        let value = |read: &dyn StateRead| read.get(&tree_key(1)).unwrap();
        assert_eq!(value(&snapshot.state()), Some(vec![11]));
        assert_eq!(value(&ledger.state()), Some(vec![12]));
    }
}
