//! Which contracts there are, and from which height on.

use crate::caller::Caller;
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, Halt, StableError, reason_of};
use crate::executor::ExecutorError;
use crate::native::{Access, Agreements, Blockcfg, Governance, Identity, Records, Staking};
use salus_primitives::codec;
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::transaction::TRANSACTION_MAX;
use std::collections::BTreeMap;

/// The fixed set of contracts. Part of the protocol: a node with another set comes to other receipts.
#[derive(Clone, Debug)]
pub struct Registry {
    entries: BTreeMap<ContractId, Entry>,
}

impl Registry {
    /// The contracts of this release. One line each.
    #[must_use]
    pub fn standard() -> Self {
        Self::new([
            Entry::of::<Identity>(Height::ZERO),
            Entry::of::<Blockcfg>(Height::ZERO),
            Entry::of::<Records>(Height::ZERO),
            Entry::of::<Staking>(Height::ZERO),
            Entry::of::<Governance>(Height::ZERO),
            Entry::of::<Access>(Height::ZERO),
            Entry::of::<Agreements>(Height::ZERO),
        ])
    }

    /// A registry of the given contracts.
    ///
    /// # Panics
    /// If two share a number, or one takes the executor's.
    #[must_use]
    pub fn new(contracts: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries = BTreeMap::new();
        for entry in contracts {
            assert_ne!(entry.id, ContractId::EXECUTOR, "0 is the executor itself");
            let taken = entries.insert(entry.id, entry);
            assert!(taken.is_none(), "every contract has its own number");
        }
        Self { entries }
    }

    /// The contract of this number, whether it is active or not.
    #[must_use]
    pub fn contract(&self, id: ContractId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The contract of this number, if it is active at `height`.
    #[must_use]
    pub fn active(&self, id: ContractId, height: Height) -> Option<&Entry> {
        self.contract(id)
            .filter(|entry| entry.active_from <= height)
    }

    /// The stable name of a failed receipt's reason.
    #[must_use]
    pub fn reason(&self, contract: ContractId, code: u16) -> Option<&'static str> {
        if contract == ContractId::EXECUTOR {
            return reason_of::<ExecutorError>(code);
        }
        (self.contract(contract)?.reason)(code)
    }
}

/// The stable name of a failed receipt's reason in this release's contracts, such as `device_revoked`. For metrics
/// and answers.
#[must_use]
pub fn reason_name(contract: ContractId, code: u16) -> Option<&'static str> {
    Registry::standard().reason(contract, code)
}

/// The number of this release's contract of a name, such as `identity`.
#[must_use]
pub fn contract_by_name(name: &str) -> Option<ContractId> {
    let registry = Registry::standard();
    let mut entries = registry.entries.values();
    entries.find(|entry| entry.name == name).map(Entry::id)
}

/// One contract with its type erased.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    id: ContractId,
    name: &'static str,
    active_from: Height,
    admit: fn(&Caller, &[u8]) -> Result<(), Failure>,
    execute: fn(&mut Context<'_>, &[u8]) -> Result<(), Failure>,
    reason: fn(u16) -> Option<&'static str>,
}

/// Why a dispatched call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The payload is no call of this contract.
    Undecodable,
    /// The contract refused.
    Refused { code: u16, reason: &'static str },
    /// The context gave nothing.
    Halted(Halt),
}

impl Entry {
    /// The contract `C`, callable in blocks from `active_from` on.
    #[must_use]
    pub fn of<C: Contract>(active_from: Height) -> Self {
        Self {
            id: C::ID,
            name: C::NAME,
            active_from,
            admit: |caller, payload| decode::<C>(caller, payload).map(drop),
            execute: |context, payload| {
                let call = decode::<C>(context.caller(), payload)?;
                C::execute(context, call).map_err(|error| match error {
                    ContractError::Refused(error) => refused(error),
                    ContractError::Halted(halt) => Failure::Halted(halt),
                })
            },
            reason: reason_of::<C::Error>,
        }
    }

    /// The contract's number.
    #[must_use]
    pub const fn id(&self) -> ContractId {
        self.id
    }

    /// The contract's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The first height at which it can be called.
    #[must_use]
    pub const fn active_from(&self) -> Height {
        self.active_from
    }

    pub(crate) fn admit(&self, caller: &Caller, payload: &[u8]) -> Result<(), Failure> {
        (self.admit)(caller, payload)
    }

    pub(crate) fn execute(&self, context: &mut Context<'_>, payload: &[u8]) -> Result<(), Failure> {
        (self.execute)(context, payload)
    }
}

/// Decodes a call and asks what its contract says of it without state.
fn decode<C: Contract>(caller: &Caller, payload: &[u8]) -> Result<C::Call, Failure> {
    let call = codec::decode(payload, TRANSACTION_MAX).map_err(|_| Failure::Undecodable)?;
    C::admit(caller, &call).map_err(refused)?;
    Ok(call)
}

fn refused(error: impl StableError) -> Failure {
    Failure::Refused {
        code: error.code(),
        reason: error.reason(),
    }
}
