//! Who is not entitled gets nothing, and learns nothing.

use super::super::facts::PersonFacts;
use super::super::*;
use super::world::{
    CUSTODIAN, DEVICE, GENESIS, KEY, RELATION, REQUEST, World, days, device, entropy, order, period,
};
use salus_primitives::crypto::strongbox::StoreError;
use salus_primitives::ids::DeviceId;
use salus_primitives::reading::Pseudonym;

const OTHER: EntityId = EntityId([30; 32]);

/// A device of another hospital, one that was revoked, one that nobody knows, a person that does not exist or has another custodian, a signature
/// that is not the device's, or not of this chain: one answer, which does not tell which persons there are.
#[test]
fn who_is_not_entitled_gets_one_answer_for_all() {
    type Change = fn(&mut World);
    let changes: [(&str, Change); 5] = [
        ("a device of another hospital", |world| {
            world.facts.device.as_mut().expect("set").owner = OTHER;
        }),
        ("a device that was revoked, or never registered", |world| {
            world.facts.device = None;
        }),
        ("the person of another relation", |world| {
            world.facts.person = Some(PersonFacts {
                relation: OTHER,
                is_custodian: true,
            });
        }),
        ("a person who has other custodians", |world| {
            world.facts.person = Some(PersonFacts {
                relation: RELATION,
                is_custodian: false,
            });
        }),
        ("no such person", |world| world.facts.person = None),
    ];
    for (who, change) in changes {
        let mut world = World::new();
        let deposit = world.make_deposit(period(), &KEY);
        change(&mut world);

        let prekey = world.prekey(period()).expect_err(who);
        let taken = world.hand_in(&deposit).expect_err(who);

        assert_eq!(
            [prekey.to_string(), taken.to_string()],
            [
                Refusal::NotEntitled.to_string(),
                Refusal::NotEntitled.to_string()
            ],
            "{who}"
        );
    }
    let mut world = World::new();
    let stranger = SecretKey::from_seed([31; 32]).signer();
    for (id, signer, genesis) in [
        (DEVICE, &stranger, GENESIS),
        (DEVICE, &device(), GenesisHash([32; 32])),
        (DeviceId([33; 32]), &stranger, GENESIS),
    ] {
        let refused = world.prekey_of(period(), id, signer, genesis);
        assert_eq!(refused.expect_err("refused").reason(), "not_entitled");
    }
}

#[test]
fn a_deposit_by_another_devices_key_is_refused() {
    let mut world = World::new();
    let mut deposit = world.make_deposit(period(), &KEY);
    let stranger = SecretKey::from_seed([31; 32]).signer();
    deposit = Signed::sign(deposit.body, GENESIS, &stranger).into_signed();

    assert_eq!(
        world.hand_in(&deposit).expect_err("refused").reason(),
        "not_entitled"
    );
}

/// A one-time key takes one period key: a second one is refused, and the first stays.
#[test]
fn a_prekey_takes_one_key() {
    let mut world = World::new();
    let prekey = world.prekey(period()).expect("given");
    let first = world.wrap(prekey, &KEY);
    let second = world.wrap(prekey, &PeriodKey([40; 32]));
    world.hand_in(&first).expect("taken");

    assert_eq!(
        world.hand_in(&second).expect_err("refused").reason(),
        "prekey_used"
    );

    let release = world.release().expect("released");
    assert_eq!(
        world.open(&release).expect("opens")[0].claim.handle,
        KEY.handle()
    );
}

#[test]
fn a_prekey_of_another_period_or_none_takes_nothing() {
    let mut world = World::new();
    let prekey = world.prekey(period()).expect("given");
    let elsewhere = Prekey {
        period: Period {
            generation: 9,
            ..period()
        },
        ..prekey
    };
    let deposit = world.wrap(elsewhere, &KEY);
    assert_eq!(
        world.hand_in(&deposit).expect_err("refused").reason(),
        "unknown_prekey"
    );

    let own = ExchangeSecret::from_bytes([41; 32]);
    let made_up = Prekey {
        key: own.public(),
        ..prekey
    };
    let deposit = world.wrap(made_up, &KEY);
    assert_eq!(
        world.hand_in(&deposit).expect_err("refused").reason(),
        "unknown_prekey"
    );
}

#[test]
fn another_custodians_deposit_is_refused() {
    let mut world = World::new();
    let prekey = world.prekey(period()).expect("given");
    let deposit = world.wrap(
        Prekey {
            custodian: OTHER,
            ..prekey
        },
        &KEY,
    );

    assert!(world.hand_in(&deposit).is_err());
}

