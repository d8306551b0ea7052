//! Agreements: when they are active, and who makes and ends them.

use crate::people::reasons;
use crate::world::*;
use salus_contracts::error::StableError;
use salus_contracts::native::agreements::{
    self as contract, AgreementsError, AgreementsEvent, OPEN_MAX,
};
use salus_primitives::access::{AgreementId, Categories, Purpose, Purposes};
use salus_primitives::calls::{
    AGREEMENT_PARTIES_MAX, AGREEMENTS, Agreement, AgreementsCall, CommunicationMode, Role,
};
use salus_primitives::codec;
use salus_primitives::ids::EntityId;
use salus_primitives::lane::Lane;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, TRANSACTION_MAX};
use std::collections::BTreeSet;

fn parties(numbers: &[u8]) -> Vec<EntityId> {
    crate::people::entities(numbers)
}

/// Of hospital, pharmacy and institute, from 3000 to 10000.
fn research() -> Agreement {
    Agreement {
        parties: parties(&[HOSPITAL, PHARMACY, INSTITUTE]),
        receivers: vec![Role::Institute],
        categories: Categories::from_iter([Category::VitalSigns]),
        purposes: Purposes::from_iter([Purpose::Research]),
        mode: CommunicationMode::OnRequest,
        from: Timestamp::from_millis(3_000),
        until: Timestamp::from_millis(10_000),
    }
}

fn call(sender: u8, call: &AgreementsCall) -> SignedTransaction {
    transaction(sender, Lane::Routine, Call::new(AGREEMENTS, call))
}

fn propose(sender: u8, agreement: &Agreement) -> SignedTransaction {
    call(sender, &AgreementsCall::Propose(agreement.clone()))
}

fn id(proposal: &SignedTransaction) -> AgreementId {
    proposal.body.id().into()
}

fn accept(sender: u8, id: AgreementId) -> SignedTransaction {
    call(sender, &AgreementsCall::Accept(id))
}

fn end(sender: u8, id: AgreementId) -> SignedTransaction {
    call(sender, &AgreementsCall::End(id))
}

/// Whether data can be exchanged under it in the next block.
fn is_active(world: &World, id: &AgreementId) -> bool {
    contract::agreement(&world.state, id)
        .expect("memory")
        .is_some_and(|signed| signed.is_active(world.next().time))
}

fn events(receipt: &salus_primitives::receipt::Receipt) -> Vec<AgreementsEvent> {
    receipt
        .events
        .iter()
        .map(|event| codec::decode(event.data.as_slice(), TRANSACTION_MAX).expect("an event"))
        .collect()
}

/// In blocks 1 and 2 all sign; it is active in those from 3000 on and not at 10000.
#[test]
fn an_agreement_is_active_when_all_have_signed_and_in_its_time_alone() {
    let mut world = World::new();
    let proposal = propose(HOSPITAL, &research());
    let id = id(&proposal);

    let receipts = world.block(&[proposal, accept(INSTITUTE, id)]);
    assert_eq!(
        events(&receipts[0]),
        [AgreementsEvent::Proposed {
            agreement: id,
            by: entity_id(HOSPITAL),
            text: research()
        }]
    );
    assert_eq!(
        events(&receipts[1]),
        [AgreementsEvent::Accepted {
            agreement: id,
            by: entity_id(INSTITUTE),
            missing: 1
        }]
    );
    world.block(&[]);
    assert!(!is_active(&world, &id), "one has yet to sign");
    let receipts = world.block(&[accept(PHARMACY, id)]);
    assert_eq!(reasons(&receipts), ["ok"]);

    while world.height < 12 {
        let now = world.next().time.as_millis();
        assert_eq!(is_active(&world, &id), now < 10_000, "{now}");
        world.block(&[]);
    }
}

