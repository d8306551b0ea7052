//! Codes are part of the protocol: each is reached, and none ever changes.

use crate::world::*;
use salus_contracts::error::StableError;
use salus_contracts::executor::ExecutorError;
use salus_contracts::native::identity::IdentityError;
use salus_contracts::native::records::RecordsError;
use salus_contracts::registry::reason_name;
use salus_primitives::calls::{IdentityCall, Role};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::{KeyError, PublicKey};
use salus_primitives::ids::ContractId;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::SignedTransaction;
use std::collections::BTreeSet;

/// Entities 11 (clinic) and 12 (closed), devices 21 (in use), 22 (revoked), 23 (rotated to key 33), 24 (of the closed
/// clinic) and 25 (the pharmacy's).
fn prepared() -> World {
    let mut world = World::new();
    for transaction in [
        register_entity(MINISTRY, 11, Role::Hospital),
        register_entity(MINISTRY, 12, Role::Hospital),
        register_device(HOSPITAL, 21),
        register_device(HOSPITAL, 22),
        revoke_device(HOSPITAL, 22),
        register_device(HOSPITAL, 23),
        rotate(HOSPITAL, 23, 33),
        register_device(12, 24),
        revoke_entity(MINISTRY, 12),
        register_device(PHARMACY, 25),
    ] {
        assert_eq!(world.run(transaction), "ok");
    }
    world
}

fn entity_with(key: PublicKey, exchange_key: ExchangePublic) -> SignedTransaction {
    let call = IdentityCall::RegisterEntity {
        name: "new".into(),
        role: Role::Insurer,
        key,
        exchange_key,
    };
    identity(MINISTRY, &call)
}

fn entity_named(name: &str) -> SignedTransaction {
    let call = IdentityCall::RegisterEntity {
        name: name.into(),
        role: Role::Insurer,
        key: key(60),
        exchange_key: exchange_key(60),
    };
    identity(MINISTRY, &call)
}

pub(crate) fn weak() -> PublicKey {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    PublicKey(bytes)
}

/// The identity, encoded with a coordinate that is not reduced.
fn not_canonical() -> PublicKey {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xee;
    bytes[31] = 0x7f;
    PublicKey(bytes)
}

fn not_a_point() -> PublicKey {
    (0..=255)
        .map(|n| PublicKey([n; 32]))
        .find(|key| matches!(key.check(), Err(KeyError::NotAPoint(_))))
        .expect("about every second string is no point")
}

fn of_odd_length(device: u8) -> SignedTransaction {
    let mut reading = sealed(device, 1);
    reading.envelope.ciphertext = Blob(vec![0; 300]);
    submit(device, Lane::Routine, reading)
}

