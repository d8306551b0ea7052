//! What the access contract keeps, and the queries over it.
//!
//! A dossier lies in the tree under its patient's keyed path (`docs/adr/0018`), so that who only knows a pseudonym can ask for no proof. Requests that were
//! allowed and orders to erase lie there under their transactions, which only those know who were there. Which reviews a practitioner owes
//! is in the index: it leads from a practitioner, whom everybody may know, to transactions.

use super::dossier::Dossier;
use super::facts;
use crate::native::identity::{self, Registered};
use crate::slot::Slot;
use salus_primitives::access::{AccessRequest, Basis, Decision, Requester};
use salus_primitives::calls::{ACCESS, BreakGlassRules, Jurisdiction, ReviewVerdict};
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::state::{StateKey, StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use serde::{Deserialize, Serialize};

/// A request that was allowed: what custodians and reviewers look at. Kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedRequest {
    /// Who asked.
    pub requester: Requester,
    /// The entity that answers for who asked.
    pub entity: EntityId,
    /// What was asked for.
    pub asked: AccessRequest,
    /// Why it was allowed.
    pub basis: Basis,
    /// When.
    pub at: Timestamp,
    /// Until when keys may be released first.
    pub until: Timestamp,
    /// The custodians that said they have released, in the order they did.
    pub released_by: Vec<EntityId>,
    /// The review, if a glass was broken.
    pub review: Option<Review>,
}

/// The review of a broken glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// When it is due.
    pub due: Timestamp,
    /// How it was closed.
    pub closed: Option<ClosedReview>,
}

/// How a review was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedReview {
    /// What it found.
    pub verdict: ReviewVerdict,
    /// By whom.
    pub by: Requester,
    /// When.
    pub at: Timestamp,
}

/// A review that a practitioner owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenReview {
    /// The request that broke the glass.
    pub request: TxId,
    /// When it is due.
    pub due: Timestamp,
}

/// An order to destroy keys. Kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// First day.
    pub first_day: u32,
    /// Last day.
    pub last_day: u32,
    /// When it was ordered.
    pub at: Timestamp,
    /// The custodians that have yet to say that they have destroyed them: at first all that were the patient's, ever. Ascending.
    pub missing: Vec<EntityId>,
}

/// A patient's rules. `None` if the patient is not registered, or has none yet. For a node's own work and for who proves to be on the patient's side:
/// no API call may tell an outsider what this answers.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn dossier(state: &dyn StateRead, of: &Registered) -> Result<Option<Dossier>, StateReadError> {
    dossier_slot(of).read(ACCESS, state)
}

/// The request that this transaction made, if it was allowed.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn allowed_request(
    state: &dyn StateRead,
    request: &TxId,
) -> Result<Option<AllowedRequest>, StateReadError> {
    request_slot(request).read(ACCESS, state)
}

/// The request that this transaction made, if keys may be *first* released for it at `now`: it was allowed, its time is not over, and it would be
/// decided likewise now. What was revoked or forbidden since, an erasure, a requester that was revoked: all of these end it.
/// For custodians, over their last final state and its time.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn releasable(
    state: &dyn StateRead,
    request: &TxId,
    now: Timestamp,
) -> Result<Option<AllowedRequest>, StateReadError> {
    let Some(allowed) = allowed_request(state, request)?.filter(|it| now < it.until) else {
        return Ok(None);
    };
    let party = facts::party(state, &allowed.requester, now)?;
    let facts = facts::of_patient(state, &allowed.asked.subject, now)?;
    Ok(match (party, facts) {
        (Some(mut party), Some(facts)) => {
            // a review that has become overdue ends no glass that is broken
            party.review_overdue = false;
            let decision = super::decide(Some(&facts.patient), &party, &allowed.asked, now);
            (decision != Decision::Denied).then_some(allowed)
        }
        (None, _) | (_, None) => None,
    })
}

/// The order to erase that this transaction gave.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn erasure(state: &dyn StateRead, order: &TxId) -> Result<Option<Erasure>, StateReadError> {
    erasure_slot(order).read(ACCESS, state)
}

/// Whether the keys of a patient's day were ordered to be destroyed. `false` for who is not registered.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn is_erased(
    state: &dyn StateRead,
    subject: &Pseudonym,
    category: Category,
    day: u32,
) -> Result<bool, StateReadError> {
    let Some(registered) = identity::person(state, subject)? else {
        return Ok(false);
    };
    let dossier = dossier(state, &registered)?;
    Ok(dossier.is_some_and(|dossier| dossier.is_erased(category, day, day)))
}

