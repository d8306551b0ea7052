//! Lanes and block configuration: the chain's parameters, what governance says of lanes, what validators measured of one another,
//! and the lanes of each epoch, which follow from all of these.
//!
//! It takes no calls: governance and the ends of epochs change it.

pub mod bounds;
pub mod lanes;
pub mod policy;
pub mod solver;

use crate::caller::Caller;
use crate::context::Context;
use crate::contract::Contract;
use crate::error::ContractError;
use crate::native::staking::{self, SETS_KEPT};
use crate::slot::Slot;
use core::convert::Infallible;
use lanes::{Measured, epoch_lanes};
use salus_primitives::calls::BLOCKCFG;
use salus_primitives::codec;
use salus_primitives::ids::{ContractId, EntityId, Epoch};
use salus_primitives::lanes::{BlockPolicy, EpochLanes};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
use salus_primitives::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// The contract, see the module.
#[derive(Debug)]
pub enum Blockcfg {}

/// No call exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockcfgCall {}

impl Contract for Blockcfg {
    type Call = BlockcfgCall;
    type Error = Infallible;

    const ID: ContractId = BLOCKCFG;
    const NAME: &'static str = "blockcfg";

    fn admit(_: &Caller, call: &BlockcfgCall) -> Result<(), Infallible> {
        match *call {}
    }

    fn execute(_: &mut Context<'_>, call: BlockcfgCall) -> Result<(), ContractError<Infallible>> {
        match call {}
    }
}

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
    let measured = validators
        .validators()
        .iter()
        .map(|validator| {
            let known = measured_slot(&validator.entity).read(BLOCKCFG, state)?;
            Ok(known.unwrap_or(Measured::assumed(&policy.model)))
        })
        .collect::<Result<Vec<_>, StateReadError>>()?;
    let mut writes = WriteSet::default();
    record(
        &epoch_lanes(&policy, parameters, &validators, &measured),
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
    let assumed = vec![Measured::assumed(&policy.model); validators.len()];
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