fn cases() -> Vec<(&'static str, SignedTransaction)> {
    vec![
        ("unknown_sender", reading(99, 1)),
        // a validator's network key signs no transactions, and its voting key none of these
        ("unknown_sender", register_device(HOSPITAL + 220, 50)),
        ("not_an_entity", register_device(HOSPITAL + 200, 50)),
        ("device_revoked", reading(22, 1)),
        ("entity_revoked", register_device(12, 50)),
        ("entity_revoked", reading(24, 1)),
        ("key_rotated", reading(23, 1)),
        (
            "lane_not_allowed",
            of_entity(PHARMACY, submit(25, Lane::Emergency, sealed(25, 1))),
        ),
        ("wrong_entity", of_entity(PHARMACY, reading(21, 1))),
        (
            "wrong_entity",
            of_entity(PHARMACY, raw(HOSPITAL, 1, vec![])),
        ),
        (
            "wrong_entity",
            of_entity(PHARMACY, register_device(HOSPITAL + 200, 50)),
        ),
        ("unknown_contract", raw(HOSPITAL, 0, vec![])),
        ("unknown_contract", raw(HOSPITAL, 77, vec![])),
        ("undecodable_call", raw(HOSPITAL, 1, vec![0xff; 9])),
        ("undecodable_call", raw(HOSPITAL, 2, vec![0; 4])),
        ("not_an_entity", register_device(21, 50)),
        (
            "not_a_ministry",
            register_entity(HOSPITAL, 50, Role::Insurer),
        ),
        ("not_a_ministry", revoke_entity(INSURER, 11)),
        (
            "role_not_grantable",
            register_entity(MINISTRY, 50, Role::Ministry),
        ),
        ("bad_name", entity_named("Clinic")),
        ("bad_name", entity_named("")),
        (
            "entity_exists",
            register_entity(MINISTRY, 11, Role::Hospital),
        ),
        (
            "entity_exists",
            register_entity(MINISTRY, 12, Role::Hospital),
        ),
        ("unknown_entity", revoke_entity(MINISTRY, 50)),
        ("entity_already_revoked", revoke_entity(MINISTRY, 12)),
        ("entity_is_member", revoke_entity(MINISTRY, HOSPITAL)),
        ("entity_is_member", revoke_entity(MINISTRY, MINISTRY)),
        ("role_runs_no_devices", register_device(INSURER, 50)),
        ("role_runs_no_devices", register_device(MINISTRY, 50)),
        ("device_exists", register_device(PHARMACY, 21)),
        ("device_exists", register_device(HOSPITAL, 22)),
        ("unknown_device", revoke_device(HOSPITAL, 50)),
        ("unknown_device", rotate(HOSPITAL, 50, 51)),
        ("device_already_revoked", revoke_device(HOSPITAL, 22)),
        ("device_already_revoked", rotate(HOSPITAL, 22, 51)),
        ("not_the_owner", revoke_device(PHARMACY, 21)),
        ("not_the_owner", rotate(MINISTRY, 21, 51)),
        ("key_in_use", entity_with(key(HOSPITAL), exchange_key(60))),
        // a validator's key, a rotated key and a revoked one are taken for good
        (
            "key_in_use",
            entity_with(key(HOSPITAL + 220), exchange_key(60)),
        ),
        ("key_in_use", rotate(HOSPITAL, 21, 23)),
        ("key_in_use", rotate(HOSPITAL, 21, 22)),
        ("key_in_use", rotate(HOSPITAL, 21, 21)),
        (
            "key_not_a_point",
            entity_with(not_a_point(), exchange_key(60)),
        ),
        (
            "key_not_canonical",
            entity_with(not_canonical(), exchange_key(60)),
        ),
        ("key_weak", entity_with(weak(), exchange_key(60))),
        (
            "bad_exchange_key",
            entity_with(key(60), ExchangePublic([0; 32])),
        ),
        (
            "not_a_device",
            submit(HOSPITAL, Lane::Routine, sealed(21, 1)),
        ),
        ("other_device", submit(21, Lane::Routine, sealed(25, 1))),
        ("bad_size_class", of_odd_length(21)),
    ]
}

#[test]
fn every_code_is_reached_and_leaves_no_writes_and_no_events() {
    let world = prepared();
    let mut seen = BTreeSet::new();

    for (expected, transaction) in cases() {
        let outcome = world.outcome(std::slice::from_ref(&transaction));

        let receipt = &outcome.receipts[0];
        assert_eq!(reason(receipt), expected, "{transaction:?}");
        assert!(outcome.writes.0.is_empty(), "{expected}");
        assert!(receipt.events.is_empty(), "{expected}");
        assert_eq!(receipt.transaction, transaction.body.id());
        assert_eq!(receipt.lane, transaction.body.lane);
        seen.insert(expected);
    }

    seen.extend(crate::codes_of_people::reached());
    // the limits are reached in `executor.rs`, with a contract that is made for it
    let limits = [
        "too_many_reads",
        "too_many_writes",
        "too_many_bytes",
        "too_many_events",
    ];
    let all: BTreeSet<_> = names::<ExecutorError>()
        .chain(names::<IdentityError>())
        .chain(names::<RecordsError>())
        .filter(|name| !limits.contains(name))
        .collect();
    assert_eq!(seen, all);
}

