//! Vectors of calls, and of what contracts keep in the state and make known.

use crate::vectors::{Built, one, only};
use salus_contracts::native::blockcfg::{BlockcfgEvent, Measured};
use salus_contracts::native::governance::{GovernanceEvent, Proposal};
use salus_contracts::native::identity::{Device, Entity, Holder, IdentityEvent};
use salus_contracts::native::records::{FirstRecord, RecordsEvent};
use salus_contracts::native::staking::{Absence, Member, Roll, StakingEvent};
use salus_primitives::calls::{
    BlockcfgCall, Change, Delegation, GovernanceCall, IdentityCall, NewDevice, Observed,
    ObservedSeat, Part, RecordsCall, Role, StakingCall,
};
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_tests::fixtures;

pub(crate) fn calls() -> Vec<Built> {
    let device = fixtures::device();
    let key = fixtures::key(1).public();
    vec![
        one(
            "register entity",
            IdentityCall::RegisterEntity {
                name: "pharmacy-9".into(),
                role: Role::Pharmacy,
                key,
                exchange_key: fixtures::exchange_secret().public(),
            },
        ),
        one(
            "register device",
            IdentityCall::register_device(device, key),
        ),
        one(
            "rotate device key",
            IdentityCall::rotate_device_key(device, key),
        ),
        one("revoke device", IdentityCall::RevokeDevice { device }),
        one(
            "revoke entity",
            IdentityCall::RevokeEntity {
                entity: EntityId::of_name("pharmacy-9"),
            },
        ),
        one("submit", RecordsCall::Submit(fixtures::sealed())),
    ]
}

pub(crate) fn staking_calls() -> Vec<Built> {
    let member = EntityId::of_name("hospital-0");
    let part = Part {
        candidate: member,
        weight: 0x0102,
    };
    let parts = Delegation::Parts(vec![part]);
    let observed = Observed {
        epoch: Epoch::new(3),
        views: 0x0102,
        seats: [
            (0x0102, Some(0x0103), Some(0x0104)),
            (0x0101, Some(0x0105), None),
            (0, None, None),
            (7, None, Some(0x0106)),
        ]
        .map(|(votes, response_us, rate_kbps)| ObservedSeat {
            votes,
            response_us,
            rate_kbps,
        })
        .into(),
    };
    vec![
        only(part),
        one("whole", Delegation::Whole(member)),
        one("parts", parts.clone()),
        one("stand", StakingCall::Stand),
        one("step down", StakingCall::StepDown),
        one("delegate", StakingCall::Delegate(parts)),
        one("withdraw", StakingCall::Withdraw),
        one("return", StakingCall::Return),
        one(
            "report",
            StakingCall::Report(Box::new(fixtures::evidence())),
        ),
        only(observed.seats[1]),
        only(observed.clone()),
        one("observe", StakingCall::Observe(observed)),
    ]
}

pub(crate) fn governance_calls() -> Vec<Built> {
    let member = EntityId::of_name("hospital-0");
    let weight = 0x0102;
    let keys = fixtures::validator_keys();
    let set_weight = Change::SetWeight { member, weight };
    vec![
        only(keys),
        one("set weight", set_weight.clone()),
        one(
            "admit member",
            Change::AdmitMember {
                entity: member,
                keys: Some(keys),
                weight,
            },
        ),
        one(
            "admit member without keys",
            Change::AdmitMember {
                entity: member,
                keys: None,
                weight,
            },
        ),
        one("retire member", Change::RetireMember { member }),
        one("rotate keys", Change::RotateKeys { member, keys }),
        one("release", Change::Release { member }),
        one(
            "set participation",
            Change::SetParticipation { percent: 40 },
        ),
        one(
            "set lane",
            Change::SetLane(fixtures::block_policy().lanes[1].clone()),
        ),
        one(
            "set model",
            Change::SetModel(fixtures::block_policy().model),
        ),
        one("propose", GovernanceCall::Propose(set_weight)),
        one("sign", GovernanceCall::Sign(fixtures::transaction(0).id())),
    ]
}

