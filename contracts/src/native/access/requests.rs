//! Calls by which somebody asks to see data, and what follows from a broken glass.

use super::decide::{Patient, decide};
use super::facts::{self, Facts};
use super::state::{
    AllowedRequest, ClosedReview, OpenReview, Review, dossier_slot, open_reviews_slot, request_slot,
};
use super::{AccessError, Outcome, tell};
use crate::caller::Principal;
use crate::context::Context;
use crate::native::identity::{self, Registered};
use salus_primitives::access::{AccessEvent, AccessRequest, Basis, Decision, Requester};
use salus_primitives::calls::{BreakGlassReason, Profession, ReviewVerdict, Role};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;

/// Decides on a request, and on one that breaks a glass if there is a reason. Succeeds whatever the decision is. A denial makes one event, which
/// follows from the request alone.
pub(super) fn request(
    context: &mut Context<'_>,
    asked: AccessRequest,
    reason: Option<BreakGlassReason>,
) -> Outcome {
    let now = context.time();
    let principal = context.caller().principal;
    let party = context
        .ask(|state| facts::party_of(state, &principal, now))?
        .ok_or(AccessError::NobodyWhoAsks)?;
    let facts = context.ask(|state| facts::of_patient(state, &asked.subject, now))?;
    let (registered, patient) = match facts {
        None => (None, None),
        Some(Facts {
            registered,
            patient,
            lapsed: _,
        }) => (Some(registered), Some(patient)),
    };
    let decision = decide(patient.as_ref(), &party, &asked, now);
    let request = context.transaction();
    let event = AccessEvent::Decided {
        request,
        requester: party.who,
        entity: party.entity,
        asked,
        decision,
    };
    tell(context, registered.as_ref(), &event)?;
    let (Decision::Allowed { basis, until }, Some(registered), Some(patient)) =
        (decision, registered, patient)
    else {
        return Ok(());
    };
    let review = match (basis, reason, party.who) {
        (Basis::BrokenGlass, Some(reason), Requester::Practitioner(_)) => Some(break_glass(
            context,
            &registered,
            patient,
            party.who,
            reason,
            until,
        )?),
        (_, _, _) => None,
    };
    let allowed = AllowedRequest {
        requester: party.who,
        entity: party.entity,
        asked,
        basis,
        at: now,
        until,
        released_by: Vec::new(),
        review,
    };
    context.store(&request_slot(&request), &allowed)?;
    Ok(())
}

/// Notes when the glass closes again, opens the review, and makes it known.
fn break_glass(
    context: &mut Context<'_>,
    registered: &Registered,
    patient: Patient,
    by: Requester,
    reason: BreakGlassReason,
    until: Timestamp,
) -> Result<Review, crate::error::ContractError<AccessError>> {
    let now = context.time();
    let request = context.transaction();
    if let Some(mut dossier) = patient.dossiers.into_iter().next() {
        dossier.break_glass(until, now);
        context.store(&dossier_slot(registered), &dossier)?;
    }
    let hours = u64::from(patient.break_glass.review_hours);
    let due = now.plus_millis(hours.saturating_mul(HOUR_MS));
    if let Requester::Practitioner(id) = by {
        let slot = open_reviews_slot(&id);
        let mut open = context.load(&slot)?.unwrap_or_default();
        open.push(OpenReview { request, due });
        context.store(&slot, &open)?;
    }
    let event = AccessEvent::GlassBroken {
        request,
        subject: registered.id,
        reason,
        review_due: due,
    };
    tell(context, Some(registered), &event)?;
    Ok(Review { due, closed: None })
}

/// Closes the review of a broken glass. Who could not review it anyway does not learn whether there is one.
pub(super) fn close_review(
    context: &mut Context<'_>,
    request: TxId,
    verdict: ReviewVerdict,
) -> Outcome {
    let principal = context.caller().principal;
    let reviewer = facts::requester_of(&principal).ok_or(AccessError::NotAReviewer)?;
    let slot = request_slot(&request);
    let mut allowed = context
        .load(&slot)?
        .filter(|allowed| {
            (principal.is_entity() && principal.role() == Role::Ministry)
                || principal.entity() == allowed.entity
        })
        .ok_or(AccessError::UnknownReview)?;
    let review = allowed.review.as_mut().ok_or(AccessError::UnknownReview)?;
    if reviewer == allowed.requester {
        return Err(AccessError::OwnReview.into());
    }
    if review.closed.is_some() {
        return Err(AccessError::ReviewClosed.into());
    }
    review.closed = Some(ClosedReview {
        verdict,
        by: reviewer,
        at: context.time(),
    });
    context.store(&slot, &allowed)?;
    if let Requester::Practitioner(id) = allowed.requester {
        let slot = open_reviews_slot(&id);
        let mut open = context.load(&slot)?.unwrap_or_default();
        open.retain(|review| review.request != request);
        if open.is_empty() {
            context.remove(&slot)?;
        } else {
            context.store(&slot, &open)?;
        }
    }
    let subject = allowed.asked.subject;
    let registered = context.ask(|state| identity::person(state, &subject))?;
    let event = AccessEvent::ReviewClosed {
        request,
        subject,
        verdict,
        reviewer,
    };
    tell(context, registered.as_ref(), &event)
}

/// Whether somebody is of those who review: physicians and privacy officers, and a ministry's operator.
pub(super) const fn check_reviewer(principal: &Principal) -> Result<(), AccessError> {
    match principal {
        Principal::Practitioner {
            profession: Profession::Physician | Profession::PrivacyOfficer,
            ..
        }
        | Principal::Entity {
            role: Role::Ministry,
            ..
        } => Ok(()),
        Principal::Practitioner { .. }
        | Principal::Entity { .. }
        | Principal::Device { .. }
        | Principal::Validator { .. }
        | Principal::Person { .. }
        | Principal::Custodian { .. } => Err(AccessError::NotAReviewer),
    }
}

/// Notes that a custodian of the patient has released keys for a request. It may say so after the request's time: what it did was in time.
pub(super) fn released(context: &mut Context<'_>, request: TxId) -> Outcome {
    let custodian = context.caller().principal.entity();
    let slot = request_slot(&request);
    let mut allowed = context.load(&slot)?.ok_or(AccessError::NotACustodian)?;
    let subject = allowed.asked.subject;
    let registered = context
        .ask(|state| identity::person(state, &subject))?
        .filter(|registered| registered.person.custodians_ever().contains(&custodian))
        .ok_or(AccessError::NotACustodian)?;
    if allowed.released_by.contains(&custodian) {
        return Err(AccessError::AlreadySaid.into());
    }
    allowed.released_by.push(custodian);
    context.store(&slot, &allowed)?;
    let event = AccessEvent::Released {
        request,
        subject,
        custodian,
    };
    tell(context, Some(&registered), &event)
}

const HOUR_MS: u64 = 3_600_000;