/// What was revoked or has expired before anybody fetched the keys is not released any more; nor is what was denied or is not final.
#[test]
fn nothing_is_released_after_revocation_expiry_or_denial() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");

    world.allowed.is_open = false;
    assert_eq!(world.release().expect_err("ended").reason(), "not_allowed");
    world.allowed.is_open = true;
    world.allowed.recipient = None;
    assert_eq!(world.release().expect_err("ended").reason(), "not_allowed");
    let denied = world
        .service
        .release(REQUEST, |_| Ok(None), &mut entropy(2));
    assert_eq!(denied.expect_err("denied").reason(), "not_allowed");
    assert!(world.service.unsaid().expect("read").is_empty());
}

/// A store that was lost, or put back from before: the chain knows that keys were released, and none is released anew for the old request.
#[test]
fn a_request_that_was_answered_is_not_answered_anew() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");
    world.allowed.is_released = true;

    assert_eq!(world.release().expect_err("lost").reason(), "not_kept");
}

#[test]
fn an_erased_period_takes_no_key_and_gives_none() {
    let mut world = World::new();
    let deposit = world.make_deposit(period(), &KEY);
    world.facts.is_erased = true;
    assert_eq!(
        world.prekey(period()).expect_err("erased").reason(),
        "erased"
    );
    assert_eq!(
        world.hand_in(&deposit).expect_err("erased").reason(),
        "erased"
    );

    // the order is final, and has not been carried out here yet
    world.facts.is_erased = false;
    world.hand_in(&deposit).expect("taken");
    world.allowed.erased = vec![(order().first_day, order().last_day)];
    assert_eq!(world.release().expect_err("erased").reason(), "erased");

    // and of more days than that, the others
    world.allowed.asked.extent = days(order().last_day, order().last_day + 1);
    assert_eq!(
        world.release().expect_err("nothing else").reason(),
        "nothing_deposited"
    );
}

#[test]
fn a_service_that_the_chain_does_not_know_does_nothing() {
    let mut world = World::new();
    let deposit = world.make_deposit(period(), &KEY);
    world.facts.custody_key = None;
    world.allowed.custody_key = Some(device().public());

    let reasons = [
        world.prekey(period()).expect_err("refused").reason(),
        world.hand_in(&deposit).expect_err("refused").reason(),
        world.release().expect_err("refused").reason(),
    ];

    assert_eq!(reasons, ["not_registered"; 3]);
}

/// A device in wrong hands cannot fill a custodian's disk.
#[test]
fn generations_of_a_period_have_a_bound() {
    let mut world = World::new();
    for generation in 0..GENERATIONS_MAX as u64 {
        world
            .prekey(Period {
                generation,
                ..period()
            })
            .expect("given");
    }

    let one_more = Period {
        generation: GENERATIONS_MAX as u64,
        ..period()
    };
    assert_eq!(
        world.prekey(one_more).expect_err("too many").reason(),
        "too_many"
    );
    // what was given out stays
    assert!(world.prekey(period()).is_ok());
}

#[test]
fn a_vault_opens_with_its_key_alone_and_is_not_made_twice() {
    let world = World::new();
    let other = Unlock::KeyFile(zeroize::Zeroizing::new([50; 32]));

    let wrong = KeyService::open(world.folder(), &other, GENESIS, CUSTODIAN);
    assert!(matches!(
        wrong,
        Err(VaultError::Closed {
            source: StoreError::WrongSecret,
            ..
        })
    ));
    assert!(matches!(
        create(
            world.folder(),
            &other,
            PassphraseCost::LEAST,
            &mut entropy(2)
        ),
        Err(VaultError::Exists { .. })
    ));
    let missing = world.folder().join("nothing");
    assert!(matches!(
        KeyService::open(&missing, &other, GENESIS, CUSTODIAN),
        Err(VaultError::Missing { .. })
    ));

    relock(
        world.folder(),
        &super::world::unlock(),
        &other,
        PassphraseCost::LEAST,
        &mut entropy(3),
    )
    .expect("relocked");
    let opened = KeyService::open(world.folder(), &other, GENESIS, CUSTODIAN).expect("opens");
    assert_eq!(opened.public_key(), world.service.public_key());
}

/// A file cannot be put in the place of another: one person's keys are not released as another's.
#[test]
fn files_cannot_be_exchanged() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");
    let names = || -> Vec<String> {
        std::fs::read_dir(world.folder())
            .expect("listed")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .filter(|name| name.len() == 64)
            .collect()
    };
    let [mine] = names().try_into().expect("one shard");
    let mut other = World::new();
    let foreign = Period {
        subject: Pseudonym([60; 32]),
        ..period()
    };
    other.deposit(foreign).expect("deposited");
    let theirs = std::fs::read_dir(other.folder())
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.file_name().is_some_and(|name| name.len() == 64))
        .expect("one shard");
    std::fs::copy(theirs, world.folder().join(mine)).expect("copied");

    assert!(matches!(
        world.release(),
        Err(Refusal::Vault(VaultError::Closed { .. }))
    ));
}
