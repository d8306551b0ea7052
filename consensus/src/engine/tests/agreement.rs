//! Whole clusters: agreement, no contradiction, progress after faults, silence when idle.

use super::cluster::{CALM, Cluster, STORM};
use crate::config::Timing;
use crate::engine::tests_support::TIMING;

/// Once faults have ended: everything becomes final everywhere, and then nobody says a word.
fn settles(cluster: &mut Cluster, seed: u64) {
    end_faults(cluster);
    let before = cluster.height();
    cluster.submit(1_000_000 + seed);
    let deadline = cluster.now + 60_000;
    while cluster.now < deadline
        && (cluster.waiting() > 0 || cluster.common_height().is_none_or(|h| h <= before))
    {
        cluster.run_until(cluster.now + 50);
    }
    assert_eq!(cluster.waiting(), 0, "seed {seed}: {}", cluster.report());
    assert!(
        cluster.common_height() > Some(before),
        "seed {seed}: {}",
        cluster.report()
    );

    // what is still on the way arrives; then silence until the heartbeat
    cluster.run_until(cluster.now + 3_000);
    let quiet_since = cluster.now;
    cluster.run_until(cluster.now + 10_000);
    assert!(
        cluster.last_sent_at <= quiet_since,
        "seed {seed}: an idle chain talks: {}",
        cluster.report()
    );
    assert!(
        cluster.common_height().is_some(),
        "seed {seed}: {}",
        cluster.report()
    );
}

fn end_faults(cluster: &mut Cluster) {
    cluster.weather = CALM;
    cluster.apart.clear();
    for index in 0..cluster.nodes.len() {
        cluster.crash_off(index);
        cluster.start(index);
    }
}

/// Twenty-five seconds of loss, delay, repetition, partitions, crashes and transactions.
fn rage(cluster: &mut Cluster, seed: u64) {
    cluster.weather = STORM;
    for step in 0..50 {
        let count = cluster.nodes.len() as u64;
        let victim = usize::try_from(cluster.below(count)).expect("small");
        match cluster.below(10) {
            0 | 1 => {
                let after = cluster.below(12);
                cluster.crash(victim, after);
            }
            2..=4 => cluster.start(victim),
            5 => {
                cluster.apart.insert(victim);
            }
            6 => cluster.apart.clear(),
            _ => cluster.submit(seed * 1_000 + step),
        }
        let pause = cluster.below(1_000);
        cluster.run_until(cluster.now + pause);
    }
}

fn timings() -> [Timing; 3] {
    [1, 4, 8].map(|tenure| Timing { tenure, ..TIMING })
}

/// Crashes, partitions and lossy links with four equal seats.
#[test]
fn four_seats_agree_and_recover_from_a_storm() {
    for seed in 0..60 {
        let timing = timings()[usize::try_from(seed % 3).expect("small")];
        let mut cluster = Cluster::new(seed, &[1; 4], timing);

        rage(&mut cluster, seed);
        settles(&mut cluster, seed);
    }
}

/// The same with unequal weights and more seats.
#[test]
fn weighted_seats_agree_and_recover_from_a_storm() {
    for seed in 0..12 {
        let timing = timings()[usize::try_from(seed % 3).expect("small")];
        let mut cluster = Cluster::new(seed, &[3, 3, 2, 2, 1, 1, 1], timing);

        rage(&mut cluster, seed);
        settles(&mut cluster, seed);
    }
}

/// One member runs twice under one key, so that it proposes and votes both ways, in a storm.
#[test]
fn an_equivocating_member_forks_nothing_and_stops_nothing() {
    for seed in 0..24 {
        let timing = timings()[usize::try_from(seed % 3).expect("small")];
        let mut cluster = Cluster::new(seed, &[1; 4], timing);
        cluster.add_twin(u16::try_from(seed % 4).expect("small"));

        rage(&mut cluster, seed);
        settles_with_twins(&mut cluster, seed);
    }
}

