//! Draws small worlds, and says them in the contract's words.

use super::dice::Dice;
use super::model::{
    Ask, CATEGORIES, DAYS, ENTITIES, File, PERSONS, Pact, READINGS, Rule, Tick, To, What, Who,
    World,
};
use salus_contracts::native::access::decide::{Party, Patient};
use salus_contracts::native::access::dossier::{
    self, Dossier, Effect, ErasedDays, Footing, Footings,
};
use salus_primitives::access::{
    AccessRequest, AgreementId, Extent, GrantId, Grantee, Passing, Purpose, Requester, Sensitivity,
    Terms,
};
use salus_primitives::calls::{Agreement, BreakGlassRules, CommunicationMode, Profession, Role};
use salus_primitives::ids::{DeviceId, EntityId, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym, ReadingId};
use salus_primitives::time::Timestamp;

/// The last tick, and the last day with it, that anything happens at.
pub(crate) const TICKS: Tick = 2 * DAYS as u64;

/// Half a day. Days are those since 1970, so that the first tick is its first midnight.
const TICK_MS: u64 = 43_200_000;

/// Professions of the small world: few, so that rules meet.
const PROFESSIONS: [Profession; 4] = [
    Profession::Physician,
    Profession::Nurse,
    Profession::Researcher,
    Profession::PrivacyOfficer,
];

/// Everybody there is.
pub(crate) fn everybody() -> Vec<Who> {
    let entities = 0..ENTITIES.len();
    let mut all: Vec<Who> = entities.clone().map(Who::Entity).collect();
    for entity in entities {
        all.extend(PROFESSIONS.map(|profession| Who::Practitioner(entity, profession)));
    }
    all.extend((0..PERSONS).map(Who::Person));
    all
}

pub(crate) fn world(dice: &mut Dice) -> World {
    let merged = dice.once_in(3);
    let pacts = (0..2).map(|_| pact(dice)).collect();
    let files = (0..1 + usize::from(merged)).map(|_| file(dice)).collect();
    let mut side = std::collections::BTreeMap::new();
    for person in [0, 1, 2, 3] {
        if dice.once_in(if person == 0 { 2 } else { 4 }) {
            let until = dice
                .once_in(2)
                .then(|| 1 + dice.below(TICKS as usize) as Tick);
            side.insert(person, until);
        }
    }
    let overdue = everybody()
        .into_iter()
        .filter(|_| dice.once_in(4))
        .collect();
    World {
        registered: !dice.once_in(40),
        files,
        pacts,
        side,
        glass_ticks: dice.pick(&[0, 1, 1, 2]),
        excludable: dice.once_in(2),
        overdue,
    }
}

fn file(dice: &mut Dice) -> File {
    let mut rules: Vec<Rule> = vec![];
    for _ in 0..dice.below(9) {
        let passable: Vec<usize> = (0..rules.len())
            .filter(|n| rules[*n].permits && rules[*n].parent.is_none())
            .collect();
        let rule = if !passable.is_empty() && dice.once_in(4) {
            let parent = dice.pick(&passable);
            passed_on(dice, parent, &rules[parent])
        } else {
            rule(dice)
        };
        rules.push(rule);
    }
    File {
        rules,
        excluded: dice.once_in(4),
        erased: (0..dice.below(3))
            .map(|_| {
                let (first, last) = span(dice);
                (dice.below(CATEGORIES), first, last)
            })
            .collect(),
    }
}

fn rule(dice: &mut Dice) -> Rule {
    let permits = !dice.once_in(4);
    let (from, until) = window(dice);
    let mut purposes: Vec<Purpose> = Purpose::ALL
        .into_iter()
        .filter(|purpose| !permits || *purpose != Purpose::BreakGlass || dice.once_in(8))
        .collect();
    if !dice.once_in(3) {
        purposes = dice.some(&purposes);
    }
    Rule {
        permits,
        to: to(dice, permits),
        categories: sample(dice, &[0, 1]),
        sensitivity: dice.pick(&Sensitivity::ALL),
        purposes,
        what: what(dice, true),
        from,
        until,
        agreement: (permits && dice.once_in(2)).then(|| dice.below(2)),
        parent: None,
        revoked: dice.once_in(4).then(|| dice.below(TICKS as usize) as Tick),
    }
}

/// The same terms, to somebody by name, with any window: the chain's is the narrower.
fn passed_on(dice: &mut Dice, parent: usize, first: &Rule) -> Rule {
    Rule {
        to: match dice.pick(&everybody()) {
            Who::Entity(entity) => To::WholeEntity(entity),
            one => To::One(one),
        },
        from: if dice.once_in(2) { first.from } else { 0 },
        until: if dice.once_in(2) { first.until } else { TICKS },
        parent: Some(parent),
        revoked: dice.once_in(4).then(|| dice.below(TICKS as usize) as Tick),
        ..first.clone()
    }
}

