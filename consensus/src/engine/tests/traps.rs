//! Known traps of such protocols on whole clusters, each set by a network that does just the wrong thing. Those that show on
//! one engine are with their rules, as `trap_..`.

use super::cluster::Cluster;
use crate::config::Timing;
use crate::effect::Effect;
use crate::engine::tests_support::{Bench, EPOCH, TIMING};
use crate::message::{Message, Status};
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{Height, View};
use std::collections::BTreeSet;

fn with_tenure(tenure: u64) -> Timing {
    Timing { tenure, ..TIMING }
}

fn view(cluster: &Cluster, index: usize) -> u64 {
    let engine = cluster.nodes[index].engine.as_ref();
    engine.expect("runs").view().get()
}

/// For two seconds only node 0 learns that view 1 is notarised, and nobody hears node 0; seat 3 is dead. Node 0 has finalised
/// the view and may not give it up, the other two give it up and are one short of a quorum.
#[test]
fn certificates_that_split_the_honest_between_views_do_not_hold_them_apart() {
    let mut splits = 0;
    for seed in 0..16 {
        for tenure in [1, 4, 8] {
            let mut cluster = Cluster::new(seed, &[1; 4], with_tenure(tenure));
            cluster.crash(3, 0);
            let heals = cluster.now + 2_000;
            cluster.loses = Some(Box::new(move |now, from, to, message| {
                let tells = match message {
                    Message::Vote { vote, .. } => {
                        matches!(vote.statement, Statement::Notarize { .. })
                    }
                    Message::Proposal(_) => false,
                    Message::Certificates(_) | Message::Status(_) => true,
                };
                now < heals && (from == 0 && view_of(message) > 1 || to != 0 && tells)
            }));
            cluster.submit(1);

            cluster.run_until(heals);
            splits += usize::from(view(&cluster, 0) != view(&cluster, 1));
            cluster.run_until(heals + 5_000);

            assert_eq!(
                cluster.waiting(),
                0,
                "seed {seed}, tenure {tenure}: {}",
                cluster.report()
            );
        }
    }
    assert!(splits >= 12, "only {splits} runs were split");
}

/// The latest view a message speaks of.
fn view_of(message: &Message) -> u64 {
    match message {
        Message::Proposal(proposal) => proposal.vote.statement.view().get(),
        Message::Vote { vote, .. } => vote.statement.view().get() + 1,
        Message::Certificates(_) => u64::MAX,
        Message::Status(status) => status.view.get(),
    }
}

/// Each vote is lost on each link the first time it is sent.
#[test]
fn votes_that_are_all_lost_once_are_said_again() {
    for seed in 0..8 {
        let mut cluster = Cluster::new(seed, &[1; 4], with_tenure(1 + seed % 4));
        let mut lost = BTreeSet::new();
        cluster.loses = Some(Box::new(move |_, from, to, message| match message {
            Message::Vote { vote, .. } => lost.insert((from, to, vote.statement)),
            Message::Proposal(_) | Message::Certificates(_) | Message::Status(_) => false,
        }));

        for number in 0..5 {
            cluster.submit(number);
            cluster.run_until(cluster.now + 3_000);
            assert_eq!(cluster.waiting(), 0, "seed {seed}: {}", cluster.report());
        }
    }
}

/// For ten minutes every proposal is lost, and term after term fails. Then the next ones decide: delta has grown to its cap
/// and no further.
#[test]
fn timers_that_grew_through_a_long_outage_are_at_their_cap() {
    let mut cluster = Cluster::new(5, &[1; 4], TIMING);
    let end = cluster.now + 600_000;
    cluster.loses = Some(Box::new(move |now, _, _, message| {
        now < end && matches!(message, Message::Proposal(_))
    }));
    cluster.submit(1);
    cluster.run_until(end);
    let failed = cluster.nodes[0].nullified;

    cluster.run_until(end + 10 * TIMING.delta_max_ms);

    assert!(failed > 64, "{failed} terms failed: enough to overflow");
    assert_eq!(cluster.waiting(), 0, "{}", cluster.report());
}

/// What a peer claims of views and heights is no certificate: nothing follows from it but, at most, an offer of help.
#[test]
fn catch_up_is_not_keyed_by_a_sequence_that_nobody_verified() {
    let mut bench = Bench::verifier();
    let claim = |number: u64| {
        Message::Status(Status {
            epoch: EPOCH,
            view: View::new(number),
            final_view: View::new(number),
            final_height: Height::new(number),
            votes: Vec::new(),
            entry: None,
        })
    };

    let mut effects = Vec::new();
    for number in [5, 1_000, u64::MAX] {
        effects.extend(bench.receive(claim(number)));
        effects.extend(bench.run(300));
    }

    assert_eq!(bench.engine.view(), View::new(1));
    assert!(!bench.engine.is_behind());
    assert!(
        effects
            .iter()
            .all(|effect| matches!(effect, Effect::Send(..))),
        "{effects:?}"
    );
}
