//! The codes of the identity contract that are about people, devices in batches and models.

use crate::people::*;
use crate::world::*;
use salus_contracts::native::identity::{CUSTODIANS_EVER_MAX, Numbers, numbers_key};
use salus_primitives::calls::{
    CUSTODIANS_MAX, DEVICES_IN_BATCH_MAX, IdentityCall, NewDevice, PersonKeys, Role,
};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::ids::DeviceId;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::SignedTransaction;
use std::collections::BTreeSet;

/// Practitioners 101 and 102 (revoked); persons 103 and 104 of age with keys, 105 of age without, the minor 106 without keys whose guardian is 103, the
/// minor 107 with keys, and the pharmacy's 108. 103 has the delegate 104. 109 is merged into 110. Device 21 is of model 1, 22 of the
/// hospital's revoked model 2, and model 3 is revoked for all. Device 23 is to have key 33 in block 100.
fn prepared() -> World {
    let mut world = with_custodians();
    for n in [103, 104, 109, 110] {
        world.block(&[adult(n)]);
    }
    let block = [
        register_practitioner(HOSPITAL, 101),
        register_practitioner(HOSPITAL, 102),
        revoke_practitioner(HOSPITAL, 102),
        register_person(HOSPITAL, 105, None, None),
        register_person(HOSPITAL, 106, None, Some(900_000)),
        register_person(HOSPITAL, 107, Some(107), Some(900_000)),
        register_person(PHARMACY, 108, Some(108), None),
        appoint_guardian(HOSPITAL, 106, 103, None),
        appoint_delegate(103, 103, 104, 900_000),
        merge(HOSPITAL, 109, 110),
        merge(109, 109, 110),
        merge(110, 109, 110),
        register_devices(HOSPITAL, Some(1), vec![new_device(21)]),
        register_devices(HOSPITAL, Some(2), vec![new_device(22)]),
        revoke_model(HOSPITAL, 2),
        revoke_model(MINISTRY, 3),
        register_device(HOSPITAL, 23),
        rotate_at(HOSPITAL, 23, 33, 100),
        merge(HOSPITAL, 103, 104),
        register_entity(MINISTRY, 11, Role::Hospital),
        set_custody_key(11, 71),
        revoke_entity(MINISTRY, 11),
    ];
    let count = block.len();
    assert_eq!(reasons(&world.block(&block)), vec!["ok"; count]);
    world
}

fn batch(count: usize) -> SignedTransaction {
    let devices = (0..count)
        .map(|n| NewDevice {
            device: DeviceId::derive(&n.to_be_bytes(), b"batch"),
            key: key(50),
        })
        .collect();
    register_devices(HOSPITAL, None, devices)
}

fn not_ascending() -> SignedTransaction {
    let devices = vec![new_device(51), new_device(51)];
    register_devices(HOSPITAL, None, devices)
}

fn with_bad_keys(person: u8) -> SignedTransaction {
    let keys = PersonKeys {
        key: key(50),
        exchange_key: ExchangePublic([0; 32]),
    };
    let person = pseudonym(person);
    identity(103, &IdentityCall::SetPersonKeys { person, keys })
}

fn custodians_of(numbers: &[u8]) -> SignedTransaction {
    kept_by(HOSPITAL, 150, None, None, entities(numbers))
}

