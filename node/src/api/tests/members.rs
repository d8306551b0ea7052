//! Members and proposals, as the state has them.

use super::Node;
use super::chain::{MEMBERS, key};
use salus_contracts::native::blockcfg::{Measured, measured_key};
use salus_contracts::native::governance::{Proposal, proposal_key};
use salus_contracts::native::identity::{self, Entity};
use salus_contracts::native::staking::{self, Absence, Member, Roll};
use salus_contracts::slot::Slot;
use salus_primitives::calls::{Change, Delegation, GOVERNANCE, Part, Role, ValidatorKeys};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::evidence::{Offence, OffenceKind};
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_primitives::state::{StateKey, WriteSet};
use salus_primitives::transaction::TxId;
use serde_json::Value;

const NEWCOMER: &str = "new-hospital";

fn put<T: serde::Serialize>(writes: &mut WriteSet, key: StateKey, value: &T) {
    writes.put(key, codec::encode(value));
}

fn member(node: &Node, name: &str) -> Member {
    staking::member(&node.chain.ledger.state(), &EntityId::of_name(name))
        .expect("reads")
        .expect("a member")
}

fn of<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array()
        .expect("a list")
        .iter()
        .find(|member| member["name"] == name)
        .unwrap_or_else(|| panic!("{name} in {list}"))
}

/// A member that was admitted later has its name, as one that delegates in parts, one that is jailed and one without keys
/// have what makes them so.
#[tokio::test]
async fn members_are_shown_as_the_state_has_them() {
    let node = Node::start().await;
    let before = node.get("/v1/members").await.json();
    assert_eq!(before["total_weight"], 4);
    assert_eq!(before["weight_to_pass"], 3);
    let ministry = of(&before["members"], "ministry");
    assert_eq!(ministry["candidate"], true);
    assert_eq!(ministry["delegated_weight"], 1);
    assert_eq!(ministry["delegates"][0]["name"], "ministry");
    assert_eq!(
        ministry["keys"]["validator_key"],
        key(2, 2).public().to_string()
    );

    assert_eq!(ministry["price"], 1);
    assert!(ministry["measured"]["response_us"].is_null());

    let (hospital, pharmacy) = (EntityId::of_name("hospital"), EntityId::of_name("pharmacy"));
    let newcomer = EntityId::of_name(NEWCOMER);
    let mut writes = WriteSet::default();
    let roll: Roll = MEMBERS
        .iter()
        .map(|name| (EntityId::of_name(name), 10))
        .chain([(newcomer, 5)])
        .collect();
    put(&mut writes, staking::roll_key(), &roll);
    let measured = Measured {
        response_us: Some(1_250),
        rate_kbps: None,
    };
    put(&mut writes, measured_key(&pharmacy), &measured);
    let entity = Entity {
        name: NEWCOMER.into(),
        role: Role::Hospital,
        key: key(7, 1).public(),
        exchange_key: ExchangeSecret::from_bytes([9; 32]).public(),
        registered_at: Height::new(1),
        revoked_at: None,
    };
    put(&mut writes, identity::entity_key(&newcomer), &entity);
    let admitted = Member {
        admitted_at: Height::new(1),
        keys: None,
        candidate: false,
        delegation: Some(Delegation::Parts(vec![
            Part {
                candidate: hospital.min(pharmacy),
                weight: 2,
            },
            Part {
                candidate: hospital.max(pharmacy),
                weight: 3,
            },
        ])),
        delegated_at: Height::new(1),
        ..member(&node, "hospital")
    };
    put(&mut writes, staking::member_key(&newcomer), &admitted);
    let jailed = Member {
        jailed: Some(Offence {
            entity: pharmacy,
            epoch: Epoch::new(1),
            kind: OffenceKind::DoubleNotarize,
        }),
        inactive: Some(Absence {
            epoch: Epoch::new(1),
            share_permille: 7,
        }),
        ..member(&node, "pharmacy")
    };
    put(&mut writes, staking::member_key(&pharmacy), &jailed);
    node.chain.grow_with(0, writes);

    let after = node.get("/v1/members").await.json();
    assert_eq!(after["height"], 1);
    assert_eq!(
        (&after["total_weight"], &after["weight_to_pass"]),
        (&45.into(), &31.into())
    );
    let members = &after["members"];
    let newcomer = of(members, NEWCOMER);
    assert_eq!(newcomer["role"], "hospital");
    assert_eq!(
        (&newcomer["weight"], &newcomer["admitted_at"]),
        (&5.into(), &1.into())
    );
    assert!(newcomer["keys"].is_null() && newcomer["delegated_weight"].is_null());
    let parts = newcomer["delegates"].as_array().expect("a list");
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0]["weight"], 2);
    let pharmacy = of(members, "pharmacy");
    assert_eq!(pharmacy["jailed"]["kind"], "double_notarize");
    assert_eq!(pharmacy["jailed"]["epoch"], 1);
    assert_eq!(pharmacy["inactive"]["share_permille"], 7);
    assert!(newcomer["inactive"].is_null());
    assert_eq!(pharmacy["measured"]["response_us"], 1_250);
    assert!(pharmacy["measured"]["rate_kbps"].is_null());
    let delegated = |name: &str| of(members, name)["delegated_weight"].as_u64();
    assert_eq!(
        delegated("hospital")
            .zip(delegated("pharmacy"))
            .map(|(a, b)| a + b),
        Some(25)
    );
}

