//! Practitioners and persons: who may act for whom, from exactly when until when.

use crate::people::*;
use crate::world::*;
use salus_contracts::caller::Principal;
use salus_contracts::native::identity::{
    self as contract, Holder, IdentityEvent, RepresentativeKind, numbers_key,
};
use salus_contracts::native::identity::{Numbers, PERSONS_MAX};
use salus_primitives::access::Requester;
use salus_primitives::audit::{Trail, trail_key};
use salus_primitives::calls::{IDENTITY, Profession, Role};
use salus_primitives::codec;
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::lane::Lane;
use salus_primitives::state::Space;
use salus_primitives::time::Timestamp;

fn principal(world: &World, n: u8) -> Option<Principal> {
    contract::principal_of_key(&world.state, &key(n), world.next().height, Epoch::new(1))
        .expect("memory")
        .ok()
}

#[test]
fn practitioners_persons_and_key_services_act_for_the_entity_that_answers_for_them() {
    let mut world = with_custodians();
    let (id, role) = (entity_id(HOSPITAL), Role::Hospital);

    let receipts = world.block(&[register_practitioner(HOSPITAL, 101), adult(102)]);

    assert_eq!(reasons(&receipts), ["ok", "ok"]);
    assert_eq!(
        principal(&world, 101),
        Some(Principal::Practitioner {
            id: practitioner(101),
            employer: id,
            profession: Profession::Physician,
            role
        })
    );
    assert_eq!(
        principal(&world, 102),
        Some(Principal::Person {
            id: pseudonym(102),
            relation: id,
            role
        })
    );
    assert_eq!(
        principal(&world, HOSPITAL + 60),
        Some(Principal::Custodian { id, role })
    );
    for n in [101, 102, HOSPITAL + 60] {
        let of = contract::entity_of_key(&world.state, &key(n)).expect("memory");
        assert_eq!(of, Some(id));
    }
}

/// In lanes they have the rights of that entity's role.
#[test]
fn lanes_are_open_to_people_by_the_role_of_their_entity() {
    let mut world = with_custodians();
    world.block(&[
        register_practitioner(HOSPITAL, 101),
        register_practitioner(INSURER, 102),
        register_person(INSURER, 103, Some(103), None),
    ]);
    let allowed = |sender, entity, lane| {
        let mut transaction = of_entity(entity, rotate_practitioner(sender, 101, 110));
        transaction.body.lane = lane;
        let refusal = world.check(&transaction).err();
        refusal.map(|refusal| refusal.reason) != Some("lane_not_allowed")
    };

    assert!(allowed(101, HOSPITAL, Lane::Emergency));
    assert!(!allowed(102, INSURER, Lane::Monitoring));
    assert!(allowed(102, INSURER, Lane::Routine));
    assert!(!allowed(103, INSURER, Lane::Monitoring));
    assert!(allowed(103, INSURER, Lane::Routine));
    assert!(allowed(HOSPITAL + 60, HOSPITAL, Lane::Emergency));
}

#[test]
fn a_practitioner_ends_at_the_exact_place_in_a_block() {
    let mut world = World::new();
    world.block(&[register_practitioner(HOSPITAL, 101)]);

    let receipts = world.block(&[
        rotate_practitioner(101, 101, 111),
        rotate_practitioner(101, 101, 121),
        rotate_practitioner(111, 101, 121),
        rotate_practitioner(HOSPITAL, 101, 131),
        revoke_practitioner(HOSPITAL, 101),
        rotate_practitioner(131, 101, 141),
    ]);

    assert_eq!(
        reasons(&receipts),
        [
            "ok",
            "key_rotated",
            "ok",
            "ok",
            "ok",
            "practitioner_revoked"
        ]
    );
}

