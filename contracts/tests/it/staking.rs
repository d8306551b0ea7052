//! Members stand, delegate and return.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::native::staking::{
    self as contract, Absence, DELEGATED, RETURNED, STEPPED_DOWN, STOOD, StakingEvent, WITHDRAWN,
};
use salus_primitives::calls::{Change, Delegation, Role, STAKING, StakingCall};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::state::WriteSet;
use std::collections::BTreeMap;

/// Standings by number.
fn standings(world: &World) -> BTreeMap<u8, u64> {
    contract::standings(&world.state)
        .expect("memory")
        .iter()
        .map(|(entity, weight)| (number(entity), *weight))
        .collect()
}

#[test]
fn founders_stand_and_delegate_their_whole_weight_to_themselves() {
    let world = World::weighing(&[5, 4, 3, 3]);

    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 5), (2, 4), (3, 3), (4, 3)])
    );
    let founder = world.member(1).expect("a founder");
    assert_eq!(founder.delegation, Some(Delegation::Whole(entity_id(1))));
    assert_eq!(founder.keys, Some(validator_keys(1)));
}

#[test]
fn a_delegation_replaces_the_one_before_as_a_whole() {
    let mut world = World::weighing(&[5, 4, 3, 3]);

    assert_eq!(world.run(delegate_parts(1, &[(2, 2), (3, 1)])), "ok");
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 0), (2, 6), (3, 4), (4, 3)])
    );
    assert_eq!(world.run(delegate_parts(1, &[(1, 1), (4, 4)])), "ok");
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 1), (2, 4), (3, 3), (4, 7)])
    );
    assert_eq!(world.run(delegate_whole(1, 3)), "ok");
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 0), (2, 4), (3, 8), (4, 3)])
    );
    assert_eq!(world.run(staking(1, &StakingCall::Withdraw)), "ok");
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 0), (2, 4), (3, 3), (4, 3)])
    );
}

/// Its own weight and what others delegate lie idle, and count again when it stands again.
#[test]
fn who_steps_down_is_not_elected_until_it_stands_again() {
    let mut world = World::weighing(&[2, 2, 2, 2, 2, 2]);
    assert_eq!(world.run(delegate_whole(6, 5)), "ok");

    assert_eq!(world.run(staking(5, &StakingCall::StepDown)), "ok");
    assert_eq!(standings(&world).get(&5), None);
    assert_eq!(world.run(staking(5, &StakingCall::Stand)), "ok");
    assert_eq!(standings(&world).get(&5), Some(&4));
}

#[test]
fn every_call_of_a_member_makes_itself_known() {
    let mut world = World::weighing(&[2, 2, 2, 2]);
    deactivate(&mut world, 1);
    let delegation = Delegation::Whole(entity_id(2));
    let member = entity_id(1);

    for (call, topic, event) in [
        (
            StakingCall::StepDown,
            STEPPED_DOWN,
            StakingEvent::SteppedDown { member },
        ),
        (StakingCall::Stand, STOOD, StakingEvent::Stood { member }),
        (
            StakingCall::Delegate(delegation.clone()),
            DELEGATED,
            StakingEvent::Delegated { member, delegation },
        ),
        (
            StakingCall::Withdraw,
            WITHDRAWN,
            StakingEvent::Withdrawn { member },
        ),
        (
            StakingCall::Return,
            RETURNED,
            StakingEvent::Returned { member },
        ),
    ] {
        let receipts = world.block(&[staking(1, &call)]);

        let [made] = receipts[0].events.as_slice() else {
            panic!("one event: {:?}", receipts[0]);
        };
        assert_eq!((made.contract, made.topic), (STAKING, topic));
        assert_eq!(codec::decode(made.data.as_slice(), 1024), Ok(event));
    }
}

fn deactivate(world: &mut World, n: u8) {
    let mut member = world.member(n).expect("a member");
    member.inactive = Some(Absence {
        epoch: Epoch::new(1),
        share_permille: 0,
    });
    let mut writes = WriteSet::default();
    writes.put(contract::member_key(&entity_id(n)), codec::encode(&member));
    world.state.apply(&writes);
}

/// An inactive member is passed over, and comes back by its own call.
#[test]
fn an_inactive_member_is_not_elected_until_it_returns() {
    let mut world = World::weighing(&[2, 2, 2, 2, 2]);
    deactivate(&mut world, 3);
    let elected = |world: &World| {
        let set = contract::election(&world.state, &parameters(), Epoch::new(3)).expect("memory");
        set.expect("four are left").seat_of(&entity_id(3)).is_some()
    };

    assert!(!elected(&world));
    assert_eq!(world.run(staking(3, &StakingCall::Return)), "ok");
    assert!(elected(&world));
}

/// The whole follows a changed weight; parts stay while they fit, and shrink when they do not.
#[test]
fn delegations_follow_a_changed_weight() {
    let mut world = World::weighing(&[10, 10, 10, 10, 10]);
    assert_eq!(world.run(delegate_parts(2, &[(3, 6), (4, 3)])), "ok");
    let set_weight = |n: u8, weight| Change::SetWeight {
        member: entity_id(n),
        weight,
    };

    world.enact(&[1, 2, 3, 4], set_weight(1, 12));
    world.enact(&[1, 2, 3, 4], set_weight(2, 9));
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 12), (2, 0), (3, 16), (4, 13), (5, 10)])
    );
    world.enact(&[1, 2, 3, 4], set_weight(2, 5));
    assert_eq!(
        standings(&world),
        BTreeMap::from([(1, 12), (2, 0), (3, 13), (4, 11), (5, 10)])
    );
}

