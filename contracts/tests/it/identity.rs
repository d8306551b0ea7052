//! Who may act, and from exactly when.

use crate::world::*;
use salus_contracts::caller::Principal;
use salus_contracts::native::blockcfg;
use salus_contracts::native::identity::{
    self as contract, DEVICE_REVOKED, IdentityEvent, NoPrincipal,
};
use salus_primitives::calls::{IDENTITY, NewDevice, Role};
use salus_primitives::codec;
use salus_primitives::ids::{Epoch, Height};

#[test]
fn genesis_makes_entities_with_their_roles_and_keys() {
    let world = World::new();

    let hospital = contract::entity(&world.state, &entity_id(HOSPITAL))
        .expect("memory")
        .expect("a member");
    assert_eq!((hospital.name, hospital.role), (name(1), Role::Hospital));
    assert_eq!(
        contract::principal_of_key(&world.state, &key(MINISTRY), Height::new(1), Epoch::new(1))
            .expect("memory"),
        Ok(Principal::Entity {
            id: entity_id(MINISTRY),
            role: Role::Ministry
        })
    );
    assert_eq!(
        blockcfg::parameters(&world.state).expect("memory"),
        parameters()
    );
    assert_eq!(blockcfg::chain_name(&world.state).expect("memory"), "test");
}

#[test]
fn a_registered_entity_can_bind_a_device_in_the_same_block_and_the_device_can_act_at_once() {
    let mut world = World::new();

    let receipts = world.block(&[
        register_entity(MINISTRY, 11, Role::Institute),
        register_device(11, 21),
        of_entity(11, reading(21, 1)),
    ]);

    assert!(receipts.iter().all(|receipt| reason(receipt) == "ok"));
    assert_eq!(
        contract::principal_of_key(&world.state, &key(21), Height::new(2), Epoch::new(1))
            .expect("memory"),
        Ok(Principal::Device {
            id: device_id(21),
            owner: entity_id(11),
            role: Role::Institute
        })
    );
    assert_eq!(receipts[1].events.len(), 1);
    assert_eq!(receipts[1].events[0].contract, IDENTITY);
    assert_eq!(
        codec::decode(receipts[1].events[0].data.as_slice(), 1024),
        Ok(IdentityEvent::DevicesRegistered {
            owner: entity_id(11),
            model: None,
            devices: vec![NewDevice {
                device: device_id(21),
                key: key(21)
            }]
        })
    );
}

/// Before its revocation in a block a device is heard, after it no more.
#[test]
fn a_revocation_takes_effect_at_its_exact_position_in_a_block() {
    for position in 0..4 {
        let mut world = World::new();
        assert_eq!(world.run(register_device(HOSPITAL, 21)), "ok");
        let mut transactions: Vec<_> = (0..3).map(|n| reading(21, n)).collect();
        transactions.insert(position, revoke_device(HOSPITAL, 21));

        let receipts = world.block(&transactions);

        for (index, receipt) in receipts.iter().enumerate() {
            let expected = if index <= position {
                "ok"
            } else {
                "device_revoked"
            };
            assert_eq!(reason(receipt), expected, "{index} of {position}");
        }
        assert_eq!(receipts[position].events[0].topic, DEVICE_REVOKED);
        let device = contract::device(&world.state, &device_id(21))
            .expect("memory")
            .expect("kept for good");
        assert_eq!(device.revoked_at, Some(Height::new(2)));
    }
}

#[test]
fn a_rotation_replaces_the_key_from_the_next_transaction_on() {
    let mut world = World::new();
    assert_eq!(world.run(register_device(HOSPITAL, 21)), "ok");
    let with_new_key = |n| submit(31, salus_primitives::lane::Lane::Routine, sealed(21, n));

    let receipts = world.block(&[
        reading(21, 1),
        with_new_key(2),
        rotate(HOSPITAL, 21, 31),
        reading(21, 3),
        with_new_key(4),
    ]);

    let reasons: Vec<_> = receipts.iter().map(reason).collect();
    assert_eq!(reasons, ["ok", "unknown_sender", "ok", "key_rotated", "ok"]);
}

/// After a rotation and a revocation the old key still names its device, as revoked.
#[test]
fn every_key_of_a_revoked_device_is_revoked() {
    let mut world = World::new();
    world.block(&[
        register_device(HOSPITAL, 21),
        rotate(HOSPITAL, 21, 31),
        revoke_device(HOSPITAL, 21),
    ]);

    for n in [21, 31] {
        assert_eq!(
            contract::principal_of_key(&world.state, &key(n), Height::new(2), Epoch::new(1))
                .expect("memory"),
            Err(NoPrincipal::DeviceRevoked)
        );
    }
}

#[test]
fn a_ministry_revokes_the_device_of_any_owner() {
    let mut world = World::new();

    let receipts = world.block(&[
        register_device(PHARMACY, 21),
        revoke_device(MINISTRY, 21),
        reading(21, 1),
    ]);

    let reasons: Vec<_> = receipts.iter().map(reason).collect();
    assert_eq!(reasons, ["ok", "ok", "device_revoked"]);
}

/// A closed clinic's devices fall silent with it, and its owner cannot undo that.
#[test]
fn revoking_an_entity_silences_it_and_its_devices() {
    let mut world = World::new();
    world.block(&[
        register_entity(MINISTRY, 11, Role::Hospital),
        register_device(11, 21),
    ]);

    let receipts = world.block(&[
        of_entity(11, reading(21, 1)),
        revoke_entity(MINISTRY, 11),
        of_entity(11, reading(21, 2)),
        rotate(11, 21, 31),
    ]);

    let reasons: Vec<_> = receipts.iter().map(reason).collect();
    assert_eq!(reasons, ["ok", "ok", "entity_revoked", "entity_revoked"]);
}
