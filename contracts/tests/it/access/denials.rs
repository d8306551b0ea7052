//! A denial tells nothing but that it is one.

use super::ward::*;
use crate::world::*;
use salus_primitives::access::{Decision, Grantee, Terms};
use salus_primitives::audit::trail_key;
use salus_primitives::calls::{ACCESS, AccessCall, BreakGlassReason, IDENTITY};
use salus_primitives::codec;
use salus_primitives::reading::Category;
use salus_primitives::state::StateKey;
use salus_primitives::time::Timestamp;

/// A way to bring about that a request for [`SUBJECT`]'s data is denied.
type Prepare = fn(&mut Ward);

/// Whose data are asked for: nobody's, unless a case registers it.
const SUBJECT: u8 = 90;

const CASES: [(&str, Prepare); 6] = [
    ("not registered", |_| {}),
    ("no rule", |ward| {
        registered(ward);
    }),
    ("an expired grant", |ward| {
        registered(ward);
        let mut terms = granted();
        terms.until = Timestamp::from_millis(ward.now + 1);
        ward.done(SUBJECT, &AccessCall::Grant(terms));
    }),
    ("a revoked grant", |ward| {
        registered(ward);
        let grant = ward.done(SUBJECT, &AccessCall::Grant(granted()));
        let revoke = AccessCall::Revoke {
            subject: pseudonym(SUBJECT),
            grant: grant.into(),
        };
        ward.done(SUBJECT, &revoke);
    }),
    ("a denial beside a grant", |ward| {
        registered(ward);
        ward.done(SUBJECT, &AccessCall::Grant(granted()));
        let mut denial = granted();
        denial.purposes = salus_primitives::access::Purposes::all();
        ward.done(SUBJECT, &AccessCall::Deny(denial));
    }),
    ("a grant to erased data", |ward| {
        registered(ward);
        ward.done(SUBJECT, &AccessCall::Grant(granted()));
        let erase = AccessCall::Erase {
            subject: pseudonym(SUBJECT),
            category: Category::VitalSigns,
            first_day: 0,
            last_day: 20,
        };
        ward.done(SUBJECT, &erase);
    }),
];

fn registered(ward: &mut Ward) {
    let receipt = ward.send(&register(SUBJECT, Some(SUBJECT), None));
    assert_eq!(reason(&receipt), "ok");
}

fn granted() -> Terms {
    Terms {
        subject: pseudonym(SUBJECT),
        ..terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)))
    }
}

/// The very same transaction has the very same receipt, byte for byte, in all worlds in which it is denied.
#[test]
fn a_denial_is_the_same_whatever_it_is_for() {
    let mut ward = Ward::new();
    let request = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(SUBJECT)));
    let mut receipts = Vec::new();
    for (name, prepare) in CASES {
        let mut ward = Ward::new();
        prepare(&mut ward);
        ward.now = START + 10;

        let receipt = ward.send(&request);

        assert_eq!(decision(&receipt), Decision::Denied, "{name}");
        receipts.push((name, codec::encode(&receipt)));
    }
    for (name, receipt) in &receipts {
        assert_eq!(*receipt, receipts[0].1, "{name}");
    }
}

/// Nor does a glass that does not break tell why.
#[test]
fn a_glass_that_does_not_break_is_the_same_whatever_it_is_for() {
    let excluded: Prepare = |ward| {
        registered(ward);
        let exclude = AccessCall::ExcludeBreakGlass {
            subject: pseudonym(SUBJECT),
            excluded: true,
        };
        ward.done(SUBJECT, &exclude);
    };
    let cases = [CASES[0], CASES[4], CASES[5], ("excluded", excluded)];
    let mut ward = Ward::new();
    let call = AccessCall::BreakGlass {
        request: for_life(SUBJECT),
        reason: BreakGlassReason::LifeThreatening,
    };
    let request = ward.by(PHYSICIAN_B, &call);
    let receipts = cases.map(|(name, prepare)| {
        let mut ward = Ward::new();
        prepare(&mut ward);

        let receipt = ward.send(&request);

        assert_eq!(decision(&receipt), Decision::Denied, "{name}");
        codec::encode(&receipt)
    });
    for receipt in &receipts {
        assert_eq!(*receipt, receipts[0]);
    }
}

/// Whatever is asked of or about who is not registered, the contracts write nothing.
#[test]
fn nothing_is_written_for_who_is_not_registered() {
    let mut ward = Ward::new();
    let nobody = pseudonym(NOBODY);
    let mut rule = terms(Grantee::Practitioner(practitioner(PHYSICIAN_B)));
    rule.subject = nobody;
    for (who, call) in [
        (PHYSICIAN_B, AccessCall::Request(for_treatment(NOBODY))),
        (
            PHYSICIAN_B,
            AccessCall::BreakGlass {
                request: for_life(NOBODY),
                reason: BreakGlassReason::Unconscious,
            },
        ),
        (PATIENT, AccessCall::Grant(rule)),
        (PATIENT, AccessCall::Deny(rule)),
        (
            PATIENT,
            AccessCall::Erase {
                subject: nobody,
                category: Category::VitalSigns,
                first_day: 0,
                last_day: 1,
            },
        ),
    ] {
        let transaction = ward.by(who, &call);

        let outcome = ward.outcome(&[transaction]);

        let written: Vec<_> = outcome
            .writes
            .0
            .keys()
            .filter(|key| key.contract == ACCESS || key.contract == IDENTITY)
            .collect();
        assert!(written.is_empty(), "{call:?} wrote {written:?}");
    }
}

/// A denial about a patient writes the trail, and where it leads, and nothing of access.
#[test]
fn a_denial_leaves_its_trace_in_the_trail_alone() {
    let mut ward = Ward::new();
    let before = ward.dossier(PATIENT);
    let request = ward.by(PHYSICIAN_B, &AccessCall::Request(for_treatment(PATIENT)));

    let outcome = ward.outcome(std::slice::from_ref(&request));

    let path = ward.registered(PATIENT).path();
    let written: Vec<_> = outcome
        .writes
        .0
        .keys()
        .filter(|key| key.contract == ACCESS || key.contract == IDENTITY)
        .collect();
    assert!(
        written.contains(&&trail_key(
            &ward.registered(PATIENT).salt,
            &pseudonym(PATIENT)
        )),
        "{written:?}"
    );
    let is_of_the_trail =
        |key: &&StateKey| key.contract == IDENTITY && key.key.get(1..33) == Some(path.as_slice());
    assert!(written.iter().all(is_of_the_trail), "{written:?}");
    ward.send(&request);
    assert_eq!(ward.dossier(PATIENT), before);
}
