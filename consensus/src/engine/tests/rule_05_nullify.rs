//! Rule 5: when a view is given up, and when it is not.

use crate::effect::NullifyCause;
use crate::engine::tests_support::{Bench, causes, notarizes, nullifies, votes};
use crate::input::Input;

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

/// The vote that completes a nullification is this node's own, and the next term is its own too: it proposes at once.
#[test]
fn a_manager_whose_own_vote_ends_the_term_before_proposes_at_once() {
    let mut bench = Bench::manager(1);
    bench.input(Input::Pending(true));
    for seat in bench.others().into_iter().take(2) {
        bench.receive_vote(seat, nullifies(1));
    }

    let effects = bench.pass(200);

    assert_eq!(causes(&effects), [NullifyCause::NoProposal]);
    let proposed = votes(&effects)
        .into_iter()
        .any(|vote| vote.view().get() == 5);
    assert!(proposed, "{effects:?}");
}
