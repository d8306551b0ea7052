//! All that a contract can see and do.

use crate::caller::Caller;
use crate::contract::Contract;
use crate::error::Halt;
use crate::meter::{LimitExceeded, Limits, Meter};
use crate::overlay::Overlay;
use crate::slot::{Slot, VALUE_MAX};
use core::cell::Cell;
use salus_primitives::codec::{self, Blob};
use salus_primitives::ids::{ContractId, GenesisHash, Height};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::receipt::Event;
use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use serde::{Serialize, de::DeserializeOwned};

/// What of a block's header concerns execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The block's height.
    pub height: Height,
    /// The block's time.
    pub time: Timestamp,
}

/// When, on which chain and in which transaction a call is made.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The block.
    pub block: BlockContext,
    /// The id of the transaction.
    pub transaction: TxId,
    /// The chain, as the transaction names it. Admission and proposal check refuse transactions of other chains.
    pub genesis: GenesisHash,
    /// The parameters of the chain.
    pub parameters: &'a ChainParameters,
}

/// Something a contract makes known, with its number in the contract's own list.
pub trait ContractEvent: Serialize + DeserializeOwned {
    /// The number by which events are indexed. Never changes.
    fn topic(&self) -> u16;
}

/// One call's view: its caller, its occasion, its contract's state, its events.
///
/// Every state key gets the number of the called contract, so another contract's state cannot be named. What a contract offers to
/// others are functions of its own (`docs/adr/0007`).
pub struct Context<'a> {
    contract: ContractId,
    caller: Caller,
    occasion: Occasion<'a>,
    state: Overlay<'a>,
    meter: Meter,
    events: Vec<Event>,
}

impl<'a> Context<'a> {
    /// A context of `contract` over `state`, which it does not change.
    #[must_use]
    pub fn new(
        contract: ContractId,
        caller: Caller,
        occasion: Occasion<'a>,
        state: &'a dyn StateRead,
        limits: Limits,
    ) -> Self {
        Self {
            contract,
            caller,
            occasion,
            state: Overlay::new(state),
            meter: Meter::new(limits),
            events: Vec::new(),
        }
    }

