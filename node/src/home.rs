//! A node's home: where its files are, and what they say together.

use crate::config::{ConfigError, NodeConfig};
use crate::keys::{KeysError, NodeKeys, PublicKeys};
use salus_contracts::genesis::GenesisMember;
use salus_genesis::block::GenesisBlock;
use salus_genesis::genesis::GenesisError;
use salus_genesis::spec::{GenesisSpec, SpecError};
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

/// What a node is started from: the files of its home, read, checked, and fitting one another.
#[derive(Clone, Debug)]
pub struct NodeFiles {
    /// Where they are.
    pub home: Home,
    /// How the node runs.
    pub config: NodeConfig,
    /// Its keys; they are those of [`NodeFiles::member`].
    pub keys: NodeKeys,
    /// The chain.
    pub genesis: GenesisBlock,
    /// Whose node it is.
    pub member: GenesisMember,
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
    /// The keys are nobody's on this chain.
    #[error(
        "the validator key {} belongs to no member of the chain {chain}; use the home's own genesis file and keys",
        public.validator
    )]
    NotAMember {
        /// The keys.
        public: Box<PublicKeys>,
        /// The chain's name.
        chain: String,
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
        let member = member_of(&genesis, &keys.public())?.clone();
        config.check_members(&genesis.members)?;
        Ok(Self {
            home,
            config,
            keys,
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
    let text = std::fs::read_to_string(path).map_err(|source| HomeError::ReadGenesis {
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

/// The member that holds these keys.
///
/// # Errors
/// [`HomeError::NotAMember`], [`HomeError::OtherKey`].
pub fn member_of<'a>(
    genesis: &'a GenesisBlock,
    public: &PublicKeys,
) -> Result<&'a GenesisMember, HomeError> {
    let member = genesis
        .members
        .iter()
        .find(|member| member.validator_key == public.validator)
        .ok_or_else(|| HomeError::NotAMember {
            public: Box::new(*public),
            chain: genesis.chain.clone(),
        })?;
    let which = if member.operator_key != public.operator {
        "operator"
    } else if member.network_key != public.network {
        "network"
    } else if member.exchange_key != public.exchange {
        "exchange"
    } else {
        return Ok(member);
    };
    Err(HomeError::OtherKey {
        name: member.name.clone(),
        which,
    })
}
