//! What chain parameters may be. Genesis is refused outside these bounds.

use salus_primitives::block::BLOCK_MAX;
use salus_primitives::calls::{Observed, ObservedSeat, StakingCall};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::parameters::{ChainParameters, LaneParameters};
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
/// Blocks of an epoch beside those with reports, at least. See [`BoundsError::EpochTooShort`].
const EPOCH_BLOCKS_OTHER: u64 = 4;
/// What a transaction takes beside its call, in bytes, rounded up.
const ENVELOPE_BYTES: u64 = 256;
/// Most blocks in an epoch.
pub const EPOCH_BLOCKS_MAX: u64 = 1_000_000_000;
/// Most blocks for which a proposal stays open.
pub const PROPOSAL_BLOCKS_MAX: u64 = 1_000_000_000;
/// Most transactions in a block; the bound on theta.
pub const TRANSACTION_LIMIT_MAX: u64 = 65_536;

/// Which parameter is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// A number is too small or too large.
    #[error("{field} is {found}; it must be {minimum} to {maximum}")]
    Range {
        /// Which.
        field: String,
        /// Its value.
        found: u64,
        /// The least allowed.
        minimum: u64,
        /// The most allowed.
        maximum: u64,
    },
    /// An epoch that reports about the one before could fill. At its beginning every validator says once what it saw of the others; if
    /// the blocks that takes end the epoch, the next one brings as many reports again, and an idle chain never falls silent. So there
    /// must be room for twice the full blocks that these reports are, as they do not all come at once, and a few more.
    #[error(
        "consensus.epoch_blocks is {found}; with consensus.seats {seats} and {per_block} of the validators' reports in a block of the routine lane it must be at least {minimum}, or an idle chain's epochs follow one another for ever: make epochs longer, seats fewer, or lanes.routine.transaction_limit or consensus.block_bytes greater"
    )]
    EpochTooShort {
        /// Blocks in an epoch.
        found: u64,
        /// The least allowed.
        minimum: u64,
        /// The most validators.
        seats: u16,
        /// How many of their reports fit into one block.
        per_block: u64,
    },
    /// The lanes are not exactly the four, in order.
    #[error("lanes must be emergency, monitoring, routine and bulk, once each and in this order")]
    Lanes,
    /// A lane that nobody may use.
    #[error("lanes.{lane}.roles is empty; name at least one role")]
    NoRoles {
        /// Which lane.
        lane: Lane,
    },
    /// Roles are not strictly ascending: a role stands twice, or the list has no canonical order.
    #[error("lanes.{lane}.roles must name each role once, in the order of the roles' list")]
    RoleOrder {
        /// Which lane.
        lane: Lane,
    },
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
        lanes,
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
    )?;
    if !lanes.iter().map(|lane| lane.lane).eq(Lane::ALL) {
        return Err(BoundsError::Lanes);
    }
    lanes.iter().try_for_each(check_lane)?;
    check_reports(parameters)
}

/// Whether epochs have room for what validators report in them.
fn check_reports(parameters: &ChainParameters) -> Result<(), BoundsError> {
    let ChainParameters {
        block_bytes,
        epoch_blocks,
        seats,
        ..
    } = *parameters;
    let limit = parameters
        .lanes
        .iter()
        .find(|lane| lane.lane == Lane::Routine)
        .map_or(1, |lane| u64::from(lane.transaction_limit));
    let report = StakingCall::Observe(Observed {
        epoch: Epoch::ZERO,
        views: 0,
        seats: vec![ObservedSeat { votes: 0 }; seats.into()],
    });
    let length = u64::try_from(codec::encode(&report).len()).unwrap_or(u64::MAX);
    let fit = block_bytes
        .checked_div(length.saturating_add(ENVELOPE_BYTES))
        .unwrap_or(1);
    let per_block = limit.min(fit).max(1);
    let blocks = u64::from(seats).div_ceil(per_block);
    let minimum = blocks.saturating_mul(2).saturating_add(EPOCH_BLOCKS_OTHER);
    if epoch_blocks < minimum {
        return Err(BoundsError::EpochTooShort {
            found: epoch_blocks,
            minimum,
            seats,
            per_block,
        });
    }
    Ok(())
}

fn check_lane(parameters: &LaneParameters) -> Result<(), BoundsError> {
    let LaneParameters {
        lane,
        verifier_count,
        transaction_limit,
        roles,
    } = parameters;
    let lane = *lane;
    range(
        format!("lanes.{lane}.verifier_count"),
        (*verifier_count).into(),
        1,
        SEATS_MAX as u64,
    )?;
    range(
        format!("lanes.{lane}.transaction_limit"),
        (*transaction_limit).into(),
        1,
        TRANSACTION_LIMIT_MAX,
    )?;
    if roles.is_empty() {
        return Err(BoundsError::NoRoles { lane });
    }
    if !roles.is_sorted_by(|a, b| a < b) {
        return Err(BoundsError::RoleOrder { lane });
    }
    Ok(())
}

fn range(
    field: impl Into<String>,
    found: u64,
    minimum: u64,
    maximum: u64,
) -> Result<(), BoundsError> {
    if (minimum..=maximum).contains(&found) {
        Ok(())
    } else {
        Err(BoundsError::Range {
            field: field.into(),
            found,
            minimum,
            maximum,
        })
    }
}
