//! Nodes that die, at any step of what they do, and what they find on their disks after that.

use super::{EQUAL, agree};
use salus_primitives::lane::Lane;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

/// Everyone at about the same height, which is not the beginning.
fn level(sim: &Sim, seed: u64) {
    let heights: Vec<u64> = sim.final_heights().iter().map(|h| h.get()).collect();
    let least = heights.iter().min().expect("some");
    let most = heights.iter().max().expect("some");
    assert!(*least > 2 && most - least <= 1, "seed {seed}: {heights:?}");
    agree(sim);
}

/// Lets a random node die in the middle of its work, again and again, and starts it again.
fn torment(sim: &mut Sim, rounds: usize) {
    let nodes = sim.len();
    for round in 0..rounds {
        let victim = usize::try_from(sim.below(nodes as u64)).expect("small");
        sim.submit((victim + 1) % nodes, Lane::ALL[round % 4]);
        sim.crash_within(victim, 40);
        let before = sim.below(400);
        sim.run_for(before);
        if sim.node(victim).is_running() {
            sim.crash(victim);
        }
        let down = sim.below(1_200);
        sim.run_for(down);
        sim.start(victim);
        let after = sim.below(300);
        sim.run_for(after);
        if round % 5 == 4 {
            sim.set_plan(if round % 2 == 0 {
                Plan::calm()
            } else {
                Plan::rough()
            });
        }
    }
    sim.set_plan(Plan::calm());
    // what a dead node had only in its mempool is its client's to send again
    let fresh = sim.submit(0, Lane::Monitoring);
    sim.run_for(30_000);
    assert!((0..nodes).all(|node| sim.node(node).has_final(&fresh)));
}

/// Deaths between writing, syncing, sending and committing, with unsynced writes lost, torn or kept.
#[test]
fn crashing_nodes_never_contradict_themselves_and_catch_up() {
    for seed in 100..108 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::rough());
        torment(&mut sim, 12);
        level(&sim, seed);
    }
}

/// The same with seven members of different weight.
#[test]
fn weighted_members_crash_and_catch_up_too() {
    for seed in 500..503 {
        let mut sim = Sim::new(seed, &[5, 4, 4, 3, 2, 1, 1], Plan::rough());
        torment(&mut sim, 10);
        level(&sim, seed);
    }
}

/// All lose their power at one moment: what was final for anyone is final again, from journals alone.
#[test]
fn a_power_cut_at_all_nodes_takes_nothing_that_was_final() {
    for seed in 600..606 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::calm());
        for round in 0..25 {
            sim.submit(round % 4, Lane::Routine);
            let pause = sim.below(90);
            sim.run_for(pause);
        }
        let before = sim.final_heights();
        assert!((0..4).all(|node| sim.node(node).journal_rewrites() > 0));
        for node in 0..4 {
            sim.crash_within(node, 10);
        }
        sim.submit(0, Lane::Emergency);
        sim.run_for(200);
        sim.cut_power();
        for node in 0..4 {
            sim.start(node);
        }

        sim.submit(1, Lane::Routine);
        sim.run_for(15_000);

        let after = sim.final_heights();
        assert!(
            before.iter().max() < after.iter().min(),
            "seed {seed}: {before:?} {after:?}"
        );
        level(&sim, seed);
    }
}

/// A node that lost its disks follows the chain to its end, and says nothing on it.
#[test]
fn a_wiped_node_only_observes_and_still_catches_up() {
    let mut sim = Sim::new(700, &EQUAL, Plan::calm());
    for round in 0..40 {
        sim.submit(round % 4, Lane::Routine);
        sim.run_for(60);
    }
    assert!(sim.run_until_final(5_000));
    sim.crash(2);

    sim.start_wiped(2);
    assert!(sim.run_until_final(10_000), "{:?}", sim.final_heights());
    for round in 0..20 {
        sim.submit(round % 2, Lane::Monitoring);
        sim.run_for(100);
    }

    assert!(sim.run_until_final(30_000), "{:?}", sim.final_heights());
    assert_eq!(sim.votes_since_start(2), 0);
    agree(&sim);
}

/// The journal is rewritten under load, and a crash after that forgets no vote.
#[test]
fn a_rewritten_journal_is_as_good_as_the_long_one() {
    let mut sim = Sim::new(400, &EQUAL, Plan::calm());
    for round in 0..200 {
        sim.submit(round % 4, Lane::Routine);
        sim.run_for(40);
        if round % 50 == 49 {
            sim.crash(round % 4);
            sim.run_for(100);
            sim.start(round % 4);
        }
    }
    sim.run_for(20_000);

    assert!(sim.node(0).journal_rewrites() > 0);
    agree(&sim);
}

/// Trap: a store is lost, or an older one comes back, and the shortened journal beside it stays: whatever that left out would be
/// forgotten. The node casts no vote until its store has caught up, and then votes again by itself.
#[test]
fn trap_a_journal_beside_an_older_store_casts_no_vote() {
    let mut sim = Sim::new(150, &EQUAL, Plan::calm());
    for round in 0..60 {
        sim.submit(round % 4, Lane::Routine);
        sim.run_for(60);
    }
    assert!(sim.run_until_final(5_000));
    assert!(sim.node(3).journal_rewrites() > 0, "shortened");
    sim.crash(3);
    sim.partition(&[3], &[0, 1, 2]);

    sim.start_without_store(3);
    sim.submit(3, Lane::Emergency);
    sim.run_for(10_000);

    assert_eq!(sim.node(3).votes_sent(), 0, "alone, at the beginning");
    sim.heal();
    sim.run_for(10_000);
    sim.crash(0);
    let fresh = sim.submit(1, Lane::Emergency);
    sim.run_for(10_000);
    assert!(sim.node(3).votes_sent() > 0);
    assert!(
        (1..4).all(|node| sim.node(node).has_final(&fresh)),
        "its vote is needed now: {:?}",
        sim.final_heights()
    );
}