#[test]
fn an_agreement_that_all_have_signed_waits_for_its_beginning() {
    let mut world = World::new();
    let proposal = propose(HOSPITAL, &research());
    let id = id(&proposal);
    world.block(&[proposal, accept(INSTITUTE, id), accept(PHARMACY, id)]);

    assert_eq!(world.next().time.as_millis(), 2_000);
    assert!(!is_active(&world, &id));
    world.block(&[]);
    assert!(is_active(&world, &id));
}

/// Whoever ends it, signed or not, for good.
#[test]
fn any_party_ends_an_agreement_alone() {
    for (who, expected) in [
        (HOSPITAL, "ok"),
        (PHARMACY, "ok"),
        (INSTITUTE, "ok"),
        (INSURER, "not_a_party"),
        (MINISTRY, "not_a_party"),
    ] {
        for all_signed in [false, true] {
            let mut world = World::new();
            let proposal = propose(HOSPITAL, &research());
            let id = id(&proposal);
            world.block(&[proposal, accept(INSTITUTE, id)]);
            if all_signed {
                world.block(&[accept(PHARMACY, id)]);
            }
            world.advance_to(3);

            let receipts = world.block(&[end(who, id), accept(PHARMACY, id)]);

            assert_eq!(reason(&receipts[0]), expected);
            let is_ended = expected == "ok";
            let accepted = match (is_ended, all_signed) {
                (true, _) => "agreement_ended",
                (false, true) => "already_accepted",
                (false, false) => "ok",
            };
            assert_eq!(reason(&receipts[1]), accepted);
            assert_eq!(is_active(&world, &id), !is_ended);
            if is_ended {
                let by = entity_id(who);
                assert_eq!(
                    events(&receipts[0]),
                    [AgreementsEvent::Ended { agreement: id, by }]
                );
                assert_eq!(world.run(end(HOSPITAL, id)), "agreement_ended");
            }
        }
    }
}

/// What others propose takes none of a party's room, and what is over makes room again.
#[test]
fn an_entity_has_so_many_open_proposals() {
    let mut world = World::new();
    let nth = |n: usize| {
        let mut proposal = propose(HOSPITAL, &research());
        proposal.body.nonce[..8].copy_from_slice(&n.to_be_bytes());
        proposal
    };
    let all: Vec<_> = (0..OPEN_MAX).map(nth).collect();
    assert!(world.block(&all).iter().all(|it| reason(it) == "ok"));

    assert_eq!(world.run(nth(OPEN_MAX)), "too_many_agreements");
    assert_eq!(world.run(propose(PHARMACY, &research())), "ok");
    assert_eq!(world.run(end(INSTITUTE, id(&all[7]))), "ok");
    assert_eq!(world.run(nth(OPEN_MAX)), "ok");
    assert_eq!(world.run(nth(OPEN_MAX + 1)), "too_many_agreements");
    assert_eq!(
        world.run(end(HOSPITAL, id(&all[7]))),
        "unknown_agreement",
        "removed"
    );

    // all of them run out at once, and one call removes them
    world.advance_to(10);
    let rows = world.state.0.len();
    let later = Agreement {
        until: Timestamp::from_millis(90_000),
        ..research()
    };
    assert_eq!(world.run(propose(HOSPITAL, &later)), "ok");
    assert_eq!(world.state.0.len(), rows - OPEN_MAX + 1);
}

