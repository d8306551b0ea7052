//! Research by both assents, what custodians say, erasure, and the audit trail.

use super::ward::*;
use crate::world::*;
use salus_contracts::native::access::{allowed_request, erasure, is_erased};
use salus_contracts::native::identity::trail;
use salus_primitives::access::{AccessEvent, Decision, Extent, Grantee};
use salus_primitives::audit::Trail;
use salus_primitives::calls::{ACCESS, AccessCall, CommunicationMode};
use salus_primitives::codec;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;

const BOTH: [u8; 2] = [HOSPITAL, INSTITUTE];

#[test]
fn research_needs_the_patients_assent_and_the_hospitals_and_ends_with_its_purpose() {
    let mut ward = Ward::new();
    // the patient's alone
    let proposed = ward.agreement(CommunicationMode::OnRequest, &[INSTITUTE]);
    ward.grant(research_terms(proposed));
    assert!(!ward.may(RESEARCHER, for_research(PATIENT)));
    // the hospital's alone
    let agreed = ward.agreement(CommunicationMode::OnRequest, &BOTH);
    assert!(!ward.may(RESEARCHER, for_research(PATIENT)));

    ward.grant(research_terms(agreed));

    let request = ward.by(RESEARCHER, &AccessCall::Request(for_research(PATIENT)));
    assert_ne!(decision(&ward.send(&request)), Decision::Denied);
    assert!(ward.may(INSTITUTE, for_research(PATIENT)));
    assert!(!ward.may(PHYSICIAN_B, for_research(PATIENT)));
    // days that have not ended are not for who asks each time
    let mut today = for_research(PATIENT);
    today.extent = Extent::Days {
        first: 20,
        last: 20,
    };
    assert!(!ward.may(RESEARCHER, today));
    let before = ward.generation(PATIENT);
    ward.end_agreement(agreed);
    assert!(!ward.may(RESEARCHER, for_research(PATIENT)));
    assert!(!ward.is_releasable(&request.body.id()));
    assert!(ward.generation(PATIENT) > before, "a new period begins");
}

/// An agreement's own end is the purpose's end too, at the exact block time.
#[test]
fn research_ends_when_the_agreement_runs_out() {
    let mut ward = Ward::new();
    let agreed = ward.agreement(CommunicationMode::Continuous, &BOTH);
    let mut long = research_terms(agreed);
    long.until = Timestamp::from_millis(START + 20 * DAY);
    ward.grant(long);

    ward.now = START + 10 * DAY - 1;
    assert!(ward.may(RESEARCHER, for_research(PATIENT)));
    ward.now = START + 10 * DAY;
    assert!(!ward.may(RESEARCHER, for_research(PATIENT)));
    assert_eq!(
        ward.run(PATIENT, &AccessCall::Grant(long)),
        "unknown_agreement"
    );
}

/// Only a custodian of this patient says that it released, once, and only for what was allowed.
#[test]
fn a_release_is_said_by_a_custodian_of_the_patient() {
    let mut ward = Ward::new();
    let request = ward.by(PHYSICIAN_A, &AccessCall::Request(for_treatment(PATIENT)));
    let denied = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(PATIENT)));
    ward.block(&[request.clone(), denied.clone()]);
    let request = request.body.id();
    let released = |request| AccessCall::Released { request };

    for who in [HOSPITAL, PATIENT, PHYSICIAN_A, CUSTODIAN_I] {
        assert_eq!(ward.run(who, &released(request)), "not_a_custodian");
    }
    for unknown in [denied.body.id(), TxId([1; 32])] {
        assert_eq!(ward.run(CUSTODIAN_A, &released(unknown)), "not_a_custodian");
    }
    assert_eq!(ward.run(CUSTODIAN_A, &released(request)), "ok");
    assert_eq!(ward.run(CUSTODIAN_A, &released(request)), "already_said");
    // it may say so later than the request's time
    ward.now += 2 * DAY;
    assert_eq!(ward.run(CUSTODIAN_P, &released(request)), "ok");
    let allowed = allowed_request(&ward.world.state, &request)
        .expect("memory")
        .expect("allowed");
    assert_eq!(allowed.released_by, [entity(HOSPITAL), entity(PHARMACY)]);
}

