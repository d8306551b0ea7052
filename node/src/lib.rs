//! The validator: composition of all other crates, its API and its command line.

pub mod cli;
pub mod client;
pub mod config;
pub mod home;
pub mod keys;