#[test]
fn every_code_is_reached_and_leaves_nothing() {
    let mut world = World::new();
    let proposal = propose(HOSPITAL, &research());
    let known = id(&proposal);
    let short = Agreement {
        until: Timestamp::from_millis(3_001),
        ..research()
    };
    let short = propose(PHARMACY, &short);
    let over = id(&short);
    world.block(&[
        proposal,
        short,
        accept(INSTITUTE, known),
        register_device(HOSPITAL, 21),
        register_entity(MINISTRY, 11, Role::Hospital),
        revoke_entity(MINISTRY, 11),
    ]);
    world.advance_to(3);
    let with = |change: fn(&mut Agreement)| {
        let mut agreement = research();
        change(&mut agreement);
        propose(HOSPITAL, &agreement)
    };
    let unknown_bits = |byte: u8| codec::decode(&[byte], 1).expect("one byte");
    let unknown_categories = Agreement {
        categories: unknown_bits(0x81),
        ..research()
    };
    let unknown_purposes = Agreement {
        purposes: codec::decode(&[0x88], 1).expect("one byte"),
        ..research()
    };
    let mut full = World::new();
    for n in 0..=u8::MAX {
        let mut proposal = propose(HOSPITAL, &research());
        proposal.body.nonce = [n; 16];
        assert_eq!(reason(&full.outcome(&[proposal.clone()]).receipts[0]), "ok");
        let outcome = full.outcome(&[proposal]);
        full.state.apply(&outcome.writes);
    }
    let mut one_more = propose(HOSPITAL, &research());
    one_more.body.nonce = [7; 16];
    one_more.body.valid_until = one_more.body.valid_until.next();
    let cases = [
        ("not_an_entity", propose(21, &research())),
        ("not_an_entity", accept(HOSPITAL + 200, known)),
        ("parties_out_of_bounds", with(|it| it.parties.truncate(1))),
        (
            "parties_out_of_bounds",
            with(|it| {
                it.parties = vec![entity_id(HOSPITAL); AGREEMENT_PARTIES_MAX + 1];
            }),
        ),
        ("parties_out_of_order", with(|it| it.parties.reverse())),
        (
            "parties_out_of_order",
            with(|it| it.parties = vec![entity_id(HOSPITAL); 2]),
        ),
        ("not_a_party", propose(INSURER, &research())),
        ("not_a_party", accept(INSURER, known)),
        ("not_a_party", end(INSURER, known)),
        (
            "unknown_party",
            with(|it| it.parties = parties(&[HOSPITAL, INSTITUTE, 77])),
        ),
        (
            "unknown_party",
            with(|it| it.parties = parties(&[HOSPITAL, INSTITUTE, 11])),
        ),
        ("bad_receivers", with(|it| it.receivers.clear())),
        (
            "bad_receivers",
            with(|it| it.receivers = vec![Role::Institute, Role::Hospital]),
        ),
        (
            "bad_receivers",
            with(|it| it.receivers = vec![Role::Hospital, Role::Hospital]),
        ),
        (
            "bad_receivers",
            with(|it| it.receivers = vec![Role::Insurer]),
        ),
        (
            "bad_categories",
            with(|it| it.categories = Categories::default()),
        ),
        ("bad_categories", propose(HOSPITAL, &unknown_categories)),
        ("bad_purposes", with(|it| it.purposes = Purposes::default())),
        ("bad_purposes", with(|it| it.purposes = Purposes::all())),
        ("bad_purposes", propose(HOSPITAL, &unknown_purposes)),
        ("bad_period", with(|it| it.until = it.from)),
        // at 4000
        (
            "bad_period",
            with(|it| it.until = Timestamp::from_millis(4_000)),
        ),
        ("unknown_agreement", accept(HOSPITAL, AgreementId([1; 32]))),
        ("unknown_agreement", end(HOSPITAL, AgreementId([1; 32]))),
        ("already_accepted", accept(HOSPITAL, known)),
        ("already_accepted", accept(INSTITUTE, known)),
        ("agreement_ended", accept(HOSPITAL, over)),
        ("agreement_ended", end(PHARMACY, over)),
    ];
    let mut seen = BTreeSet::new();

    for (world, expected, transaction) in cases
        .into_iter()
        .map(|(expected, transaction)| (&world, expected, transaction))
        .chain([(&full, "too_many_agreements", one_more)])
    {
        let outcome = world.outcome(std::slice::from_ref(&transaction));
        assert_eq!(reason(&outcome.receipts[0]), expected, "{transaction:?}");
        assert!(outcome.writes.0.is_empty() && outcome.receipts[0].events.is_empty());
        seen.insert(expected);
    }

    let all: BTreeSet<_> = AgreementsError::ALL
        .iter()
        .map(|error| error.reason())
        .collect();
    assert_eq!(seen, all);
}