/// Erased data are shut for everybody, the patient too, and every custodian says for itself that it has destroyed its part.
#[test]
fn an_erasure_is_ordered_by_the_patients_side_and_carried_out_by_its_custodians() {
    let mut ward = Ward::new();
    let order = |last_day| AccessCall::Erase {
        subject: pseudonym(PATIENT),
        category: Category::VitalSigns,
        first_day: 10,
        last_day,
    };
    assert_eq!(ward.run(DOUBLE, &order(20)), "not_the_patients_side");
    assert_eq!(ward.run(PHYSICIAN_A, &order(20)), "not_a_person");
    assert_eq!(ward.run(PATIENT, &order(21)), "erases_the_future");
    assert!(ward.may(PATIENT, for_treatment(PATIENT)));

    let ordered = ward.done(PATIENT, &order(20));

    for who in [PATIENT, PHYSICIAN_A] {
        assert!(!ward.may(who, for_treatment(PATIENT)));
    }
    // another kind, and days beyond, stay
    let mut claims = for_treatment(PATIENT);
    claims.category = Category::Claims;
    assert!(ward.may(PHYSICIAN_A, claims));
    let mut wider = for_treatment(PATIENT);
    wider.extent = Extent::Days { first: 9, last: 20 };
    assert!(ward.may(PHYSICIAN_A, wider));
    let erased = AccessCall::Erased { order: ordered };
    for who in [HOSPITAL, PATIENT, CUSTODIAN_I] {
        assert_eq!(ward.run(who, &erased), "not_a_custodian");
    }
    let first = ward.by(CUSTODIAN_P, &erased);
    let receipt = ward.send(&first);
    assert_eq!(
        events(&receipt),
        [AccessEvent::Erased {
            order: ordered,
            subject: pseudonym(PATIENT),
            custodian: entity(PHARMACY),
            missing: 1,
        }]
    );
    assert_eq!(ward.run(CUSTODIAN_P, &erased), "already_said");
    assert_eq!(ward.run(CUSTODIAN_A, &erased), "ok");
    let row = erasure(&ward.world.state, &ordered)
        .expect("memory")
        .expect("ordered");
    assert_eq!(row.missing, []);
    let day = |day| {
        let subject = pseudonym(PATIENT);
        is_erased(&ward.world.state, &subject, Category::VitalSigns, day).expect("memory")
    };
    assert_eq!([9, 10, 20, 21].map(day), [false, true, true, false]);
}

/// A request that was allowed and not released is shut by what comes after it.
#[test]
fn what_was_allowed_is_not_released_after_a_denial_an_erasure_or_a_dismissal() {
    let deny = |ward: &mut Ward| {
        ward.done(PATIENT, &AccessCall::Deny(terms(Grantee::Everybody)));
    };
    let erase = |ward: &mut Ward| {
        let erase = AccessCall::Erase {
            subject: pseudonym(PATIENT),
            category: Category::VitalSigns,
            first_day: 0,
            last_day: 20,
        };
        ward.done(PATIENT, &erase);
    };
    let dismiss = |ward: &mut Ward| {
        let call = salus_primitives::calls::IdentityCall::RevokePractitioner {
            practitioner: practitioner(PHYSICIAN_A),
        };
        assert_eq!(ward.identify(HOSPITAL, &call), "ok");
    };
    let late = |ward: &mut Ward| ward.now += DAY;
    let shut: [fn(&mut Ward); 4] = [deny, erase, dismiss, late];
    for shut in shut {
        let mut ward = Ward::new();
        let request = ward.done(PHYSICIAN_A, &AccessCall::Request(for_treatment(PATIENT)));
        assert!(ward.is_releasable(&request));

        shut(&mut ward);

        assert!(!ward.is_releasable(&request));
    }
}

/// Every event about a patient, of whatever contract, in order: the trail in the state is that of the receipts.
#[test]
fn the_trail_is_that_of_all_events() {
    let mut ward = Ward::new();
    let start = trail(&ward.world.state, &ward.registered(PATIENT)).expect("memory");
    assert_eq!(start.count, 1, "it was registered");
    let mut expected = start;
    let grant = ward.by(
        PATIENT,
        &AccessCall::Grant(terms(Grantee::Entity(entity(HOSPITAL_B)))),
    );
    let calls = [
        (PHYSICIAN_B, AccessCall::Request(for_treatment(PATIENT))),
        (CLERK, AccessCall::Request(for_treatment(PATIENT))),
        (PHYSICIAN_B, AccessCall::Request(for_treatment(CHILD))),
        (
            PHYSICIAN_B,
            AccessCall::BreakGlass {
                request: for_life(PATIENT),
                reason: salus_primitives::calls::BreakGlassReason::Unconscious,
            },
        ),
        (
            PATIENT,
            AccessCall::Erase {
                subject: pseudonym(PATIENT),
                category: Category::Claims,
                first_day: 0,
                last_day: 1,
            },
        ),
    ];
    let mut block = vec![grant];
    block.extend(calls.iter().map(|(who, call)| ward.by(*who, call)));

    let receipts = ward.block(&block);

    for receipt in &receipts {
        for event in &receipt.events {
            assert_eq!(event.contract, ACCESS);
            let about: AccessEvent = codec::decode(event.data.as_slice(), 1024).expect("an event");
            if about.subject() == Some(pseudonym(PATIENT)) {
                expected = expected.after(&receipt.transaction, event);
            }
        }
    }
    let found: Trail = trail(&ward.world.state, &ward.registered(PATIENT)).expect("memory");
    assert_eq!(found, expected);
    assert_eq!(found.count, 1 + 6);
}
