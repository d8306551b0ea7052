//! What can go wrong with a store, whichever backend it is.

use crate::column::Column;
use salus_primitives::ids::GenesisHash;
use std::path::PathBuf;

/// The backend's own words about a failure. Opaque, so that no backend's type crosses this crate's border.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    message: String,
}

impl BackendError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store here. Create one, or correct the path.
    #[error("no store at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a store here already; creating never overwrites.
    #[error("a store exists at {} already", path.display())]
    Exists {
        /// Where it was found.
        path: PathBuf,
    },
    /// Another process, or another handle in this one, has the store open.
    #[error("the store at {} is in use by another process", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The backend finds its own files damaged. Restore the directory, or remove it and catch up from peers.
    #[error("the store at {} is damaged", path.display())]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What the backend found.
        source: BackendError,
    },
    /// Any other failure to open: permissions, descriptors, memory.
    #[error("the store at {} cannot be opened", path.display())]
    Open {
        /// The store's directory.
        path: PathBuf,
        /// What the backend said.
        source: BackendError,
    },
    /// The store has a column this version does not know: a newer version wrote it.
    #[error("the store at {} has the unknown column {name:?}; a newer version wrote it", path.display())]
    UnknownColumn {
        /// The store's directory.
        path: PathBuf,
        /// The unknown column.
        name: String,
    },
    /// A column has another layout than this version writes.
    #[error("column {column} has schema version {found}, this version reads {supported}")]
    Schema {
        /// The column.
        column: Column,
        /// What the store says.
        found: u16,
        /// What this version reads and writes.
        supported: u16,
    },
    /// The store belongs to another chain.
    #[error("the store belongs to chain {found}, not to {expected}")]
    WrongChain {
        /// The chain in the store.
        found: GenesisHash,
        /// The chain of the caller.
        expected: GenesisHash,
    },
    /// A record does not carry its own checksum, or does not decode, or is not where it must be.
    #[error("damaged record in column {column} at key {key}: {reason}")]
    Corrupt {
        /// The column.
        column: Column,
        /// The key, in hexadecimal.
        key: String,
        /// What was found.
        reason: String,
    },
    /// A read failed in the backend.
    #[error("reading column {column} failed")]
    Read {
        /// The column.
        column: Column,
        /// What the backend said.
        source: BackendError,
    },
    /// A write or sync failed. Whether it reached the disk is unknown: the process must end.
    #[error("writing failed")]
    Write {
        /// What the backend said.
        source: BackendError,
    },
    /// There is no room left for a write.
    #[error("the disk is full: the store takes nothing more; make room and start again")]
    DiskFull {
        /// What the backend said.
        source: BackendError,
    },
}

impl StoreError {
    pub(crate) fn corrupt(column: Column, key: &[u8], reason: impl Into<String>) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(key.len() * 2);
        for byte in key {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self::Corrupt {
            column,
            key: text,
            reason: reason.into(),
        }
    }
}
