//! What validators measured of one another: medians of what the others said, and the lanes that follow.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::genesis::GenesisMember;
use salus_contracts::native::blockcfg::{self as contract, Measured};
use salus_contracts::native::staking;
use salus_primitives::calls::{Change, Observed, Role};
use salus_primitives::ids::{EntityId, Epoch};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{LaneParameters, LaneWeights, Verifiers};
use salus_primitives::transaction::SignedTransaction;

/// Members 1, 2, 3 and so on, all of them with a seat.
fn world(weights: &[u64]) -> World {
    let members: Vec<GenesisMember> = (1u8..)
        .zip(weights)
        .map(|(n, weight)| GenesisMember {
            weight: *weight,
            ..member(n, Role::Hospital)
        })
        .collect();
    World::with_seats(&members, 64)
}

/// What one says of an epoch: all votes, and these responses and rates of the members of these numbers.
fn said(world: &World, epoch: u64, of: &[(u8, Option<u32>, Option<u32>)]) -> Observed {
    let mut said = observed(world, epoch, 10, &[]);
    let set = staking::set(&world.state, Epoch::new(epoch))
        .expect("memory")
        .expect("recorded");
    for (n, response_us, rate_kbps) in of {
        if let Some(seat) = set.seat_of(&entity_id(*n)) {
            let seat = &mut said.seats[seat.index()];
            (seat.response_us, seat.rate_kbps) = (*response_us, *rate_kbps);
        }
    }
    said
}

/// In the next block these say what they saw; then its epoch ends.
fn say_and_end(world: &mut World, said: &[(u8, Observed)]) {
    let all: Vec<SignedTransaction> = said.iter().map(|(n, said)| observe(*n, said)).collect();
    for receipt in world.block(&all) {
        assert_eq!(reason(&receipt), "ok");
    }
    world.advance_to(world.height.next_multiple_of(10));
}

fn measured(world: &World, n: u8) -> Measured {
    contract::measured(&world.state, &entity_id(n)).expect("memory")
}

/// The members that attest emergencies in an epoch.
fn attesting(world: &World, epoch: u64) -> Vec<u8> {
    let epoch = Epoch::new(epoch);
    let lanes = contract::lanes(&world.state, epoch)
        .expect("memory")
        .expect("configured");
    let set = staking::set(&world.state, epoch)
        .expect("memory")
        .expect("recorded");
    let Verifiers::Chosen(seats) = &lanes.lane(Lane::Emergency).expect("a lane").verifiers else {
        panic!("the policy is exact");
    };
    let member = |seat: &_| number(&set.validator(*seat).expect("a seat").entity);
    let mut members: Vec<u8> = seats.iter().map(member).collect();
    members.sort_unstable();
    members
}

/// Latency is all that counts in the emergency lane.
fn urgent(world: &World) -> Change {
    Change::SetLane(LaneParameters {
        weights: LaneWeights {
            latency: 1,
            security: 0,
            cost: 0,
        },
        ..lane(world, Lane::Emergency)
    })
}

/// Responses of five members, as all of them say.
fn all_say(world: &World, epoch: u64, responses: [u32; 5]) -> Vec<(u8, Observed)> {
    let of: Vec<_> = (1u8..)
        .zip(responses)
        .map(|(n, us)| (n, Some(us), None))
        .collect();
    let said = said(world, epoch, &of);
    (1..=5).map(|n| (n, said.clone())).collect()
}

#[test]
fn a_value_is_the_median_of_what_the_others_said() {
    let mut world = world(&[1; 5]);
    world.advance_to(10);
    let says = |world: &World, us, kbps| said(world, 1, &[(3, Some(us), Some(kbps))]);
    let all = [
        (1, says(&world, 40, 8_000)),
        (2, says(&world, 10, 2_000)),
        (4, says(&world, 30, 6_000)),
        (5, says(&world, 20, 4_000)),
        // its own word
        (3, says(&world, 1, 100_000)),
    ];

    say_and_end(&mut world, &all);

    let expected = Measured {
        response_us: Some(20),
        rate_kbps: Some(4_000),
    };
    assert_eq!(measured(&world, 3), expected);
    assert_eq!(measured(&world, 1), Measured::default());
}

