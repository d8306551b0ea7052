//! Entities with roles, their devices, and whose key is whose.
//!
//! Founders come from genesis; other entities are registered by a ministry and get no weight by it. Who is a member, with
//! which weight and validator keys, is the staking contract's to say. Roles that handle patient data
//! at its source ([`DEVICE_ROLES`]) bind devices to themselves. A device's key rotates, and a device or entity is revoked from the very
//! next transaction on, also within one block.
//!
//! Decided here:
//! - A key that was ever bound stays bound: after a rotation or revocation it names its former holder for good and can be
//!   registered by nobody. So every signature in the log has one author, whenever it is read.
//! - A device id is registered once, a revoked one never again: its unique key derives from hardware and registration
//!   id, so a device in new hands gets a new registration id.
//! - A ministry cannot make ministries: one stolen ministry key must not found others. Members are revoked by governance, not here.
//! - An entity name is lower-case ASCII ([`name_is_valid`]), so that no two names look alike.

mod event;
mod keys;
mod state;

pub use event::{
    DEVICE_KEY_ROTATED, DEVICE_REGISTERED, DEVICE_REVOKED, ENTITY_REGISTERED, ENTITY_REVOKED,
    IdentityEvent,
};
pub use keys::{NAME_MAX, exchange_key_is_usable, name_is_valid};
pub use state::{
    Device, Entity, Holder, NoPrincipal, device, device_key, entity, entity_key, entity_of_key,
    holder, principal_of_key,
};

pub(crate) use state::genesis;

use crate::caller::{Caller, Principal};
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, Halt, stable_errors};
use crate::native::staking;
use salus_primitives::calls::{GOVERNANCE, IDENTITY, IdentityCall, Role};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::{KeyError, PublicKey};
use salus_primitives::ids::{ContractId, DeviceId, EntityId};
use state::{device_slot, entity_slot, holder_slot};

/// The contract, see the module.
#[derive(Debug)]
pub enum Identity {}

/// The roles whose entities run devices. Insurers and ministries receive data, they do not measure.
pub const DEVICE_ROLES: [Role; 3] = [Role::Hospital, Role::Pharmacy, Role::Institute];

stable_errors! {
    /// Why an identity call is refused.
    pub enum IdentityError {
        /// A device or a validator called.
        NotAnEntity = 1, "not_an_entity", "only entities manage identities, not devices or validators";
        /// Another role called what is a ministry's to do.
        NotAMinistry = 2, "not_a_ministry", "only a ministry may do this";
        /// Ministries come from genesis and governance.
        RoleNotGrantable = 3, "role_not_grantable", "a ministry cannot be registered by a ministry";
        /// See [`name_is_valid`].
        BadName = 4, "bad_name", "a name is 1 to 64 lower-case letters, digits and inner . _ -";
        /// The name is taken, perhaps by a revoked entity.
        EntityExists = 5, "entity_exists", "an entity of this name is or was registered";
        /// There is no such entity.
        UnknownEntity = 6, "unknown_entity", "there is no such entity";
        /// The entity is revoked already.
        EntityRevoked = 7, "entity_already_revoked", "the entity is revoked already";
        /// Members leave by governance.
        EntityIsMember = 8, "entity_is_member", "a member cannot be revoked by a ministry";
        /// The caller's role runs no devices.
        RoleRunsNoDevices = 9, "role_runs_no_devices", "the caller's role runs no devices";
        /// The device id is taken, perhaps by a revoked device.
        DeviceExists = 10, "device_exists", "this device is or was registered";
        /// There is no such device.
        UnknownDevice = 11, "unknown_device", "there is no such device";
        /// The device is revoked already.
        DeviceRevoked = 12, "device_already_revoked", "the device is revoked already";
        /// The device is another entity's.
        NotTheOwner = 13, "not_the_owner", "the device belongs to another entity";
        /// The key is or was bound.
        KeyInUse = 14, "key_in_use", "the key is or was bound to someone";
        /// See [`KeyError::NotAPoint`].
        KeyNotAPoint = 15, "key_not_a_point", "the key is not a point of the curve";
        /// See [`KeyError::NotCanonical`].
        KeyNotCanonical = 16, "key_not_canonical", "the key is not canonically encoded";
        /// See [`KeyError::Weak`].
        KeyWeak = 17, "key_weak", "the key has small order";
        /// See [`exchange_key_is_usable`].
        BadExchangeKey = 18, "bad_exchange_key", "the exchange key has small order or is not canonical";
    }
}

