//! Devices at scale: batches, models, and keys from an exact height.

use crate::people::*;
use crate::world::*;
use salus_contracts::native::identity::{
    self as contract, DEVICES_REGISTERED, IdentityEvent, NextKey, NoPrincipal,
};
use salus_primitives::calls::{DEVICES_IN_BATCH_MAX, NewDevice};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{DeviceId, Epoch, Height};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::SignedTransaction;

/// So many devices that no other test has.
fn many_devices(count: usize) -> Vec<NewDevice> {
    (0..count)
        .map(|n| {
            let mut seed = [99; 32];
            seed[..8].copy_from_slice(&n.to_be_bytes());
            NewDevice {
                device: DeviceId::derive(&seed, b"many"),
                key: SecretKey::from_seed(seed).public(),
            }
        })
        .collect()
}

/// Of device 21 with another key.
fn signed_with(signer: u8, n: u8) -> SignedTransaction {
    submit(signer, Lane::Routine, sealed(21, n))
}

/// The largest batch fits into what one call may cost, and each of its devices can act.
#[test]
fn the_largest_batch_binds_every_device() {
    let mut world = World::new();
    let devices = many_devices(DEVICES_IN_BATCH_MAX);

    let receipts = world.block(&[register_devices(HOSPITAL, Some(1), devices.clone())]);

    assert_eq!(reasons(&receipts), ["ok"]);
    assert_eq!(receipts[0].events.len(), 1);
    assert_eq!(receipts[0].events[0].topic, DEVICES_REGISTERED);
    for new in &devices {
        let principal =
            contract::principal_of_key(&world.state, &new.key, Height::new(2), Epoch::new(1))
                .expect("memory")
                .expect("may act");
        assert_eq!(principal.device(), Some(new.device));
    }
    let numbers = contract::numbers(&world.state, &entity_id(HOSPITAL)).expect("memory");
    assert_eq!(numbers.devices, 256);
}

/// One device or key of a batch that is taken: none of them is bound.
#[test]
fn a_batch_is_registered_whole_or_not_at_all() {
    let mut world = World::new();
    assert_eq!(world.run(register_device(PHARMACY, 22)), "ok");
    let before = world.state.clone();
    let taken_key = NewDevice {
        key: key(22),
        ..new_device(24)
    };
    let twice = NewDevice {
        key: key(23),
        ..new_device(24)
    };

    for (batch, expected) in [
        (vec![new_device(21), new_device(22)], "device_exists"),
        (vec![new_device(21), taken_key], "key_in_use"),
        (vec![new_device(23), twice], "key_in_use"),
    ] {
        assert_eq!(world.run(register_devices(HOSPITAL, None, batch)), expected);
    }

    assert_eq!(world.state.0, before.0);
}

/// Registered at 1, rotation called at 2 for block 5: the old key in 2, 3 and 4, the new one from 5 on, and never both.
#[test]
fn a_rotation_takes_effect_in_the_block_it_names() {
    let mut world = World::new();
    world.block(&[register_device(HOSPITAL, 21)]);

    let called = world.block(&[
        rotate_at(HOSPITAL, 21, 31, 5),
        signed_with(21, 1),
        signed_with(31, 2),
    ]);
    assert_eq!(reasons(&called), ["ok", "ok", "key_not_yet_valid"]);
    assert_eq!(
        events(&called[0]),
        [IdentityEvent::DeviceKeyRotated {
            device: device_id(21),
            key: key(31),
            from: Height::new(5)
        }]
    );
    for height in 3..8 {
        let (old, new) = if height < 5 {
            ("ok", "key_not_yet_valid")
        } else {
            ("key_rotated", "ok")
        };
        // admission looks at the next block too, so that none waits for a block that refuses it
        for (signer, expected) in [(21, old), (31, new)] {
            let check = world.check(&signed_with(signer, 9));
            assert_eq!(
                check.map_or_else(|refusal| refusal.reason, |()| "ok"),
                expected
            );
        }
        let n = u8::try_from(height).expect("small");
        let receipts = world.block(&[
            signed_with(21, 10 + n),
            signed_with(31, 20 + n),
            signed_with(21, 30 + n),
        ]);
        assert_eq!(world.height, height);
        assert_eq!(reasons(&receipts), [old, new, old], "{height}");
    }
}

