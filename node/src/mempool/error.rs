//! Why a transaction does not wait.

use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use std::time::Duration;

/// Why a transaction does not enter the mempool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is for another chain.
    #[error("the transaction is for chain {found}, this is {expected}")]
    WrongChain {
        /// The chain it names.
        found: GenesisHash,
        /// This chain.
        expected: GenesisHash,
    },
    /// Its last height has passed.
    #[error("the transaction was valid until height {valid_until}, the next block is {next}")]
    Expired {
        /// Its last height.
        valid_until: Height,
        /// The next height.
        next: Height,
    },
    /// Its last height is further ahead than ids are remembered.
    #[error("the transaction is valid until height {valid_until}, the window ends at {latest}")]
    WindowTooFar {
        /// Its last height.
        valid_until: Height,
        /// The latest height allowed now.
        latest: Height,
    },
    /// It is final already.
    #[error("transaction {id} is final at height {height}")]
    AlreadyFinal {
        /// Its id.
        id: TxId,
        /// Where.
        height: Height,
    },
    /// It waits already.
    #[error("transaction {id} waits for a block already")]
    AlreadyPending {
        /// Its id.
        id: TxId,
    },
    /// Nobody's fault; the sender may try again.
    #[error("the {lane} lane is full, retry after {retry_after:?}")]
    LaneFull {
        /// Which lane.
        lane: Lane,
        /// When to try again.
        retry_after: Duration,
    },
}
