//! Calls about persons: who they are, with which keys and custodians.

use super::error::IdentityError;
use super::event::IdentityEvent;
use super::people::{
    CUSTODIANS_EVER_MAX, Person, Registered, RepresentativeKind, TrailEntry, person_slot,
    salt_slot, trail_entry_slot, trail_slot,
};
use super::state::{Holder, custody_slot, entity_slot};
use super::{Outcome, bind_key, numbers};
use crate::caller::Principal;
use crate::context::Context;
use crate::error::{ContractError, Halt};
use salus_primitives::access::Requester;
use salus_primitives::calls::{CUSTODIANS_MAX, CUSTODIANS_MIN, PersonKeys};
use salus_primitives::ids::EntityId;
use salus_primitives::reading::Pseudonym;
use salus_primitives::receipt::Event;
use salus_primitives::time::Timestamp;

/// A person to register, as the call has it.
pub(super) struct NewPerson {
    pub(super) id: Pseudonym,
    pub(super) salt: [u8; 32],
    pub(super) keys: Option<PersonKeys>,
    pub(super) of_age_at: Option<Timestamp>,
    pub(super) custodians: Vec<EntityId>,
}

/// What can be said of custodians without state.
pub(super) fn check_custodians(custodians: &[EntityId]) -> Result<(), IdentityError> {
    if !(CUSTODIANS_MIN..=CUSTODIANS_MAX).contains(&custodians.len()) {
        return Err(IdentityError::CustodiansOutOfBounds);
    }
    if !custodians.is_sorted_by(|one, next| one < next) {
        return Err(IdentityError::CustodiansOutOfOrder);
    }
    Ok(())
}

pub(super) fn register(context: &mut Context<'_>, new: NewPerson) -> Outcome {
    let slot = salt_slot(&new.id);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::PersonExists.into());
    }
    if new
        .of_age_at
        .is_some_and(|of_age_at| of_age_at <= context.time())
    {
        return Err(IdentityError::TimeNotAhead.into());
    }
    check_offered(context, &new.custodians)?;
    numbers::count(context, |numbers| {
        numbers.persons = numbers.persons.saturating_add(1);
    })?;
    if let Some(keys) = new.keys {
        bind_key(context, keys.key, Holder::Person(new.id))?;
    }
    context.store(&slot, &new.salt)?;
    let relation = context.caller().principal.entity();
    let registered = Registered {
        id: new.id,
        salt: new.salt,
        person: Person {
            relation,
            keys: new.keys,
            keys_since: context.height(),
            of_age_at: new.of_age_at,
            custodians: new.custodians.clone(),
            former_custodians: Vec::new(),
            representatives: Vec::new(),
            merged_into: None,
            merged: Vec::new(),
            proposed: None,
            regrouped: 0,
            registered_at: context.height(),
        },
    };
    store(context, &registered)?;
    tell(
        context,
        &[&registered],
        &IdentityEvent::PersonRegistered {
            person: new.id,
            relation,
            key: new.keys.map(|keys| keys.key),
            of_age_at: new.of_age_at,
            custodians: new.custodians,
        },
    )?;
    Ok(())
}

pub(super) fn set_keys(context: &mut Context<'_>, id: Pseudonym, keys: PersonKeys) -> Outcome {
    let mut registered = load_as_known(context, &id)?;
    let by = actor(context)?;
    match by {
        Requester::Person(caller) if caller == id => {}
        Requester::Entity(entity) if entity == registered.person.relation => {
            if registered.person.keys.is_some() {
                return Err(IdentityError::PersonHasKeys.into());
            }
            if registered.person.is_minor(context.time()) {
                return Err(IdentityError::PersonIsMinor.into());
            }
        }
        Requester::Person(_) | Requester::Entity(_) | Requester::Practitioner(_) => {
            return Err(IdentityError::UnknownPerson.into());
        }
    }
    bind_key(context, keys.key, Holder::Person(id))?;
    registered.person.keys = Some(keys);
    registered.person.keys_since = context.height();
    store(context, &registered)?;
    let key = keys.key;
    let event = IdentityEvent::PersonKeysSet {
        person: id,
        key,
        by,
    };
    tell(context, &[&registered], &event)?;
    Ok(())
}