/// A quorum of five is four. Of one value it has spoken, of the other it has not: that one stays as it was.
#[test]
fn a_value_of_which_less_than_a_quorum_speaks_stays_as_it_was() {
    let mut world = world(&[1; 5]);
    world.advance_to(10);
    let both = said(&world, 1, &[(3, Some(500), Some(9_000))]);
    let first: Vec<_> = [1, 2, 4, 5].map(|n| (n, both.clone())).into();
    say_and_end(&mut world, &first);
    let other = said(&world, 2, &[(3, Some(700), Some(1))]);

    let second: Vec<_> = [1, 2, 3, 4].map(|n| (n, other.clone())).into();
    say_and_end(&mut world, &second);
    let kept = measured(&world, 3);
    let without = said(&world, 3, &[(3, Some(700), None)]);
    let other = said(&world, 3, &[(3, Some(700), Some(1))]);
    let third = [
        (1, without.clone()),
        (2, without),
        (4, other.clone()),
        (5, other),
    ];
    say_and_end(&mut world, &third);

    assert_eq!((kept.response_us, kept.rate_kbps), (Some(500), Some(9_000)));
    let moved = measured(&world, 3);
    assert_eq!(
        (moved.response_us, moved.rate_kbps),
        (Some(700), Some(9_000))
    );
}

/// The two nearest attest emergencies, from the epoch after the next on; when one of them becomes slow, another takes its place.
#[test]
fn a_seat_that_became_slow_attests_emergencies_no_more() {
    let mut world = world(&[1; 5]);
    let change = urgent(&world);
    world.enact(&[1, 2, 3, 4], change);
    world.advance_to(10);
    let quick = all_say(&world, 1, [3_000, 90_000, 2_000, 80_000, 250_000]);
    say_and_end(&mut world, &quick);
    let slow = all_say(&world, 2, [3_000, 90_000, 200_000, 80_000, 250_000]);
    say_and_end(&mut world, &slow);
    world.advance_to(40);

    let chosen: Vec<Vec<u8>> = (4..=6).map(|epoch| attesting(&world, epoch)).collect();

    // without reports about epochs 3 and 4 the values stay
    assert_eq!(chosen, [vec![1, 3], vec![1, 4], vec![1, 4]]);
}

#[test]
fn what_was_measured_of_a_member_that_retires_is_forgotten() {
    let mut world = world(&[1; 6]);
    assert_eq!(world.run(set_price(6, 9)), "ok");
    world.advance_to(10);
    let about = said(&world, 1, &[(6, Some(500), Some(9_000))]);
    let all: Vec<_> = (1..=5).map(|n| (n, about.clone())).collect();
    say_and_end(&mut world, &all);
    assert_eq!(measured(&world, 6).response_us, Some(500));
    let rows = |world: &World, member: &EntityId| {
        let of = |key: &[u8]| key.ends_with(member.as_bytes());
        let kept = world.state.0.keys();
        kept.filter(|key| key.contract == salus_primitives::calls::BLOCKCFG && of(&key.key))
            .count()
    };
    let member = entity_id(6);
    assert_eq!(rows(&world, &member), 2, "speed and price");
    // it still had a seat in epoch 2, and the others say how fast it was
    let about = said(&world, 2, &[(6, Some(600), Some(9_000))]);

    world.enact(&[1, 2, 3, 4, 5], Change::RetireMember { member });
    assert_eq!(rows(&world, &member), 0);
    let all: Vec<_> = (1..=5).map(|n| (n, about.clone())).collect();
    say_and_end(&mut world, &all);

    assert_eq!(rows(&world, &member), 0);
    assert_eq!(contract::price(&world.state, &member).expect("memory"), 1);
}

