//! Two pseudonyms that are one patient, and two after all.

use crate::people::*;
use crate::world::*;
use salus_contracts::native::identity::{IdentityEvent, MERGED_MAX};
use salus_primitives::access::Requester;

/// Persons 101 and 102 with keys, 103 without keys or guardians, 104 a minor with guardian 105.
fn prepared() -> World {
    let mut world = with_custodians();
    let receipts = world.block(&[
        adult(101),
        adult(102),
        register_person(HOSPITAL, 103, None, None),
        adult(105),
        register_person(HOSPITAL, 104, None, Some(10_000)),
        appoint_guardian(HOSPITAL, 104, 105, None),
    ]);
    assert_eq!(reasons(&receipts), ["ok"; 6]);
    world
}

fn is_merged(world: &World, n: u8, into: u8) -> bool {
    let merged = registered(world, n).person.merged_into == Some(pseudonym(into));
    let lists = registered(world, into)
        .person
        .merged
        .contains(&pseudonym(n));
    assert_eq!(merged, lists, "both rows say the same");
    merged
}

#[test]
fn a_merge_holds_with_the_last_of_three_assents() {
    let mut world = prepared();

    assert_eq!(world.run(merge(101, 101, 102)), "unknown_person");
    assert_eq!(world.run(merge(HOSPITAL, 101, 102)), "ok");
    assert!(!is_merged(&world, 101, 102));
    assert_eq!(world.run(merge(HOSPITAL, 101, 102)), "already_assented");
    assert_eq!(world.run(merge(102, 101, 102)), "ok");
    assert_eq!(world.run(merge(102, 101, 102)), "already_assented");
    assert!(!is_merged(&world, 101, 102));
    let receipts = world.block(&[merge(101, 101, 102)]);

    assert!(is_merged(&world, 101, 102));
    assert_eq!(
        events(&receipts[0]),
        [
            IdentityEvent::MergeAssented {
                person: pseudonym(101),
                into: pseudonym(102),
                by: pseudonym(101)
            },
            IdentityEvent::Merged {
                person: pseudonym(101),
                into: pseudonym(102)
            }
        ]
    );
    for n in [101, 102] {
        let person = registered(&world, n).person;
        assert_eq!(person.regrouped, 1);
        assert_eq!(person.proposed, None);
    }
}

/// The one that stays acts for both; the one that was given up for its own data alone.
#[test]
fn the_side_of_the_pseudonym_that_stays_is_that_of_both() {
    let mut world = prepared();
    world.block(&[
        merge(HOSPITAL, 101, 102),
        merge(101, 101, 102),
        merge(102, 101, 102),
    ]);
    assert!(is_on_side(&world, 101, 102) && is_on_side(&world, 101, 101));
    assert!(is_on_side(&world, 102, 102) && !is_on_side(&world, 102, 101));

    assert_eq!(world.run(split(102, 101)), "ok");

    assert!(!is_on_side(&world, 101, 102));
    assert!(!is_merged(&world, 101, 102));
    assert_eq!(registered(&world, 101).person.regrouped, 2);
}

/// An unconscious patient who was registered anew.
#[test]
fn who_has_neither_keys_nor_guardians_is_not_waited_for() {
    let mut world = prepared();
    assert_eq!(world.run(merge(HOSPITAL, 103, 101)), "ok");
    assert!(!is_merged(&world, 103, 101));

    assert_eq!(world.run(merge(101, 103, 101)), "ok");

    assert!(is_merged(&world, 103, 101));
}

/// An assent counts only while its author is on the side: at 10000 the guardian is not.
#[test]
fn a_guardians_assent_ends_with_its_power() {
    for late in [false, true] {
        let mut world = prepared();
        world.block(&[merge(HOSPITAL, 104, 101), merge(105, 104, 101)]);
        world.advance_to(if late { 9 } else { 8 });

        assert_eq!(world.run(merge(101, 104, 101)), "ok");

        // of age without keys and guardians, nobody is left to be waited for
        assert!(is_merged(&world, 104, 101));
    }
    let mut world = prepared();
    world.block(&[merge(HOSPITAL, 104, 101), merge(105, 104, 101)]);
    world.advance_to(9);
    world.block(&[set_person_keys(HOSPITAL, 104, 104)]);

    assert_eq!(world.run(merge(101, 104, 101)), "ok");

    assert!(
        !is_merged(&world, 104, 101),
        "the person has not been asked"
    );
    assert_eq!(world.run(merge(105, 104, 101)), "unknown_person");
    assert_eq!(world.run(merge(104, 104, 101)), "ok");
    assert!(is_merged(&world, 104, 101));
}