type Outcome = Result<(), ContractError<IdentityError>>;

impl Contract for Identity {
    type Call = IdentityCall;
    type Error = IdentityError;

    const ID: ContractId = IDENTITY;
    const NAME: &'static str = "identity";
    const OPENS_TO: &'static [ContractId] = &[GOVERNANCE];

    fn admit(caller: &Caller, call: &IdentityCall) -> Result<(), IdentityError> {
        let role = match caller.principal {
            Principal::Entity { role, .. } => role,
            Principal::Device { .. } | Principal::Validator { .. } => {
                return Err(IdentityError::NotAnEntity);
            }
        };
        match call {
            IdentityCall::RegisterEntity {
                name,
                role: granted,
                key,
                exchange_key,
            } => {
                if role != Role::Ministry {
                    return Err(IdentityError::NotAMinistry);
                }
                if *granted == Role::Ministry {
                    return Err(IdentityError::RoleNotGrantable);
                }
                if !name_is_valid(name) {
                    return Err(IdentityError::BadName);
                }
                if !exchange_key_is_usable(exchange_key) {
                    return Err(IdentityError::BadExchangeKey);
                }
                check_key(key)
            }
            IdentityCall::RegisterDevice { key, .. } => {
                if !DEVICE_ROLES.contains(&role) {
                    return Err(IdentityError::RoleRunsNoDevices);
                }
                check_key(key)
            }
            IdentityCall::RotateDeviceKey { key, .. } => check_key(key),
            IdentityCall::RevokeDevice { .. } => Ok(()),
            IdentityCall::RevokeEntity { .. } if role != Role::Ministry => {
                Err(IdentityError::NotAMinistry)
            }
            IdentityCall::RevokeEntity { .. } => Ok(()),
        }
    }

    fn execute(context: &mut Context<'_>, call: IdentityCall) -> Outcome {
        match call {
            IdentityCall::RegisterEntity {
                name,
                role,
                key,
                exchange_key,
            } => register_entity(context, name, role, key, exchange_key),
            IdentityCall::RegisterDevice { device, key } => register_device(context, device, key),
            IdentityCall::RotateDeviceKey { device, key } => {
                rotate_device_key(context, device, key)
            }
            IdentityCall::RevokeDevice { device } => revoke_device(context, device),
            IdentityCall::RevokeEntity { entity } => revoke_entity(context, entity),
        }
    }
}

fn register_entity(
    context: &mut Context<'_>,
    name: String,
    role: Role,
    key: PublicKey,
    exchange_key: ExchangePublic,
) -> Outcome {
    let id = EntityId::of_name(&name);
    let slot = entity_slot(&id);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::EntityExists.into());
    }
    bind_key(context, key, Holder::Entity(id))?;
    let entity = Entity {
        name,
        role,
        key,
        exchange_key,
        registered_at: context.height(),
        revoked_at: None,
    };
    context.store(&slot, &entity)?;
    context.emit(&IdentityEvent::EntityRegistered {
        entity: id,
        role,
        key,
    })?;
    Ok(())
}

fn register_device(context: &mut Context<'_>, id: DeviceId, key: PublicKey) -> Outcome {
    let slot = device_slot(&id);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::DeviceExists.into());
    }
    bind_key(context, key, Holder::Device(id))?;
    let owner = context.caller().principal.entity();
    let device = Device {
        owner,
        key,
        key_since: context.height(),
        registered_at: context.height(),
        revoked_at: None,
    };
    context.store(&slot, &device)?;
    context.emit(&IdentityEvent::DeviceRegistered {
        device: id,
        owner,
        key,
    })?;
    Ok(())
}

