//! Rule 2: on what, and when, a manager proposes.

use crate::config::Timing;
use crate::engine::tests_support::{Bench, TIMING, notarizes, nullifies, votes};
use salus_primitives::ids::Term;

/// With tenure 1 every view starts a term; its manager waits for the finality of an empty parent instead of adding to it.
#[test]
fn an_empty_parent_on_its_way_to_finality_is_no_reason_for_a_block() {
    let timing = Timing {
        tenure: 1,
        ..TIMING
    };
    let mut bench = Bench::new(timing, |schedule, seat| {
        schedule.manager(Term::new(1)) == seat
    });
    let genesis = bench.config.base.header.clone();

    let (block, effects) = bench.notarized(1, &genesis);

    assert!(votes(&effects).contains(&notarizes(1, block.id())));
    assert_eq!(bench.engine.view().get(), 2);
    assert!(bench.engine.is_manager());
    assert!(!votes(&effects).iter().any(|vote| vote.view().get() == 2));
}

/// A failed term leaves a block unfinalised: the next manager makes a block on it, so that it becomes final.
#[test]
fn what_a_failed_term_left_unfinalised_is_finished_by_an_empty_block() {
    let mut bench = Bench::manager(1);
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);

    let effects = bench.receive_certificate(nullifies(2));

    let proposed = bench.engine.tip();
    assert_eq!(bench.engine.view().get(), 5);
    let vote = votes(&effects)
        .into_iter()
        .find(|vote| vote.view().get() == 5)
        .expect("a proposal");
    let id = vote.block().expect("names a block");
    let body = bench.engine.body(&id).expect("its own");
    assert_eq!(body.header.parent, block.id());
    assert_eq!(proposed, block.id());
}
