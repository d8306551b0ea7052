//! A wrong file is refused with the field's name, so that an operator knows what to do.

use crate::fixture::{FOUR, spec};
use salus_genesis::genesis::Problem;
use salus_genesis::spec::GenesisSpec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::{KeyError, PublicKey};
use salus_primitives::lanes::LaneWeights;
use salus_primitives::validators::SetError;

fn parse_error(from: &str, to: &str) -> String {
    let text = FOUR.replacen(from, to, 1);
    assert_ne!(text, FOUR, "{from}");
    text.parse::<GenesisSpec>().expect_err(from).to_string()
}

#[test]
fn what_is_not_in_the_format_is_refused_with_line_and_field() {
    for (from, to, expected) in [
        (
            "tenure = 8",
            "tenur = 8",
            vec!["unknown field `tenur`", "`tenure`"],
        ),
        (
            "[lanes.bulk]",
            "[lanes.video]",
            vec!["unknown field `video`", "`bulk`"],
        ),
        (
            "weight = 10",
            "weight = 10\nvotes = 3",
            vec!["unknown field `votes`"],
        ),
        (
            "chain = ",
            "motto = \"\"\nchain = ",
            vec!["line 5", "unknown field `motto`"],
        ),
        (
            "tenure = 8",
            "tenure = 8\ntenure = 9",
            vec!["duplicate key"],
        ),
        ("delta_ms = 250\n", "", vec!["missing field `delta_ms`"]),
        ("weight = 10\n", "", vec!["missing field `weight`"]),
        ("weight = 10", "weight = -1", vec!["-1"]),
        (
            "weight = 10",
            "weight = \"10\"",
            vec!["invalid type: string \"10\", expected u64"],
        ),
        (
            "min_verifiers = 2",
            "min_verifiers = 65536",
            vec!["65536", "u16"],
        ),
        (
            "role = \"hospital\"",
            "role = \"clinic\"",
            vec!["`clinic`", "`hospital`"],
        ),
        (
            "operator_key = \"",
            "operator_key = \"00",
            vec!["operator_key = ", "PublicKey needs 64 hexadecimal digits"],
        ),
        (
            "exchange_key = \"",
            "exchange_key = \"x",
            vec![
                "exchange_key = ",
                "ExchangePublic needs 64 hexadecimal digits",
            ],
        ),
        (
            "2026-11-20T08",
            "yesterday",
            vec!["genesis_time = ", "RFC 3339"],
        ),
    ] {
        let error = parse_error(from, to);

        assert!(error.contains("line "), "{error}");
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
}

fn problem(change: impl FnOnce(&mut GenesisSpec)) -> (String, Problem) {
    let mut spec = spec();
    change(&mut spec);
    let error = spec.check().expect_err("illegal");
    assert!(
        error.to_string().starts_with(&format!("{}: ", error.field)),
        "{error}"
    );
    (error.field, error.problem)
}

#[test]
fn three_members_are_too_few() {
    let (field, problem) = problem(|spec| drop(spec.members.pop()));

    assert_eq!(
        (field.as_str(), problem),
        ("members", Problem::Set(SetError::Size { found: 3 }))
    );
}

#[test]
fn a_member_with_a_third_of_the_weight_is_refused_by_name() {
    let (field, heavy) = problem(|spec| spec.members[2].weight = 15);

    assert_eq!(field, "members.ministry.weight");
    assert_eq!(
        heavy,
        Problem::TooHeavy {
            weight: 15,
            total: 44
        }
    );
    assert!(
        {
            let mut spec = spec();
            spec.members[2].weight = 14;
            spec.check()
        }
        .is_ok()
    );
    let (field, none) = problem(|spec| spec.members[1].weight = 0);
    assert_eq!(
        (field.as_str(), none),
        ("members.pharmacy.weight", Problem::NoWeight)
    );
    let (field, _) = problem(|spec| {
        for member in &mut spec.members {
            member.weight = u64::MAX;
        }
    });
    assert_eq!(field, "members");
}

#[test]
fn keys_that_may_not_be_registered_are_refused_by_name() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = PublicKey(identity);
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    let not_canonical = PublicKey(not_canonical);

    assert_eq!(
        problem(|spec| spec.members[0].validator_key = weak),
        (
            "members.hospital.validator_key".into(),
            Problem::BadKey(KeyError::Weak(weak))
        )
    );
    assert_eq!(
        problem(|spec| spec.members[1].network_key = not_canonical),
        (
            "members.pharmacy.network_key".into(),
            Problem::BadKey(KeyError::NotCanonical(not_canonical))
        )
    );
    assert_eq!(
        problem(|spec| spec.members[3].exchange_key = ExchangePublic([0; 32])),
        (
            "members.institute.exchange_key".into(),
            Problem::BadExchangeKey(ExchangePublic([0; 32]))
        )
    );
}

