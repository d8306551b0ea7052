//! Vectors of calls about people, devices at scale and agreements, and of what the contracts keep of them and make known.

use crate::vectors::{Built, one, only};
use salus_contracts::native::agreements::{AgreementsEvent, Ended, SignedAgreement};
use salus_contracts::native::identity::{
    CustodyKey, Device, Holder, IdentityEvent, NextKey, Numbers, OwnedModel, Person, Practitioner,
    ProposedMerge, Representative, RepresentativeKind,
};
use salus_primitives::access::{AgreementId, Categories, Purpose, Purposes, Requester};
use salus_primitives::audit::Trail;
use salus_primitives::calls::{
    Agreement, AgreementsCall, CommunicationMode, IdentityCall, NewDevice, PersonKeys, Profession,
    Role,
};
use salus_primitives::ids::{EntityId, Height, ModelId, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_tests::fixtures;

const PERSON: Pseudonym = Pseudonym([7; 32]);
const OTHER: Pseudonym = Pseudonym([8; 32]);
const PRACTITIONER: PractitionerId = PractitionerId([10; 32]);
const AGREEMENT: AgreementId = AgreementId([11; 32]);
const UNTIL: Timestamp = Timestamp::from_millis(0x0102_0304_0506);

fn model() -> ModelId {
    ModelId::of_name("monitor-7")
}

fn keys() -> PersonKeys {
    PersonKeys {
        key: fixtures::key(1).public(),
        exchange_key: fixtures::exchange_secret().public(),
    }
}

fn new_device() -> NewDevice {
    NewDevice {
        device: fixtures::device(),
        key: fixtures::key(1).public(),
    }
}

fn entity() -> EntityId {
    EntityId::of_name("hospital-0")
}

fn custodians() -> Vec<EntityId> {
    let mut custodians = vec![entity(), EntityId::of_name("pharmacy-9")];
    custodians.sort_unstable();
    custodians
}

fn agreement() -> Agreement {
    Agreement {
        parties: custodians(),
        receivers: vec![Role::Pharmacy],
        categories: Categories::from_iter([Category::VitalSigns, Category::Laboratory]),
        purposes: Purposes::from_iter([Purpose::Research]),
        mode: CommunicationMode::OnRequest,
        from: Timestamp::from_millis(0x0102),
        until: UNTIL,
    }
}

pub(crate) fn calls() -> Vec<Built> {
    let (person, keys) = (PERSON, keys());
    vec![
        only(new_device()),
        only(keys),
        one(
            "register devices",
            IdentityCall::RegisterDevices {
                model: Some(model()),
                devices: vec![new_device()],
            },
        ),
        one(
            "rotate device key at a height",
            IdentityCall::RotateDeviceKey {
                device: fixtures::device(),
                key: keys.key,
                from: Some(Height::new(0x0102)),
            },
        ),
        one("revoke model", IdentityCall::RevokeModel { model: model() }),
        one(
            "register practitioner",
            IdentityCall::RegisterPractitioner {
                practitioner: PRACTITIONER,
                profession: Profession::Nurse,
                keys,
            },
        ),
        one(
            "rotate practitioner keys",
            IdentityCall::RotatePractitionerKeys {
                practitioner: PRACTITIONER,
                keys,
            },
        ),
        one(
            "revoke practitioner",
            IdentityCall::RevokePractitioner {
                practitioner: PRACTITIONER,
            },
        ),
        one(
            "register person",
            IdentityCall::RegisterPerson {
                person,
                salt: [9; 32],
                keys: Some(keys),
                of_age_at: Some(UNTIL),
                custodians: custodians(),
            },
        ),
        one(
            "register person without keys",
            IdentityCall::RegisterPerson {
                person,
                salt: [9; 32],
                keys: None,
                of_age_at: None,
                custodians: custodians(),
            },
        ),
        one(
            "set person keys",
            IdentityCall::SetPersonKeys { person, keys },
        ),
        one(
            "set custodians",
            IdentityCall::SetCustodians {
                person,
                custodians: custodians(),
            },
        ),
        one(
            "appoint guardian",
            IdentityCall::AppointGuardian {
                person,
                guardian: OTHER,
                until: None,
            },
        ),
        one(
            "appoint delegate",
            IdentityCall::AppointDelegate {
                person,
                delegate: OTHER,
                until: UNTIL,
            },
        ),
        one(
            "end representation",
            IdentityCall::EndRepresentation {
                person,
                representative: OTHER,
            },
        ),
        one(
            "merge",
            IdentityCall::Merge {
                person,
                into: OTHER,
            },
        ),
        one("split", IdentityCall::Split { person }),
        one(
            "set custody key",
            IdentityCall::SetCustodyKey { key: keys.key },
        ),
    ]
    .into_iter()
    .chain(Profession::ALL.map(|profession| one(profession.name(), profession)))
    .collect()
}

pub(crate) fn stored() -> Vec<Built> {
    let key = fixtures::key(1).public();
    let representative = Representative {
        person: OTHER,
        kind: RepresentativeKind::Guardian,
        appointed_by: Requester::Entity(entity()),
        until: Some(UNTIL),
    };
    let proposed = ProposedMerge {
        into: OTHER,
        assents: vec![PERSON],
    };
    let bare = Person {
        relation: entity(),
        keys: None,
        keys_since: Height::new(3),
        of_age_at: None,
        custodians: custodians(),
        former_custodians: Vec::new(),
        representatives: Vec::new(),
        merged_into: None,
        merged: Vec::new(),
        proposed: None,
        regrouped: 0,
        registered_at: Height::new(3),
    };
    let next = NextKey {
        key: fixtures::key(2).public(),
        from: Height::new(0x0102),
    };
    vec![
        only(next),
        one(
            "of a model, with a key to come",
            Device {
                owner: entity(),
                model: Some(model()),
                key,
                key_since: Height::new(3),
                next: Some(next),
                registered_at: Height::new(3),
                revoked_at: None,
            },
        ),
        only(OwnedModel {
            devices: 0x0102,
            revoked_at: Some(Height::new(9)),
        }),
        only(CustodyKey {
            key,
            since: Height::new(4),
        }),
        only(Numbers {
            devices: 0x0102,
            practitioners: 0x0103,
            persons: 0x0104,
            models: 0x0105,
        }),
        only(Practitioner {
            employer: entity(),
            profession: Profession::Physician,
            keys: keys(),
            keys_since: Height::new(4),
            registered_at: Height::new(3),
            revoked_at: Some(Height::new(8)),
        }),
        only(representative),
        one("guardian", RepresentativeKind::Guardian),
        one("delegate", RepresentativeKind::Delegate),
        only(proposed.clone()),
        one("bare", bare.clone()),
        one(
            "with everything",
            Person {
                keys: Some(keys()),
                keys_since: Height::new(4),
                of_age_at: Some(UNTIL),
                former_custodians: vec![EntityId::of_name("institute-4")],
                representatives: vec![representative],
                merged_into: Some(OTHER),
                merged: vec![Pseudonym([12; 32])],
                proposed: Some(proposed),
                regrouped: 0x0102,
                ..bare
            },
        ),
        one("practitioner", Holder::Practitioner(PRACTITIONER)),
        one("person", Holder::Person(PERSON)),
        one("custodian", Holder::Custodian(entity())),
        only(Trail::default().after(&TxId([3; 32]), &fixtures::event())),
    ]
}

pub(crate) fn made_known() -> Vec<Built> {
    let key = fixtures::key(1).public();
    let (person, into, entity) = (PERSON, OTHER, entity());
    let by = Requester::Person(PERSON);
    vec![
        one(
            "model revoked",
            IdentityEvent::ModelRevoked {
                model: model(),
                owner: Some(entity),
                by: entity,
            },
        ),
        one(
            "practitioner registered",
            IdentityEvent::PractitionerRegistered {
                practitioner: PRACTITIONER,
                employer: entity,
                profession: Profession::Pharmacist,
                key,
            },
        ),
        one(
            "practitioner keys rotated",
            IdentityEvent::PractitionerKeysRotated {
                practitioner: PRACTITIONER,
                key,
            },
        ),
        one(
            "practitioner revoked",
            IdentityEvent::PractitionerRevoked {
                practitioner: PRACTITIONER,
                by: entity,
            },
        ),
        one(
            "person registered",
            IdentityEvent::PersonRegistered {
                person,
                relation: entity,
                key: Some(key),
                of_age_at: Some(UNTIL),
                custodians: custodians(),
            },
        ),
        one(
            "person keys set",
            IdentityEvent::PersonKeysSet { person, key, by },
        ),
        one(
            "custodians set",
            IdentityEvent::CustodiansSet {
                person,
                custodians: custodians(),
                by,
            },
        ),
        one(
            "representative appointed",
            IdentityEvent::RepresentativeAppointed {
                person,
                representative: OTHER,
                kind: RepresentativeKind::Delegate,
                until: Some(UNTIL),
                by,
            },
        ),
        one(
            "representation ended",
            IdentityEvent::RepresentationEnded {
                person,
                representative: OTHER,
                by,
            },
        ),
        one(
            "merge proposed",
            IdentityEvent::MergeProposed { person, into },
        ),
        one(
            "merge assented",
            IdentityEvent::MergeAssented {
                person,
                into,
                by: into,
            },
        ),
        one("merged", IdentityEvent::Merged { person, into }),
        one(
            "split",
            IdentityEvent::Split {
                person,
                from: into,
                by,
            },
        ),
        one(
            "custody key set",
            IdentityEvent::CustodyKeySet { entity, key },
        ),
    ]
}

pub(crate) fn agreements() -> Vec<Built> {
    let by = entity();
    vec![
        only(AGREEMENT),
        only(agreement()),
        one("on request", CommunicationMode::OnRequest),
        one("continuous", CommunicationMode::Continuous),
        one("propose", AgreementsCall::Propose(agreement())),
        one("accept", AgreementsCall::Accept(AGREEMENT)),
        one("end", AgreementsCall::End(AGREEMENT)),
        only(Ended {
            by,
            at: Height::new(9),
        }),
        one(
            "open",
            SignedAgreement {
                agreement: agreement(),
                accepted: vec![by],
                ended: None,
            },
        ),
        one(
            "ended",
            SignedAgreement {
                agreement: agreement(),
                accepted: custodians(),
                ended: Some(Ended {
                    by,
                    at: Height::new(9),
                }),
            },
        ),
        one(
            "proposed",
            AgreementsEvent::Proposed {
                agreement: AGREEMENT,
                by,
                text: agreement(),
            },
        ),
        one(
            "accepted",
            AgreementsEvent::Accepted {
                agreement: AGREEMENT,
                by,
                missing: 0,
            },
        ),
        one(
            "ended",
            AgreementsEvent::Ended {
                agreement: AGREEMENT,
                by,
            },
        ),
    ]
}
