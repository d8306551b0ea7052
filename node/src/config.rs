//! How this node runs: `node.toml` as its operator writes it, and the checked form the code uses.
//!
//! What the *chain* is (members, weights, lanes, timers) is in genesis, not here: nothing in this file can make two nodes disagree.

mod checked;
mod defaults;
mod file;

pub use checked::{
    ApiConfig, LogConfig, LogFormat, MempoolConfig, NodeConfig, Peer, StorageConfig,
};
pub use defaults::{API, LISTEN};
pub use file::{NewConfig, PeerEntry};

use std::path::PathBuf;

/// Why a configuration is refused. Every message names the field and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no configuration at {}; make it with `salus init`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown field or a value of the wrong type.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where, with what was expected.
        problem: String,
    },
    /// A field has a value that cannot be used.
    #[error("{field}: {problem}; {fix}")]
    Field {
        /// The field, as in `network.listen[0]`.
        field: String,
        /// What is wrong.
        problem: String,
        /// What would be right.
        fix: String,
    },
}
