//! Calls about who works for an entity.

use super::error::IdentityError;
use super::event::IdentityEvent;
use super::people::{Practitioner, practitioner_slot};
use super::state::Holder;
use super::{Outcome, bind_key, numbers};
use crate::caller::Principal;
use crate::context::Context;
use crate::error::ContractError;
use salus_primitives::calls::{PersonKeys, Profession, Role};
use salus_primitives::ids::PractitionerId;

pub(super) fn register(
    context: &mut Context<'_>,
    id: PractitionerId,
    profession: Profession,
    keys: PersonKeys,
) -> Outcome {
    let slot = practitioner_slot(&id);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::PractitionerExists.into());
    }
    numbers::count(context, |numbers| {
        numbers.practitioners = numbers.practitioners.saturating_add(1);
    })?;
    bind_key(context, keys.key, Holder::Practitioner(id))?;
    let employer = context.caller().principal.entity();
    let practitioner = Practitioner {
        employer,
        profession,
        keys,
        keys_since: context.height(),
        registered_at: context.height(),
        revoked_at: None,
    };
    context.store(&slot, &practitioner)?;
    context.emit(&IdentityEvent::PractitionerRegistered {
        practitioner: id,
        employer,
        profession,
        key: keys.key,
    })?;
    Ok(())
}

/// By the practitioner, or by the employer: who lost a key cannot sign with it.
pub(super) fn rotate_keys(
    context: &mut Context<'_>,
    id: PractitionerId,
    keys: PersonKeys,
) -> Outcome {
    let mut practitioner = load(context, &id)?;
    let may = match context.caller().principal {
        Principal::Practitioner { id: caller, .. } => caller == id,
        principal => principal.is_entity() && principal.entity() == practitioner.employer,
    };
    if !may {
        return Err(IdentityError::NotTheEmployer.into());
    }
    if practitioner.revoked_at.is_some() {
        return Err(IdentityError::PractitionerRevoked.into());
    }
    bind_key(context, keys.key, Holder::Practitioner(id))?;
    practitioner.keys = keys;
    practitioner.keys_since = context.height();
    context.store(&practitioner_slot(&id), &practitioner)?;
    context.emit(&IdentityEvent::PractitionerKeysRotated {
        practitioner: id,
        key: keys.key,
    })?;
    Ok(())
}

pub(super) fn revoke(context: &mut Context<'_>, id: PractitionerId) -> Outcome {
    let mut practitioner = load(context, &id)?;
    let principal = context.caller().principal;
    let by = principal.entity();
    if practitioner.employer != by && principal.role() != Role::Ministry {
        return Err(IdentityError::NotTheEmployer.into());
    }
    if practitioner.revoked_at.is_some() {
        return Err(IdentityError::PractitionerRevoked.into());
    }
    practitioner.revoked_at = Some(context.height());
    context.store(&practitioner_slot(&id), &practitioner)?;
    context.emit(&IdentityEvent::PractitionerRevoked {
        practitioner: id,
        by,
    })?;
    Ok(())
}

fn load(
    context: &mut Context<'_>,
    id: &PractitionerId,
) -> Result<Practitioner, ContractError<IdentityError>> {
    Ok(context
        .load(&practitioner_slot(id))?
        .ok_or(IdentityError::UnknownPractitioner)?)
}
