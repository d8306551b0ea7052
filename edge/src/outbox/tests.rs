use std::fs;
use std::path::PathBuf;

use salus_primitives::codec::Blob;
use salus_primitives::crypto::cipher::{Envelope, Suite};
use salus_primitives::crypto::sign::{PublicKey, Signature};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{ContractId, DeviceId, EntityId, GenesisHash, Height};
use salus_primitives::reading::Handle;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction};
use tempfile::TempDir;

use super::*;

fn sealed(number: u32) -> SealedReading {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    SealedReading {
        device: DeviceId([1; 32]),
        handle: Handle([2; 32]),
        reading: ReadingId(id),
        envelope: Envelope {
            suite: Suite::Twofish256EaxBlake3,
            nonce: [3; 16],
            commitment: Digest([4; 32]),
            ciphertext: Blob(vec![5; 272]),
        },
    }
}

fn signed(number: u8) -> Arc<SignedTransaction> {
    Arc::new(Signed {
        body: Transaction {
            genesis: GenesisHash([0; 32]),
            sender: PublicKey([1; 32]),
            entity: EntityId([4; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(9),
            nonce: [number; 16],
            call: Call {
                contract: ContractId::new(3),
                payload: Blob(vec![7; 300]),
            },
        },
        signature: Signature([number; 64]),
    })
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("outbox")
}

fn open(folder: &TempDir) -> (Outbox, Recovered) {
    Outbox::open(&path(folder), Limits::default()).expect("the outbox opens")
}

fn push(outbox: &mut Outbox, lane: Lane, number: u32) -> ItemId {
    match outbox.push(lane, sealed(number)) {
        Ok(Pushed::Queued(id)) => id,
        other => panic!("not queued: {other:?}"),
    }
}

fn drain(outbox: &mut Outbox) -> Vec<ReadingId> {
    std::iter::from_fn(|| outbox.poll_send(0, Lane::Bulk))
        .map(|item| item.sealed.reading)
        .collect()
}

/// What was queued and not done is there after a crash, urgent first, with its signature.
#[test]
fn unfinished_items_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let done = push(&mut outbox, Lane::Routine, 1);
    let kept = push(&mut outbox, Lane::Routine, 2);
    push(&mut outbox, Lane::Emergency, 3);
    outbox.sign(kept, signed(1)).unwrap();
    outbox.sign(kept, signed(2)).unwrap();
    outbox.ack(done).unwrap();
    drop(outbox);

    let (mut outbox, recovered) = open(&folder);

    assert_eq!(
        recovered,
        Recovered {
            items: 2,
            damaged_bytes: 0
        }
    );
    let first = outbox.poll_send(0, Lane::Bulk).unwrap();
    let second = outbox.poll_send(0, Lane::Bulk).unwrap();
    assert_eq!(
        (first.lane, first.sealed.reading),
        (Lane::Emergency, sealed(3).reading)
    );
    assert_eq!((second.id, second.signed), (kept, Some(signed(2))));
    assert!(outbox.poll_send(0, Lane::Bulk).is_none());
}

/// Whatever part of the last record a crash leaves, everything before it is there, and new items can follow.
#[test]
fn any_torn_tail_is_tolerated() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    push(&mut outbox, Lane::Routine, 1);
    let before = fs::metadata(path(&folder)).unwrap().len();
    push(&mut outbox, Lane::Routine, 2);
    drop(outbox);
    let whole = fs::read(path(&folder)).unwrap();

    for length in usize::try_from(before).unwrap()..whole.len() {
        fs::write(path(&folder), &whole[..length]).unwrap();
        let (mut outbox, recovered) = open(&folder);
        assert_eq!(
            recovered,
            Recovered {
                items: 1,
                damaged_bytes: length as u64 - before
            },
            "{length}"
        );
        push(&mut outbox, Lane::Routine, 3);
        drop(outbox);
        let (mut outbox, recovered) = open(&folder);
        assert_eq!(
            recovered,
            Recovered {
                items: 2,
                damaged_bytes: 0
            },
            "{length}"
        );
        assert_eq!(
            drain(&mut outbox),
            [sealed(1).reading, sealed(3).reading],
            "{length}"
        );
    }
}

/// A damaged record in the middle costs only itself.
#[test]
fn damage_in_the_middle_costs_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let mut ends = vec![fs::metadata(path(&folder)).unwrap().len()];
    for number in 0..3 {
        push(&mut outbox, Lane::Routine, number);
        ends.push(fs::metadata(path(&folder)).unwrap().len());
    }
    drop(outbox);
    let whole = fs::read(path(&folder)).unwrap();

    for position in (ends[1]..ends[2]).step_by(7) {
        let mut bytes = whole.clone();
        bytes[usize::try_from(position).unwrap()] ^= 0x40;
        fs::write(path(&folder), bytes).unwrap();
        let (mut outbox, recovered) = open(&folder);
        assert_eq!(
            recovered,
            Recovered {
                items: 2,
                damaged_bytes: ends[2] - ends[1]
            },
            "{position}"
        );
        assert_eq!(
            drain(&mut outbox),
            [sealed(0).reading, sealed(2).reading],
            "{position}"
        );
    }
}