pub(crate) fn staking_stored_and_made_known() -> Vec<Built> {
    let member = EntityId::of_name("hospital-0");
    let keys = fixtures::validator_keys();
    let offence = fixtures::evidence()
        .verify(fixtures::genesis(), &fixtures::validators(), 8)
        .expect("genuine");
    let absence = Absence {
        epoch: Epoch::new(3),
        share_permille: 0x0102,
    };
    let founder = Member {
        admitted_at: Height::ZERO,
        keys: Some(keys),
        candidate: true,
        inactive: None,
        returned: None,
        jailed: None,
        answered: None,
        delegation: Some(Delegation::Whole(member)),
        delegated_at: Height::new(5),
    };
    let jailed = Member {
        keys: None,
        candidate: false,
        inactive: Some(absence),
        returned: Some(Epoch::new(2)),
        jailed: Some(offence),
        answered: Some(Epoch::new(4)),
        delegation: None,
        ..founder.clone()
    };
    let roll: Roll = (0u8..4).map(|n| (EntityId([n; 32]), 5)).collect();
    let events = [
        ("stood", StakingEvent::Stood { member }),
        ("stepped down", StakingEvent::SteppedDown { member }),
        (
            "delegated",
            StakingEvent::Delegated {
                member,
                delegation: Delegation::Whole(member),
            },
        ),
        ("withdrawn", StakingEvent::Withdrawn { member }),
        ("returned", StakingEvent::Returned { member }),
        (
            "jailed",
            StakingEvent::Jailed {
                offence,
                by: member,
            },
        ),
        ("released", StakingEvent::Released { member }),
        (
            "admitted",
            StakingEvent::Admitted {
                member,
                keys: Some(keys),
                weight: 7,
            },
        ),
        ("retired", StakingEvent::Retired { member }),
        ("weight set", StakingEvent::WeightSet { member, weight: 7 }),
        ("keys rotated", StakingEvent::KeysRotated { member, keys }),
        (
            "observed",
            StakingEvent::Observed {
                by: member,
                epoch: Epoch::new(3),
                views: 7,
            },
        ),
        (
            "participation set",
            StakingEvent::ParticipationSet { percent: 40 },
        ),
    ];
    let mut vectors = vec![
        one("founder", founder),
        one("jailed", jailed),
        only(roll),
        only(absence),
    ];
    vectors.extend(events.map(|(name, event)| one(name, event)));
    vectors
}

pub(crate) fn governance_stored_and_made_known() -> Vec<Built> {
    let by = EntityId::of_name("hospital-0");
    let proposal = fixtures::transaction(0).id();
    let expires_at = Height::new(0x0102);
    let change = Change::RetireMember { member: by };
    vec![
        only(Proposal {
            change: change.clone(),
            by,
            expires_at,
            signers: vec![by],
        }),
        one(
            "proposed",
            GovernanceEvent::Proposed {
                proposal,
                by,
                change,
                expires_at,
            },
        ),
        one(
            "signed",
            GovernanceEvent::Signed {
                proposal,
                by,
                signed: 4,
                total: 7,
            },
        ),
        one("passed", GovernanceEvent::Passed { proposal }),
    ]
}

pub(crate) fn blockcfg() -> Vec<Built> {
    let member = EntityId::of_name("hospital-0");
    let policy = fixtures::block_policy();
    vec![
        one("set price", BlockcfgCall::SetPrice { price: 0x0102 }),
        only(Measured {
            response_us: Some(2_500),
            rate_kbps: None,
        }),
        one(
            "lane set",
            BlockcfgEvent::LaneSet {
                parameters: policy.lanes[1].clone(),
            },
        ),
        one(
            "model set",
            BlockcfgEvent::ModelSet {
                model: policy.model,
            },
        ),
        one(
            "price set",
            BlockcfgEvent::PriceSet {
                member,
                price: 0x0102,
            },
        ),
    ]
}

pub(crate) fn stored_and_made_known() -> Vec<Built> {
    let device = fixtures::device();
    let entity = EntityId::of_name("hospital-0");
    let key = fixtures::key(1).public();
    let first = FirstRecord {
        height: Height::new(5),
        transaction: fixtures::transaction(0).id(),
    };
    let reading = fixtures::sealed().reading;
    let handle = fixtures::sealed().handle;
    let member = Entity {
        name: "hospital-0".into(),
        role: Role::Hospital,
        key,
        exchange_key: fixtures::exchange_secret().public(),
        registered_at: Height::ZERO,
        revoked_at: None,
    };
    vec![
        one(
            "revoked",
            Entity {
                revoked_at: Some(Height::new(9)),
                ..member.clone()
            },
        ),
        one("member", member),
        only(Device {
            owner: entity,
            model: None,
            key,
            key_since: Height::new(4),
            next: None,
            registered_at: Height::new(3),
            revoked_at: Some(Height::new(8)),
        }),
        one("entity", Holder::Entity(entity)),
        one("device", Holder::Device(device)),
        one("validator", Holder::Validator(entity)),
        one(
            "entity registered",
            IdentityEvent::EntityRegistered {
                entity,
                role: Role::Institute,
                key,
            },
        ),
        one(
            "devices registered",
            IdentityEvent::DevicesRegistered {
                owner: entity,
                model: None,
                devices: vec![NewDevice { device, key }],
            },
        ),
        one(
            "device key rotated",
            IdentityEvent::DeviceKeyRotated {
                device,
                key,
                from: Height::new(4),
            },
        ),
        one(
            "device revoked",
            IdentityEvent::DeviceRevoked { device, by: entity },
        ),
        one(
            "entity revoked",
            IdentityEvent::EntityRevoked { entity, by: entity },
        ),
        only(first),
        one(
            "recorded",
            RecordsEvent::Recorded {
                device,
                handle,
                reading,
            },
        ),
        one(
            "repeated",
            RecordsEvent::Repeated {
                device,
                reading,
                first,
            },
        ),
    ]
}
