//! In which lane transactions count, and what that is charged.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::native::blockcfg::quota::{self, Demotions};
use salus_primitives::calls::StakingCall;
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::state::Space;
use salus_primitives::transaction::SignedTransaction;
use std::collections::{BTreeMap, BTreeSet};

/// A reading of the hospital's device 21, as an emergency.
fn emergency(n: u8) -> SignedTransaction {
    submit(21, Lane::Emergency, sealed(21, n))
}

/// Two of the hospital's transactions may be emergencies, and three count as monitoring, in an epoch of ten blocks. Its device 21 is
/// registered in block 1.
fn world() -> World {
    let mut world = World::with_quotas([2, 3, 0]);
    assert_eq!(world.run(register_device(HOSPITAL, 21)), "ok");
    world
}

fn lanes(world: &mut World, transactions: &[SignedTransaction]) -> Vec<Lane> {
    let receipts = world.block(transactions);
    receipts.iter().map(|receipt| receipt.lane).collect()
}

fn used(world: &World, entity: u8, epoch: u64) -> [u32; 4] {
    quota::used(&world.state, Epoch::new(epoch), &entity_id(entity)).expect("memory")
}

/// One by one: the transaction that uses a quota up still counts in its lane, the next one below.
#[test]
fn what_is_over_a_quota_counts_in_the_next_lower_lane() {
    use Lane::{Bulk, Emergency, Monitoring, Routine};
    let mut world = world();

    let counted: Vec<Lane> = (0..8)
        .flat_map(|n| lanes(&mut world, &[emergency(n)]))
        .collect();

    assert_eq!(
        counted,
        [
            Emergency, Emergency, Monitoring, Monitoring, Monitoring, Routine, Routine, Routine
        ]
    );
    assert_eq!(used(&world, HOSPITAL, 1), [2, 3, 0, 0]);
    assert!(!counted.contains(&Bulk), "the routine lane has no quota");
}

/// The state before a block decides for all of it: an entity goes over its quota by what one block holds.
#[test]
fn a_block_counts_whole_in_the_lane_of_the_state_before_it() {
    let mut world = world();
    let block: Vec<_> = (0..5).map(emergency).collect();

    assert_eq!(lanes(&mut world, &block), [Lane::Emergency; 5]);

    assert_eq!(used(&world, HOSPITAL, 1), [5, 0, 0, 0]);
    assert_eq!(lanes(&mut world, &[emergency(6)]), [Lane::Monitoring]);
    let exhausted = [(Lane::Emergency, entity_id(HOSPITAL))];
    assert!(world.demotions().exhausted().iter().eq(&exhausted));
}

/// An entity's devices and its operator use one quota; another entity has its own.
#[test]
fn quotas_are_of_an_entity_with_all_its_devices() {
    let mut world = World::with_quotas([0, 2, 0]);
    assert_eq!(world.run(register_device(HOSPITAL, 21)), "ok");
    assert_eq!(world.run(register_device(PHARMACY, 25)), "ok");
    let mut of_operator = raw(HOSPITAL, 2, vec![]);
    of_operator.body.lane = Lane::Monitoring;
    let of_device = submit(21, Lane::Monitoring, sealed(21, 1));
    let of_pharmacy = of_entity(PHARMACY, submit(25, Lane::Monitoring, sealed(25, 1)));

    world.block(&[of_operator]);
    world.block(std::slice::from_ref(&of_device));

    let counted = lanes(&mut world, &[of_device, of_pharmacy]);
    assert_eq!(counted, [Lane::Routine, Lane::Monitoring]);
}

/// Also what fails is charged, or a quota would not bound what an entity sends.
#[test]
fn a_refused_call_is_charged_and_a_lane_that_is_closed_to_its_role_too() {
    let mut world = world();

    let receipts = world.block(&[submit(HOSPITAL, Lane::Emergency, sealed(21, 1))]);

    assert_eq!(reason(&receipts[0]), "not_a_device");
    assert_eq!(used(&world, HOSPITAL, 1), [1, 0, 0, 0]);
    let mut closed = raw(INSURER, 2, vec![]);
    closed.body.lane = Lane::Emergency;
    assert_eq!(reason(&world.block(&[closed])[0]), "lane_not_allowed");
    assert_eq!(used(&world, INSURER, 1), [1, 0, 0, 0]);
}

