//! The codes of staking and governance: each is reached, and a failed call leaves nothing.

use crate::codes::weak;
use crate::world::*;
use salus_contracts::error::StableError;
use salus_contracts::genesis::GenesisMember;
use salus_contracts::native::blockcfg::BlockcfgError;
use salus_contracts::native::governance::GovernanceError;
use salus_contracts::native::staking::{MEMBERS_MAX, StakingError};
use salus_primitives::calls::{
    BLOCKCFG, BreakGlassRules, Change, Delegation, GOVERNANCE, GovernanceCall, Jurisdiction,
    Observed, Part, Role, STAKING, StakingCall, ValidatorKeys,
};
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::evidence::Evidence;
use salus_primitives::ids::{ContractId, Epoch, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    BlockModel, LaneParameters, LaneWeights, PRICE_MAX, RATE_KBPS_MAX, RESPONSE_US_MAX,
};
use salus_primitives::receipt::Outcome;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, TxId};
use salus_primitives::validators::WEIGHT_MAX;
use std::collections::BTreeSet;

const REVOKED: u8 = 12;
const CLINIC: u8 = 11;
const DEVICE: u8 = 21;

fn set_weight(n: u8, weight: u64) -> Change {
    Change::SetWeight {
        member: entity_id(n),
        weight,
    }
}

fn nth(mut transaction: SignedTransaction, nonce: u8) -> SignedTransaction {
    transaction.body.nonce = [nonce; 16];
    transaction
}

/// Proposed by 2 before anything else: long expired.
fn expired() -> SignedTransaction {
    nth(propose(2, set_weight(1, 9)), 77)
}

/// Proposed by 1.
fn open() -> SignedTransaction {
    nth(propose(1, set_weight(2, 9)), 78)
}

/// Members 1 to 8 of weight 10, of whom 8 stepped down and withdrew, 2 is jailed, 3 was and is released, and 7 has retired. In
/// epoch 5.
fn prepared() -> World {
    let mut members: Vec<GenesisMember> = (1..=8)
        .map(|n| GenesisMember {
            weight: 10,
            ..member(n, Role::Hospital)
        })
        .collect();
    members[0].role = Role::Ministry;
    let mut world = World::with_seats(&members, 8);
    let mut ok = |transaction| assert_eq!(world.run(transaction), "ok");
    ok(expired());
    ok(register_entity(1, CLINIC, Role::Hospital));
    ok(register_entity(1, REVOKED, Role::Hospital));
    ok(revoke_entity(1, REVOKED));
    ok(register_device(2, DEVICE));
    ok(staking(8, &StakingCall::StepDown));
    ok(staking(8, &StakingCall::Withdraw));
    world.advance_to(22);
    for n in [2, 3] {
        let evidence = evidence(&world, 3, n);
        assert_eq!(world.run(report(1, &evidence)), "ok");
    }
    let member = entity_id(3);
    world.enact(&[1, 2, 4, 5, 6, 7], Change::Release { member });
    let member = entity_id(7);
    world.enact(&[1, 2, 3, 4, 5, 6], Change::RetireMember { member });
    assert_eq!(world.run(open()), "ok");
    for n in 0..4 {
        assert_eq!(world.run(nth(propose(4, set_weight(5, 9)), n)), "ok");
    }
    assert_eq!(world.run(observe(5, &said(&world))), "ok");
    world
}

/// What a validator can say of the epoch before the present one.
fn said(world: &World) -> Observed {
    let epoch = parameters().epoch_at(world.next().height);
    observed(world, epoch.get() - 1, 10, &[])
}

/// As many members as there can be, of weight 1, the ministry among them, and an entity that is none.
fn full() -> World {
    let members: Vec<GenesisMember> = many(MEMBERS_MAX)
        .into_iter()
        .skip(1)
        .chain([member(MINISTRY, Role::Ministry)])
        .collect();
    let mut world = World::of(&members);
    assert_eq!(
        world.run(register_entity(MINISTRY, CLINIC, Role::Hospital)),
        "ok"
    );
    world
}

fn statement(epoch: u64, view: u64) -> Statement {
    Statement::Nullify {
        epoch: Epoch::new(epoch),
        view: View::new(view),
    }
}

