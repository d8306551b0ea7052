//! The journal on a disk without room: a small one of its own, which takes a root to mount.

use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_storage::journal::{
    FileJournal, JournalError, JournalIdentity, MemoryJournal, UnsyncedFate, VoteJournal,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const ME: JournalIdentity = JournalIdentity {
    genesis: GenesisHash([1; 32]),
    validator: Digest([2; 32]),
};

/// A file system of its own; unmounted when dropped, also by a panic.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(kilobytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={kilobytes}k"))
            .arg("salus-test")
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                println!("SKIPPED: this test mounts a small disk, which only root may");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is; gives the file that has it.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let full = std::fs::write(&path, vec![7; 16 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn say(journal: &mut impl VoteJournal, entry: &[u8]) -> Result<(), JournalError> {
    journal.append(&[entry])?;
    journal.sync()
}

/// Half a frame fits, then the disk is full. The half is taken back, and what is written when there is room is found.
#[test]
fn an_entry_written_after_the_disk_was_full_does_not_follow_half_a_one() {
    let Some(disk) = SmallDisk::mount(256) else {
        return;
    };
    let path = disk.path().join("votes");
    let mut journal = FileJournal::create(&path, ME).unwrap();
    say(&mut journal, b"one").unwrap();
    let filler = disk.fill();
    let before = std::fs::metadata(&path).unwrap().len();

    // the rest of the file's last page takes its beginning
    let refused = say(&mut journal, &[8; 60_000]);

    assert!(
        matches!(refused, Err(JournalError::DiskFull { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
    let shortened = journal.rewrite(&[&[9; 60_000]]);
    assert!(matches!(shortened, Err(JournalError::DiskFull { .. })));
    std::fs::remove_file(filler).unwrap();
    say(&mut journal, b"two").unwrap();
    journal.rewrite(&[b"one", b"two"]).unwrap();
    say(&mut journal, b"three").unwrap();
    drop(journal);
    let (_, replay) = FileJournal::open(&path, ME).unwrap();
    assert_eq!(replay.entries, [&b"one"[..], b"two", b"three"]);
    assert_eq!(replay.torn, None);
}

/// The simulator's disk behaves as the real one does.
#[test]
fn a_full_disk_in_memory_changes_nothing_either() {
    let mut journal = MemoryJournal::create(ME);
    say(&mut journal, b"one").unwrap();
    journal.set_full(true);

    let refused = [
        journal.append(&[b"lost"]),
        journal.rewrite(&[b"lost"]),
        journal.append(&[b"lost"]),
    ];

    assert!(
        refused
            .iter()
            .all(|refused| matches!(refused, Err(JournalError::DiskFull { .. })))
    );
    journal.set_full(false);
    say(&mut journal, b"two").unwrap();
    journal.crash(UnsyncedFate::Lost);
    assert_eq!(journal.open(ME).unwrap().1.entries, [&b"one"[..], b"two"]);
}
