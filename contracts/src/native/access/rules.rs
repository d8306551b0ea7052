//! Calls by which the patient's side lays down rules, and by which a grant is passed on.

use super::dossier::{Dossier, Effect, Footings, Rule};
use super::facts::{self, Facts};
use super::state::dossier_slot;
use super::{AccessError, Outcome, form, tell};
use crate::caller::Principal;
use crate::context::Context;
use crate::error::ContractError;
use crate::native::identity::Registered;
use salus_primitives::access::{AccessEvent, GrantId, Grantee, Passing, Purpose, Requester, Terms};
use salus_primitives::calls::BreakGlassRules;
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;

/// Grants or denies.
pub(super) fn lay_down(context: &mut Context<'_>, effect: Effect, terms: Terms) -> Outcome {
    let mut file = open(context, &terms.subject)?;
    let now = context.time();
    if terms.until <= now {
        return Err(AccessError::BadWindow.into());
    }
    if let Some(id) = &terms.agreement {
        let relation = file.registered.person.relation;
        let footing = context
            .ask(|state| facts::footing(state, id))?
            .filter(|footing| now < footing.end() && footing.agreement.parties.contains(&relation))
            .ok_or(AccessError::UnknownAgreement)?;
        file.footings.0.insert(*id, footing);
    }
    if effect == Effect::Forbids && terms.purposes.contains(Purpose::BreakGlass) {
        file.check_excludable()?;
    }
    let grant = GrantId::from(context.transaction());
    let rule = Rule {
        id: grant,
        effect,
        terms,
        passed_from: None,
        passed_on: false,
        revoked_at: None,
    };
    let event = match effect {
        Effect::Permits => AccessEvent::Granted {
            grant,
            terms,
            passed_from: None,
        },
        Effect::Forbids => AccessEvent::Forbidden { grant, terms },
    };
    file.dossier
        .add(rule, &file.footings, now)
        .map_err(|_| AccessError::TooManyRules)?;
    file.close(context, &event)
}

/// Ends a rule, and what was passed on from it.
pub(super) fn revoke(context: &mut Context<'_>, subject: Pseudonym, grant: GrantId) -> Outcome {
    let mut file = open(context, &subject)?;
    let now = context.time();
    let rule = *file.dossier.rule(&grant).ok_or(AccessError::UnknownRule)?;
    if file.dossier.end(&rule, &file.footings) <= now {
        return Err(AccessError::AlreadyEnded.into());
    }
    for rule in &mut file.dossier.rules {
        if rule.id == grant {
            rule.revoked_at = Some(now);
        }
    }
    file.close(context, &AccessEvent::Revoked { subject, grant })
}

/// Passes a grant on, once. Who is not named by it, or names a patient or grant that there is not, learns nothing but that.
pub(super) fn pass_on(
    context: &mut Context<'_>,
    subject: Pseudonym,
    grant: GrantId,
    to: Grantee,
    until: Timestamp,
) -> Outcome {
    let caller = facts::requester_of(&context.caller().principal);
    let now = context.time();
    let file = load(context, &subject)?.ok_or(AccessError::NotYours)?;
    let mut file = file;
    let first = *file
        .dossier
        .rule(&grant)
        .filter(|rule| rule.effect == Effect::Permits && caller == named(&rule.terms.grantee))
        .ok_or(AccessError::NotYours)?;
    if !file.dossier.is_live(&first, &file.footings, now) {
        return Err(AccessError::AlreadyEnded.into());
    }
    if first.terms.passing == Passing::Never {
        return Err(AccessError::NotToBePassedOn.into());
    }
    if first.passed_on {
        return Err(AccessError::AlreadyPassedOn.into());
    }
    if until <= now || first.terms.until < until {
        return Err(AccessError::BadWindow.into());
    }
    if first.terms.agreement.is_some() && matches!(to, Grantee::Person(_)) {
        return Err(AccessError::AgreementForAPerson.into());
    }
    let terms = Terms {
        grantee: to,
        from: now,
        until,
        passing: Passing::Never,
        ..first.terms
    };
    let id = GrantId::from(context.transaction());
    let rule = Rule {
        id,
        effect: Effect::Permits,
        terms,
        passed_from: Some(grant),
        passed_on: false,
        revoked_at: None,
    };
    for rule in &mut file.dossier.rules {
        if rule.id == grant {
            rule.passed_on = true;
        }
    }
    file.dossier
        .add(rule, &file.footings, now)
        .map_err(|_| AccessError::TooManyRules)?;
    let event = AccessEvent::Granted {
        grant: id,
        terms,
        passed_from: Some(grant),
    };
    file.close(context, &event)
}

