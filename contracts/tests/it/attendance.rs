//! Who missed too many votes, by what validators saw of one another.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::genesis::GenesisMember;
use salus_contracts::native::staking::{
    self as contract, Absence, OBSERVED, PARTICIPATION_SET, StakingEvent,
};
use salus_primitives::calls::{
    Change, IdentityCall, Observed, ObservedSeat, Role, STAKING, StakingCall,
};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::SignedTransaction;
use salus_primitives::validators::SEATS_MAX;

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

fn inactive(world: &World) -> Vec<u8> {
    (1..=12)
        .filter(|n| world.member(*n).is_some_and(|m| m.inactive.is_some()))
        .collect()
}

/// In the first block of epoch 2, these say what they saw of epoch 1; then epoch 2 ends.
fn say_and_end(world: &mut World, said: &[(u8, Observed)]) {
    world.advance_to(10);
    let said: Vec<SignedTransaction> = said.iter().map(|(n, said)| observe(*n, said)).collect();
    for receipt in world.block(&said) {
        assert_eq!(reason(&receipt), "ok");
    }
    world.advance_to(20);
}

/// Epochs have ten blocks. A member that the others did not see in epoch 1 is inactive when epoch 2 ends, with what they saw,
/// and out of the set of epoch 4.
#[test]
fn who_voted_in_less_than_half_of_the_views_is_out_of_the_set_after_the_next() {
    for (votes, out) in [(5, false), (4, true)] {
        let mut world = world(&[2, 2, 2, 2, 2]);
        let said = observed(&world, 1, 10, &[(3, votes)]);
        let all: Vec<_> = [1, 2, 4, 5].map(|n| (n, said.clone())).into();

        say_and_end(&mut world, &all);

        let absence = Absence {
            epoch: Epoch::new(1),
            share_permille: 400,
        };
        let found = world.member(3).expect("a member").inactive;
        assert_eq!(found, out.then_some(absence));
        for (epoch, sits) in [(2, true), (3, true), (4, !out)] {
            let set = world.validators(epoch).expect("recorded");
            assert_eq!(set.contains(&(3, 2)), sits, "{votes} votes, epoch {epoch}");
        }
    }
}

/// It had a seat in the epoch of its return and the one before, and was away: that is settled. Later epochs count anew.
#[test]
fn a_member_that_returned_is_not_judged_for_what_came_before() {
    let mut world = world(&[2, 2, 2, 2, 2]);
    let say = |world: &mut World, epoch| {
        let said = observed(world, epoch, 10, &[(3, 0)]);
        let all: Vec<_> = [1, 2, 4, 5].map(|n| observe(n, &said)).into();
        let receipts = world.block(&all);
        assert!(receipts.iter().all(|receipt| reason(receipt) == "ok"));
    };
    world.advance_to(10);
    say(&mut world, 1);
    world.advance_to(20);
    assert_eq!(inactive(&world), [3]);
    // in epoch 3, of whose set it is one still
    assert_eq!(world.run(staking(3, &StakingCall::Return)), "ok");

    for epoch in [2, 3] {
        say(&mut world, epoch);
        world.advance_to(10 * (epoch + 1));
        assert_eq!(inactive(&world), [], "judged for epoch {epoch}");
    }
    let back = world.validators(5).expect("recorded");
    assert!(back.contains(&(3, 2)));
    world.advance_to(60);
    say(&mut world, 6);
    world.advance_to(70);

    assert_eq!(inactive(&world), [3]);
}

/// Without a quorum of the others nobody is judged; a seat's own word is no part of it.
#[test]
fn what_less_than_a_quorum_of_the_others_says_sets_nobody_inactive() {
    for (by, judged) in [
        (vec![1, 2, 4], true),
        (vec![1, 2, 3], false),
        (vec![1, 4], false),
    ] {
        let mut world = world(&[1, 1, 1, 1]);
        let said = observed(&world, 1, 10, &[(3, 0)]);
        let said: Vec<_> = by.iter().map(|n| (*n, said.clone())).collect();

        say_and_end(&mut world, &said);

        let expected: Vec<u8> = judged.then_some(3).into_iter().collect();
        assert_eq!(inactive(&world), expected, "{by:?}");
        assert_eq!(
            world.validators(4).expect("recorded").len(),
            4,
            "four go on"
        );
    }
}