/// How often until `now` somebody may have lost access to what is sealed for a patient: part of what names a period. Rules and glasses count, see
/// [`Dossier::turns`], and representations that ran out. A merge, a split or a dismissal counts more than all of those can, so that what the other
/// pseudonym adds and takes away again never lets it shrink. `None` if the patient is not registered.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn generation(
    state: &dyn StateRead,
    subject: &Pseudonym,
    now: Timestamp,
) -> Result<Option<u64>, StateReadError> {
    let Some(facts) = facts::of_patient(state, subject, now)? else {
        return Ok(None);
    };
    let patient = &facts.patient;
    let lapsed = u64::try_from(facts.lapsed).unwrap_or(u64::MAX);
    let turns = patient
        .dossiers
        .iter()
        .map(|dossier| dossier.turns(&patient.footings, now))
        .fold(lapsed, u64::saturating_add);
    let regrouped = u64::from(facts.registered.person.regrouped);
    Ok(Some((regrouped << 32) | turns.min(u64::from(u32::MAX))))
}

/// The reviews that a practitioner owes, oldest first.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn open_reviews(
    state: &dyn StateRead,
    practitioner: &PractitionerId,
) -> Result<Vec<OpenReview>, StateReadError> {
    let open = open_reviews_slot(practitioner).read(ACCESS, state)?;
    Ok(open.unwrap_or_default())
}

/// The jurisdiction that an entity is under.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn jurisdiction(
    state: &dyn StateRead,
    entity: &EntityId,
) -> Result<Jurisdiction, StateReadError> {
    let assigned = jurisdiction_slot(entity).read(ACCESS, state)?;
    Ok(assigned.unwrap_or(Jurisdiction::DEFAULT))
}

/// What holds for breaking the glass in a jurisdiction.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn break_glass_rules(
    state: &dyn StateRead,
    jurisdiction: &Jurisdiction,
) -> Result<BreakGlassRules, StateReadError> {
    let set = break_glass_slot(jurisdiction).read(ACCESS, state)?;
    Ok(set.unwrap_or(BreakGlassRules::DEFAULT))
}

/// Where the tree keeps a patient's dossier, for proofs.
#[must_use]
pub fn dossier_key(of: &Registered) -> StateKey {
    dossier_slot(of).key_of(ACCESS)
}

/// Where the tree keeps a request that was allowed, for proofs.
#[must_use]
pub fn request_key(request: &TxId) -> StateKey {
    request_slot(request).key_of(ACCESS)
}

/// Where the tree keeps an order to erase, for proofs.
#[must_use]
pub fn erasure_key(order: &TxId) -> StateKey {
    erasure_slot(order).key_of(ACCESS)
}

/// Where the tree keeps which jurisdiction an entity is under, for proofs.
#[must_use]
pub fn jurisdiction_key(entity: &EntityId) -> StateKey {
    jurisdiction_slot(entity).key_of(ACCESS)
}

/// Where the tree keeps a jurisdiction's rules for breaking the glass, for proofs.
#[must_use]
pub fn break_glass_key(jurisdiction: &Jurisdiction) -> StateKey {
    break_glass_slot(jurisdiction).key_of(ACCESS)
}

pub(super) fn dossier_slot(of: &Registered) -> Slot<Dossier> {
    Slot::tree(b'd', &of.path())
}

pub(super) fn request_slot(request: &TxId) -> Slot<AllowedRequest> {
    Slot::tree(b'r', request.as_bytes())
}

pub(super) fn erasure_slot(order: &TxId) -> Slot<Erasure> {
    Slot::tree(b'e', order.as_bytes())
}

pub(super) fn open_reviews_slot(practitioner: &PractitionerId) -> Slot<Vec<OpenReview>> {
    Slot::index(b'o', practitioner.as_bytes())
}

pub(super) fn jurisdiction_slot(entity: &EntityId) -> Slot<Jurisdiction> {
    Slot::tree(b'j', entity.as_bytes())
}

pub(super) fn break_glass_slot(jurisdiction: &Jurisdiction) -> Slot<BreakGlassRules> {
    Slot::tree(b'g', &jurisdiction.0)
}
