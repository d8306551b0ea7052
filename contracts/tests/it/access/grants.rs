//! Rules: who may lay them down, what they open and close, and exactly until when.

use super::ward::*;
use crate::world::*;
use salus_contracts::context::BlockContext;
use salus_contracts::native::access::dossier::RULES_MAX;
use salus_contracts::overlay::Overlay;
use salus_primitives::access::{
    Basis, Decision, Extent, GrantId, Grantee, Passing, Purpose, Sensitivity, Terms,
};
use salus_primitives::calls::{AccessCall, IdentityCall, Role};
use salus_primitives::codec;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;

const TO_B: Grantee = Grantee::Role(Role::Hospital);

/// At the last millisecond a grant opens, at its end it does not, on a node that has the state committed as on one that has it on a branch.
#[test]
fn a_grant_ends_at_its_exact_block_time_on_all_nodes_alike() {
    let mut ward = Ward::new();
    let grant = ward.grant(terms(Grantee::Practitioner(practitioner(PHYSICIAN_B))));
    let end = Timestamp::from_millis(START + HOUR);
    let request = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(PATIENT)));

    ward.now = START + HOUR - 1;
    let before = ward.outcome(std::slice::from_ref(&request));
    ward.now = START + HOUR;
    let after = ward.outcome(std::slice::from_ref(&request));

    assert_eq!(
        decision(&before.receipts[0]),
        Decision::Allowed {
            basis: Basis::Grant(grant),
            until: end
        }
    );
    assert_eq!(decision(&after.receipts[0]), Decision::Denied);
    let overlay = Overlay::new(&ward.world.state);
    let again = ward
        .world
        .executor
        .execute_block(
            BlockContext {
                height: ward.world.next().height,
                time: end,
            },
            &[request],
            &overlay,
            &ward.world.demotions(),
        )
        .expect("memory");
    assert_eq!(again, after);
}

/// Nobody else's grant counts, whoever forges it, and nobody learns by trying whether there is such a patient.
#[test]
fn rules_are_the_patients_side_to_lay_down() {
    let mut ward = Ward::new();
    let forged = |subject: u8| {
        let mut terms = terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)));
        terms.subject = pseudonym(subject);
        terms
    };
    for subject in [PATIENT, CHILD, NOBODY] {
        for call in [
            AccessCall::Grant(forged(subject)),
            AccessCall::Deny(forged(subject)),
            AccessCall::Revoke {
                subject: pseudonym(subject),
                grant: GrantId([1; 32]),
            },
            AccessCall::ExcludeBreakGlass {
                subject: pseudonym(subject),
                excluded: true,
            },
        ] {
            assert_eq!(ward.run(DOUBLE, &call), "not_the_patients_side", "{call:?}");
            for who in [PHYSICIAN_B, PHYSICIAN_A, HOSPITAL, MINISTRY, CUSTODIAN_A] {
                assert_eq!(ward.run(who, &call), "not_a_person", "{call:?}");
            }
        }
    }

    assert_eq!(ward.dossier(PATIENT), None);
    assert!(!ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
}

/// Before a revocation in a block a request is allowed, after it not; what it had opened and was not released is not released any more.
#[test]
fn a_revocation_counts_from_the_next_transaction_on_and_cannot_be_replayed() {
    let mut ward = Ward::new();
    let grant = ward.grant(terms(Grantee::Practitioner(practitioner(PHYSICIAN_B))));
    let revoke = AccessCall::Revoke {
        subject: pseudonym(PATIENT),
        grant,
    };
    let first = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(PATIENT)));
    let revocation = ward.by(PATIENT, &revoke);
    let second = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(PATIENT)));
    assert_eq!(ward.generation(PATIENT), Some(0));

    let receipts = ward.block(&[first.clone(), revocation.clone(), second]);

    assert_ne!(decision(&receipts[0]), Decision::Denied);
    assert_eq!(decision(&receipts[2]), Decision::Denied);
    assert!(!ward.is_releasable(&first.body.id()));
    assert_eq!(ward.generation(PATIENT), Some(1));
    assert_eq!(reason(&ward.send(&revocation)), "rule_not_live");
    // a new grant is another rule, which the old revocation does not name
    ward.grant(terms(TO_B));
    assert_eq!(ward.run(PATIENT, &revoke), "rule_not_live");
    assert!(ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
}

