//! The reference model: what `docs/access.md` says of a decision, written the slow and obvious way over a small world. Shares no code with the contract:
//! data are sets of atoms, times are ticks, parties are what they are, and every rule is a list of conditions with a name.

use salus_primitives::access::{Purpose, Sensitivity};
use salus_primitives::calls::{Profession, Role};
use std::collections::{BTreeMap, BTreeSet};

/// A point in time. Two are a day.
pub(crate) type Tick = u64;

/// The entities of the small world, by index. The first has the relation.
pub(crate) const ENTITIES: [Role; 6] = [
    Role::Hospital,
    Role::Hospital,
    Role::Pharmacy,
    Role::Insurer,
    Role::Institute,
    Role::Ministry,
];
/// How many persons there are; the first two are the subject and whom it may be merged into. All are known to the first entity.
pub(crate) const PERSONS: usize = 5;
/// How many kinds of data a small world has.
pub(crate) const CATEGORIES: usize = 2;
/// Days that rules and requests are about.
pub(crate) const DAYS: u32 = 6;
/// Readings of a day that are asked for by name.
pub(crate) const READINGS: usize = 2;

/// Somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Entity(usize),
    /// The one of this profession in this entity.
    Practitioner(usize, Profession),
    Person(usize),
}

/// To whom a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    One(Who),
    WholeEntity(usize),
    Profession(usize, Profession),
    Role(Role),
    Everybody,
}

/// Data of one kind, in atoms: a reading, or what else there is on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Atom {
    Reading(u32, usize),
    Rest(u32),
    AnyOtherDay,
}

/// Which data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Reading(u32, usize),
    Days(u32, u32),
    All,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) permits: bool,
    pub(crate) to: To,
    pub(crate) categories: Vec<usize>,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) what: What,
    pub(crate) from: Tick,
    pub(crate) until: Tick,
    pub(crate) agreement: Option<usize>,
    /// Index of the grant it was passed on from, of the same file.
    pub(crate) parent: Option<usize>,
    pub(crate) revoked: Option<Tick>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pact {
    pub(crate) parties: Vec<usize>,
    pub(crate) receivers: Vec<Role>,
    pub(crate) categories: Vec<usize>,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) continuous: bool,
    pub(crate) from: Tick,
    pub(crate) until: Tick,
    pub(crate) signed: bool,
    pub(crate) ended: Option<Tick>,
}

/// One pseudonym's rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) rules: Vec<Rule>,
    pub(crate) excluded: bool,
    pub(crate) erased: Vec<(usize, u32, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) registered: bool,
    /// The subject's own file, and that of whom it was merged into, if it was.
    pub(crate) files: Vec<File>,
    pub(crate) pacts: Vec<Pact>,
    /// Who is of the patient's side, and until when.
    pub(crate) side: BTreeMap<usize, Option<Tick>>,
    pub(crate) glass_ticks: u64,
    pub(crate) excludable: bool,
    /// Practitioners with an overdue review.
    pub(crate) overdue: BTreeSet<Who>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) who: Who,
    pub(crate) category: usize,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) purpose: Purpose,
    pub(crate) what: What,
    pub(crate) now: Tick,
}

/// What must come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Why not: for counting only.
    Denied(&'static str),
    Side(Option<Tick>),
    Relation,
    /// File, rule, and when that ends.
    Grant(usize, usize, Tick),
    Glass,
}

