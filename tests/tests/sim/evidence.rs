//! Nodes report what they see of one another by themselves: contradictions, and missed votes.

use super::{EQUAL, agree};
use salus_consensus::message::Message;
use salus_consensus::vote::VerifiedVote;
use salus_contracts::native::staking::{self, Member};
use salus_node::wire::Frame;
use salus_primitives::calls::{STAKING, StakingCall};
use salus_primitives::certificate::Statement;
use salus_primitives::codec;
use salus_primitives::evidence::OffenceKind;
use salus_primitives::ids::{BlockId, EntityId, Epoch, Height, View};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::{Call, TRANSACTION_MAX};
use salus_tests::keys::MemberKeys;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const FIVE: [u64; 5] = [1; 5];

fn entity(n: u8) -> EntityId {
    EntityId::of_name(&MemberKeys::nth(n).name)
}

/// A member, as the state at node 0 has it.
fn member(sim: &Sim, n: u8) -> Member {
    let ledger = sim.node(0).ledger().expect("runs");
    let member = staking::member(&ledger.state(), &entity(n)).expect("reads");
    member.expect("a member")
}

/// Whether a member has a seat in an epoch, if its validators are known.
fn sits(sim: &Sim, n: u8, epoch: Epoch) -> Option<bool> {
    let ledger = sim.node(0).ledger().expect("runs");
    let set = staking::set(&ledger.state(), epoch).expect("reads")?;
    Some(set.seat_of(&entity(n)).is_some())
}

/// The staking calls in the chain, as far as node 0 has it, with their heights.
fn said(sim: &Sim) -> Vec<(Height, StakingCall)> {
    let ledger = sim.node(0).ledger().expect("runs");
    let mut calls = Vec::new();
    for height in (1..=ledger.head().height.get()).map(Height::new) {
        let block = ledger.block(height).expect("reads");
        let transactions = block.expect("kept").transactions;
        for call in transactions.into_iter().map(|signed| signed.body.call) {
            if call.contract == STAKING {
                let payload = call.payload.as_slice();
                let call = codec::decode(payload, TRANSACTION_MAX).expect("a call");
                calls.push((height, call));
            }
        }
    }
    calls
}

/// Keeps the chain busy until something holds.
fn run_until(sim: &mut Sim, by: &[usize], done: impl Fn(&Sim) -> bool) {
    for round in 0..1_000 {
        if done(sim) {
            return;
        }
        sim.submit(by[round % by.len()], Lane::Routine);
        sim.run_for(60);
    }
    panic!("not within a thousand rounds: {:?}", sim.final_heights());
}

/// Two votes of member 4 in one view reach node 0 alone. Its report jails the member on chain, once, and from the epoch after the
/// next on it has no seat.
#[test]
fn a_member_that_equivocates_is_jailed_by_the_honest_nodes_own_report() {
    for late in [false, true] {
        let mut sim = Sim::with_epochs(600, &FIVE, Plan::calm(), 16);
        run_until(&mut sim, &[0, 1, 2], |sim| {
            sim.node(0).final_height() >= Height::new(5)
        });
        let epoch = sim.node(0).epoch();
        let engine = sim.node(0).replica().expect("runs").engine();
        // late: the view is final by then, and the member's vote in it known from everyone's certificate
        let view = match late {
            true => engine.final_view(),
            false => engine.view().plus(2),
        };
        double_vote(&mut sim, view);

        run_until(&mut sim, &[0, 1, 2], |sim| member(sim, 4).jailed.is_some());

        let jailed = member(&sim, 4).jailed.expect("jailed");
        assert_eq!(
            (jailed.epoch, jailed.kind),
            (epoch, OffenceKind::DoubleNotarize)
        );
        run_until(&mut sim, &[0, 1, 2], |sim| {
            sim.node(0).epoch() >= epoch.plus(4)
        });
        let reports: Vec<Height> = said(&sim)
            .into_iter()
            .filter(|(_, call)| matches!(call, StakingCall::Report(_)))
            .map(|(height, _)| height)
            .collect();
        assert_eq!(reports.len(), 1, "one node saw it");
        let reported = sim.genesis().parameters.epoch_at(reports[0]);
        assert_eq!(sits(&sim, 4, reported.plus(1)), Some(true));
        assert_eq!(sits(&sim, 4, reported.plus(2)), Some(false));
        for honest in 0..4 {
            assert_eq!(member(&sim, honest).jailed, None);
        }
        agree(&sim);
    }
}

