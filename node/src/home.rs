//! A node's home: where its files are, and what they say together.

mod member;

use crate::config::{ConfigError, NodeConfig};
use crate::keys::{KeysError, NodeKeys, PublicKeys, sync_folder};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use salus_genesis::block::GenesisBlock;
use salus_genesis::genesis::GenesisError;
use salus_genesis::spec::{GenesisSpec, SpecError};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_storage::journal::{FileJournal, JournalError, JournalIdentity};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub use member::{NodeMember, check_founding_keys, member_of};

/// The folder that holds everything of one node.
///
/// ```text
/// node.toml      how this node runs; its operator edits it
/// genesis.toml   the chain, the same on every node
/// keys           the node's secret keys
/// keys.next      those it goes on with once governance has rotated its keys; then they become `keys`
/// keys.next-*    left by a rotation that was killed; used by nobody, and may be deleted
/// custody        what a key service holds, encrypted; kept nowhere else, see docs/keys.md
/// initialized    made once by `salus init`, and never again
/// data/store     blocks, receipts and state; may be fetched again from the other nodes
/// data/journal   what this validator has voted; losing it silences the validator
/// data/journal-* the same under a rotated key, each named after its key
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

    /// The keys that `salus keys rotate` made, until they replace the others.
    #[must_use]
    pub fn next_keys_file(&self) -> PathBuf {
        self.root.join("keys.next")
    }

    /// Shows that the journal has been created once. Beside the keys rather than beside the journal, so that who loses or
    /// deletes the data cannot make a new journal by accident: a validator that forgot its votes could vote twice
    /// (DESIGN section 4, rule 8).
    #[must_use]
    pub fn initialized_file(&self) -> PathBuf {
        self.root.join("initialized")
    }

    /// What this member's key service holds, if it has one. Beside the data and not in them: those may be deleted and fetched again.
    #[must_use]
    pub fn custody_folder(&self) -> PathBuf {
        self.root.join("custody")
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

    /// The file that the store of a running node holds a lock on.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.store_folder().join("LOCK")
    }

    /// The vote journal of the key that the home was initialised with.
    #[must_use]
    pub fn journal_file(&self) -> PathBuf {
        self.data_folder().join("journal")
    }

    /// The vote journal of a key that came by rotation.
    #[must_use]
    pub fn rotated_journal_file(&self, validator: &PublicKey) -> PathBuf {
        let name = hex::encode(&validator.as_bytes()[..8]);
        self.data_folder().join(format!("journal-{name}"))
    }

    /// The vote journal of a validator key of this home, whether or not it is there.
    #[must_use]
    pub fn journal_of(&self, validator: &PublicKey) -> PathBuf {
        let rotated = self.rotated_journal_file(validator);
        let came_by_rotation = rotated.exists()
            || NodeKeys::read(&self.next_keys_file())
                .is_ok_and(|next| next.validator.public() == *validator);
        if came_by_rotation {
            rotated
        } else {
            self.journal_file()
        }
    }

    /// Keeps a node from starting with this home as long as the file is open.
    ///
    /// # Errors
    /// [`HomeError::InUse`] if one runs, and [`HomeError::Lock`].
    pub fn hold(&self) -> Result<Option<File>, HomeError> {
        let path = self.lock_file();
        let failed = |source| HomeError::Lock {
            path: path.clone(),
            source,
        };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // no node has run with it, or its data are gone
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(HomeError::InUse {
                root: self.root.clone(),
            }),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Makes rotated keys those that wait to replace the present ones, with an empty vote journal. A key made this moment has never
    /// voted: beside `salus init` this is the only place that makes a journal.
    ///
    /// The keys get their name last and at once: a crash before that leaves a journal, and perhaps keys, that nobody uses, and the
    /// next try makes others.
    ///
    /// # Errors
    /// [`HomeError::Keys`] with [`KeysError::Exists`] if such keys wait already, and [`HomeError::Journal`].
    pub fn add_next_keys(&self, next: &NodeKeys, genesis: GenesisHash) -> Result<(), HomeError> {
        let validator = next.validator.public();
        let to = self.next_keys_file();
        let name = hex::encode(&validator.as_bytes()[..8]);
        let unnamed = self.root.join(format!("keys.next-{name}"));
        let disk = |source| KeysError::Disk {
            action: "create",
            path: to.clone(),
            source,
        };
        next.write_new(&unnamed)?;
        let journal = FileJournal::create(
            &self.rotated_journal_file(&validator),
            journal_identity(genesis, &validator),
        );
        // a link, unlike a renaming, never replaces what is there
        let named = journal.map_err(HomeError::from).and_then(|_| {
            let linked = std::fs::hard_link(&unnamed, &to);
            Ok(linked.map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => KeysError::Exists { path: to.clone() },
                _ => disk(source),
            })?)
        });
        std::fs::remove_file(&unnamed).map_err(disk)?;
        named?;
        Ok(sync_folder(&to).map_err(disk)?)
    }

    /// Puts the rotated keys in the place of the others, which are gone by that. Durable on return.
    ///
    /// # Errors
    /// [`KeysError::Disk`].
    pub fn adopt_next_keys(&self) -> Result<(), KeysError> {
        let (from, to) = (self.next_keys_file(), self.keys_file());
        std::fs::rename(&from, &to)
            .and_then(|()| sync_folder(&to))
            .map_err(|source| KeysError::Disk {
                action: "replace",
                path: to,
                source,
            })
    }
}

