//! What the access contract made known, as FHIR R4 `AuditEvent` and `Provenance`.
//!
//! Every event is an audit event; what changes a rule, and the release of keys, has provenance as well. Everybody is named by the pseudonym
//! or id that the chain has, under systems of the form `urn:salus:..`; no resource holds a name. The place on the chain is the id, so that
//! an export made twice has the same resources, and each can be looked up and proven.

use super::moment::instant;
use salus_primitives::access::{AccessEvent, AccessRequest, Basis, Decision, Requester, Terms};
use salus_primitives::calls::{GOVERNANCE, ReviewVerdict};
use salus_primitives::ids::{EntityId, GenesisHash, Height};
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use serde_json::{Value, json};

/// Where on the chain an event stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which chain.
    pub chain: GenesisHash,
    /// The block.
    pub height: Height,
    /// The block's time.
    pub time: Timestamp,
    /// The transaction.
    pub transaction: TxId,
    /// The event's index in the receipt.
    pub event: u32,
}

/// The event as an `AuditEvent`.
#[must_use]
pub fn audit_event(event: &AccessEvent, place: &Place) -> Value {
    let (kind, action) = kind_of(event);
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": id(place),
        "type": kind.coding,
        "action": action,
        "recorded": instant(place.time),
        "outcome": "0",
        "agent": [agent_of(event)],
        "source": {
            "site": format!("block {}", place.height),
            "observer": {"identifier": identifier("chain", &place.chain)},
        },
        "entity": entities_of(event, place),
    });
    if let Some(subtype) = kind.subtype {
        resource["subtype"] = json!([subtype]);
    }
    match event {
        AccessEvent::Decided {
            asked, decision, ..
        } => {
            resource["purposeOfEvent"] = json!([purpose(asked)]);
            if *decision == Decision::Denied {
                resource["outcome"] = "4".into();
                resource["outcomeDesc"] = "denied".into();
            }
        }
        AccessEvent::GlassBroken { .. } => {
            resource["purposeOfEvent"] = json!([concept(ACT_REASON, "BTG", "break the glass")]);
        }
        AccessEvent::ReviewClosed { verdict, .. } => {
            resource["outcomeDesc"] = match verdict {
                ReviewVerdict::Justified => "justified".into(),
                ReviewVerdict::Unjustified => "unjustified".into(),
            };
        }
        AccessEvent::Granted { .. }
        | AccessEvent::Forbidden { .. }
        | AccessEvent::Revoked { .. }
        | AccessEvent::BreakGlassExcluded { .. }
        | AccessEvent::Released { .. }
        | AccessEvent::ErasureOrdered { .. }
        | AccessEvent::Erased { .. }
        | AccessEvent::BreakGlassSet { .. }
        | AccessEvent::JurisdictionAssigned { .. } => {}
    }
    resource
}

/// The event as `Provenance`, if it makes, ends or passes on something: who did that to what, and under which rule.
#[must_use]
pub fn provenance(event: &AccessEvent, place: &Place) -> Option<Value> {
    let (target, agent, activity) = match event {
        AccessEvent::Granted { grant, terms, .. } | AccessEvent::Forbidden { grant, terms } => (
            identifier("grant", grant),
            patients_side(&terms.subject),
            ("CREATE", "create"),
        ),
        AccessEvent::Revoked { subject, grant } => (
            identifier("grant", grant),
            patients_side(subject),
            ("NULLIFY", "nullify"),
        ),
        AccessEvent::Released {
            request, custodian, ..
        } => (
            identifier("request", request),
            provenance_agent("CST", "custodian", identifier("entity", custodian)),
            ("EXECUTE", "execute"),
        ),
        AccessEvent::Decided { .. }
        | AccessEvent::GlassBroken { .. }
        | AccessEvent::ReviewClosed { .. }
        | AccessEvent::BreakGlassExcluded { .. }
        | AccessEvent::ErasureOrdered { .. }
        | AccessEvent::Erased { .. }
        | AccessEvent::BreakGlassSet { .. }
        | AccessEvent::JurisdictionAssigned { .. } => return None,
    };
    let (code, display) = activity;
    let mut resource = json!({
        "resourceType": "Provenance",
        "id": id(place),
        "target": [{"identifier": target}],
        "recorded": instant(place.time),
        "activity": concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", code, display),
        "agent": [agent],
    });
    if let AccessEvent::Granted {
        passed_from: Some(parent),
        ..
    } = event
    {
        resource["entity"] =
            json!([{"role": "derivation", "what": {"identifier": identifier("grant", parent)}}]);
    }
    Some(resource)
}

