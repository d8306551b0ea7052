//! The key service against devices, requesters and a chain that are given as plain data, with crashes between any two steps on the disk.

mod attacks;
mod crashes;
mod world;

use super::*;
use salus_primitives::access::Sensitivity;
use salus_primitives::custody::{KeyScope, ReleaseError};
use salus_primitives::reading::{Category, Pseudonym};
use world::{DAY, World, asked, days, period};

#[test]
fn what_was_deposited_is_released_to_who_asked_and_opens_the_record() {
    let mut world = World::new();
    let key = world.deposit(period()).expect("deposited");

    let release = world.release().expect("released");
    let opened = world.open(&release).expect("opens");

    assert_eq!(opened.len(), 1);
    assert_eq!(
        opened[0].open(world::GENESIS, &world::sealed(&key)),
        Ok(world::reading())
    );
    assert_eq!(
        world.service.unsaid().expect("read"),
        [Statement::Released(world::REQUEST)]
    );
}

/// Asked again, also by a node that was restarted, and also when what allowed it has ended: the same bytes. And it is said once.
#[test]
fn a_release_is_given_again_byte_by_byte() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");
    let first = world.release().expect("released");

    world.reopen();
    let second = world.release().expect("released");
    world.allowed.is_open = false;
    world.allowed.recipient = None;
    let third = world.release().expect("released");

    assert_eq!(first, second);
    assert_eq!(first, third);
    assert_eq!(world.service.unsaid().expect("read").len(), 1);
}

#[test]
fn a_prekey_and_a_deposit_are_given_again() {
    let mut world = World::new();
    let first = world.prekey(period()).expect("given");
    world.reopen();
    let again = world.prekey(period()).expect("given");
    assert_eq!(first.key, again.key);

    let deposit = world.make_deposit(period(), &world::KEY);
    let receipt = world.hand_in(&deposit).expect("taken");
    world.reopen();

    assert_eq!(world.hand_in(&deposit).expect("taken"), receipt);
    // a device that crashed before it kept its deposit wraps the key anew
    let anew = world.make_deposit(period(), &world::KEY);
    assert_ne!(anew, deposit);
    assert!(world.hand_in(&anew).is_ok());
}

#[test]
fn each_period_has_a_prekey_of_its_own() {
    let mut world = World::new();
    let mut other = period();
    other.generation += 1;

    let one = world.prekey(period()).expect("given");
    let two = world.prekey(other).expect("given");

    assert_ne!(one.key, two.key);
    assert_eq!((one.generation, one.height), (3, Height::new(9)));
}

/// Of the days asked for, whatever the generation and up to the sensitivity asked for; over the border of two files.
#[test]
fn a_release_has_all_that_was_asked_for_and_nothing_else() {
    let mut world = World::new();
    let border = DAY / SHARD_DAYS * SHARD_DAYS;
    world.allowed.asked = asked(days(border - 1, border + 1));
    for (n, (day, generation, sensitivity)) in [
        (border - 2, 0, Sensitivity::Normal),
        (border - 1, 0, Sensitivity::Normal),
        (border, 0, Sensitivity::Restricted),
        (border, 1, Sensitivity::Restricted),
        (border + 1, 0, Sensitivity::VeryRestricted),
        (border + 2, 0, Sensitivity::Normal),
    ]
    .into_iter()
    .enumerate()
    {
        let period = Period {
            day,
            generation,
            sensitivity,
            ..period()
        };
        let key = PeriodKey([u8::try_from(n).expect("small") + 100; 32]);
        let deposit = world.make_deposit(period, &key);
        world.hand_in(&deposit).expect("taken");
    }
    // asked for and never used
    world
        .prekey(Period {
            generation: 7,
            day: border,
            ..period()
        })
        .expect("given");

    let release = world.release().expect("released");
    let mut opened: Vec<_> = world
        .open(&release)
        .expect("opens")
        .iter()
        .map(|key| (key.claim.period.day, key.claim.period.generation))
        .collect();

    opened.sort_unstable();
    assert_eq!(opened, [(border - 1, 0), (border, 0), (border, 1)]);
}

#[test]
fn a_request_for_one_reading_gets_its_key_and_not_the_periods() {
    let mut world = World::new();
    let key = world.deposit(period()).expect("deposited");
    let sealed = world::sealed(&key);
    world.allowed.asked = asked(Extent::Reading {
        day: DAY,
        device: world::DEVICE,
        reading: sealed.reading,
    });

    let bytes = world.release().expect("released");
    let release: Signed<Release> =
        codec::decode(&bytes, salus_primitives::custody::RELEASE_MAX).expect("canonical");
    let opened = world.open(&bytes).expect("opens");

    assert_eq!(release.body.keys[0].scope, KeyScope::Record(sealed.reading));
    assert_eq!(
        opened[0].open(world::GENESIS, &sealed),
        Ok(world::reading())
    );
}

#[test]
fn nothing_is_released_where_nothing_was_deposited() {
    let mut world = World::new();
    world.prekey(period()).expect("given");

    assert_eq!(
        world.release().expect_err("nothing").reason(),
        "nothing_deposited"
    );
    // and what is deposited later is released then
    world.deposit(period()).expect("deposited");
    assert!(world.release().is_ok());
}

/// What two custodians hold: if one is gone or lies, the other one answers.
#[test]
fn if_one_custodian_is_gone_or_lies_the_other_answers() {
    let mut honest = World::new();
    honest.deposit(period()).expect("deposited");
    let mut lying = World::new();
    lying.deposit(period()).expect("deposited");
    lying.allowed.asked.subject = Pseudonym([77; 32]);

    // it says that it has nothing, or gives what was given to another request
    assert!(lying.release().is_err());
    let release = honest.release().expect("released");
    assert_eq!(
        honest.open_as(&release, TxId([66; 32])).err(),
        Some(ReleaseError::ForSomethingElse)
    );

    assert!(honest.open(&release).is_ok());
}

/// The oldest release makes room; who asks for it again is told to ask anew.
#[test]
fn releases_are_kept_up_to_a_number() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");
    let request = |n: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        TxId(id)
    };
    let index = Index {
        releases: (0..RELEASES_MAX)
            .map(|n| ReleasedDays {
                request: request(n),
                first: DAY,
                last: DAY,
            })
            .collect(),
    };
    let entropy = &mut world::entropy(1);
    {
        let mut kept = world.service.kept();
        let vault = &mut kept.vault;
        vault
            .put_index(&world::SUBJECT, Category::VitalSigns, &index, entropy)
            .expect("written");
        vault
            .put_release(&request(0), b"oldest", entropy)
            .expect("written");
    }

    world.release().expect("released");

    let kept = world.service.kept();
    let index = kept
        .vault
        .index(&world::SUBJECT, Category::VitalSigns)
        .expect("read");
    assert_eq!(index.releases.len(), RELEASES_MAX);
    assert_eq!(index.releases[0].request, request(1));
    assert_eq!(kept.vault.release(&request(0)).expect("read"), None);
}