/// By the person, or a guardian. A delegate may not: who holds the keys is not part of seeing the data.
pub(super) fn set_custodians(
    context: &mut Context<'_>,
    id: Pseudonym,
    custodians: Vec<EntityId>,
) -> Outcome {
    let mut registered = load_as_known(context, &id)?;
    let now = context.time();
    let by = actor(context)?;
    let person = &mut registered.person;
    let may = match by {
        Requester::Person(caller) if caller == id => !person.is_minor(now),
        Requester::Person(caller) => person
            .live_representatives(now)
            .any(|it| it.person == caller && it.kind == RepresentativeKind::Guardian),
        Requester::Entity(_) | Requester::Practitioner(_) => false,
    };
    if !may {
        return Err(IdentityError::UnknownPerson.into());
    }
    if person.custodians == custodians {
        return Err(IdentityError::NothingChanges.into());
    }
    check_offered(context, &custodians)?;
    let mut ever = person.custodians_ever();
    ever.extend(&custodians);
    ever.sort_unstable();
    ever.dedup();
    if ever.len() > CUSTODIANS_EVER_MAX {
        return Err(IdentityError::TooManyCustodians.into());
    }
    ever.retain(|custodian| !custodians.contains(custodian));
    person.former_custodians = ever;
    person.custodians.clone_from(&custodians);
    store(context, &registered)?;
    let event = IdentityEvent::CustodiansSet {
        person: id,
        custodians,
        by,
    };
    tell(context, &[&registered], &event)?;
    Ok(())
}

/// The person of this pseudonym.
pub(super) fn load(context: &mut Context<'_>, id: &Pseudonym) -> Result<Option<Registered>, Halt> {
    let Some(salt) = context.load(&salt_slot(id))? else {
        return Ok(None);
    };
    let person = context.load(&person_slot(&salt, id))?;
    Ok(person.map(|person| Registered {
        id: *id,
        salt,
        person,
    }))
}

/// The person of this pseudonym, of whom the caller is to be told nothing else but that there is none.
pub(super) fn load_as_known(
    context: &mut Context<'_>,
    id: &Pseudonym,
) -> Result<Registered, ContractError<IdentityError>> {
    Ok(load(context, id)?.ok_or(IdentityError::UnknownPerson)?)
}

pub(super) fn store(context: &mut Context<'_>, registered: &Registered) -> Result<(), Halt> {
    context.store(
        &person_slot(&registered.salt, &registered.id),
        &registered.person,
    )
}

/// Makes something known, and adds it to the trails of those it is about.
pub(super) fn tell(
    context: &mut Context<'_>,
    about: &[&Registered],
    event: &IdentityEvent,
) -> Result<(), Halt> {
    let event = context.publish(event)?;
    for registered in about {
        extend(context, registered, &event)?;
    }
    Ok(())
}

/// Adds an event of this call to a person's trail.
pub(super) fn extend(
    context: &mut Context<'_>,
    registered: &Registered,
    event: &Event,
) -> Result<(), Halt> {
    let slot = trail_slot(registered);
    let trail = context.load(&slot)?.unwrap_or_default();
    let entry = TrailEntry {
        transaction: context.transaction(),
        event: context.events_published().saturating_sub(1),
    };
    context.store(&trail_entry_slot(registered, trail.count), &entry)?;
    let trail = trail.after(&context.transaction(), event);
    context.store(&slot, &trail)
}

/// Who calls, as events name it.
pub(super) fn actor(context: &Context<'_>) -> Result<Requester, IdentityError> {
    match context.caller().principal {
        Principal::Entity { id, .. } => Ok(Requester::Entity(id)),
        Principal::Practitioner { id, .. } => Ok(Requester::Practitioner(id)),
        Principal::Person { id, .. } => Ok(Requester::Person(id)),
        Principal::Device { .. } | Principal::Validator { .. } | Principal::Custodian { .. } => {
            Err(IdentityError::NotAnEntity)
        }
    }
}

/// Whether all of these offer to hold keys.
fn check_offered(context: &mut Context<'_>, custodians: &[EntityId]) -> Outcome {
    for id in custodians {
        let entity = context.load(&entity_slot(id))?;
        let is_active = entity.is_some_and(|entity| entity.revoked_at.is_none());
        if !is_active || context.load(&custody_slot(id))?.is_none() {
            return Err(IdentityError::NotACustodian.into());
        }
    }
    Ok(())
}
