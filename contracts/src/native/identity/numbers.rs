//! How many rows an entity may make: what it registers stays in the state for good.

use super::error::IdentityError;
use crate::context::Context;
use crate::error::ContractError;
use crate::slot::Slot;
use salus_primitives::calls::IDENTITY;
use salus_primitives::ids::EntityId;
use salus_primitives::state::{StateKey, StateRead, StateReadError};
use serde::{Deserialize, Serialize};

/// How many an entity has registered, revoked ones too. In the index: nobody needs a proof of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Devices; at most [`DEVICES_MAX`].
    pub devices: u32,
    /// Practitioners; at most [`PRACTITIONERS_MAX`].
    pub practitioners: u32,
    /// Persons; at most [`PERSONS_MAX`].
    pub persons: u32,
    /// Models that it has revoked for everybody, as a ministry; at most [`MODELS_MAX`].
    pub models: u32,
}

/// Most devices of an entity.
pub const DEVICES_MAX: u32 = 1_000_000;
/// Most practitioners of an entity.
pub const PRACTITIONERS_MAX: u32 = 100_000;
/// Most persons of an entity: about as many as a large country's largest insurer has.
pub const PERSONS_MAX: u32 = 100_000_000;
/// Most models that a ministry revokes.
pub const MODELS_MAX: u32 = 10_000;

/// What an entity has registered.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn numbers(state: &dyn StateRead, id: &EntityId) -> Result<Numbers, StateReadError> {
    Ok(numbers_slot(id).read(IDENTITY, state)?.unwrap_or_default())
}

/// Where the index keeps it.
#[must_use]
pub fn numbers_key(id: &EntityId) -> StateKey {
    numbers_slot(id).key_of(IDENTITY)
}

/// Counts what the calling entity registers.
pub(super) fn count(
    context: &mut Context<'_>,
    add: impl FnOnce(&mut Numbers),
) -> Result<(), ContractError<IdentityError>> {
    let slot = numbers_slot(&context.caller().principal.entity());
    let mut numbers = context.load(&slot)?.unwrap_or_default();
    add(&mut numbers);
    if numbers.devices > DEVICES_MAX
        || numbers.practitioners > PRACTITIONERS_MAX
        || numbers.persons > PERSONS_MAX
        || numbers.models > MODELS_MAX
    {
        return Err(IdentityError::TooManyRegistered.into());
    }
    context.store(&slot, &numbers)?;
    Ok(())
}

fn numbers_slot(id: &EntityId) -> Slot<Numbers> {
    Slot::index(b'n', id.as_bytes())
}
