//! The seeded cluster, fixtures, and what the end-to-end tests share. Nothing depends on this crate.

mod agenda;
pub mod experiment;
pub mod fixtures;
pub mod keys;
pub mod processes;
pub mod sim;
