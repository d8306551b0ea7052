//! Nodes whose disks are full for a while. Their journals take nothing then: a vote would end the node, and none may be sent.

use super::{EQUAL, agree};
use salus_node::wire::Condition;
use salus_primitives::lane::Lane;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

/// It says nothing, commits nothing and lives; the others go on. With room it catches up by itself and votes again.
#[test]
fn a_node_without_room_says_nothing_and_catches_up_when_there_is() {
    for seed in 900..908 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::rough());
        for node in 0..4 {
            sim.submit(node, Lane::Routine);
        }
        let before = 20 + sim.below(200);
        sim.run_for(before);

        sim.set_disk_full(1, true);
        let (height, votes) = (sim.node(1).final_height(), sim.votes_since_start(1));
        let mut later = Vec::new();
        for _ in 0..20 {
            later.push(sim.submit(2, Lane::Monitoring));
            sim.run_for(400);
        }

        assert!(sim.node(1).is_running(), "seed {seed}");
        assert_eq!(sim.node(1).final_height(), height, "seed {seed}");
        assert_eq!(sim.votes_since_start(1), votes, "seed {seed}");
        assert!(later.iter().take(10).all(|id| sim.node(0).has_final(id)));
        sim.set_plan(Plan::calm());
        sim.set_disk_full(1, false);
        sim.run_for(10_000);
        assert!(sim.all_final(), "seed {seed}: {:?}", sim.final_heights());
        assert!(sim.votes_since_start(1) > votes, "seed {seed}");
        agree(&sim);
    }
}

/// Two of four are no quorum, so nothing is final; when there is room on one of them, everything becomes so.
#[test]
fn without_room_on_half_the_nodes_the_chain_waits_and_then_goes_on() {
    for seed in 910..914 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::calm());
        sim.submit(0, Lane::Routine);
        sim.run_for(1_000);
        sim.set_disk_full(1, true);
        sim.set_disk_full(2, true);
        let waiting = sim.submit(0, Lane::Routine);
        sim.run_for(20_000);
        assert!(!sim.node(0).has_final(&waiting), "seed {seed}");

        sim.set_disk_full(2, false);
        sim.run_for(20_000);

        assert!(sim.node(0).has_final(&waiting), "seed {seed}");
        sim.set_disk_full(1, false);
        sim.run_for(10_000);
        assert!(sim.all_final(), "seed {seed}: {:?}", sim.final_heights());
        agree(&sim);
    }
}

/// Disks fill and empty at random, at all nodes, on a bad network, with nodes that die too.
#[test]
fn disks_that_fill_and_empty_at_random_cause_no_contradiction() {
    for seed in 920..930 {
        let mut sim = Sim::new(seed, &EQUAL, Plan::rough());
        let mut full = [false; 4];
        for round in 0..40 {
            let node = usize::try_from(sim.below(4)).expect("small");
            full[node] = !full[node];
            sim.set_disk_full(node, full[node]);
            if sim.below(4) == 0 {
                let victim = (node + 1) % 4;
                sim.crash(victim);
                // the operator makes room before the start
                if full[victim] {
                    full[victim] = false;
                    sim.set_disk_full(victim, false);
                }
                sim.start(victim);
            }
            sim.submit(round % 4, Lane::ALL[round % 4]);
            let pause = sim.below(600);
            sim.run_for(pause);
        }
        sim.set_plan(Plan::calm());
        for node in 0..4 {
            sim.set_disk_full(node, false);
        }
        let fresh = sim.submit(0, Lane::Routine);
        sim.run_for(30_000);

        assert!(sim.is_final_everywhere(&fresh), "seed {seed}");
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
        agree(&sim);
    }
}

/// An operator's question reaches the peers, also one that stands still, and each says how it is.
#[test]
fn peers_give_their_account_also_without_room() {
    let mut sim = Sim::new(940, &EQUAL, Plan::calm());
    sim.submit(0, Lane::Routine);
    sim.run_for(2_000);
    sim.set_disk_full(2, true);

    sim.ask_to_explain(0);
    sim.run_for(500);

    let asked = sim.node(0).replica().expect("it runs");
    assert!(asked.have_all_answered());
    for other in 1..4 {
        let key = sim.network_key(other);
        let known = asked.acquaintance(&key).expect("connected");
        let account = &known.answer.as_ref().expect("answered").account;
        assert_eq!(account.final_height, sim.node(other).final_height());
        assert_eq!(account.connected.len(), 3);
        let is_full = matches!(account.condition, Condition::DiskFull { .. });
        assert_eq!(is_full, other == 2, "{account:?}");
        assert_eq!(
            account.roots.last().map(|at| at.root.to_string()),
            Some(sim.node(other).state_root(account.final_height))
        );
    }
}