fn names<E: StableError>() -> impl Iterator<Item = &'static str> {
    E::ALL.iter().map(|error| error.reason())
}

/// What admission can see without executing, it refuses with the code that execution would give.
#[test]
fn the_check_before_admission_agrees_with_execution() {
    let world = prepared();
    let mut refused = 0;

    for (expected, transaction) in cases() {
        if let Err(refusal) = world.check(&transaction) {
            assert_eq!(refusal.reason, expected);
            assert_eq!(
                reason_name(refusal.contract, refusal.code),
                Some(refusal.reason)
            );
            refused += 1;
        }
    }

    assert!(refused > 20, "only {refused} refusals");
    assert_eq!(world.check(&reading(21, 1)), Ok(()));
    assert_eq!(world.check(&register_device(HOSPITAL, 50)), Ok(()));
}

/// Receipts, metrics and clients hold these numbers and names: a change is a fork.
#[test]
fn codes_and_names_are_pinned() {
    let table = |contract: u16| -> Vec<(u16, &str)> {
        (0..100)
            .filter_map(|code| Some((code, reason_name(ContractId::new(contract), code)?)))
            .collect()
    };

    assert_eq!(
        table(0),
        [
            (1, "unknown_sender"),
            (2, "device_revoked"),
            (3, "entity_revoked"),
            (4, "key_rotated"),
            (5, "lane_not_allowed"),
            (6, "unknown_contract"),
            (7, "undecodable_call"),
            (8, "too_many_reads"),
            (9, "too_many_writes"),
            (10, "too_many_bytes"),
            (11, "too_many_events"),
            (12, "wrong_entity"),
            (13, "practitioner_revoked"),
            (14, "key_not_yet_valid"),
        ]
    );
    assert_eq!(
        table(1),
        [
            (1, "not_an_entity"),
            (2, "not_a_ministry"),
            (3, "role_not_grantable"),
            (4, "bad_name"),
            (5, "entity_exists"),
            (6, "unknown_entity"),
            (7, "entity_already_revoked"),
            (8, "entity_is_member"),
            (9, "role_runs_no_devices"),
            (10, "device_exists"),
            (11, "unknown_device"),
            (12, "device_already_revoked"),
            (13, "not_the_owner"),
            (14, "key_in_use"),
            (15, "key_not_a_point"),
            (16, "key_not_canonical"),
            (17, "key_weak"),
            (18, "bad_exchange_key"),
            (19, "batch_out_of_bounds"),
            (20, "devices_out_of_order"),
            (21, "model_revoked"),
            (22, "unknown_model"),
            (23, "model_already_revoked"),
            (24, "height_not_ahead"),
            (25, "practitioner_exists"),
            (26, "unknown_practitioner"),
            (27, "practitioner_already_revoked"),
            (28, "not_the_employer"),
            (29, "person_exists"),
            (30, "unknown_person"),
            (31, "not_a_person"),
            (32, "person_is_minor"),
            (33, "person_is_of_age"),
            (34, "person_has_keys"),
            (35, "custodians_out_of_bounds"),
            (36, "custodians_out_of_order"),
            (37, "not_a_custodian"),
            (38, "too_many_custodians"),
            (39, "unsuitable_representative"),
            (40, "representation_exists"),
            (41, "too_many_representatives"),
            (42, "no_representation"),
            (43, "not_the_appointer"),
            (44, "time_not_ahead"),
            (45, "merge_with_itself"),
            (46, "already_merged"),
            (47, "merge_chained"),
            (48, "too_many_merged"),
            (49, "already_assented"),
            (50, "not_merged"),
            (51, "nothing_changes"),
            (52, "too_many_registered"),
        ]
    );
    assert_eq!(
        table(2),
        [
            (1, "not_an_entity"),
            (2, "not_a_member"),
            (3, "price_out_of_bounds"),
            (4, "nothing_changes"),
        ]
    );
    assert_eq!(
        table(3),
        [
            (1, "not_a_device"),
            (2, "other_device"),
            (3, "bad_size_class"),
        ]
    );
    assert_eq!(
        table(4),
        [
            (1, "not_an_entity"),
            (2, "not_a_member"),
            (3, "already_standing"),
            (4, "not_standing"),
            (5, "malformed_parts"),
            (6, "not_enough_weight"),
            (7, "not_a_candidate"),
            (8, "nothing_delegated"),
            (9, "not_inactive"),
            (10, "evidence_of_two_epochs"),
            (11, "evidence_out_of_order"),
            (12, "no_conflict"),
            (13, "unknown_epoch"),
            (14, "unknown_seat"),
            (15, "bad_vote_signature"),
            (16, "offence_known"),
            (17, "offence_answered"),
            (18, "offender_retired"),
            (19, "not_a_validator"),
            (20, "no_seat"),
            (21, "not_the_epoch_before"),
            (22, "malformed_observation"),
            (23, "too_few_views"),
            (24, "already_observed"),
        ]
    );
    assert_eq!(
        table(5),
        [
            (1, "not_an_entity"),
            (2, "not_a_member"),
            (3, "unknown_proposal"),
            (4, "proposal_expired"),
            (5, "already_signed"),
            (6, "too_many_proposals"),
            (7, "unknown_member"),
            (8, "already_a_member"),
            (9, "unknown_entity"),
            (10, "entity_already_revoked"),
            (11, "too_few_members"),
            (12, "member_too_heavy"),
            (13, "too_much_weight"),
            (14, "too_many_members"),
            (15, "key_in_use"),
            (16, "bad_key"),
            (17, "not_jailed"),
            (18, "nothing_changes"),
            (19, "participation_out_of_bounds"),
            (20, "policy_out_of_bounds"),
            (21, "lane_without_weights"),
            (22, "lane_without_roles"),
            (23, "roles_out_of_order"),
            (24, "roles_narrow"),
            (25, "quota_of_lowest"),
            (26, "no_room_for_reports"),
            (27, "break_glass_out_of_bounds"),
            (28, "bad_jurisdiction"),
        ]
    );
    assert_eq!(
        table(6),
        [
            (1, "not_a_person"),
            (2, "not_the_patients_side"),
            (3, "bad_categories"),
            (4, "bad_purposes"),
            (5, "bad_extent"),
            (6, "bad_window"),
            (7, "grant_to_everybody"),
            (8, "not_by_name"),
            (9, "agreement_for_a_person"),
            (10, "research_needs_agreement"),
            (11, "denial_rests_on_nothing"),
            (12, "unknown_agreement"),
            (13, "too_many_rules"),
            (14, "unknown_rule"),
            (15, "rule_not_live"),
            (16, "not_yours"),
            (17, "not_to_be_passed_on"),
            (18, "already_passed_on"),
            (19, "nobody_who_asks"),
            (20, "wrong_purpose"),
            (21, "not_a_practitioner"),
            (22, "not_a_reviewer"),
            (23, "unknown_review"),
            (24, "own_review"),
            (25, "review_closed"),
            (26, "break_glass_not_excludable"),
            (27, "not_a_custodian"),
            (28, "already_said"),
            (29, "erases_the_future"),
            (30, "too_many_erasures"),
            (31, "nothing_changes"),
        ]
    );
    assert_eq!(
        table(7),
        [
            (1, "not_an_entity"),
            (2, "parties_out_of_bounds"),
            (3, "parties_out_of_order"),
            (4, "not_a_party"),
            (5, "unknown_party"),
            (6, "bad_receivers"),
            (7, "bad_categories"),
            (8, "bad_purposes"),
            (9, "bad_period"),
            (10, "too_many_agreements"),
            (11, "unknown_agreement"),
            (12, "already_accepted"),
            (13, "agreement_ended"),
        ]
    );
    assert_eq!(table(8), []);
}