    /// Who calls.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The height of the block.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.occasion.block.height
    }

    /// The time of the block.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.occasion.block.time
    }

    /// The id of the transaction.
    #[must_use]
    pub const fn transaction(&self) -> TxId {
        self.occasion.transaction
    }

    /// The chain.
    #[must_use]
    pub const fn genesis(&self) -> GenesisHash {
        self.occasion.genesis
    }

    /// The parameters of the chain.
    #[must_use]
    pub const fn parameters(&self) -> &'a ChainParameters {
        self.occasion.parameters
    }

    /// Runs `act` as the contract `C`: on its state, with its number on events, at this call's cost, undone if this call fails.
    ///
    /// Only the functions that `C` offers to others call this (`docs/adr/0007`): what they may do is `C`'s to decide.
    ///
    /// # Panics
    /// If the contract that acts is none of those that `C` opens to.
    pub(crate) fn within<C: Contract, T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let calling = self.contract;
        assert!(
            C::OPENS_TO.contains(&calling),
            "{} does not open to contract {calling}",
            C::NAME
        );
        self.contract = C::ID;
        let result = act(self);
        self.contract = calling;
        result
    }

    /// Answers a pure query of any contract over the state as this call sees it, at this call's cost.
    ///
    /// What a contract publishes as a query it shows to everybody; so one function answers the call, the node and who looks at the state from
    /// outside (`docs/adr/0020`). Slots stay private to their contract.
    ///
    /// # Errors
    /// [`Halt`] over the limit or if the store fails.
    pub(crate) fn ask<T>(
        &mut self,
        query: impl FnOnce(&dyn StateRead) -> Result<T, StateReadError>,
    ) -> Result<T, Halt> {
        let counted = Counted {
            state: &self.state,
            reads: Cell::new(0),
        };
        let answer = query(&counted)?;
        for _ in 0..counted.reads.get() {
            self.meter.read()?;
        }
        Ok(answer)
    }

    /// Reads one value of this contract's state.
    ///
    /// # Errors
    /// [`Halt`] over the limit or if the store fails.
    pub fn load<T: Serialize + DeserializeOwned>(
        &mut self,
        slot: &Slot<T>,
    ) -> Result<Option<T>, Halt> {
        self.meter.read()?;
        Ok(slot.read(self.contract, &self.state)?)
    }

    /// Sets one value of this contract's state.
    ///
    /// # Errors
    /// [`Halt`] over the limit, or if the value is longer than [`VALUE_MAX`] and could not be read again.
    pub fn store<T: Serialize>(&mut self, slot: &Slot<T>, value: &T) -> Result<(), Halt> {
        let key = slot.key_of(self.contract);
        let bytes = codec::encode(value);
        self.meter
            .write(key.key.len().saturating_add(bytes.len()))?;
        if bytes.len() > VALUE_MAX {
            return Err(LimitExceeded::Bytes.into());
        }
        self.state.put(key, bytes);
        Ok(())
    }

    /// Removes one value of this contract's state.
    ///
    /// # Errors
    /// [`Halt`] over the limit.
    pub fn remove<T>(&mut self, slot: &Slot<T>) -> Result<(), Halt> {
        let key = slot.key_of(self.contract);
        self.meter.write(key.key.len())?;
        self.state.remove(key);
        Ok(())
    }

    /// Makes something known.
    ///
    /// # Errors
    /// [`Halt`] over the limit.
    pub fn emit(&mut self, event: &impl ContractEvent) -> Result<(), Halt> {
        self.publish(event).map(drop)
    }

    /// Makes something known, and returns it as the receipt will hold it.
    ///
    /// # Errors
    /// [`Halt`] over the limit.
    pub fn publish(&mut self, event: &impl ContractEvent) -> Result<Event, Halt> {
        let data = codec::encode(event);
        self.meter.event(data.len())?;
        let event = Event {
            contract: self.contract,
            topic: event.topic(),
            data: Blob(data),
        };
        self.events.push(event.clone());
        Ok(event)
    }

    /// How many events were made known so far: the last one's index in the receipt is one less.
    #[must_use]
    pub fn events_published(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap_or(u32::MAX)
    }

    /// What the call changed and made known.
    #[must_use]
    pub fn finish(self) -> (WriteSet, Vec<Event>) {
        (self.state.into_writes(), self.events)
    }
}

/// A state that counts what is read of it.
struct Counted<'a> {
    state: &'a dyn StateRead,
    reads: Cell<u32>,
}

impl StateRead for Counted<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateReadError> {
        self.reads.set(self.reads.get().saturating_add(1));
        self.state.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Principal;
    use crate::native::staking;
    use salus_primitives::calls::{GOVERNANCE, RECORDS, Role};
    use salus_primitives::crypto::sign::PublicKey;
    use salus_primitives::ids::EntityId;
    use salus_primitives::state::MemoryState;

    /// Asks for a member's state in a call of `contract`.
    fn ask_for_a_member(contract: ContractId) {
        let parameters = ChainParameters {
            tenure: 8,
            delta_ms: 250,
            delta_max_ms: 4000,
            skip_after: 2,
            heartbeat_ms: 10_000,
            window_blocks: 4096,
            block_bytes: 1 << 20,
            epoch_blocks: 10,
            seats: 4,
            proposal_blocks: 10,
        };
        let id = EntityId([1; 32]);
        let caller = Caller {
            key: PublicKey([1; 32]),
            principal: Principal::Entity {
                id,
                role: Role::Hospital,
            },
        };
        let occasion = Occasion {
            block: BlockContext {
                height: Height::new(1),
                time: Timestamp::from_millis(1),
            },
            transaction: TxId([1; 32]),
            genesis: GenesisHash([1; 32]),
            parameters: &parameters,
        };
        let state = MemoryState::default();
        let mut context = Context::new(contract, caller, occasion, &state, Limits::STANDARD);

        let member = staking::member_of(&mut context, &id).expect("within the limits");

        assert_eq!(member, None);
        assert_eq!(context.contract, contract, "back in its own name");
    }

    #[test]
    fn a_contract_acts_through_another_that_opens_to_it() {
        ask_for_a_member(GOVERNANCE);
    }

    #[test]
    #[should_panic(expected = "staking does not open to contract 3")]
    fn a_contract_that_does_not_open_cannot_be_acted_through() {
        ask_for_a_member(RECORDS);
    }
}
