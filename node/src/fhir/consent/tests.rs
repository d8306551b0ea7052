//! Consents in, rules or reasons out.

use super::*;
use salus_primitives::ids::{EntityId, PractitionerId};
use serde_json::{Value, json};

const PATIENT: Pseudonym = Pseudonym([1; 32]);
const PHYSICIAN: Grantee = Grantee::Practitioner(PractitionerId([2; 32]));
const DAY: u64 = 86_400_000;

fn hospital() -> Grantee {
    Grantee::Entity(EntityId::of_name("hospital"))
}

fn directory() -> Directory {
    let patients = ["Patient/f001", "Patient/72", "Patient/xcda"];
    Directory {
        patients: patients.map(|name| (name.to_owned(), PATIENT)).into(),
        grantees: [
            ("Practitioner/13".to_owned(), PHYSICIAN),
            ("Organization/f001".to_owned(), hospital()),
        ]
        .into(),
        recipient: None,
    }
}

/// An opt-in for one physician, changed by `change`.
fn consent(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut consent = json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [],
        "patient": {"reference": "Patient/f001"},
        "dateTime": "2026-01-01",
        "organization": [{"reference": "Organization/f001"}],
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {
            "period": {"start": "2026-02-01", "end": "2026-02-28"},
            "actor": [actor("PRCP", "Practitioner/13")],
            "purpose": [{"code": "TREAT"}],
            "securityLabel": [{"code": "R"}],
            "class": [{"code": "MedicationRequest"}],
        },
    });
    change(&mut consent);
    serde_json::to_vec(&consent).expect("JSON")
}

fn actor(role: &str, reference: &str) -> Value {
    json!({"role": {"coding": [{"code": role}]}, "reference": {"reference": reference}})
}

fn imported(change: impl FnOnce(&mut Value)) -> Imported {
    import(&consent(change), &directory()).expect("a consent that can be said")
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    import(&consent(change), &directory())
        .expect_err("cannot be said")
        .to_string()
}

/// 1970-01-01 is day 0; 2026-02-01 is day 20,485.
const FEBRUARY: u64 = 20_485 * DAY;

#[test]
fn a_permission_becomes_a_grant_to_whom_it_names() {
    let imported = imported(|_| {});

    let expected = Rule {
        effect: Effect::Permit,
        terms: Terms {
            subject: PATIENT,
            grantee: PHYSICIAN,
            categories: Categories::from_iter([Category::Medication]),
            sensitivity: Sensitivity::Restricted,
            purposes: Purposes::from_iter([Purpose::Treatment]),
            extent: Extent::All,
            from: Timestamp::from_millis(FEBRUARY),
            until: Timestamp::from_millis(FEBRUARY + 28 * DAY),
            passing: Passing::Never,
            agreement: None,
        },
    };
    assert_eq!(imported.rules, [expected]);
    assert_eq!(imported.remarks, []);
}

/// What is left open narrows a permission, and is said.
#[test]
fn what_a_permission_leaves_open_is_read_narrowly() {
    let imported = imported(|consent| {
        let actors = consent["provision"]["actor"].take();
        consent["provision"] = json!({ "actor": actors });
    });

    let [rule] = imported.rules.as_slice() else {
        panic!("one rule: {imported:?}");
    };
    assert_eq!(
        rule.terms.purposes,
        Purposes::from_iter([Purpose::Treatment])
    );
    assert_eq!(rule.terms.sensitivity, Sensitivity::Normal);
    assert_eq!(rule.terms.categories, Categories::all());
    assert_eq!(
        imported.remarks,
        [
            Remark::TreatmentOnly,
            Remark::NormalOnly,
            Remark::HundredYears
        ]
    );
}