/// An old name, a new member: what others measured of the old one is not its.
#[test]
fn who_became_a_member_since_begins_with_what_is_assumed() {
    let mut world = world(&[1; 6]);
    world.advance_to(10);
    let member = entity_id(6);
    let admit = Change::AdmitMember {
        entity: member,
        keys: None,
        weight: 1,
    };
    let about = said(&world, 1, &[(6, Some(500), Some(9_000))]);
    world.enact(&[1, 2, 3, 4, 5], Change::RetireMember { member });
    world.enact(&[1, 2, 3, 4], admit);
    let all: Vec<_> = (1..=5).map(|n| (n, about.clone())).collect();

    let receipts: Vec<_> = all.iter().map(|(n, said)| observe(*n, said)).collect();
    world.block(&receipts);
    world.advance_to(20);

    assert_eq!(measured(&world, 6), Measured::default());
}

proptest! {
    /// Against brute force with one entry for each unit of weight; and liars of the faulty weight, whatever they say, move no value
    /// past what honest validators said.
    #[test]
    fn liars_move_no_value_past_what_honest_validators_said(
        weights in proptest::collection::vec(1u64..9, 4..9),
        honest in proptest::collection::vec((1u32..1_000_000, 1u32..1_000_000), 9),
        lies in proptest::collection::vec((
            proptest::option::of(1u32..=60_000_000),
            proptest::option::of(1u32..=100_000_000),
        ), 9),
        start in any::<prop::sample::Index>(),
    ) {
        let total: u64 = weights.iter().sum();
        prop_assume!(weights.iter().all(|weight| weight * 3 < total));
        let f = (total - 1) / 3;
        let mut world = world(&weights);
        let numbers: Vec<u8> = (1u8..).take(weights.len()).collect();
        let target = numbers[0];
        let weight_of = |n: u8| weights[usize::from(n) - 1];
        // the target itself lies too: that is no report, and costs the liars nothing
        let others = &numbers[1..];
        let mut left = f;
        let mut liars = vec![target];
        for at in 0..others.len() {
            let n = others[(start.index(others.len()) + at) % others.len()];
            if weight_of(n) <= left {
                left -= weight_of(n);
                liars.push(n);
            }
        }
        world.advance_to(10);
        let mut reports = Vec::new();
        let (mut responses, mut rates) = (Vec::new(), Vec::new());
        let mut honest_weight = 0;
        for n in &numbers {
            let at = usize::from(*n) - 1;
            let (response, rate) = if liars.contains(n) {
                lies[at]
            } else {
                honest_weight += weight_of(*n);
                (Some(honest[at].0), Some(honest[at].1))
            };
            reports.push((*n, said(&world, 1, &[(target, response, rate)])));
            if *n != target {
                let times = usize::try_from(weight_of(*n)).expect("small");
                responses.extend(std::iter::repeat_n(response, times).flatten());
                rates.extend(std::iter::repeat_n(rate, times).flatten());
            }
        }
        let median = |mut said: Vec<u32>| {
            said.sort_unstable();
            let quorum = usize::try_from(total - f).expect("small");
            (said.len() >= quorum).then(|| said[(said.len() - 1) / 2])
        };

        say_and_end(&mut world, &reports);

        let found = measured(&world, target);
        prop_assert_eq!(found.response_us, median(responses));
        prop_assert_eq!(found.rate_kbps, median(rates));
        let honest_said: Vec<(u32, u32)> = numbers
            .iter()
            .filter(|n| !liars.contains(n))
            .map(|n| honest[usize::from(*n) - 1])
            .collect();
        for (value, said) in [
            (found.response_us, honest_said.iter().map(|said| said.0).collect::<Vec<u32>>()),
            (found.rate_kbps, honest_said.iter().map(|said| said.1).collect()),
        ] {
            let (least, most) = (said.iter().min(), said.iter().max());
            prop_assert!(value.is_none() || (value.as_ref() >= least && value.as_ref() <= most));
            prop_assert!(value.is_some() || honest_weight < total - f, "honest ones are a quorum");
        }
    }
}
