//! What one party could open of one patient's data.

use super::asked_for;
use crate::native::access::decide::{
    Party, Patient, RELATION_PURPOSES, RELATION_SENSITIVITY, breaks_glass, day_of, matches,
};
use crate::native::access::dossier::{Effect, ErasedDays};
use crate::native::access::facts;
use salus_primitives::access::{
    AccessRequest, Basis, Categories, Extent, GrantId, Purpose, Purposes, Requester, Sensitivity,
};
use salus_primitives::calls::CommunicationMode;
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::time::Timestamp;

/// What a party could open of a patient's data now, on one basis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whose data.
    pub subject: Pseudonym,
    /// Why.
    pub basis: Basis,
    /// Which kinds.
    pub categories: Categories,
    /// The most sensitive.
    pub sensitivity: Sensitivity,
    /// For what.
    pub purposes: Purposes,
    /// Which of these kinds.
    pub extent: Extent,
    /// If the data are to be of days before this one: an agreement lets only ended days be asked for. Single readings can be of any day.
    pub before_day: Option<u32>,
    /// When that ends, as far as is known.
    pub until: Option<Timestamp>,
    /// What denials close of it.
    pub except: Vec<Limit>,
    /// Days whose keys were ordered to be destroyed.
    pub erased: Vec<ErasedDays>,
}

/// What a denial closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The denial.
    pub rule: GrantId,
    /// Which kinds of data.
    pub categories: Categories,
    /// The least sensitive.
    pub sensitivity: Sensitivity,
    /// For what.
    pub purposes: Purposes,
    /// Which of these kinds.
    pub extent: Extent,
}

impl Reach {
    /// Whether a request is within this.
    #[must_use]
    pub fn admits(&self, asked: &AccessRequest) -> bool {
        let is_early = match (self.before_day, asked.extent) {
            (None, _) | (Some(_), Extent::Reading { .. }) => true,
            (Some(day), Extent::Days { last, .. }) => last < day,
            (Some(_), Extent::All) => false,
        };
        let is_erased = |first, last| {
            self.erased.iter().any(|days| {
                days.category == asked.category && days.first <= first && last <= days.last
            })
        };
        let is_erased = match asked.extent {
            Extent::Reading { day, .. } => is_erased(day, day),
            Extent::Days { first, last } => is_erased(first, last),
            Extent::All => false,
        };
        let is_closed = self.except.iter().any(|limit| {
            limit.categories.contains(asked.category)
                && limit.sensitivity <= asked.sensitivity
                && limit.purposes.contains(asked.purpose)
                && limit.extent.overlaps(&asked.extent)
        });
        self.subject == asked.subject
            && self.categories.contains(asked.category)
            && asked.sensitivity <= self.sensitivity
            && self.purposes.contains(asked.purpose)
            && self.extent.covers(&asked.extent)
            && is_early
            && !is_closed
            && !is_erased
    }

    /// The same without what its limits close altogether; `None` if nothing is left.
    fn trimmed(mut self) -> Option<Self> {
        let is_closed = |category, purpose| {
            self.except.iter().any(|limit| {
                limit.categories.contains(category)
                    && limit.purposes.contains(purpose)
                    && limit.sensitivity == Sensitivity::Normal
                    && limit.extent.covers(&self.extent)
            })
        };
        let (categories, purposes) = (self.categories, self.purposes);
        self.categories = categories
            .iter()
            .filter(|category| purposes.iter().any(|it| !is_closed(*category, it)))
            .collect();
        self.purposes = purposes
            .iter()
            .filter(|purpose| categories.iter().any(|it| !is_closed(it, *purpose)))
            .collect();
        let (categories, purposes) = (self.categories, self.purposes);
        self.except.retain(|limit| {
            limit.categories.iter().any(|it| categories.contains(it))
                && limit.purposes.iter().any(|it| purposes.contains(it))
                && limit.sensitivity <= self.sensitivity
                && limit.extent.overlaps(&self.extent)
        });
        (!categories.is_empty() && !purposes.is_empty()).then_some(self)
    }
}

