//! Vectors of the words of access, its calls and events, and of what the contract keeps.

use crate::vectors::{Built, one, only};
use salus_contracts::native::access::dossier::{Effect, ErasedDays, Rule};
use salus_contracts::native::access::{
    AllowedRequest, ClosedReview, Dossier, Erasure, OpenReview, Review,
};
use salus_primitives::access::{
    AccessEvent, AccessRequest, AgreementId, Basis, Categories, Decision, Extent, GrantId, Grantee,
    Passing, Purpose, Purposes, Requester, Sensitivity, Terms,
};
use salus_primitives::calls::{
    AccessCall, BreakGlassReason, BreakGlassRules, Change, Jurisdiction, Profession, ReviewVerdict,
    Role,
};
use salus_primitives::ids::{DeviceId, EntityId, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym, ReadingId};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;

const SUBJECT: Pseudonym = Pseudonym([7; 32]);
const PERSON: Pseudonym = Pseudonym([8; 32]);
const PRACTITIONER: PractitionerId = PractitionerId([10; 32]);
const GRANT: GrantId = GrantId([11; 32]);
const TX: TxId = TxId([12; 32]);
const RULES: BreakGlassRules = BreakGlassRules::DEFAULT;

const fn at(time: u64) -> Timestamp {
    Timestamp::from_millis(time)
}

const fn entity() -> EntityId {
    EntityId([9; 32])
}

fn jurisdiction() -> Jurisdiction {
    Jurisdiction::of_name("DE-BY").expect("a name")
}

fn terms() -> Terms {
    Terms {
        subject: SUBJECT,
        grantee: Grantee::Practitioner(PRACTITIONER),
        categories: Categories::from_iter([Category::VitalSigns, Category::Claims]),
        sensitivity: Sensitivity::Restricted,
        purposes: Purposes::from_iter([Purpose::Treatment, Purpose::PublicHealth]),
        extent: Extent::Days {
            first: 0x0102,
            last: 0x0103,
        },
        from: at(0x0104),
        until: at(0x0105),
        passing: Passing::Once,
        agreement: Some(AgreementId([13; 32])),
    }
}

fn asked() -> AccessRequest {
    AccessRequest {
        subject: SUBJECT,
        category: Category::Laboratory,
        sensitivity: Sensitivity::Normal,
        purpose: Purpose::Treatment,
        extent: Extent::Days {
            first: 0x0102,
            last: 0x0103,
        },
    }
}

/// What rules, requests and decisions are written in.
pub(crate) fn words() -> Vec<Built> {
    let mut words = vec![
        only(GRANT),
        only(terms().categories),
        only(terms().purposes),
        only(terms()),
        only(asked()),
        only(RULES),
        only(jurisdiction()),
        one("all", Extent::All),
        one("days", terms().extent),
        one(
            "reading",
            Extent::Reading {
                day: 0x0102,
                device: DeviceId([14; 32]),
                reading: ReadingId([15; 32]),
            },
        ),
        one("denied", Decision::Denied),
        one(
            "allowed",
            Decision::Allowed {
                basis: Basis::Grant(GRANT),
                until: at(0x0102),
            },
        ),
    ];
    words.extend(Purpose::ALL.map(|it| one(it.code(), it)));
    words.extend(Sensitivity::ALL.map(|it| one(it.code(), it)));
    words.extend(Profession::ALL.map(|it| one(it.name(), it)));
    words.extend(
        [
            ("practitioner", Grantee::Practitioner(PRACTITIONER)),
            ("person", Grantee::Person(PERSON)),
            ("entity", Grantee::Entity(entity())),
            (
                "profession",
                Grantee::Profession {
                    entity: entity(),
                    profession: Profession::Nurse,
                },
            ),
            ("role", Grantee::Role(Role::Insurer)),
            ("everybody", Grantee::Everybody),
        ]
        .map(|(which, it)| one(which, it)),
    );
    words.extend(
        [
            ("practitioner", Requester::Practitioner(PRACTITIONER)),
            ("person", Requester::Person(PERSON)),
            ("entity", Requester::Entity(entity())),
        ]
        .map(|(which, it)| one(which, it)),
    );
    words.extend(
        [
            ("patient's side", Basis::PatientsSide),
            ("relation", Basis::Relation),
            ("grant", Basis::Grant(GRANT)),
            ("broken glass", Basis::BrokenGlass),
        ]
        .map(|(which, it)| one(which, it)),
    );
    words.extend([
        one("never", Passing::Never),
        one("once", Passing::Once),
        one("life threatening", BreakGlassReason::LifeThreatening),
        one("unconscious", BreakGlassReason::Unconscious),
        one("danger to others", BreakGlassReason::DangerToOthers),
        one("justified", ReviewVerdict::Justified),
        one("unjustified", ReviewVerdict::Unjustified),
    ]);
    words
}