/// What is left open widens a prohibition.
#[test]
fn what_a_prohibition_leaves_open_is_read_widely() {
    let imported = imported(|consent| {
        consent["policyRule"]["coding"][0]["code"] = "OPTOUT".into();
        consent["provision"] = json!({"actor": [actor("CST", "Organization/f001")]});
    });

    let [rule] = imported.rules.as_slice() else {
        panic!("one rule: {imported:?}");
    };
    assert_eq!(
        (rule.effect, rule.terms.grantee),
        (Effect::Deny, Grantee::Everybody)
    );
    assert_eq!(rule.terms.sensitivity, Sensitivity::Normal);
    assert_eq!(rule.terms.categories, Categories::all());
    assert!(rule.terms.purposes.contains(Purpose::Research));
    assert!(!rule.terms.purposes.contains(Purpose::BreakGlass));
}

/// An opt-in whose parts are spelt out permits the parts; a part that denies stands beside the whole.
#[test]
fn nested_provisions_inherit_and_stand_by_themselves() {
    let parts = imported(|consent| {
        consent["provision"]["class"] = json!([]);
        consent["provision"]["provision"] = json!([
            {"type": "permit", "class": [{"code": "Claim"}]},
            {"type": "permit", "class": [{"code": "DiagnosticReport"}], "purpose": [{"code": "HPAYMT"}]},
        ]);
    });
    let exception = imported(|consent| {
        consent["provision"]["class"] = json!([]);
        consent["provision"]["provision"] =
            json!([{"type": "deny", "dataPeriod": {"start": "1970-01-03", "end": "1970-01-04"}}]);
    });

    let said: Vec<_> = parts
        .rules
        .iter()
        .map(|rule| {
            let terms = &rule.terms;
            let categories: Vec<_> = terms.categories.iter().collect();
            let purposes: Vec<_> = terms.purposes.iter().collect();
            (rule.effect, terms.grantee, categories, purposes)
        })
        .collect();
    assert_eq!(
        said,
        [
            (
                Effect::Permit,
                PHYSICIAN,
                vec![Category::Claims],
                vec![Purpose::Treatment]
            ),
            (
                Effect::Permit,
                PHYSICIAN,
                vec![Category::Laboratory],
                vec![Purpose::Payment]
            ),
        ]
    );
    let effects: Vec<_> = exception
        .rules
        .iter()
        .map(|rule| (rule.effect, rule.terms.extent))
        .collect();
    let days = Extent::Days { first: 2, last: 3 };
    assert_eq!(
        effects,
        [(Effect::Deny, days), (Effect::Permit, Extent::All)]
    );
}