/// Twins may nullify and finalise for ever; the honest must still finish what is submitted.
fn settles_with_twins(cluster: &mut Cluster, seed: u64) {
    end_faults(cluster);
    cluster.submit(1_000_000 + seed);
    let deadline = cluster.now + 60_000;
    while cluster.now < deadline && cluster.waiting() > 0 {
        cluster.run_until(cluster.now + 50);
    }
    assert_eq!(cluster.waiting(), 0, "seed {seed}: {}", cluster.report());
}

/// With one of four seats away for good, transactions still become final, and the chain still falls silent.
#[test]
fn one_dead_member_delays_and_nothing_more() {
    for seed in 0..8 {
        let timing = timings()[usize::try_from(seed % 3).expect("small")];
        let mut cluster = Cluster::new(seed, &[1; 4], timing);
        cluster.crash(3, 0);
        for number in 0..20 {
            cluster.submit(number);
            cluster.run_until(cluster.now + 300);
        }
        cluster.run_until(cluster.now + 5_000);
        assert_eq!(cluster.waiting(), 0, "seed {seed}: {}", cluster.report());

        let quiet_since = cluster.now;
        cluster.run_until(cluster.now + 10_000);
        assert!(
            cluster.last_sent_at <= quiet_since,
            "seed {seed}: {}",
            cluster.report()
        );
    }
}

/// Trap: an idle chain that nullifies for ever. In a calm hour there is a heartbeat now and then, and no view is lost.
#[test]
fn trap_an_idle_chain_makes_heartbeats_and_loses_no_view() {
    for timing in timings() {
        let mut cluster = Cluster::new(7, &[1; 4], timing);

        cluster.run_until(cluster.now + 3_600_000);

        let beats = 3_600_000 / timing.heartbeat_ms;
        assert!(cluster.height() <= beats + 1, "{} blocks", cluster.height());
        assert!(
            cluster.height() >= beats * 9 / 10,
            "{} blocks",
            cluster.height()
        );
        assert_eq!(cluster.nodes.iter().map(|n| n.nullified).sum::<u64>(), 0);
    }
}

/// Transactions after long silences: no view is nullified, each is final within a few hops.
#[test]
fn work_after_an_idle_time_nullifies_nothing() {
    for timing in timings() {
        let mut cluster = Cluster::new(11, &[1; 4], timing);
        for number in 0..20 {
            cluster.run_until(cluster.now + 15_000);
            cluster.submit(number);
            cluster.run_until(cluster.now + 400);
            assert_eq!(cluster.waiting(), 0, "{}", cluster.report());
        }

        assert_eq!(cluster.nodes.iter().map(|n| n.nullified).sum::<u64>(), 0);
    }
}

/// A node that was away for hundreds of blocks catches up by ranges.
#[test]
fn a_node_that_was_away_catches_up() {
    let mut cluster = Cluster::new(3, &[1; 4], TIMING);
    cluster.crash(2, 0);
    for number in 0..200 {
        cluster.submit(number);
        cluster.run_until(cluster.now + 150);
    }
    assert!(cluster.height() > 100);

    cluster.start(2);
    cluster.run_until(cluster.now + 5_000);

    assert_eq!(
        cluster.common_height(),
        Some(cluster.height()),
        "{}",
        cluster.report()
    );
}

/// All nodes lose power at once, again and again, in the middle of voting; what they said stays said.
#[test]
fn power_cuts_lose_nothing_that_was_said() {
    for seed in 0..30 {
        let timing = timings()[usize::try_from(seed % 3).expect("small")];
        let mut cluster = Cluster::new(seed, &[1; 4], timing);
        for round in 0..10 {
            cluster.submit(round);
            let time = cluster.below(400);
            cluster.run_until(cluster.now + time);
            for index in 0..4 {
                let after = cluster.below(4);
                cluster.crash(index, after);
            }
            cluster.run_until(cluster.now + 30);
            for index in 0..4 {
                cluster.crash(index, 0);
            }
            for index in 0..4 {
                cluster.start(index);
            }
        }

        settles(&mut cluster, seed);
    }
}
