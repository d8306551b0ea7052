//! What the identity contract keeps, all of it in the authenticated tree, and the queries over it.

use crate::caller::Principal;
use crate::genesis::GenesisMember;
use crate::native::staking;
use crate::slot::Slot;
use salus_primitives::calls::{IDENTITY, Role};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, Epoch, Height};
use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};
use serde::{Deserialize, Serialize};

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Its name, from which its id derives.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The key its own transactions are signed with.
    pub key: PublicKey,
    /// The key that secrets are wrapped for.
    pub exchange_key: ExchangePublic,
    /// The block that registered it; 0 for founders.
    pub registered_at: Height,
    /// The block that revoked it.
    pub revoked_at: Option<Height>,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The entity that registered it.
    pub owner: EntityId,
    /// Its current key.
    pub key: PublicKey,
    /// The block that gave it this key.
    pub key_since: Height,
    /// The block that registered it.
    pub registered_at: Height,
    /// The block that revoked it.
    pub revoked_at: Option<Height>,
}

/// Whom a key names, now or formerly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// An entity signs transactions with it.
    Entity(EntityId),
    /// A device signs transactions with it, or did before a rotation.
    Device(DeviceId),
    /// A member's validator votes with it, and signs what it says by itself, or connects with it.
    Validator(EntityId),
}

/// Why a key may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPrincipal {
    /// It belongs to nobody who signs transactions.
    #[error("the key belongs to nobody who signs transactions")]
    Unknown,
    /// Its device was revoked.
    #[error("the key's device was revoked")]
    DeviceRevoked,
    /// Its entity, or its device's owner, was revoked.
    #[error("the key's entity was revoked")]
    EntityRevoked,
    /// Its device has another key now.
    #[error("the key's device has another key now")]
    KeyRotated,
}

/// The entity of this id, revoked or not.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn entity(state: &dyn StateRead, id: &EntityId) -> Result<Option<Entity>, StateReadError> {
    entity_slot(id).read(IDENTITY, state)
}

/// The device of this id, revoked or not.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn device(state: &dyn StateRead, id: &DeviceId) -> Result<Option<Device>, StateReadError> {
    device_slot(id).read(IDENTITY, state)
}

/// Whom this key names, now or formerly.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn holder(state: &dyn StateRead, key: &PublicKey) -> Result<Option<Holder>, StateReadError> {
    holder_slot(key).read(IDENTITY, state)
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
        Some(Holder::Entity(id) | Holder::Validator(id)) => Some(id),
        Some(Holder::Device(id)) => device(state, &id)?.map(|device| device.owner),
    })
}

/// Who may act with this key in a block of `epoch`. A validator's key acts in the epochs that it votes in and in the one after
/// the last of these.
///
/// # Errors
/// [`StateReadError`] if the store fails. [`NoPrincipal`] is the answer for a key with which nobody may act.
pub fn principal_of_key(
    state: &dyn StateRead,
    key: &PublicKey,
    epoch: Epoch,
) -> Result<Result<Principal, NoPrincipal>, StateReadError> {
    let id = match holder_slot(key).read(IDENTITY, state)? {
        None => return Ok(Err(NoPrincipal::Unknown)),
        Some(Holder::Validator(id)) => {
            for epoch in [Some(epoch), epoch.previous()].into_iter().flatten() {
                if staking::votes_with(state, epoch, &id, key)? {
                    let role = active_role(state, &id)?;
                    return Ok(role.map(|role| Principal::Validator { id, role }));
                }
            }
            return Ok(Err(NoPrincipal::Unknown));
        }
        Some(Holder::Entity(id)) => {
            let role = active_role(state, &id)?;
            return Ok(role.map(|role| Principal::Entity { id, role }));
        }
        Some(Holder::Device(id)) => id,
    };
    let device = device(state, &id)?
        .ok_or_else(|| StateReadError(format!("key {key} names device {id}, which is missing")))?;
    if device.revoked_at.is_some() {
        return Ok(Err(NoPrincipal::DeviceRevoked));
    }
    if device.key != *key {
        return Ok(Err(NoPrincipal::KeyRotated));
    }
    let owner = device.owner;
    let role = active_role(state, &owner)?;
    Ok(role.map(|role| Principal::Device { id, owner, role }))
}

/// The role of an entity that something in the state names.
fn active_role(
    state: &dyn StateRead,
    id: &EntityId,
) -> Result<Result<Role, NoPrincipal>, StateReadError> {
    let entity = entity(state, id)?
        .ok_or_else(|| StateReadError(format!("entity {id} is named but missing")))?;
    Ok(match entity.revoked_at {
        None => Ok(entity.role),
        Some(_) => Err(NoPrincipal::EntityRevoked),
    })
}

/// Where the tree keeps an entity, for proofs.
#[must_use]
pub fn entity_key(id: &EntityId) -> StateKey {
    entity_slot(id).key_of(IDENTITY)
}

/// Where the tree keeps a device, for proofs.
#[must_use]
pub fn device_key(id: &DeviceId) -> StateKey {
    device_slot(id).key_of(IDENTITY)
}

/// Writes one member and its keys.
pub(crate) fn genesis(member: &GenesisMember, writes: &mut WriteSet) {
    let id = member.entity;
    let entity = Entity {
        name: member.name.clone(),
        role: member.role,
        key: member.operator_key,
        exchange_key: member.exchange_key,
        registered_at: Height::ZERO,
        revoked_at: None,
    };
    writes.put(entity_key(&id), codec::encode(&entity));
    for (key, holder) in [
        (member.operator_key, Holder::Entity(id)),
        (member.validator_key, Holder::Validator(id)),
        (member.network_key, Holder::Validator(id)),
    ] {
        writes.put(holder_slot(&key).key_of(IDENTITY), codec::encode(&holder));
    }
}

pub(super) fn entity_slot(id: &EntityId) -> Slot<Entity> {
    Slot::tree(b'e', id.as_bytes())
}

pub(super) fn device_slot(id: &DeviceId) -> Slot<Device> {
    Slot::tree(b'd', id.as_bytes())
}

pub(super) fn holder_slot(key: &PublicKey) -> Slot<Holder> {
    Slot::tree(b'k', key.as_bytes())
}