/// What kind of event it is, in the words of DICOM and ISO 21089.
struct Kind {
    coding: Value,
    subtype: Option<Value>,
}

/// The kind, and create, read, update, delete or execute.
fn kind_of(event: &AccessEvent) -> (Kind, &'static str) {
    let dicom = |code, display| coding(DICOM, code, display);
    let plain = |coding| Kind {
        coding,
        subtype: None,
    };
    let alert = |code, display| Kind {
        coding: dicom("110113", "Security Alert"),
        subtype: Some(dicom(code, display)),
    };
    let attributes = || alert("110135", "Object Security Attributes Changed");
    let destroy = || {
        plain(coding(
            ISO_21089,
            "destroy",
            "Destroy/Delete Record Lifecycle Event",
        ))
    };
    match event {
        AccessEvent::Granted { .. } | AccessEvent::Forbidden { .. } => (attributes(), "C"),
        AccessEvent::Revoked { .. } => (attributes(), "D"),
        AccessEvent::BreakGlassExcluded { .. } => (attributes(), "U"),
        AccessEvent::Decided { .. } => (plain(dicom("110112", "Query")), "E"),
        AccessEvent::GlassBroken { .. } => (alert("110127", "Emergency Override Started"), "E"),
        AccessEvent::ReviewClosed { .. } => (alert("110138", "Emergency Override Stopped"), "E"),
        AccessEvent::Released { .. } => (plain(dicom("110106", "Export")), "R"),
        AccessEvent::ErasureOrdered { .. } => (destroy(), "E"),
        AccessEvent::Erased { .. } => (destroy(), "D"),
        AccessEvent::BreakGlassSet { .. } | AccessEvent::JurisdictionAssigned { .. } => {
            (alert("110131", "Security Configuration"), "U")
        }
    }
}

/// Who did it.
fn agent_of(event: &AccessEvent) -> Value {
    let agent =
        |who: Value, requestor: bool| json!({"who": {"identifier": who}, "requestor": requestor});
    match event {
        AccessEvent::Granted { terms, .. } | AccessEvent::Forbidden { terms, .. } => {
            agent(identifier("person", &terms.subject), true)
        }
        AccessEvent::Revoked { subject, .. }
        | AccessEvent::BreakGlassExcluded { subject, .. }
        | AccessEvent::ErasureOrdered { subject, .. } => agent(identifier("person", subject), true),
        AccessEvent::Decided {
            requester,
            entity,
            asked,
            ..
        } => {
            let mut agent = agent(requester_of(requester), true);
            agent["purposeOfUse"] = json!([purpose(asked)]);
            agent["location"] = json!({"identifier": identifier("entity", entity)});
            agent
        }
        // follows the decision on the same request, which names who
        AccessEvent::GlassBroken { request, .. } => agent(identifier("request", request), true),
        AccessEvent::ReviewClosed { reviewer, .. } => agent(requester_of(reviewer), true),
        AccessEvent::Released { custodian, .. } | AccessEvent::Erased { custodian, .. } => {
            agent(identifier("entity", custodian), false)
        }
        // more than two thirds of all members' weight, together
        AccessEvent::BreakGlassSet { .. } | AccessEvent::JurisdictionAssigned { .. } => {
            agent(identifier("contract", &GOVERNANCE), true)
        }
    }
}

