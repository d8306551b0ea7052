//! Evidence jails its author and nobody else.

use crate::world::*;
use salus_contracts::native::staking::{self as contract, JAILED, StakingEvent};
use salus_primitives::calls::{Change, STAKING};
use salus_primitives::certificate::Statement;
use salus_primitives::codec;
use salus_primitives::evidence::{Evidence, Offence, OffenceKind};
use salus_primitives::ids::{BlockId, Epoch, GenesisHash, View};
use salus_primitives::signed::Signed;

fn jailed(world: &World) -> Vec<u8> {
    (1..=5)
        .filter(|n| {
            world
                .member(*n)
                .is_some_and(|member| member.jailed.is_some())
        })
        .collect()
}

fn world() -> World {
    World::weighing(&[10, 10, 10, 10, 10])
}

fn offence(n: u8, epoch: u64) -> Offence {
    Offence {
        entity: entity_id(n),
        epoch: Epoch::new(epoch),
        kind: OffenceKind::DoubleNotarize,
    }
}

#[test]
fn evidence_jails_exactly_its_author_and_names_who_reported_it() {
    let mut world = world();
    let evidence = evidence(&world, 1, 3);

    let receipts = world.block(&[report(1, &evidence)]);

    assert_eq!(reason(&receipts[0]), "ok");
    assert_eq!(jailed(&world), [3]);
    assert_eq!(
        contract::offences(&world.state, Epoch::new(1)).expect("memory"),
        [offence(3, 1)]
    );
    let event = &receipts[0].events[0];
    assert_eq!((event.contract, event.topic), (STAKING, JAILED));
    assert_eq!(
        codec::decode(event.data.as_slice(), 1024),
        Ok(StakingEvent::Jailed {
            offence: offence(3, 1),
            by: entity_id(1)
        })
    );
}

/// A device can report too, and a member may report itself.
#[test]
fn anyone_with_a_principal_can_report() {
    let mut world = world();
    assert_eq!(world.run(register_device(1, 21)), "ok");

    assert_eq!(world.run(report(21, &evidence(&world, 1, 3))), "ok");
    assert_eq!(world.run(report(4, &evidence(&world, 1, 4))), "ok");
    assert_eq!(
        world.run(report(99, &evidence(&world, 1, 5))),
        "unknown_sender"
    );

    assert_eq!(jailed(&world), [3, 4]);
}

#[test]
fn forged_evidence_jails_nobody() {
    let mut world = world();
    let good = evidence(&world, 1, 3);
    let other = evidence(&world, 1, 4);
    // another's votes under this seat, one of each, and votes of another chain
    let mut stolen = good.clone();
    stolen.first = other.first.clone();
    stolen.second = other.second.clone();
    let mut half = good.clone();
    half.second = other.second;
    let elsewhere = Evidence::new(
        good.seat,
        Signed::sign(good.first.body, GenesisHash([8; 32]), &secret(203).signer()).into_signed(),
        Signed::sign(
            good.second.body,
            GenesisHash([8; 32]),
            &secret(203).signer(),
        )
        .into_signed(),
    );

    for forged in [stolen, half, elsewhere] {
        assert_eq!(world.run(report(1, &forged)), "bad_vote_signature");
    }

    assert_eq!(jailed(&world), []);
    assert_eq!(world.run(report(1, &good)), "ok");
}

/// Rule 6 needs the tenure: with terms of eight views, view 9 is in another term than view 8.
#[test]
fn rule_6_is_judged_by_the_chains_tenure() {
    let mut world = world();
    let seat = evidence(&world, 1, 3).seat;
    let rule_6 = |finalized: u64, nullified: u64| {
        let epoch = Epoch::new(1);
        let sign =
            |statement| Signed::sign(statement, GENESIS, &secret(203).signer()).into_signed();
        Evidence::new(
            seat,
            sign(Statement::Finalize {
                epoch,
                view: View::new(finalized),
                block: BlockId([1; 32]),
            }),
            sign(Statement::Nullify {
                epoch,
                view: View::new(nullified),
            }),
        )
    };

    assert_eq!(world.run(report(1, &rule_6(9, 8))), "no_conflict");
    assert_eq!(world.run(report(1, &rule_6(8, 1))), "ok");

    let kind = world
        .member(3)
        .and_then(|member| member.jailed)
        .map(|offence| offence.kind);
    assert_eq!(kind, Some(OffenceKind::FinalizeAndNullify));
}

/// One epoch's offences are one; another epoch's is another, and is kept although the member is jailed.
#[test]
fn an_offence_is_known_per_member_and_epoch() {
    let mut world = world();
    let first = evidence(&world, 1, 3);
    let mut again = first.clone();
    for (vote, block) in [(&mut again.first, 7), (&mut again.second, 8)] {
        let statement = Statement::Notarize {
            epoch: Epoch::new(1),
            view: View::new(5),
            block: BlockId([block; 32]),
        };
        *vote = Signed::sign(statement, GENESIS, &secret(203).signer()).into_signed();
    }

    assert_eq!(world.run(report(1, &first)), "ok");
    assert_eq!(world.run(report(1, &first)), "offence_known");
    assert_eq!(world.run(report(2, &again)), "offence_known");
    assert_eq!(world.run(report(1, &evidence(&world, 2, 3))), "ok");

    let jailed_for = world.member(3).and_then(|member| member.jailed);
    assert_eq!(jailed_for, Some(offence(3, 1)));
}

/// A release answers what lies behind it, in this epoch and before; a later epoch's offence jails again.
#[test]
fn a_released_member_is_jailed_again_only_for_a_later_epoch() {
    let mut world = world();
    let (first, second) = (evidence(&world, 1, 3), evidence(&world, 2, 3));
    assert_eq!(world.run(report(1, &second)), "ok");
    world.enact(
        &[1, 2, 4, 5],
        Change::Release {
            member: entity_id(3),
        },
    );
    assert_eq!(jailed(&world), []);

    // released in epoch 1
    assert_eq!(world.run(report(1, &first)), "offence_answered");
    world.advance_to(10);
    let third = evidence(&world, 3, 3);
    assert_eq!(world.run(report(1, &third)), "ok");

    assert_eq!(jailed(&world), [3]);
}

/// A rotated key convicts for the epochs that it was valid in, and not for later ones.
#[test]
fn votes_count_under_the_key_of_their_epoch() {
    let mut world = world();
    let keys = salus_primitives::calls::ValidatorKeys {
        validator_key: key(150),
        network_key: key(151),
    };
    let member = entity_id(3);
    world.enact(&[1, 2, 4, 5], Change::RotateKeys { member, keys });
    world.advance_to(10);

    // both made with the first key
    assert_eq!(
        world.run(report(1, &evidence(&world, 3, 3))),
        "bad_vote_signature"
    );
    assert_eq!(world.run(report(1, &evidence(&world, 2, 3))), "ok");
}

#[test]
fn evidence_is_taken_for_as_long_as_its_epochs_validators_are_kept() {
    let mut world = world();
    let (first, second) = (evidence(&world, 1, 3), evidence(&world, 2, 3));
    // the end of epoch 15 records epoch 17, and forgets epoch 1
    world.advance_to(149);
    assert_eq!(
        reason(&world.outcome(&[report(1, &first)]).receipts[0]),
        "ok"
    );
    world.advance_to(150);

    assert_eq!(world.run(report(1, &first)), "unknown_epoch");
    assert_eq!(world.run(report(1, &second)), "ok");
}