fn pact(dice: &mut Dice) -> Pact {
    let (from, until) = window(dice);
    let mut parties: Vec<usize> = (0..ENTITIES.len()).filter(|_| !dice.once_in(4)).collect();
    if dice.once_in(6) {
        parties.retain(|party| *party != 0);
    }
    Pact {
        parties,
        receivers: Role::ALL.into_iter().filter(|_| !dice.once_in(4)).collect(),
        categories: sample(dice, &[0, 1]),
        purposes: Purpose::ALL
            .into_iter()
            .filter(|_| !dice.once_in(4))
            .collect(),
        continuous: dice.once_in(2),
        from,
        until,
        signed: !dice.once_in(8),
        ended: dice.once_in(4).then(|| dice.below(TICKS as usize) as Tick),
    }
}

fn to(dice: &mut Dice, permits: bool) -> To {
    let entity = dice.below(ENTITIES.len());
    match dice.below(if permits { 5 } else { 6 }) {
        0 => To::One(Who::Practitioner(entity, dice.pick(&PROFESSIONS))),
        1 => To::One(Who::Person(dice.below(PERSONS))),
        2 => To::WholeEntity(entity),
        3 => To::Profession(entity, dice.pick(&PROFESSIONS)),
        4 => To::Role(dice.pick(&Role::ALL)),
        _ => To::Everybody,
    }
}

/// Mostly all of them.
fn sample(dice: &mut Dice, of: &[usize]) -> Vec<usize> {
    if dice.once_in(2) {
        of.to_vec()
    } else {
        dice.some(of)
    }
}

fn span(dice: &mut Dice) -> (u32, u32) {
    let first = dice.below(DAYS as usize) as u32;
    let last = first + dice.below((DAYS - first) as usize) as u32;
    (first, last)
}

fn what(dice: &mut Dice, all: bool) -> What {
    let (first, last) = span(dice);
    match dice.below(if all { 6 } else { 3 }) {
        0 => What::Reading(first, dice.below(READINGS)),
        1 | 2 => What::Days(first, last),
        _ => What::All,
    }
}

/// Mostly long ones, so that grants hold often, with their ends among the ticks.
fn window(dice: &mut Dice) -> (Tick, Tick) {
    let from = dice.below(TICKS as usize / 2) as Tick;
    let until = from + 1 + dice.below((TICKS - from) as usize) as Tick;
    (from, until)
}

/// Anything, or mostly what a rule is about, so that single conditions decide.
pub(crate) fn ask(dice: &mut Dice, world: &World, who: Who) -> Ask {
    let mut ask = Ask {
        who,
        category: dice.below(CATEGORIES),
        sensitivity: dice.pick(&Sensitivity::ALL),
        purpose: dice.pick(&Purpose::ALL),
        what: what(dice, false),
        now: dice.below(TICKS as usize) as Tick,
    };
    let rules: Vec<&Rule> = world.files.iter().flat_map(|file| &file.rules).collect();
    if rules.is_empty() || dice.once_in(2) {
        return ask;
    }
    let rule = rules[dice.below(rules.len())];
    if !rule.categories.is_empty() {
        ask.category = dice.pick(&rule.categories);
    }
    if !rule.purposes.is_empty() {
        ask.purpose = dice.pick(&rule.purposes);
    }
    if rule.what != What::All {
        ask.what = rule.what;
    }
    ask.sensitivity = rule.sensitivity;
    match dice.below(3) {
        0 => ask.purpose = dice.pick(&Purpose::ALL),
        1 => ask.sensitivity = dice.pick(&Sensitivity::ALL),
        _ => {}
    }
    ask
}

pub(crate) fn time(tick: Tick) -> Timestamp {
    Timestamp::from_millis(tick * TICK_MS)
}

