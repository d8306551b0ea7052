//! The decision: may this party open these data for this purpose now? A pure function of plain facts; the rules R1 to R10 are those of
//! `docs/access.md`.

use super::dossier::{Dossier, Effect, Footing, Footings, Rule};
use salus_primitives::access::{
    AccessRequest, Basis, Decision, Extent, Grantee, Purpose, Requester, Sensitivity,
};
use salus_primitives::calls::{BreakGlassRules, CommunicationMode, Profession, Role};
use salus_primitives::ids::EntityId;
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;

/// What is known of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who asks.
    pub who: Requester,
    /// The entity that answers for it: the employer, the relation, or itself.
    pub entity: EntityId,
    /// What that entity is.
    pub role: Role,
    /// A practitioner's profession.
    pub profession: Option<Profession>,
    /// Whether a review that a practitioner owes is overdue.
    pub review_overdue: bool,
}

/// What is known of a registered patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// The entity that has the relation.
    pub relation: EntityId,
    /// The patient's side, and until when each belongs to it, if that ends. Who stands twice, belongs to it by either.
    pub side: Vec<(Pseudonym, Option<Timestamp>)>,
    /// The patient's own dossier first, then that of the pseudonym it was merged into.
    pub dossiers: Vec<Dossier>,
    /// The agreements that their grants rest on.
    pub footings: Footings,
    /// What the relation's jurisdiction says about breaking the glass.
    pub break_glass: BreakGlassRules,
}

/// Decides on a request that is well formed. `patient` is `None` if the pseudonym is not registered.
#[must_use]
pub fn decide(
    patient: Option<&Patient>,
    party: &Party,
    asked: &AccessRequest,
    now: Timestamp,
) -> Decision {
    // R1: of somebody unknown, nothing can be opened
    let Some(patient) = patient else {
        return Decision::Denied;
    };
    let allowed = |basis, until| Decision::Allowed { basis, until };
    let by_default = now.plus_millis(RELEASE_MS);
    // R2
    if patient.is_erased(asked) {
        return Decision::Denied;
    }
    // R4, before R3: a denial does not bind the patient's side
    if let Some(end) = patient.side_of(party, now) {
        let until = end.map_or(by_default, |end| end.min(by_default));
        return allowed(Basis::PatientsSide, until);
    }
    // R3
    if patient.is_forbidden(party, asked, now) {
        return Decision::Denied;
    }
    // R5
    if patient.is_related(party, asked) {
        return allowed(Basis::Relation, by_default);
    }
    // R6 to R8
    if let Some((rule, until)) = patient.grant_for(party, asked, now) {
        return allowed(Basis::Grant(rule.id), until);
    }
    // R9
    if patient.glass_breaks(party, asked) {
        let minutes = u64::from(patient.break_glass.minutes);
        let until = now.plus_millis(minutes.saturating_mul(MINUTE_MS));
        return allowed(Basis::BrokenGlass, until);
    }
    // R10
    Decision::Denied
}

impl Patient {
    /// R2: all that is asked for was erased. What a pseudonym was merged into has data of its own.
    pub(super) fn is_erased(&self, asked: &AccessRequest) -> bool {
        let Some((first, last)) = days(&asked.extent) else {
            return false;
        };
        self.dossiers
            .first()
            .is_some_and(|own| own.is_erased(asked.category, first, last))
    }

    /// R3: a denial that holds now covers any of what is asked for.
    fn is_forbidden(&self, party: &Party, asked: &AccessRequest, now: Timestamp) -> bool {
        self.live(Effect::Forbids, now)
            .any(|(_, rule)| self.forbids(rule, party, asked))
    }

    /// R3, for one denial.
    fn forbids(&self, rule: &Rule, party: &Party, asked: &AccessRequest) -> bool {
        let terms = &rule.terms;
        matches(&terms.grantee, party)
            && terms.categories.contains(asked.category)
            && terms.sensitivity <= asked.sensitivity
            && terms.purposes.contains(asked.purpose)
            && terms.extent.overlaps(&asked.extent)
            && self.may_forbid(asked.purpose)
    }

