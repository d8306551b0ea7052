//! Lanes and block configuration: holds the chain's parameters in the authenticated tree, as genesis set them.
//!
//! It takes no calls yet, so that every payload is undecodable. Measuring validators and adapting m and theta within a lane's
//! bounds belong here.

pub mod bounds;
pub mod solver;

use crate::caller::Caller;
use crate::context::Context;
use crate::contract::Contract;
use crate::error::ContractError;
use crate::slot::Slot;
use core::convert::Infallible;
use salus_primitives::calls::BLOCKCFG;
use salus_primitives::codec;
use salus_primitives::ids::ContractId;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
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

/// The name its founders gave the chain.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none.
pub fn chain_name(state: &dyn StateRead) -> Result<String, StateReadError> {
    name_slot()
        .read(BLOCKCFG, state)?
        .ok_or_else(|| StateReadError("the state holds no chain name".into()))
}

/// Writes what genesis fixes.
pub(crate) fn genesis(chain: &str, parameters: &ChainParameters, writes: &mut WriteSet) {
    writes.put(
        parameters_slot().key_of(BLOCKCFG),
        codec::encode(parameters),
    );
    writes.put(name_slot().key_of(BLOCKCFG), codec::encode(chain));
}

fn parameters_slot() -> Slot<ChainParameters> {
    Slot::tree(b'p', b"")
}

fn name_slot() -> Slot<String> {
    Slot::tree(b'n', b"")
}
