//! The cluster of production replicas under seeds.

mod attestations;
mod catchup;
mod configuration;
mod crashes;
mod epochs;
mod evidence;
mod full_disk;
mod hostile;
mod quota;
mod seeds;

use salus_primitives::lane::Lane;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

const EQUAL: [u64; 4] = [1, 1, 1, 1];

fn agree(sim: &Sim) {
    let roots = sim.common_roots();
    let first = &roots[&0];
    assert!(roots.values().all(|root| root == first), "{roots:?}");
}

/// Transactions of every lane, submitted anywhere, are final everywhere, and then the chain falls silent.
#[test]
fn calm_cluster_finalises_everything_and_falls_silent() {
    let mut sim = Sim::new(1, &EQUAL, Plan::calm());
    for (node, lane) in (0..).zip(Lane::ALL) {
        sim.submit(node, lane);
    }

    assert!(sim.run_until_final(5_000), "{:?}", sim.final_heights());
    sim.run_for(2_000);
    let frames = sim.frames_sent();
    sim.run_for(5_000);

    assert_eq!(sim.frames_sent(), frames, "an idle chain is silent");
    agree(&sim);
}

/// The heartbeat makes an empty block on an idle chain.
#[test]
fn idle_chain_makes_a_block_at_the_heartbeat() {
    let mut sim = Sim::new(2, &EQUAL, Plan::calm());

    sim.run_for(25_000);

    let heights = sim.final_heights();
    assert!(
        heights.iter().all(|height| (2..=4).contains(&height.get())),
        "{heights:?}"
    );
}

/// One seed, one trace.
#[test]
fn equal_seeds_give_equal_traces() {
    let run = |seed| {
        let mut sim = Sim::new(seed, &EQUAL, Plan::rough());
        for node in 0..4 {
            sim.submit(node, Lane::Routine);
        }
        sim.run_for(10_000);
        sim.trace()
    };

    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

/// Loss, duplication, delay beyond delta and reordering: nothing forks, and when the weather clears all is final.
#[test]
fn rough_network_never_forks_and_recovers() {
    for seed in 0..8 {
        let mut sim = Sim::new(seed, &[3, 2, 2, 2, 1], Plan::rough());
        for round in 0..10 {
            sim.submit(round % 5, Lane::ALL[round % 4]);
            sim.run_for(200);
        }
        sim.set_plan(Plan::calm());
        assert!(
            sim.run_until_final(60_000),
            "seed {seed}: {:?}",
            sim.final_heights()
        );
        agree(&sim);
    }
}

/// Two of four: nothing new is final, nothing forks; once they can talk again, it goes on.
#[test]
fn without_a_quorum_nothing_is_final_and_with_it_again_it_goes_on() {
    for seed in 200..215 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::calm());
        sim.submit(0, Lane::Routine);
        assert!(sim.run_until_final(5_000));
        sim.partition(&[0, 1], &[2, 3]);
        sim.run_for(500);
        let before = sim.final_heights();

        sim.submit(1, Lane::Emergency);
        sim.submit(3, Lane::Emergency);
        sim.run_for(20_000);
        let during = sim.final_heights();
        sim.heal();

        assert_eq!(before, during, "seed {seed}");
        assert!(
            sim.run_until_final(30_000),
            "seed {seed}: {:?}",
            sim.final_heights()
        );
        agree(&sim);
    }
}

/// A node that was away for many blocks catches up by ranges.
#[test]
fn a_node_that_was_away_for_long_catches_up() {
    let mut sim = Sim::new(300, &EQUAL, Plan::calm());
    sim.crash(3);
    for round in 0..150 {
        sim.submit(round % 3, Lane::Routine);
        sim.run_for(60);
    }
    assert!(sim.run_until_final(20_000));

    sim.start(3);

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    sim.run_for(1_000);
    agree(&sim);
    let heights = sim.final_heights();
    assert!(heights[3].get() > 100, "{heights:?}");
}