    /// R3 and R9: whether a denial counts for this purpose. Where the jurisdiction does not let patients exclude break-glass, no rule of theirs does.
    pub(super) fn may_forbid(&self, purpose: Purpose) -> bool {
        purpose != Purpose::BreakGlass || self.break_glass.excludable
    }

    /// R4: whether the party is of the patient's side, and if so until when, if that ends.
    #[expect(clippy::option_option, reason = "belongs or not, and an end or none")]
    pub(super) fn side_of(&self, party: &Party, now: Timestamp) -> Option<Option<Timestamp>> {
        let Requester::Person(person) = party.who else {
            return None;
        };
        self.side
            .iter()
            .filter(|(other, end)| *other == person && end.is_none_or(|end| now < end))
            .map(|(_, end)| *end)
            // without an end is the latest
            .max_by_key(|end| (end.is_none(), *end))
    }

    /// R5: the relation uses what it treats with.
    fn is_related(&self, party: &Party, asked: &AccessRequest) -> bool {
        self.is_of_relation(party)
            && RELATION_PURPOSES.contains(&asked.purpose)
            && asked.sensitivity <= RELATION_SENSITIVITY
    }

    /// R5: the relation's entity and its practitioners, but for some professions.
    pub(super) fn is_of_relation(&self, party: &Party) -> bool {
        party.entity == self.relation
            && match party.who {
                Requester::Entity(_) => true,
                Requester::Practitioner(_) => party
                    .profession
                    .is_some_and(|profession| !NOT_OF_RELATION.contains(&profession)),
                Requester::Person(_) => false,
            }
    }

    /// R6: the oldest grant that covers all that is asked for, those of the own dossier first, and its end.
    fn grant_for(
        &self,
        party: &Party,
        asked: &AccessRequest,
        now: Timestamp,
    ) -> Option<(&Rule, Timestamp)> {
        self.live(Effect::Permits, now)
            .find(|(_, rule)| self.permits(rule, party, asked, now))
            .map(|(dossier, rule)| (rule, dossier.end(rule, &self.footings)))
    }

    /// R6 to R8, for one grant that holds now.
    pub(super) fn permits(
        &self,
        rule: &Rule,
        party: &Party,
        asked: &AccessRequest,
        now: Timestamp,
    ) -> bool {
        let terms = &rule.terms;
        let within = matches(&terms.grantee, party)
            && terms.categories.contains(asked.category)
            && asked.sensitivity <= terms.sensitivity
            && terms.purposes.contains(asked.purpose)
            && terms.extent.covers(&asked.extent);
        let footed = match terms.agreement {
            // R8: research needs the hospital's assent beside the patient's
            None => asked.purpose != Purpose::Research,
            Some(id) => self
                .footings
                .0
                .get(&id)
                .is_some_and(|footing| self.bears(footing, party, asked, now)),
        };
        within && footed && asked.purpose != Purpose::BreakGlass
    }

    /// R7: the agreement is one of the relation and the requester's entity, about this, and lets it be asked for now.
    fn bears(
        &self,
        footing: &Footing,
        party: &Party,
        asked: &AccessRequest,
        now: Timestamp,
    ) -> bool {
        let agreement = &footing.agreement;
        let has_ended = match (agreement.mode, asked.extent) {
            (CommunicationMode::Continuous, _) | (_, Extent::Reading { .. }) => true,
            (CommunicationMode::OnRequest, Extent::Days { last, .. }) => last < day_of(now),
            (CommunicationMode::OnRequest, Extent::All) => false,
        };
        self.is_between(footing, party)
            && agreement.categories.contains(asked.category)
            && agreement.purposes.contains(asked.purpose)
            && has_ended
    }

