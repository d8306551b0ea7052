//! The device side of Salus, and its light client.
//!
//! A reading takes the first five steps of its way here, and the last: it is read from a [`source`], brought into standard
//! form ([`standardize`]) with the codes and units of a [`catalogue`], scored ([`classify`]), alarmed about where it must be
//! ([`alarm`]), sealed ([`seal`]) under keys that the [`keystore`] holds, queued on disk ([`outbox`]), signed and submitted to
//! any of several nodes ([`submit`]), and in the end proven by a client that trusts only the genesis block ([`light`]) and follows the
//! chain's validators from there ([`follow`]).
//! [`replay`] runs all of it.
//!
//! The core modules ([`catalogue`], [`milli`], [`standardize`], [`classify`], [`seal`], [`light`], [`odds`]) hold no I/O, clock or
//! thread: time and randomness are arguments. Neither a database nor the node's code is needed.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod catalogue;
pub mod milli;
pub mod standardize;

pub mod classify;

pub mod source;

pub mod alarm;
pub mod device;
pub mod http;
pub mod keystore;
pub mod odds;
pub mod outbox;
pub mod seal;

pub mod deposit;
pub mod files;
pub mod follow;
pub mod opening;
pub mod submit;
pub mod wallet;
mod wipe;

pub mod replay;

pub use salus_primitives::light;
