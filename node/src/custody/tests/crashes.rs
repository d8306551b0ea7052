//! The machine stops between any two steps on the disk, and is started again.

use super::super::*;
use super::world::{DAY, KEY, REQUEST, World, order, period, requester};
use std::fs::File;
use std::io::{Read as _, Seek as _};

/// More steps than anything takes.
const STEPS_MAX: u32 = 80;

/// A receipt is for what is durable: whenever it was given, the key is released after a restart.
#[test]
fn a_deposit_is_durable_before_its_receipt() {
    let mut completed = 0;
    for steps in 0..STEPS_MAX {
        let mut world = World::new();
        let deposit = world.make_deposit(period(), &KEY);
        world.crash_after(steps);

        let is_acknowledged = world.hand_in(&deposit).is_ok();
        world.reopen();

        if is_acknowledged {
            completed += 1;
        } else {
            world.hand_in(&deposit).expect("handed in again");
        }
        let release = world.release().expect("released");
        assert_eq!(world.open(&release).expect("opens").len(), 1, "{steps}");
    }
    assert!(completed > 0, "{STEPS_MAX} steps are enough");
}

/// A one-time key that was given out is there after a restart.
#[test]
fn a_prekey_is_durable_before_it_is_given() {
    for steps in 0..STEPS_MAX {
        let mut world = World::new();
        world.crash_after(steps);

        let given = world.prekey(period());
        world.reopen();

        let again = world.prekey(period()).expect("given");
        if let Ok(given) = given {
            assert_eq!(given.key, again.key, "{steps}");
        }
    }
}

/// A release that was given is given again, and the chain will be told; one that was not can be asked for again.
#[test]
fn a_release_is_durable_and_will_be_said_before_it_is_given() {
    let mut completed = 0;
    for steps in 0..STEPS_MAX {
        let mut world = World::new();
        world.deposit(period()).expect("deposited");
        world.crash_after(steps);

        let given = world.release();
        world.reopen();

        if let Ok(given) = given {
            completed += 1;
            let said = world.service.unsaid().expect("read");
            assert_eq!(said, [Statement::Released(REQUEST)], "{steps}");
            assert_eq!(world.release().expect("released"), given, "{steps}");
        }
        let release = world.release().expect("released");
        assert!(world.open(&release).is_ok(), "{steps}");
        let said = world.service.unsaid().expect("read");
        assert_eq!(said, [Statement::Released(REQUEST)], "{steps}");
    }
    assert!(completed > 0, "{STEPS_MAX} steps are enough");
}

/// Whenever the chain is to be told that keys are gone, they are: from the files, from what the files were before, and from what was kept of releases.
/// Before that, the order is carried out again.
#[test]
fn what_is_said_to_be_erased_is_gone_wherever_the_machine_stopped() {
    let mut completed = 0;
    for steps in 0..STEPS_MAX {
        let mut world = World::new();
        let deposit = world.make_deposit(period(), &KEY);
        world.hand_in(&deposit).expect("taken");
        let release = world.release().expect("released");
        let secret = world
            .service
            .kept()
            .vault
            .shard(&period().subject, period().category, DAY)
            .expect("read")
            .holdings[0]
            .prekey
            .0;
        let needles: [&[u8]; 4] = [
            &secret,
            deposit.body.wrapped.ciphertext.as_slice(),
            &release[release.len() - 120..],
            &KEY.0,
        ];
        assert!(
            holds(&world.everything_on_disk(), needles[0]),
            "it is there"
        );
        let before = handles(&world);
        world.crash_after(steps);

        let is_done = world.erase(order()).is_ok();
        world.reopen();

        let is_said = world
            .service
            .unsaid()
            .expect("read")
            .contains(&Statement::Erased(order().order));
        assert!(is_said || !is_done, "{steps}");
        if is_said {
            completed += 1;
        } else {
            assert!(
                world.service.watched().expect("read") < Height::new(20),
                "{steps}: it would not be done again"
            );
            world.erase(order()).expect("done again");
        }
        let disk = world.everything_on_disk();
        for (n, needle) in needles.iter().enumerate() {
            assert!(!holds(&disk, needle), "{steps}: {n} is still there");
        }
        // not even in the blocks that the files had before
        let gone: usize = before
            .into_iter()
            .map(|mut file| usize::from(content(&mut file).iter().all(|byte| *byte == 0)))
            .sum();
        assert!(gone >= 3, "{steps}: shard, index and release, of {gone}");
        world.allowed.erased = vec![(order().first_day, order().last_day)];
        assert_eq!(world.release().expect_err("gone").reason(), "erased");
        assert_eq!(world.service.watched().expect("read"), Height::new(20));
        assert_eq!(requester().public(), world.allowed.recipient.expect("set"));
    }
    assert!(completed > 0, "{STEPS_MAX} steps are enough");
}

/// What an order does not name stays: other days, kinds and people.
#[test]
fn an_order_takes_what_it_names_and_no_more() {
    let mut world = World::new();
    world.deposit(period()).expect("deposited");
    let mut others = Vec::new();
    for other in [
        Period {
            day: DAY + 1,
            ..period()
        },
        Period {
            day: DAY - 41,
            ..period()
        },
        Period {
            category: salus_primitives::reading::Category::Claims,
            ..period()
        },
        Period {
            subject: salus_primitives::reading::Pseudonym([99; 32]),
            ..period()
        },
    ] {
        let key = PeriodKey([120; 32]);
        let deposit = world.make_deposit(other, &key);
        world.hand_in(&deposit).expect("taken");
        others.push(other);
    }

    world.erase(order()).expect("done");

    for other in others {
        world.allowed.asked.subject = other.subject;
        world.allowed.asked.category = other.category;
        world.allowed.asked.extent = Extent::Days {
            first: other.day,
            last: other.day,
        };
        let facts = world.allowed.clone();
        let mut id = [0; 32];
        id[..4].copy_from_slice(&other.day.to_le_bytes());
        id[4] = other.category as u8;
        id[5] = other.subject.0[0];
        let released =
            world
                .service
                .release(TxId(id), |_| Ok(Some(facts)), &mut super::world::entropy(3));
        assert!(released.is_ok(), "{other:?}");
    }
}

fn holds(disk: &[Vec<u8>], needle: &[u8]) -> bool {
    disk.iter()
        .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

fn handles(world: &World) -> Vec<File> {
    std::fs::read_dir(world.folder())
        .expect("listed")
        .map(|entry| File::open(entry.expect("an entry").path()).expect("opened"))
        .collect()
}

fn content(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewound");
    file.read_to_end(&mut bytes).expect("read");
    bytes
}
