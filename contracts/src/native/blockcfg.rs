//! Lanes and block configuration: the chain's parameters, what governance says of lanes, what validators measured of one another,
//! what members call their work worth, and the lanes of each epoch, which follow from all of these.
//!
//! Decided here:
//! - Prices are declared: they are the one input that nobody else can know. They count by their ratio alone, and bounded, so that
//!   a member can make its own work look dear or cheap and no more than [`PRICE_MAX`] times so.
//! - What governance changes and members say holds in the epochs that are configured from then on: from the second after the
//!   present one. Whoever follows headers knows by then.
//! - What is known of a member is forgotten when it retires.
//! - What is over a quota is not refused but counts in the next lower lane: an emergency that is one too many is an emergency still,
//!   and whoever claims too many harms nobody else by it.
//! - What is over a quota is not refused but counts in the next lower lane: an emergency that is one too many is an emergency still,
//!   and whoever claims too many harms nobody else by it.

pub mod bounds;
mod event;
mod governed;
pub mod lanes;
mod measured;
pub mod policy;
pub mod quota;
pub mod solver;

pub use event::{BlockcfgEvent, LANE_SET, MODEL_SET, PRICE_SET};
pub use measured::{Measured, measure, measured, measured_key};

pub(crate) use governed::{forget, policy_of, set_lane, set_model};

use crate::caller::{Caller, Principal};
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, stable_errors};
use crate::native::staking::{self, SETS_KEPT};
use crate::slot::Slot;
use lanes::{Profile, epoch_lanes};
use salus_primitives::calls::{BLOCKCFG, BlockcfgCall, GOVERNANCE};
use salus_primitives::codec;
use salus_primitives::ids::{ContractId, EntityId, Epoch};
use salus_primitives::lanes::{BlockPolicy, EpochLanes, PRICE_MAX};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};
use salus_primitives::validators::ValidatorSet;

/// The contract, see the module.
#[derive(Debug)]
pub enum Blockcfg {}

stable_errors! {
    /// Why a block configuration call is refused.
    pub enum BlockcfgError {
        /// A device or a validator called.
        NotAnEntity = 1, "not_an_entity", "only entities can be members, not devices or validators";
        /// The caller is no member.
        NotAMember = 2, "not_a_member", "the caller is no member";
        /// See [`PRICE_MAX`].
        PriceOutOfBounds = 3, "price_out_of_bounds", "a price is 1 to 1000";
        /// It is the price already.
        NothingChanges = 4, "nothing_changes", "the price is that already";
    }
}

type Outcome = Result<(), ContractError<BlockcfgError>>;

impl Contract for Blockcfg {
    type Call = BlockcfgCall;
    type Error = BlockcfgError;

    const ID: ContractId = BLOCKCFG;
    const NAME: &'static str = "blockcfg";
    const OPENS_TO: &'static [ContractId] = &[GOVERNANCE];

    fn admit(caller: &Caller, call: &BlockcfgCall) -> Result<(), BlockcfgError> {
        let BlockcfgCall::SetPrice { price } = call;
        match caller.principal {
            Principal::Device { .. }
            | Principal::Validator { .. }
            | Principal::Practitioner { .. }
            | Principal::Person { .. }
            | Principal::Custodian { .. } => Err(BlockcfgError::NotAnEntity),
            Principal::Entity { .. } if !(1..=PRICE_MAX).contains(price) => {
                Err(BlockcfgError::PriceOutOfBounds)
            }
            Principal::Entity { .. } => Ok(()),
        }
    }

    fn execute(context: &mut Context<'_>, call: BlockcfgCall) -> Outcome {
        match call {
            BlockcfgCall::SetPrice { price } => set_price(context, price),
        }
    }
}

fn set_price(context: &mut Context<'_>, price: u32) -> Outcome {
    let member = context.caller().principal.entity();
    if staking::member_of(context, &member)?.is_none() {
        return Err(BlockcfgError::NotAMember.into());
    }
    let slot = price_slot(&member);
    if context.load(&slot)?.unwrap_or(PRICE_DEFAULT) == price {
        return Err(BlockcfgError::NothingChanges.into());
    }
    context.store(&slot, &price)?;
    context.emit(&BlockcfgEvent::PriceSet { member, price })?;
    Ok(())
}

/// The price of a member's work until it says another.
pub const PRICE_DEFAULT: u32 = 1;

/// The parameters of consensus and admission.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none: then it does not hold a chain.
pub fn parameters(state: &dyn StateRead) -> Result<ChainParameters, StateReadError> {
    parameters_slot()
        .read(BLOCKCFG, state)?
        .ok_or_else(|| StateReadError("the state holds no chain parameters".into()))
}