/// Every key has one use by one member: each of the 16 in the place of each of the others.
#[test]
fn a_key_in_two_places_is_refused_with_both() {
    let places: Vec<(usize, &str)> = (0..4)
        .flat_map(|member| {
            [
                "operator_key",
                "validator_key",
                "network_key",
                "exchange_key",
            ]
            .map(|field| (member, field))
        })
        .collect();
    for (first, from) in places.iter().enumerate() {
        for to in &places[first + 1..] {
            let mut spec = spec();
            let key = key_at(&spec, *from);
            // half of all X25519 keys are no point of Ed25519, and are refused as that
            if from.1 == "exchange_key" && to.1 != "exchange_key" {
                continue;
            }
            set_key(&mut spec, *to, key);

            let error = spec.check().expect_err("shared");

            let path = |(member, field): (usize, &str)| {
                format!("members.{}.{field}", spec.members[member].name)
            };
            // a signing key with its sign bit set is no canonical X25519 key
            if to.1 == "exchange_key" && matches!(error.problem, Problem::BadExchangeKey(_)) {
                continue;
            }
            assert_eq!(error.field, path(*to));
            assert_eq!(error.problem, Problem::SharedKey(path(*from)));
        }
    }
}

fn key_at(spec: &GenesisSpec, (member, field): (usize, &str)) -> [u8; 32] {
    let member = &spec.members[member];
    match field {
        "operator_key" => member.operator_key.0,
        "validator_key" => member.validator_key.0,
        "network_key" => member.network_key.0,
        _ => member.exchange_key.0,
    }
}

fn set_key(spec: &mut GenesisSpec, (member, field): (usize, &str), key: [u8; 32]) {
    let member = &mut spec.members[member];
    match field {
        "operator_key" => member.operator_key.0 = key,
        "validator_key" => member.validator_key.0 = key,
        "network_key" => member.network_key.0 = key,
        _ => member.exchange_key.0 = key,
    }
}

#[test]
fn bad_and_repeated_names_are_refused() {
    assert_eq!(
        problem(|spec| spec.chain = "Salus Main".into()),
        ("chain".into(), Problem::BadName("Salus Main".into()))
    );
    assert_eq!(
        problem(|spec| spec.members[1].name = String::new()),
        ("members[1].name".into(), Problem::BadName(String::new()))
    );
    assert_eq!(
        problem(|spec| spec.members[3].name = "hospital".into()),
        (
            "members[3].name".into(),
            Problem::RepeatedName("hospital".into())
        )
    );
}

/// One below and one above every bound; the bounds themselves pass.
#[test]
fn numbers_out_of_bounds_are_refused_with_their_field() {
    type Set = fn(&mut GenesisSpec, u64);
    let cases: [(&str, Set, u64, u64); 18] = [
        ("consensus.tenure", |s, n| s.consensus.tenure = n, 1, 4096),
        (
            "consensus.delta_ms",
            |s, n| s.consensus.delta_ms = n,
            1,
            600_000,
        ),
        (
            "consensus.delta_max_ms",
            |s, n| s.consensus.delta_max_ms = n,
            250,
            600_000,
        ),
        (
            "consensus.skip_after",
            |s, n| s.consensus.skip_after = n,
            1,
            1024,
        ),
        (
            "consensus.heartbeat_ms",
            |s, n| s.consensus.heartbeat_ms = n,
            1,
            86_400_000,
        ),
        (
            "consensus.window_blocks",
            |s, n| s.consensus.window_blocks = n,
            64,
            65_536,
        ),
        (
            "consensus.block_bytes",
            |s, n| s.consensus.block_bytes = n,
            68 * 1024,
            3_080_192,
        ),
        (
            "consensus.epoch_blocks",
            |s, n| s.consensus.epoch_blocks = n,
            8,
            1_000_000_000,
        ),
        (
            "consensus.seats",
            |s, n| s.consensus.seats = n.try_into().expect("small"),
            4,
            512,
        ),
        (
            "consensus.proposal_blocks",
            |s, n| s.consensus.proposal_blocks = n,
            1,
            1_000_000_000,
        ),
        (
            "lanes.emergency.max_verifiers",
            |s, n| {
                s.lanes.emergency.min_verifiers = 1;
                s.lanes.emergency.max_verifiers = n.try_into().expect("small");
            },
            1,
            512,
        ),
        (
            "lanes.emergency.min_verifiers",
            |s, n| s.lanes.emergency.min_verifiers = n.try_into().expect("small"),
            1,
            4,
        ),
        (
            "lanes.bulk.max_transactions",
            |s, n| {
                s.lanes.bulk.min_transactions = 1;
                s.lanes.bulk.max_transactions = n.try_into().expect("small");
            },
            1,
            65_536,
        ),
        (
            "lanes.bulk.min_transactions",
            |s, n| s.lanes.bulk.min_transactions = n.try_into().expect("small"),
            1,
            1_024,
        ),
        (
            "lanes.routine.transaction_bytes",
            |s, n| s.lanes.routine.transaction_bytes = n.try_into().expect("small"),
            1,
            68 * 1024,
        ),
        (
            "lanes.routine.wait_max_ms",
            |s, n| s.lanes.routine.wait_max_ms = n.try_into().expect("small"),
            1,
            86_400_000,
        ),
        (
            "model.security_exponent",
            |s, n| s.model.security_exponent = n.try_into().expect("small"),
            2,
            64,
        ),
        (
            "model.hold_max_ms",
            |s, n| s.model.hold_max_ms = n.try_into().expect("small"),
            1,
            600_000,
        ),
    ];
    for (field, set, minimum, maximum) in cases {
        for legal in [minimum, maximum] {
            let mut spec = spec();
            // room for delta_ms to rise to its own bound
            spec.consensus.delta_max_ms = 600_000;
            set(&mut spec, legal);
            assert!(spec.check().is_ok(), "{field} = {legal}");
        }
        for illegal in [minimum - 1, maximum + 1] {
            let (found, problem) = problem(|spec| {
                if field == "consensus.delta_ms" {
                    spec.consensus.delta_max_ms = 600_000;
                }
                set(spec, illegal);
            });
            assert_eq!(found, field);
            assert!(
                matches!(problem, Problem::Range { found, .. } if found == illegal),
                "{problem}"
            );
        }
    }
}

