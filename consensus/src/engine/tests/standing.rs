//! What an operator is told of the present view.

use crate::engine::tests_support::{Bench, finalizes, notarizes, nullifies};
use crate::input::Input;
use salus_primitives::ids::{Seat, View};

/// Votes of every kind are counted where they belong, also those of a view that has been left.
#[test]
fn votes_are_counted_by_kind_and_view() {
    let mut bench = Bench::verifier();
    bench.input(Input::Pending(true));
    let genesis = bench.config.base.header.clone();
    bench.notarized(1, &genesis);
    let block = bench.engine.live_tips()[0];
    let others = bench.others();
    bench.receive_vote(others[0], finalizes(1, block));
    bench.receive_vote(others[1], nullifies(2));

    let standing = bench.engine.standing();

    assert_eq!(standing.view, View::new(2));
    assert_eq!(standing.manager, bench.engine.manager_of(View::new(2)));
    assert!(!standing.proposed);
    assert_eq!(standing.notarize, []);
    assert_eq!(standing.nullify, [Seat::new(others[1])]);
    let (view, finalize) = standing.finalize.expect("view 1 is notarised");
    assert_eq!(view, View::new(1));
    assert!(finalize.contains(&Seat::new(others[0])));
    assert!(!finalize.contains(&Seat::new(others[1])));
    assert!(bench.engine.has_work());
}

/// Of two blocks in a view, the one with more weight is told.
#[test]
fn the_block_with_most_weight_is_the_one_that_is_told() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (one, other) = (bench.block(1, &genesis, 0), bench.block(1, &genesis, 1));
    let others = bench.others();
    bench.receive_vote(others[0], notarizes(1, other.id()));
    bench.receive_vote(others[1], notarizes(1, one.id()));
    bench.receive_vote(others[2], notarizes(1, one.id()));

    let told = bench.engine.standing().notarize;

    let mut expected = vec![Seat::new(others[1]), Seat::new(others[2])];
    expected.sort();
    assert_eq!(told, expected);
}

/// The turns that follow are those of the schedule.
#[test]
fn the_next_turns_are_the_schedules() {
    let bench = Bench::verifier();

    let turns = bench.engine.next_turns(3);

    let views: Vec<u64> = turns.iter().map(|(view, _)| view.get()).collect();
    assert_eq!(views, [5, 9, 13]);
    for (view, seat) in turns {
        assert_eq!(seat, bench.engine.manager_of(view));
    }
}
