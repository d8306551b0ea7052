//! Nodes that come late get what is final, in whatever way it became final.

use super::{EQUAL, agree};
use salus_consensus::message::Message;
use salus_node::wire::{Frame, RANGE_BLOCKS, Response};
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::Statement;
use salus_primitives::ids::Height;
use salus_primitives::lane::Lane;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

/// Takes every finalise vote out of a frame.
fn without_finalise_votes(frame: Frame) -> Option<Frame> {
    let finalises = |statement: &Statement| matches!(statement, Statement::Finalize { .. });
    match frame {
        Frame::Consensus(Message::Vote { vote, .. }) if finalises(&vote.statement) => None,
        Frame::Consensus(Message::Status(mut status)) => {
            status.votes.retain(|vote| !finalises(&vote.statement));
            Some(Frame::Consensus(Message::Status(status)))
        }
        frame => Some(frame),
    }
}

/// The lowest height that has a finalisation of its own on a node's disk.
fn first_finalization(sim: &Sim, node: usize) -> Height {
    let ledger = sim.node(node).ledger().expect("runs");
    let found = ledger.finalization_from(Height::new(1)).expect("reads");
    found.expect("something is final").0
}

/// The finalise votes of many blocks are all lost, and then the last one's are not: it makes all of them final, and they have no
/// certificate of their own. A node that was away gets them all the same.
#[test]
fn a_long_stretch_that_one_certificate_made_final_is_caught_up_with() {
    let mut sim = Sim::new(310, &EQUAL, Plan::calm());
    sim.crash(3);
    sim.set_filter(Box::new(|_, _, frame| without_finalise_votes(frame)));
    for round in 0..75 {
        sim.submit(round % 3, Lane::ALL[round % 4]);
        sim.run_for(60);
    }
    assert!(
        sim.final_heights()
            .iter()
            .all(|height| *height == Height::ZERO)
    );
    sim.set_filter(Box::new(|_, _, frame| Some(frame)));
    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    let first = first_finalization(&sim, 0);
    assert!(first.get() > 2 * RANGE_BLOCKS as u64, "{first}");

    sim.start(3);

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    sim.run_for(1_000);
    agree(&sim);
}

/// What is changed in an answer.
type Lie = fn(&mut Vec<Block>, &mut Vec<Header>);

/// A trail that does not fit: another header in it, another body before it, one that is too short. It is not taken, its
/// sender is at fault, and the next answer is taken.
#[test]
fn a_false_trail_is_a_fault_and_is_not_taken() {
    let lies: [Lie; 4] = [
        |_, trail| trail[3].time = trail[3].time.plus_millis(1),
        |_, trail| drop(trail.pop()),
        |_, trail| drop(trail.remove(0)),
        |blocks, _| blocks[0].transactions.clear(),
    ];
    for lie in lies {
        let mut sim = Sim::new(312, &EQUAL, Plan::calm());
        sim.crash(3);
        sim.set_filter(Box::new(|_, _, frame| without_finalise_votes(frame)));
        for round in 0..45 {
            sim.submit(round % 3, Lane::ALL[round % 4]);
            sim.run_for(60);
        }
        let mut lied = false;
        sim.set_filter(Box::new(move |_, _, frame| match frame {
            Frame::Response(Response::Range {
                mut blocks,
                mut trail,
                finalization,
            }) if !lied && trail.len() > 3 => {
                lied = true;
                lie(&mut blocks, &mut trail);
                Some(Frame::Response(Response::Range {
                    blocks,
                    trail,
                    finalization,
                }))
            }
            frame => Some(frame),
        }));
        assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
        assert!(first_finalization(&sim, 0).get() > RANGE_BLOCKS as u64 + 4);

        sim.start(3);

        assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
        assert_eq!(sim.node(3).faults(), 1);
        agree(&sim);
    }
}

/// An idle chain tells a newcomer nothing but where it stands; the ranges of one epoch after the other follow without a pause, for an
/// answer that was taken in is a reason to ask for the next.
#[test]
fn a_newcomer_to_an_idle_chain_waits_for_no_timer_between_epochs() {
    let mut sim = Sim::with_epochs(311, &EQUAL, Plan::calm(), 8);
    sim.crash(3);
    for round in 0..60 {
        sim.submit(round % 3, Lane::ALL[round % 4]);
        sim.run_for(60);
    }
    assert!(sim.run_until_final(20_000));
    sim.run_for(2_000);
    let epochs = sim.node(0).epoch().get();
    assert!(epochs > 10, "{epochs}");
    let before = sim.time_ms();

    sim.start(3);

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    let took = sim.time_ms() - before;
    // a delta is 100 ms
    assert!(took < 40 * epochs, "{took} ms for {epochs} epochs");
}
