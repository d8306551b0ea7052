//! What governance may say of lanes. Genesis and proposals are refused outside these bounds.

use super::bounds::{self, BoundsError, HEARTBEAT_MS_MAX};
use super::solver::EXPONENT_MAX;
use salus_primitives::calls::{Observed, ObservedSeat, StakingCall};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    BlockModel, BlockPolicy, LaneParameters, LaneWeights, RATE_KBPS_MAX, RESPONSE_US_MAX,
};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::transaction::TRANSACTION_MAX;
use salus_primitives::validators::SEATS_MAX;

/// Most transactions in a block; the bound on theta.
pub const TRANSACTION_LIMIT_MAX: u64 = 65_536;
/// Most blocks of a hundred that lanes can have reserved together: the other half is the most urgent lane's.
pub const RESERVED_PERCENT_MAX: u64 = 50;
/// Longest that a block's checking may hold up the next, in milliseconds.
pub const HOLD_MS_MAX: u64 = 600_000;
/// Most bytes of a vote.
pub const VOTE_BYTES_MAX: u64 = 65_536;

/// Blocks of an epoch beside those with reports, at least. See [`PolicyError::EpochTooShort`].
const EPOCH_BLOCKS_OTHER: u64 = 4;
/// What a transaction takes beside its call, in bytes, rounded up.
const ENVELOPE_BYTES: u64 = 256;

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A number is too small or too large.
    #[error(transparent)]
    Range(#[from] BoundsError),
    /// The lanes are not exactly the four, in order.
    #[error("lanes must be emergency, monitoring, routine and bulk, once each and in this order")]
    Lanes,
    /// Nothing counts, so that every choice is as good as any other.
    #[error("lanes.{0}: latency, security and cost all weigh 0; one must weigh more")]
    NoWeights(Lane),
    /// A lane that nobody may use.
    #[error("lanes.{0}.roles is empty; name at least one role")]
    NoRoles(Lane),
    /// Roles are not strictly ascending: a role stands twice, or the list has no canonical order.
    #[error("lanes.{0}.roles must name each role once, in the order of the roles' list")]
    RoleOrder(Lane),
    /// Someone may use a lane but not the next lower one, where what is over quota counts.
    #[error(
        "lanes.{0}.roles lacks a role of the lane above; what is over a quota counts in the lane below"
    )]
    RolesNarrow(Lane),
    /// An epoch that reports about the one before could fill. At its beginning every validator says once what it saw of the others; if
    /// the blocks that takes end the epoch, the next one brings as many reports again, and an idle chain never falls silent. So there
    /// must be room for twice the full blocks that these reports are, as they do not all come at once, and a few more.
    #[error(
        "epochs of {found} blocks are too short: with {seats} seats and {per_block} of the validators' reports in a block of the routine lane there must be at least {minimum}, or an idle chain's epochs follow one another for ever; make them longer, seats fewer, or lanes.routine.min_transactions or block_bytes greater"
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
    /// The lowest lane has a quota, and there is no lane for what is over it.
    #[error("lanes.{0}.quota must be 0, without bound: there is no lower lane")]
    QuotaOfLowest(Lane),
}

/// Checks all bounds.
///
/// # Errors
/// [`PolicyError`] names the first parameter that is out of bounds.
pub fn check(policy: &BlockPolicy, parameters: &ChainParameters) -> Result<(), PolicyError> {
    check_model(&policy.model)?;
    if !policy.lanes.iter().map(|lane| lane.lane).eq(Lane::ALL) {
        return Err(PolicyError::Lanes);
    }
    policy.lanes.iter().try_for_each(check_lane)?;
    for (above, below) in policy.lanes.iter().zip(policy.lanes.iter().skip(1)) {
        if !above.roles.iter().all(|role| below.roles.contains(role)) {
            return Err(PolicyError::RolesNarrow(below.lane));
        }
    }
    match policy.lanes.last() {
        Some(lowest) if lowest.quota != 0 => return Err(PolicyError::QuotaOfLowest(lowest.lane)),
        _ => {}
    }
    let reserved = policy
        .lanes
        .iter()
        .map(|lane| u64::from(lane.reserved_percent));
    bounds::range(
        "the sum of lanes.*.reserved_percent",
        reserved.fold(0, u64::saturating_add),
        0,
        RESERVED_PERCENT_MAX,
    )?;
    check_reports(policy, parameters)
}