fn votes(one: Statement, other: Statement) -> Evidence {
    let sign = |statement| Signed::sign(statement, GENESIS, &secret(201).signer()).into_signed();
    Evidence::new(Seat::new(0), sign(one), sign(other))
}

fn admit(n: u8, keys: Option<ValidatorKeys>) -> Change {
    Change::AdmitMember {
        entity: entity_id(n),
        keys,
        weight: 5,
    }
}

fn keys(validator_key: PublicKey, network_key: PublicKey) -> ValidatorKeys {
    ValidatorKeys {
        validator_key,
        network_key,
    }
}

fn rotate_keys(n: u8, keys: ValidatorKeys) -> Change {
    let member = entity_id(n);
    Change::RotateKeys { member, keys }
}

fn parts(parts: Vec<Part>) -> SignedTransaction {
    staking(2, &StakingCall::Delegate(Delegation::Parts(parts)))
}

fn part(n: u8, weight: u64) -> Part {
    Part {
        candidate: entity_id(n),
        weight,
    }
}

fn staking_cases(world: &World) -> Vec<(&'static str, SignedTransaction)> {
    let mut descending = vec![part(1, 1), part(3, 1)];
    descending.sort_unstable_by_key(|part| std::cmp::Reverse(part.candidate));
    let many = (1..=33).map(|n| part(n, 1)).collect::<Vec<_>>();
    let mut ascending = many;
    ascending.sort_unstable_by_key(|part| part.candidate);
    let good = evidence(world, 3, 4);
    let mut reversed = good.clone();
    std::mem::swap(&mut reversed.first, &mut reversed.second);
    let mut no_seat = good.clone();
    no_seat.seat = Seat::new(9);
    let mut other_seat = good.clone();
    other_seat.seat = evidence(world, 3, 5).seat;
    let unknown = |epoch| {
        let mut evidence = good.clone();
        for (vote, block) in [(&mut evidence.first, 1), (&mut evidence.second, 2)] {
            vote.body = Statement::Notarize {
                epoch: Epoch::new(epoch),
                view: View::new(1),
                block: salus_primitives::ids::BlockId([block; 32]),
            };
        }
        evidence
    };
    let said = said(world);
    let other = |change: &dyn Fn(&mut Observed)| {
        let mut said = said.clone();
        change(&mut said);
        observe(4, &said)
    };
    vec![
        (
            "not_an_entity",
            of_entity(2, staking(DEVICE, &StakingCall::Stand)),
        ),
        ("not_an_entity", staking(201, &StakingCall::Stand)),
        (
            "not_a_validator",
            staking(1, &StakingCall::Observe(said.clone())),
        ),
        (
            "not_a_validator",
            of_entity(2, staking(DEVICE, &StakingCall::Observe(said.clone()))),
        ),
        (
            "not_the_epoch_before",
            other(&|said| said.epoch = said.epoch.next()),
        ),
        (
            "not_the_epoch_before",
            other(&|said| said.epoch = Epoch::new(said.epoch.get() - 1)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats.truncate(3)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats.truncate(said.seats.len() - 1)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats = vec![saw(0); 513]),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats[1].votes = 11),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats[0].response_us = Some(0)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats[2].response_us = Some(RESPONSE_US_MAX + 1)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats[1].rate_kbps = Some(0)),
        ),
        (
            "malformed_observation",
            other(&|said| said.seats[0].rate_kbps = Some(RATE_KBPS_MAX + 1)),
        ),
        (
            "too_few_views",
            other(&|said| {
                said.views = 4;
                said.seats.iter_mut().for_each(|seat| seat.votes = 4);
            }),
        ),
        ("already_observed", observe(5, &said)),
        ("not_an_entity", of_entity(2, delegate_whole(DEVICE, 1))),
        ("not_a_member", staking(CLINIC, &StakingCall::Stand)),
        ("not_a_member", staking(7, &StakingCall::Return)),
        ("not_a_member", delegate_whole(7, 1)),
        ("already_standing", staking(1, &StakingCall::Stand)),
        ("not_standing", staking(8, &StakingCall::StepDown)),
        ("malformed_parts", parts(vec![])),
        ("malformed_parts", parts(vec![part(1, 0)])),
        ("malformed_parts", parts(vec![part(1, 1), part(1, 1)])),
        ("malformed_parts", parts(descending)),
        ("malformed_parts", parts(ascending)),
        ("not_enough_weight", delegate_parts(2, &[(1, 11)])),
        ("not_enough_weight", delegate_parts(2, &[(1, 10), (3, 1)])),
        (
            "not_enough_weight",
            delegate_parts(2, &[(1, u64::MAX), (3, u64::MAX)]),
        ),
        ("not_a_candidate", delegate_whole(2, 8)),
        ("not_a_candidate", delegate_whole(2, 7)),
        ("not_a_candidate", delegate_parts(2, &[(1, 1), (CLINIC, 1)])),
        ("nothing_delegated", staking(8, &StakingCall::Withdraw)),
        ("not_inactive", staking(1, &StakingCall::Return)),
        (
            "evidence_of_two_epochs",
            report(1, &votes(statement(1, 1), statement(2, 1))),
        ),
        ("evidence_out_of_order", report(1, &reversed)),
        (
            "no_conflict",
            report(1, &votes(statement(1, 1), statement(1, 2))),
        ),
        ("unknown_epoch", report(1, &unknown(0))),
        ("unknown_epoch", report(1, &unknown(7))),
        ("unknown_seat", report(1, &no_seat)),
        ("bad_vote_signature", report(1, &other_seat)),
        ("offence_known", report(1, &evidence(world, 3, 2))),
        ("offence_answered", report(1, &evidence(world, 2, 3))),
    ]
}

