//! From the operators' file to block 0.
//!
//! The founders of a chain agree on one readable file: who they are, with which keys and weights, and under which parameters their
//! chain runs. [`GenesisSpec`](spec::GenesisSpec) is that file as written, [`Genesis`](genesis::Genesis) the same
//! after every rule was checked, and [`GenesisBlock`](block::GenesisBlock) what follows from it: block 0, the first state and the first
//! validators, to the byte the same on every machine, whatever the order of members or the spacing in the file. The hash of block
//! 0 names the chain and stands under every signature.
//!
//! ```
//! # use salus_genesis::{block::GenesisBlock, spec::GenesisSpec};
//! # fn hash(text: &str) -> Result<String, Box<dyn std::error::Error>> {
//! let spec: GenesisSpec = text.parse()?;
//! let genesis: GenesisBlock = spec.check()?.build();
//! Ok(genesis.hash.to_string())
//! # }
//! ```

pub mod instant;
pub mod presets;
pub mod spec;

pub mod genesis;

pub mod block;