    /// R7: whether the relation and the party are on the two ends of an agreement. Persons act for no entity.
    pub(super) fn is_between(&self, footing: &Footing, party: &Party) -> bool {
        let agreement = &footing.agreement;
        !matches!(party.who, Requester::Person(_))
            && agreement.parties.contains(&self.relation)
            && agreement.parties.contains(&party.entity)
            && agreement.receivers.contains(&party.role)
    }

    /// R9: whether this party can break this patient's glass. Whether the call says so is in the purpose.
    fn glass_breaks(&self, party: &Party, asked: &AccessRequest) -> bool {
        asked.purpose == Purpose::BreakGlass && self.has_glass() && breaks_glass(party)
    }

    /// R9: whether there is a glass to break.
    pub(super) fn has_glass(&self) -> bool {
        let excluded = self
            .dossiers
            .iter()
            .any(|dossier| dossier.break_glass_excluded);
        self.break_glass.minutes > 0 && !(excluded && self.break_glass.excludable)
    }

    /// The rules of a kind that hold now, with their dossiers.
    pub(super) fn live(
        &self,
        effect: Effect,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Dossier, &Rule)> {
        self.dossiers.iter().flat_map(move |dossier| {
            dossier
                .live(effect, &self.footings, now)
                .map(move |rule| (dossier, rule))
        })
    }
}

/// Whether a rule to this grantee is about this party.
#[must_use]
pub fn matches(grantee: &Grantee, party: &Party) -> bool {
    let of_entity = !matches!(party.who, Requester::Person(_));
    match *grantee {
        Grantee::Practitioner(id) => party.who == Requester::Practitioner(id),
        Grantee::Person(id) => party.who == Requester::Person(id),
        Grantee::Entity(id) => of_entity && party.entity == id,
        Grantee::Profession { entity, profession } => {
            party.entity == entity
                && matches!(party.who, Requester::Practitioner(_))
                && party.profession == Some(profession)
        }
        Grantee::Role(role) => of_entity && party.role == role,
        Grantee::Everybody => true,
    }
}

/// R9: physicians and nurses of those who treat, unless a review they owe is overdue.
pub(super) fn breaks_glass(party: &Party) -> bool {
    matches!(party.who, Requester::Practitioner(_))
        && GLASS_ROLES.contains(&party.role)
        && party
            .profession
            .is_some_and(|profession| GLASS_PROFESSIONS.contains(&profession))
        && !party.review_overdue
}

/// The first and the last day of an extent that has such.
pub(super) const fn days(extent: &Extent) -> Option<(u32, u32)> {
    match *extent {
        Extent::Reading { day, .. } => Some((day, day)),
        Extent::Days { first, last } => Some((first, last)),
        Extent::All => None,
    }
}

/// The day of a time: whole days since 1 January 1970, UTC.
#[must_use]
pub fn day_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_millis() / DAY_MS).unwrap_or(u32::MAX)
}

/// For how long keys can first be released where no rule ends earlier, in milliseconds: a day.
pub const RELEASE_MS: u64 = DAY_MS;
/// R5: for what the relation may use data without a grant.
pub const RELATION_PURPOSES: [Purpose; 2] = [Purpose::Treatment, Purpose::Operations];
/// R5: the most sensitive data that the relation may open without a grant.
pub const RELATION_SENSITIVITY: Sensitivity = Sensitivity::Restricted;
/// R5: practitioners of the relation who need a grant like others.
pub const NOT_OF_RELATION: [Profession; 3] = [
    Profession::ClaimsHandler,
    Profession::Researcher,
    Profession::PrivacyOfficer,
];
/// R9: in entities of which roles a glass can be broken.
pub const GLASS_ROLES: [Role; 2] = [Role::Hospital, Role::Pharmacy];
/// R9: by practitioners of which professions.
pub const GLASS_PROFESSIONS: [Profession; 2] = [Profession::Physician, Profession::Nurse];

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
