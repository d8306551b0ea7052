//! What the executor promises whatever the contract: limits, isolation, activation, and failing stores.

use crate::world::*;
use proptest::prelude::*;
use salus_contracts::caller::Caller;
use salus_contracts::context::{Context, ContractEvent};
use salus_contracts::contract::Contract;
use salus_contracts::error::ContractError;
use salus_contracts::executor::{BlockOutcome, Executor};
use salus_contracts::meter::Limits;
use salus_contracts::native::{Blockcfg, Identity, Records};
use salus_contracts::registry::{Entry, Registry};
use salus_contracts::slot::{Slot, VALUE_MAX};
use salus_primitives::calls::Role;
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::state::{MemoryState, StateKey, StateRead, StateReadError};
use salus_primitives::transaction::{Call, SignedTransaction};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::convert::Infallible;

/// A contract that does as much as it is told.
enum Greedy {}

#[derive(Serialize, Deserialize)]
enum GreedyCall {
    Read(u32),
    Write(u32),
    /// So many values of so many bytes, under keys of 5, each a list with its length of 8.
    WriteBytes(u32, u32),
    Emit(u32),
    /// Writes and removes under the key by which the identity contract keeps the hospital.
    Trespass,
}

#[derive(Serialize, Deserialize)]
struct Shout;

impl ContractEvent for Shout {
    fn topic(&self) -> u16 {
        1
    }
}

impl Contract for Greedy {
    type Call = GreedyCall;
    type Error = Infallible;

    const ID: ContractId = ContractId::new(77);
    const NAME: &'static str = "greedy";

    fn admit(_: &Caller, _: &GreedyCall) -> Result<(), Infallible> {
        Ok(())
    }

    fn execute(
        context: &mut Context<'_>,
        call: GreedyCall,
    ) -> Result<(), ContractError<Infallible>> {
        let slot = |n: u32| Slot::<Vec<u8>>::tree(b'x', &n.to_be_bytes());
        match call {
            GreedyCall::Read(count) => {
                for n in 0..count {
                    context.load(&slot(n))?;
                }
            }
            GreedyCall::Write(count) => {
                for n in 0..count {
                    context.store(&slot(n), &vec![])?;
                }
            }
            GreedyCall::WriteBytes(count, length) => {
                for n in 0..count {
                    context.store(&slot(n), &vec![0; length as usize])?;
                }
            }
            GreedyCall::Emit(count) => {
                for _ in 0..count {
                    context.emit(&Shout)?;
                }
            }
            GreedyCall::Trespass => {
                let hospital = Slot::<u8>::tree(b'e', entity_id(HOSPITAL).as_bytes());
                assert!(context.load(&hospital)?.is_none());
                context.store(&hospital, &1)?;
                context.remove(&hospital)?;
            }
        }
        Ok(())
    }
}

fn executor() -> Executor {
    let registry = Registry::new([
        Entry::of::<Identity>(Height::ZERO),
        Entry::of::<Blockcfg>(Height::ZERO),
        Entry::of::<Records>(Height::ZERO),
        Entry::of::<Greedy>(Height::new(3)),
    ]);
    Executor::new(registry, Limits::STANDARD)
}

/// At height 2: greedy is active from the next block on.
fn world() -> World {
    let mut world = World::with_executor(executor());
    world.height = 2;
    world
}

fn greedy(call: &GreedyCall) -> SignedTransaction {
    transaction(HOSPITAL, Lane::Routine, Call::new(Greedy::ID, call))
}

#[test]
fn a_call_at_its_limit_succeeds_and_one_more_fails_without_a_trace() {
    let limits = Limits::STANDARD;
    // four values, each its length of 8 bytes and its elements, under a key of 5
    let most_bytes = limits.bytes / 4 - 8 - 5;
    assert_eq!(limits.bytes % 4, 0);
    type Make = fn(u32) -> GreedyCall;
    let cases: [(&str, Make, u32); 4] = [
        ("too_many_reads", GreedyCall::Read, limits.reads),
        ("too_many_writes", GreedyCall::Write, limits.writes),
        (
            "too_many_bytes",
            |length| GreedyCall::WriteBytes(4, length),
            most_bytes,
        ),
        ("too_many_events", GreedyCall::Emit, limits.events),
    ];
    for (expected, call, most) in cases {
        let world = world();

        let outcome = world.outcome(&[greedy(&call(most)), greedy(&call(most + 1))]);
        let alone = world.outcome(&[greedy(&call(most + 1))]);

        assert_eq!(reason(&outcome.receipts[0]), "ok", "{expected}");
        assert_eq!(reason(&outcome.receipts[1]), expected);
        assert!(outcome.receipts[1].events.is_empty());
        assert!(alone.writes.0.is_empty());
    }
}

#[test]
fn a_value_is_at_most_as_long_as_can_be_read_again() {
    let mut world = world();
    let most = u32::try_from(VALUE_MAX).expect("64 KiB") - 8;

    assert!(most < Limits::STANDARD.bytes);
    assert_eq!(world.run(greedy(&GreedyCall::WriteBytes(1, most))), "ok");
    assert_eq!(world.run(greedy(&GreedyCall::Read(1))), "ok");
    assert_eq!(
        world.run(greedy(&GreedyCall::WriteBytes(1, most + 1))),
        "too_many_bytes"
    );
}

