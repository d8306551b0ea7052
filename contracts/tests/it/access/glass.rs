//! Broken glasses: who breaks them, who is told, who reviews, and who excludes them.

use super::ward::*;
use crate::world::*;
use salus_contracts::native::access::{allowed_request, open_reviews};
use salus_primitives::access::{AccessEvent, Basis, Decision, Grantee, Purposes, Sensitivity};
use salus_primitives::calls::{
    AccessCall, BreakGlassReason, BreakGlassRules, Change, Jurisdiction, ReviewVerdict,
};
use salus_primitives::time::Timestamp;

/// What governance says of the hospital's jurisdiction.
fn set_rules(ward: &mut Ward, rules: BreakGlassRules) {
    let jurisdiction = Jurisdiction::of_name("DE-BY").expect("a name");
    for change in [
        Change::SetBreakGlass {
            jurisdiction,
            rules,
        },
        Change::AssignJurisdiction {
            entity: entity(HOSPITAL),
            jurisdiction,
        },
    ] {
        ward.world
            .enact(&[HOSPITAL, PHARMACY, INSURER, INSTITUTE], change);
    }
}

fn is_broken(events: &[AccessEvent]) -> bool {
    matches!(
        events,
        [
            AccessEvent::Decided {
                decision: Decision::Allowed {
                    basis: Basis::BrokenGlass,
                    ..
                },
                ..
            },
            AccessEvent::GlassBroken { .. }
        ]
    )
}

/// For so long, with an event for who is to be told, and a review that is due; and the keys of afterwards are others.
#[test]
fn a_glass_opens_for_a_time_notifies_and_demands_a_review() {
    let mut ward = Ward::new();
    let broken_at = ward.now;
    let due = Timestamp::from_millis(broken_at + 168 * HOUR);

    let (request, events) = ward.break_glass(NURSE_B);

    assert!(is_broken(&events), "{events:?}");
    assert_eq!(
        events[1],
        AccessEvent::GlassBroken {
            request,
            subject: pseudonym(PATIENT),
            reason: BreakGlassReason::Unconscious,
            review_due: due,
        }
    );
    let allowed = allowed_request(&ward.world.state, &request)
        .expect("memory")
        .expect("allowed");
    assert_eq!(allowed.until.as_millis(), broken_at + 240 * MINUTE);
    assert_eq!(allowed.review.map(|review| review.due), Some(due));
    ward.now = broken_at + 240 * MINUTE - 1;
    assert!(ward.is_releasable(&request));
    assert_eq!(ward.generation(PATIENT), Some(0));
    ward.now += 1;
    assert!(!ward.is_releasable(&request));
    assert_eq!(ward.generation(PATIENT), Some(1));
}

#[test]
fn the_most_sensitive_data_open_with_the_glass_and_only_to_who_treats() {
    let mut ward = Ward::new();
    let mut request = for_life(PATIENT);
    request.sensitivity = Sensitivity::VeryRestricted;
    let reason_of = BreakGlassReason::DangerToOthers;
    for (who, opens) in [
        (PHYSICIAN_B, true),
        (PHYSICIAN_A, true),
        (NURSE_B, true),
        (PRIVACY_B, false),
        (CLERK, false),
        (RESEARCHER, false),
    ] {
        let call = AccessCall::BreakGlass {
            request,
            reason: reason_of,
        };
        let transaction = ward.by(who, &call);
        let decided = decision(&ward.send(&transaction));
        assert_eq!(decided != Decision::Denied, opens, "{who}");
    }
}

/// Another person of the same entity who reviews, or the ministry; once.
#[test]
fn a_review_is_closed_by_another() {
    let mut ward = Ward::new();
    let (request, _) = ward.break_glass(PHYSICIAN_B);
    let (other, _) = ward.break_glass(NURSE_B);

    assert_eq!(ward.review(PHYSICIAN_B, request), "own_review");
    for who in [NURSE_B, HOSPITAL_B, PATIENT, CUSTODIAN_A] {
        assert_eq!(ward.review(who, request), "not_a_reviewer");
    }
    for who in [PRIVACY_A, PHYSICIAN_A] {
        assert_eq!(ward.review(who, request), "unknown_review");
    }
    assert_eq!(ward.review(PRIVACY_B, request), "ok");
    assert_eq!(ward.review(COLLEAGUE_B, request), "review_closed");
    assert_eq!(ward.review(MINISTRY, other), "ok");
    let open = open_reviews(&ward.world.state, &practitioner(PHYSICIAN_B));
    assert_eq!(open.expect("memory"), []);
    // an allowed request that broke nothing has no review
    let transaction = ward.by(PHYSICIAN_A, &AccessCall::Request(for_treatment(PATIENT)));
    ward.send(&transaction);
    let none = transaction.body.id();
    assert_eq!(ward.review(PRIVACY_A, none), "unknown_review");
}