/// The schedule stands in the device's row until something else changes the row; what it says of a height does not depend on that.
#[test]
fn a_scheduled_key_counts_as_the_devices_own_when_its_block_has_come() {
    let mut world = World::new();
    world.block(&[register_device(HOSPITAL, 21)]);
    world.block(&[rotate_at(HOSPITAL, 21, 31, 4)]);
    let device = || {
        contract::device(&world.state, &device_id(21))
            .expect("memory")
            .expect("registered")
    };
    let scheduled = device();
    assert_eq!(scheduled.key_at(Height::new(3)), key(21));
    assert_eq!(scheduled.key_at(Height::new(4)), key(31));
    assert_eq!(
        scheduled.next,
        Some(NextKey {
            key: key(31),
            from: Height::new(4)
        })
    );

    world.advance_to(5);
    world.block(&[rotate_at(HOSPITAL, 21, 41, 9)]);

    let device = contract::device(&world.state, &device_id(21))
        .expect("memory")
        .expect("registered");
    assert_eq!((device.key, device.key_since), (key(31), Height::new(4)));
    assert_eq!(device.next.map(|next| next.key), Some(key(41)));
}

/// A lost device: the owner does not wait for the block that it planned.
#[test]
fn a_later_rotation_replaces_one_that_waits() {
    for (second, at_five) in [
        (
            rotate(HOSPITAL, 21, 41),
            ["key_rotated", "key_rotated", "ok"],
        ),
        (
            rotate_at(HOSPITAL, 21, 41, 6),
            ["ok", "key_rotated", "key_not_yet_valid"],
        ),
    ] {
        let mut world = World::new();
        world.block(&[register_device(HOSPITAL, 21)]);
        world.block(&[rotate_at(HOSPITAL, 21, 31, 5), second]);
        world.advance_to(4);

        let receipts = world.block(&[signed_with(21, 1), signed_with(31, 2), signed_with(41, 3)]);

        assert_eq!(reasons(&receipts), at_five);
        let used = world.run(rotate(HOSPITAL, 21, 31));
        assert_eq!(used, "key_in_use", "a key that was bound stays so");
    }
}

/// All of an owner's devices of a model fall silent at the exact place in the block, others and those of other owners do not.
#[test]
fn an_owner_revokes_its_own_devices_of_a_model() {
    for position in 0..4 {
        let mut world = World::new();
        world.block(&[
            register_devices(HOSPITAL, Some(1), vec![new_device(21), new_device(22)]),
            register_devices(HOSPITAL, Some(2), vec![new_device(23)]),
            register_devices(PHARMACY, Some(1), vec![new_device(24)]),
        ]);
        let mut transactions = vec![reading(21, 1), reading(22, 1), reading(21, 2)];
        transactions.insert(position, revoke_model(HOSPITAL, 1));

        let receipts = world.block(&transactions);

        for (index, receipt) in receipts.iter().enumerate() {
            let expected = if index <= position {
                "ok"
            } else {
                "device_revoked"
            };
            assert_eq!(reason(receipt), expected, "{index} of {position}");
        }
        let others = world.block(&[
            reading(23, 1),
            of_entity(PHARMACY, reading(24, 1)),
            register_devices(HOSPITAL, Some(1), vec![new_device(25)]),
            register_devices(PHARMACY, Some(1), vec![new_device(26)]),
        ]);
        assert_eq!(reasons(&others), ["ok", "ok", "model_revoked", "ok"]);
        let device = contract::device(&world.state, &device_id(22))
            .expect("memory")
            .expect("registered");
        assert_eq!(
            contract::revoked_at(&world.state, &device).expect("memory"),
            Some(Height::new(2))
        );
    }
}

/// A fault of a model that makes all of its kind unfit.
#[test]
fn a_ministry_revokes_a_model_for_everybody() {
    let mut world = World::new();
    world.block(&[
        register_devices(HOSPITAL, Some(1), vec![new_device(21)]),
        register_devices(PHARMACY, Some(1), vec![new_device(22)]),
        register_devices(PHARMACY, None, vec![new_device(23)]),
    ]);

    let receipts = world.block(&[
        reading(21, 1),
        revoke_model(MINISTRY, 1),
        reading(21, 2),
        of_entity(PHARMACY, reading(22, 1)),
        of_entity(PHARMACY, reading(23, 1)),
        register_devices(INSTITUTE, Some(1), vec![new_device(24)]),
        rotate(HOSPITAL, 21, 31),
    ]);

    assert_eq!(
        reasons(&receipts),
        [
            "ok",
            "ok",
            "device_revoked",
            "device_revoked",
            "ok",
            "model_revoked",
            "device_already_revoked"
        ]
    );
    assert_eq!(
        events(&receipts[1]),
        [IdentityEvent::ModelRevoked {
            model: model(1),
            owner: None,
            by: entity_id(MINISTRY)
        }]
    );
    assert_eq!(
        contract::principal_of_key(&world.state, &key(21), Height::new(3), Epoch::new(1))
            .expect("memory"),
        Err(NoPrincipal::DeviceRevoked)
    );
}