/// A file of another kind is refused, not overwritten.
#[test]
fn foreign_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(path(&folder), b"my thesis").unwrap();

    assert!(matches!(
        Outbox::open(&path(&folder), Limits::default()),
        Err(OutboxError::NotAnOutbox)
    ));
    assert_eq!(fs::read(path(&folder)).unwrap(), b"my thesis");
}

/// A full outbox refuses routine first; emergencies have room of their own, and then it refuses these, too.
#[test]
fn full_outbox_keeps_room_for_emergencies() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        items: 5,
        reserved_for_emergencies: 2,
    };
    let (mut outbox, _) = Outbox::open(&path(&folder), limits).unwrap();
    let first = push(&mut outbox, Lane::Routine, 0);
    push(&mut outbox, Lane::Routine, 1);
    push(&mut outbox, Lane::Monitoring, 2);

    let refused = outbox.push(Lane::Monitoring, sealed(3)).unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::Full {
            lane: Lane::Monitoring,
            items: 3,
            limit: 3
        }
    ));
    push(&mut outbox, Lane::Emergency, 4);
    push(&mut outbox, Lane::Emergency, 5);
    let refused = outbox.push(Lane::Emergency, sealed(6)).unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::Full {
            lane: Lane::Emergency,
            items: 5,
            limit: 5
        }
    ));

    outbox.ack(first).unwrap();
    push(&mut outbox, Lane::Emergency, 6);
}

/// A reading is queued once, and a proven one not again, also after a restart and a compaction.
#[test]
fn reading_is_queued_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let id = push(&mut outbox, Lane::Routine, 1);

    assert_eq!(
        outbox.push(Lane::Routine, sealed(1)).unwrap(),
        Pushed::Known
    );
    outbox.ack(id).unwrap();
    assert_eq!(outbox.push(Lane::Routine, sealed(1)).unwrap(), Pushed::Done);
    outbox.compact().unwrap();
    drop(outbox);

    let (mut outbox, recovered) = open(&folder);
    assert_eq!(recovered.items, 0);
    assert_eq!(outbox.push(Lane::Routine, sealed(1)).unwrap(), Pushed::Done);
    assert_ne!(
        push(&mut outbox, Lane::Routine, 2),
        id,
        "an id is never used twice"
    );
}

/// Retried items come back at their time; parked ones in the next run, without the transaction that failed.
#[test]
fn retried_and_parked_items_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let id = push(&mut outbox, Lane::Routine, 1);
    outbox.poll_send(0, Lane::Bulk).unwrap();

    outbox.retry(id, 500);
    assert!(outbox.poll_send(499, Lane::Bulk).is_none());
    assert_eq!(outbox.poll_send(500, Lane::Bulk).unwrap().id, id);

    outbox.sign(id, signed(1)).unwrap();
    outbox.unsign(id).unwrap();
    outbox.park(id);
    assert!(outbox.poll_send(u64::MAX, Lane::Bulk).is_none());
    assert_eq!((outbox.len(), outbox.waiting()), (1, 0));
    drop(outbox);
    let (mut outbox, _) = open(&folder);
    let again = outbox.poll_send(0, Lane::Bulk).unwrap();
    assert_eq!((again.id, again.signed), (id, None));
}

/// The file does not grow with what is done, and what is not done survives the rewriting.
#[test]
fn file_does_not_grow_with_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let kept = push(&mut outbox, Lane::Bulk, u32::MAX);
    outbox.sign(kept, signed(9)).unwrap();

    for number in 0..40_000 {
        let id = push(&mut outbox, Lane::Routine, number);
        outbox.poll_send(0, Lane::Routine).unwrap();
        outbox.ack(id).unwrap();
    }
    let point = outbox.sign(kept, signed(9)).unwrap();
    outbox.syncer().wait(point).unwrap();
    drop(outbox);

    assert!(fs::metadata(path(&folder)).unwrap().len() < 16 * 1024 * 1024);
    let (mut outbox, recovered) = open(&folder);
    assert_eq!(
        recovered,
        Recovered {
            items: 1,
            damaged_bytes: 0
        }
    );
    assert_eq!(
        outbox.poll_send(0, Lane::Bulk).unwrap().signed,
        Some(signed(9))
    );
}

/// Many threads wait for one log; each returns when its own record is durable.
#[test]
fn threads_share_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = open(&folder);
    let id = push(&mut outbox, Lane::Routine, 1);
    let outbox = std::sync::Mutex::new(outbox);
    let syncer = outbox.lock().unwrap().syncer();

    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..20 {
                    let point = outbox.lock().unwrap().sign(id, signed(number)).unwrap();
                    if number == 10 {
                        outbox.lock().unwrap().compact().unwrap();
                    }
                    syncer.wait(point).unwrap();
                }
            });
        }
    });

    drop(outbox);
    assert_eq!(
        open(&folder).1,
        Recovered {
            items: 1,
            damaged_bytes: 0
        }
    );
}