fn cases_of_devices_and_practitioners() -> Vec<(&'static str, SignedTransaction)> {
    vec![
        ("batch_out_of_bounds", batch(0)),
        ("batch_out_of_bounds", batch(DEVICES_IN_BATCH_MAX + 1)),
        ("devices_out_of_order", not_ascending()),
        ("key_in_use", batch(2)),
        (
            "model_revoked",
            register_devices(HOSPITAL, Some(2), vec![new_device(51)]),
        ),
        (
            "model_revoked",
            register_devices(PHARMACY, Some(3), vec![new_device(51)]),
        ),
        ("unknown_model", revoke_model(HOSPITAL, 9)),
        ("unknown_model", revoke_model(PHARMACY, 1)),
        ("model_already_revoked", revoke_model(HOSPITAL, 2)),
        ("model_already_revoked", revoke_model(MINISTRY, 3)),
        ("device_already_revoked", revoke_device(HOSPITAL, 22)),
        ("device_already_revoked", rotate(HOSPITAL, 22, 51)),
        // the block of these is 8
        ("height_not_ahead", rotate_at(HOSPITAL, 21, 51, 8)),
        ("height_not_ahead", rotate_at(HOSPITAL, 21, 51, 0)),
        (
            "key_not_yet_valid",
            submit(33, Lane::Routine, sealed(23, 1)),
        ),
        ("practitioner_exists", register_practitioner(PHARMACY, 101)),
        ("practitioner_exists", register_practitioner(HOSPITAL, 102)),
        ("unknown_practitioner", revoke_practitioner(HOSPITAL, 50)),
        (
            "unknown_practitioner",
            rotate_practitioner(HOSPITAL, 50, 51),
        ),
        (
            "practitioner_already_revoked",
            revoke_practitioner(HOSPITAL, 102),
        ),
        (
            "practitioner_already_revoked",
            rotate_practitioner(HOSPITAL, 102, 51),
        ),
        ("practitioner_revoked", rotate_practitioner(102, 102, 51)),
        ("not_the_employer", revoke_practitioner(PHARMACY, 101)),
        ("not_the_employer", rotate_practitioner(PHARMACY, 101, 51)),
        ("not_the_employer", rotate_practitioner(MINISTRY, 101, 51)),
        ("not_the_employer", rotate_practitioner(101, 102, 51)),
        ("not_an_entity", rotate_practitioner(103, 101, 51)),
        ("not_an_entity", register_practitioner(101, 50)),
        ("not_an_entity", revoke_practitioner(101, 101)),
        ("not_an_entity", register_device(103, 51)),
        ("not_an_entity", set_custody_key(HOSPITAL + 60, 51)),
        ("not_an_entity", revoke_model(21, 1)),
        ("key_in_use", register_practitioner(HOSPITAL, 21)),
        ("key_in_use", rotate_practitioner(101, 101, 103)),
        ("key_in_use", set_custody_key(HOSPITAL, HOSPITAL + 60)),
    ]
}

fn cases_of_persons() -> Vec<(&'static str, SignedTransaction)> {
    let ours = || entities(&[HOSPITAL, PHARMACY]);
    let reversed = || ours().into_iter().rev().collect::<Vec<_>>();
    vec![
        ("person_exists", register_person(PHARMACY, 103, None, None)),
        ("person_exists", register_person(HOSPITAL, 109, None, None)),
        ("not_an_entity", register_person(103, 150, None, None)),
        (
            "key_in_use",
            register_person(HOSPITAL, 150, Some(103), None),
        ),
        ("key_in_use", register_device(HOSPITAL, 104)),
        // at 8000
        (
            "time_not_ahead",
            register_person(HOSPITAL, 150, None, Some(8_000)),
        ),
        ("custodians_out_of_bounds", custodians_of(&[HOSPITAL])),
        (
            "custodians_out_of_bounds",
            custodians_of(&[1, 2, 3, 4, 5, 6][..=CUSTODIANS_MAX]),
        ),
        ("custodians_out_of_bounds", set_custodians(103, 103, vec![])),
        (
            "custodians_out_of_order",
            set_custodians(103, 103, reversed()),
        ),
        (
            "custodians_out_of_order",
            custodians_of(&[HOSPITAL, HOSPITAL]),
        ),
        ("not_a_custodian", custodians_of(&[HOSPITAL, INSURER])),
        ("not_a_custodian", custodians_of(&[HOSPITAL, 11])),
        ("not_a_custodian", custodians_of(&[HOSPITAL, 77])),
        ("nothing_changes", set_custodians(103, 103, ours())),
        ("not_a_person", set_custodians(HOSPITAL, 103, ours())),
        ("not_a_person", set_custodians(101, 103, ours())),
        // a delegate may not, another person neither
        ("unknown_person", set_custodians(104, 103, ours())),
        ("unknown_person", set_custodians(108, 103, ours())),
        ("unknown_person", set_custodians(103, 150, ours())),
        ("unknown_person", set_custodians(107, 107, ours())),
        ("bad_exchange_key", with_bad_keys(103)),
        ("person_has_keys", set_person_keys(HOSPITAL, 103, 51)),
        ("person_is_minor", set_person_keys(HOSPITAL, 106, 51)),
        ("unknown_person", set_person_keys(PHARMACY, 103, 51)),
        ("unknown_person", set_person_keys(PHARMACY, 150, 51)),
        ("unknown_person", set_person_keys(104, 103, 51)),
        ("unknown_person", set_person_keys(103, 106, 51)),
        ("not_an_entity", set_person_keys(101, 103, 51)),
        ("key_in_use", set_person_keys(103, 103, 103)),
        (
            "person_is_of_age",
            appoint_guardian(HOSPITAL, 105, 104, None),
        ),
        ("unknown_person", appoint_guardian(PHARMACY, 106, 104, None)),
        ("unknown_person", appoint_guardian(MINISTRY, 150, 104, None)),
        ("not_an_entity", appoint_guardian(103, 106, 104, None)),
        (
            "time_not_ahead",
            appoint_guardian(HOSPITAL, 106, 104, Some(8_000)),
        ),
        ("time_not_ahead", appoint_delegate(103, 103, 108, 8_000)),
        ("person_is_minor", appoint_delegate(107, 107, 104, 9_000)),
        ("unknown_person", appoint_delegate(103, 106, 104, 9_000)),
        ("unknown_person", appoint_delegate(103, 150, 104, 9_000)),
        ("not_a_person", appoint_delegate(HOSPITAL, 103, 104, 9_000)),
        (
            "unsuitable_representative",
            appoint_delegate(103, 103, 103, 9_000),
        ),
        (
            "unsuitable_representative",
            appoint_delegate(103, 103, 105, 9_000),
        ),
        (
            "unsuitable_representative",
            appoint_delegate(103, 103, 107, 9_000),
        ),
        (
            "unsuitable_representative",
            appoint_guardian(HOSPITAL, 106, 150, None),
        ),
        (
            "representation_exists",
            appoint_delegate(103, 103, 104, 9_000),
        ),
        (
            "representation_exists",
            appoint_guardian(MINISTRY, 106, 103, None),
        ),
        ("no_representation", end_representation(103, 103, 110)),
        ("no_representation", end_representation(HOSPITAL, 103, 150)),
        ("not_the_appointer", end_representation(HOSPITAL, 103, 104)),
        ("unknown_person", end_representation(PHARMACY, 103, 104)),
        ("unknown_person", end_representation(108, 150, 104)),
        ("not_an_entity", end_representation(101, 103, 104)),
    ]
}