fn governance_cases(world: &World) -> Vec<(&'static str, SignedTransaction)> {
    let change = |change| propose(1, change);
    let set_lane = |name: Lane, change: &dyn Fn(&mut LaneParameters)| {
        let mut parameters = lane(world, name);
        change(&mut parameters);
        propose(1, Change::SetLane(parameters))
    };
    let set_model = |change: &dyn Fn(&mut BlockModel)| {
        let mut model = policy().model;
        change(&mut model);
        propose(1, Change::SetModel(model))
    };
    let fresh = keys(key(150), key(151));
    vec![
        (
            "not_an_entity",
            of_entity(2, propose(DEVICE, set_weight(1, 9))),
        ),
        ("not_an_entity", of_entity(2, sign(DEVICE, &open()))),
        ("not_an_entity", sign(201, &open())),
        (
            "participation_out_of_bounds",
            change(Change::SetParticipation { percent: 67 }),
        ),
        (
            "break_glass_out_of_bounds",
            change(Change::SetBreakGlass {
                jurisdiction: Jurisdiction::DEFAULT,
                rules: BreakGlassRules {
                    minutes: 10_081,
                    ..BreakGlassRules::DEFAULT
                },
            }),
        ),
        (
            "bad_jurisdiction",
            change(Change::SetBreakGlass {
                jurisdiction: Jurisdiction([0; 8]),
                rules: BreakGlassRules::DEFAULT,
            }),
        ),
        (
            "nothing_changes",
            change(Change::SetBreakGlass {
                jurisdiction: Jurisdiction::DEFAULT,
                rules: BreakGlassRules::DEFAULT,
            }),
        ),
        (
            "bad_jurisdiction",
            change(Change::AssignJurisdiction {
                entity: entity_id(1),
                jurisdiction: Jurisdiction(*b"de\0\0\0\0\0\0"),
            }),
        ),
        (
            "nothing_changes",
            change(Change::AssignJurisdiction {
                entity: entity_id(1),
                jurisdiction: Jurisdiction::DEFAULT,
            }),
        ),
        (
            "unknown_entity",
            change(Change::AssignJurisdiction {
                entity: entity_id(77),
                jurisdiction: Jurisdiction::DEFAULT,
            }),
        ),
        (
            "nothing_changes",
            change(Change::SetParticipation {
                percent: PARTICIPATION,
            }),
        ),
        ("not_a_member", propose(CLINIC, set_weight(1, 9))),
        ("not_a_member", sign(7, &open())),
        (
            "unknown_proposal",
            transaction(
                1,
                Lane::Routine,
                Call::new(GOVERNANCE, &GovernanceCall::Sign(TxId([5; 32]))),
            ),
        ),
        ("proposal_expired", sign(1, &expired())),
        ("already_signed", sign(1, &open())),
        ("too_many_proposals", propose(4, set_weight(5, 9))),
        ("unknown_member", change(set_weight(CLINIC, 1))),
        ("unknown_member", change(rotate_keys(7, fresh))),
        (
            "unknown_member",
            change(Change::RetireMember {
                member: entity_id(7),
            }),
        ),
        (
            "unknown_member",
            change(Change::Release {
                member: entity_id(99),
            }),
        ),
        ("already_a_member", change(admit(2, None))),
        ("unknown_entity", change(admit(99, None))),
        ("entity_already_revoked", change(admit(REVOKED, None))),
        ("member_too_heavy", change(set_weight(1, 30))),
        ("too_much_weight", change(set_weight(1, WEIGHT_MAX))),
        ("too_much_weight", change(set_weight(1, u64::MAX))),
        ("key_in_use", change(rotate_keys(1, keys(key(2), key(151))))),
        (
            "key_in_use",
            change(rotate_keys(1, keys(key(150), key(DEVICE)))),
        ),
        (
            "key_in_use",
            change(rotate_keys(1, keys(key(150), key(150)))),
        ),
        ("key_in_use", change(admit(CLINIC, Some(validator_keys(7))))),
        (
            "bad_key",
            change(admit(CLINIC, Some(keys(weak(), key(150))))),
        ),
        ("bad_key", change(rotate_keys(1, keys(key(150), weak())))),
        (
            "not_jailed",
            change(Change::Release {
                member: entity_id(3),
            }),
        ),
        ("nothing_changes", change(set_weight(1, 10))),
        ("nothing_changes", change(rotate_keys(1, validator_keys(1)))),
        ("nothing_changes", set_lane(Lane::Bulk, &|_| ())),
        ("nothing_changes", set_model(&|_| ())),
        (
            "policy_out_of_bounds",
            set_lane(Lane::Bulk, &|lane| lane.max_verifiers = 0),
        ),
        (
            "policy_out_of_bounds",
            set_lane(Lane::Bulk, &|lane| lane.max_verifiers = 513),
        ),
        (
            "policy_out_of_bounds",
            set_lane(Lane::Bulk, &|lane| lane.min_verifiers = 3),
        ),
        (
            "policy_out_of_bounds",
            set_lane(Lane::Bulk, &|lane| lane.reserved_percent = 51),
        ),
        (
            "policy_out_of_bounds",
            set_model(&|model| model.security_exponent = 1),
        ),
        (
            "policy_out_of_bounds",
            set_model(&|model| model.response_us = 0),
        ),
        (
            "policy_out_of_bounds",
            set_model(&|model| model.rate_kbps = RATE_KBPS_MAX + 1),
        ),
        (
            "lane_without_weights",
            set_lane(Lane::Bulk, &|lane| {
                lane.weights = LaneWeights {
                    latency: 0,
                    security: 0,
                    cost: 0,
                };
            }),
        ),
        (
            "lane_without_roles",
            set_lane(Lane::Emergency, &|lane| lane.roles.clear()),
        ),
        (
            "roles_out_of_order",
            set_lane(Lane::Bulk, &|lane| lane.roles.reverse()),
        ),
        (
            "roles_out_of_order",
            set_lane(Lane::Bulk, &|lane| lane.roles.push(Role::Ministry)),
        ),
        (
            "roles_narrow",
            set_lane(Lane::Bulk, &|lane| lane.roles = vec![Role::Hospital]),
        ),
        (
            "quota_of_lowest",
            set_lane(Lane::Bulk, &|lane| lane.quota = 1),
        ),
        // eight validators report, and epochs have ten blocks
        (
            "no_room_for_reports",
            set_lane(Lane::Routine, &|lane| lane.min_transactions = 1),
        ),
    ]
}

