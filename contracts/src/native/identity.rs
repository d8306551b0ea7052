//! Entities with roles, their devices and practitioners, the persons that they have relations with, and whose key is whose.
//!
//! Founders come from genesis; other entities are registered by a ministry and get no weight by it. Who is a member, with
//! which weight and validator keys, is the staking contract's to say. Roles that handle patient data
//! at its source ([`DEVICE_ROLES`]) bind devices to themselves. A device's key rotates, at once or at an exact height, and a device, a whole model of
//! devices, a practitioner or an entity is revoked from the very next transaction on, also within one block. Persons are pseudonyms; what belongs to them
//! lies under keyed paths, and every event about one extends its audit trail (`docs/adr/0018`). Who may do what is in `docs/identity.md`.
//!
//! Decided here:
//! - A key that was ever bound stays bound: after a rotation or revocation it names its former holder for good and can be
//!   registered by nobody. So every signature in the log has one author, whenever it is read.
//! - A device id is registered once, a revoked one never again: its unique key derives from hardware and registration
//!   id, so a device in new hands gets a new registration id.
//! - A ministry cannot make ministries: one stolen ministry key must not found others. Members are revoked by governance, not here.
//! - An entity name is lower-case ASCII ([`name_is_valid`]), so that no two names look alike.
//! - Nothing happens by itself: a guardian's power, a delegate's and a scheduled key begin and end by what time and height a block has.

mod devices;
mod error;
mod event;
mod keys;
mod merges;
mod numbers;
mod offered;
mod people;
mod persons;
mod practitioners;
mod principal;
mod representatives;
mod state;

pub use error::IdentityError;
pub use event::{
    CUSTODIANS_SET, CUSTODY_KEY_SET, DEVICE_KEY_ROTATED, DEVICE_REVOKED, DEVICES_REGISTERED,
    ENTITY_REGISTERED, ENTITY_REVOKED, IdentityEvent, MERGE_ASSENTED, MERGE_PROPOSED, MERGED,
    MODEL_REVOKED, PERSON_KEYS_SET, PERSON_REGISTERED, PRACTITIONER_KEYS_ROTATED,
    PRACTITIONER_REGISTERED, PRACTITIONER_REVOKED, REPRESENTATION_ENDED, REPRESENTATIVE_APPOINTED,
    SPLIT,
};
pub use keys::{NAME_MAX, exchange_key_is_usable, name_is_valid};
pub use numbers::{
    DEVICES_MAX, MODELS_MAX, Numbers, PERSONS_MAX, PRACTITIONERS_MAX, numbers, numbers_key,
};
pub use people::{
    CUSTODIANS_EVER_MAX, MERGED_MAX, PERSONS, Person, Practitioner, ProposedMerge,
    REPRESENTATIVES_MAX, Registered, Representative, RepresentativeKind, TrailEntry, patients_side,
    person, person_key, practitioner, practitioner_key, trail, trail_entry,
};
pub use principal::{NoPrincipal, entity_of_key, principal_of_key};
pub use state::{
    CustodyKey, Device, Entity, Holder, NextKey, OwnedModel, custody_key, custody_key_key, device,
    device_key, entity, entity_key, holder, owned_model_key, revoked_at, revoked_model_key,
};

pub(crate) use offered::{bind_to_validator, entity_of, extend_trail, is_bound};
pub(crate) use state::genesis;

use crate::caller::{Caller, Principal};
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, Halt};
use crate::native::staking;
use persons::NewPerson;
use salus_primitives::calls::{
    ACCESS, AGREEMENTS, GOVERNANCE, IDENTITY, IdentityCall, PersonKeys, Role,
};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{ContractId, EntityId};
use state::{custody_slot, entity_slot, holder_slot, persons_key_slot};

/// The contract, see the module.
#[derive(Debug)]
pub enum Identity {}

