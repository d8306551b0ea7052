//! Durable facts: what a node must not forget, and how it proves it.
//!
//! A [`Ledger`](ledger::Ledger) holds the final chain over a [`Store`](store::Store): every block is one atomic batch
//! of body, receipts, events, state and tree nodes, so that a crash leaves the whole block or nothing of it. Blocks that
//! are not final write nothing: their state is a [`BranchView`](state::BranchView) and their root a
//! [`TreeDelta`](tree::TreeDelta) in memory. What the validator itself said is in a [`VoteJournal`](journal::VoteJournal),
//! synced before it is sent.
//!
//! Durability: the journal is the write-ahead log of consensus and is synced; commits of the ledger are buffered. A
//! loss of power may take the newest blocks from the ledger, never a part of one; they are final, and come back from
//! the journal and the peers. So the journal may only forget what a synced ledger holds.

pub mod error;

pub mod batch;
pub mod column;
pub mod store;

pub mod memory;
pub mod rocks;

mod record;
mod schema;

pub mod events;
mod records;
pub mod state;
pub mod tree;

pub mod ledger;

pub mod journal;