/// What it was about: the patient first, if it is about one.
fn entities_of(event: &AccessEvent, place: &Place) -> Vec<Value> {
    let patient = event.subject().map(|subject| {
        json!({
            "what": {"identifier": identifier("person", &subject)},
            "type": coding(ENTITY_TYPE, "1", "Person"),
            "role": coding(OBJECT_ROLE, "1", "Patient"),
        })
    });
    let mut entities: Vec<_> = patient.into_iter().collect();
    let mut object = |system, id: &dyn std::fmt::Display, detail: Vec<(&str, String)>| {
        let detail: Vec<_> = detail
            .into_iter()
            .map(|(kind, value)| json!({"type": kind, "valueString": value}))
            .collect();
        let mut entity = json!({
            "what": {"identifier": identifier(system, id)},
            "type": coding(ENTITY_TYPE, "2", "System Object"),
            "role": coding(OBJECT_ROLE, "4", "Domain Resource"),
        });
        if !detail.is_empty() {
            entity["detail"] = detail.into();
        }
        entities.push(entity);
    };
    match event {
        AccessEvent::Granted { grant, terms, .. } | AccessEvent::Forbidden { grant, terms } => {
            object("grant", grant, terms_of(terms));
        }
        AccessEvent::Revoked { grant, .. } => object("grant", grant, Vec::new()),
        AccessEvent::Decided {
            request,
            asked,
            decision,
            ..
        } => {
            let mut detail = vec![
                ("category", asked.category.name().to_owned()),
                ("confidentiality", asked.sensitivity.code().to_owned()),
                ("extent", format!("{:?}", asked.extent)),
            ];
            if let Decision::Allowed { basis, until } = decision {
                detail.push(("basis", basis_of(basis)));
                detail.push(("until", instant(*until)));
            }
            object("request", request, detail);
        }
        AccessEvent::GlassBroken {
            request,
            review_due,
            reason,
            ..
        } => {
            let detail = vec![
                ("reason", format!("{reason:?}")),
                ("review-due", instant(*review_due)),
            ];
            object("request", request, detail);
        }
        AccessEvent::ReviewClosed { request, .. } | AccessEvent::Released { request, .. } => {
            object("request", request, Vec::new());
        }
        AccessEvent::BreakGlassExcluded { excluded, .. } => {
            let detail = vec![("break-glass-excluded", excluded.to_string())];
            object("transaction", &place.transaction, detail);
        }
        AccessEvent::ErasureOrdered {
            order,
            category,
            first_day,
            last_day,
            ..
        } => {
            let detail = vec![
                ("category", category.name().to_owned()),
                ("days", format!("{first_day} to {last_day}")),
            ];
            object("order", order, detail);
        }
        AccessEvent::Erased { order, missing, .. } => {
            let detail = vec![("custodians-missing", missing.to_string())];
            object("order", order, detail);
        }
        AccessEvent::BreakGlassSet {
            jurisdiction,
            rules,
        } => {
            let detail = vec![
                ("minutes", rules.minutes.to_string()),
                ("review-hours", rules.review_hours.to_string()),
                ("excludable", rules.excludable.to_string()),
            ];
            object("jurisdiction", &jurisdiction.name(), detail);
        }
        AccessEvent::JurisdictionAssigned {
            entity,
            jurisdiction,
        } => {
            let detail = vec![("jurisdiction", jurisdiction.name())];
            object("entity", entity, detail);
        }
    }
    entities
}

fn terms_of(terms: &Terms) -> Vec<(&'static str, String)> {
    let join = |words: Vec<&str>| words.join(" ");
    vec![
        ("grantee", format!("{:?}", terms.grantee)),
        (
            "categories",
            join(
                terms
                    .categories
                    .iter()
                    .map(|category| category.name())
                    .collect(),
            ),
        ),
        (
            "purposes",
            join(
                terms
                    .purposes
                    .iter()
                    .map(|purpose| purpose.code())
                    .collect(),
            ),
        ),
        ("confidentiality", terms.sensitivity.code().to_owned()),
        ("extent", format!("{:?}", terms.extent)),
        ("from", instant(terms.from)),
        ("until", instant(terms.until)),
    ]
}

fn basis_of(basis: &Basis) -> String {
    match basis {
        Basis::PatientsSide => "patient's side".to_owned(),
        Basis::Relation => "relation".to_owned(),
        Basis::Grant(grant) => format!("grant {grant}"),
        Basis::BrokenGlass => "broken glass".to_owned(),
    }
}

fn requester_of(requester: &Requester) -> Value {
    match requester {
        Requester::Practitioner(id) => identifier("practitioner", id),
        Requester::Person(id) => identifier("person", id),
        Requester::Entity(id) => identifier::<EntityId>("entity", id),
    }
}

fn patients_side(subject: &Pseudonym) -> Value {
    provenance_agent("CONSENTER", "Consenter", identifier("person", subject))
}

fn provenance_agent(code: &str, display: &str, who: Value) -> Value {
    json!({
        "type": concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code, display),
        "who": {"identifier": who},
    })
}

fn purpose(asked: &AccessRequest) -> Value {
    let code = asked.purpose.code();
    concept(ACT_REASON, code, code)
}

fn identifier<T: std::fmt::Display + ?Sized>(system: &str, value: &T) -> Value {
    json!({"system": format!("urn:salus:{system}"), "value": value.to_string()})
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [coding(system, code, display)]})
}

