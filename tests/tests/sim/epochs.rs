//! From one epoch to the next.

use super::{EQUAL, agree};
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

/// Epochs of eight blocks follow one another under load, and everything submitted is final.
#[test]
fn epochs_follow_one_another_and_nothing_is_lost() {
    let mut sim = Sim::with_epochs(500, &EQUAL, Plan::calm(), 8);
    for round in 0..40 {
        sim.submit(round % 4, Lane::ALL[round % 4]);
        sim.run_for(60);
    }

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    agree(&sim);
    for node in 0..4 {
        assert!(
            sim.node(node).epoch() >= Epoch::new(5),
            "{}",
            sim.node(node).epoch()
        );
    }
}

/// Loss, duplication and delay at the boundaries: the last block of an epoch is proposed again until it is final, no node
/// stays behind, nothing forks.
#[test]
fn epochs_change_on_a_rough_network() {
    for seed in 510..530 {
        let mut sim = Sim::with_epochs(seed, &[3, 2, 2, 2, 1], Plan::rough(), 8);
        for round in 0..12 {
            sim.submit(round % 5, Lane::ALL[round % 4]);
            sim.run_for(400);
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

/// A node that was away for several epochs follows them one by one, and so does one that crashes again and again.
#[test]
fn a_node_that_was_away_follows_the_epochs() {
    let mut sim = Sim::with_epochs(540, &EQUAL, Plan::calm(), 8);
    sim.crash(3);
    for round in 0..60 {
        sim.submit(round % 3, Lane::Routine);
        sim.run_for(60);
    }
    assert!(sim.run_until_final(20_000));
    sim.start(3);

    for round in 0..10 {
        sim.run_for(300);
        sim.crash(round % 3);
        sim.run_for(100);
        sim.start(round % 3);
    }
    sim.submit(0, Lane::Routine);

    assert!(sim.run_until_final(60_000), "{:?}", sim.final_heights());
    agree(&sim);
}

/// Who was away for many epochs comes nearer while the others go on: it asks for the next blocks as soon as it has the last ones,
/// and not once a delta, in which the others finish more than an epoch.
#[test]
fn a_node_that_was_away_catches_up_with_a_chain_that_goes_on() {
    let mut sim = Sim::with_epochs(545, &EQUAL, Plan::calm(), 8);
    let go_on = |sim: &mut Sim, rounds: usize| {
        for round in 0..rounds {
            sim.submit(round % 3, Lane::Routine);
            sim.run_for(20);
        }
    };
    let behind = |sim: &Sim| {
        let heights = sim.final_heights();
        heights[0].since(heights[3])
    };
    sim.crash(3);
    go_on(&mut sim, 400);
    sim.start(3);
    let before = behind(&sim);

    go_on(&mut sim, 400);

    assert!(before > 25 * 8, "only {before} blocks");
    assert!(behind(&sim) < 8, "{} of {before} blocks", behind(&sim));
    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    agree(&sim);
}

/// All nodes lose their power soon after an epoch began, and with it the last blocks of the epoch before. They stand in that one
/// again, come to the later one a second time, and what they said there stays said.
#[test]
fn trap_a_power_cut_takes_no_vote_of_the_later_epoch() {
    let epoch_at = |sim: &Sim| {
        let heights = sim.final_heights().into_iter();
        heights.map(|height| height.get() / 8).max()
    };
    let mut fell_back = 0;
    for seed in 560..564 {
        let mut sim = Sim::with_epochs(seed, &EQUAL, Plan::calm(), 8);
        for round in 0..12 {
            let epoch = epoch_at(&sim);
            while epoch_at(&sim) == epoch {
                sim.submit(round % 4, Lane::Routine);
                sim.run_for(5);
            }
            let pause = sim.below(40);
            sim.run_for(pause);
            let before = epoch_at(&sim);
            sim.cut_power();
            for node in 0..4 {
                sim.start(node);
            }
            fell_back += usize::from(epoch_at(&sim) < before);
        }

        // what only waited is lost with the power, what was final is not
        let before = sim.final_heights();
        sim.submit(0, Lane::Routine);
        sim.run_for(15_000);
        let after = sim.final_heights();
        assert!(
            before.iter().max() < after.iter().min(),
            "seed {seed}: {before:?} {after:?}"
        );
        agree(&sim);
    }
    assert!(fell_back > 0, "no cut took an epoch's last block");
}
