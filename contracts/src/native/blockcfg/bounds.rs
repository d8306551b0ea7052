//! What chain parameters may be. Genesis is refused outside these bounds. Those of lanes: `policy.rs`.

use salus_primitives::block::BLOCK_MAX;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::transaction::TRANSACTION_MAX;
use salus_primitives::validators::{SEATS_MAX, SEATS_MIN};

/// Most views in a term.
pub const TENURE_MAX: u64 = 4096;
/// Largest delta and `delta_max`, in milliseconds.
pub const DELTA_MS_MAX: u64 = 600_000;
/// Most silent terms before a manager is passed over.
pub const SKIP_AFTER_MAX: u64 = 1024;
/// Longest heartbeat, in milliseconds: a day.
pub const HEARTBEAT_MS_MAX: u64 = 86_400_000;
/// Shortest replay window in blocks.
pub const WINDOW_MIN: u64 = 64;
/// Longest replay window in blocks.
pub const WINDOW_MAX: u64 = 65_536;
/// What of [`BLOCK_MAX`] is kept for the header and the list's length, in bytes.
pub const BLOCK_OVERHEAD: usize = 64 * 1024;
/// Least bytes of transactions in a block: the largest transaction must fit.
pub const BLOCK_BYTES_MIN: u64 = TRANSACTION_MAX as u64;
/// Most bytes of transactions in a block.
pub const BLOCK_BYTES_MAX: u64 = (BLOCK_MAX - BLOCK_OVERHEAD) as u64;
/// Fewest blocks in an epoch: an election takes effect an epoch later, and what it changed must be final by then.
pub const EPOCH_BLOCKS_MIN: u64 = 8;
/// Most blocks in an epoch.
pub const EPOCH_BLOCKS_MAX: u64 = 1_000_000_000;
/// Most blocks for which a proposal stays open.
pub const PROPOSAL_BLOCKS_MAX: u64 = 1_000_000_000;

/// A parameter that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}; it must be {minimum} to {maximum}")]
pub struct BoundsError {
    /// Which.
    pub field: String,
    /// Its value.
    pub found: u64,
    /// The least allowed.
    pub minimum: u64,
    /// The most allowed.
    pub maximum: u64,
}

/// Checks all bounds.
///
/// # Errors
/// [`BoundsError`] names the first parameter that is out of bounds.
pub fn check(parameters: &ChainParameters) -> Result<(), BoundsError> {
    // exhaustive, so that a new parameter cannot be forgotten here
    let ChainParameters {
        tenure,
        delta_ms,
        delta_max_ms,
        skip_after,
        heartbeat_ms,
        window_blocks,
        block_bytes,
        epoch_blocks,
        seats,
        proposal_blocks,
    } = parameters;
    range("consensus.tenure", *tenure, 1, TENURE_MAX)?;
    range("consensus.delta_ms", *delta_ms, 1, DELTA_MS_MAX)?;
    range(
        "consensus.delta_max_ms",
        *delta_max_ms,
        *delta_ms,
        DELTA_MS_MAX,
    )?;
    range("consensus.skip_after", *skip_after, 1, SKIP_AFTER_MAX)?;
    range("consensus.heartbeat_ms", *heartbeat_ms, 1, HEARTBEAT_MS_MAX)?;
    range(
        "consensus.window_blocks",
        *window_blocks,
        WINDOW_MIN,
        WINDOW_MAX,
    )?;
    range(
        "consensus.block_bytes",
        *block_bytes,
        BLOCK_BYTES_MIN,
        BLOCK_BYTES_MAX,
    )?;
    range(
        "consensus.epoch_blocks",
        *epoch_blocks,
        EPOCH_BLOCKS_MIN,
        EPOCH_BLOCKS_MAX,
    )?;
    range(
        "consensus.seats",
        (*seats).into(),
        SEATS_MIN as u64,
        SEATS_MAX as u64,
    )?;
    range(
        "consensus.proposal_blocks",
        *proposal_blocks,
        1,
        PROPOSAL_BLOCKS_MAX,
    )
}

pub(super) fn range(
    field: impl Into<String>,
    found: u64,
    minimum: u64,
    maximum: u64,
) -> Result<(), BoundsError> {
    if (minimum..=maximum).contains(&found) {
        Ok(())
    } else {
        Err(BoundsError {
            field: field.into(),
            found,
            minimum,
            maximum,
        })
    }
}
