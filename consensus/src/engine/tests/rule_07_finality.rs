//! Rules 7 and 10: what is final, however it becomes known.

use crate::engine::tests_support::{Bench, finalized, finalizes};

/// A proposal that was never judged, because its view was over before, becomes final as an ancestor.
#[test]
fn an_ancestor_that_was_never_notarised_here_is_executed_and_final() {
    let mut bench = Bench::verifier();
    let first = bench.block(1, &bench.config.base.header.clone(), 0);
    let second = bench.block(2, &first.header, 0);
    let third = bench.block(3, &second.header, 0);
    // the finalisation overtakes everything else
    bench.receive_certificate(finalizes(3, third.id()));

    let mut effects = Vec::new();
    for (view, block) in [(1, &first), (2, &second), (3, &third)] {
        effects.extend(bench.receive(bench.proposal(view, block, Vec::new())));
    }

    assert_eq!(finalized(&effects), [1, 2, 3]);
    assert_eq!(bench.engine.view().get(), 4);
}