fn cases_of_merges() -> Vec<(&'static str, SignedTransaction)> {
    vec![
        ("merge_with_itself", merge(HOSPITAL, 103, 103)),
        ("already_merged", merge(HOSPITAL, 109, 103)),
        ("merge_chained", merge(HOSPITAL, 103, 109)),
        ("merge_chained", merge(HOSPITAL, 110, 103)),
        ("already_assented", merge(HOSPITAL, 103, 104)),
        ("unknown_person", merge(HOSPITAL, 103, 108)),
        ("unknown_person", merge(HOSPITAL, 108, 103)),
        ("unknown_person", merge(HOSPITAL, 103, 150)),
        ("unknown_person", merge(PHARMACY, 103, 104)),
        // not proposed: no person learns whether the other is registered
        ("unknown_person", merge(103, 103, 105)),
        ("unknown_person", merge(103, 103, 150)),
        ("unknown_person", merge(110, 103, 104)),
        ("not_an_entity", merge(101, 103, 104)),
        ("not_merged", split(HOSPITAL, 105)),
        ("not_merged", split(104, 104)),
        ("unknown_person", split(PHARMACY, 109)),
        ("unknown_person", split(103, 109)),
        ("unknown_person", split(103, 150)),
        ("not_an_entity", split(101, 109)),
    ]
}

