//! A node's home: where its files are, and whether it has been initialised.

use crate::keys::PublicKeys;
use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_storage::journal::JournalIdentity;
use std::path::{Path, PathBuf};

/// The folder that holds everything of one node.
///
/// ```text
/// node.toml      how this node runs; its operator edits it
/// genesis.toml   the chain, the same on every node
/// keys           the node's secret keys
/// initialized    made once by `salus init`, and never again
/// data/store     blocks, receipts and state; may be fetched again from the other nodes
/// data/journal   what this validator has voted; losing it silences the validator
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home at `root`, whether or not there is one.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root.join("node.toml")
    }

    /// The genesis file.
    #[must_use]
    pub fn genesis_file(&self) -> PathBuf {
        self.root.join("genesis.toml")
    }

    /// The key file.
    #[must_use]
    pub fn keys_file(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Shows that the journal has been created once. Beside the keys rather than beside the journal, so that who loses or
    /// deletes the data cannot make a new journal by accident: a validator that forgot its votes could vote twice
    /// (DESIGN section 4, rule 8).
    #[must_use]
    pub fn initialized_file(&self) -> PathBuf {
        self.root.join("initialized")
    }

    /// Everything that grows.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The store's folder.
    #[must_use]
    pub fn store_folder(&self) -> PathBuf {
        self.data_folder().join("store")
    }

    /// The vote journal.
    #[must_use]
    pub fn journal_file(&self) -> PathBuf {
        self.data_folder().join("journal")
    }
}

/// What the vote journal of the validator with these keys on this chain is marked with.
#[must_use]
pub fn journal_identity(genesis: GenesisHash, keys: &PublicKeys) -> JournalIdentity {
    JournalIdentity {
        genesis,
        validator: Digest(keys.validator.0),
    }
}
