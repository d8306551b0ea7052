//! Who may see this, why, and by which grant; and what somebody may see. Pure queries, true to [`decide`](super::decide()) by test.
//!
//! Parties that are one of a kind are told as that kind, with those of them who are excepted: nobody can list a hospital's physicians of tomorrow.

mod reach;

pub use reach::{Limit, Reach, reach, reach_of};

use super::decide::{
    NOT_OF_RELATION, Party, Patient, RELATION_PURPOSES, RELATION_SENSITIVITY, breaks_glass, matches,
};
use super::dossier::{Effect, Rule};
use super::facts;
use salus_primitives::access::{
    AccessRequest, Basis, Extent, GrantId, Grantee, Purpose, Purposes, Requester, Sensitivity,
};
use salus_primitives::calls::Role;
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use std::collections::BTreeMap;

/// What is asked about: an [`AccessRequest`] for no purpose yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matter {
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// How sensitive.
    pub sensitivity: Sensitivity,
    /// Which; not [`Extent::All`].
    pub extent: Extent,
}

impl Matter {
    const fn asked_for(&self, purpose: Purpose) -> AccessRequest {
        AccessRequest {
            subject: self.subject,
            category: self.category,
            sensitivity: self.sensitivity,
            purpose,
            extent: self.extent,
        }
    }
}

/// Some who could open the matter now, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Who.
    pub parties: Parties,
    /// For what.
    pub purposes: Purposes,
    /// Why.
    pub basis: Basis,
    /// When that ends, as far as is known. For who can break the glass: each time for so long, from then on.
    pub until: Option<Timestamp>,
    /// Who of them cannot.
    pub except: Vec<Exception>,
}

/// Who could open something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parties {
    /// Those that a rule could name so.
    Of(Grantee),
    /// The physicians and nurses of all hospitals and pharmacies, but for those who owe an overdue review.
    Clinicians,
}

/// Some of an opening's parties who cannot open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Who.
    pub parties: Grantee,
    /// For what.
    pub purposes: Purposes,
    /// The denial that says so; `None`: the contract's own rules do.
    pub rule: Option<GrantId>,
}

impl Opening {
    /// Whether this party could open the matter for this purpose, by this.
    #[must_use]
    pub fn admits(&self, party: &Party, purpose: Purpose) -> bool {
        let is_among = match self.parties {
            Parties::Of(grantee) => matches(&grantee, party),
            Parties::Clinicians => breaks_glass(party),
        };
        is_among
            && self.purposes.contains(purpose)
            && !self
                .except
                .iter()
                .any(|it| it.purposes.contains(purpose) && matches(&it.parties, party))
    }
}

/// What is known of those whom rules name. Who is missing cannot ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory(pub BTreeMap<Requester, Party>);

impl Directory {
    fn role(&self, entity: EntityId) -> Option<Role> {
        self.0
            .get(&Requester::Entity(entity))
            .map(|party| party.role)
    }
}

/// Everybody who could open the matter at the block time of this state, and why. Nobody, if the patient is not registered.
///
/// For who may see the patient's dossier: no API call may tell an outsider what this answers.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn record(
    state: &dyn StateRead,
    matter: &Matter,
    now: Timestamp,
) -> Result<Vec<Opening>, StateReadError> {
    let Some(facts) = facts::of_patient(state, &matter.subject, now)? else {
        return Ok(Vec::new());
    };
    let mut directory = Directory::default();
    for who in named(&facts.patient) {
        if let Some(party) = facts::party(state, &who, now)? {
            directory.0.insert(who, party);
        }
    }
    Ok(openings(&facts.patient, matter, &directory, now))
}

/// Whom something about a patient names: these must be in the [`Directory`], as far as they can ask.
fn named(patient: &Patient) -> Vec<Requester> {
    let rules = patient.dossiers.iter().flat_map(|dossier| &dossier.rules);
    let mut named: Vec<Requester> = rules
        .filter_map(|rule| match rule.terms.grantee {
            Grantee::Practitioner(id) => Some(Requester::Practitioner(id)),
            Grantee::Person(id) => Some(Requester::Person(id)),
            Grantee::Entity(id) | Grantee::Profession { entity: id, .. } => {
                Some(Requester::Entity(id))
            }
            Grantee::Role(_) | Grantee::Everybody => None,
        })
        .collect();
    for footing in patient.footings.0.values() {
        named.extend(
            footing
                .agreement
                .parties
                .iter()
                .copied()
                .map(Requester::Entity),
        );
    }
    named.push(Requester::Entity(patient.relation));
    named.sort_unstable();
    named.dedup();
    named
}

