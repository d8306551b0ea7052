//! What the identity contract offers to the contracts that it opens to (`docs/adr/0007`).

use super::people::{Practitioner, Registered, practitioner_slot};
use super::state::{CustodyKey, Entity, Holder, custody_slot, entity_slot, holder_slot};
use super::{Identity, is_taken, persons};
use crate::context::Context;
use crate::error::Halt;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::receipt::Event;

/// An entity.
pub(crate) fn entity_of(context: &mut Context<'_>, id: &EntityId) -> Result<Option<Entity>, Halt> {
    context.within::<Identity, _>(|context| context.load(&entity_slot(id)))
}

/// A person.
pub(crate) fn person_of(
    context: &mut Context<'_>,
    id: &Pseudonym,
) -> Result<Option<Registered>, Halt> {
    context.within::<Identity, _>(|context| persons::load(context, id))
}

/// Whether `who` is on the patient's side of `subject` now; see [`patients_side`](super::patients_side).
pub(crate) fn patients_side_of(
    context: &mut Context<'_>,
    subject: &Registered,
    who: &Pseudonym,
) -> Result<bool, Halt> {
    let now = context.time();
    if subject.has_on_side(who, now) {
        return Ok(true);
    }
    let Some(into) = &subject.person.merged_into else {
        return Ok(false);
    };
    let into = person_of(context, into)?;
    Ok(into.is_some_and(|into| into.has_on_side(who, now)))
}

/// A practitioner.
pub(crate) fn practitioner_of(
    context: &mut Context<'_>,
    id: &PractitionerId,
) -> Result<Option<Practitioner>, Halt> {
    context.within::<Identity, _>(|context| context.load(&practitioner_slot(id)))
}

/// The key of an entity's key service.
pub(crate) fn custody_key_of(
    context: &mut Context<'_>,
    id: &EntityId,
) -> Result<Option<CustodyKey>, Halt> {
    context.within::<Identity, _>(|context| context.load(&custody_slot(id)))
}

/// Adds an event of this call, as [`Context::publish`] returned it, to a person's audit trail.
pub(crate) fn extend_trail(
    context: &mut Context<'_>,
    of: &Registered,
    event: &Event,
) -> Result<(), Halt> {
    context.within::<Identity, _>(|context| persons::extend(context, of, event))
}

/// Whether a key is or was bound to someone.
pub(crate) fn is_bound(context: &mut Context<'_>, key: &PublicKey) -> Result<bool, Halt> {
    context.within::<Identity, _>(|context| is_taken(context, key))
}

/// Binds a key that [`is_bound`] denied to an entity's validator.
pub(crate) fn bind_to_validator(
    context: &mut Context<'_>,
    key: &PublicKey,
    id: EntityId,
) -> Result<(), Halt> {
    context
        .within::<Identity, _>(|context| context.store(&holder_slot(key), &Holder::Validator(id)))
}
