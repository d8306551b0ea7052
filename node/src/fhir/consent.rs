//! FHIR R4 `Consent` to rules of the access contract.
//!
//! A consent is taken over as a whole, or refused with the reason: a part that cannot be said here might be the one that matters to the
//! patient. Where it leaves something open, the narrower reading of a permission and the wider reading of a prohibition is taken, and
//! a [`Remark`] says so. Unknown fields are refused, not skipped.

mod resource;

use crate::fhir::Moment;
use resource::{Coding, Consent, Provision};
use salus_primitives::access::{
    Categories, Extent, Grantee, Passing, Purpose, Purposes, Sensitivity, Terms,
};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::time::Timestamp;
use std::collections::BTreeMap;

/// What FHIR's references mean here.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// `Patient/..` to the pseudonym in the relation.
    pub patients: BTreeMap<String, Pseudonym>,
    /// `Organization/..`, `Practitioner/..` to whom a rule can name.
    pub grantees: BTreeMap<String, Grantee>,
    /// To whom a permission is that names no recipient; without it such a one is refused.
    pub recipient: Option<Grantee>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, and wins.
    Deny,
}

/// A rule to be signed by the patient's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// To whom, for what, when.
    pub terms: Terms,
}

/// A consent as rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// One rule for each recipient of each provision.
    pub rules: Vec<Rule>,
    /// What the consent left open, and how it was read.
    pub remarks: Vec<Remark>,
}

/// What a consent left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Remark {
    /// A permission without purposes.
    #[error("no purpose is named: read as treatment only")]
    TreatmentOnly,
    /// A permission without labels.
    #[error("no confidentiality is named: read as normal data only")]
    NormalOnly,
    /// No end.
    #[error("no end is named: read as a hundred years")]
    HundredYears,
    /// No recipient.
    #[error("no recipient is named: read as the one given with the command")]
    GivenRecipient,
}

/// Why a consent is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not a FHIR R4 Consent, or one with fields that mean something unknown here.
    #[error("it is no consent that can be read here: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Drafts, and consents that ended.
    #[error("its status is {0:?}, not active")]
    NotActive(String),
    /// About something else than privacy, such as treatment or a trial.
    #[error("its scope is {0}, not patient-privacy")]
    OtherScope(String),
    /// Neither opt-in nor opt-out.
    #[error("its policy rule is {0}, neither OPTIN nor OPTOUT")]
    OtherPolicy(String),
    /// A reference that the directory does not have.
    #[error("{0} is not in the directory")]
    UnknownReference(String),
    /// A permission for everybody.
    #[error("it permits, and names no recipient")]
    NoRecipient,
    /// Says where the data are, and not to whom.
    #[error(
        "it permits, and names only the custodian {0}: neither to whom, nor whether that is an exception"
    )]
    OnlyACustodian(String),
    /// A custodian other than the organization that manages the consent.
    #[error("it is about data of {0}, another organization than the consent's")]
    OtherCustodian(String),
    /// Records do not show who wrote them.
    #[error("it is about what one author wrote; rules here do not tell authors apart")]
    ByAuthor,
    /// An actor in another role.
    #[error("an actor has the role {0}, which rules here do not have")]
    OtherActorRole(String),
    /// Records are not FHIR resources.
    #[error("it names single resources ({0}), which records here are not")]
    SingleResources(String),
    /// Finer than categories.
    #[error("it tells {0} apart, finer than the categories here")]
    FinerThanCategories(String),
    /// A class without category.
    #[error("{0} belongs to no category here")]
    NoCategory(String),
    /// A label other than N, R and V.
    #[error("the label {0} is not one of N, R, V")]
    OtherLabel(String),
    /// A purpose other than those of the access contract, or break-glass in a permission.
    #[error("the purpose {0} cannot be granted here")]
    OtherPurpose(String),
    /// Needs an agreement, which a consent does not name.
    #[error(
        "research rests on an agreement of both sides beside the patient's assent, and the consent names none"
    )]
    Research,
    /// Not about seeing data.
    #[error("it is about {0}, not about seeing data")]
    OtherAction(String),
    /// An exception to a prohibition.
    #[error("it makes an exception to a prohibition; prohibitions win here")]
    ExceptionToProhibition,
    /// Exceptions to exceptions.
    #[error("its provisions are nested deeper than once")]
    TooDeep,
    /// A provision of neither type.
    #[error("a provision is of type {0:?}, neither permit nor deny")]
    OtherType(String),
    /// A period that ends before it begins.
    #[error("a period ends before it begins")]
    EmptyPeriod,
    /// No time to begin at.
    #[error("it says neither when it was given nor when it begins")]
    NoBeginning,
}