/// A proposal shows whose signatures count, and how much weight is missing; an expired one is not shown.
#[tokio::test]
async fn open_proposals_show_what_is_missing() {
    let node = Node::start().await;
    assert_eq!(
        node.get("/v1/proposals").await.json()["proposals"],
        Value::Array(vec![])
    );
    let by = EntityId::of_name("ministry");
    let (open, expired) = (TxId([1; 32]), TxId([2; 32]));
    let keys = ValidatorKeys {
        validator_key: key(8, 2).public(),
        network_key: key(8, 3).public(),
    };
    let proposal = |expires_at, change| Proposal {
        change,
        by,
        expires_at: Height::new(expires_at),
        // one has left since
        signers: vec![by, EntityId::of_name("gone"), EntityId::of_name("hospital")],
    };
    let rotate = Change::RotateKeys {
        member: EntityId::of_name("pharmacy"),
        keys,
    };
    let mut writes = WriteSet::default();
    put(&mut writes, proposal_key(&open), &proposal(2, rotate));
    let release = Change::Release { member: by };
    put(&mut writes, proposal_key(&expired), &proposal(1, release));
    let list: Slot<Vec<TxId>> = Slot::tree(b'o', by.as_bytes());
    put(&mut writes, list.key_of(GOVERNANCE), &vec![expired, open]);
    node.chain.grow_with(0, writes);

    let view = node.get("/v1/proposals").await.json();

    assert_eq!(view["proposals"].as_array().map(Vec::len), Some(1));
    let shown = &view["proposals"][0];
    assert_eq!(shown["id"], open.to_string());
    assert_eq!(shown["by"]["name"], "ministry");
    assert_eq!(shown["change"]["kind"], "rotate_keys");
    assert_eq!(shown["change"]["name"], "pharmacy");
    assert_eq!(
        shown["change"]["keys"]["network_key"],
        keys.network_key.to_string()
    );
    assert_eq!(shown["signed_weight"], 2);
    assert_eq!(shown["missing_weight"], 1);
    let gone = &shown["signers"][1];
    assert!(gone["weight"].is_null() && gone["name"].is_null(), "{gone}");

    let percent = Change::SetParticipation { percent: 40 };
    let mut writes = WriteSet::default();
    put(&mut writes, proposal_key(&open), &proposal(3, percent));
    node.chain.grow_with(0, writes);
    let change = &node.get("/v1/proposals").await.json()["proposals"][0]["change"];
    assert_eq!(
        change,
        &serde_json::json!({"kind": "set_participation", "percent": 40})
    );

    let bulk = node.chain.genesis.policy.lanes[3].clone();
    let mut writes = WriteSet::default();
    put(
        &mut writes,
        proposal_key(&open),
        &proposal(4, Change::SetLane(bulk)),
    );
    node.chain.grow_with(0, writes);
    let change = &node.get("/v1/proposals").await.json()["proposals"][0]["change"];
    assert_eq!(change["kind"], "set_lane");
    assert_eq!(change["lane"]["lane"], "bulk");
    assert_eq!(change["lane"]["policy"], "fixed");

    node.grow(0);
    let later = node.get("/v1/proposals").await.json();
    assert_eq!(later["proposals"], Value::Array(vec![]));
}

/// Who was admitted after genesis is named in `/status` as the others are.
#[tokio::test]
async fn status_names_who_came_later() {
    let node = Node::start().await;
    let newcomer = EntityId::of_name(NEWCOMER);
    let entity = Entity {
        name: NEWCOMER.into(),
        role: Role::Hospital,
        key: key(7, 1).public(),
        exchange_key: ExchangeSecret::from_bytes([9; 32]).public(),
        registered_at: Height::new(1),
        revoked_at: None,
    };
    let mut writes = WriteSet::default();
    put(&mut writes, identity::entity_key(&newcomer), &entity);
    node.chain.grow_with(0, writes);
    node.status
        .send_modify(|status| status.manager = Some(newcomer));

    assert_eq!(node.get("/status").await.json()["manager"], NEWCOMER);
}

/// Whoever signs must name the entity that answers for the key, and can ask for it.
#[tokio::test]
async fn a_key_tells_its_entity() {
    let node = Node::start().await;
    // the operator's and the validator's
    for kind in [1, 2] {
        let key = key(0, kind).public();
        let found = node.get(&format!("/v1/keys/{key}")).await;
        assert_eq!(found.status.as_u16(), 200);
        let found = found.json();
        assert_eq!(found["name"], MEMBERS[0]);
        assert_eq!(found["entity"], EntityId::of_name(MEMBERS[0]).to_string());
    }

    let nobody = node.get(&format!("/v1/keys/{}", key(9, 9).public())).await;
    let none = node.get("/v1/keys/0").await;

    assert_eq!(nobody.status.as_u16(), 404);
    assert_eq!(nobody.json()["error"]["code"], "unknown_key");
    assert_eq!(none.status.as_u16(), 400);
}
