//! The consensus journal: what a validator said, durable before anyone hears it (DESIGN section 4, rule 8).
//!
//! An append-only sequence of opaque entries, checked and numbered by `frame`. [`FileJournal`] keeps it in a file;
//! [`MemoryJournal`] is the simulator's, and fails on request.
//!
//! - **Append, then sync, then send.** Several appends may share one sync; nothing may leave the node before it.
//! - **A torn end is normal, a damaged middle is not.** What was never synced may be lost by a crash, and was never
//!   sent; it is cut off and reported. Damage to anything that was synced, where it can be told, is
//!   [`JournalError::Corrupt`]: a vote may be missing, so the node must not vote.
//! - **A failed write or sync is final.** After a failed `fsync` Linux marks the pages clean, so that a second `fsync`
//!   would succeed without having written anything. Every later call answers [`JournalError::Poisoned`].
//! - **A full disk is not.** An append for which there is no room is taken back whole ([`JournalError::DiskFull`]), so that a
//!   later one does not follow half a frame. A *sync* that finds no room is final like any other that fails.
//! - **A missing journal is never replaced.** [`FileJournal::create`] is for a new validator only; a node that lost its
//!   journal only observes until its key is rotated.

mod file;
mod frame;
mod memory;

pub use file::FileJournal;
pub use frame::{ENTRY_BYTES_MAX, TornTail};
pub use memory::{JournalFaults, MemoryJournal, UnsyncedFate};

use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use std::path::PathBuf;

/// A journal open for appending. One owner at a time.
pub trait VoteJournal: Send {
    /// Appends entries behind those there, in order. They are not durable before [`VoteJournal::sync`] returns.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] and [`JournalError::DiskFull`] change nothing; any other error poisons the journal.
    fn append(&mut self, entries: &[&[u8]]) -> Result<(), JournalError>;

    /// Makes all entries appended so far durable. Costs nothing if there are none.
    ///
    /// # Errors
    /// Any error poisons the journal.
    fn sync(&mut self) -> Result<(), JournalError>;

    /// Replaces the whole journal by `live` entries, durably and atomically: a crash leaves the old journal or the new
    /// one. Drop only what a durable ledger has made irrelevant (see [`Ledger::sync`](crate::ledger::Ledger::sync)).
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] and [`JournalError::DiskFull`] change nothing; any other error poisons the journal.
    fn rewrite(&mut self, live: &[&[u8]]) -> Result<(), JournalError>;

    /// Bytes of the journal now; tells when to [`VoteJournal::rewrite`].
    fn size_bytes(&self) -> u64;
}

/// Whose journal it is. Written into its head, so that a journal of another chain or validator is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalIdentity {
    /// The chain.
    pub genesis: GenesisHash,
    /// A digest of the validator's public key.
    pub validator: Digest,
}

/// What a journal held when it was opened. All of it is durable by then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// The entries, oldest first.
    pub entries: Vec<Vec<u8>>,
    /// What was cut off the end, if the last run ended in the middle of an append.
    pub torn: Option<TornTail>,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no journal. If this validator ever voted, it must only observe until its key is rotated.
    #[error("no journal at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a journal already; creating never overwrites.
    #[error("a journal exists at {} already", path.display())]
    Exists {
        /// Where it was found.
        path: PathBuf,
    },
    /// Another process has the journal open.
    #[error("the journal at {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is no journal, or its head is damaged.
    #[error("not a journal: {reason}")]
    Head {
        /// What was found.
        reason: &'static str,
    },
    /// A newer version wrote the journal.
    #[error("the journal has version {found}, this version reads {supported}")]
    Version {
        /// What the journal says.
        found: u32,
        /// What this version reads and writes.
        supported: u32,
    },
    /// The journal is of another chain or of another validator.
    #[error("the journal belongs to {found:?}, not to {expected:?}")]
    Foreign {
        /// Whose it is.
        found: Box<JournalIdentity>,
        /// Whose it should be.
        expected: Box<JournalIdentity>,
    },
    /// An entry that had been made durable is damaged or gone. What this validator said is no longer known.
    #[error("the journal is damaged at byte {offset}, before entries that were written later")]
    Corrupt {
        /// Where the first damaged entry begins.
        offset: u64,
    },
    /// An entry is longer than [`ENTRY_BYTES_MAX`].
    #[error("an entry of {length} bytes exceeds the limit of {ENTRY_BYTES_MAX}")]
    TooLarge {
        /// Its length in bytes.
        length: usize,
    },
    /// The operating system refused an operation.
    #[error("cannot {action} the journal at {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// There is no room for what was to be written. The journal is what it was before; try again when there is.
    #[error("the disk is full: no room in the journal at {}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier write or sync failed, so what is on disk is unknown. The process must end.
    #[error("the journal failed before and takes nothing more")]
    Poisoned,
}