/// The roles whose entities run devices. Insurers and ministries receive data, they do not measure.
pub const DEVICE_ROLES: [Role; 3] = [Role::Hospital, Role::Pharmacy, Role::Institute];

type Outcome = Result<(), ContractError<IdentityError>>;

impl Contract for Identity {
    type Call = IdentityCall;
    type Error = IdentityError;

    const ID: ContractId = IDENTITY;
    const NAME: &'static str = "identity";
    const OPENS_TO: &'static [ContractId] = &[GOVERNANCE, ACCESS, AGREEMENTS];

    fn admit(caller: &Caller, call: &IdentityCall) -> Result<(), IdentityError> {
        let role = admit_caller(&caller.principal, call)?;
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
                check_exchange_key(exchange_key)?;
                key.check()?;
                Ok(())
            }
            IdentityCall::RegisterDevices { devices, .. } => {
                if !DEVICE_ROLES.contains(&role) {
                    return Err(IdentityError::RoleRunsNoDevices);
                }
                devices::check_batch(devices)
            }
            IdentityCall::RotateDeviceKey { key, .. } | IdentityCall::SetCustodyKey { key } => {
                key.check()?;
                Ok(())
            }
            IdentityCall::RevokeEntity { .. } if role != Role::Ministry => {
                Err(IdentityError::NotAMinistry)
            }
            IdentityCall::RegisterPractitioner { keys, .. }
            | IdentityCall::RotatePractitionerKeys { keys, .. }
            | IdentityCall::SetPersonKeys { keys, .. } => check_keys(keys),
            IdentityCall::RegisterPerson {
                keys, custodians, ..
            } => {
                persons::check_custodians(custodians)?;
                keys.as_ref().map_or(Ok(()), check_keys)
            }
            IdentityCall::SetCustodians { custodians, .. } => persons::check_custodians(custodians),
            IdentityCall::Merge { person, into } if person == into => {
                Err(IdentityError::MergeWithItself)
            }
            IdentityCall::RevokeEntity { .. }
            | IdentityCall::RevokeDevice { .. }
            | IdentityCall::RevokeModel { .. }
            | IdentityCall::RevokePractitioner { .. }
            | IdentityCall::AppointGuardian { .. }
            | IdentityCall::AppointDelegate { .. }
            | IdentityCall::EndRepresentation { .. }
            | IdentityCall::Merge { .. }
            | IdentityCall::Split { .. } => Ok(()),
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
            IdentityCall::RegisterDevices { model, devices } => {
                devices::register(context, model, devices)
            }
            IdentityCall::RotateDeviceKey { device, key, from } => {
                devices::rotate_key(context, device, key, from)
            }
            IdentityCall::RevokeDevice { device } => devices::revoke(context, device),
            IdentityCall::RevokeModel { model } => devices::revoke_model(context, model),
            IdentityCall::RevokeEntity { entity } => revoke_entity(context, entity),
            IdentityCall::RegisterPractitioner {
                practitioner,
                profession,
                keys,
            } => practitioners::register(context, practitioner, profession, keys),
            IdentityCall::RotatePractitionerKeys { practitioner, keys } => {
                practitioners::rotate_keys(context, practitioner, keys)
            }
            IdentityCall::RevokePractitioner { practitioner } => {
                practitioners::revoke(context, practitioner)
            }
            IdentityCall::RegisterPerson {
                person: id,
                salt,
                keys,
                of_age_at,
                custodians,
            } => persons::register(
                context,
                NewPerson {
                    id,
                    salt,
                    keys,
                    of_age_at,
                    custodians,
                },
            ),
            IdentityCall::SetPersonKeys { person, keys } => {
                persons::set_keys(context, person, keys)
            }
            IdentityCall::SetCustodians { person, custodians } => {
                persons::set_custodians(context, person, custodians)
            }
            IdentityCall::AppointGuardian {
                person,
                guardian,
                until,
            } => representatives::appoint_guardian(context, person, guardian, until),
            IdentityCall::AppointDelegate {
                person,
                delegate,
                until,
            } => representatives::appoint_delegate(context, person, delegate, until),
            IdentityCall::EndRepresentation {
                person,
                representative,
            } => representatives::end(context, person, representative),
            IdentityCall::Merge { person, into } => merges::merge(context, person, into),
            IdentityCall::Split { person } => merges::split(context, person),
            IdentityCall::SetCustodyKey { key } => set_custody_key(context, key),
        }
    }
}

