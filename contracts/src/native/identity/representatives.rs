//! Calls about who acts for a person.

use super::Outcome;
use super::error::IdentityError;
use super::event::IdentityEvent;
use super::people::{REPRESENTATIVES_MAX, Registered, Representative, RepresentativeKind};
use super::persons::{actor, load, load_as_known, store, tell};
use crate::context::Context;
use salus_primitives::access::Requester;
use salus_primitives::calls::Role;
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;

/// By the entity that registered a minor, or by a ministry. A minor's guardian ends when that comes of age.
pub(super) fn appoint_guardian(
    context: &mut Context<'_>,
    id: Pseudonym,
    guardian: Pseudonym,
    until: Option<Timestamp>,
) -> Outcome {
    let registered = load_as_known(context, &id)?;
    let person = &registered.person;
    let is_minor = person.is_minor(context.time());
    if context.caller().principal.role() != Role::Ministry {
        if context.caller().principal.entity() != person.relation {
            return Err(IdentityError::UnknownPerson.into());
        }
        if !is_minor {
            return Err(IdentityError::PersonIsOfAge.into());
        }
    }
    let until = match (until, person.of_age_at.filter(|_| is_minor)) {
        (Some(until), Some(of_age_at)) => Some(until.min(of_age_at)),
        (until, of_age_at) => until.or(of_age_at),
    };
    appoint(
        context,
        registered,
        guardian,
        RepresentativeKind::Guardian,
        until,
    )
}

/// By the person itself, once it is of age.
pub(super) fn appoint_delegate(
    context: &mut Context<'_>,
    id: Pseudonym,
    delegate: Pseudonym,
    until: Timestamp,
) -> Outcome {
    let registered = load_as_known(context, &id)?;
    if actor(context)? != Requester::Person(id) {
        return Err(IdentityError::UnknownPerson.into());
    }
    if registered.person.is_minor(context.time()) {
        return Err(IdentityError::PersonIsMinor.into());
    }
    appoint(
        context,
        registered,
        delegate,
        RepresentativeKind::Delegate,
        Some(until),
    )
}

/// By the person (a delegate), by who appointed, by the representative itself, or by a ministry.
pub(super) fn end(context: &mut Context<'_>, id: Pseudonym, representative: Pseudonym) -> Outcome {
    let mut registered = load_as_known(context, &id)?;
    let now = context.time();
    let by = actor(context)?;
    let person = &mut registered.person;
    let is_ministry = context.caller().principal.role() == Role::Ministry
        && context.caller().principal.is_entity();
    let knows_the_person = match by {
        Requester::Entity(entity) => entity == person.relation || is_ministry,
        Requester::Person(caller) => {
            caller == id
                || person
                    .live_representatives(now)
                    .any(|it| it.person == caller)
        }
        Requester::Practitioner(_) => false,
    };
    if !knows_the_person {
        return Err(IdentityError::UnknownPerson.into());
    }
    let found = person
        .live_representatives(now)
        .find(|it| it.person == representative)
        .copied()
        .ok_or(IdentityError::NoRepresentation)?;
    if !is_ministry && by != found.appointed_by && by != Requester::Person(representative) {
        return Err(IdentityError::NotTheAppointer.into());
    }
    person.representatives.retain(|it| *it != found);
    person.regrouped = person.regrouped.saturating_add(1);
    store(context, &registered)?;
    let event = IdentityEvent::RepresentationEnded {
        person: id,
        representative,
        by,
    };
    tell(context, &[&registered], &event)?;
    Ok(())
}

fn appoint(
    context: &mut Context<'_>,
    mut registered: Registered,
    representative: Pseudonym,
    kind: RepresentativeKind,
    until: Option<Timestamp>,
) -> Outcome {
    let now = context.time();
    if until.is_some_and(|until| until <= now) {
        return Err(IdentityError::TimeNotAhead.into());
    }
    // nobody could act as an unregistered pseudonym, until somebody else registered it and did
    let is_suitable = representative != registered.id
        && load(context, &representative)?
            .is_some_and(|it| it.person.keys.is_some() && !it.person.is_minor(now));
    if !is_suitable {
        return Err(IdentityError::UnsuitableRepresentative.into());
    }
    let person = &mut registered.person;
    if person.lapsed_representatives(now) > 0 {
        person.regrouped = person.regrouped.saturating_add(1);
    }
    let representatives = &mut person.representatives;
    representatives.retain(|it| it.is_live(now));
    if representatives.iter().any(|it| it.person == representative) {
        return Err(IdentityError::RepresentationExists.into());
    }
    if representatives.len() >= REPRESENTATIVES_MAX {
        return Err(IdentityError::TooManyRepresentatives.into());
    }
    let by = actor(context)?;
    representatives.push(Representative {
        person: representative,
        kind,
        appointed_by: by,
        until,
    });
    store(context, &registered)?;
    let event = IdentityEvent::RepresentativeAppointed {
        person: registered.id,
        representative,
        kind,
        until,
        by,
    };
    tell(context, &[&registered], &event)?;
    Ok(())
}