/// The employer's end is its practitioners' and its key service's, and not its patients'.
#[test]
fn patients_of_an_entity_that_was_revoked_can_still_act() {
    let mut world = with_custodians();
    world.block(&[
        register_entity(MINISTRY, 11, Role::Hospital),
        set_custody_key(11, 71),
        register_practitioner(11, 101),
        register_person(11, 102, Some(102), None),
        register_person(11, 103, Some(103), None),
    ]);

    let receipts = world.block(&[
        revoke_entity(MINISTRY, 11),
        of_entity(11, rotate_practitioner(101, 101, 111)),
        of_entity(11, appoint_delegate(102, 102, 103, 99_000)),
        set_person_keys(11, 102, 112),
    ]);

    assert_eq!(
        reasons(&receipts),
        ["ok", "entity_revoked", "ok", "entity_revoked"]
    );
    assert_eq!(principal(&world, 71), None);
    assert!(is_on_side(&world, 102, 103));
}

/// A proof answers for a path, and the path of a person follows from its salt: without it, there is nothing to ask for.
#[test]
fn nothing_in_the_tree_is_named_by_a_pseudonym_or_a_persons_key() {
    let mut world = with_custodians();
    let before = world.state.clone();
    world.block(&[
        adult(101),
        adult(102),
        appoint_delegate(101, 101, 102, 99_000),
        merge(HOSPITAL, 101, 102),
    ]);

    let names = [
        pseudonym(101).0,
        pseudonym(102).0,
        key(101).0,
        key(102).0,
        salt(101),
    ];
    let mut rows = 0;
    for state_key in world.state.0.keys() {
        if state_key.space == Space::Tree && !before.0.contains_key(state_key) {
            rows += 1;
            for name in names {
                let named = state_key.key.windows(32).any(|part| *part == name);
                assert!(!named, "{state_key:?}");
            }
        }
    }
    assert_eq!(rows, 4, "two persons and their trails");
    assert_eq!(
        contract::holder(&world.state, &key(101)).expect("memory"),
        Some(Holder::Person(pseudonym(101)))
    );
}

/// The block at whose time a minor comes of age is the first in which its guardian is nobody and the person itself is somebody.
#[test]
fn coming_of_age_takes_effect_at_the_exact_block_time() {
    let mut world = with_custodians();
    // blocks are a second apart: 8 is the first that is not before this
    world.block(&[
        adult(101),
        register_person(HOSPITAL, 102, Some(102), Some(7_001)),
        register_person(HOSPITAL, 103, None, Some(7_000)),
        appoint_guardian(HOSPITAL, 102, 101, None),
        appoint_guardian(HOSPITAL, 103, 101, Some(99_000)),
    ]);
    let ours = || entities(&[HOSPITAL, PHARMACY]);
    world.block(&[
        register_entity(MINISTRY, 11, Role::Hospital),
        set_custody_key(11, 71),
    ]);
    let theirs = || entities(&[HOSPITAL, 11]);

    world.advance_to(6);
    assert!(is_on_side(&world, 102, 101) && !is_on_side(&world, 102, 102));
    // block 7, at 7000: the second has just come of age, the first has not
    let receipts = world.block(&[
        set_custodians(102, 102, theirs()),
        set_custodians(101, 102, theirs()),
        set_custodians(101, 103, theirs()),
        set_person_keys(HOSPITAL, 103, 103),
        set_custodians(103, 103, theirs()),
    ]);
    assert_eq!(
        reasons(&receipts),
        ["unknown_person", "ok", "unknown_person", "ok", "ok"]
    );

    // block 8, at 8000
    let receipts = world.block(&[
        set_custodians(101, 102, ours()),
        set_custodians(102, 102, ours()),
    ]);
    assert_eq!(reasons(&receipts), ["unknown_person", "ok"]);
    assert!(is_on_side(&world, 102, 102) && !is_on_side(&world, 102, 101));
}

/// Half open, as all windows are: until its time, and not at it.
#[test]
fn a_delegate_and_a_ministrys_guardian_end_at_the_exact_block_time() {
    let mut world = with_custodians();
    let start = world.height;
    let until = 1_000 * (start + 3);
    let receipts = world.block(&[
        adult(101),
        adult(102),
        adult(103),
        appoint_delegate(101, 101, 102, until),
        appoint_guardian(MINISTRY, 101, 103, Some(until)),
    ]);
    assert_eq!(reasons(&receipts), ["ok"; 5]);

    for (after, expected) in [(2, true), (3, false)] {
        world.advance_to(start + after - 1);
        assert_eq!(now(&world) < until, expected);
        assert_eq!(is_on_side(&world, 101, 102), expected);
        assert_eq!(is_on_side(&world, 101, 103), expected);
        let ended = if expected { "ok" } else { "unknown_person" };
        let receipts = world.outcome(&[end_representation(102, 101, 102)]).receipts;
        assert_eq!(reason(&receipts[0]), ended);
    }
    assert!(is_on_side(&world, 101, 101), "the person itself all along");
}

