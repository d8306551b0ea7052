//! Committees attest what every node hears them notarise, late votes too; and nobody waits for them.

use super::EQUAL;
use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::tiers::Attesting;
use salus_node::wire::Frame;
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::Seat;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

fn attesting(sim: &Sim, node: usize, id: &TxId) -> Attesting {
    let tiers = sim.node(node).tiers().expect("runs");
    tiers.attesting(id).expect("somebody has voted")
}

/// In the bulk lane all seats attest, and the quorum is there before the last of them: its vote comes when the block is final, and in the
/// next epoch if the block is the last of its own.
#[test]
fn votes_that_come_after_finality_complete_an_attestation() {
    let mut late = 0;
    for seed in 600..606 {
        let mut sim = Sim::with_epochs(seed, &EQUAL, Plan::calm(), 8);
        let mut sent = Vec::new();
        for round in 0..20 {
            sent.push(sim.submit(round % 4, Lane::Bulk));
            sim.run_for(60);
        }
        assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
        for (id, node) in sent
            .iter()
            .flat_map(|id| (0..4).map(move |node| (id, node)))
        {
            late += u32::from(!attesting(&sim, node, id).is_complete());
        }
        sim.run_for(2_000);

        for (id, node) in sent
            .iter()
            .flat_map(|id| (0..4).map(move |node| (id, node)))
        {
            let attesting = attesting(&sim, node, id);
            assert_eq!(
                (attesting.votes, attesting.verifiers),
                (4, 4),
                "seed {seed}, node {node}, height {}",
                attesting.height
            );
        }
    }
    assert!(late > 0, "no vote was late: nothing was shown");
}

/// m never touches the quorum: with one of four away, what all four should attest is final, and attested by three of four.
#[test]
fn finality_does_not_wait_for_the_committee() {
    let mut sim = Sim::new(610, &EQUAL, Plan::calm());
    sim.crash(3);
    let id = sim.submit(0, Lane::Bulk);

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());

    sim.run_for(2_000);
    let attesting = attesting(&sim, 0, &id);
    assert_eq!((attesting.votes, attesting.verifiers), (3, 4));
}

/// A wrong signature under a late vote that is wanted is its sender's fault; a vote that nobody wants is not even looked at.
#[test]
fn a_false_late_vote_is_its_senders_fault_and_attests_nothing() {
    let mut sim = Sim::new(620, &EQUAL, Plan::calm());
    sim.crash(3);
    let id = sim.submit(0, Lane::Bulk);
    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    sim.run_for(1_000);
    let tiers = sim.node(0).tiers().expect("runs");
    let attestation = tiers.attestation(&id).expect("three have voted");
    let heard: Vec<Seat> = attestation.votes.iter().map(|(seat, _)| *seat).collect();
    let missing = (0..4)
        .map(Seat::new)
        .find(|seat| !heard.contains(seat))
        .expect("one is away");
    let claim = |seat| {
        let vote = Vote {
            seat,
            statement: Statement::Notarize {
                epoch: attestation.header.epoch,
                view: attestation.view,
                block: attestation.header.id(),
            },
            signature: Signature([7; 64]),
        };
        Frame::Consensus(Message::Vote { vote, entry: None })
    };
    let before = sim.node(0).faults();

    sim.inject(0, 1, claim(heard[0]));
    sim.run_for(100);
    assert_eq!(sim.node(0).faults(), before, "known: not looked at");
    sim.inject(0, 1, claim(missing));
    sim.run_for(100);

    assert_eq!(sim.node(0).faults(), before + 1);
    assert_eq!(attesting(&sim, 0, &id).votes, 3);
}
