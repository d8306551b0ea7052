//! Equal input, equal bytes.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::executor::BlockOutcome;
use salus_contracts::overlay::Overlay;
use salus_primitives::calls::Role;
use salus_primitives::codec;
use salus_primitives::lane::Lane;
use salus_primitives::receipt::{Outcome, receipt_root};
use salus_primitives::transaction::SignedTransaction;

/// Calls of few parties on few entities, devices and keys, so that they meet: many succeed, many fail.
fn call() -> impl Strategy<Value = SignedTransaction> {
    let sender = || prop_oneof![4 => 1u8..6, 1 => 11u8..13, 1 => 21u8..26];
    let device = || 21u8..26;
    prop_oneof![
        (sender(), 11u8..13).prop_map(|(by, n)| register_entity(by, n, Role::Hospital)),
        (sender(), device()).prop_map(|(by, n)| register_device(by, n)),
        (sender(), device(), 21u8..30).prop_map(|(by, n, to)| rotate(by, n, to)),
        (sender(), device()).prop_map(|(by, n)| revoke_device(by, n)),
        (sender(), 11u8..13).prop_map(|(by, n)| revoke_entity(by, n)),
        (21u8..30, device(), 0u8..4, 0usize..4).prop_map(|(key, n, reading, lane)| submit(
            key,
            Lane::ALL[lane],
            sealed(n, reading)
        )),
    ]
}

fn calls() -> impl Strategy<Value = Vec<SignedTransaction>> {
    proptest::collection::vec(call(), 0..24)
}

proptest! {
    /// A block executed twice gives the same writes and receipts; so does one executed over a branch instead of a committed state.
    #[test]
    fn execution_depends_on_nothing_but_block_and_state(first in calls(), second in calls()) {
        let mut world = World::new();
        let parent = world.outcome(&first);
        prop_assert_eq!(&parent, &world.outcome(&first));

        let before = world.state.clone();
        let mut branch = Overlay::new(&before);
        branch.merge(parent.writes.clone());
        world.state.apply(&parent.writes);
        world.height += 1;
        let demotions = world.demotions();
        let on_branch = world
            .executor
            .execute_block(world.next(), &second, &branch, &demotions)
            .expect("memory");

        prop_assert_eq!(on_branch, world.outcome(&second));
    }

    /// A block does what its transactions do one after another: no transaction sees the future, or a failed one's writes.
    #[test]
    fn a_block_equals_its_transactions_in_order(transactions in calls()) {
        let world = World::new();
        let whole = world.outcome(&transactions);
        let mut stepwise = World::new();

        for (transaction, receipt) in transactions.iter().zip(&whole.receipts) {
            let BlockOutcome { writes, receipts } =
                stepwise.outcome(std::slice::from_ref(transaction));
            prop_assert_eq!(receipts[0].outcome, receipt.outcome);
            prop_assert_eq!(&receipts[0].events, &receipt.events);
            if receipt.outcome != Outcome::Ok {
                prop_assert!(writes.0.is_empty() && receipt.events.is_empty());
            }
            // the same height for every step, as in the block
            stepwise.state.apply(&writes);
        }

        let mut state = world.state.clone();
        state.apply(&whole.writes);
        prop_assert_eq!(state.0, stepwise.state.0);
    }

    /// What the check refuses, execution refuses for the same reason.
    #[test]
    fn the_check_never_refuses_what_would_succeed(before in calls(), transaction in call()) {
        let mut world = World::new();
        world.block(&before);

        if let Err(refusal) = world.check(&transaction) {
            prop_assert_eq!(refusal.reason, world.run(transaction));
        }
    }
}

/// One block with a success and a failure of each contract, down to the bytes that other nodes compare.
#[test]
fn the_receipts_of_a_block_are_pinned() {
    let world = World::new();
    let transactions = [
        register_entity(MINISTRY, 11, Role::Hospital),
        register_device(11, 21),
        of_entity(11, submit(21, Lane::Emergency, sealed(21, 1))),
        of_entity(11, submit(21, Lane::Routine, sealed(21, 1))),
        rotate(11, 21, 31),
        revoke_device(MINISTRY, 21),
        revoke_entity(MINISTRY, 11),
        of_entity(11, reading(21, 2)),
        raw(HOSPITAL, 2, vec![]),
    ];

    let outcome = world.outcome(&transactions);

    let reasons: Vec<_> = outcome.receipts.iter().map(reason).collect();
    assert_eq!(
        reasons,
        [
            "ok",
            "ok",
            "ok",
            "ok",
            "ok",
            "ok",
            "ok",
            "device_revoked",
            "undecodable_call"
        ]
    );
    let writes: Vec<_> = outcome
        .writes
        .0
        .iter()
        .map(|(key, value)| (key.path(), value.clone()))
        .collect();
    let digest = salus_primitives::merkle::leaf_digest(&codec::encode(&writes));
    assert_eq!(
        receipt_root(&outcome.receipts).to_string(),
        "74063cfe2028c88a8e919c5789332e788b58bcf089ecb3aa71ab781211b6a7b1"
    );
    assert_eq!(
        digest.to_string(),
        "8c5423cc410c41081202e5cfed280335c5a6d4ddc8bb438231a47f9d9e733cf1"
    );
}