#[test]
fn what_cannot_be_said_here_is_refused_with_the_reason() {
    type Change = fn(&mut Value);
    let cases: &[(&str, Change)] = &[
        ("its status is \"draft\"", |c| c["status"] = "draft".into()),
        ("its scope is treatment", |c| {
            c["scope"]["coding"][0]["code"] = "treatment".into()
        }),
        ("Patient/9 is not in the directory", |c| {
            c["patient"]["reference"] = "Patient/9".into()
        }),
        ("its policy rule is missing", |c| {
            c["policyRule"] = Value::Null
        }),
        ("it permits, and names no recipient", |c| {
            c["provision"]["actor"] = json!([])
        }),
        ("names only the custodian", |c| {
            c["provision"]["actor"] = json!([actor("CST", "Organization/f001")]);
        }),
        ("another organization", |c| {
            c["provision"]["actor"] = json!([actor("CST", "Organization/f002")]);
        }),
        ("what one author wrote", |c| {
            c["provision"]["actor"] = json!([actor("AUT", "Practitioner/13")]);
        }),
        ("an actor has the role WIT", |c| {
            c["provision"]["actor"] = json!([actor("WIT", "Practitioner/13")]);
        }),
        ("Practitioner/14 is not in the directory", |c| {
            c["provision"]["actor"] = json!([actor("PRCP", "Practitioner/14")]);
        }),
        ("single resources (Task/3)", |c| {
            c["provision"]["data"] = json!([{"reference": {"reference": "Task/3"}}]);
        }),
        ("it tells 34133-9 apart", |c| {
            c["provision"]["code"] = json!([{"coding": [{"code": "34133-9"}]}]);
        }),
        ("Observation belongs to no category", |c| {
            c["provision"]["class"][0]["code"] = "Observation".into();
        }),
        ("the label STD", |c| {
            c["provision"]["securityLabel"][0]["code"] = "STD".into()
        }),
        ("the purpose HMARKT", |c| {
            c["provision"]["purpose"][0]["code"] = "HMARKT".into()
        }),
        ("the purpose BTG", |c| {
            c["provision"]["purpose"][0]["code"] = "BTG".into()
        }),
        ("research rests on an agreement", |c| {
            c["provision"]["purpose"][0]["code"] = "HRESCH".into();
        }),
        ("it is about collect", |c| {
            c["provision"]["action"] = json!([{"coding": [{"code": "collect"}]}]);
        }),
        ("an exception to a prohibition", |c| {
            c["policyRule"]["coding"][0]["code"] = "OPTOUT".into();
            c["provision"]["provision"] = json!([{"type": "permit"}]);
        }),
        ("nested deeper than once", |c| {
            c["provision"]["provision"] =
                json!([{"type": "deny", "provision": [{"type": "permit"}]}]);
        }),
        ("neither permit nor deny", |c| {
            c["provision"]["provision"] = json!([{}])
        }),
        ("ends before it begins", |c| {
            c["provision"]["period"]["end"] = "2025".into()
        }),
        ("neither when it was given", |c| {
            c["dateTime"] = Value::Null;
            c["provision"]["period"] = json!({"end": "2027"});
        }),
        ("unknown field `modifierExtension`", |c| {
            c["modifierExtension"] = json!([])
        }),
        ("unknown field `extension`", |c| {
            c["provision"]["extension"] = json!([])
        }),
        ("no date or time of FHIR", |c| c["dateTime"] = "soon".into()),
        ("unknown variant `Contract`", |c| {
            c["resourceType"] = "Contract".into()
        }),
    ];

    for (reason, change) in cases {
        let refused = refused(change);

        assert!(refused.contains(reason), "{reason}: {refused}");
    }
}

/// HL7's own examples: which can be said here, and why the others cannot. `recipient` is whom the command names for permissions without one.
#[test]
fn examples_of_hl7_are_taken_over_or_refused_with_the_reason() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/fhir-hl7-examples-r4");
    if !folder.is_dir() {
        println!("SKIPPED: there is no {}", folder.display());
        return;
    }
    let outcome = |name: &str, recipient: Option<Grantee>| {
        let json = std::fs::read(folder.join(name)).expect(name);
        let directory = Directory {
            recipient,
            ..directory()
        };
        match import(&json, &directory) {
            Ok(imported) => format!("{} rule(s)", imported.rules.len()),
            Err(refusal) => refusal.to_string(),
        }
    };
    let examples = [
        ("Consent-consent-example-Out.json", "1 rule(s)", "1 rule(s)"),
        (
            "Consent-consent-example-basic.json",
            "it permits, and names no recipient",
            "1 rule(s)",
        ),
        (
            "Consent-consent-example-notAuthor.json",
            "it permits, and names only the custodian Organization/f001: neither to whom, nor whether that is an exception",
            "it permits, and names only the custodian Organization/f001: neither to whom, nor whether that is an exception",
        ),
        (
            "Consent-consent-example-notThis.json",
            "it names single resources (Task/example3), which records here are not",
            "it names single resources (Task/example3), which records here are not",
        ),
        (
            "Consent-consent-example-signature.json",
            "it tells 34133-9 apart, finer than the categories here",
            "it tells 34133-9 apart, finer than the categories here",
        ),
        (
            "Consent-consent-example-smartonfhir.json",
            "it permits, and names no recipient",
            "1 rule(s)",
        ),
    ];

    for (name, alone, with_recipient) in examples {
        println!(
            "{name}: {}; with a recipient: {}",
            outcome(name, None),
            outcome(name, Some(hospital()))
        );

        assert_eq!(outcome(name, None), alone, "{name}");
        assert_eq!(outcome(name, Some(hospital())), with_recipient, "{name}");
    }
}
