//! What a contract is.

use crate::caller::Caller;
use crate::context::Context;
use crate::error::{ContractError, StableError};
use salus_primitives::ids::ContractId;
use serde::{Serialize, de::DeserializeOwned};

/// A native contract: a type without values, whose state lives under its number.
pub trait Contract {
    /// What it can be asked to do, as it stands in a transaction.
    type Call: Serialize + DeserializeOwned;
    /// Why it refuses.
    type Error: StableError;

    /// Its number in transactions, state keys, events and receipts. Never changes.
    const ID: ContractId;
    /// Its name for people.
    const NAME: &'static str;
    /// The contracts that may act through this one's own functions, on its state and in its name (`docs/adr/0007`).
    const OPENS_TO: &'static [ContractId] = &[];

    /// What can be said about a call without state, by its caller alone. The executor asks this before
    /// [`execute`](Contract::execute), and admission asks it to keep hopeless calls out of blocks.
    ///
    /// # Errors
    /// The reason to refuse.
    fn admit(caller: &Caller, call: &Self::Call) -> Result<(), Self::Error>;

    /// Carries a call out. What it wrote and emitted counts only if it succeeds.
    ///
    /// # Errors
    /// [`ContractError::Refused`] with the contract's reason; [`ContractError::Halted`] is passed on from the context.
    fn execute(
        context: &mut Context<'_>,
        call: Self::Call,
    ) -> Result<(), ContractError<Self::Error>>;
}
