//! Parameters to begin with.

use crate::spec::{ConsensusSpec, LanesSpec};
use salus_primitives::lanes::BlockModel;
use serde::Deserialize;

/// The part of a genesis file that does not depend on who the members are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Table `[consensus]`.
    pub consensus: ConsensusSpec,
    /// Table `[model]`.
    pub model: BlockModel,
    /// Tables `[lanes.*]`.
    pub lanes: LanesSpec,
}

/// For members on one machine or in one city: `presets/local.toml`.
///
/// # Panics
/// Never: a test parses the file that is compiled in.
#[must_use]
pub fn local() -> Preset {
    toml::from_str(include_str!("../presets/local.toml")).expect("presets/local.toml is valid")
}
