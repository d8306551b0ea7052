//! The journal of a node: one file.

use super::frame::{self, Contents};
use super::{JournalError, JournalIdentity, Replay, VoteJournal};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A journal in a file, locked against other processes while it is open.
///
/// The file is not allocated ahead: measured on ext4, `fdatasync` after an append costs what it costs after
/// overwriting allocated blocks.
#[derive(Debug)]
pub struct FileJournal {
    file: File,
    path: PathBuf,
    identity: JournalIdentity,
    /// Frames written.
    written: u64,
    /// Frames known to be durable.
    durable: u64,
    size_bytes: u64,
    poisoned: bool,
}

impl FileJournal {
    /// Creates the journal of a validator that has never voted. Durable on return.
    ///
    /// # Errors
    /// [`JournalError::Exists`] if there is one already, even a damaged one.
    pub fn create(path: &Path, identity: JournalIdentity) -> Result<Self, JournalError> {
        let exists = path
            .try_exists()
            .map_err(|source| io_error("look for", path, source))?;
        if exists {
            return Err(JournalError::Exists { path: path.into() });
        }
        let temporary = temporary(path);
        let image = frame::image(&identity, &[])?;
        let file =
            write_whole(&temporary, &image).map_err(|source| io_error("create", path, source))?;
        lock(&file, path)?;
        // A link, unlike a rename, fails if another process was faster.
        match std::fs::hard_link(&temporary, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(JournalError::Exists { path: path.into() });
            }
            Err(source) => return Err(io_error("create", path, source)),
        }
        std::fs::remove_file(&temporary)
            .and_then(|()| sync_directory(path))
            .map_err(|source| io_error("create", path, source))?;
        Ok(Self {
            file,
            path: path.into(),
            identity,
            written: 0,
            durable: 0,
            size_bytes: image.len() as u64,
            poisoned: false,
        })
    }

    /// Opens a journal, cuts off a torn end, makes the rest durable and returns it.
    ///
    /// # Errors
    /// [`JournalError::Missing`], [`JournalError::Locked`], [`JournalError::Foreign`], [`JournalError::Corrupt`],
    /// [`JournalError::Head`] and [`JournalError::Version`]: the node must not vote with this journal.
    pub fn open(path: &Path, identity: JournalIdentity) -> Result<(Self, Replay), JournalError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => JournalError::Missing { path: path.into() },
                _ => io_error("open", path, source),
            })?;
        lock(&file, path)?;
        // The owner may have replaced the file between our open and our lock.
        if !is_at(&file, path).map_err(|source| io_error("open", path, source))? {
            return Err(JournalError::Locked { path: path.into() });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| io_error("read", path, source))?;
        let Contents { entries, end, torn } = frame::read(&bytes, &identity)?;
        let end = end as u64;
        // Entries that a dead process appended without syncing may live in the page cache only. Whoever acts on them
        // must find them again.
        file.set_len(end)
            .and_then(|()| file.sync_all())
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .map_err(|source| io_error("repair", path, source))?;
        let frames = entries.len() as u64;
        let journal = Self {
            file,
            path: path.into(),
            identity,
            written: frames,
            durable: frames,
            size_bytes: end,
            poisoned: false,
        };
        Ok((journal, Replay { entries, torn }))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs an operation after which, if it fails, the state of the file is unknown.
    fn guarded<T>(
        &mut self,
        action: &'static str,
        operation: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> Result<T, JournalError> {
        operation(self).map_err(|source| {
            self.poisoned = true;
            io_error(action, &self.path, source)
        })
    }

    /// After a failed append. If there was no room, the part of it that was written is cut off again: an entry that later
    /// stood behind half a frame would be lost at the next opening.
    fn take_back(&mut self, action: &'static str, source: io::Error) -> JournalError {
        if is_full(&source) {
            let whole = self.size_bytes;
            let cut = self
                .file
                .set_len(whole)
                .and_then(|()| self.file.seek(SeekFrom::Start(whole)));
            if cut.is_ok() {
                return disk_full(&self.path, source);
            }
        }
        self.poisoned = true;
        io_error(action, &self.path, source)
    }

    fn check_usable(&self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        Ok(())
    }
}

impl VoteJournal for FileJournal {
    fn append(&mut self, entries: &[&[u8]]) -> Result<(), JournalError> {
        self.check_usable()?;
        let mut bytes = Vec::new();
        for (number, entry) in (self.written..).zip(entries) {
            frame::push(&mut bytes, number, self.durable, entry)?;
        }
        if let Err(source) = self.file.write_all(&bytes) {
            return Err(self.take_back("append to", source));
        }
        self.written += entries.len() as u64;
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.check_usable()?;
        if self.durable == self.written {
            return Ok(());
        }
        self.guarded("sync", |journal| journal.file.sync_data())?;
        self.durable = self.written;
        Ok(())
    }

    fn rewrite(&mut self, live: &[&[u8]]) -> Result<(), JournalError> {
        self.check_usable()?;
        let image = frame::image(&self.identity, live)?;
        let temporary = temporary(&self.path);
        let file = match write_whole(&temporary, &image) {
            Ok(file) => file,
            Err(source) if is_full(&source) => {
                // the journal itself has not been touched; half a copy would take what room there is
                let _ = std::fs::remove_file(&temporary);
                return Err(disk_full(&self.path, source));
            }
            Err(source) => {
                self.poisoned = true;
                return Err(io_error("rewrite", &self.path, source));
            }
        };
        self.guarded("rewrite", |journal| {
            // Locked before it takes the journal's name, so that nobody else can be its first owner.
            file.try_lock().map_err(io::Error::from)?;
            std::fs::rename(&temporary, &journal.path)?;
            sync_directory(&journal.path)
        })?;
        self.file = file;
        self.written = live.len() as u64;
        self.durable = self.written;
        self.size_bytes = image.len() as u64;
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Writes a file of these bytes and syncs it. One left there by a dead process is removed rather than truncated: it may
/// be a second name of the journal itself, if [`FileJournal::create`] was cut short. Readable by its owner only: it
/// holds the bodies of proposals.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => JournalError::Locked { path: path.into() },
        TryLockError::Error(source) => io_error("lock", path, source),
    })
}

/// Whether `path` names this open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (open, named) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Makes a new name in the directory of `path` durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Whether there is no room, on the disk or in its owner's share of it.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn disk_full(path: &Path, source: io::Error) -> JournalError {
    JournalError::DiskFull {
        path: path.into(),
        source,
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        action,
        path: path.into(),
        source,
    }
}
