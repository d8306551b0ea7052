//! Rule 5: when a view is given up, and when it is not.

use crate::engine::tests_support::{Bench, causes, notarizes};

/// After an idle hour a block is made and notarised; that it is not final in the same instant is no finality lag.
#[test]
fn the_age_of_an_idle_view_is_no_finality_lag() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    bench.pass(15_000);

    let (_, effects) = bench.notarized(1, &genesis);

    assert_eq!(causes(&effects), []);
    assert_eq!(bench.engine.view().get(), 2);
}

/// The same if only the notarisation arrives, before the proposal.
#[test]
fn the_age_of_an_idle_view_left_by_certificate_is_no_finality_lag() {
    let mut bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 0);
    bench.pass(15_000);

    let effects = bench.receive_certificate(notarizes(1, block.id()));

    assert_eq!(causes(&effects), []);
    assert_eq!(bench.engine.view().get(), 2);
}