/// More than may be faulty were seen too little: the network was at fault, and only those seen least are out.
#[test]
fn no_more_than_may_be_faulty_is_set_inactive_at_once() {
    // W = 10, f = 3
    let mut world = world(&[1; 10]);
    let away: Vec<(u8, u32)> = vec![(1, 4), (2, 1), (3, 2), (4, 3), (5, 0)];
    let said = observed(&world, 1, 10, &away);
    let all: Vec<_> = (1..=10).map(|n| (n, said.clone())).collect();

    say_and_end(&mut world, &all);

    assert_eq!(inactive(&world), [2, 3, 5]);
}

/// A newcomer under an old name: it was no member in the epoch that is judged.
#[test]
fn who_became_a_member_since_is_not_judged() {
    let mut world = world(&[2, 2, 2, 2, 2, 2]);
    world.advance_to(10);
    let member = entity_id(3);
    for change in [
        Change::RetireMember { member },
        Change::AdmitMember {
            entity: member,
            keys: None,
            weight: 1,
        },
    ] {
        let proposal = propose(1, change);
        let signed = [2, 4, 5, 6].map(|n| sign(n, &proposal));
        assert_eq!(world.run(proposal), "ok");
        world.block(&signed);
    }
    let newcomer = world.member(3).expect("a member again");
    assert!(newcomer.admitted_at.get() > 10);
    let said = observed(&world, 1, 10, &[(3, 0)]);
    let all = [1, 2, 4, 5, 6].map(|n| observe(n, &said));
    let receipts = world.block(&all);
    assert!(receipts.iter().all(|receipt| reason(receipt) == "ok"));

    world.advance_to(20);

    assert_eq!(inactive(&world), []);
}

/// What was said of an epoch is forgotten when the next one ends.
#[test]
fn reports_are_kept_for_one_epoch() {
    let mut world = world(&[2, 2, 2, 2, 2]);
    let kept = |world: &World| world.state.0.len();
    world.advance_to(10);
    let before = kept(&world);
    let said = observed(&world, 1, 10, &[]);
    for n in 1..=5 {
        assert_eq!(world.run(observe(n, &said)), "ok");
    }
    assert_eq!(kept(&world), before + 5);

    world.advance_to(20);

    assert_eq!(kept(&world), before + 2, "one more set and its lanes");
}

#[test]
fn governance_asks_another_share_of_votes() {
    for (percent, expected) in [(0, vec![]), (40, vec![]), (41, vec![3]), (66, vec![3])] {
        let mut world = world(&[2, 2, 2, 2, 2]);
        let change = Change::SetParticipation { percent };
        let proposal = propose(1, change);
        assert_eq!(world.run(proposal.clone()), "ok");
        assert_eq!(world.run(sign(2, &proposal)), "ok");
        assert_eq!(world.run(sign(4, &proposal)), "ok");
        let receipts = world.block(&[sign(5, &proposal)]);
        let event = receipts[0].events.last().expect("an event");
        assert_eq!((event.contract, event.topic), (STAKING, PARTICIPATION_SET));
        assert_eq!(
            codec::decode(event.data.as_slice(), 64),
            Ok(StakingEvent::ParticipationSet { percent })
        );
        assert_eq!(
            contract::participation(&world.state).expect("memory"),
            percent
        );
        let said = observed(&world, 1, 10, &[(3, 4)]);
        let all: Vec<_> = [1, 2, 4, 5].map(|n| (n, said.clone())).into();

        say_and_end(&mut world, &all);

        assert_eq!(inactive(&world), expected, "{percent}");
    }
}

#[test]
fn a_report_makes_itself_known() {
    let mut world = world(&[2, 2, 2, 2]);
    world.advance_to(10);
    let said = observed(&world, 1, 7, &[]);

    let receipts = world.block(&[observe(2, &said)]);

    let event = &receipts[0].events[0];
    assert_eq!((event.contract, event.topic), (STAKING, OBSERVED));
    assert_eq!(
        codec::decode(event.data.as_slice(), 64),
        Ok(StakingEvent::Observed {
            by: entity_id(2),
            epoch: Epoch::new(1),
            views: 7
        })
    );
}

/// A node runs unattended: whoever takes its key can report what is proven, and speak of what it saw, and nothing else.
#[test]
fn a_validators_key_says_what_a_node_says_by_itself_and_nothing_else() {
    let mut world = World::new();
    let proof = evidence(&world, 1, 3);
    let validator = |n: u8| n + 200;

    assert_eq!(
        world.run(register_device(validator(HOSPITAL), 21)),
        "not_an_entity"
    );
    let device = IdentityCall::RevokeDevice {
        device: device_id(21),
    };
    assert_eq!(
        world.run(identity(validator(HOSPITAL), &device)),
        "not_an_entity"
    );
    assert_eq!(world.run(reading(validator(HOSPITAL), 1)), "not_a_device");
    let mut elsewhere = report(validator(HOSPITAL), &proof);
    for lane in [Lane::Emergency, Lane::Monitoring, Lane::Bulk] {
        elsewhere.body.lane = lane;
        assert_eq!(world.run(elsewhere.clone()), "lane_not_allowed");
    }
    // a network key connects, and signs nothing
    assert_eq!(world.run(report(220 + HOSPITAL, &proof)), "unknown_sender");
    assert_eq!(world.run(report(validator(INSURER), &proof)), "ok");
}