/// Reads a consent.
///
/// # Errors
/// [`Refusal`] for the first part that cannot be said here.
pub fn import(json: &[u8], directory: &Directory) -> Result<Imported, Refusal> {
    let consent: Consent = serde_json::from_slice(json)?;
    if consent.status != "active" {
        return Err(Refusal::NotActive(consent.status));
    }
    if !consent
        .scope
        .coding
        .iter()
        .any(|coding| coding.code == "patient-privacy")
    {
        return Err(Refusal::OtherScope(codes(&consent.scope.coding)));
    }
    let subject = *directory
        .patients
        .get(&consent.patient.reference)
        .ok_or(Refusal::UnknownReference(consent.patient.reference.clone()))?;
    let policy = consent
        .policy_rule
        .as_ref()
        .map_or(&[][..], |rule| &rule.coding);
    let base = match policy {
        [coding] if coding.code == "OPTIN" => Effect::Permit,
        [coding] if coding.code == "OPTOUT" => Effect::Deny,
        other => return Err(Refusal::OtherPolicy(codes(other))),
    };
    let mut reader = Reader {
        directory,
        consent: &consent,
        subject,
        rules: Vec::new(),
        remarks: Vec::new(),
    };
    let root = consent.provision.clone().unwrap_or_default();
    reader.read(base, &root)?;
    let Reader {
        rules, mut remarks, ..
    } = reader;
    remarks.sort_unstable();
    remarks.dedup();
    Ok(Imported { rules, remarks })
}

struct Reader<'a> {
    directory: &'a Directory,
    consent: &'a Consent,
    subject: Pseudonym,
    rules: Vec<Rule>,
    remarks: Vec<Remark>,
}

impl Reader<'_> {
    /// The root is what the policy rule says, narrowed; what is nested in it are exceptions to a prohibition, or the parts of a
    /// permission.
    fn read(&mut self, base: Effect, root: &Provision) -> Result<(), Refusal> {
        let mut permits = 0_usize;
        for nested in &root.provision {
            if !nested.provision.is_empty() {
                return Err(Refusal::TooDeep);
            }
            let effect = match nested.kind.as_deref() {
                Some("permit") => Effect::Permit,
                Some("deny") => Effect::Deny,
                other => return Err(Refusal::OtherType(other.unwrap_or_default().to_owned())),
            };
            if base == Effect::Deny && effect == Effect::Permit {
                return Err(Refusal::ExceptionToProhibition);
            }
            permits += usize::from(effect == Effect::Permit);
            self.rules_of(effect, &nested.within(root))?;
        }
        // an opt-in whose parts are spelt out permits those parts
        if permits == 0 {
            self.rules_of(base, root)?;
        }
        Ok(())
    }

    fn rules_of(&mut self, effect: Effect, provision: &Provision) -> Result<(), Refusal> {
        if let Some(data) = provision.data.first() {
            return Err(Refusal::SingleResources(data.reference.reference.clone()));
        }
        check_actions(provision)?;
        let (from, until) = self.window(provision)?;
        let terms = Terms {
            subject: self.subject,
            grantee: Grantee::Everybody,
            categories: categories(provision)?,
            sensitivity: self.sensitivity(effect, provision)?,
            purposes: self.purposes(effect, provision)?,
            extent: extent(provision)?,
            from,
            until,
            passing: Passing::Never,
            agreement: None,
        };
        for grantee in self.grantees(effect, provision)? {
            self.rules.push(Rule {
                effect,
                terms: Terms { grantee, ..terms },
            });
        }
        Ok(())
    }

    fn grantees(&mut self, effect: Effect, provision: &Provision) -> Result<Vec<Grantee>, Refusal> {
        let (mut grantees, mut custodian) = (Vec::new(), None);
        for actor in &provision.actor {
            let reference = &actor.reference.reference;
            match actor.role.coding.as_slice() {
                [role] if matches!(role.code.as_str(), "PRCP" | "IRCP") => {
                    let grantee = self.directory.grantees.get(reference);
                    grantees.push(
                        *grantee.ok_or_else(|| Refusal::UnknownReference(reference.clone()))?,
                    );
                }
                // where the data are: the relation itself, whose pseudonym the patient is named by
                [role] if role.code == "CST" => {
                    let organizations = &self.consent.organization;
                    if !organizations
                        .iter()
                        .any(|other| other.reference == *reference)
                    {
                        return Err(Refusal::OtherCustodian(reference.clone()));
                    }
                    custodian = Some(reference.clone());
                }
                [role] if role.code == "AUT" => return Err(Refusal::ByAuthor),
                other => return Err(Refusal::OtherActorRole(codes(other))),
            }
        }
        match (
            effect,
            grantees.is_empty(),
            custodian,
            self.directory.recipient,
        ) {
            (_, false, _, _) => Ok(grantees),
            (Effect::Deny, true, _, _) => Ok(vec![Grantee::Everybody]),
            (Effect::Permit, true, Some(custodian), _) => Err(Refusal::OnlyACustodian(custodian)),
            (Effect::Permit, true, None, None) => Err(Refusal::NoRecipient),
            (Effect::Permit, true, None, Some(recipient)) => {
                self.remarks.push(Remark::GivenRecipient);
                Ok(vec![recipient])
            }
        }
    }

    fn purposes(&mut self, effect: Effect, provision: &Provision) -> Result<Purposes, Refusal> {
        let mut purposes = Vec::new();
        for coding in &provision.purpose {
            let purpose = Purpose::ALL
                .into_iter()
                .find(|purpose| purpose.code() == coding.code)
                .ok_or_else(|| Refusal::OtherPurpose(coding.code.clone()))?;
            match (effect, purpose) {
                (Effect::Permit, Purpose::BreakGlass) => {
                    return Err(Refusal::OtherPurpose(coding.code.clone()));
                }
                (Effect::Permit, Purpose::Research) => return Err(Refusal::Research),
                (Effect::Permit | Effect::Deny, _) => purposes.push(purpose),
            }
        }
        Ok(match (effect, purposes.is_empty()) {
            (_, false) => purposes.into_iter().collect(),
            // break-glass is excluded by a call of its own, and only where the jurisdiction lets it
            (Effect::Deny, true) => Purpose::ALL
                .into_iter()
                .filter(|purpose| *purpose != Purpose::BreakGlass)
                .collect(),
            (Effect::Permit, true) => {
                self.remarks.push(Remark::TreatmentOnly);
                Purposes::from_iter([Purpose::Treatment])
            }
        })
    }

    fn sensitivity(
        &mut self,
        effect: Effect,
        provision: &Provision,
    ) -> Result<Sensitivity, Refusal> {
        let mut labels = Vec::new();
        for coding in &provision.security_label {
            let label = Sensitivity::ALL
                .into_iter()
                .find(|label| label.code() == coding.code)
                .ok_or_else(|| Refusal::OtherLabel(coding.code.clone()))?;
            labels.push(label);
        }
        Ok(match effect {
            Effect::Permit => labels.into_iter().max().unwrap_or_else(|| {
                self.remarks.push(Remark::NormalOnly);
                Sensitivity::Normal
            }),
            Effect::Deny => labels.into_iter().min().unwrap_or(Sensitivity::Normal),
        })
    }

    fn window(&mut self, provision: &Provision) -> Result<(Timestamp, Timestamp), Refusal> {
        let period = provision.period.clone().unwrap_or_default();
        let given = self.consent.date_time.map(|moment: Moment| moment.start);
        let from = period
            .start
            .map(|moment| moment.start)
            .or(given)
            .ok_or(Refusal::NoBeginning)?;
        let until = match period.end {
            Some(end) => end.end,
            None => {
                self.remarks.push(Remark::HundredYears);
                from.plus_millis(HUNDRED_YEARS_MS)
            }
        };
        if until <= from {
            return Err(Refusal::EmptyPeriod);
        }
        Ok((from, until))
    }
}

