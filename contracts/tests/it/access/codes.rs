//! Every way in which a call is refused, and that it leaves nothing.

use super::ward::*;
use crate::world::*;
use salus_contracts::error::StableError;
use salus_contracts::native::access::AccessError;
use salus_primitives::access::{
    AgreementId, Categories, Extent, GrantId, Grantee, Passing, Purposes,
};
use salus_primitives::access::{Purpose, Terms};
use salus_primitives::calls::{AccessCall, BreakGlassReason, ReviewVerdict, Role};
use salus_primitives::codec;
use salus_primitives::lane::Lane;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, TxId};
use std::collections::BTreeSet;

fn named() -> Terms {
    terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)))
}

fn unknown_set<T: serde::de::DeserializeOwned + serde::Serialize>() -> T {
    codec::decode(&[0x81], 1).expect("one byte")
}

/// Calls that mean nothing, whoever is registered: the check before admission refuses them too.
fn malformed() -> Vec<(&'static str, u8, AccessCall)> {
    let grant = |change: fn(&mut Terms)| {
        let mut terms = named();
        change(&mut terms);
        AccessCall::Grant(terms)
    };
    let deny = |change: fn(&mut Terms)| {
        let mut terms = named();
        change(&mut terms);
        AccessCall::Deny(terms)
    };
    let request = |extent| {
        let mut asked = for_treatment(PATIENT);
        asked.extent = extent;
        AccessCall::Request(asked)
    };
    let erase = |first_day, last_day| AccessCall::Erase {
        subject: pseudonym(PATIENT),
        category: Category::Claims,
        first_day,
        last_day,
    };
    let (mut wrong, mut right) = (for_treatment(PATIENT), for_life(PATIENT));
    std::mem::swap(&mut wrong.purpose, &mut right.purpose);
    vec![
        ("not_a_person", PHYSICIAN_A, grant(|_| {})),
        (
            "bad_categories",
            PATIENT,
            grant(|it| it.categories = Categories::default()),
        ),
        (
            "bad_categories",
            PATIENT,
            deny(|it| it.categories = unknown_set()),
        ),
        (
            "bad_purposes",
            PATIENT,
            grant(|it| it.purposes = Purposes::default()),
        ),
        (
            "bad_purposes",
            PATIENT,
            deny(|it| it.purposes = unknown_set()),
        ),
        (
            "bad_purposes",
            PATIENT,
            grant(|it| it.purposes = Purposes::all()),
        ),
        (
            "bad_extent",
            PATIENT,
            grant(|it| it.extent = Extent::Days { first: 2, last: 1 }),
        ),
        ("bad_extent", PHYSICIAN_A, request(Extent::All)),
        (
            "bad_extent",
            PHYSICIAN_A,
            request(Extent::Days { first: 2, last: 1 }),
        ),
        (
            "bad_extent",
            PHYSICIAN_A,
            request(Extent::Days {
                first: 0,
                last: 366,
            }),
        ),
        ("bad_extent", PATIENT, erase(2, 1)),
        ("bad_extent", PATIENT, erase(0, 36_600)),
        ("bad_window", PATIENT, grant(|it| it.from = it.until)),
        (
            "grant_to_everybody",
            PATIENT,
            grant(|it| it.grantee = Grantee::Everybody),
        ),
        (
            "not_by_name",
            PATIENT,
            grant(|it| {
                it.grantee = Grantee::Role(Role::Hospital);
                it.passing = Passing::Once;
            }),
        ),
        (
            "not_by_name",
            PHYSICIAN_B,
            AccessCall::PassOn {
                subject: pseudonym(PATIENT),
                grant: GrantId([1; 32]),
                to: Grantee::Everybody,
                until: Timestamp::from_millis(START + MINUTE),
            },
        ),
        (
            "agreement_for_a_person",
            PATIENT,
            grant(|it| {
                it.grantee = Grantee::Person(pseudonym(RELATIVE));
                it.agreement = Some(AgreementId([1; 32]));
            }),
        ),
        (
            "research_needs_agreement",
            PATIENT,
            grant(|it| {
                it.purposes = Purposes::from_iter([Purpose::Research]);
            }),
        ),
        (
            "denial_rests_on_nothing",
            PATIENT,
            deny(|it| it.passing = Passing::Once),
        ),
        (
            "denial_rests_on_nothing",
            PATIENT,
            deny(|it| it.agreement = Some(AgreementId([1; 32]))),
        ),
        (
            "nobody_who_asks",
            CUSTODIAN_A,
            AccessCall::Request(for_treatment(PATIENT)),
        ),
        ("wrong_purpose", PHYSICIAN_A, AccessCall::Request(wrong)),
        (
            "wrong_purpose",
            PHYSICIAN_A,
            AccessCall::BreakGlass {
                request: right,
                reason: BreakGlassReason::Unconscious,
            },
        ),
        (
            "not_a_practitioner",
            HOSPITAL_B,
            AccessCall::BreakGlass {
                request: for_life(PATIENT),
                reason: BreakGlassReason::Unconscious,
            },
        ),
        (
            "not_yours",
            CUSTODIAN_A,
            AccessCall::PassOn {
                subject: pseudonym(PATIENT),
                grant: GrantId([1; 32]),
                to: named().grantee,
                until: Timestamp::from_millis(START + MINUTE),
            },
        ),
        (
            "not_a_reviewer",
            NURSE_B,
            AccessCall::CloseReview {
                request: TxId([1; 32]),
                verdict: ReviewVerdict::Justified,
            },
        ),
        (
            "not_a_custodian",
            HOSPITAL,
            AccessCall::Released {
                request: TxId([1; 32]),
            },
        ),
    ]
}