/// Also where genesis lets no insurer into the routine lane.
#[test]
fn validators_of_every_role_may_speak() {
    let roles = [
        (1, Role::Hospital),
        (2, Role::Pharmacy),
        (3, Role::Insurer),
        (4, Role::Institute),
        (5, Role::Ministry),
    ];
    let members: Vec<GenesisMember> = roles.map(|(n, role)| member(n, role)).into();
    let mut policy = policy();
    for lane in &mut policy.lanes {
        lane.roles = vec![Role::Hospital];
    }
    let mut world = World::of(&members);
    world.state.apply(&salus_contracts::genesis::genesis_writes(
        &members,
        &parameters(),
        &policy,
        PARTICIPATION,
        "test",
    ));
    world.advance_to(10);
    let said = observed(&world, 1, 10, &[]);

    for n in 1..=5 {
        assert_eq!(world.run(observe(n, &said)), "ok", "{n}");
    }
}

/// The key of the epoch before still speaks of that epoch, an older one does not.
#[test]
fn a_validators_key_speaks_for_one_epoch_after_its_last() {
    let mut world = world(&[2, 2, 2, 2, 2]);
    let keys = salus_primitives::calls::ValidatorKeys {
        validator_key: key(150),
        network_key: key(151),
    };
    let member = entity_id(3);
    // the set of epoch 3 is the first with the new key
    world.enact(&[1, 2, 4, 5], Change::RotateKeys { member, keys });
    let by = |sender: u8, said: &Observed| {
        of_entity(3, staking(sender, &StakingCall::Observe(said.clone())))
    };

    world.advance_to(15);
    let said = observed(&world, 1, 10, &[]);
    assert_eq!(world.run(by(150, &said)), "unknown_sender");
    world.advance_to(25);
    let said = observed(&world, 2, 10, &[]);
    assert_eq!(world.run(by(203, &said)), "ok");
    assert_eq!(world.run(by(150, &said)), "already_observed");
    world.advance_to(35);
    let said = observed(&world, 3, 10, &[]);

    assert_eq!(world.run(by(203, &said)), "unknown_sender");
    assert_eq!(world.run(by(150, &said)), "ok");
}

/// As many seats as there can be: every report is within the limits of call and value, and so is the end of the epoch.
#[test]
fn the_largest_set_says_what_it_saw() {
    let members = many(SEATS_MAX);
    let mut world = World::with_seats(&members, 512);
    world.advance_to(10);
    let absent = members[7].entity;
    let set = contract::set(&world.state, Epoch::new(1))
        .expect("memory")
        .expect("recorded");
    let mut said = Observed {
        epoch: Epoch::new(1),
        views: 1_000,
        seats: vec![
            ObservedSeat {
                votes: 1_000,
                response_us: Some(20_000),
                rate_kbps: Some(50_000),
            };
            SEATS_MAX
        ],
    };
    said.seats[set.seat_of(&absent).expect("a validator").index()].votes = 499;
    let call = StakingCall::Observe(said);
    let all: Vec<SignedTransaction> = members
        .iter()
        .map(|member| {
            let mut transaction = staking(1, &call);
            transaction.body.sender = member.validator_key;
            transaction.body.entity = member.entity;
            transaction
        })
        .collect();

    let receipts = world.block(&all);
    world.advance_to(20);

    assert!(receipts.iter().all(|receipt| reason(receipt) == "ok"));
    let found = contract::member(&world.state, &absent).expect("memory");
    let absence = found.expect("a member").inactive.expect("inactive");
    assert_eq!(absence.share_permille, 499);
    let set = contract::set(&world.state, Epoch::new(4)).expect("memory");
    assert_eq!(set.expect("recorded").len(), SEATS_MAX - 1);
}

/// One entry for each unit of weight, sorted: the lower of the middle ones.
fn median(mut shares: Vec<u64>) -> u64 {
    shares.sort_unstable();
    shares[(shares.len() - 1) / 2]
}

fn sum(weights: &[u64]) -> u64 {
    weights.iter().sum()
}

