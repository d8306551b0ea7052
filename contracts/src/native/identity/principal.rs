//! Whose key is whose, in which block.

use super::people::{person, practitioner};
use super::state::{Holder, custody_key, device, entity, holder, revoked_at};
use crate::caller::Principal;
use crate::native::staking;
use core::fmt::Display;
use salus_primitives::calls::Role;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, Epoch, Height, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::{StateRead, StateReadError};

/// Why a key may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPrincipal {
    /// It belongs to nobody who signs transactions.
    #[error("the key belongs to nobody who signs transactions")]
    Unknown,
    /// Its device was revoked, or the device's whole model.
    #[error("the key's device was revoked")]
    DeviceRevoked,
    /// Its entity was revoked, or the one that answers for its holder.
    #[error("the key's entity was revoked")]
    EntityRevoked,
    /// Its holder has another key now.
    #[error("the key's holder has another key now")]
    KeyRotated,
    /// Its practitioner was revoked.
    #[error("the key's practitioner was revoked")]
    PractitionerRevoked,
    /// Its device is to have it from a later block on.
    #[error("the key holds from a later block on")]
    KeyNotYetValid,
}

/// The entity that answers for whoever has or had this key: what a transaction that it signs must name.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn entity_of_key(
    state: &dyn StateRead,
    key: &PublicKey,
) -> Result<Option<EntityId>, StateReadError> {
    Ok(match holder(state, key)? {
        None => None,
        Some(Holder::Entity(id) | Holder::Validator(id) | Holder::Custodian(id)) => Some(id),
        Some(Holder::Device(id)) => device(state, &id)?.map(|device| device.owner),
        Some(Holder::Practitioner(id)) => practitioner(state, &id)?.map(|it| it.employer),
        Some(Holder::Person(id)) => person(state, &id)?.map(|it| it.person.relation),
    })
}

/// Who may act with this key in the block at `height`, which is of `epoch`. A validator's key acts in the epochs that it votes in and in the
/// one after the last of these.
///
/// # Errors
/// [`StateReadError`] if the store fails. [`NoPrincipal`] is the answer for a key with which nobody may act.
pub fn principal_of_key(
    state: &dyn StateRead,
    key: &PublicKey,
    height: Height,
    epoch: Epoch,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    match holder(state, key)? {
        None => Ok(Err(NoPrincipal::Unknown)),
        Some(Holder::Entity(id)) => {
            let role = active_role(state, &id)?;
            Ok(role.map(|role| Principal::Entity { id, role }))
        }
        Some(Holder::Validator(id)) => validator(state, id, key, epoch),
        Some(Holder::Device(id)) => of_device(state, id, key, height),
        Some(Holder::Practitioner(id)) => of_practitioner(state, id, key),
        Some(Holder::Person(id)) => of_person(state, id, key),
        Some(Holder::Custodian(id)) => {
            let custody = custody_key(state, &id)?.ok_or_else(|| missing(key, &id))?;
            if custody.key != *key {
                return Ok(Err(NoPrincipal::KeyRotated));
            }
            let role = active_role(state, &id)?;
            Ok(role.map(|role| Principal::Custodian { id, role }))
        }
    }
}

fn validator(
    state: &dyn StateRead,
    id: EntityId,
    key: &PublicKey,
    epoch: Epoch,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    for epoch in [Some(epoch), epoch.previous()].into_iter().flatten() {
        if staking::votes_with(state, epoch, &id, key)? {
            let role = active_role(state, &id)?;
            return Ok(role.map(|role| Principal::Validator { id, role }));
        }
    }
    Ok(Err(NoPrincipal::Unknown))
}

fn of_device(
    state: &dyn StateRead,
    id: DeviceId,
    key: &PublicKey,
    height: Height,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    let device = device(state, &id)?.ok_or_else(|| missing(key, &id))?;
    if revoked_at(state, &device)?.is_some() {
        return Ok(Err(NoPrincipal::DeviceRevoked));
    }
    if device.key_at(height) != *key {
        let is_to_hold = device
            .next
            .is_some_and(|next| next.key == *key && height < next.from);
        return Ok(Err(if is_to_hold {
            NoPrincipal::KeyNotYetValid
        } else {
            NoPrincipal::KeyRotated
        }));
    }
    let owner = device.owner;
    let role = active_role(state, &owner)?;
    Ok(role.map(|role| Principal::Device { id, owner, role }))
}

fn of_practitioner(
    state: &dyn StateRead,
    id: PractitionerId,
    key: &PublicKey,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    let practitioner = practitioner(state, &id)?.ok_or_else(|| missing(key, &id))?;
    if practitioner.revoked_at.is_some() {
        return Ok(Err(NoPrincipal::PractitionerRevoked));
    }
    if practitioner.keys.key != *key {
        return Ok(Err(NoPrincipal::KeyRotated));
    }
    let employer = practitioner.employer;
    let profession = practitioner.profession;
    let role = active_role(state, &employer)?;
    Ok(role.map(|role| Principal::Practitioner {
        id,
        employer,
        profession,
        role,
    }))
}

/// A person may act whatever became of the entity that registered it: who can end a grant must be able to when a hospital has closed.
fn of_person(
    state: &dyn StateRead,
    id: Pseudonym,
    key: &PublicKey,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    // a pseudonym stands in no message
    let person = person(state, &id)?
        .ok_or_else(|| missing(key, &"a person"))?
        .person;
    if person.keys.map(|keys| keys.key) != Some(*key) {
        return Ok(Err(NoPrincipal::KeyRotated));
    }
    let relation = person.relation;
    let role = named(state, &relation)?.role;
    Ok(Ok(Principal::Person { id, relation, role }))
}

/// The role of an entity that something in the state names, if it is not revoked.
fn active_role(
    state: &dyn StateRead,
    id: &EntityId,
) -> Result<Result<Role, NoPrincipal>, StateReadError> {
    let entity = named(state, id)?;
    Ok(match entity.revoked_at {
        None => Ok(entity.role),
        Some(_) => Err(NoPrincipal::EntityRevoked),
    })
}

fn named(state: &dyn StateRead, id: &EntityId) -> Result<super::Entity, StateReadError> {
    entity(state, id)?.ok_or_else(|| StateReadError(format!("entity {id} is named but missing")))
}

fn missing(key: &PublicKey, id: &dyn Display) -> StateReadError {
    StateReadError(format!("key {key} names {id}, which is missing"))
}
