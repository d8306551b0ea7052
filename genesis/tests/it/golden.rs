//! The genesis hash is the same everywhere, and depends on everything that founders agree on and on nothing else.

use crate::fixture::{FOUR, build, spec};
use proptest::prelude::*;
use salus_contracts::native::{blockcfg, identity, staking};
use salus_genesis::presets;
use salus_genesis::spec::GenesisSpec;
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Epoch, Height, Seat};
use salus_primitives::lane::Lane;
use salus_primitives::state::MemoryState;
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeSet;

const HASH: &str = "8d160750b080fee40e99b978668c5383eefb73ded4675f8aadc72c50963b9924";
const STATE_ROOT: &str = "297625ceb6985432677e0976c80e46c71c6fa1838389fb45153beeab20dc80fb";
const VALIDATORS: &str = "2c204d8d0d5b80054f22d4c6a52586ee6151c7d58d3a6d751e480c777509c72a";

#[test]
fn the_fixture_has_its_pinned_hash() {
    let genesis = build(FOUR);

    assert_eq!(genesis.hash.to_string(), HASH);
    let header = &genesis.block.header;
    assert_eq!(header.parent_state_root.to_string(), STATE_ROOT);
    assert_eq!(genesis.first.validators.digest().to_string(), VALIDATORS);
}

#[test]
fn block_0_is_the_boundary_before_epoch_1_and_its_anchor_holds() {
    let genesis = build(FOUR);
    let header = &genesis.block.header;

    assert_eq!((header.height, header.epoch), (Height::ZERO, Epoch::ZERO));
    assert_eq!(header.genesis_hash(), Some(genesis.hash));
    assert!(genesis.block.body_matches());
    assert_eq!(genesis.first.validators.epoch(), Epoch::new(1));
    assert_eq!(genesis.anchor.check(), Ok(genesis.hash));
    assert_eq!(genesis.anchor.first, genesis.first);
}

/// Seats, members and the state name the same entities with the same keys.
#[test]
fn members_seats_and_state_agree() {
    let genesis = build(FOUR);
    let mut state = MemoryState::default();
    state.apply(&genesis.writes);

    let roll = staking::roll(&state).expect("memory");
    for (index, member) in (0u16..).zip(&genesis.members) {
        let seat = Seat::new(index);
        let validator = genesis.first.validators.validator(seat).expect("a seat");
        assert_eq!(genesis.first.validators.seat_of(&member.entity), Some(seat));
        assert_eq!(validator.key, member.validator_key);
        assert_eq!(validator.network_key, member.network_key);
        assert_eq!(validator.weight, member.weight);
        let entity = identity::entity(&state, &member.entity)
            .expect("memory")
            .expect("a member");
        assert_eq!(entity.name, member.name);
        assert_eq!(entity.key, member.operator_key);
        assert_eq!(roll.weight(&member.entity), Some(member.weight));
        let staked = staking::member(&state, &member.entity)
            .expect("memory")
            .expect("a member");
        assert_eq!(staked.eligible(), Some(member.keys()));
    }
    assert_eq!(genesis.members.len(), 4);
    assert_eq!(
        blockcfg::parameters(&state).expect("memory"),
        genesis.parameters
    );
    assert_eq!(
        blockcfg::chain_name(&state).expect("memory"),
        "salus-fixture"
    );
}

/// The state holds the validators of the first two epochs: the header names those of epoch 1, an election gives both.
#[test]
fn the_state_holds_the_validators_of_the_first_two_epochs() {
    let genesis = build(FOUR);
    let mut state = MemoryState::default();
    state.apply(&genesis.writes);

    for epoch in [1, 2].map(Epoch::new) {
        let set = staking::set(&state, epoch).expect("memory");
        let elected = staking::election(&state, &genesis.parameters, epoch).expect("memory");
        assert_eq!(set.as_ref().map(ValidatorSet::epoch), Some(epoch));
        assert_eq!(set, elected);
    }
    assert_eq!(
        staking::set(&state, Epoch::new(1)).expect("memory"),
        Some(genesis.first.validators)
    );
    assert_eq!(
        staking::set(&state, Epoch::new(2)).expect("memory"),
        Some(genesis.second.validators)
    );
    assert_eq!(staking::set(&state, Epoch::new(3)).expect("memory"), None);
}

/// With fewer seats than members, the heaviest found the first set; the others are members and candidates.
#[test]
fn more_members_than_seats_elect_the_first_validators() {
    let mut spec = spec();
    spec.consensus.seats = 4;
    let fifth = crate::fixture::member(5, "clinic", spec.members[0].role, 7);
    spec.members.push(fifth);

    let genesis = spec.check().expect("a legal genesis").build();

    assert_eq!(
        (genesis.members.len(), genesis.first.validators.len()),
        (5, 4)
    );
    let clinic = EntityId::of_name("clinic");
    assert_eq!(genesis.first.validators.seat_of(&clinic), None);
    assert_eq!(genesis.first.validators.total_weight(), 37);
}

/// What is written is what was meant, with every comment in place: the fixture is that file.
#[test]
fn the_written_file_parses_back_to_the_same() {
    let written = spec().to_toml();

    assert_eq!(written, FOUR);
    assert_eq!(written.parse(), Ok(spec()));
}

#[test]
fn names_that_need_quoting_are_quoted() {
    let mut odd = spec();
    odd.chain = "quote \" backslash \\ line\n'''".into();
    odd.members[0].name = "#\t\"\"\"".into();

    assert_eq!(odd.to_toml().parse(), Ok(odd));
}

