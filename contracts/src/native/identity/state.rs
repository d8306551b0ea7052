//! Entities, devices and keys as the state keeps them, and the queries over them.

use crate::genesis::GenesisMember;
use crate::slot::Slot;
use salus_primitives::calls::{IDENTITY, Role};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, Height, ModelId, PractitionerId};
use salus_primitives::reading::Pseudonym;
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
    /// What it is, if the owner said so.
    pub model: Option<ModelId>,
    /// Its key, until the next one holds: see [`Device::key_at`].
    pub key: PublicKey,
    /// The first block in which it had this key.
    pub key_since: Height,
    /// The key that it is to have.
    pub next: Option<NextKey>,
    /// The block that registered it.
    pub registered_at: Height,
    /// The block that revoked it; its whole model may have been revoked besides, see [`revoked_at`].
    pub revoked_at: Option<Height>,
}

/// A key that holds from a block on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextKey {
    /// The key.
    pub key: PublicKey,
    /// The first block in which it holds, and the one before does not.
    pub from: Height,
}

impl Device {
    /// The key that it signs with in the block at `height`, which is not before those that the state has seen.
    #[must_use]
    pub fn key_at(&self, height: Height) -> PublicKey {
        match self.next {
            Some(next) if next.from <= height => next.key,
            Some(_) | None => self.key,
        }
    }

    /// The same device, with a scheduled key that holds at `height` in its place.
    pub(super) fn settled(mut self, height: Height) -> Self {
        if let Some(next) = self.next.filter(|next| next.from <= height) {
            self.key = next.key;
            self.key_since = next.from;
            self.next = None;
        }
        self
    }
}

/// The devices of one model that an entity has registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedModel {
    /// How many, revoked ones too.
    pub devices: u32,
    /// The block in which the owner revoked them all.
    pub revoked_at: Option<Height>,
}

/// The key of an entity's key service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyKey {
    /// The key it signs with.
    pub key: PublicKey,
    /// The block that gave it this key.
    pub since: Height,
}

/// Whom a key names, now or formerly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// An entity signs transactions with it.
    Entity(EntityId),
    /// A device signs transactions with it, or did before a rotation, or is to.
    Device(DeviceId),
    /// A member's validator votes with it, and signs what it says by itself, or connects with it.
    Validator(EntityId),
    /// A practitioner signs transactions with it, or did.
    Practitioner(PractitionerId),
    /// A person signs transactions with it, or did. Kept in the index, see [`holder`].
    Person(Pseudonym),
    /// An entity's key service signs with it, or did.
    Custodian(EntityId),
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

/// The first block that revoked a device: itself, or its whole model, by its owner or by a ministry. `None`: it may act, if its owner may.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn revoked_at(
    state: &dyn StateRead,
    device: &Device,
) -> Result<Option<Height>, StateReadError> {
    let mut revoked = device.revoked_at;
    if let Some(model) = device.model {
        let owned = owned_model_slot(&model, &device.owner).read(IDENTITY, state)?;
        let by_owner = owned.and_then(|owned| owned.revoked_at);
        let by_ministry = revoked_model_slot(&model).read(IDENTITY, state)?;
        revoked = [revoked, by_owner, by_ministry].into_iter().flatten().min();
    }
    Ok(revoked)
}

/// The key of an entity's key service, if it offers one.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn custody_key(
    state: &dyn StateRead,
    id: &EntityId,
) -> Result<Option<CustodyKey>, StateReadError> {
    custody_slot(id).read(IDENTITY, state)
}

/// Whom this key names, now or formerly.
///
/// Keys of persons stand in the index, all others in the tree: who has seen a person's key and not its pseudonym has no path to ask a proof for.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn holder(state: &dyn StateRead, key: &PublicKey) -> Result<Option<Holder>, StateReadError> {
    match holder_slot(key).read(IDENTITY, state)? {
        Some(holder) => Ok(Some(holder)),
        None => persons_key_slot(key).read(IDENTITY, state),
    }
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

/// Where the tree keeps the key of an entity's key service, for proofs.
#[must_use]
pub fn custody_key_key(id: &EntityId) -> StateKey {
    custody_slot(id).key_of(IDENTITY)
}

/// Where the tree keeps what an entity has registered of a model, for proofs.
#[must_use]
pub fn owned_model_key(model: &ModelId, owner: &EntityId) -> StateKey {
    owned_model_slot(model, owner).key_of(IDENTITY)
}

/// Where the tree keeps the block in which a ministry revoked a model, for proofs.
#[must_use]
pub fn revoked_model_key(model: &ModelId) -> StateKey {
    revoked_model_slot(model).key_of(IDENTITY)
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

pub(super) fn persons_key_slot(key: &PublicKey) -> Slot<Holder> {
    Slot::index(b'k', key.as_bytes())
}

pub(super) fn custody_slot(id: &EntityId) -> Slot<CustodyKey> {
    Slot::tree(b'c', id.as_bytes())
}

pub(super) fn owned_model_slot(model: &ModelId, owner: &EntityId) -> Slot<OwnedModel> {
    Slot::tree(
        b'm',
        &[&model.as_bytes()[..], &owner.as_bytes()[..]].concat(),
    )
}

pub(super) fn revoked_model_slot(model: &ModelId) -> Slot<Height> {
    Slot::tree(b'r', model.as_bytes())
}
