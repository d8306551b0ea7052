//! The contracts of this release, one folder each.

pub mod blockcfg;
pub mod identity;
pub mod records;

pub use blockcfg::Blockcfg;
pub use identity::Identity;
pub use records::Records;