/// Everybody who could open the matter, by the facts. The order is that of the decision: the patient's side, the relation, grants, the glass.
#[must_use]
pub fn openings(
    patient: &Patient,
    matter: &Matter,
    directory: &Directory,
    now: Timestamp,
) -> Vec<Opening> {
    if patient.is_erased(&matter.asked_for(Purpose::Treatment)) {
        return Vec::new();
    }
    let view = View {
        patient,
        matter,
        directory,
        now,
    };
    let mut openings: Vec<Opening> = patient
        .side
        .iter()
        .filter(|(_, end)| end.is_none_or(|end| now < end))
        .map(|(person, end)| Opening {
            parties: Parties::Of(Grantee::Person(*person)),
            purposes: asked_for(),
            basis: Basis::PatientsSide,
            until: *end,
            except: Vec::new(),
        })
        .collect();
    openings.extend(view.relation());
    for (dossier, rule) in patient.live(Effect::Permits, now) {
        let until = dossier.end(rule, &patient.footings);
        openings.extend(
            view.granted(rule)
                .into_iter()
                .filter_map(|(grantee, purposes)| {
                    view.opening(Opening {
                        parties: Parties::Of(grantee),
                        purposes,
                        basis: Basis::Grant(rule.id),
                        until: Some(until),
                        except: Vec::new(),
                    })
                }),
        );
    }
    openings.extend(view.glass());
    openings
}

/// The facts that an explanation is drawn from.
struct View<'a> {
    patient: &'a Patient,
    matter: &'a Matter,
    directory: &'a Directory,
    now: Timestamp,
}

