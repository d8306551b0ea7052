//! The shared vocabulary of Salus: what crosses crates, and nothing that acts.
//!
//! Every type that is signed, hashed, stored or sent lives here, with the one canonical encoding
//! ([`codec`]), the one list of hash and signature domains ([`namespace`]) and the checks that turn
//! claimed data into checked data ([`signed::Verified`], [`proof::Proven`]). There is no I/O, clock, thread
//! or entropy in this crate: time and randomness are arguments.
//!
//! Without the feature `std` it needs `core` and `alloc` alone: what verifies runs on a bare machine too.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

pub mod codec;
pub mod namespace;

pub mod hash;
pub mod ids;
pub mod time;

pub mod crypto;
pub mod signed;

pub mod access;
pub mod calls;
pub mod custody;
pub mod lane;
pub mod lanes;
pub mod parameters;
pub mod reading;
pub mod relation;
pub mod transaction;

pub mod block;
pub mod certificate;
pub mod evidence;
pub mod receipt;
pub mod validators;

pub mod attestation;
pub mod audit;
pub mod epoch;
pub mod merkle;
pub mod proof;
pub mod records;
pub mod state;
pub mod state_tree;

pub mod conflict;
pub mod light;

mod hexadecimal;
