//! Calls about two pseudonyms that turn out to be one patient, or two after all.
//!
//! The entity that registered both proposes; nobody else could name the other pseudonym without asking, by that, whether it exists. Then the patient's
//! sides of both assent, as far as there are any, each by one of those who are on it; an assent counts only while its author is on that side. Merges
//! do not follow one another: a pseudonym that has taken others in is not given up, so that a decision looks at two rows and no more.

use super::Outcome;
use super::error::IdentityError;
use super::event::IdentityEvent;
use super::people::{MERGED_MAX, ProposedMerge, Registered};
use super::persons::{actor, load_as_known, store, tell};
use crate::context::Context;
use salus_primitives::access::Requester;
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;

pub(super) fn merge(context: &mut Context<'_>, id: Pseudonym, into: Pseudonym) -> Outcome {
    let mut person = load_as_known(context, &id)?;
    let mut into = load_as_known(context, &into)?;
    let now = context.time();
    let by = actor(context)?;
    let was_proposed = person
        .person
        .proposed
        .take_if(|proposed| proposed.into == into.id);
    let (mut proposed, said) = match (by, was_proposed) {
        (Requester::Entity(entity), was_proposed) => {
            if entity != person.person.relation || entity != into.person.relation {
                return Err(IdentityError::UnknownPerson.into());
            }
            check_possible(&person, &into)?;
            match was_proposed {
                Some(proposed) => (proposed, None),
                None => (
                    ProposedMerge {
                        into: into.id,
                        assents: Vec::new(),
                    },
                    Some(IdentityEvent::MergeProposed {
                        person: id,
                        into: into.id,
                    }),
                ),
            }
        }
        (Requester::Person(caller), Some(mut proposed)) => {
            if !person.has_on_side(&caller, now) && !into.has_on_side(&caller, now) {
                return Err(IdentityError::UnknownPerson.into());
            }
            check_possible(&person, &into)?;
            if proposed.assents.contains(&caller) {
                return Err(IdentityError::AlreadyAssented.into());
            }
            proposed.assents.push(caller);
            let event = IdentityEvent::MergeAssented {
                person: id,
                into: into.id,
                by: caller,
            };
            (proposed, Some(event))
        }
        (Requester::Person(_) | Requester::Practitioner(_), _) => {
            return Err(IdentityError::UnknownPerson.into());
        }
    };
    // so that there are never more than are on the two sides
    proposed
        .assents
        .retain(|it| person.has_on_side(it, now) || into.has_on_side(it, now));
    let is_complete = has_assented(&person, &proposed, now) && has_assented(&into, &proposed, now);
    if said.is_none() && !is_complete {
        return Err(IdentityError::AlreadyAssented.into());
    }
    if is_complete {
        person.person.proposed = None;
        person.person.merged_into = Some(into.id);
        into.person.merged.push(id);
        into.person.merged.sort_unstable();
        regroup(&mut person, &mut into);
        store(context, &into)?;
    } else {
        person.person.proposed = Some(proposed);
    }
    store(context, &person)?;
    if let Some(event) = said {
        tell(context, &[&person, &into], &event)?;
    }
    if is_complete {
        let event = IdentityEvent::Merged {
            person: id,
            into: into.id,
        };
        tell(context, &[&person, &into], &event)?;
    }
    Ok(())
}

/// By the entity, or the patient's side of either.
pub(super) fn split(context: &mut Context<'_>, id: Pseudonym) -> Outcome {
    let mut person = load_as_known(context, &id)?;
    let now = context.time();
    let by = actor(context)?;
    let merged_into = person.person.merged_into;
    let proposed = person.person.proposed.as_ref().map(|it| it.into);
    let mut other = match merged_into.or(proposed) {
        None => None,
        Some(other) => Some(load_as_known(context, &other)?),
    };
    let may = match by {
        Requester::Entity(entity) => entity == person.person.relation,
        Requester::Person(caller) => {
            person.has_on_side(&caller, now)
                || other
                    .as_ref()
                    .is_some_and(|other| other.has_on_side(&caller, now))
        }
        Requester::Practitioner(_) => false,
    };
    if !may {
        return Err(IdentityError::UnknownPerson.into());
    }
    let other = other.as_mut().ok_or(IdentityError::NotMerged)?;
    person.person.proposed = None;
    if merged_into.is_some() {
        person.person.merged_into = None;
        other.person.merged.retain(|it| *it != id);
        regroup(&mut person, other);
        store(context, other)?;
    }
    store(context, &person)?;
    let event = IdentityEvent::Split {
        person: id,
        from: other.id,
        by,
    };
    tell(context, &[&person, other], &event)?;
    Ok(())
}

fn check_possible(person: &Registered, into: &Registered) -> Result<(), IdentityError> {
    if person.person.merged_into.is_some() {
        return Err(IdentityError::AlreadyMerged);
    }
    if into.person.merged_into.is_some() || !person.person.merged.is_empty() {
        return Err(IdentityError::MergeChained);
    }
    if into.person.merged.len() >= MERGED_MAX {
        return Err(IdentityError::TooManyMerged);
    }
    Ok(())
}

/// Whether one of the person's side has assented, or there is none who could.
fn has_assented(registered: &Registered, proposed: &ProposedMerge, now: Timestamp) -> bool {
    !registered.has_a_side(now)
        || proposed
            .assents
            .iter()
            .any(|it| registered.has_on_side(it, now))
}

/// Notes that what holds for the two has changed.
fn regroup(person: &mut Registered, other: &mut Registered) {
    for it in [person, other] {
        it.person.regrouped = it.person.regrouped.saturating_add(1);
    }
}