/// Who owes a review beyond its time breaks no other glass, until it is closed, however late.
#[test]
fn an_overdue_review_blocks_at_the_exact_time() {
    let mut ward = Ward::new();
    let due = ward.now + 168 * HOUR;
    let (request, _) = ward.break_glass(PHYSICIAN_B);

    ward.now = due - 1;
    let call = AccessCall::BreakGlass {
        request: for_life(CHILD),
        reason: BreakGlassReason::Unconscious,
    };
    let last = ward.by(PHYSICIAN_B, &call);
    let receipt = &ward.outcome(&[last]).receipts[0];
    assert_ne!(decision(receipt), Decision::Denied);
    ward.now = due;

    let (_, events) = ward.break_glass(PHYSICIAN_B);
    assert!(!is_broken(&events), "{events:?}");
    let (_, others) = ward.break_glass(COLLEAGUE_B);
    assert!(is_broken(&others), "another is not blocked by it");
    assert_eq!(ward.review(COLLEAGUE_B, request), "ok");
    let (_, events) = ward.break_glass(PHYSICIAN_B);
    assert!(is_broken(&events), "{events:?}");
}

/// Closing a review takes nothing back, and an open glass survives that another review becomes overdue.
#[test]
fn an_open_glass_stays_open_beside_reviews() {
    let mut ward = Ward::new();
    set_rules(
        &mut ward,
        BreakGlassRules {
            minutes: 180,
            review_hours: 2,
            excludable: true,
        },
    );
    let (first, _) = ward.break_glass(PHYSICIAN_B);

    ward.now += 2 * HOUR;
    assert!(ward.is_releasable(&first));
    assert_eq!(ward.review(PRIVACY_B, first), "ok");

    assert!(ward.is_releasable(&first));
    ward.now += HOUR;
    assert!(!ward.is_releasable(&first));
}

#[test]
fn a_patient_excludes_break_glass_where_the_jurisdiction_lets_it() {
    let mut ward = Ward::new();
    let exclude = |excluded| AccessCall::ExcludeBreakGlass {
        subject: pseudonym(PATIENT),
        excluded,
    };
    let (open, _) = ward.break_glass(NURSE_B);
    assert_eq!(ward.run(PATIENT, &exclude(true)), "ok");
    assert_eq!(ward.run(PATIENT, &exclude(true)), "nothing_changes");

    let (_, events) = ward.break_glass(PHYSICIAN_B);

    assert!(!is_broken(&events));
    assert!(
        !ward.is_releasable(&open),
        "what is not released yet is shut"
    );
    assert_eq!(ward.run(PATIENT, &exclude(false)), "ok");
    let (_, events) = ward.break_glass(PHYSICIAN_B);
    assert!(is_broken(&events));
}

/// Where the law says otherwise it cannot be excluded, neither by a denial, nor by what was said before the law was.
#[test]
fn a_patient_cannot_exclude_break_glass_where_the_jurisdiction_does_not_let_it() {
    let mut ward = Ward::new();
    let exclude = AccessCall::ExcludeBreakGlass {
        subject: pseudonym(PATIENT),
        excluded: true,
    };
    let mut denial = terms(Grantee::Everybody);
    denial.purposes = Purposes::all();
    ward.done(PATIENT, &exclude);
    ward.done(PATIENT, &AccessCall::Deny(denial));
    let (_, events) = ward.break_glass(PHYSICIAN_B);
    assert!(!is_broken(&events));

    set_rules(
        &mut ward,
        BreakGlassRules {
            minutes: 60,
            review_hours: 24,
            excludable: false,
        },
    );

    let broken_at = ward.now;
    let (request, events) = ward.break_glass(PHYSICIAN_B);
    assert!(is_broken(&events), "{events:?}");
    let allowed = allowed_request(&ward.world.state, &request).expect("memory");
    assert_eq!(
        allowed.map(|it| it.until.as_millis()),
        Some(broken_at + HOUR)
    );
    let refused = "break_glass_not_excludable";
    assert_eq!(ward.run(PATIENT, &AccessCall::Deny(denial)), refused);
    let mut child = terms(Grantee::Everybody);
    child.subject = pseudonym(CHILD);
    assert_eq!(ward.run(RELATIVE, &AccessCall::Deny(child)), "ok");
    let exclude = AccessCall::ExcludeBreakGlass {
        subject: pseudonym(CHILD),
        excluded: true,
    };
    assert_eq!(ward.run(RELATIVE, &exclude), refused);
}

#[test]
fn there_is_no_glass_where_the_jurisdiction_has_none() {
    let mut ward = Ward::new();
    set_rules(
        &mut ward,
        BreakGlassRules {
            minutes: 0,
            review_hours: 24,
            excludable: false,
        },
    );

    let (_, events) = ward.break_glass(PHYSICIAN_B);

    assert!(!is_broken(&events));
}

/// A verdict is on the chain, with who found it.
#[test]
fn a_verdict_is_made_known() {
    let mut ward = Ward::new();
    let (request, _) = ward.break_glass(PHYSICIAN_B);
    let call = AccessCall::CloseReview {
        request,
        verdict: ReviewVerdict::Unjustified,
    };
    let transaction = ward.by(PRIVACY_B, &call);

    let receipt = ward.send(&transaction);

    assert_eq!(
        events(&receipt),
        [AccessEvent::ReviewClosed {
            request,
            subject: pseudonym(PATIENT),
            verdict: ReviewVerdict::Unjustified,
            reviewer: salus_primitives::access::Requester::Practitioner(practitioner(PRIVACY_B)),
        }]
    );
}