#[test]
fn spacing_comments_and_order_of_keys_do_not_reach_the_hash() {
    let bare: String = FOUR
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| format!("  {}   # note\r\n", line.replace(" = ", "=")))
        .collect();
    let reordered = FOUR
        .replace(
            "roles = [\"hospital\", \"pharmacy\"]",
            "roles = [ \"pharmacy\",\n \"hospital\" ]",
        )
        .replace("tenure = 8\n", "")
        .replace("skip_after = 2", "tenure = 8\nskip_after = 0x2")
        .replace("\"2026-11-20T08:00:00Z\"", "1795161600000");

    assert_ne!(reordered, FOUR);
    assert_eq!(build(&bare), build(FOUR));
    assert_eq!(build(&reordered), build(FOUR));
}

#[test]
fn every_field_reaches_the_hash() {
    let first = &spec().members[0];
    let other = crate::fixture::member(9, "other", first.role, 1);
    let keys = [
        (
            first.operator_key.to_string(),
            other.operator_key.to_string(),
        ),
        (
            first.validator_key.to_string(),
            other.validator_key.to_string(),
        ),
        (first.network_key.to_string(), other.network_key.to_string()),
        (
            first.exchange_key.to_string(),
            other.exchange_key.to_string(),
        ),
    ];
    let mut changes: Vec<(&str, &str)> = vec![
        ("\"salus-fixture\"", "\"salus-fixture2\""),
        ("08:00:00Z", "08:00:00.001Z"),
        ("tenure = 8", "tenure = 9"),
        ("delta_ms = 250", "delta_ms = 251"),
        ("delta_max_ms = 4000", "delta_max_ms = 4001"),
        ("skip_after = 2", "skip_after = 3"),
        ("heartbeat_ms = 10000", "heartbeat_ms = 10001"),
        ("window_blocks = 4096", "window_blocks = 4097"),
        ("block_bytes = 1048576", "block_bytes = 1048577"),
        ("epoch_blocks = 10000", "epoch_blocks = 10001"),
        ("seats = 128", "seats = 127"),
        ("proposal_blocks = 100000", "proposal_blocks = 100001"),
        ("participation_percent = 50", "participation_percent = 51"),
        ("name = \"hospital\"", "name = \"hospital2\""),
        ("role = \"hospital\"", "role = \"insurer\""),
        ("weight = 10", "weight = 9"),
        // one of each lane
        ("max_transactions = 64", "max_transactions = 65"),
        ("max_transactions = 256", "max_transactions = 257"),
        ("max_transactions = 512", "max_transactions = 513"),
        ("max_transactions = 1024", "max_transactions = 1025"),
        // one of each field of a lane, and of the model
        ("policy = \"exact\"", "policy = \"fastest\""),
        ("latency = 8", "latency = 7"),
        ("security = 1", "security = 2"),
        ("cost = 1", "cost = 2"),
        ("min_verifiers = 2\n", "min_verifiers = 1\n"),
        ("max_verifiers = 4\n", "max_verifiers = 5\n"),
        ("min_transactions = 16", "min_transactions = 17"),
        ("transaction_bytes = 512", "transaction_bytes = 513"),
        ("quota = 10000", "quota = 9999"),
        ("wait_max_ms = 500", "wait_max_ms = 501"),
        ("reserved_percent = 10", "reserved_percent = 11"),
        ("security_scale = 1", "security_scale = 2"),
        ("security_exponent = 2", "security_exponent = 3"),
        ("broadcast_ps_per_bit = 1000", "broadcast_ps_per_bit = 999"),
        ("vote_bytes = 170", "vote_bytes = 171"),
        ("hold_max_ms = 100", "hold_max_ms = 101"),
        ("response_us = 5000", "response_us = 5001"),
        ("rate_kbps = 100000", "rate_kbps = 100001"),
        ("roles = [\"hospital\"]", "roles = [\"pharmacy\"]"),
    ];
    changes.extend(keys.iter().map(|(a, b)| (a.as_str(), b.as_str())));
    let mut hashes = BTreeSet::from([build(FOUR).hash]);

    for (from, to) in changes {
        let changed = FOUR.replacen(from, to, 1);
        assert_ne!(changed, FOUR, "{from}");
        assert!(hashes.insert(build(&changed).hash), "{from}");
    }
}

#[test]
fn the_local_preset_has_every_lane_and_restricts_the_urgent_ones() {
    let preset = presets::local();

    let roles: Vec<usize> = preset
        .lanes
        .iter()
        .map(|(_, lane)| lane.roles.len())
        .collect();

    assert_eq!(roles, [1, 2, 5, 5]);
    let block = build(FOUR);
    let lanes = block.policy.lanes.iter().map(|lane| lane.lane);
    assert!(lanes.eq(Lane::ALL));
    assert_eq!(block.parameters.delta_ms, preset.consensus.delta_ms);
}

proptest! {
    /// Founders may list themselves, and roles, in any order.
    #[test]
    fn the_order_of_members_and_roles_does_not_matter(
        members in Just(spec().members).prop_shuffle(),
        roles in Just(spec().lanes.bulk.roles).prop_shuffle(),
    ) {
        let mut permuted = spec();
        permuted.members = members;
        permuted.lanes.bulk.roles = roles;

        let block = build(&permuted.to_toml());

        prop_assert_eq!(codec::encode(&block.block), codec::encode(&build(FOUR).block));
        prop_assert_eq!(block, build(FOUR));
    }

    /// Noise in place of a file, or within it, is refused without a panic.
    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), with in ".{0,4}", noise in ".{0,60}") {
        let mut text = FOUR.to_owned();
        let at = at.index(text.len());
        text.replace_range(at..=at, &with);
        for text in [text, noise] {
            if let Ok(spec) = text.parse::<GenesisSpec>() {
                let _ = spec.check().map(|genesis| genesis.build());
            }
        }
    }
}