impl View<'_> {
    /// R5.
    fn relation(&self) -> Option<Opening> {
        let relation = self.patient.relation;
        if self.matter.sensitivity > RELATION_SENSITIVITY || self.directory.role(relation).is_none()
        {
            return None;
        }
        let purposes: Purposes = RELATION_PURPOSES.into_iter().collect();
        let except = NOT_OF_RELATION.map(|profession| Exception {
            parties: Grantee::Profession {
                entity: relation,
                profession,
            },
            purposes,
            rule: None,
        });
        self.opening(Opening {
            parties: Parties::Of(Grantee::Entity(relation)),
            purposes,
            basis: Basis::Relation,
            until: None,
            except: except.to_vec(),
        })
    }

    /// R9.
    fn glass(&self) -> Option<Opening> {
        if !self.patient.has_glass() {
            return None;
        }
        self.opening(Opening {
            parties: Parties::Clinicians,
            purposes: Purposes::from_iter([Purpose::BreakGlass]),
            basis: Basis::BrokenGlass,
            until: None,
            except: Vec::new(),
        })
    }

    /// R6 to R8: who can open the matter by a grant that holds, and for what, denials aside. A grant that rests on an agreement reaches those of its
    /// grantees who are parties.
    fn granted(&self, rule: &Rule) -> Vec<(Grantee, Purposes)> {
        let grantees = match (rule.terms.grantee, rule.terms.agreement) {
            (Grantee::Role(role), Some(id)) => {
                let footing = self.patient.footings.0.get(&id);
                footing
                    .into_iter()
                    .flat_map(|footing| &footing.agreement.parties)
                    .filter(|party| self.directory.role(**party) == Some(role))
                    .map(|party| Grantee::Entity(*party))
                    .collect()
            }
            (grantee, _) => vec![grantee],
        };
        grantees
            .into_iter()
            .filter_map(|grantee| {
                let party = self.example(&grantee)?;
                let purposes = Purpose::ALL.into_iter().filter(|purpose| {
                    let asked = self.matter.asked_for(*purpose);
                    self.patient.permits(rule, &party, &asked, self.now)
                });
                Some((grantee, purposes.collect()))
            })
            .collect()
    }

    /// One of those whom a rule names so: what a grant says of one, it says of all. `None` if there is nobody who could ask.
    fn example(&self, grantee: &Grantee) -> Option<Party> {
        match *grantee {
            Grantee::Practitioner(id) => {
                self.directory.0.get(&Requester::Practitioner(id)).copied()
            }
            Grantee::Person(id) => self.directory.0.get(&Requester::Person(id)).copied(),
            Grantee::Entity(id) => self.directory.0.get(&Requester::Entity(id)).copied(),
            Grantee::Profession { entity, profession } => Some(Party {
                who: Requester::Practitioner(PractitionerId([0; 32])),
                profession: Some(profession),
                ..*self.directory.0.get(&Requester::Entity(entity))?
            }),
            Grantee::Role(role) => Some(Party {
                who: Requester::Entity(EntityId([0; 32])),
                entity: EntityId([0; 32]),
                role,
                profession: None,
                review_overdue: false,
            }),
            // R6: no grant is to everybody
            Grantee::Everybody => None,
        }
    }

    /// R3: the opening less what denials close; `None` if that is all of it.
    fn opening(&self, mut opening: Opening) -> Option<Opening> {
        let touches = |rule: &Rule| {
            let terms = &rule.terms;
            terms.categories.contains(self.matter.category)
                && terms.sensitivity <= self.matter.sensitivity
                && terms.extent.overlaps(&self.matter.extent)
        };
        let denials = self
            .patient
            .live(Effect::Forbids, self.now)
            .filter(|(_, rule)| touches(rule));
        for (_, rule) in denials {
            let closed: Purposes = opening
                .purposes
                .iter()
                .filter(|it| rule.terms.purposes.contains(*it) && self.patient.may_forbid(*it))
                .collect();
            match self.overlap(&rule.terms.grantee, &opening.parties) {
                _ if closed.is_empty() => {}
                Overlap::None => {}
                Overlap::All => {
                    opening.purposes = opening
                        .purposes
                        .iter()
                        .filter(|it| !closed.contains(*it))
                        .collect();
                }
                Overlap::Some => opening.except.push(Exception {
                    parties: rule.terms.grantee,
                    purposes: closed,
                    rule: Some(rule.id),
                }),
            }
        }
        (!opening.purposes.is_empty()).then_some(opening)
    }

    /// How many of the parties a denial to `grantee` is about.
    fn overlap(&self, grantee: &Grantee, parties: &Parties) -> Overlap {
        let all_if = |yes| if yes { Overlap::All } else { Overlap::None };
        let some_if = |yes| if yes { Overlap::Some } else { Overlap::None };
        let Parties::Of(parties) = parties else {
            return match grantee {
                Grantee::Everybody => Overlap::All,
                Grantee::Person(_) => Overlap::None,
                Grantee::Practitioner(_)
                | Grantee::Entity(_)
                | Grantee::Profession { .. }
                | Grantee::Role(_) => Overlap::Some,
            };
        };
        if grantee == parties {
            return Overlap::All;
        }
        // who is named alone is about it or not
        if let Grantee::Practitioner(_) | Grantee::Person(_) = parties {
            return all_if(
                self.example(parties)
                    .is_some_and(|party| matches(grantee, &party)),
            );
        }
        let role_of = |parties: &Grantee| match parties {
            Grantee::Entity(entity) | Grantee::Profession { entity, .. } => {
                self.directory.role(*entity)
            }
            Grantee::Role(role) => Some(*role),
            Grantee::Practitioner(_) | Grantee::Person(_) | Grantee::Everybody => None,
        };
        match *grantee {
            Grantee::Everybody => Overlap::All,
            Grantee::Person(_) => Overlap::None,
            Grantee::Practitioner(id) => {
                let party = self.directory.0.get(&Requester::Practitioner(id));
                some_if(party.is_some_and(|party| matches(parties, party)))
            }
            Grantee::Role(role) => all_if(role_of(parties) == Some(role)),
            Grantee::Entity(entity) => match *parties {
                Grantee::Profession { entity: other, .. } => all_if(entity == other),
                Grantee::Role(role) => some_if(self.directory.role(entity) == Some(role)),
                Grantee::Entity(_)
                | Grantee::Practitioner(_)
                | Grantee::Person(_)
                | Grantee::Everybody => Overlap::None,
            },
            Grantee::Profession { entity, .. } => match *parties {
                Grantee::Entity(other) => some_if(entity == other),
                Grantee::Role(role) => some_if(self.directory.role(entity) == Some(role)),
                Grantee::Profession { .. }
                | Grantee::Practitioner(_)
                | Grantee::Person(_)
                | Grantee::Everybody => Overlap::None,
            },
        }
    }
}

/// How many of some parties a rule is about.
enum Overlap {
    None,
    Some,
    All,
}

/// The purposes that a request can have.
fn asked_for() -> Purposes {
    Purpose::ALL
        .into_iter()
        .filter(|purpose| *purpose != Purpose::BreakGlass)
        .collect()
}
