//! All that a contract can see and do.

use crate::caller::Caller;
use crate::error::Halt;
use crate::meter::{Limits, Meter};
use crate::overlay::Overlay;
use crate::slot::{Slot, VALUE_MAX};
use salus_primitives::codec::{self, Blob};
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::receipt::Event;
use salus_primitives::state::{StateRead, WriteSet};
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

/// Something a contract makes known, with its number in the contract's own list.
pub trait ContractEvent: Serialize + DeserializeOwned {
    /// The number by which events are indexed. Never changes.
    fn topic(&self) -> u16;
}

/// One call's view: its caller, its block, its contract's state, its events.
///
/// Every state key gets the number of the called contract, so another contract's state cannot be named.
pub struct Context<'a> {
    contract: ContractId,
    caller: Caller,
    block: BlockContext,
    transaction: TxId,
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
        block: BlockContext,
        transaction: TxId,
        state: &'a dyn StateRead,
        limits: Limits,
    ) -> Self {
        Self {
            contract,
            caller,
            block,
            transaction,
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
        self.block.height
    }

    /// The time of the block.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.block.time
    }

    /// The id of the transaction.
    #[must_use]
    pub const fn transaction(&self) -> TxId {
        self.transaction
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
    /// [`Halt`] over the limit.
    ///
    /// # Panics
    /// If the value is longer than [`VALUE_MAX`], which the standard limits exclude.
    pub fn store<T: Serialize>(&mut self, slot: &Slot<T>, value: &T) -> Result<(), Halt> {
        let key = slot.key_of(self.contract);
        let bytes = codec::encode(value);
        self.meter
            .write(key.key.len().saturating_add(bytes.len()))?;
        assert!(bytes.len() <= VALUE_MAX, "a stored value can be read again");
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
        let data = codec::encode(event);
        self.meter.event(data.len())?;
        self.events.push(Event {
            contract: self.contract,
            topic: event.topic(),
            data: Blob(data),
        });
        Ok(())
    }

    /// What the call changed and made known.
    #[must_use]
    pub fn finish(self) -> (WriteSet, Vec<Event>) {
        (self.state.into_writes(), self.events)
    }
}
