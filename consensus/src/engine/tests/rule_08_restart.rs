//! Rule 8: what a node says after a restart is what it said before.

use crate::engine::tests_support::{
    Bench, finalizes, notarizes, nullifies, repeated, statuses, votes,
};

/// The first thing said after a restart carries the votes of the present view and the certificate it was entered by.
#[test]
fn votes_and_entry_certificate_are_said_again() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    let second = bench.block(2, &first.header, 0);
    bench.receive(bench.proposal(2, &second, Vec::new()));

    let effects = bench.restart();

    assert_eq!(bench.engine.view().get(), 2);
    assert!(repeated(&effects).contains(&notarizes(2, second.id())));
    let (_, entry) = statuses(&effects).swap_remove(0);
    assert_eq!(
        entry.map(|entry| entry.statement),
        Some(notarizes(1, first.id()))
    );
}

/// A journal over more views than a node looks ahead: its last votes still count in its own tally.
#[test]
fn own_votes_far_above_the_last_final_view_count_after_a_restart() {
    let mut bench = Bench::verifier();
    let mut parent = bench.config.base.header.clone();
    for view in 1..=70 {
        let (block, _) = bench.notarized(view, &parent);
        parent = block.header.clone();
    }
    let block = bench.block(71, &parent, 0);
    bench.receive(bench.proposal(71, &block, Vec::new()));
    bench.restart();
    assert_eq!(bench.engine.view().get(), 71);

    // its own vote and those of two others are a quorum of four
    for seat in bench.others().into_iter().take(2) {
        bench.receive_vote(seat, notarizes(71, block.id()));
    }

    assert_eq!(bench.engine.view().get(), 72);
}

/// Trap: own nullify forgotten at restart. It is said again, and the block proposed late gets no vote.
#[test]
fn an_own_nullify_vote_survives_a_restart() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    bench.input(crate::input::Input::Pending(true));
    assert!(votes(&bench.run(250)).contains(&nullifies(1)));

    let effects = bench.restart();
    assert!(repeated(&effects).contains(&nullifies(1)));

    let (_, effects) = bench.notarized(1, &genesis);
    assert_eq!(
        votes(&effects),
        [],
        "nothing in view 1 but the nullify vote"
    );
}

/// Who finalised a view may not nullify it. Without the notarisation it would stay in that view for ever.
#[test]
fn a_finalise_vote_leaves_with_the_notarisation_it_rests_on() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (block, effects) = bench.notarized(1, &genesis);
    assert!(votes(&effects).contains(&finalizes(1, block.id())));

    let effects = bench.restart();

    assert_eq!(bench.engine.view().get(), 2);
    assert!(repeated(&effects).contains(&finalizes(1, block.id())));
    assert!(votes(&bench.run(400)).contains(&nullifies(2)));
}
