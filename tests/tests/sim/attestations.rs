//! Committees attest what every node hears them notarise, late votes too; and nobody waits for them.

use super::EQUAL;
use salus_consensus::message::Message;
use salus_consensus::vote::{VerifiedVote, Vote};
use salus_node::tiers::Attesting;
use salus_node::wire::Frame;
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::{EntityId, Seat};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use salus_tests::keys::MemberKeys;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

fn attesting(sim: &Sim, node: usize, id: &TxId) -> Attesting {
    let tiers = sim.node(node).tiers().expect("runs");
    tiers.attesting(id).expect("somebody has voted")
}

/// In the bulk lane all seats attest. On a network that loses nothing all nodes hear the same votes, all four: who learns of a notarisation
/// before the proposal is here votes late.
#[test]
fn all_nodes_hear_the_same_attestations() {
    let mut complete = 0;
    for seed in 600..606 {
        let mut sim = Sim::with_epochs(seed, &EQUAL, Plan::calm(), 8);
        let mut sent = Vec::new();
        for round in 0..20 {
            sent.push(sim.submit(round % 4, Lane::Bulk));
            sim.run_for(60);
        }
        assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
        sim.run_for(2_000);

        for id in &sent {
            let votes: Vec<usize> = (0..4).map(|node| attesting(&sim, node, id).votes).collect();
            assert!(
                votes.iter().all(|count| *count == votes[0]),
                "seed {seed}, height {}: {votes:?}",
                attesting(&sim, 0, id).height
            );
            complete += u32::from(votes[0] == 4);
        }
    }
    assert_eq!(complete, 120, "of 120 are complete");
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

/// A bulk transaction that became final while member 3 was away, and the late vote of that member.
fn lacking_one_vote(sim: &mut Sim) -> (TxId, Vote) {
    sim.crash(3);
    let id = sim.submit(0, Lane::Bulk);
    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    sim.run_for(1_000);
    let tiers = sim.node(0).tiers().expect("runs");
    let attestation = tiers.attestation(&id).expect("three have voted");
    let keys = MemberKeys::nth(3);
    let entity = EntityId::of_name(&keys.name);
    let seat = sim.node(0).validators().seat_of(&entity).expect("a seat");
    let statement = Statement::Notarize {
        epoch: attestation.header.epoch,
        view: attestation.view,
        block: attestation.header.id(),
    };
    let signer = keys.validator.signer();
    let vote = VerifiedVote::sign(statement, seat, sim.genesis().hash, &signer);
    (id, *vote.vote())
}

fn frame(vote: Vote) -> Frame {
    Frame::Consensus(Message::Vote { vote, entry: None })
}

/// The vote of a slow member comes when the block is final, or when its epoch is over: it completes the attestation.
#[test]
fn a_vote_that_comes_after_finality_completes_the_attestation() {
    for next_epoch in [false, true] {
        let mut sim = Sim::with_epochs(620, &EQUAL, Plan::calm(), 8);
        let (id, vote) = lacking_one_vote(&mut sim);
        while next_epoch && sim.node(0).epoch() == vote.statement.epoch() {
            sim.submit(0, Lane::Routine);
            sim.run_for(60);
        }
        assert_eq!(attesting(&sim, 0, &id).votes, 3);

        sim.inject(0, 3, frame(vote));

        assert!(attesting(&sim, 0, &id).is_complete());
        assert_eq!(sim.node(0).faults(), 0);
    }
}

/// A wrong signature under a late vote that is wanted is its sender's fault; a vote that nobody wants is not even looked at.
#[test]
fn a_false_late_vote_is_its_senders_fault_and_attests_nothing() {
    let mut sim = Sim::new(620, &EQUAL, Plan::calm());
    let (id, vote) = lacking_one_vote(&mut sim);
    let unsigned = Vote {
        signature: Signature([7; 64]),
        ..vote
    };
    let heard = if vote.seat == Seat::new(0) { 1 } else { 0 };
    let known = Vote {
        seat: Seat::new(heard),
        ..unsigned
    };

    sim.inject(0, 1, frame(known));
    assert_eq!(sim.node(0).faults(), 0, "known: not looked at");
    sim.inject(0, 1, frame(unsigned));
    assert_eq!(sim.node(0).faults(), 1);
    assert_eq!(attesting(&sim, 0, &id).votes, 3);

    sim.inject(0, 3, frame(vote));
    sim.inject(0, 1, frame(unsigned));
    assert!(attesting(&sim, 0, &id).is_complete());
    assert_eq!(sim.node(0).faults(), 1, "heard by now: not looked at");
}
