//! The vote journal through restarts, crashes, damage and failing disks; file and memory alike.

use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_storage::journal::{
    FileJournal, JournalError, JournalFaults, JournalIdentity, MemoryJournal, UnsyncedFate,
    VoteJournal,
};
use std::fs;
use std::path::PathBuf;

const ME: JournalIdentity = JournalIdentity {
    genesis: GenesisHash([1; 32]),
    validator: Digest([2; 32]),
};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("votes")
    }

    /// A closed journal with these entries, each synced on its own.
    fn with(entries: &[&[u8]]) -> Self {
        let home = Self::new();
        let mut journal = FileJournal::create(&home.path(), ME).unwrap();
        for entry in entries {
            say(&mut journal, &[entry]).unwrap();
        }
        home
    }
}

fn say(journal: &mut impl VoteJournal, entries: &[&[u8]]) -> Result<(), JournalError> {
    journal.append(entries)?;
    journal.sync()
}

#[test]
fn entries_come_back_in_order_after_reopening() {
    let home = Home::with(&[b"one", b"", b"three"]);

    let (mut journal, replay) = FileJournal::open(&home.path(), ME).unwrap();

    assert_eq!(replay.entries, [&b"one"[..], b"", b"three"]);
    assert_eq!(replay.torn, None);
    say(&mut journal, &[b"four", b"five"]).unwrap();
    drop(journal);
    let (_, replay) = FileJournal::open(&home.path(), ME).unwrap();
    assert_eq!(replay.entries.len(), 5);
}

/// A node that lost its journal must notice, not start with an empty one.
#[test]
fn a_missing_journal_is_an_error_and_an_existing_one_is_not_replaced() {
    let home = Home::new();

    assert!(matches!(
        FileJournal::open(&home.path(), ME),
        Err(JournalError::Missing { .. })
    ));
    drop(FileJournal::create(&home.path(), ME).unwrap());
    assert!(matches!(
        FileJournal::create(&home.path(), ME),
        Err(JournalError::Exists { .. })
    ));
}

#[test]
fn a_journal_of_another_chain_or_validator_is_refused() {
    let home = Home::with(&[b"one"]);
    let other_chain = JournalIdentity {
        genesis: GenesisHash([9; 32]),
        ..ME
    };
    let other_validator = JournalIdentity {
        validator: Digest([9; 32]),
        ..ME
    };

    for identity in [other_chain, other_validator] {
        assert!(matches!(
            FileJournal::open(&home.path(), identity),
            Err(JournalError::Foreign { .. })
        ));
    }
}

#[test]
fn a_journal_in_use_is_locked() {
    let home = Home::new();
    let mut journal = FileJournal::create(&home.path(), ME).unwrap();
    assert!(matches!(
        FileJournal::open(&home.path(), ME),
        Err(JournalError::Locked { .. })
    ));

    // The lock moves along to the file that a rewrite puts in its place.
    journal.rewrite(&[b"live"]).unwrap();

    assert!(matches!(
        FileJournal::open(&home.path(), ME),
        Err(JournalError::Locked { .. })
    ));
}

#[test]
fn a_torn_last_entry_is_cut_off_and_reported() {
    let home = Home::with(&[b"one", b"two, longer than what follows it"]);
    let bytes = fs::read(home.path()).unwrap();
    fs::write(home.path(), &bytes[..bytes.len() - 2]).unwrap();

    let (mut journal, replay) = FileJournal::open(&home.path(), ME).unwrap();

    assert_eq!(replay.entries, [b"one"]);
    assert!(replay.torn.is_some());
    // What follows is whole again.
    say(&mut journal, &[b"three"]).unwrap();
    drop(journal);
    let (_, replay) = FileJournal::open(&home.path(), ME).unwrap();
    assert_eq!(replay.entries, [&b"one"[..], b"three"]);
    assert_eq!(replay.torn, None);
}

/// Any bit flipped in an entry that others follow: the journal is refused as a whole, and left as it is.
#[test]
fn damage_in_the_middle_is_an_error_at_every_bit() {
    let home = Home::with(&[b"one", b"two", b"three"]);
    let bytes = fs::read(home.path()).unwrap();
    let head = bytes.len() - (3 * 36 + 3 + 3 + 5);
    let second_end = head + 2 * (36 + 3);

    for bit in head * 8..second_end * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(home.path(), &damaged).unwrap();

        let opened = FileJournal::open(&home.path(), ME);

        assert!(
            matches!(opened, Err(JournalError::Corrupt { .. })),
            "bit {bit}"
        );
        assert_eq!(fs::read(home.path()).unwrap(), damaged);
    }
}

