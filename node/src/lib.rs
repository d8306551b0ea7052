//! The validator: composition of all other crates, its API and its command line.

pub mod api;
pub mod audit;
mod bounded;
pub mod cli;
pub mod client;
pub mod config;
pub mod custody;
pub mod home;
pub mod keys;
pub mod relation;
pub mod telemetry;
pub mod tiers;

pub mod mempool;
pub mod proposer;
pub mod replica;
pub mod verify;
pub mod wire;

pub mod diagnosis;
pub mod execution;
pub mod fhir;
pub mod handle;
pub mod origin;
pub mod runtime;
pub mod serve;