#[test]
fn who_appointed_a_representative_ends_it_and_so_do_the_person_itself_and_a_ministry() {
    let prepared = || {
        let mut world = with_custodians();
        world.block(&[
            adult(101),
            adult(102),
            adult(103),
            register_person(HOSPITAL, 104, Some(104), Some(90_000)),
            appoint_delegate(101, 101, 102, 99_000),
            appoint_guardian(HOSPITAL, 104, 102, None),
        ]);
        world
    };
    for (transaction, person, expected) in [
        (end_representation(101, 101, 102), 101, "ok"),
        (end_representation(102, 101, 102), 101, "ok"),
        (end_representation(MINISTRY, 101, 102), 101, "ok"),
        (
            end_representation(HOSPITAL, 101, 102),
            101,
            "not_the_appointer",
        ),
        (end_representation(103, 101, 102), 101, "unknown_person"),
        (
            end_representation(PHARMACY, 101, 102),
            101,
            "unknown_person",
        ),
        (end_representation(HOSPITAL, 104, 102), 104, "ok"),
        (end_representation(102, 104, 102), 104, "ok"),
        (end_representation(104, 104, 102), 104, "not_the_appointer"),
    ] {
        let mut world = prepared();
        assert!(is_on_side(&world, person, 102));

        assert_eq!(world.run(transaction), expected);

        assert_eq!(is_on_side(&world, person, 102), expected != "ok");
    }
}

/// An order to erase must reach who held keys before, also when it is a custodian again.
#[test]
fn former_custodians_are_remembered() {
    let mut world = with_custodians();
    world.block(&[
        adult(101),
        set_custody_key(INSURER, 73),
        set_custody_key(INSTITUTE, 74),
    ]);

    for (current, former) in [
        ([INSURER, INSTITUTE], vec![HOSPITAL, PHARMACY]),
        ([HOSPITAL, INSTITUTE], vec![PHARMACY, INSURER]),
    ] {
        assert_eq!(
            world.run(set_custodians(101, 101, entities(&current))),
            "ok"
        );
        let person = registered(&world, 101).person;
        assert_eq!(person.custodians, entities(&current));
        assert_eq!(person.former_custodians, entities(&former));
        assert_eq!(
            person.custodians_ever(),
            entities(&[HOSPITAL, PHARMACY, INSURER, INSTITUTE])
        );
    }
}

/// A key service's former key signs nothing any more.
#[test]
fn a_custody_key_is_replaced_from_the_next_transaction_on() {
    let mut world = with_custodians();
    let new = HOSPITAL + 70;

    let receipts = world.block(&[
        set_custody_key(HOSPITAL, new),
        set_custody_key(HOSPITAL + 60, 90),
        set_custody_key(new, 90),
    ]);

    assert_eq!(reasons(&receipts), ["ok", "key_rotated", "not_an_entity"]);
    let custody = contract::custody_key(&world.state, &entity_id(HOSPITAL)).expect("memory");
    assert_eq!(custody.map(|it| it.key), Some(key(new)));
}