/// What governance says of lanes now.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none.
pub fn policy(state: &dyn StateRead) -> Result<BlockPolicy, StateReadError> {
    policy_slot()
        .read(BLOCKCFG, state)?
        .ok_or_else(|| StateReadError("the state holds no block policy".into()))
}

/// The lanes of an epoch: known from the end of the epoch before the one before on, and for a while after.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn lanes(state: &dyn StateRead, epoch: Epoch) -> Result<Option<EpochLanes>, StateReadError> {
    lanes_slot(epoch).read(BLOCKCFG, state)
}

/// What a member's work costs, as it says itself.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn price(state: &dyn StateRead, member: &EntityId) -> Result<u32, StateReadError> {
    Ok(price_slot(member)
        .read(BLOCKCFG, state)?
        .unwrap_or(PRICE_DEFAULT))
}

/// Where the tree keeps what governance says of lanes, for proofs.
#[must_use]
pub fn policy_key() -> StateKey {
    policy_slot().key_of(BLOCKCFG)
}

/// Where the tree keeps the lanes of an epoch, for proofs.
#[must_use]
pub fn lanes_key(epoch: Epoch) -> StateKey {
    lanes_slot(epoch).key_of(BLOCKCFG)
}

/// What follows the last block of an epoch, after its validators were elected: the lanes of the epoch after the next.
///
/// # Errors
/// [`StateReadError`] if the store fails or lacks what it must hold.
pub fn close_epoch(
    state: &dyn StateRead,
    parameters: &ChainParameters,
    ended: Epoch,
) -> Result<WriteSet, StateReadError> {
    let epoch = ended.next().next();
    let missing = || StateReadError(format!("the validators of epoch {epoch} are missing"));
    let validators = staking::set(state, epoch)?.ok_or_else(missing)?;
    let policy = policy(state)?;
    let known = validators
        .validators()
        .iter()
        .map(|validator| {
            let measured = measured(state, &validator.entity)?;
            let price = price(state, &validator.entity)?;
            Ok(Profile::known(&policy.model, measured, price))
        })
        .collect::<Result<Vec<_>, StateReadError>>()?;
    let mut writes = WriteSet::default();
    record(
        &epoch_lanes(&policy, parameters, &validators, &known),
        &mut writes,
    );
    if let Some(old) = epoch.get().checked_sub(SETS_KEPT).map(Epoch::new)
        && lanes(state, old)?.is_some()
    {
        writes.remove(lanes_slot(old).key_of(BLOCKCFG));
    }
    Ok(writes)
}

/// The lanes that one of the first epochs begins with: nothing was measured.
#[must_use]
pub fn first_lanes(
    policy: &BlockPolicy,
    parameters: &ChainParameters,
    validators: &ValidatorSet,
) -> EpochLanes {
    let assumed = vec![Profile::assumed(&policy.model); validators.len()];
    epoch_lanes(policy, parameters, validators, &assumed)
}

/// The name its founders gave the chain.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none.
pub fn chain_name(state: &dyn StateRead) -> Result<String, StateReadError> {
    name_slot()
        .read(BLOCKCFG, state)?
        .ok_or_else(|| StateReadError("the state holds no chain name".into()))
}

/// Writes what genesis fixes, and the lanes of the first epochs.
pub(crate) fn genesis(
    chain: &str,
    parameters: &ChainParameters,
    policy: &BlockPolicy,
    first: &[ValidatorSet],
    writes: &mut WriteSet,
) {
    writes.put(
        parameters_slot().key_of(BLOCKCFG),
        codec::encode(parameters),
    );
    writes.put(name_slot().key_of(BLOCKCFG), codec::encode(chain));
    writes.put(policy_slot().key_of(BLOCKCFG), codec::encode(policy));
    for validators in first {
        record(&first_lanes(policy, parameters, validators), writes);
    }
}

fn record(lanes: &EpochLanes, writes: &mut WriteSet) {
    writes.put(
        lanes_slot(lanes.epoch).key_of(BLOCKCFG),
        codec::encode(lanes),
    );
}

fn parameters_slot() -> Slot<ChainParameters> {
    Slot::tree(b'p', b"")
}

fn name_slot() -> Slot<String> {
    Slot::tree(b'n', b"")
}

fn policy_slot() -> Slot<BlockPolicy> {
    Slot::tree(b'l', b"")
}

fn lanes_slot(epoch: Epoch) -> Slot<EpochLanes> {
    Slot::tree(b'e', &epoch.get().to_be_bytes())
}

fn measured_slot(entity: &EntityId) -> Slot<Measured> {
    Slot::tree(b'm', entity.as_bytes())
}

fn price_slot(entity: &EntityId) -> Slot<u32> {
    Slot::tree(b'c', entity.as_bytes())
}