/// Two notarise votes of member 4, to node 0.
fn double_vote(sim: &mut Sim, view: View) {
    let genesis = sim.genesis().hash;
    let set = sim.node(0).replica().expect("runs").engine().epoch();
    let ledger = sim.node(0).ledger().expect("runs");
    let validators = staking::set(&ledger.state(), set).expect("reads");
    let validators = validators.expect("the present ones");
    let seat = validators.seat_of(&entity(4)).expect("a validator");
    let signer = MemberKeys::nth(4).validator.signer();
    for block in [8, 9] {
        let statement = Statement::Notarize {
            epoch: set,
            view,
            block: BlockId([block; 32]),
        };
        let vote = *VerifiedVote::sign(statement, seat, genesis, &signer).vote();
        let entry = None;
        sim.inject(0, 4, Frame::Consensus(Message::Vote { vote, entry }));
    }
}

/// All nodes see a contradiction; they report it in turns, and the first report spares the others.
#[test]
fn a_contradiction_that_everyone_sees_is_reported_by_few() {
    let mut sim = Sim::with_epochs(601, &[1; 10], Plan::calm(), 64);
    run_until(&mut sim, &[0, 1, 2], |sim| {
        sim.node(0).final_height() >= Height::new(3)
    });
    let epoch = sim.node(0).epoch();
    let genesis = sim.genesis();
    let seat = genesis
        .first
        .validators
        .seat_of(&entity(4))
        .expect("a validator");
    let hash = genesis.hash;
    let view = sim.node(0).replica().expect("runs").engine().view().plus(3);
    let signer = MemberKeys::nth(4).validator.signer();
    for node in (0..10).filter(|node| *node != 4) {
        for block in [8, 9] {
            let statement = Statement::Finalize {
                epoch,
                view,
                block: BlockId([block; 32]),
            };
            let vote = *VerifiedVote::sign(statement, seat, hash, &signer).vote();
            let entry = None;
            sim.inject(node, 4, Frame::Consensus(Message::Vote { vote, entry }));
        }
    }

    run_until(&mut sim, &[0, 1, 2], |sim| member(sim, 4).jailed.is_some());
    sim.run_for(10_000);

    let reports = said(&sim).len();
    assert_eq!(
        reports, 1,
        "nine saw it, and the first to report was heard by all"
    );
}

/// Member 3 is away for an epoch: the others say so, it is inactive and loses its seat, comes back by its operator's call, and
/// keeps its seat from then on.
#[test]
fn a_silent_member_becomes_inactive_and_returns() {
    let mut sim = Sim::with_epochs(602, &FIVE, Plan::calm(), 8);
    sim.crash(3);
    let others = [0, 1, 2, 4];
    run_until(&mut sim, &others, |sim| member(sim, 3).inactive.is_some());

    let absence = member(&sim, 3).inactive.expect("inactive");
    assert_eq!((absence.epoch, absence.share_permille), (Epoch::new(1), 0));
    assert_eq!(sits(&sim, 3, Epoch::new(3)), Some(true));
    assert_eq!(sits(&sim, 3, Epoch::new(4)), Some(false));

    sim.start(3);
    run_until(&mut sim, &others, |sim| {
        sim.node(3).final_height() == sim.node(0).final_height()
    });
    let back = Call::new(STAKING, &StakingCall::Return);
    sim.submit_call(3, 3, Lane::Routine, back);
    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    let returned = member(&sim, 3).returned.expect("returned");
    run_until(&mut sim, &others, |sim| {
        sim.node(0).epoch() >= returned.plus(6)
    });

    for epoch in 2..=6 {
        assert_eq!(sits(&sim, 3, returned.plus(epoch)), Some(true), "{epoch}");
    }
    for n in 0..5 {
        assert_eq!(member(&sim, n).inactive, None, "{n}");
    }
    agree(&sim);
}