/// Whether epochs have room for what validators report in them, whatever block size is chosen for the routine lane.
fn check_reports(policy: &BlockPolicy, parameters: &ChainParameters) -> Result<(), PolicyError> {
    let ChainParameters {
        block_bytes,
        epoch_blocks,
        seats,
        ..
    } = *parameters;
    let limit = policy
        .lane(Lane::Routine)
        .map_or(1, |lane| u64::from(lane.min_transactions));
    let longest = ObservedSeat {
        votes: 0,
        response_us: Some(1),
        rate_kbps: Some(1),
    };
    let report = StakingCall::Observe(Observed {
        epoch: Epoch::ZERO,
        views: 0,
        seats: vec![longest; seats.into()],
    });
    let length = u64::try_from(codec::encode(&report).len()).unwrap_or(u64::MAX);
    let fit = block_bytes
        .checked_div(length.saturating_add(ENVELOPE_BYTES))
        .unwrap_or(1);
    let per_block = limit.min(fit).max(1);
    let blocks = u64::from(seats).div_ceil(per_block);
    let minimum = blocks.saturating_mul(2).saturating_add(EPOCH_BLOCKS_OTHER);
    if epoch_blocks < minimum {
        return Err(PolicyError::EpochTooShort {
            found: epoch_blocks,
            minimum,
            seats,
            per_block,
        });
    }
    Ok(())
}

/// Checks the constants of the model.
///
/// # Errors
/// [`BoundsError`] names the first that is out of bounds.
pub fn check_model(model: &BlockModel) -> Result<(), BoundsError> {
    // exhaustive, so that a new number cannot be forgotten here
    let BlockModel {
        security_scale,
        security_exponent,
        broadcast_ps_per_bit: _,
        vote_bytes,
        hold_max_ms,
        response_us,
        rate_kbps,
    } = *model;
    let any = u32::MAX.into();
    for (field, found, minimum, maximum) in [
        ("security_scale", security_scale.into(), 1, any),
        (
            "security_exponent",
            security_exponent.into(),
            2,
            EXPONENT_MAX,
        ),
        ("vote_bytes", vote_bytes.into(), 0, VOTE_BYTES_MAX),
        ("hold_max_ms", hold_max_ms.into(), 1, HOLD_MS_MAX),
        ("response_us", response_us.into(), 1, RESPONSE_US_MAX.into()),
        ("rate_kbps", rate_kbps.into(), 1, RATE_KBPS_MAX.into()),
    ] {
        bounds::range(format!("model.{field}"), found, minimum, maximum)?;
    }
    Ok(())
}

/// Checks one lane, without the others.
///
/// # Errors
/// [`PolicyError`] names the first parameter that is out of bounds.
pub fn check_lane(parameters: &LaneParameters) -> Result<(), PolicyError> {
    let LaneParameters {
        lane,
        policy: _,
        weights,
        min_verifiers,
        max_verifiers,
        min_transactions,
        max_transactions,
        transaction_bytes,
        roles,
        quota: _,
        wait_max_ms,
        reserved_percent,
    } = parameters;
    let lane = *lane;
    let (max_verifiers, max_transactions) =
        (u64::from(*max_verifiers), u64::from(*max_transactions));
    for (field, found, minimum, maximum) in [
        ("max_verifiers", max_verifiers, 1, SEATS_MAX as u64),
        ("min_verifiers", (*min_verifiers).into(), 1, max_verifiers),
        (
            "max_transactions",
            max_transactions,
            1,
            TRANSACTION_LIMIT_MAX,
        ),
        (
            "min_transactions",
            (*min_transactions).into(),
            1,
            max_transactions,
        ),
        (
            "transaction_bytes",
            (*transaction_bytes).into(),
            1,
            TRANSACTION_MAX as u64,
        ),
        ("wait_max_ms", (*wait_max_ms).into(), 1, HEARTBEAT_MS_MAX),
        (
            "reserved_percent",
            (*reserved_percent).into(),
            0,
            RESERVED_PERCENT_MAX,
        ),
    ] {
        bounds::range(format!("lanes.{lane}.{field}"), found, minimum, maximum)?;
    }
    let LaneWeights {
        latency,
        security,
        cost,
    } = *weights;
    if (latency, security, cost) == (0, 0, 0) {
        return Err(PolicyError::NoWeights(lane));
    }
    if roles.is_empty() {
        return Err(PolicyError::NoRoles(lane));
    }
    if !roles.is_sorted_by(|a, b| a < b) {
        return Err(PolicyError::RoleOrder(lane));
    }
    Ok(())
}
