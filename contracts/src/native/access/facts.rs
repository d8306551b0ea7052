//! What a decision needs to know, put together from the state: of who asks, and of whose data.

use super::decide::{Party, Patient};
use super::dossier::{Dossier, Footing, Footings};
use super::state::{self, OpenReview};
use crate::caller::Principal;
use crate::native::agreements;
use crate::native::identity::{self, Registered};
use salus_primitives::access::{AgreementId, Requester};
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use std::collections::BTreeMap;

/// What is known of a registered patient, and where the state keeps it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The patient's row.
    pub registered: Registered,
    /// What a decision needs.
    pub patient: Patient,
    /// How many representations of the patient have run out and are listed still.
    pub lapsed: usize,
}

/// What a decision needs to know of a patient at the block time of this state. `None` for who is not registered.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn of_patient(
    state: &dyn StateRead,
    subject: &Pseudonym,
    now: Timestamp,
) -> Result<Option<Facts>, StateReadError> {
    let Some(registered) = identity::person(state, subject)? else {
        return Ok(None);
    };
    let into = match &registered.person.merged_into {
        None => None,
        Some(into) => identity::person(state, into)?,
    };
    let relation = registered.person.relation;
    let mut dossiers = Vec::new();
    let mut side = Vec::new();
    let mut lapsed = 0usize;
    for registered in [Some(&registered), into.as_ref()].into_iter().flatten() {
        let dossier = state::dossier(state, registered)?;
        dossiers.push(dossier.unwrap_or_else(|| Dossier::new(registered.id)));
        side.extend(side_of(registered, now));
        lapsed = lapsed.saturating_add(registered.person.lapsed_representatives(now));
    }
    let jurisdiction = state::jurisdiction(state, &relation)?;
    let patient = Patient {
        relation,
        side,
        footings: footings(state, &dossiers)?,
        dossiers,
        break_glass: state::break_glass_rules(state, &jurisdiction)?,
    };
    Ok(Some(Facts {
        registered,
        patient,
        lapsed,
    }))
}

/// Who may act as this person at a block time, and until when as far as that is known.
fn side_of(
    registered: &Registered,
    now: Timestamp,
) -> impl Iterator<Item = (Pseudonym, Option<Timestamp>)> {
    let itself = registered
        .has_on_side(&registered.id, now)
        .then_some((registered.id, None));
    let representatives = registered.person.live_representatives(now);
    itself
        .into_iter()
        .chain(representatives.map(|representative| (representative.person, representative.until)))
}

/// The agreements that grants of some dossiers rest on.
pub(super) fn footings(
    state: &dyn StateRead,
    dossiers: &[Dossier],
) -> Result<Footings, StateReadError> {
    let rules = dossiers.iter().flat_map(|dossier| &dossier.rules);
    let ids = rules.filter_map(|rule| rule.terms.agreement);
    let mut footings = BTreeMap::new();
    for id in ids {
        if !footings.contains_key(&id)
            && let Some(footing) = footing(state, &id)?
        {
            footings.insert(id, footing);
        }
    }
    Ok(Footings(footings))
}

/// An agreement as it stands. `None`: there is none, or no more.
pub(super) fn footing(
    state: &dyn StateRead,
    id: &AgreementId,
) -> Result<Option<Footing>, StateReadError> {
    Ok(agreements::agreement(state, id)?.map(|signed| Footing {
        signed: signed.missing() == 0,
        ended: signed.ended.is_some(),
        agreement: signed.agreement,
    }))
}

/// What a decision needs to know of somebody by name at the block time of this state. `None` for who could not ask: not registered, revoked, or without
/// keys.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn party(
    state: &dyn StateRead,
    who: &Requester,
    now: Timestamp,
) -> Result<Option<Party>, StateReadError> {
    let (entity, profession, acts_for_it) = match who {
        Requester::Entity(id) => (*id, None, true),
        Requester::Practitioner(id) => match identity::practitioner(state, id)? {
            Some(practitioner) if practitioner.revoked_at.is_none() => {
                (practitioner.employer, Some(practitioner.profession), true)
            }
            Some(_) | None => return Ok(None),
        },
        Requester::Person(id) => match identity::person(state, id)? {
            Some(registered) if registered.person.keys.is_some() => {
                (registered.person.relation, None, false)
            }
            Some(_) | None => return Ok(None),
        },
    };
    let row = identity::entity(state, &entity)?
        .ok_or_else(|| StateReadError(format!("entity {entity} is named but missing")))?;
    if acts_for_it && row.revoked_at.is_some() {
        return Ok(None);
    }
    Ok(Some(Party {
        who: *who,
        entity,
        role: row.role,
        profession,
        review_overdue: owes_review(state, who, now)?,
    }))
}

/// The same of who calls. `None` for machines, which ask for nothing.
pub(super) fn party_of(
    state: &dyn StateRead,
    principal: &Principal,
    now: Timestamp,
) -> Result<Option<Party>, StateReadError> {
    let Some(who) = requester_of(principal) else {
        return Ok(None);
    };
    let profession = match principal {
        Principal::Practitioner { profession, .. } => Some(*profession),
        Principal::Entity { .. }
        | Principal::Device { .. }
        | Principal::Validator { .. }
        | Principal::Person { .. }
        | Principal::Custodian { .. } => None,
    };
    Ok(Some(Party {
        who,
        entity: principal.entity(),
        role: principal.role(),
        profession,
        review_overdue: owes_review(state, &who, now)?,
    }))
}

/// Who calls, as requests and events name it.
pub(super) const fn requester_of(principal: &Principal) -> Option<Requester> {
    match *principal {
        Principal::Entity { id, .. } => Some(Requester::Entity(id)),
        Principal::Practitioner { id, .. } => Some(Requester::Practitioner(id)),
        Principal::Person { id, .. } => Some(Requester::Person(id)),
        Principal::Device { .. } | Principal::Validator { .. } | Principal::Custodian { .. } => {
            None
        }
    }
}

/// R9: whether a review that a practitioner owes is overdue, or there are too many.
fn owes_review(
    state: &dyn StateRead,
    who: &Requester,
    now: Timestamp,
) -> Result<bool, StateReadError> {
    let Requester::Practitioner(id) = who else {
        return Ok(false);
    };
    let open = state::open_reviews(state, id)?;
    let overdue = |review: &OpenReview| review.due <= now;
    Ok(open.len() >= OPEN_REVIEWS_MAX || open.iter().any(overdue))
}

/// Most reviews that a practitioner may owe.
pub const OPEN_REVIEWS_MAX: usize = 64;
