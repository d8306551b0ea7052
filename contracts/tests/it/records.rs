//! Readings are recorded once, by their own device, and cost the tree nothing.

use crate::world::*;
use salus_contracts::native::records::{
    FirstRecord, RECORDED, REPEATED, RecordsEvent, first_record,
};
use salus_primitives::calls::RECORDS;
use salus_primitives::codec;
use salus_primitives::ids::Height;
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Handle, ReadingId};

fn with_devices() -> World {
    let mut world = World::new();
    world.block(&[register_device(HOSPITAL, 21), register_device(HOSPITAL, 22)]);
    world
}

#[test]
fn a_reading_is_recorded_with_its_place_and_the_tree_stays_as_it_is() {
    let mut world = with_devices();
    let transaction = submit(21, Lane::Emergency, sealed(21, 1));

    let outcome = world.outcome(std::slice::from_ref(&transaction));
    let receipts = world.block(std::slice::from_ref(&transaction));

    assert_eq!(outcome.writes.tree().count(), 0);
    assert_eq!(outcome.writes.index().count(), 1);
    assert_eq!(receipts[0].lane, Lane::Emergency);
    let [event] = receipts[0].events.as_slice() else {
        panic!("one event: {:?}", receipts[0].events);
    };
    assert_eq!((event.contract, event.topic), (RECORDS, RECORDED));
    assert_eq!(
        codec::decode(event.data.as_slice(), 1024),
        Ok(RecordsEvent::Recorded {
            device: device_id(21),
            handle: Handle([7; 32]),
            reading: ReadingId([1; 32]),
        })
    );
    assert_eq!(
        first_record(&world.state, &device_id(21), &ReadingId([1; 32])).expect("memory"),
        Some(FirstRecord {
            height: Height::new(2),
            transaction: transaction.body.id(),
        })
    );
}

/// The edge signs a reading again after its window: that succeeds, and the first record stands.
#[test]
fn a_repeated_reading_succeeds_and_changes_nothing() {
    let mut world = with_devices();
    let first = reading(21, 1);
    let mut again = first.clone();
    again.body.nonce = [1; 16];
    assert_eq!(world.run(first.clone()), "ok");

    let outcome = world.outcome(&[again]);

    assert!(outcome.writes.0.is_empty());
    let receipt = &outcome.receipts[0];
    assert_eq!((reason(receipt), receipt.events[0].topic), ("ok", REPEATED));
    assert_eq!(
        codec::decode(receipt.events[0].data.as_slice(), 1024),
        Ok(RecordsEvent::Repeated {
            device: device_id(21),
            reading: ReadingId([1; 32]),
            first: FirstRecord {
                height: Height::new(2),
                transaction: first.body.id(),
            },
        })
    );
}

#[test]
fn a_repeat_within_one_block_is_a_repeat_too() {
    let mut world = with_devices();

    let receipts = world.block(&[reading(21, 1), reading(21, 1)]);

    let topics: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt.events[0].topic)
        .collect();
    assert_eq!(topics, [RECORDED, REPEATED]);
}

/// A device that copies another's reading id takes no place but its own.
#[test]
fn a_copied_reading_id_does_not_displace_the_true_one() {
    let mut world = with_devices();

    let receipts = world.block(&[reading(22, 1), reading(21, 1)]);

    assert_eq!(receipts[1].events[0].topic, RECORDED);
}