/// Where bounds are reached: eight representatives, eight pseudonyms merged into one, custodians, and all rows of an entity.
fn full() -> Vec<(&'static str, World, SignedTransaction)> {
    let mut represented = prepared();
    for n in 120..=128 {
        represented.block(&[adult(n)]);
        represented.block(&[appoint_delegate(110, 110, n, 900_000)]);
    }
    let mut merged = prepared();
    for n in 120..=127 {
        merged.block(&[register_person(HOSPITAL, n, None, None)]);
        merged.block(&[merge(HOSPITAL, n, 105)]);
    }
    merged.block(&[register_person(HOSPITAL, 128, None, None)]);
    let mut kept = prepared();
    let others = (160..).take(CUSTODIANS_EVER_MAX - 1).collect::<Vec<u8>>();
    for n in &others {
        let receipts = kept.block(&[
            register_entity(MINISTRY, *n, Role::Hospital),
            of_entity(*n, set_custody_key(*n, n + 20)),
        ]);
        assert_eq!(reasons(&receipts), ["ok", "ok"]);
    }
    let (last, pairs) = others.split_last().expect("many");
    for pair in pairs.chunks(2) {
        assert_eq!(kept.run(set_custodians(103, 103, entities(pair))), "ok");
    }
    assert_eq!(
        registered(&kept, 103).person.custodians_ever().len(),
        CUSTODIANS_EVER_MAX
    );
    let mut rich = prepared();
    for n in [HOSPITAL, MINISTRY] {
        let most = Numbers {
            devices: u32::MAX,
            practitioners: u32::MAX,
            persons: u32::MAX,
            models: u32::MAX,
        };
        rich.state
            .0
            .insert(numbers_key(&entity_id(n)), codec::encode(&most));
    }
    let copy = |world: &World| World {
        state: world.state.clone(),
        height: world.height,
        executor: world.executor.clone(),
    };
    vec![
        (
            "too_many_representatives",
            represented,
            appoint_delegate(110, 110, 128, 900_000),
        ),
        ("too_many_merged", merged, merge(HOSPITAL, 128, 105)),
        (
            "too_many_custodians",
            kept,
            set_custodians(103, 103, entities(&[others[0], *last])),
        ),
        (
            "too_many_registered",
            copy(&rich),
            register_device(HOSPITAL, 51),
        ),
        (
            "too_many_registered",
            copy(&rich),
            register_practitioner(HOSPITAL, 150),
        ),
        ("too_many_registered", copy(&rich), adult(150)),
        ("too_many_registered", rich, revoke_model(MINISTRY, 1)),
    ]
}

/// The codes that these reach, each of which leaves nothing.
pub(crate) fn reached() -> BTreeSet<&'static str> {
    let world = prepared();
    assert_eq!(world.height, 7);
    let mut seen = BTreeSet::new();
    for (expected, transaction) in cases_of_devices_and_practitioners()
        .into_iter()
        .chain(cases_of_persons())
        .chain(cases_of_merges())
    {
        expect(&world, expected, &transaction);
        seen.insert(expected);
    }
    for (expected, mut world, transaction) in full() {
        // the last block of an epoch writes for itself
        if world.height % 10 == 9 {
            world.block(&[]);
        }
        expect(&world, expected, &transaction);
        seen.insert(expected);
    }
    seen
}

fn expect(world: &World, expected: &str, transaction: &SignedTransaction) {
    // persons of the pharmacy sign for it
    let of_the_pharmacy = transaction.body.sender == key(108);
    let transaction = if of_the_pharmacy {
        of_entity(PHARMACY, transaction.clone())
    } else {
        transaction.clone()
    };
    let outcome = world.outcome(std::slice::from_ref(&transaction));

    assert_eq!(reason(&outcome.receipts[0]), expected, "{transaction:?}");
    assert!(outcome.writes.0.is_empty(), "{expected}");
    assert!(outcome.receipts[0].events.is_empty(), "{expected}");
    if let Err(refusal) = world.check(&transaction) {
        assert_eq!(refusal.reason, expected);
    }
}

/// Who has no right to a person learns nothing by asking: the receipts are the same, but for the transaction, whether it is registered or not.
#[test]
fn a_refusal_does_not_say_whether_a_person_is_registered() {
    let world = prepared();
    let ours = || entities(&[HOSPITAL, PHARMACY]);
    let calls: [fn(u8, u8) -> SignedTransaction; 6] = [
        |who, n| set_person_keys(who, n, 51),
        |who, n| end_representation(who, n, 104),
        |who, n| merge(who, n, 110),
        |who, n| merge(who, 110, n),
        |who, n| split(who, n),
        |who, n| appoint_guardian(who, n, 104, None),
    ];
    let mut compared = 0;
    for who in [PHARMACY, INSURER, 108, 107] {
        let mut all: Vec<[SignedTransaction; 2]> = calls
            .iter()
            .map(|call| [call(who, 103), call(who, 150)])
            .collect();
        all.push([103, 150].map(|n| set_custodians(who, n, ours())));
        all.push([103, 150].map(|n| appoint_delegate(who, n, 104, 900_000)));
        for pair in all {
            let [there, nowhere] = pair.map(|transaction| {
                let transaction = if who == 108 {
                    of_entity(PHARMACY, transaction)
                } else {
                    transaction
                };
                let outcome = world.outcome(&[transaction]);
                let receipt = &outcome.receipts[0];
                (receipt.outcome, receipt.events.clone())
            });
            assert_eq!(there, nowhere, "{who}");
            compared += 1;
        }
    }
    assert_eq!(compared, 32);
}