/// Excludes break-glass, or allows it again.
pub(super) fn exclude_break_glass(
    context: &mut Context<'_>,
    subject: Pseudonym,
    excluded: bool,
) -> Outcome {
    let mut file = open(context, &subject)?;
    if excluded {
        file.check_excludable()?;
    }
    if file.dossier.break_glass_excluded == excluded {
        return Err(AccessError::NothingChanges.into());
    }
    file.dossier.break_glass_excluded = excluded;
    file.close(
        context,
        &AccessEvent::BreakGlassExcluded { subject, excluded },
    )
}

/// A dossier that is being changed.
pub(super) struct File {
    pub(super) registered: Registered,
    pub(super) dossier: Dossier,
    footings: Footings,
    break_glass: BreakGlassRules,
}

impl File {
    /// A rule that would not hold where the patient is treated is better refused than believed in.
    const fn check_excludable(&self) -> Result<(), AccessError> {
        if self.break_glass.excludable {
            Ok(())
        } else {
            Err(AccessError::NotExcludable)
        }
    }

    /// Keeps the changes, and makes them known.
    pub(super) fn close(self, context: &mut Context<'_>, event: &AccessEvent) -> Outcome {
        context.store(&dossier_slot(&self.registered), &self.dossier)?;
        tell(context, Some(&self.registered), event)
    }
}

/// The dossier of a patient on whose side the caller is. Who is not learns nothing else by asking, not even whether there is such a patient.
pub(super) fn open(
    context: &mut Context<'_>,
    subject: &Pseudonym,
) -> Result<File, ContractError<AccessError>> {
    let Principal::Person { id, .. } = context.caller().principal else {
        return Err(AccessError::NotAPerson.into());
    };
    let now = context.time();
    let facts = context.ask(|state| facts::of_patient(state, subject, now))?;
    let facts = facts
        .filter(|facts| facts.patient.side.iter().any(|(who, _)| *who == id))
        .ok_or(AccessError::NotThePatientsSide)?;
    Ok(File::of(facts))
}

/// The dossier of a patient, whoever calls.
fn load(
    context: &mut Context<'_>,
    subject: &Pseudonym,
) -> Result<Option<File>, ContractError<AccessError>> {
    let now = context.time();
    let facts = context.ask(|state| facts::of_patient(state, subject, now))?;
    Ok(facts.map(File::of))
}

impl File {
    fn of(
        Facts {
            registered,
            patient,
            lapsed: _,
        }: Facts,
    ) -> Self {
        let dossier = patient.dossiers.into_iter().next();
        Self {
            dossier: dossier.unwrap_or_else(|| Dossier::new(registered.id)),
            registered,
            footings: patient.footings,
            break_glass: patient.break_glass,
        }
    }
}

/// Who alone a grant names. A practitioner does not pass on what was granted to the employer.
const fn named(grantee: &Grantee) -> Option<Requester> {
    match *grantee {
        Grantee::Practitioner(id) => Some(Requester::Practitioner(id)),
        Grantee::Person(id) => Some(Requester::Person(id)),
        Grantee::Entity(id) => Some(Requester::Entity(id)),
        Grantee::Profession { .. } | Grantee::Role(_) | Grantee::Everybody => None,
    }
}

/// Whether somebody can be passed something on.
pub(super) const fn check_recipient(to: &Grantee) -> Result<(), AccessError> {
    if form::is_by_name(to) {
        Ok(())
    } else {
        Err(AccessError::NotByName)
    }
}
