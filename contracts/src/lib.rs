//! Native contracts and their executor: transactions in, writes and receipts out.
//!
//! A [`Contract`](contract::Contract) is a Rust type with a call, events and stable error codes. It sees its caller, the block's
//! height and time, the transaction's id, chain and its parameters, its own state and an event sink, through a
//! [`Context`](context::Context), and nothing else but what other contracts offer it as functions of theirs (`docs/adr/0007`). The
//! [`Executor`](executor::Executor) resolves the caller, checks what concerns every contract and dispatches over the
//! [`Registry`](registry::Registry).
//! A call that fails leaves a receipt with a stable code, no writes and no events. A *store* that fails is no contract's
//! business: it aborts the block ([`StateReadError`](salus_primitives::state::StateReadError)), because nodes whose disks work would
//! come to another result.
//!
//! A new contract is one folder below [`native`] and one line in [`registry`].
//!
//! Deliberately absent: I/O, clocks, threads, entropy, and any knowledge of `storage`: a contract reads a
//! [`StateRead`](salus_primitives::state::StateRead) and the executor returns a
//! [`WriteSet`](salus_primitives::state::WriteSet). Signatures and replay are checked at admission, not here.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod error;
pub mod meter;

pub mod overlay;
pub mod slot;

pub mod caller;
pub mod context;
pub mod contract;

pub mod native;
pub mod registry;

pub mod executor;
pub mod genesis;