/// Conditions by name, and whether they are met.
type Conditions = Vec<(&'static str, bool)>;

/// Counts which condition alone stood in the way, or which single one was why something held.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

impl World {
    /// The answer, noting in `counts` what decided it.
    pub(crate) fn answer(&self, ask: &Ask, counts: &mut Counts) -> Answer {
        let answer = self.find(ask, counts);
        let name = match answer {
            Answer::Denied(why) => why,
            Answer::Side(_) => "allowed: patient's side",
            Answer::Relation => "allowed: relation",
            Answer::Grant(file, rule, _) => {
                let rule = &self.files[file].rules[rule];
                match (file, rule.parent, rule.agreement) {
                    (1, _, _) => "allowed: grant of the merged",
                    (_, Some(_), _) => "allowed: passed on",
                    (_, _, Some(_)) if ask.purpose == Purpose::Research => "allowed: research",
                    (_, _, Some(_)) => "allowed: grant under an agreement",
                    (_, _, None) => "allowed: grant",
                }
            }
            Answer::Glass => "allowed: broken glass",
        };
        *counts.entry(name).or_default() += 1;
        answer
    }

    fn find(&self, ask: &Ask, counts: &mut Counts) -> Answer {
        if !self.registered {
            return Answer::Denied("denied: unregistered");
        }
        let asked = atoms(ask.what);
        let mut erased = BTreeSet::new();
        for (category, first, last) in &self.files[0].erased {
            if *category == ask.category {
                for day in *first..=*last {
                    erased.extend(day_atoms(day));
                }
            }
        }
        if asked.is_subset(&erased) {
            return Answer::Denied("denied: erased");
        }
        let partly_erased = !asked.is_disjoint(&erased);
        let answer = self.without_erasure(ask, &asked, counts);
        if partly_erased && !matches!(answer, Answer::Denied(_)) {
            *counts.entry("allowed: partly erased").or_default() += 1;
        }
        answer
    }

    fn without_erasure(&self, ask: &Ask, asked: &BTreeSet<Atom>, counts: &mut Counts) -> Answer {
        let side = match ask.who {
            Who::Person(person) => self.side.get(&person).copied(),
            Who::Entity(_) | Who::Practitioner(..) => None,
        };
        let ended = side.flatten().is_some_and(|until| until <= ask.now);
        if ended {
            *counts.entry("no side: ended").or_default() += 1;
        }
        let side = side.filter(|_| !ended);
        let mut forbidden = None;
        for (file_index, file) in self.files.iter().enumerate() {
            for rule in file.rules.iter().filter(|rule| !rule.permits) {
                let conditions = self.deny_conditions(file, rule, ask, asked);
                if conditions.iter().all(|(_, met)| *met) {
                    forbidden = Some(if file_index == 0 {
                        "denied: by a rule"
                    } else {
                        "denied: by a rule of the merged"
                    });
                } else if let [alone] = unmet(&conditions)[..] {
                    *counts.entry(alone).or_default() += 1;
                }
            }
        }
        if let Some(until) = side {
            if forbidden.is_some() {
                *counts
                    .entry("allowed: forbidden, but the patient's side")
                    .or_default() += 1;
            }
            return Answer::Side(until);
        }
        let mut otherwise = vec![];
        let relation = self.relation_conditions(ask);
        if relation.iter().all(|(_, met)| *met) {
            otherwise.push(Answer::Relation);
        } else if let [alone] = unmet(&relation)[..] {
            *counts.entry(alone).or_default() += 1;
        }
        for (file_index, file) in self.files.iter().enumerate() {
            for (index, rule) in file
                .rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.permits)
            {
                let conditions = self.grant_conditions(file, rule, ask, asked);
                if conditions.iter().all(|(_, met)| *met) {
                    let ends = self.ends(file, rule);
                    otherwise.push(Answer::Grant(file_index, index, ends));
                } else if let [alone] = unmet(&conditions)[..] {
                    *counts.entry(alone).or_default() += 1;
                }
            }
        }
        let glass = self.glass_conditions(ask);
        if glass.iter().all(|(_, met)| *met) {
            otherwise.push(Answer::Glass);
        } else if let [alone] = unmet(&glass)[..] {
            *counts.entry(alone).or_default() += 1;
        }
        match (forbidden, otherwise.first()) {
            (_, None) => Answer::Denied("denied: no basis"),
            (None, Some(first)) => *first,
            (Some(why), Some(Answer::Glass)) => {
                *counts.entry("denied: by a rule, the glass").or_default() += 1;
                Answer::Denied(why)
            }
            (Some(why), Some(_)) => Answer::Denied(why),
        }
    }

    fn deny_conditions(
        &self,
        _file: &File,
        rule: &Rule,
        ask: &Ask,
        asked: &BTreeSet<Atom>,
    ) -> Conditions {
        vec![
            ("deny misses: grantee", is_to(rule.to, ask.who)),
            (
                "deny misses: category",
                rule.categories.contains(&ask.category),
            ),
            (
                "deny misses: sensitivity",
                level(ask.sensitivity) >= level(rule.sensitivity),
            ),
            ("deny misses: purpose", rule.purposes.contains(&ask.purpose)),
            ("deny misses: extent", !atoms(rule.what).is_disjoint(asked)),
            ("deny misses: not begun", ask.now >= rule.from),
            ("deny misses: over", ask.now < rule.until),
            (
                "deny misses: revoked",
                rule.revoked.is_none_or(|tick| ask.now < tick),
            ),
            (
                "deny misses: not excludable",
                ask.purpose != Purpose::BreakGlass || self.excludable,
            ),
        ]
    }

    fn relation_conditions(&self, ask: &Ask) -> Conditions {
        let (entity, fits) = match ask.who {
            Who::Entity(entity) => (Some(entity), true),
            Who::Practitioner(entity, profession) => (
                Some(entity),
                match profession {
                    Profession::Physician
                    | Profession::Nurse
                    | Profession::Pharmacist
                    | Profession::PublicHealthOfficer => true,
                    Profession::ClaimsHandler
                    | Profession::Researcher
                    | Profession::PrivacyOfficer => false,
                },
            ),
            Who::Person(_) => (None, true),
        };
        vec![
            ("no relation: other entity", entity == Some(0)),
            ("no relation: profession", fits),
            (
                "no relation: purpose",
                ask.purpose == Purpose::Treatment || ask.purpose == Purpose::Operations,
            ),
            (
                "no relation: sensitivity",
                ask.sensitivity != Sensitivity::VeryRestricted,
            ),
        ]
    }

    fn grant_conditions(
        &self,
        file: &File,
        rule: &Rule,
        ask: &Ask,
        asked: &BTreeSet<Atom>,
    ) -> Conditions {
        let mut conditions = vec![
            ("no grant: grantee", is_to(rule.to, ask.who)),
            (
                "no grant: category",
                rule.categories.contains(&ask.category),
            ),
            (
                "no grant: sensitivity",
                level(ask.sensitivity) <= level(rule.sensitivity),
            ),
            ("no grant: purpose", rule.purposes.contains(&ask.purpose)),
            ("no grant: extent", asked.is_subset(&atoms(rule.what))),
            ("no grant: not begun", ask.now >= rule.from),
            ("no grant: expired", ask.now < rule.until),
            (
                "no grant: revoked",
                rule.revoked.is_none_or(|tick| ask.now < tick),
            ),
            (
                "no grant: research without agreement",
                ask.purpose != Purpose::Research || rule.agreement.is_some(),
            ),
            ("no grant: break-glass", ask.purpose != Purpose::BreakGlass),
        ];
        if let Some(parent) = rule.parent {
            let parent = &file.rules[parent];
            conditions.extend([
                ("no grant: first not begun", ask.now >= parent.from),
                ("no grant: first expired", ask.now < parent.until),
                (
                    "no grant: first revoked",
                    parent.revoked.is_none_or(|tick| ask.now < tick),
                ),
            ]);
        }
        if let Some(agreement) = rule.agreement {
            let pact = &self.pacts[agreement];
            let party = match ask.who {
                Who::Entity(entity) | Who::Practitioner(entity, _) => Some(entity),
                Who::Person(_) => None,
            };
            let still_running = match ask.what {
                What::Reading(..) => false,
                What::Days(_, last) => u64::from(last) >= ask.now / 2,
                What::All => true,
            };
            conditions.extend([
                ("no grant: agreement unsigned", pact.signed),
                ("no grant: agreement not begun", ask.now >= pact.from),
                ("no grant: agreement over", ask.now < pact.until),
                (
                    "no grant: agreement ended",
                    pact.ended.is_none_or(|tick| ask.now < tick),
                ),
                ("no grant: relation no party", pact.parties.contains(&0)),
                (
                    "no grant: requester no party",
                    party.is_some_and(|party| pact.parties.contains(&party)),
                ),
                (
                    "no grant: no receiver",
                    party.is_none_or(|party| pact.receivers.contains(&ENTITIES[party])),
                ),
                (
                    "no grant: agreement's categories",
                    pact.categories.contains(&ask.category),
                ),
                (
                    "no grant: agreement's purposes",
                    pact.purposes.contains(&ask.purpose),
                ),
                (
                    "no grant: period has not ended",
                    pact.continuous || !still_running,
                ),
            ]);
        }
        conditions
    }

    fn glass_conditions(&self, ask: &Ask) -> Conditions {
        let (entity, profession) = match ask.who {
            Who::Practitioner(entity, profession) => (Some(entity), Some(profession)),
            Who::Entity(entity) => (Some(entity), None),
            Who::Person(_) => (None, None),
        };
        let excluded = self.files.iter().any(|file| file.excluded);
        vec![
            ("no glass: purpose", ask.purpose == Purpose::BreakGlass),
            (
                "no glass: profession",
                profession == Some(Profession::Physician) || profession == Some(Profession::Nurse),
            ),
            (
                "no glass: role",
                entity.is_some_and(|entity| {
                    ENTITIES[entity] == Role::Hospital || ENTITIES[entity] == Role::Pharmacy
                }),
            ),
            ("no glass: none in the jurisdiction", self.glass_ticks > 0),
            ("no glass: excluded", !(excluded && self.excludable)),
            ("no glass: overdue", !self.overdue.contains(&ask.who)),
        ]
    }

    /// The first tick at which a grant is over, as far as is known before. Nobody knows when a party will end an agreement.
    fn ends(&self, file: &File, rule: &Rule) -> Tick {
        let mut ends = vec![rule.until];
        ends.extend(rule.revoked);
        if let Some(agreement) = rule.agreement {
            ends.push(self.pacts[agreement].until);
        }
        if let Some(parent) = rule.parent {
            ends.push(self.ends(file, &file.rules[parent]));
        }
        ends.into_iter().min().expect("its own")
    }
}