/// What the vote journal of a validator key on this chain is marked with.
#[must_use]
pub fn journal_identity(genesis: GenesisHash, validator: &PublicKey) -> JournalIdentity {
    JournalIdentity {
        genesis,
        validator: Digest(validator.0),
    }
}

/// What a node is started from: the files of its home, read, checked, and fitting one another.
#[derive(Clone, Debug)]
pub struct NodeFiles {
    /// Where they are.
    pub home: Home,
    /// How the node runs.
    pub config: NodeConfig,
    /// Its keys.
    pub keys: NodeKeys,
    /// The keys that wait for governance to rotate to them, if there are any.
    pub next_keys: Option<NodeKeys>,
    /// The chain.
    pub genesis: GenesisBlock,
    /// Whose node it is.
    pub member: NodeMember,
}

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// `node.toml` is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys are refused.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A node runs with the home.
    #[error("a node runs with the home {}; stop it first", root.display())]
    InUse {
        /// The home.
        root: PathBuf,
    },
    /// Whether a node runs cannot be found out.
    #[error("cannot lock {}: {source}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The vote journal of new keys cannot be made.
    #[error("the vote journal of the new keys: {0}")]
    Journal(#[from] JournalError),
    /// The genesis file cannot be read.
    #[error("cannot read the genesis file {}: {source}", path.display())]
    ReadGenesis {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The genesis file is not one.
    #[error("{}: {source}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: SpecError,
    },
    /// The genesis file breaks a rule.
    #[error("{}: {source}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Which field, and the fix.
        source: GenesisError,
    },
    /// The keys are no founder's, and nothing says whose they are.
    #[error(
        "the operator key {} belongs to no founder of the chain {chain}; use the home's own genesis file and keys, or, \
         for a member that is admitted later, give its name (`salus init --member NAME`)",
        public.operator
    )]
    NotAMember {
        /// The keys.
        public: Box<PublicKeys>,
        /// The chain's name.
        chain: String,
    },
    /// The keys are another founder's.
    #[error(
        "the keys are those of {founder}, not of {name}; use the home's own keys, or correct node.member"
    )]
    OtherMember {
        /// Whom the configuration names.
        name: String,
        /// Whose keys they are.
        founder: String,
    },
    /// Of the four keys only some are the member's.
    #[error(
        "genesis has another {which} key for {name}; the key file is not the one whose public part was given"
    )]
    OtherKey {
        /// The member.
        name: String,
        /// Which key differs.
        which: &'static str,
    },
}