#[test]
fn a_grant_is_passed_on_once_and_no_further_and_falls_with_the_first() {
    let mut ward = Ward::new();
    let grant = ward.grant(Terms {
        passing: Passing::Once,
        ..terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)))
    });
    let pass_on = |grant, to: u8, until| AccessCall::PassOn {
        subject: pseudonym(PATIENT),
        grant,
        to: Grantee::Practitioner(practitioner(to)),
        until: Timestamp::from_millis(until),
    };
    let end = START + HOUR;
    // who is not named, and about whom there is nothing to pass on
    for (who, subject, id) in [
        (COLLEAGUE_B, PATIENT, grant),
        (HOSPITAL_B, PATIENT, grant),
        (PHYSICIAN_B, NOBODY, grant),
        (PHYSICIAN_B, CHILD, grant),
        (PHYSICIAN_B, PATIENT, GrantId([1; 32])),
    ] {
        let call = AccessCall::PassOn {
            subject: pseudonym(subject),
            grant: id,
            to: Grantee::Practitioner(practitioner(NURSE_B)),
            until: Timestamp::from_millis(end),
        };
        assert_eq!(ward.run(who, &call), "not_yours");
    }
    assert_eq!(
        ward.run(PHYSICIAN_B, &pass_on(grant, NURSE_B, end + 1)),
        "bad_window"
    );

    let passed = GrantId::from(ward.done(PHYSICIAN_B, &pass_on(grant, NURSE_B, end)));

    let nurse = ward.ask(NURSE_B, for_treatment(PATIENT));
    assert!(
        matches!(nurse, Decision::Allowed { basis: Basis::Grant(id), .. } if id == passed),
        "{nurse:?}"
    );
    assert_eq!(
        ward.run(PHYSICIAN_B, &pass_on(grant, COLLEAGUE_B, end)),
        "already_passed_on"
    );
    assert_eq!(
        ward.run(NURSE_B, &pass_on(passed, COLLEAGUE_B, end)),
        "not_to_be_passed_on"
    );
    ward.done(
        PATIENT,
        &AccessCall::Revoke {
            subject: pseudonym(PATIENT),
            grant,
        },
    );
    assert!(!ward.may(NURSE_B, for_treatment(PATIENT)));
    assert_eq!(ward.generation(PATIENT), Some(2));
}

/// A minor's guardian until the very time, then the person itself, once it has keys, and not the guardian.
#[test]
fn a_guardian_acts_until_the_child_is_of_age() {
    let mut ward = Ward::new();
    let mut terms = terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)));
    terms.subject = pseudonym(CHILD);
    terms.until = Timestamp::from_millis(OF_AGE + DAY);
    let grant = AccessCall::Grant(terms);
    assert!(ward.may(RELATIVE, for_treatment(CHILD)));

    ward.now = OF_AGE - 1;
    assert_eq!(ward.generation(CHILD), Some(0));
    let last = ward.by(RELATIVE, &grant);
    assert_eq!(reason(&ward.outcome(&[last]).receipts[0]), "ok");
    ward.now = OF_AGE;
    assert_eq!(ward.generation(CHILD), Some(1));

    assert_eq!(ward.run(RELATIVE, &grant), "not_the_patients_side");
    assert!(!ward.may(RELATIVE, for_treatment(CHILD)));
    let keys_of = IdentityCall::SetPersonKeys {
        person: pseudonym(CHILD),
        keys: keys(CHILD),
    };
    assert_eq!(ward.identify(HOSPITAL, &keys_of), "ok");
    assert_eq!(ward.run(CHILD, &grant), "ok");
}

