//! The contracts of this release, one folder each.

pub mod access;
pub mod agreements;
pub mod blockcfg;
pub mod governance;
pub mod identity;
pub mod records;
pub mod staking;

pub use access::Access;
pub use agreements::Agreements;
pub use blockcfg::Blockcfg;
pub use governance::Governance;
pub use identity::Identity;
pub use records::Records;
pub use staking::Staking;