impl NodeFiles {
    /// Reads a home that `salus init` has made.
    ///
    /// # Errors
    /// [`HomeError`] for the first file that is refused.
    pub fn read(home: Home) -> Result<Self, HomeError> {
        let config = NodeConfig::read(&home.config_file())?;
        let keys = NodeKeys::read(&home.keys_file())?;
        let genesis = read_genesis(&home.genesis_file())?;
        let next_keys = match NodeKeys::read(&home.next_keys_file()) {
            Ok(keys) => Some(keys),
            Err(KeysError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let member = member_of(&genesis, &keys.public(), config.member.as_deref())?;
        Ok(Self {
            home,
            config,
            keys,
            next_keys,
            genesis,
            member,
        })
    }
}

/// Reads a genesis file and builds block 0.
///
/// # Errors
/// [`HomeError::ReadGenesis`], [`HomeError::Spec`], [`HomeError::Genesis`].
pub fn read_genesis(path: &Path) -> Result<GenesisBlock, HomeError> {
    let text = crate::bounded::read_text(path).map_err(|source| HomeError::ReadGenesis {
        path: path.into(),
        source,
    })?;
    let spec: GenesisSpec = text.parse().map_err(|source| HomeError::Spec {
        path: path.into(),
        source,
    })?;
    let genesis = spec.check().map_err(|source| HomeError::Genesis {
        path: path.into(),
        source,
    })?;
    Ok(genesis.build())
}

/// The name of the member whose home it is.
///
/// # Errors
/// [`HomeError`].
pub fn member_name(home: &Home) -> Result<String, HomeError> {
    Ok(NodeFiles::read(home.clone())?.member.name)
}

#[cfg(test)]
mod tests {
    use super::member::tests::chain;
    use super::*;
    use crate::keys::Rotation;

    /// Each validator key has its own journal, before and after its keys have become the home's.
    #[test]
    fn a_rotated_key_keeps_its_own_journal_when_it_replaces_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        std::fs::create_dir(home.data_folder()).expect("made");
        let old = NodeKeys::generate().expect("randomness");
        let next = old.rotated(Rotation::Validator).expect("randomness");
        old.write_new(&home.keys_file()).expect("written");
        next.write_new(&home.next_keys_file()).expect("written");
        let (old, next) = (old.public(), next.public());

        assert_eq!(home.journal_of(&old.validator), home.journal_file());
        let journal = home.journal_of(&next.validator);
        assert_ne!(journal, home.journal_file());

        std::fs::write(&journal, "votes").expect("written");
        home.adopt_next_keys().expect("adopted");
        assert!(!home.next_keys_file().exists());
        let now = NodeKeys::read(&home.keys_file()).expect("keys").public();
        assert_eq!(now, next);
        assert_eq!(now.network, old.network);
        assert_eq!(home.journal_of(&now.validator), journal);
    }

    /// Whatever is left of a rotation that was interrupted, the next one makes whole keys with a journal; and never in the place of
    /// keys that wait.
    #[test]
    fn rotated_keys_wait_whole_and_with_their_journal_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        std::fs::create_dir(home.data_folder()).expect("made");
        let genesis = chain().0.hash;
        let keys = NodeKeys::generate().expect("randomness");
        let rotated = || keys.rotated(Rotation::Validator).expect("randomness");

        // no journal can be made in place of this folder: that is as far as the rotation gets
        let lost = rotated();
        let journal = home.rotated_journal_file(&lost.validator.public());
        std::fs::create_dir(&journal).expect("made");
        let failed = home.add_next_keys(&lost, genesis);
        assert!(matches!(failed, Err(HomeError::Journal(_))), "{failed:?}");
        assert!(!home.next_keys_file().exists());

        let next = rotated();
        home.add_next_keys(&next, genesis).expect("added");
        let again = home.add_next_keys(&rotated(), genesis);

        assert!(matches!(
            again,
            Err(HomeError::Keys(KeysError::Exists { .. }))
        ));
        let waiting = NodeKeys::read(&home.next_keys_file()).expect("keys");
        assert_eq!(waiting.public(), next.public());
        let validator = next.public().validator;
        let identity = journal_identity(genesis, &validator);
        assert!(FileJournal::open(&home.journal_of(&validator), identity).is_ok());
        let files = std::fs::read_dir(home.root()).expect("read").count();
        assert_eq!(files, 2, "keys.next, data, and no other secret");
    }
}