#[test]
fn rewriting_keeps_what_is_live_and_shrinks_the_file() {
    let home = Home::with(&[&[7; 10_000], b"live"]);
    let (mut journal, _) = FileJournal::open(&home.path(), ME).unwrap();
    let before = journal.size_bytes();

    journal.rewrite(&[b"live"]).unwrap();
    say(&mut journal, &[b"next"]).unwrap();

    assert!(journal.size_bytes() < before);
    assert_eq!(
        fs::metadata(home.path()).unwrap().len(),
        journal.size_bytes()
    );
    drop(journal);
    let (_, replay) = FileJournal::open(&home.path(), ME).unwrap();
    assert_eq!(replay.entries, [b"live", b"next"]);
}

/// The process died before the rename: its temporary file means nothing, now or at the next rewrite.
#[test]
fn a_rewrite_that_did_not_finish_changes_nothing() {
    let home = Home::with(&[b"one"]);
    fs::write(home.0.path().join("votes.tmp"), b"half a journ").unwrap();

    let (mut journal, replay) = FileJournal::open(&home.path(), ME).unwrap();

    assert_eq!(replay.entries, [b"one"]);
    journal.rewrite(&[b"one"]).unwrap();
}

/// Creating was cut short after the journal got its name: the temporary name still leads to the same file, which a
/// rewrite must not touch before its new file is whole.
#[test]
fn a_rewrite_does_not_write_through_a_second_name_of_the_journal() {
    let home = Home::with(&[b"one"]);
    let bytes = fs::read(home.path()).unwrap();
    let witness = home.0.path().join("witness");
    fs::hard_link(home.path(), &witness).unwrap();
    fs::hard_link(home.path(), home.0.path().join("votes.tmp")).unwrap();
    let (mut journal, _) = FileJournal::open(&home.path(), ME).unwrap();

    journal.rewrite(&[b"two"]).unwrap();

    assert_eq!(fs::read(&witness).unwrap(), bytes);
}

#[test]
fn an_entry_over_the_limit_is_refused_and_the_journal_stays_usable() {
    let mut journal = MemoryJournal::create(ME);
    let huge = vec![0; salus_storage::journal::ENTRY_BYTES_MAX + 1];

    assert!(matches!(
        journal.append(&[b"small", &huge]),
        Err(JournalError::TooLarge { .. })
    ));
    say(&mut journal, &[b"small"]).unwrap();
    assert_eq!(journal.open(ME).unwrap().1.entries, [b"small"]);
}

/// Unsynced entries: gone, cut in half, or there; synced ones always there.
#[test]
fn a_crash_loses_only_what_was_not_synced() {
    let cases: [(UnsyncedFate, &[&[u8]], bool); 3] = [
        (UnsyncedFate::Lost, &[b"synced"], false),
        (UnsyncedFate::Torn, &[b"synced", b"buffered"], true),
        (
            UnsyncedFate::Kept,
            &[b"synced", b"buffered", b"last"],
            false,
        ),
    ];
    for (fate, expected, torn) in cases {
        let mut journal = MemoryJournal::create(ME);
        say(&mut journal, &[b"synced"]).unwrap();
        journal.append(&[b"buffered"]).unwrap();
        journal.append(&[b"last"]).unwrap();

        journal.crash(fate);
        let (_, replay) = journal.open(ME).unwrap();

        assert_eq!(replay.entries, expected, "{fate:?}");
        assert_eq!(replay.torn.is_some(), torn, "{fate:?}");
        assert!(matches!(
            journal.append(&[b"x"]),
            Err(JournalError::Poisoned)
        ));
    }
}

/// After a failed sync the pages count as clean: trying again would report a success that never was.
#[test]
fn a_failed_write_or_sync_poisons_the_journal() {
    let append = JournalFaults {
        append: Some(1),
        sync: None,
    };
    let sync = JournalFaults {
        append: None,
        sync: Some(1),
    };
    for faults in [append, sync] {
        let mut journal = MemoryJournal::create(ME);
        journal.set_faults(faults);
        say(&mut journal, &[b"one"]).unwrap();

        assert!(matches!(
            say(&mut journal, &[b"two"]),
            Err(JournalError::Io { .. })
        ));

        assert!(matches!(journal.sync(), Err(JournalError::Poisoned)));
        assert!(matches!(
            journal.append(&[b"x"]),
            Err(JournalError::Poisoned)
        ));
        assert!(matches!(journal.rewrite(&[]), Err(JournalError::Poisoned)));
        journal.crash(UnsyncedFate::Lost);
        assert_eq!(journal.open(ME).unwrap().1.entries, [b"one"]);
    }
}

#[test]
fn damage_in_memory_is_found_as_in_a_file() {
    let mut journal = MemoryJournal::create(ME);
    say(&mut journal, &[b"one"]).unwrap();
    let first_entry_end = journal.size_bytes() as usize;
    say(&mut journal, &[b"two"]).unwrap();
    journal.damage((first_entry_end - 1) * 8);
    journal.crash(UnsyncedFate::Lost);

    assert!(matches!(
        journal.open(ME),
        Err(JournalError::Corrupt { .. })
    ));
}