/// The facts at a tick: agreements are known as they stand then.
pub(crate) fn patient(world: &World, now: Tick) -> Option<Patient> {
    let footings = world.pacts.iter().enumerate().map(|(n, pact)| {
        let footing = Footing {
            agreement: Agreement {
                parties: pact.parties.iter().map(|n| entity(*n)).collect(),
                receivers: pact.receivers.clone(),
                categories: pact.categories.iter().map(|n| category(*n)).collect(),
                purposes: pact.purposes.iter().copied().collect(),
                mode: if pact.continuous {
                    CommunicationMode::Continuous
                } else {
                    CommunicationMode::OnRequest
                },
                from: time(pact.from),
                until: time(pact.until),
            },
            signed: pact.signed,
            ended: pact.ended.is_some_and(|tick| tick <= now),
        };
        (agreement(n), footing)
    });
    world.registered.then(|| Patient {
        relation: entity(0),
        side: world
            .side
            .iter()
            .map(|(person, until)| (pseudonym(*person), until.map(time)))
            .collect(),
        dossiers: world
            .files
            .iter()
            .enumerate()
            .map(|(n, file)| dossier(n, file))
            .collect(),
        footings: Footings(footings.collect()),
        break_glass: BreakGlassRules {
            minutes: u16::try_from(world.glass_ticks * TICK_MS / 60_000).expect("few"),
            review_hours: 1,
            excludable: world.excludable,
        },
    })
}

fn dossier(n: usize, file: &File) -> Dossier {
    let mut dossier = Dossier::new(pseudonym(n));
    dossier.rules = file
        .rules
        .iter()
        .enumerate()
        .map(|(index, rule)| dossier::Rule {
            id: grant(n, index),
            effect: if rule.permits {
                Effect::Permits
            } else {
                Effect::Forbids
            },
            terms: Terms {
                subject: pseudonym(n),
                grantee: grantee(rule.to),
                categories: rule.categories.iter().map(|n| category(*n)).collect(),
                sensitivity: rule.sensitivity,
                purposes: rule.purposes.iter().copied().collect(),
                extent: extent(rule.what),
                from: time(rule.from),
                until: time(rule.until),
                passing: Passing::Once,
                agreement: rule.agreement.map(agreement),
            },
            passed_from: rule.parent.map(|parent| grant(n, parent)),
            passed_on: false,
            revoked_at: rule.revoked.map(time),
        })
        .collect();
    dossier.break_glass_excluded = file.excluded;
    for (kind, first, last) in &file.erased {
        let days = ErasedDays {
            category: category(*kind),
            first: *first,
            last: *last,
        };
        dossier.erase(days).expect("few");
    }
    dossier
}

pub(crate) fn party(world: &World, who: Who) -> Party {
    let (entity_index, profession) = match who {
        Who::Entity(n) => (n, None),
        Who::Practitioner(n, profession) => (n, Some(profession)),
        Who::Person(_) => (0, None),
    };
    Party {
        who: requester(who),
        entity: entity(entity_index),
        role: ENTITIES[entity_index],
        profession,
        review_overdue: world.overdue.contains(&who),
    }
}

pub(crate) fn request(ask: &Ask) -> AccessRequest {
    AccessRequest {
        subject: pseudonym(0),
        category: category(ask.category),
        sensitivity: ask.sensitivity,
        purpose: ask.purpose,
        extent: extent(ask.what),
    }
}

pub(crate) fn requester(who: Who) -> Requester {
    match who {
        Who::Entity(n) => Requester::Entity(entity(n)),
        Who::Practitioner(n, profession) => Requester::Practitioner(practitioner(n, profession)),
        Who::Person(n) => Requester::Person(pseudonym(n)),
    }
}

fn grantee(to: To) -> Grantee {
    match to {
        To::One(Who::Entity(n)) | To::WholeEntity(n) => Grantee::Entity(entity(n)),
        To::One(Who::Practitioner(n, profession)) => {
            Grantee::Practitioner(practitioner(n, profession))
        }
        To::One(Who::Person(n)) => Grantee::Person(pseudonym(n)),
        To::Profession(n, profession) => Grantee::Profession {
            entity: entity(n),
            profession,
        },
        To::Role(role) => Grantee::Role(role),
        To::Everybody => Grantee::Everybody,
    }
}

fn extent(what: What) -> Extent {
    match what {
        What::Reading(day, n) => Extent::Reading {
            day,
            device: DeviceId([9; 32]),
            reading: ReadingId([n as u8; 32]),
        },
        What::Days(first, last) => Extent::Days { first, last },
        What::All => Extent::All,
    }
}

pub(crate) fn entity(n: usize) -> EntityId {
    EntityId([n as u8; 32])
}

pub(crate) fn pseudonym(n: usize) -> Pseudonym {
    Pseudonym([n as u8; 32])
}

fn practitioner(n: usize, profession: Profession) -> PractitionerId {
    PractitionerId([(n * 10) as u8 + profession as u8; 32])
}

fn category(n: usize) -> Category {
    Category::ALL[n]
}

pub(crate) fn grant(file: usize, index: usize) -> GrantId {
    GrantId([(file * 100 + index) as u8; 32])
}

fn agreement(n: usize) -> AgreementId {
    AgreementId([n as u8; 32])
}