proptest! {
    /// Against medians over one entry for each unit of weight, the quorum rule and the bound on who is set inactive at once.
    #[test]
    fn who_is_inactive_is_what_a_brute_force_says(
        weights in proptest::collection::vec(1u64..5, 4..8),
        said in proptest::collection::vec(proptest::option::weighted(0.9, proptest::collection::vec(0u32..=10, 8)), 8),
        percent in 1u64..=6,
    ) {
        let total = sum(&weights);
        prop_assume!(weights.iter().all(|weight| weight * 3 < total));
        let (f, count) = ((total - 1) / 3, weights.len());
        let mut world = world(&weights);
        let change = Change::SetParticipation { percent: u8::try_from(percent * 10).expect("small") };
        if percent != 5 {
            world.enact(&(1..=u8::try_from(count).expect("few")).collect::<Vec<_>>(), change);
        }
        // by the number of a member
        let set = world.validators(1).expect("recorded");
        let reports: Vec<(u8, Observed)> = set
            .iter()
            .zip(&said)
            .filter_map(|((n, _), said)| {
                let votes: Vec<(u8, u32)> = (1u8..).zip(said.clone()?).collect();
                Some((*n, observed(&world, 1, 10, &votes)))
            })
            .collect();
        let mut absent = Vec::new();
        for (n, weight) in &set {
            let seen: Vec<u64> = set
                .iter()
                .zip(&said)
                .filter(|((by, _), _)| by != n)
                .flat_map(|((_, weight), said)| {
                    let seen = said.as_ref().map(|said| u64::from(said[usize::from(*n) - 1]));
                    seen.into_iter().flat_map(move |seen| (0..*weight).map(move |_| seen))
                })
                .collect();
            if u64::try_from(seen.len()).expect("few") >= total - f {
                let share = median(seen);
                if share < percent {
                    absent.push((share, entity_id(*n), *n, *weight));
                }
            }
        }
        absent.sort_unstable();
        let mut left = f;
        let mut expected = Vec::new();
        for (_, _, n, weight) in absent {
            if weight > left {
                break;
            }
            left -= weight;
            expected.push(n);
        }
        expected.sort_unstable();

        say_and_end(&mut world, &reports);

        prop_assert_eq!(inactive(&world), expected);
    }

    /// Whatever liars of the faulty weight say, a seat that all honest ones saw enough stays, and one that none did goes.
    #[test]
    fn liars_move_no_seat_past_what_honest_validators_saw(
        weights in proptest::collection::vec(1u64..9, 4..9),
        honest in proptest::collection::vec(0u32..=4, 9),
        lies in proptest::collection::vec((1u32..=50, 0u32..=50), 9),
        present in any::<bool>(),
        order in any::<prop::sample::Index>(),
    ) {
        let total = sum(&weights);
        prop_assume!(weights.iter().all(|weight| weight * 3 < total));
        let mut world = world(&weights);
        let numbers: Vec<u8> = (1u8..).take(weights.len()).collect();
        let target = numbers[0];
        let mut left = (total - 1) / 3;
        let mut liars = Vec::new();
        let start = order.index(numbers.len() - 1);
        for at in 0..numbers.len() - 1 {
            let n = numbers[1 + (start + at) % (numbers.len() - 1)];
            let weight = weights[usize::from(n) - 1];
            if weight <= left {
                left -= weight;
                liars.push(n);
            }
        }
        let said: Vec<(u8, Observed)> = numbers
            .iter()
            .map(|n| {
                let at = usize::from(*n) - 1;
                let said = if liars.contains(n) {
                    let (views, votes) = lies[at];
                    observed(&world, 1, views.max(5), &[(target, votes.min(views.max(5)))])
                } else {
                    let votes = if present { 5 + honest[at] } else { honest[at] };
                    observed(&world, 1, 10, &[(target, votes)])
                };
                (*n, said)
            })
            .collect();

        say_and_end(&mut world, &said);

        prop_assert_eq!(inactive(&world).contains(&target), !present, "liars {:?}", liars);
    }

    /// A report of any shape is taken or refused, and never harms the end of the epoch.
    #[test]
    fn no_report_breaks_the_end_of_an_epoch(
        views in any::<u32>(),
        votes in proptest::collection::vec(any::<u32>(), 0..8),
        epoch in 0u64..4,
    ) {
        let mut world = world(&[1, 1, 1, 1]);
        world.advance_to(10);
        let seats = votes.iter().map(|votes| saw(*votes)).collect();
        let said = Observed { epoch: Epoch::new(epoch), views, seats };

        let blocks: Vec<_> = (1..=4).map(|n| observe(n, &said)).collect();
        world.block(&blocks);
        world.advance_to(20);

        prop_assert!(world.validators(4).is_some());
    }
}