/// What was delegated to a member that retired is not waiting for it when it comes back.
#[test]
fn a_delegation_to_a_retired_member_does_not_revive() {
    let mut world = World::weighing(&[10, 10, 10, 10, 10, 10]);
    assert_eq!(world.run(delegate_whole(1, 6)), "ok");
    let member = entity_id(6);

    world.enact(&[1, 2, 3, 4, 5], Change::RetireMember { member });
    assert_eq!(standings(&world).get(&6), None);
    world.enact(
        &[1, 2, 3, 4, 5],
        Change::AdmitMember {
            entity: member,
            keys: None,
            weight: 1,
        },
    );

    assert_eq!(standings(&world).get(&6), Some(&1));
    assert_eq!(world.run(delegate_whole(1, 6)), "ok");
    assert_eq!(standings(&world).get(&6), Some(&11));
}

/// The longest legal list of parts stays within the limits of a call.
#[test]
fn the_most_parts_are_accepted() {
    let members: Vec<_> = (1u8..=35)
        .map(|n| salus_contracts::genesis::GenesisMember {
            weight: 40,
            validator_key: key(n + 80),
            network_key: key(n + 120),
            ..member(n, Role::Hospital)
        })
        .collect();
    let mut world = World::of(&members);
    let parts: Vec<(u8, u64)> = (1u8..=32).map(|n| (n, 1)).collect();

    assert_eq!(world.run(of_entity(35, delegate_parts(35, &parts))), "ok");

    assert_eq!(standings(&world).get(&1), Some(&41));
    assert_eq!(standings(&world).get(&35), Some(&0));
}

#[derive(Clone, Debug)]
enum Action {
    Stand(u8),
    StepDown(u8),
    Whole(u8, u8),
    Parts(u8, BTreeMap<u8, u64>),
    Withdraw(u8),
}

fn action() -> impl Strategy<Value = Action> {
    let n = || 1u8..7;
    prop_oneof![
        n().prop_map(Action::Stand),
        n().prop_map(Action::StepDown),
        (n(), n()).prop_map(|(by, to)| Action::Whole(by, to)),
        (n(), proptest::collection::btree_map(n(), 1u64..6, 1..4))
            .prop_map(|(by, parts)| Action::Parts(by, parts)),
        n().prop_map(Action::Withdraw),
    ]
}

const WEIGHTS: [u64; 6] = [7, 6, 5, 5, 4, 3];

proptest! {
    /// Standings are at all times what an oracle sums up: no part is lost, doubled or left over, whatever was replaced. No
    /// member delegates more than it has. Steps in one block and in many come to the same.
    #[test]
    fn parts_are_conserved(actions in proptest::collection::vec(action(), 0..30)) {
        let mut world = World::weighing(&WEIGHTS);
        let mut oracle: BTreeMap<u8, BTreeMap<u8, u64>> = (1u8..)
            .zip(WEIGHTS)
            .map(|(n, weight)| (n, BTreeMap::from([(n, weight)])))
            .collect();
        let mut candidates: BTreeMap<u8, bool> = (1..7).map(|n| (n, true)).collect();
        let weight = |n: u8| WEIGHTS[usize::from(n) - 1];
        let mut transactions = Vec::new();

        for action in actions {
            let (transaction, expected) = match action {
                Action::Stand(n) => {
                    let was = candidates.insert(n, true).expect("known");
                    (staking(n, &StakingCall::Stand), !was)
                }
                Action::StepDown(n) => {
                    let was = candidates.insert(n, false).expect("known");
                    (staking(n, &StakingCall::StepDown), was)
                }
                Action::Whole(by, to) => {
                    let legal = candidates[&to];
                    if legal {
                        oracle.insert(by, BTreeMap::from([(to, weight(by))]));
                    }
                    (delegate_whole(by, to), legal)
                }
                Action::Parts(by, parts) => {
                    let legal = parts.values().sum::<u64>() <= weight(by)
                        && parts.keys().all(|to| candidates[to]);
                    let list: Vec<_> = parts.iter().map(|(to, part)| (*to, *part)).collect();
                    if legal {
                        oracle.insert(by, parts);
                    }
                    (delegate_parts(by, &list), legal)
                }
                Action::Withdraw(n) => {
                    let had = oracle.remove(&n).is_some();
                    (staking(n, &StakingCall::Withdraw), had)
                }
            };
            let receipts = world.block(std::slice::from_ref(&transaction));
            prop_assert_eq!(reason(&receipts[0]) == "ok", expected);
            transactions.push(transaction);

            let mut expected: BTreeMap<u8, u64> = candidates
                .iter()
                .filter(|(_, stands)| **stands)
                .map(|(n, _)| (*n, 0))
                .collect();
            for parts in oracle.values() {
                for (to, part) in parts {
                    if let Some(standing) = expected.get_mut(to) {
                        *standing += part;
                    }
                }
            }
            let standings = standings(&world);
            prop_assert!(standings.values().sum::<u64>() <= WEIGHTS.iter().sum());
            prop_assert_eq!(standings, expected);
        }

        let mut at_once = World::weighing(&WEIGHTS);
        at_once.block(&transactions);
        prop_assert_eq!(standings(&at_once), standings(&world));
    }
}
