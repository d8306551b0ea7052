//! Elections happen at exact heights, two epochs ahead.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::native::staking::{self as contract, SETS_KEPT};
use salus_primitives::calls::{Change, StakingCall, ValidatorKeys};
use salus_primitives::ids::Epoch;

/// Epochs of these parameters have 10 blocks.
#[test]
fn the_last_block_of_an_epoch_elects_for_the_epoch_after_the_next() {
    let mut world = World::weighing(&[5, 4, 3, 3, 3, 2]);
    // five seats: the lightest is left out
    let founders = vec![(1, 5), (2, 4), (3, 3), (4, 3), (5, 3)];
    assert_eq!(world.validators(1), Some(founders.clone()));
    assert_eq!(world.validators(2), Some(founders.clone()));
    assert_eq!(world.run(delegate_whole(5, 6)), "ok");

    for height in [9, 10, 11, 19] {
        world.advance_to(height);
        let known = height >= 10;
        assert_eq!(world.validators(3).is_some(), known, "{height}");
        assert_eq!(world.validators(4), None, "{height}");
    }
    world.advance_to(20);

    assert_eq!(world.validators(2), Some(founders));
    let elected = vec![(1, 5), (2, 4), (3, 3), (4, 3), (6, 5)];
    assert_eq!(world.validators(3), Some(elected.clone()));
    assert_eq!(world.validators(4), Some(elected));
    let set = contract::set(&world.state, Epoch::new(4)).expect("memory");
    assert_eq!(set.expect("recorded").epoch(), Epoch::new(4));
}

/// What stands in the last block still counts; what stands in the next one waits an epoch.
#[test]
fn the_election_sees_the_last_blocks_own_transactions() {
    for (height, elected) in [(10, true), (11, false)] {
        let mut world = World::weighing(&[3, 3, 3, 3, 3, 2]);
        world.advance_to(height - 1);
        assert_eq!(world.run(delegate_whole(5, 6)), "ok");
        world.advance_to(20);

        let third = world.validators(3).expect("recorded");
        assert_eq!(third.contains(&(6, 5)), elected, "{height}");
        let fourth = world.validators(4).expect("recorded");
        assert!(fourth.contains(&(6, 5)));
    }
}

/// The cap depends on who is elected, and applies to consensus weight only: standings keep what was delegated.
#[test]
fn concentrated_delegation_is_cut_below_a_third() {
    let mut world = World::weighing(&[3, 3, 3, 3, 3]);
    for n in 2..=3 {
        assert_eq!(world.run(delegate_whole(n, 1)), "ok");
    }
    assert_eq!(world.run(delegate_parts(4, &[(2, 1), (4, 2)])), "ok");
    world.advance_to(10);

    // standings 9, 1, 0, 2, 3: the cut is to 2 of 7
    assert_eq!(
        world.validators(3),
        Some(vec![(1, 2), (2, 1), (4, 2), (5, 2)])
    );
}

#[test]
fn the_jailed_and_those_who_stepped_down_lose_their_seat_two_epochs_later_and_get_it_back() {
    let mut world = World::weighing(&[4, 4, 3, 3, 3, 2]);
    let evidence = evidence(&world, 1, 2);
    assert_eq!(world.run(report(1, &evidence)), "ok");
    assert_eq!(world.run(staking(3, &StakingCall::StepDown)), "ok");
    world.advance_to(10);

    assert_eq!(
        world.validators(3),
        Some(vec![(1, 3), (4, 3), (5, 3), (6, 2)]),
        "4 of 12 is cut"
    );
    world.enact(
        &[1, 2, 3, 4, 5],
        Change::Release {
            member: entity_id(2),
        },
    );
    world.advance_to(20);
    assert_eq!(
        world.validators(4),
        Some(vec![(1, 4), (2, 4), (4, 3), (5, 3), (6, 2)])
    );
}