/// Who may make such a call at all; the role of the entity that answers for it.
fn admit_caller(principal: &Principal, call: &IdentityCall) -> Result<Role, IdentityError> {
    let is_entity = principal.is_entity();
    let is_person = matches!(principal, Principal::Person { .. });
    match call {
        IdentityCall::RegisterEntity { .. }
        | IdentityCall::RegisterDevices { .. }
        | IdentityCall::RotateDeviceKey { .. }
        | IdentityCall::RevokeDevice { .. }
        | IdentityCall::RevokeModel { .. }
        | IdentityCall::RevokeEntity { .. }
        | IdentityCall::RegisterPractitioner { .. }
        | IdentityCall::RevokePractitioner { .. }
        | IdentityCall::RegisterPerson { .. }
        | IdentityCall::AppointGuardian { .. }
        | IdentityCall::SetCustodyKey { .. }
            if !is_entity =>
        {
            Err(IdentityError::NotAnEntity)
        }
        IdentityCall::RotatePractitionerKeys { .. }
            if !is_entity && !matches!(principal, Principal::Practitioner { .. }) =>
        {
            Err(IdentityError::NotAnEntity)
        }
        IdentityCall::SetPersonKeys { .. }
        | IdentityCall::EndRepresentation { .. }
        | IdentityCall::Merge { .. }
        | IdentityCall::Split { .. }
            if !is_entity && !is_person =>
        {
            Err(IdentityError::NotAnEntity)
        }
        IdentityCall::SetCustodians { .. } | IdentityCall::AppointDelegate { .. } if !is_person => {
            Err(IdentityError::NotAPerson)
        }
        _ => Ok(principal.role()),
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

fn set_custody_key(context: &mut Context<'_>, key: PublicKey) -> Outcome {
    let id = context.caller().principal.entity();
    bind_key(context, key, Holder::Custodian(id))?;
    let since = context.height();
    context.store(&custody_slot(&id), &CustodyKey { key, since })?;
    context.emit(&IdentityEvent::CustodyKeySet { entity: id, key })?;
    Ok(())
}

/// Whether a key is or was bound.
fn is_taken(context: &mut Context<'_>, key: &PublicKey) -> Result<bool, Halt> {
    Ok(context.load(&holder_slot(key))?.is_some()
        || context.load(&persons_key_slot(key))?.is_some())
}

/// Gives a key that never had a holder one.
fn bind_key(context: &mut Context<'_>, key: PublicKey, holder: Holder) -> Outcome {
    if is_taken(context, &key)? {
        return Err(IdentityError::KeyInUse.into());
    }
    let slot = match holder {
        Holder::Person(_) => persons_key_slot(&key),
        Holder::Entity(_)
        | Holder::Device(_)
        | Holder::Validator(_)
        | Holder::Practitioner(_)
        | Holder::Custodian(_) => holder_slot(&key),
    };
    context.store(&slot, &holder)?;
    Ok(())
}

fn check_keys(keys: &PersonKeys) -> Result<(), IdentityError> {
    check_exchange_key(&keys.exchange_key)?;
    keys.key.check()?;
    Ok(())
}

fn check_exchange_key(key: &ExchangePublic) -> Result<(), IdentityError> {
    if exchange_key_is_usable(key) {
        Ok(())
    } else {
        Err(IdentityError::BadExchangeKey)
    }
}