/// Who names another entity than its own neither acts nor uses that entity's quota up; nor does a key that nobody has.
#[test]
fn a_forged_entity_runs_nothing_and_is_charged_to_nobody() {
    let mut world = world();
    let stranger = |n| submit(99, Lane::Emergency, sealed(21, n));
    let pharmacy = |n| of_entity(HOSPITAL, submit(PHARMACY, Lane::Emergency, sealed(21, n)));

    for n in 0..5 {
        let receipts = world.block(&[stranger(n), pharmacy(n)]);
        assert_eq!(reason(&receipts[0]), "unknown_sender");
        assert_eq!(reason(&receipts[1]), "wrong_entity");
    }

    assert_eq!(used(&world, HOSPITAL, 1), [0; 4]);
    assert_eq!(used(&world, PHARMACY, 1), [0; 4]);
    assert_eq!(lanes(&mut world, &[emergency(9)]), [Lane::Emergency]);
}

/// A later epoch begins with nothing used, and the rows of the one before are written over, not kept beside.
#[test]
fn quotas_begin_anew_with_each_epoch_in_the_same_rows() {
    let mut world = world();
    let mut rows = BTreeSet::new();
    for epoch in 1..5u64 {
        while world.height < epoch * 10 - 1 {
            let n = u8::try_from(world.height).expect("few");
            world.block(&[emergency(n)]);
        }
        assert_eq!(world.demotions().exhausted().len(), 2, "epoch {epoch}");
        world.block(&[]);
        assert_eq!(world.demotions(), {
            let mut fresh = World::with_quotas([2, 3, 0]);
            fresh.advance_to(world.height);
            fresh.demotions()
        });
        let fixed = |space: Space| {
            let state = world.state.0.keys();
            state
                .filter(|key| key.space == space && key.key[0] == b'x')
                .count()
        };
        rows.insert(fixed(Space::Tree));
    }
    assert_eq!(rows, BTreeSet::from([2]));
}

/// A member that has used everything up does not silence its validator: what validators say is charged to nobody and counts in the
/// routine lane.
#[test]
fn a_validator_is_exempt_from_its_members_quota() {
    let mut world = World::with_quotas([1, 1, 1]);
    for n in 0..4 {
        assert_eq!(lanes(&mut world, &[raw(HOSPITAL, n, vec![])]).len(), 1);
    }
    let routine = (Lane::Routine, entity_id(HOSPITAL));
    assert!(world.demotions().exhausted().contains(&routine));
    world.advance_to(10);
    for n in 0..4 {
        world.block(&[raw(HOSPITAL, n, vec![])]);
    }

    let report = observe(HOSPITAL, &observed(&world, 1, 10, &[]));
    let receipts = world.block(&[report]);

    assert_eq!(reason(&receipts[0]), "ok");
    assert_eq!(receipts[0].lane, Lane::Routine);
    let called = staking(HOSPITAL, &StakingCall::StepDown);
    assert_eq!(lanes(&mut world, &[called]), [Lane::Bulk]);
}

fn of(n: u8, lane: usize) -> SignedTransaction {
    let mut transaction = raw(n, 2, vec![]);
    transaction.body.lane = Lane::ALL[lane];
    transaction
}

proptest! {
    /// Over many blocks and epochs, each entity counts in the lanes that a plain count of its transactions gives, and in the block
    /// in which it uses a lane up nothing changes yet.
    #[test]
    fn lanes_follow_from_a_plain_count(
        quotas in proptest::array::uniform3(0..5u32),
        blocks in proptest::collection::vec(proptest::collection::vec((1u8..6, 0..4usize), 0..6), 1..30),
    ) {
        let mut world = World::with_quotas(quotas);
        let mut counts: BTreeMap<(u8, Lane), u32> = BTreeMap::new();
        for block in blocks {
            let before = counts.clone();
            let transactions: Vec<_> = block.iter().map(|(n, lane)| of(*n, *lane)).collect();
            let counted = lanes(&mut world, &transactions);
            for ((n, asked), counted) in block.iter().zip(counted) {
                let is_open = |lane: &Lane| {
                    let quota = quotas.get(lane.index()).copied().unwrap_or(0);
                    quota == 0 || before.get(&(*n, *lane)).is_none_or(|count| *count < quota)
                };
                let expected = Lane::ALL[*asked..].iter().copied().find(is_open);
                prop_assert_eq!(Some(counted), expected);
                *counts.entry((*n, counted)).or_default() += 1;
            }
            if world.height.is_multiple_of(10) {
                counts.clear();
            }
        }
    }

    /// A transaction never counts in a more urgent lane than it asks for, and always somewhere.
    #[test]
    fn nobody_is_promoted(asked in 0..4usize, exhausted in proptest::collection::btree_set((0..3usize, 1u8..4), 0..12)) {
        let exhausted = exhausted.into_iter().map(|(lane, n)| (Lane::ALL[lane], entity_id(n)));
        let demotions = Demotions::none(Epoch::new(1)).with(exhausted);

        let lane = demotions.lane_of(&of(1, asked).body);

        prop_assert!(lane >= Lane::ALL[asked]);
        prop_assert!(!demotions.exhausted().contains(&(lane, entity_id(1))));
    }
}