/// With three left there is no legal set: the four go on, jailed one included, under the epoch's own number.
#[test]
fn without_a_legal_set_the_validators_continue() {
    let mut world = World::weighing(&[1, 1, 1, 1]);
    let evidence = evidence(&world, 1, 2);
    assert_eq!(world.run(report(1, &evidence)), "ok");
    world.advance_to(20);

    for epoch in [3, 4] {
        assert_eq!(
            world.validators(epoch),
            Some(vec![(1, 1), (2, 1), (3, 1), (4, 1)])
        );
        let set = contract::set(&world.state, Epoch::new(epoch)).expect("memory");
        assert_eq!(set.expect("recorded").epoch(), Epoch::new(epoch));
    }
}

/// A new key counts from the next elected set on, also where the set continues; the sets before keep the old one.
#[test]
fn a_rotated_key_takes_effect_in_the_next_elected_set() {
    let keys = ValidatorKeys {
        validator_key: key(150),
        network_key: key(151),
    };
    for continues in [false, true] {
        let mut world = World::weighing(&[1, 1, 1, 1]);
        if continues {
            let evidence = evidence(&world, 1, 2);
            assert_eq!(world.run(report(1, &evidence)), "ok");
        }
        let member = entity_id(3);
        world.enact(&[1, 3, 4], Change::RotateKeys { member, keys });
        world.advance_to(10);

        let keys_in = |epoch| {
            let set = contract::set(&world.state, Epoch::new(epoch))
                .expect("memory")
                .expect("recorded");
            let seat = set.seat_of(&entity_id(3)).expect("a validator");
            let validator = set.validator(seat).expect("exists");
            (validator.key, validator.network_key)
        };
        let old = validator_keys(3);
        assert_eq!(keys_in(2), (old.validator_key, old.network_key));
        assert_eq!(keys_in(3), (keys.validator_key, keys.network_key));
    }
}

/// A boundary block that is empty elects, and one that is not boundary writes nothing.
#[test]
fn only_boundary_blocks_write_without_transactions() {
    let mut world = World::weighing(&[1, 1, 1, 1]);
    for height in 1..=60u64 {
        let outcome = world.outcome(&[]);
        // the elected set, and its lanes
        let expected = 2 * usize::from(height.is_multiple_of(10));
        assert_eq!(outcome.writes.0.len(), expected, "{height}");
        world.block(&[]);
    }
}

#[test]
fn a_bounded_number_of_sets_and_their_offences_is_kept() {
    let mut world = World::weighing(&[1, 1, 1, 1, 1]);
    let evidence = evidence(&world, 1, 2);
    assert_eq!(world.run(report(1, &evidence)), "ok");
    world.advance_to(300);

    // the end of epoch 30 recorded epoch 32
    for epoch in 0..40u64 {
        let kept = (33 - SETS_KEPT..=32).contains(&epoch);
        assert_eq!(world.validators(epoch).is_some(), kept, "{epoch}");
    }
    let offences = contract::offences(&world.state, Epoch::new(1)).expect("memory");
    assert_eq!(offences, []);
    assert!(world.member(2).expect("a member").jailed.is_some());
}

proptest! {
    /// Whatever is delegated, each recorded set is legal and is what an election by the state at its epoch's end gives.
    #[test]
    fn recorded_sets_are_elections(
        delegations in proptest::collection::vec((1u8..8, 1u8..8, any::<bool>()), 0..20),
    ) {
        let mut world = World::weighing(&[9, 7, 5, 5, 3, 2, 2]);
        let transactions: Vec<_> = delegations
            .iter()
            .map(|(by, to, whole)| match whole {
                true => delegate_whole(*by, *to),
                false => delegate_parts(*by, &[(*to, 1)]),
            })
            .collect();
        world.block(&transactions);
        world.advance_to(10);

        let epoch = Epoch::new(3);
        let recorded = contract::set(&world.state, epoch).expect("memory").expect("recorded");
        match contract::election(&world.state, &parameters(), epoch).expect("memory") {
            Some(elected) => {
                prop_assert!(elected.len() <= 5);
                prop_assert_eq!(elected, recorded);
            }
            None => prop_assert_eq!(world.validators(3), world.validators(2)),
        }
    }
}