/// Checks that a transaction is refused for this reason and leaves nothing; says by whom.
fn expect(world: &World, expected: &str, transaction: &SignedTransaction) -> ContractId {
    let outcome = world.outcome(std::slice::from_ref(transaction));
    let receipt = &outcome.receipts[0];
    assert_eq!(reason(receipt), expected, "{transaction:?}");
    assert!(outcome.writes.0.is_empty(), "{expected}");
    assert!(receipt.events.is_empty(), "{expected}");
    if let Err(refusal) = world.check(transaction) {
        assert_eq!(refusal.reason, expected, "the check agrees");
    }
    match receipt.outcome {
        Outcome::Failed { contract, .. } => contract,
        Outcome::Ok => panic!("{expected}"),
    }
}

fn names<E: StableError>() -> BTreeSet<&'static str> {
    E::ALL.iter().map(|error| error.reason()).collect()
}

#[test]
fn every_code_of_staking_is_reached_and_leaves_nothing() {
    let world = prepared();
    let mut seen = BTreeSet::new();

    for (expected, transaction) in staking_cases(&world) {
        assert_eq!(expect(&world, expected, &transaction), STAKING);
        seen.insert(expected);
    }
    // the seventh retired after it had a seat
    let retired = evidence(&world, 1, 7);
    expect(&world, "offender_retired", &report(1, &retired));
    seen.insert("offender_retired");
    // the sixth has a seat from epoch 3 on, and speaks of epoch 2
    let mut late = World::weighing(&[3, 3, 3, 3, 3, 2]);
    assert_eq!(late.run(delegate_whole(5, 6)), "ok");
    late.advance_to(20);
    expect(&late, "no_seat", &observe(6, &self::said(&late)));
    seen.insert("no_seat");

    assert_eq!(seen, names::<StakingError>());
}