fn unmet(conditions: &Conditions) -> Vec<&'static str> {
    conditions
        .iter()
        .filter(|(_, met)| !met)
        .map(|(name, _)| *name)
        .collect()
}

fn is_to(to: To, who: Who) -> bool {
    let works_for = match who {
        Who::Entity(entity) | Who::Practitioner(entity, _) => Some(entity),
        Who::Person(_) => None,
    };
    match to {
        To::One(one) => one == who,
        To::WholeEntity(entity) => works_for == Some(entity),
        To::Profession(entity, profession) => who == Who::Practitioner(entity, profession),
        To::Role(role) => works_for.is_some_and(|entity| ENTITIES[entity] == role),
        To::Everybody => true,
    }
}

fn level(sensitivity: Sensitivity) -> u8 {
    match sensitivity {
        Sensitivity::Normal => 0,
        Sensitivity::Restricted => 1,
        Sensitivity::VeryRestricted => 2,
    }
}

fn day_atoms(day: u32) -> BTreeSet<Atom> {
    let mut atoms = BTreeSet::from([Atom::Rest(day)]);
    for reading in 0..READINGS {
        atoms.insert(Atom::Reading(day, reading));
    }
    atoms
}

fn atoms(what: What) -> BTreeSet<Atom> {
    match what {
        What::Reading(day, reading) => BTreeSet::from([Atom::Reading(day, reading)]),
        What::Days(first, last) => (first..=last).flat_map(day_atoms).collect(),
        What::All => {
            let mut all: BTreeSet<_> = (0..DAYS).flat_map(day_atoms).collect();
            all.insert(Atom::AnyOtherDay);
            all
        }
    }
}