/// At most 64 characters, as FHIR wants it: half of the transaction's id, and which of its events.
fn id(place: &Place) -> String {
    let transaction = place.transaction.to_string();
    let half = transaction.get(..32).unwrap_or(&transaction);
    format!("{half}-{}", place.event)
}

const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ISO_21089: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::access::{Extent, GrantId, Purpose, Sensitivity};
    use salus_primitives::ids::PractitionerId;
    use salus_primitives::reading::Category;

    const SUBJECT: Pseudonym = Pseudonym([3; 32]);

    fn place() -> Place {
        Place {
            chain: GenesisHash([1; 32]),
            height: Height::new(7),
            time: Timestamp::from_millis(1_500),
            transaction: TxId([2; 32]),
            event: 1,
        }
    }

    fn decided(decision: Decision) -> AccessEvent {
        AccessEvent::Decided {
            request: TxId([2; 32]),
            requester: Requester::Practitioner(PractitionerId([4; 32])),
            entity: EntityId([5; 32]),
            asked: AccessRequest {
                subject: SUBJECT,
                category: Category::VitalSigns,
                sensitivity: Sensitivity::Normal,
                purpose: Purpose::Treatment,
                extent: Extent::Days { first: 1, last: 2 },
            },
            decision,
        }
    }

    #[test]
    fn a_decision_says_who_asked_for_what_and_why() {
        let allowed = decided(Decision::Allowed {
            basis: Basis::Grant(GrantId([6; 32])),
            until: Timestamp::from_millis(2_000),
        });

        let resource = audit_event(&allowed, &place());

        assert_eq!(resource["recorded"], "1970-01-01T00:00:01.5Z");
        assert_eq!(resource["outcome"], "0");
        assert_eq!(
            resource["agent"][0]["who"]["identifier"]["value"],
            "04".repeat(32)
        );
        assert_eq!(resource["purposeOfEvent"][0]["coding"][0]["code"], "TREAT");
        assert_eq!(
            resource["entity"][0]["what"]["identifier"]["value"],
            "03".repeat(32)
        );
        let detail = resource["entity"][1]["detail"].to_string();
        assert!(
            detail.contains(&format!("grant {}", "06".repeat(32))),
            "{detail}"
        );
    }

    /// As on the chain: a denial has no reason.
    #[test]
    fn a_denial_is_a_failure_without_a_reason() {
        let resource = audit_event(&decided(Decision::Denied), &place());

        assert_eq!(resource["outcome"], "4");
        assert!(!resource.to_string().contains("basis"));
    }

    #[test]
    fn a_grant_that_was_passed_on_derives_from_its_parent() {
        let terms = Terms {
            subject: SUBJECT,
            grantee: salus_primitives::access::Grantee::Entity(EntityId([5; 32])),
            categories: [Category::Claims].into_iter().collect(),
            sensitivity: Sensitivity::Normal,
            purposes: [Purpose::Payment].into_iter().collect(),
            extent: Extent::All,
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(9),
            passing: salus_primitives::access::Passing::Never,
            agreement: None,
        };
        let event = AccessEvent::Granted {
            grant: GrantId([8; 32]),
            terms,
            passed_from: Some(GrantId([7; 32])),
        };

        let provenance = provenance(&event, &place()).expect("a rule");

        assert_eq!(
            provenance["target"][0]["identifier"]["value"],
            "08".repeat(32)
        );
        assert_eq!(
            provenance["entity"][0]["what"]["identifier"]["value"],
            "07".repeat(32)
        );
    }

    /// What R4 demands of every AuditEvent and Provenance: elements, and ids of at most 64 letters, digits, `-` and `.`.
    #[test]
    fn resources_have_what_r4_demands() {
        let event = decided(Decision::Denied);
        let released = AccessEvent::Released {
            request: TxId([2; 32]),
            subject: SUBJECT,
            custodian: EntityId([5; 32]),
        };

        for resource in [
            audit_event(&event, &place()),
            audit_event(&released, &place()),
        ] {
            for field in ["type", "recorded", "agent", "source"] {
                assert!(!resource[field].is_null(), "{field}");
            }
            assert!(resource["agent"][0]["requestor"].is_boolean());
            assert!(!resource["source"]["observer"].is_null());
            let id = resource["id"].as_str().expect("a string");
            assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        }
        let provenance = provenance(&released, &place()).expect("a release");
        for field in ["target", "recorded", "agent"] {
            assert!(!provenance[field].is_null(), "{field}");
        }
    }
}