/// At an epoch's beginning each validator reports once. If that alone could fill epochs, an idle chain would never fall silent.
#[test]
fn an_epoch_has_room_for_what_its_validators_report() {
    let shape = |epoch_blocks, seats, limit, block_bytes| {
        move |spec: &mut GenesisSpec| {
            spec.consensus.epoch_blocks = epoch_blocks;
            spec.consensus.seats = seats;
            (
                spec.lanes.routine.min_transactions,
                spec.lanes.routine.max_transactions,
            ) = (limit, 512);
            spec.consensus.block_bytes = block_bytes;
        }
    };
    for (seats, limit, block_bytes, minimum) in [
        // one report a block: as many blocks as seats, and as many again
        (8, 1, 1 << 20, 20),
        (8, 4, 1 << 20, 8),
        (64, 4, 1 << 20, 36),
        (512, 512, 3_080_192, 8),
        // 512 reports of 512 seats do not fit into the smallest block
        (512, 512, 69_632, 118),
    ] {
        let mut legal = spec();
        shape(minimum, seats, limit, block_bytes)(&mut legal);
        assert!(legal.check().is_ok(), "{seats} {limit} {block_bytes}");

        if minimum > 8 {
            let (field, problem) = problem(shape(minimum - 1, seats, limit, block_bytes));
            assert_eq!(field, "consensus.epoch_blocks");
            assert!(
                matches!(problem, Problem::EpochTooShort { minimum: found, .. } if found == minimum),
                "{problem}"
            );
        }
    }
}

/// 66 percent may be asked of members, and nothing; a quorum gives no more than two thirds.
#[test]
fn more_than_two_thirds_of_the_votes_are_not_asked_of_members() {
    for legal in [0, 66] {
        let mut spec = spec();
        spec.consensus.participation_percent = legal;
        assert!(spec.check().is_ok(), "{legal}");
    }

    let (field, problem) = problem(|spec| spec.consensus.participation_percent = 67);

    assert_eq!(field, "consensus.participation_percent");
    let (found, minimum, maximum) = (67, 0, 66);
    assert_eq!(
        problem,
        Problem::Range {
            found,
            minimum,
            maximum
        }
    );
}

#[test]
fn a_lane_without_roles_or_with_a_role_twice_is_refused() {
    assert_eq!(
        problem(|spec| spec.lanes.routine.roles.clear()),
        ("lanes.routine.roles".into(), Problem::NoRoles)
    );
    assert_eq!(
        problem(|spec| {
            let role = spec.lanes.bulk.roles[3];
            spec.lanes.bulk.roles.push(role);
        }),
        ("lanes.bulk.roles".into(), Problem::RepeatedRole)
    );
}

/// What is over a quota counts in the next lower lane: whoever may use a lane may use those below it, and the lowest has no quota.
#[test]
fn what_is_over_a_quota_has_a_lane_to_count_in() {
    assert_eq!(
        problem(|spec| {
            spec.lanes.routine.roles.remove(0);
        }),
        ("lanes.routine.roles".into(), Problem::RolesNarrow)
    );
    assert_eq!(
        problem(|spec| spec.lanes.bulk.quota = 1),
        ("lanes.bulk.quota".into(), Problem::QuotaOfLowest)
    );
}

#[test]
fn half_of_the_blocks_stay_with_the_most_urgent_lane_and_something_must_count() {
    let (field, problem_found) = problem(|spec| spec.lanes.bulk.reserved_percent = 31);
    assert_eq!(field, "the sum of lanes.*.reserved_percent");
    assert!(matches!(problem_found, Problem::Range { found: 51, .. }));
    assert_eq!(
        problem(|spec| {
            spec.lanes.bulk.weights = LaneWeights {
                latency: 0,
                security: 0,
                cost: 0,
            };
        }),
        ("lanes.bulk.weights".into(), Problem::NoWeights)
    );
}
