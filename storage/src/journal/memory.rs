//! The journal of the simulator: the same bytes in memory, with faults on request.

use super::frame::{self, Contents, FRAME_OVERHEAD_BYTES};
use super::{JournalError, JournalIdentity, Replay, VoteJournal};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A journal in memory. Clones share the bytes, as handles of one disk do; [`MemoryJournal::open`] is the restart after
/// a [`MemoryJournal::crash`], and handles from before it are dead.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    disk: Arc<Mutex<Disk>>,
    /// Which run of the process this handle belongs to.
    run: u64,
}

/// Faults that the journal shows. Each poisons it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalFaults {
    /// How many more appends succeed before one fails halfway.
    pub append: Option<u64>,
    /// How many more syncs succeed before one fails.
    pub sync: Option<u64>,
}

/// What a crash does to entries that were appended and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsyncedFate {
    /// They are gone.
    Lost,
    /// The last of them is cut in half; those before it are there.
    Torn,
    /// They are there: the process ended, the machine did not.
    Kept,
}

impl MemoryJournal {
    /// Creates the journal of a validator that has never voted.
    #[must_use]
    pub fn create(identity: JournalIdentity) -> Self {
        let bytes = frame::head(&identity, 0);
        Self {
            run: 0,
            disk: Arc::new(Mutex::new(Disk {
                synced: bytes.len(),
                last: bytes.len(),
                bytes,
                identity,
                written: 0,
                durable: 0,
                faults: JournalFaults::default(),
                full: false,
                poisoned: false,
                run: 0,
            })),
        }
    }

    /// Opens the journal again, as after a restart: cuts off a torn end, makes the rest durable and returns it.
    ///
    /// # Errors
    /// As [`FileJournal::open`](super::FileJournal::open).
    pub fn open(&self, identity: JournalIdentity) -> Result<(Self, Replay), JournalError> {
        let mut disk = self.lock();
        let Contents { entries, end, torn } = frame::read(&disk.bytes, &identity)?;
        disk.bytes.truncate(end);
        disk.synced = end;
        disk.last = end;
        disk.written = entries.len() as u64;
        disk.durable = disk.written;
        disk.poisoned = false;
        disk.run += 1;
        let journal = Self {
            disk: Arc::clone(&self.disk),
            run: disk.run,
        };
        Ok((journal, Replay { entries, torn }))
    }

    /// Replaces the faults to come.
    pub fn set_faults(&self, faults: JournalFaults) {
        self.lock().faults = faults;
    }

    /// Whether the disk is full: then appends and rewrites change nothing, and fail until there is room.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Ends the process that holds the journal. Every handle is dead until [`MemoryJournal::open`].
    pub fn crash(&self, unsynced: UnsyncedFate) {
        let mut disk = self.lock();
        let length = match unsynced {
            UnsyncedFate::Lost => disk.synced,
            UnsyncedFate::Torn if disk.bytes.len() > disk.synced => {
                let last = disk.last.max(disk.synced);
                last + (disk.bytes.len() - last) / 2
            }
            UnsyncedFate::Torn | UnsyncedFate::Kept => disk.bytes.len(),
        };
        disk.bytes.truncate(length);
        disk.run += 1;
    }

    /// Flips one bit, counted from the start of the journal.
    ///
    /// # Panics
    /// If the journal is shorter than that.
    pub fn damage(&self, bit: usize) {
        self.lock().bytes[bit / 8] ^= 1 << (bit % 8);
    }

    /// A panic in another thread leaves the bytes as a crash would.
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Result<MutexGuard<'_, Disk>, JournalError> {
        let disk = self.lock();
        if disk.poisoned || disk.run != self.run {
            return Err(JournalError::Poisoned);
        }
        Ok(disk)
    }
}

impl VoteJournal for MemoryJournal {
    fn append(&mut self, entries: &[&[u8]]) -> Result<(), JournalError> {
        let mut disk = self.usable()?;
        let mut bytes = Vec::new();
        for (number, entry) in (disk.written..).zip(entries) {
            frame::push(&mut bytes, number, disk.durable, entry)?;
        }
        disk.check_room()?;
        let start = disk.bytes.len();
        if strikes(&mut disk.faults.append) {
            disk.poisoned = true;
            disk.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            disk.last = start;
            return Err(injected("append to"));
        }
        disk.bytes.extend_from_slice(&bytes);
        disk.written += entries.len() as u64;
        if let Some(last) = entries.last() {
            disk.last = disk.bytes.len() - last.len() - FRAME_OVERHEAD_BYTES;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let mut disk = self.usable()?;
        if disk.durable == disk.written {
            return Ok(());
        }
        if strikes(&mut disk.faults.sync) {
            disk.poisoned = true;
            return Err(injected("sync"));
        }
        disk.synced = disk.bytes.len();
        disk.durable = disk.written;
        Ok(())
    }

    fn rewrite(&mut self, live: &[&[u8]]) -> Result<(), JournalError> {
        let mut disk = self.usable()?;
        let image = frame::image(&disk.identity, live)?;
        disk.check_room()?;
        if strikes(&mut disk.faults.append) || strikes(&mut disk.faults.sync) {
            // The old journal is still in place.
            disk.poisoned = true;
            return Err(injected("rewrite"));
        }
        disk.synced = image.len();
        disk.last = image.len();
        disk.bytes = image;
        disk.written = live.len() as u64;
        disk.durable = disk.written;
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.lock().bytes.len() as u64
    }
}

#[derive(Debug)]
struct Disk {
    bytes: Vec<u8>,
    /// How many bytes survive a loss of power.
    synced: usize,
    /// Where the last frame begins.
    last: usize,
    identity: JournalIdentity,
    written: u64,
    durable: u64,
    faults: JournalFaults,
    full: bool,
    poisoned: bool,
    run: u64,
}

impl Disk {
    fn check_room(&self) -> Result<(), JournalError> {
        if self.full {
            return Err(JournalError::DiskFull {
                path: PathBuf::from("<memory>"),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }
}

/// Counts one operation; whether the fault strikes at it.
fn strikes(fault: &mut Option<u64>) -> bool {
    match fault.take() {
        Some(0) => true,
        Some(remaining) => {
            *fault = Some(remaining - 1);
            false
        }
        None => false,
    }
}

fn injected(action: &'static str) -> JournalError {
    JournalError::Io {
        action,
        path: PathBuf::from("<memory>"),
        source: std::io::Error::other("injected failure"),
    }
}