/// A dismissed delegate can do nothing more; what it granted stays, as what the patient lets stay.
#[test]
fn a_delegate_acts_until_it_is_dismissed() {
    let mut ward = Ward::new();
    let appoint = IdentityCall::AppointDelegate {
        person: pseudonym(PATIENT),
        delegate: pseudonym(RELATIVE),
        until: Timestamp::from_millis(START + DAY),
    };
    let dismiss = IdentityCall::EndRepresentation {
        person: pseudonym(PATIENT),
        representative: pseudonym(RELATIVE),
    };
    let grant = AccessCall::Grant(terms(Grantee::Practitioner(practitioner(PHYSICIAN_B))));
    assert_eq!(ward.identify(PATIENT, &appoint), "ok");
    assert_eq!(ward.run(RELATIVE, &grant), "ok");
    let before = ward.generation(PATIENT);

    assert_eq!(ward.identify(PATIENT, &dismiss), "ok");

    assert!(
        ward.generation(PATIENT) > before,
        "the delegate may hold the day's key"
    );
    assert_eq!(ward.run(RELATIVE, &grant), "not_the_patients_side");
    assert!(ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
}

#[test]
fn a_denial_wins_over_grants_and_relation_and_not_over_the_patients_side() {
    let mut ward = Ward::new();
    ward.grant(terms(TO_B));
    for who in [PHYSICIAN_A, PHYSICIAN_B, PATIENT] {
        assert!(ward.may(who, for_treatment(PATIENT)));
    }

    let denial = ward.done(PATIENT, &AccessCall::Deny(terms(Grantee::Everybody)));

    assert!(!ward.may(PHYSICIAN_A, for_treatment(PATIENT)));
    assert!(!ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
    assert!(ward.may(PATIENT, for_treatment(PATIENT)));
    // somebody may have lost access, so that a new period begins; the end of a denial takes nothing from anybody
    assert_eq!(ward.generation(PATIENT), Some(1));
    let revoke = AccessCall::Revoke {
        subject: pseudonym(PATIENT),
        grant: denial.into(),
    };
    assert_eq!(ward.run(PATIENT, &revoke), "ok");
    assert!(ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
    assert_eq!(ward.generation(PATIENT), Some(1));
}

/// What was granted under the pseudonym that stays holds for the other's data too, while they are one; and a denial under either closes those.
#[test]
fn two_pseudonyms_of_one_patient_have_their_rules_in_common_for_the_one_given_up() {
    let mut ward = Ward::new();
    ward.grant(terms(Grantee::Practitioner(practitioner(PHYSICIAN_B))));
    assert!(!ward.may(PHYSICIAN_B, for_treatment(DOUBLE)));
    let before = ward.generation(DOUBLE);

    ward.merge();

    assert!(ward.may(PHYSICIAN_B, for_treatment(DOUBLE)));
    assert!(ward.may(PATIENT, for_treatment(DOUBLE)));
    let merged = ward.generation(DOUBLE);
    assert!(merged > before);
    let mut denial = terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)));
    denial.subject = pseudonym(DOUBLE);
    assert_eq!(ward.run(PATIENT, &AccessCall::Deny(denial)), "ok");
    assert!(!ward.may(PHYSICIAN_B, for_treatment(DOUBLE)));
    assert!(ward.may(PHYSICIAN_B, for_treatment(PATIENT)));
    let split = IdentityCall::Split {
        person: pseudonym(DOUBLE),
    };
    assert_eq!(ward.identify(HOSPITAL, &split), "ok");
    assert!(!ward.may(PATIENT, for_treatment(DOUBLE)));
    assert!(ward.generation(DOUBLE) > merged);
}

/// A full dossier refuses more, and takes more when rules have ended; it never overflows what a call may write.
#[test]
fn a_dossier_is_bounded() {
    let mut ward = Ward::new();
    let mut narrow = terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)));
    narrow.extent = Extent::Days { first: 1, last: 2 };
    for _ in 0..RULES_MAX {
        ward.grant(narrow);
    }
    assert_eq!(
        ward.run(PATIENT, &AccessCall::Grant(narrow)),
        "too_many_rules"
    );

    ward.now = START + HOUR;
    narrow.until = Timestamp::from_millis(START + DAY);

    ward.grant(narrow);
    let dossier = ward.dossier(PATIENT).expect("written");
    assert_eq!(dossier.rules.len(), 1);
    assert_eq!(ward.generation(PATIENT), Some(128));
    assert!(codec::encode(&dossier).len() < 1024);
}

/// Days that follow from other days, kinds or purposes than those granted stay shut.
#[test]
fn a_grant_opens_nothing_beside_it() {
    let mut ward = Ward::new();
    let mut narrow = terms(Grantee::Entity(entity(HOSPITAL_B)));
    narrow.extent = Extent::Days {
        first: 19,
        last: 20,
    };
    ward.grant(narrow);
    let asked = for_treatment(PATIENT);
    let mut wider = asked;
    wider.extent = Extent::Days {
        first: 18,
        last: 20,
    };
    let mut other_purpose = asked;
    other_purpose.purpose = Purpose::Payment;
    let mut more_sensitive = asked;
    more_sensitive.sensitivity = Sensitivity::Restricted;
    let mut other_kind = asked;
    other_kind.category = Category::Claims;

    assert!(ward.may(PHYSICIAN_B, asked));
    assert!(ward.may(HOSPITAL_B, asked));
    for beside in [wider, other_purpose, more_sensitive, other_kind] {
        assert!(!ward.may(PHYSICIAN_B, beside), "{beside:?}");
    }
    assert!(!ward.may(CLERK, asked));
    assert!(!ward.may(RELATIVE, asked));
}