/// Who could have assented is gone: the entity says it again, and it holds.
#[test]
fn an_entity_completes_a_merge_that_waits_for_nobody_any_more() {
    let mut world = prepared();
    world.block(&[merge(HOSPITAL, 104, 103)]);
    assert!(!is_merged(&world, 104, 103));
    world.block(&[end_representation(105, 104, 105)]);

    assert_eq!(world.run(merge(HOSPITAL, 104, 103)), "ok");

    assert!(is_merged(&world, 104, 103));
}

#[test]
fn either_side_and_the_entity_split_or_decline() {
    for (who, expected) in [
        (HOSPITAL, "ok"),
        (101, "ok"),
        (102, "ok"),
        (105, "unknown_person"),
        (PHARMACY, "unknown_person"),
        (MINISTRY, "unknown_person"),
    ] {
        let mut waiting = prepared();
        waiting.block(&[merge(HOSPITAL, 101, 102)]);
        let mut merged = prepared();
        merged.block(&[
            merge(HOSPITAL, 101, 102),
            merge(101, 101, 102),
            merge(102, 101, 102),
        ]);

        for mut world in [waiting, merged] {
            let receipts = world.block(&[split(who, 101)]);

            assert_eq!(reason(&receipts[0]), expected);
            let person = registered(&world, 101).person;
            let is_over = person.merged_into.is_none() && person.proposed.is_none();
            assert_eq!(is_over, expected == "ok");
            if is_over {
                let by = if who == HOSPITAL {
                    Requester::Entity(entity_id(who))
                } else {
                    Requester::Person(pseudonym(who))
                };
                assert_eq!(
                    events(&receipts[0]),
                    [IdentityEvent::Split {
                        person: pseudonym(101),
                        from: pseudonym(102),
                        by
                    }]
                );
                assert_eq!(world.run(merge(101, 101, 102)), "unknown_person");
            }
        }
    }
}

/// A decision looks at two rows: merges have no chains and no circles, also if two wait at a time.
#[test]
fn merges_do_not_follow_one_another() {
    let mut world = with_custodians();
    for n in 101..=104 {
        world.block(&[register_person(HOSPITAL, n, None, None)]);
    }
    world.block(&[adult(105), adult(106)]);
    // waits for 105 and 106
    assert_eq!(world.run(merge(HOSPITAL, 105, 106)), "ok");
    assert_eq!(world.run(merge(HOSPITAL, 101, 102)), "ok");

    for (n, into, expected) in [
        (102, 103, "merge_chained"),
        (103, 101, "merge_chained"),
        (102, 101, "merge_chained"),
        (101, 103, "already_merged"),
        (103, 102, "ok"),
    ] {
        assert_eq!(world.run(merge(HOSPITAL, n, into)), expected, "{n} {into}");
    }
    // in the meantime 105 has taken another in
    world.block(&[merge(HOSPITAL, 104, 105), merge(105, 104, 105)]);
    assert!(is_merged(&world, 104, 105));
    assert_eq!(world.run(merge(105, 105, 106)), "merge_chained");
}

#[test]
fn so_many_pseudonyms_are_merged_into_one() {
    let mut world = with_custodians();
    world.block(&[register_person(HOSPITAL, 100, None, None)]);
    let most = u8::try_from(MERGED_MAX).expect("small");
    for n in 101..=101 + most {
        world.block(&[register_person(HOSPITAL, n, None, None)]);
        let expected = if n <= 100 + most {
            "ok"
        } else {
            "too_many_merged"
        };
        assert_eq!(world.run(merge(HOSPITAL, n, 100)), expected, "{n}");
    }
    assert_eq!(world.run(split(HOSPITAL, 101)), "ok");
    assert_eq!(world.run(merge(HOSPITAL, 101 + most, 100)), "ok");
}

/// What the next merge replaces is not left over.
#[test]
fn a_new_proposal_replaces_the_one_before() {
    let mut world = prepared();
    world.block(&[merge(HOSPITAL, 101, 102), merge(102, 101, 102)]);
    world.block(&[merge(HOSPITAL, 101, 105)]);

    assert_eq!(world.run(merge(101, 101, 102)), "unknown_person");
    assert_eq!(world.run(merge(101, 101, 105)), "ok");
    assert_eq!(world.run(merge(105, 101, 105)), "ok");

    assert!(is_merged(&world, 101, 105));
}