/// What an export would do: the events about a person, in the order of the chain, lead to the trail that the state holds.
#[test]
fn the_trail_of_a_person_is_made_of_every_event_about_it() {
    let mut world = with_custodians();
    let mut trails = [Trail::default(); 3];
    let transactions = [
        adult(101),
        adult(102),
        register_person(HOSPITAL, 103, None, Some(90_000)),
        set_person_keys(101, 101, 111),
        appoint_delegate(111, 101, 102, 99_000),
        set_custody_key(INSURER, 73),
        set_custodians(111, 101, entities(&[HOSPITAL, INSURER])),
        end_representation(102, 101, 102),
        appoint_guardian(HOSPITAL, 103, 102, None),
        merge(HOSPITAL, 101, 102),
        merge(111, 101, 102),
        merge(102, 101, 102),
        split(HOSPITAL, 101),
        // fails, and leaves nothing
        split(HOSPITAL, 101),
    ];

    for receipt in world.block(&transactions) {
        for (event, data) in events(&receipt).iter().zip(&receipt.events) {
            for (n, trail) in (101..).zip(&mut trails) {
                if event.persons().contains(&Some(pseudonym(n))) {
                    *trail = trail.after(&receipt.transaction, data);
                }
            }
        }
    }

    assert_eq!(trails.map(|trail| trail.count), [10, 6, 2]);
    for (n, trail) in (101..).zip(trails) {
        let of = registered(&world, n);
        assert_eq!(contract::trail(&world.state, &of).expect("memory"), trail);
        let stored = world.state.0.get(&trail_key(&salt(n), &pseudonym(n)));
        assert_eq!(stored, Some(&codec::encode(&trail)));
    }
}

#[test]
fn events_say_who_did_what_by_pseudonyms() {
    let mut world = with_custodians();

    let receipts = world.block(&[
        adult(101),
        adult(102),
        appoint_delegate(101, 101, 102, 99_000),
        end_representation(MINISTRY, 101, 102),
    ]);

    assert_eq!(
        events(&receipts[0]),
        [IdentityEvent::PersonRegistered {
            person: pseudonym(101),
            relation: entity_id(HOSPITAL),
            key: Some(key(101)),
            of_age_at: None,
            custodians: entities(&[HOSPITAL, PHARMACY]),
        }]
    );
    assert_eq!(
        events(&receipts[2]),
        [IdentityEvent::RepresentativeAppointed {
            person: pseudonym(101),
            representative: pseudonym(102),
            kind: RepresentativeKind::Delegate,
            until: Some(Timestamp::from_millis(99_000)),
            by: Requester::Person(pseudonym(101)),
        }]
    );
    assert_eq!(
        events(&receipts[3]),
        [IdentityEvent::RepresentationEnded {
            person: pseudonym(101),
            representative: pseudonym(102),
            by: Requester::Entity(entity_id(MINISTRY)),
        }]
    );
}

/// Those that have run out make room.
#[test]
fn a_person_has_so_many_representatives_at_a_time() {
    let mut world = with_custodians();
    world.block(&[adult(100)]);
    let soon = now(&world) + 3_000;
    for n in 101..=108 {
        let until = if n == 101 { soon } else { 99_000 };
        let receipts = world.outcome(&[adult(n), appoint_delegate(100, 100, n, until)]);
        assert_eq!(reasons(&receipts.receipts), ["ok", "ok"]);
        world.state.apply(&receipts.writes);
    }
    world.block(&[adult(109)]);

    assert_eq!(
        world.run(appoint_delegate(100, 100, 109, 99_000)),
        "too_many_representatives"
    );
    while now(&world) < soon {
        world.block(&[]);
    }
    assert_eq!(world.run(appoint_delegate(100, 100, 109, 99_000)), "ok");
    assert_eq!(registered(&world, 100).person.representatives.len(), 8);
}

/// What an entity registers stays for good, so it is bounded.
#[test]
fn an_entity_registers_up_to_its_bound() {
    let mut world = with_custodians();
    let key = numbers_key(&entity_id(HOSPITAL));
    assert_eq!((key.space, key.contract), (Space::Index, IDENTITY));
    let nearly = Numbers {
        persons: PERSONS_MAX - 1,
        ..Numbers::default()
    };
    world.state.0.insert(key, codec::encode(&nearly));

    let receipts = world.block(&[
        adult(101),
        adult(102),
        register_person(PHARMACY, 102, None, None),
        register_device(HOSPITAL, 21),
    ]);

    assert_eq!(
        reasons(&receipts),
        ["ok", "too_many_registered", "ok", "ok"]
    );
    assert_eq!(registered(&world, 101).person.registered_at, Height::new(3));
}