#[test]
fn every_code_of_block_configuration_is_reached_and_leaves_nothing() {
    let mut world = prepared();
    assert_eq!(world.run(set_price(1, 7)), "ok");
    let cases = [
        ("not_an_entity", of_entity(2, set_price(DEVICE, 2))),
        ("not_an_entity", set_price(201, 2)),
        ("not_a_member", set_price(CLINIC, 2)),
        ("not_a_member", set_price(7, 2)),
        ("price_out_of_bounds", set_price(2, 0)),
        ("price_out_of_bounds", set_price(2, PRICE_MAX + 1)),
        ("nothing_changes", set_price(1, 7)),
        ("nothing_changes", set_price(2, 1)),
    ];
    let mut seen = BTreeSet::new();

    for (expected, transaction) in cases {
        assert_eq!(expect(&world, expected, &transaction), BLOCKCFG);
        seen.insert(expected);
    }

    assert_eq!(seen, names::<BlockcfgError>());
}

#[test]
fn every_code_of_governance_is_reached_and_leaves_nothing() {
    let world = prepared();
    let mut seen = BTreeSet::new();

    for (expected, transaction) in governance_cases(&world) {
        assert_eq!(expect(&world, expected, &transaction), GOVERNANCE);
        seen.insert(expected);
    }
    let four = World::weighing(&[1; 4]);
    for change in [
        set_weight(4, 0),
        Change::RetireMember {
            member: entity_id(4),
        },
    ] {
        expect(&four, "too_few_members", &propose(1, change));
    }
    seen.insert("too_few_members");
    let full = full();
    expect(
        &full,
        "too_many_members",
        &propose(MINISTRY, admit(CLINIC, None)),
    );
    seen.insert("too_many_members");

    assert_eq!(seen, names::<GovernanceError>());
}

/// With as many members as there can be, a passing proposal and an election stay within the limits of call and value.
#[test]
fn the_largest_chain_can_still_change() {
    let mut world = full();
    assert_eq!(
        world.run(propose(
            MINISTRY,
            Change::SetWeight {
                member: entity_id(MINISTRY),
                weight: 2
            }
        )),
        "ok"
    );
    world.advance_to(10);

    let set = salus_contracts::native::staking::set(&world.state, Epoch::new(3));
    assert_eq!(set.expect("memory").expect("recorded").len(), 5);
    assert_eq!(world.next().height, Height::new(11));
}
