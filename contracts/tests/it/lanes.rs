//! Governance changes lanes and model, members say their prices: each holds from the second epoch after its own on.

use crate::world::*;
use salus_contracts::native::blockcfg::{
    self as contract, BlockcfgEvent, LANE_SET, MODEL_SET, PRICE_SET,
};
use salus_primitives::calls::{BLOCKCFG, Change, Role};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    BlockModel, EpochLanes, LaneParameters, LaneWeights, Policy, Verifiers,
};
use salus_primitives::receipt::{Event, Receipt};
use salus_primitives::transaction::SignedTransaction;

fn lanes(world: &World, epoch: u64) -> EpochLanes {
    contract::lanes(&world.state, Epoch::new(epoch))
        .expect("memory")
        .expect("configured")
}

/// The last event, which must be this contract's.
fn event(receipts: &[Receipt]) -> (u16, BlockcfgEvent) {
    let event: &Event = receipts
        .last()
        .and_then(|receipt| receipt.events.last())
        .expect("an event");
    assert_eq!(event.contract, BLOCKCFG);
    let decoded = codec::decode(event.data.as_slice(), 4_096).expect("an event of the contract");
    (event.topic, decoded)
}

/// All five sign in one block.
fn enact(world: &mut World, change: Change) -> Vec<Receipt> {
    let proposal = propose(1, change);
    let signed: Vec<SignedTransaction> = [2, 3, 4].map(|n| sign(n, &proposal)).into();
    let receipts = world.block(&[vec![proposal], signed].concat());
    assert!(receipts.iter().all(|receipt| reason(receipt) == "ok"));
    receipts
}

#[test]
fn a_changed_lane_holds_from_the_second_epoch_after_its_own_on() {
    let mut world = World::new();
    world.advance_to(12);
    let before = lane(&world, Lane::Bulk);
    let parameters = LaneParameters {
        policy: Policy::Fixed,
        max_verifiers: 4,
        max_transactions: 100,
        ..before.clone()
    };

    let receipts = enact(&mut world, Change::SetLane(parameters.clone()));
    world.advance_to(40);

    let made_known = BlockcfgEvent::LaneSet {
        parameters: parameters.clone(),
    };
    assert_eq!(event(&receipts), (LANE_SET, made_known));
    for (epoch, expected) in [
        (2, &before),
        (3, &before),
        (4, &parameters),
        (5, &parameters),
    ] {
        let lanes = lanes(&world, epoch);
        let found = lanes.lane(Lane::Bulk).expect("a lane");
        assert_eq!(&found.parameters, expected, "epoch {epoch}");
    }
    let configured = lanes(&world, 4);
    let bulk = configured.lane(Lane::Bulk).expect("a lane");
    assert_eq!(bulk.verifiers, Verifiers::Rotating(4));
    assert_eq!(bulk.transaction_limit, 100);
}

#[test]
fn a_changed_model_moves_the_size_of_blocks() {
    let mut world = World::new();
    let model = BlockModel {
        hold_max_ms: 10,
        ..policy().model
    };

    let receipts = enact(&mut world, Change::SetModel(model));
    world.advance_to(10);

    assert_eq!(
        event(&receipts),
        (MODEL_SET, BlockcfgEvent::ModelSet { model })
    );
    // 100 Mbit/s for a hundredth of a second, not for a tenth
    assert_eq!(lanes(&world, 2).block_bytes, 1 << 20);
    assert_eq!(lanes(&world, 3).block_bytes, 125_000);
}

/// A change that was possible when it was proposed, and is not when it passes: that signature is refused, and the lane stays.
#[test]
fn a_change_that_another_made_impossible_does_not_pass() {
    let mut world = World::new();
    let wider = LaneParameters {
        roles: vec![Role::Hospital, Role::Pharmacy],
        ..lane(&world, Lane::Emergency)
    };
    let narrower = LaneParameters {
        roles: vec![Role::Hospital],
        ..lane(&world, Lane::Monitoring)
    };
    let late = propose(1, Change::SetLane(wider));
    assert_eq!(world.run(late.clone()), "ok");
    enact(&mut world, Change::SetLane(narrower));
    for n in [2, 3] {
        assert_eq!(world.run(sign(n, &late)), "ok");
    }

    assert_eq!(world.run(sign(4, &late)), "roles_narrow");
    assert_eq!(lane(&world, Lane::Emergency).roles, [Role::Hospital]);
}

/// Where cost is all that counts, the two cheapest attest.
#[test]
fn a_price_counts_from_the_second_epoch_after_its_own_on() {
    let mut world = World::new();
    let parameters = LaneParameters {
        weights: LaneWeights {
            latency: 0,
            security: 0,
            cost: 1,
        },
        ..lane(&world, Lane::Emergency)
    };
    enact(&mut world, Change::SetLane(parameters));
    let receipts = world.block(&[set_price(HOSPITAL, 40)]);
    let member = entity_id(HOSPITAL);
    let made_known = BlockcfgEvent::PriceSet { member, price: 40 };
    assert_eq!(event(&receipts), (PRICE_SET, made_known));
    for (n, price) in [(PHARMACY, 5), (INSURER, 6), (INSTITUTE, 30), (MINISTRY, 4)] {
        assert_eq!(world.run(set_price(n, price)), "ok");
    }
    assert_eq!(contract::price(&world.state, &member).expect("memory"), 40);

    world.advance_to(10);

    let set = salus_contracts::native::staking::set(&world.state, Epoch::new(3));
    let set = set.expect("memory").expect("recorded");
    let mut cheapest = [PHARMACY, MINISTRY].map(|n| set.seat_of(&entity_id(n)).expect("a seat"));
    cheapest.sort_unstable();
    let configured = lanes(&world, 3);
    let emergency = configured.lane(Lane::Emergency).expect("a lane");
    assert_eq!(emergency.verifiers, Verifiers::Chosen(cheapest.into()));
}
