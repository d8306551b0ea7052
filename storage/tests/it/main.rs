//! Storage as its users see it: one suite on both backends, the ledger and the journal through crashes.

mod fixtures;

mod epochs;
mod full_disk;
mod journal;
mod ledger;
mod recovery;
mod rocks;
mod store;
mod tree;