/// Calls that the state refuses.
fn refused(ward: &mut Ward) -> Vec<(&'static str, u8, AccessCall)> {
    let mut over = named();
    over.from = Timestamp::from_millis(0);
    over.until = Timestamp::from_millis(START);
    let mut resting = named();
    resting.agreement = Some(AgreementId([1; 32]));
    let revoke = |grant| AccessCall::Revoke {
        subject: pseudonym(PATIENT),
        grant,
    };
    let grant = ward.grant(named());
    vec![
        ("bad_window", PATIENT, AccessCall::Grant(over)),
        ("unknown_agreement", PATIENT, AccessCall::Grant(resting)),
        ("unknown_rule", PATIENT, revoke(GrantId([1; 32]))),
        (
            "not_to_be_passed_on",
            PHYSICIAN_B,
            AccessCall::PassOn {
                subject: pseudonym(PATIENT),
                grant,
                to: named().grantee,
                until: Timestamp::from_millis(START + MINUTE),
            },
        ),
        (
            "unknown_review",
            PRIVACY_B,
            AccessCall::CloseReview {
                request: TxId([1; 32]),
                verdict: ReviewVerdict::Justified,
            },
        ),
        (
            "not_a_custodian",
            CUSTODIAN_A,
            AccessCall::Erased {
                order: TxId([1; 32]),
            },
        ),
        (
            "nothing_changes",
            PATIENT,
            AccessCall::ExcludeBreakGlass {
                subject: pseudonym(PATIENT),
                excluded: false,
            },
        ),
        ("not_the_patients_side", DOUBLE, revoke(grant)),
    ]
}

#[test]
fn refused_calls_leave_nothing_and_the_malformed_are_not_admitted() {
    let mut ward = Ward::new();
    let refused = refused(&mut ward);
    let cases = malformed()
        .into_iter()
        .map(|case| (true, case))
        .chain(refused.into_iter().map(|case| (false, case)));
    for (is_malformed, (expected, who, call)) in cases {
        let transaction = ward.by(who, &call);

        let receipt = ward
            .outcome(std::slice::from_ref(&transaction))
            .receipts
            .remove(0);

        assert_eq!(reason(&receipt), expected, "{call:?}");
        assert!(receipt.events.is_empty(), "{call:?}");
        let admitted = ward.world.check(&transaction);
        assert_eq!(
            admitted.err().map(|refusal| refusal.reason),
            is_malformed.then_some(expected),
            "{call:?}"
        );
    }
}

/// Separate stretches of erased days are bounded.
#[test]
fn too_many_erasures_are_refused() {
    let mut ward = Ward::new();
    ward.now = 400 * DAY;
    let erase = |day| AccessCall::Erase {
        subject: pseudonym(PATIENT),
        category: Category::Claims,
        first_day: day,
        last_day: day,
    };
    for n in 0..128 {
        ward.done(PATIENT, &erase(2 * n));
    }

    assert_eq!(ward.run(PATIENT, &erase(300)), "too_many_erasures");
    assert_eq!(ward.run(PATIENT, &erase(0)), "nothing_changes");
    assert_eq!(ward.run(PATIENT, &erase(1)), "ok");
    assert_eq!(ward.run(PATIENT, &erase(300)), "ok");
}

/// Here or by name in `grants`, `glass` and `custody`.
#[test]
fn every_code_is_reached() {
    let mut ward = Ward::new();
    let refused = refused(&mut ward);
    let mut reached: BTreeSet<_> = malformed()
        .into_iter()
        .chain(refused)
        .map(|(expected, _, _)| expected)
        .collect();
    reached.extend([
        "too_many_rules",
        "rule_not_live",
        "already_passed_on",
        "own_review",
        "review_closed",
        "break_glass_not_excludable",
        "already_said",
        "erases_the_future",
        "too_many_erasures",
    ]);

    let all: BTreeSet<_> = AccessError::ALL
        .iter()
        .map(|error| error.reason())
        .collect();

    assert_eq!(reached, all);
}

/// What is no call is none.
#[test]
fn an_unknown_call_is_undecodable() {
    let mut ward = Ward::new();
    let mut transaction = ward.by(PATIENT, &AccessCall::Grant(named()));
    transaction.body = crate::world::transaction(
        PATIENT,
        Lane::Routine,
        Call::new(salus_primitives::calls::ACCESS, &99u32),
    )
    .body;

    assert_eq!(reason(&ward.send(&transaction)), "undecodable_call");
}