/// Loss, duplication and delays beyond delta convict nobody, and a network that loses every fifth frame makes nobody absent.
#[test]
fn honest_members_on_a_rough_network_are_neither_jailed_nor_inactive() {
    for seed in 610..614 {
        let mut sim = Sim::with_epochs(seed, &[3, 2, 2, 2, 1], Plan::rough(), 8);
        for round in 0..30 {
            sim.submit(round % 5, Lane::ALL[round % 4]);
            sim.run_for(400);
        }
        sim.set_plan(Plan::calm());
        assert!(sim.run_until_final(60_000), "seed {seed}");

        assert!(sim.node(0).epoch() > Epoch::new(3), "seed {seed}");
        for n in 0..5 {
            let member = member(&sim, n);
            assert_eq!(member.jailed, None, "seed {seed}, member {n}");
            assert_eq!(member.inactive, None, "seed {seed}, member {n}");
        }
        let observed = said(&sim)
            .iter()
            .filter(|(_, call)| matches!(call, StakingCall::Observe(_)))
            .count();
        assert!(observed >= 5, "seed {seed}: {observed}");
    }
}

/// What member 3 says reaches the others when the views it speaks of are final: the chain goes on without it, and it is present.
#[test]
fn a_slow_member_whose_votes_decide_nothing_stays_active() {
    let mut sim = Sim::with_epochs(640, &FIVE, Plan::calm(), 16);
    let held: Rc<RefCell<Vec<(usize, Frame)>>> = Rc::default();
    let hold = Rc::clone(&held);
    let mut released = false;
    sim.set_filter(Box::new(move |from, to, frame| {
        if from == 3 && !matches!(frame, Frame::Request(_)) {
            hold.borrow_mut().push((to, frame));
            return None;
        }
        Some(frame)
    }));
    for round in 0..160 {
        sim.submit(round % 3, Lane::Routine);
        sim.run_for(60);
        if round % 3 == 0 {
            for (to, frame) in held.take() {
                sim.inject(to, 3, frame);
                released = true;
            }
        }
    }

    assert!(released && sim.node(0).epoch() >= Epoch::new(4));
    assert_eq!(member(&sim, 3).inactive, None);
    let shares: Vec<u32> = said(&sim)
        .into_iter()
        .filter_map(|(_, call)| match call {
            StakingCall::Observe(observed) => Some(observed),
            _ => None,
        })
        .map(|observed| {
            let set = &sim.genesis().first.validators;
            let seat = set.seat_of(&entity(3)).expect("a founder");
            observed.seats[seat.index()].votes * 100 / observed.views
        })
        .collect();
    assert!(shares.iter().all(|share| *share >= 50), "{shares:?}");
}

/// Nobody submits anything: an epoch's end is followed by what the validators say of it, and then by silence.
#[test]
fn an_idle_chain_is_silent_after_an_epochs_end() {
    let mut sim = Sim::with_epochs(620, &EQUAL, Plan::calm(), 8);
    run_until(&mut sim, &[0, 1], |sim| {
        sim.node(0).epoch() >= Epoch::new(2)
    });
    assert!(sim.run_until_final(5_000));
    sim.run_for(3_000);
    let (frames, heights) = (sim.frames_sent(), sim.final_heights());

    sim.run_for(4_000);

    assert_eq!(sim.frames_sent(), frames);
    assert_eq!(sim.final_heights(), heights);
    assert_eq!(said(&sim).len(), 4, "each validator said what it saw");
}

/// Node 0 hears all and is not heard: its report waits in its own pool until it expires, and is signed again. When it is heard
/// once more, that one is final.
#[test]
fn a_report_that_expired_is_said_again() {
    let mut sim = Sim::with_epochs(630, &FIVE, Plan::calm(), 1_000);
    let heard = Rc::new(Cell::new(true));
    let is_heard = Rc::clone(&heard);
    sim.set_filter(Box::new(move |from, _, frame| {
        (from != 0 || is_heard.get()).then_some(frame)
    }));
    let others = [1, 2, 3];
    run_until(&mut sim, &others, |sim| {
        sim.node(0).final_height() >= Height::new(3)
    });
    heard.set(false);
    let view = sim.node(0).replica().expect("runs").engine().view().plus(2);
    double_vote(&mut sim, view);
    let first = sim.node(0).final_height();
    run_until(&mut sim, &others, |sim| {
        sim.node(0).final_height() > first.plus(140)
    });
    assert_eq!(member(&sim, 4).jailed, None);

    heard.set(true);
    run_until(&mut sim, &others, |sim| member(sim, 4).jailed.is_some());

    assert_eq!(said(&sim).len(), 1);
    agree(&sim);
}