fn rotate_device_key(context: &mut Context<'_>, id: DeviceId, key: PublicKey) -> Outcome {
    let slot = device_slot(&id);
    let mut device = context.load(&slot)?.ok_or(IdentityError::UnknownDevice)?;
    if device.owner != context.caller().principal.entity() {
        return Err(IdentityError::NotTheOwner.into());
    }
    if device.revoked_at.is_some() {
        return Err(IdentityError::DeviceRevoked.into());
    }
    bind_key(context, key, Holder::Device(id))?;
    device.key = key;
    device.key_since = context.height();
    context.store(&slot, &device)?;
    context.emit(&IdentityEvent::DeviceKeyRotated { device: id, key })?;
    Ok(())
}

fn revoke_device(context: &mut Context<'_>, id: DeviceId) -> Outcome {
    let slot = device_slot(&id);
    let mut device = context.load(&slot)?.ok_or(IdentityError::UnknownDevice)?;
    let principal = context.caller().principal;
    let by = principal.entity();
    if device.owner != by && principal.role() != Role::Ministry {
        return Err(IdentityError::NotTheOwner.into());
    }
    if device.revoked_at.is_some() {
        return Err(IdentityError::DeviceRevoked.into());
    }
    device.revoked_at = Some(context.height());
    context.store(&slot, &device)?;
    context.emit(&IdentityEvent::DeviceRevoked { device: id, by })?;
    Ok(())
}

fn revoke_entity(context: &mut Context<'_>, id: EntityId) -> Outcome {
    let slot = entity_slot(&id);
    let mut entity = context.load(&slot)?.ok_or(IdentityError::UnknownEntity)?;
    if staking::member_of(context, &id)?.is_some() {
        return Err(IdentityError::EntityIsMember.into());
    }
    if entity.revoked_at.is_some() {
        return Err(IdentityError::EntityRevoked.into());
    }
    entity.revoked_at = Some(context.height());
    context.store(&slot, &entity)?;
    let by = context.caller().principal.entity();
    context.emit(&IdentityEvent::EntityRevoked { entity: id, by })?;
    Ok(())
}

/// An entity, for other contracts.
pub(crate) fn entity_of(context: &mut Context<'_>, id: &EntityId) -> Result<Option<Entity>, Halt> {
    context.within::<Identity, _>(|context| context.load(&entity_slot(id)))
}

/// Whether a key is or was bound to someone, for other contracts.
pub(crate) fn is_bound(context: &mut Context<'_>, key: &PublicKey) -> Result<bool, Halt> {
    context.within::<Identity, _>(|context| Ok(context.load(&holder_slot(key))?.is_some()))
}

/// Binds a key that [`is_bound`] denied to an entity's validator, for other contracts.
pub(crate) fn bind_to_validator(
    context: &mut Context<'_>,
    key: &PublicKey,
    id: EntityId,
) -> Result<(), Halt> {
    context
        .within::<Identity, _>(|context| context.store(&holder_slot(key), &Holder::Validator(id)))
}

/// Gives a key that never had a holder one.
fn bind_key(context: &mut Context<'_>, key: PublicKey, holder: Holder) -> Outcome {
    let slot = holder_slot(&key);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::KeyInUse.into());
    }
    context.store(&slot, &holder)?;
    Ok(())
}

fn check_key(key: &PublicKey) -> Result<(), IdentityError> {
    key.check().map_err(|error| match error {
        KeyError::NotAPoint(_) => IdentityError::KeyNotAPoint,
        KeyError::NotCanonical(_) => IdentityError::KeyNotCanonical,
        KeyError::Weak(_) => IdentityError::KeyWeak,
    })
}