/// What somebody could open of a patient's data at the block time of this state. Nothing, if either is not registered. A node that is to tell everything somebody
/// could open asks for every person that it knows.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn reach(
    state: &dyn StateRead,
    who: &Requester,
    subject: &Pseudonym,
    now: Timestamp,
) -> Result<Vec<Reach>, StateReadError> {
    let party = facts::party(state, who, now)?;
    let facts = facts::of_patient(state, subject, now)?;
    Ok(match (party, facts) {
        (Some(party), Some(facts)) => reach_of(&facts.patient, subject, &party, now),
        (None, _) | (_, None) => Vec::new(),
    })
}

/// The same by the facts, in the order of the decision.
#[must_use]
pub fn reach_of(
    patient: &Patient,
    subject: &Pseudonym,
    party: &Party,
    now: Timestamp,
) -> Vec<Reach> {
    let own = patient.dossiers.first();
    let all = Reach {
        subject: *subject,
        basis: Basis::PatientsSide,
        categories: Categories::all(),
        sensitivity: Sensitivity::VeryRestricted,
        purposes: asked_for(),
        extent: Extent::All,
        before_day: None,
        until: None,
        except: Vec::new(),
        erased: own.map_or(Vec::new(), |dossier| dossier.erased.clone()),
    };
    if let Some(until) = patient.side_of(party, now) {
        return vec![Reach { until, ..all }];
    }
    let all = Reach {
        except: limits(patient, party, now),
        ..all
    };
    let mut reaches = Vec::new();
    if patient.is_of_relation(party) {
        reaches.push(Reach {
            basis: Basis::Relation,
            sensitivity: RELATION_SENSITIVITY,
            purposes: RELATION_PURPOSES.into_iter().collect(),
            ..all.clone()
        });
    }
    for (dossier, rule) in patient.live(Effect::Permits, now) {
        let terms = &rule.terms;
        if !matches(&terms.grantee, party) {
            continue;
        }
        let mut reach = Reach {
            basis: Basis::Grant(rule.id),
            categories: terms.categories,
            sensitivity: terms.sensitivity,
            extent: terms.extent,
            until: Some(dossier.end(rule, &patient.footings)),
            ..all.clone()
        };
        let footing = terms.agreement.map(|id| patient.footings.0.get(&id));
        let is_asked_for = |purpose: &Purpose| {
            terms.purposes.contains(*purpose)
                && *purpose != Purpose::BreakGlass
                && match footing {
                    None => *purpose != Purpose::Research,
                    Some(footing) => footing.is_some_and(|footing| {
                        patient.is_between(footing, party)
                            && footing.agreement.purposes.contains(*purpose)
                    }),
                }
        };
        reach.purposes = Purpose::ALL.into_iter().filter(is_asked_for).collect();
        if let Some(Some(footing)) = footing {
            let agreement = &footing.agreement;
            reach.categories = terms
                .categories
                .iter()
                .filter(|it| agreement.categories.contains(*it))
                .collect();
            reach.before_day = match agreement.mode {
                CommunicationMode::OnRequest => Some(day_of(now)),
                CommunicationMode::Continuous => None,
            };
        }
        reaches.push(reach);
    }
    if patient.has_glass() && breaks_glass(party) {
        reaches.push(Reach {
            basis: Basis::BrokenGlass,
            purposes: Purposes::from_iter([Purpose::BreakGlass]),
            ..all
        });
    }
    reaches.into_iter().filter_map(Reach::trimmed).collect()
}

/// What denials close to a party.
fn limits(patient: &Patient, party: &Party, now: Timestamp) -> Vec<Limit> {
    patient
        .live(Effect::Forbids, now)
        .filter(|(_, rule)| matches(&rule.terms.grantee, party))
        .map(|(_, rule)| Limit {
            rule: rule.id,
            categories: rule.terms.categories,
            sensitivity: rule.terms.sensitivity,
            purposes: rule
                .terms
                .purposes
                .iter()
                .filter(|purpose| patient.may_forbid(*purpose))
                .collect(),
            extent: rule.terms.extent,
        })
        .collect()
}
