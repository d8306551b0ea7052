//! Calls by which the patient's side has keys destroyed, and custodians say that they did.

use super::decide::day_of;
use super::dossier::ErasedDays;
use super::state::{Erasure, erasure_slot};
use super::{AccessError, Outcome, rules, tell};
use crate::context::Context;
use crate::native::identity;
use salus_primitives::access::AccessEvent;
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::transaction::TxId;

/// Orders keys to be destroyed, of days up to the present one: what is sealed on a later day belongs to a later will.
pub(super) fn order(
    context: &mut Context<'_>,
    subject: Pseudonym,
    category: Category,
    first_day: u32,
    last_day: u32,
) -> Outcome {
    let mut file = rules::open(context, &subject)?;
    let now = context.time();
    if last_day > day_of(now) {
        return Err(AccessError::ErasesTheFuture.into());
    }
    if file.dossier.is_erased(category, first_day, last_day) {
        return Err(AccessError::NothingChanges.into());
    }
    let days = ErasedDays {
        category,
        first: first_day,
        last: last_day,
    };
    file.dossier
        .erase(days)
        .map_err(|_| AccessError::TooManyErasures)?;
    let order = context.transaction();
    let erasure = Erasure {
        subject,
        category,
        first_day,
        last_day,
        at: now,
        missing: file.registered.person.custodians_ever(),
    };
    context.store(&erasure_slot(&order), &erasure)?;
    let event = AccessEvent::ErasureOrdered {
        order,
        subject,
        category,
        first_day,
        last_day,
    };
    file.close(context, &event)
}

/// Notes that a custodian has destroyed what an order names.
pub(super) fn erased(context: &mut Context<'_>, order: TxId) -> Outcome {
    let custodian = context.caller().principal.entity();
    let slot = erasure_slot(&order);
    let mut erasure = context.load(&slot)?.ok_or(AccessError::NotACustodian)?;
    let subject = erasure.subject;
    let registered = context
        .ask(|state| identity::person(state, &subject))?
        .filter(|registered| registered.person.custodians_ever().contains(&custodian))
        .ok_or(AccessError::NotACustodian)?;
    let before = erasure.missing.len();
    erasure.missing.retain(|other| *other != custodian);
    if erasure.missing.len() == before {
        return Err(AccessError::AlreadySaid.into());
    }
    context.store(&slot, &erasure)?;
    let event = AccessEvent::Erased {
        order,
        subject,
        custodian,
        missing: u8::try_from(erasure.missing.len()).unwrap_or(u8::MAX),
    };
    tell(context, Some(&registered), &event)
}