#[test]
fn a_contract_cannot_name_the_state_of_another() {
    let mut world = world();
    let before = world.state.clone();

    assert_eq!(world.run(greedy(&GreedyCall::Trespass)), "ok");

    assert_eq!(world.state.0, before.0);
}

#[test]
fn a_contract_answers_only_from_its_height_on() {
    let mut world = World::with_executor(executor());
    let call = || greedy(&GreedyCall::Read(1));

    assert_eq!(world.check(&call()), Ok(()));
    assert_eq!(world.run(call()), "unknown_contract");
    assert_eq!(world.run(call()), "unknown_contract");
    assert_eq!(world.run(call()), "ok");
}

#[test]
fn an_empty_block_changes_nothing() {
    assert_eq!(World::new().outcome(&[]), BlockOutcome::default());
}

#[test]
fn an_entity_uses_its_lane_by_role() {
    let world = World::new();
    let call = |sender, lane| {
        let mut transaction = register_device(sender, 21);
        transaction.body.lane = lane;
        world.check(&transaction).map_err(|refusal| refusal.reason)
    };

    assert_eq!(call(HOSPITAL, Lane::Emergency), Ok(()));
    assert_eq!(call(PHARMACY, Lane::Emergency), Err("lane_not_allowed"));
    assert_eq!(call(PHARMACY, Lane::Monitoring), Ok(()));
    assert_eq!(call(INSTITUTE, Lane::Monitoring), Err("lane_not_allowed"));
    assert_eq!(call(INSTITUTE, Lane::Bulk), Ok(()));
}

/// A state whose reads fail from some read on.
struct Failing<'a> {
    state: &'a MemoryState,
    left: Cell<u32>,
}

impl StateRead for Failing<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(StateReadError("disk on fire".into())),
        }
        self.state.get(key)
    }
}

/// Wherever the store fails, there is an error and no outcome; a receipt never depends on a disk.
#[test]
fn a_failing_store_aborts_the_block_and_never_becomes_a_receipt() {
    let world = World::new();
    let block = [
        register_entity(MINISTRY, 11, Role::Hospital),
        register_device(11, 21),
        of_entity(11, reading(21, 1)),
        revoke_device(HOSPITAL, 50),
        reading(99, 1),
    ];
    let expected = world.outcome(&block);
    let demotions = world.demotions();
    let execute = |reads| {
        let state = Failing {
            state: &world.state,
            left: Cell::new(reads),
        };
        world
            .executor
            .execute_block(world.next(), &block, &state, &demotions)
    };

    let enough = (0..100)
        .find(|reads| execute(*reads).is_ok())
        .expect("some number is enough");

    assert!(enough > 10, "{enough} reads");
    assert_eq!(execute(enough).expect("enough reads"), expected);
    let state = Failing {
        state: &world.state,
        left: Cell::new(1),
    };
    assert!(
        world
            .executor
            .check(&block[0].body, world.next().height, &state)
            .is_err()
    );
}

#[test]
fn a_state_without_genesis_or_with_a_damaged_value_is_an_error_not_a_refusal() {
    let mut world = World::new();
    let nothing = MemoryState::default();
    let demotions = world.demotions();
    assert!(
        world
            .executor
            .execute_block(world.next(), &[reading(21, 1)], &nothing, &demotions)
            .is_err()
    );

    let key = salus_contracts::native::identity::entity_key(&entity_id(HOSPITAL));
    world.state.0.insert(key, vec![1, 2, 3]);

    assert!(
        world
            .executor
            .execute_block(
                world.next(),
                &[register_device(HOSPITAL, 21)],
                &world.state,
                &demotions
            )
            .is_err()
    );
}

proptest! {
    /// Whatever bytes a member signs: a receipt, never a panic; and a failed one leaves nothing.
    #[test]
    fn arbitrary_payloads_give_a_receipt(
        contract in 0u16..6,
        sender in 0u8..8,
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check_survives(raw(sender, contract, payload))?;
    }

    /// Valid calls with bytes changed get further into the contracts than noise does.
    #[test]
    fn damaged_calls_give_a_receipt(
        which in 0usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut transaction = [
            register_entity(MINISTRY, 11, Role::Hospital),
            register_device(HOSPITAL, 21),
            revoke_entity(MINISTRY, HOSPITAL),
            reading(HOSPITAL, 1),
        ][which].clone();
        let payload = &mut transaction.body.call.payload.0;
        for (index, byte) in changes {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        check_survives(transaction)?;
    }
}

fn check_survives(transaction: SignedTransaction) -> Result<(), TestCaseError> {
    let world = World::new();
    let check = world.check(&transaction);

    let outcome = world.outcome(&[transaction]);

    let [receipt] = outcome.receipts.as_slice() else {
        return Err(TestCaseError::fail("one receipt"));
    };
    if reason(receipt) != "ok" {
        prop_assert!(outcome.writes.0.is_empty() && receipt.events.is_empty());
    }
    if let Err(refusal) = check {
        prop_assert_eq!(refusal.reason, reason(receipt));
    }
    Ok(())
}