/// Whether it is about seeing data at all.
fn check_actions(provision: &Provision) -> Result<(), Refusal> {
    let codings: Vec<_> = provision
        .action
        .iter()
        .flat_map(|action| &action.coding)
        .collect();
    let seeing = |coding: &&&Coding| matches!(coding.code.as_str(), "access" | "use" | "disclose");
    match codings.first() {
        Some(first) if codings.iter().find(seeing).is_none() => {
            Err(Refusal::OtherAction(first.code.clone()))
        }
        _ => Ok(()),
    }
}

fn categories(provision: &Provision) -> Result<Categories, Refusal> {
    if let Some(coding) = provision.code.iter().flat_map(|code| &code.coding).next() {
        return Err(Refusal::FinerThanCategories(coding.code.clone()));
    }
    if provision.class.is_empty() {
        return Ok(Categories::all());
    }
    provision
        .class
        .iter()
        .map(|class| match class.code.as_str() {
            "MedicationRequest"
            | "MedicationDispense"
            | "MedicationAdministration"
            | "MedicationStatement" => Ok(Category::Medication),
            "Claim" | "ClaimResponse" | "ExplanationOfBenefit" => Ok(Category::Claims),
            "DiagnosticReport" => Ok(Category::Laboratory),
            "Composition" | "DocumentReference" | "application/hl7-cda+xml" => {
                Ok(Category::Document)
            }
            other => Err(Refusal::NoCategory(other.to_owned())),
        })
        .collect()
}

fn extent(provision: &Provision) -> Result<Extent, Refusal> {
    let Some(period) = &provision.data_period else {
        return Ok(Extent::All);
    };
    let day = |millis: u64| u32::try_from(millis / DAY_MS).unwrap_or(u32::MAX);
    let first = period
        .start
        .map_or(0, |moment| day(moment.start.as_millis()));
    let last = period.end.map_or(u32::MAX, |moment| {
        day(moment.end.as_millis().saturating_sub(1))
    });
    if last < first {
        return Err(Refusal::EmptyPeriod);
    }
    Ok(Extent::Days { first, last })
}

fn codes(codings: &[Coding]) -> String {
    let codes: Vec<_> = codings.iter().map(|coding| coding.code.as_str()).collect();
    if codes.is_empty() {
        "missing".to_owned()
    } else {
        codes.join(", ")
    }
}

const DAY_MS: u64 = 86_400_000;
const HUNDRED_YEARS_MS: u64 = 36_525 * DAY_MS;

#[cfg(test)]
mod tests;