pub(crate) fn calls() -> Vec<Built> {
    let mut glass = asked();
    glass.purpose = Purpose::BreakGlass;
    let mut calls: Vec<_> = [
        ("grant", AccessCall::Grant(terms())),
        ("deny", AccessCall::Deny(terms())),
        (
            "revoke",
            AccessCall::Revoke {
                subject: SUBJECT,
                grant: GRANT,
            },
        ),
        (
            "pass on",
            AccessCall::PassOn {
                subject: SUBJECT,
                grant: GRANT,
                to: Grantee::Person(PERSON),
                until: at(0x0102),
            },
        ),
        ("request", AccessCall::Request(asked())),
        (
            "break glass",
            AccessCall::BreakGlass {
                request: glass,
                reason: BreakGlassReason::Unconscious,
            },
        ),
        (
            "close review",
            AccessCall::CloseReview {
                request: TX,
                verdict: ReviewVerdict::Unjustified,
            },
        ),
        (
            "exclude break glass",
            AccessCall::ExcludeBreakGlass {
                subject: SUBJECT,
                excluded: true,
            },
        ),
        ("released", AccessCall::Released { request: TX }),
        (
            "erase",
            AccessCall::Erase {
                subject: SUBJECT,
                category: Category::Waveform,
                first_day: 0x0102,
                last_day: 0x0103,
            },
        ),
        ("erased", AccessCall::Erased { order: TX }),
    ]
    .into_iter()
    .map(|(which, it)| one(which, it))
    .collect();
    calls.extend([
        one(
            "set break glass",
            Change::SetBreakGlass {
                jurisdiction: jurisdiction(),
                rules: RULES,
            },
        ),
        one(
            "assign jurisdiction",
            Change::AssignJurisdiction {
                entity: entity(),
                jurisdiction: jurisdiction(),
            },
        ),
    ]);
    calls
}

pub(crate) fn made_known() -> Vec<Built> {
    [
        (
            "granted",
            AccessEvent::Granted {
                grant: GRANT,
                terms: terms(),
                passed_from: Some(GrantId([16; 32])),
            },
        ),
        (
            "forbidden",
            AccessEvent::Forbidden {
                grant: GRANT,
                terms: terms(),
            },
        ),
        (
            "revoked",
            AccessEvent::Revoked {
                subject: SUBJECT,
                grant: GRANT,
            },
        ),
        (
            "decided",
            AccessEvent::Decided {
                request: TX,
                requester: Requester::Practitioner(PRACTITIONER),
                entity: entity(),
                asked: asked(),
                decision: Decision::Denied,
            },
        ),
        (
            "glass broken",
            AccessEvent::GlassBroken {
                request: TX,
                subject: SUBJECT,
                reason: BreakGlassReason::LifeThreatening,
                review_due: at(0x0102),
            },
        ),
        (
            "review closed",
            AccessEvent::ReviewClosed {
                request: TX,
                subject: SUBJECT,
                verdict: ReviewVerdict::Justified,
                reviewer: Requester::Entity(entity()),
            },
        ),
        (
            "break glass excluded",
            AccessEvent::BreakGlassExcluded {
                subject: SUBJECT,
                excluded: true,
            },
        ),
        (
            "released",
            AccessEvent::Released {
                request: TX,
                subject: SUBJECT,
                custodian: entity(),
            },
        ),
        (
            "erasure ordered",
            AccessEvent::ErasureOrdered {
                order: TX,
                subject: SUBJECT,
                category: Category::Medication,
                first_day: 0x0102,
                last_day: 0x0103,
            },
        ),
        (
            "erased",
            AccessEvent::Erased {
                order: TX,
                subject: SUBJECT,
                custodian: entity(),
                missing: 1,
            },
        ),
        (
            "break glass set",
            AccessEvent::BreakGlassSet {
                jurisdiction: jurisdiction(),
                rules: RULES,
            },
        ),
        (
            "jurisdiction assigned",
            AccessEvent::JurisdictionAssigned {
                entity: entity(),
                jurisdiction: jurisdiction(),
            },
        ),
    ]
    .into_iter()
    .map(|(which, it)| one(which, it))
    .collect()
}

pub(crate) fn stored() -> Vec<Built> {
    let rule = Rule {
        id: GRANT,
        effect: Effect::Permits,
        terms: terms(),
        passed_from: Some(GrantId([16; 32])),
        passed_on: true,
        revoked_at: Some(at(0x0102)),
    };
    let erased = ErasedDays {
        category: Category::Claims,
        first: 0x0102,
        last: 0x0103,
    };
    let closed = ClosedReview {
        verdict: ReviewVerdict::Justified,
        by: Requester::Practitioner(PRACTITIONER),
        at: at(0x0104),
    };
    let review = Review {
        due: at(0x0103),
        closed: Some(closed),
    };
    let due = at(0x0103);
    vec![
        one("permits", Effect::Permits),
        one("forbids", Effect::Forbids),
        only(rule),
        only(erased),
        only(Dossier {
            subject: SUBJECT,
            rules: vec![rule],
            break_glass_excluded: true,
            erased: vec![erased],
            glasses: vec![at(0x0104)],
            forgotten_turns: 0x0105,
        }),
        only(closed),
        only(review),
        only(OpenReview { request: TX, due }),
        only(AllowedRequest {
            requester: Requester::Practitioner(PRACTITIONER),
            entity: entity(),
            asked: asked(),
            basis: Basis::BrokenGlass,
            at: at(0x0101),
            until: at(0x0102),
            released_by: vec![entity()],
            review: Some(review),
        }),
        only(Erasure {
            subject: SUBJECT,
            category: Category::Claims,
            first_day: 0x0102,
            last_day: 0x0103,
            at: at(0x0104),
            missing: vec![entity()],
        }),
    ]
}
