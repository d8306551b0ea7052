//! What can be said of a rule or a request without any state: whoever sends such a one could have known.

use super::AccessError;
use super::dossier::Effect;
use salus_primitives::access::{AccessRequest, Extent, Grantee, Passing, Purpose, Terms};
use salus_primitives::calls::{ERASED_DAYS_MAX, REQUESTED_DAYS_MAX};

/// Whether the terms of a rule mean something.
pub(super) fn check_terms(effect: Effect, terms: &Terms) -> Result<(), AccessError> {
    if terms.categories.is_empty() || !terms.categories.is_known() {
        return Err(AccessError::BadCategories);
    }
    if terms.purposes.is_empty() || !terms.purposes.is_known() {
        return Err(AccessError::BadPurposes);
    }
    if let Extent::Days { first, last } = terms.extent
        && first > last
    {
        return Err(AccessError::BadExtent);
    }
    if terms.from >= terms.until {
        return Err(AccessError::BadWindow);
    }
    match effect {
        Effect::Permits => check_grant(terms),
        Effect::Forbids if terms.passing != Passing::Never || terms.agreement.is_some() => {
            Err(AccessError::DenialRestsOnNothing)
        }
        Effect::Forbids => Ok(()),
    }
}

fn check_grant(terms: &Terms) -> Result<(), AccessError> {
    if terms.grantee == Grantee::Everybody {
        return Err(AccessError::GrantToEverybody);
    }
    if terms.purposes.contains(Purpose::BreakGlass) {
        return Err(AccessError::BadPurposes);
    }
    if terms.passing == Passing::Once && !is_by_name(&terms.grantee) {
        return Err(AccessError::NotByName);
    }
    if terms.agreement.is_some() && matches!(terms.grantee, Grantee::Person(_)) {
        return Err(AccessError::AgreementForAPerson);
    }
    if terms.agreement.is_none() && terms.purposes.contains(Purpose::Research) {
        return Err(AccessError::ResearchNeedsAgreement);
    }
    Ok(())
}

/// Whether it says who, rather than what kind.
pub(super) const fn is_by_name(grantee: &Grantee) -> bool {
    match grantee {
        Grantee::Practitioner(_) | Grantee::Person(_) | Grantee::Entity(_) => true,
        Grantee::Profession { .. } | Grantee::Role(_) | Grantee::Everybody => false,
    }
}

/// Whether a request, or one that breaks a glass, is well formed.
pub(super) fn check_request(asked: &AccessRequest, breaks_glass: bool) -> Result<(), AccessError> {
    if (asked.purpose == Purpose::BreakGlass) != breaks_glass {
        return Err(AccessError::WrongPurpose);
    }
    match asked.extent {
        Extent::Reading { .. } => Ok(()),
        Extent::Days { first, last } if is_stretch(first, last, REQUESTED_DAYS_MAX) => Ok(()),
        Extent::Days { .. } | Extent::All => Err(AccessError::BadExtent),
    }
}

/// Whether days to be erased are well formed.
pub(super) const fn check_days(first: u32, last: u32) -> Result<(), AccessError> {
    if is_stretch(first, last, ERASED_DAYS_MAX) {
        Ok(())
    } else {
        Err(AccessError::BadExtent)
    }
}

/// Whether `first` to `last` are at least one day and at most so many.
const fn is_stretch(first: u32, last: u32, days_max: u32) -> bool {
    match last.checked_sub(first) {
        Some(more) => more < days_max,
        None => false,
    }
}
