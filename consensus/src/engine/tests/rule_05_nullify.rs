//! Rule 5: when a view is given up, and when it is not.

use crate::effect::{Effect, NullifyCause};
use crate::engine::tests_support::{Bench, causes, notarizes, nullifies, votes};
use crate::input::Input;
use crate::message::Message;
use salus_primitives::ids::{Seat, View};

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

/// Waits through two terms of one manager, which come every four terms, without a sign of it, up to its third.
fn silent_twice() -> (Bench, Seat, Vec<Effect>) {
    let mut bench = Bench::verifier();
    let manager = bench.engine.manager_of(View::new(1));
    bench.input(Input::Pending(true));
    for term in [0, 4] {
        let view = term * 4 + 1;
        if term > 0 {
            bench.receive_certificate_without(manager, nullifies(view - 4));
        }
        bench.run(2_100);
        bench.receive_certificate_without(manager, nullifies(view));
    }
    let effects = bench.receive_certificate_without(manager, nullifies(7 * 4 + 1));
    assert_eq!(bench.engine.view().get(), 33);
    assert_eq!(bench.engine.manager_of(View::new(33)), manager);
    (bench, manager, effects)
}

/// A manager that was silent in its last two terms is passed over at once, until it is heard again.
#[test]
fn a_silent_manager_is_passed_over_until_it_is_heard() {
    let (mut bench, manager, effects) = silent_twice();
    assert_eq!(causes(&effects), [NullifyCause::SilentManager]);

    bench.receive_certificate_without(manager, nullifies(33));
    bench.receive_vote(manager.get(), nullifies(45));
    let effects = bench.receive_certificate_without(manager, nullifies(45));
    assert_eq!(bench.engine.manager_of(View::new(49)), manager);
    assert_eq!(causes(&effects), []);
}

/// Its own vote may come late each time, behind the certificate that it stands in: that is hearing it as well.
#[test]
fn trap_who_signed_a_certificate_is_heard() {
    let (mut bench, manager, effects) = silent_twice();
    assert_eq!(causes(&effects), [NullifyCause::SilentManager]);

    bench.receive_certificate(nullifies(33));
    let effects = bench.receive_certificate(nullifies(45));
    assert_eq!(bench.engine.manager_of(View::new(49)), manager);
    assert_eq!(causes(&effects), []);
}

/// Its votes may come late each time, after their view was left; what it signed before it fell silent brings it back no more.
#[test]
fn late_votes_are_heard_and_those_from_before_the_silence_are_not() {
    for (view, heard) in [(33, true), (45, true), (16, false)] {
        let (mut bench, manager, _) = silent_twice();
        bench.receive_certificate_without(manager, nullifies(33));
        bench.receive_certificate_without(manager, nullifies(41));

        bench.receive_vote(manager.get(), nullifies(view));

        let effects = bench.receive_certificate_without(manager, nullifies(45));
        assert_eq!(bench.engine.view().get(), 49);
        assert_eq!(causes(&effects).is_empty(), heard, "{view}");
    }
}

/// Terms that failed while this node was away say nothing about their managers.
#[test]
fn nobody_is_called_silent_for_terms_this_node_was_away_in() {
    let mut bench = Bench::verifier();
    bench.input(Input::Pending(true));
    let missed = (0..12).map(|term| bench.certificate(nullifies(term * 4 + 1)));
    let missed = Message::Certificates(missed.collect());

    let effects = bench.receive(missed);

    assert_eq!(bench.engine.view().get(), 49);
    assert_eq!(causes(&effects), []);
}

/// Causes and the time each takes, in deltas of 100 ms.
#[test]
fn each_timer_gives_up_in_its_time() {
    type Arrange = fn(&mut Bench);
    let cases: [(NullifyCause, u64, Arrange); 2] = [
        (NullifyCause::NoProposal, 200, |bench| {
            bench.input(Input::Pending(true));
        }),
        (NullifyCause::NoProgress, 300, |bench| {
            let block = bench.block(1, &bench.config.base.header.clone(), 0);
            bench.receive(bench.proposal(1, &block, Vec::new()));
        }),
    ];
    for (cause, after, arrange) in cases {
        let mut bench = Bench::verifier();
        arrange(&mut bench);

        assert_eq!(causes(&bench.run(after - 1)), []);
        assert_eq!(causes(&bench.run(1)), [cause]);
    }
}

/// Blocks are notarised one after the other, and none becomes final: the term ends after 6 delta.
#[test]
fn a_term_whose_blocks_do_not_become_final_ends() {
    let mut bench = Bench::verifier();
    let mut parent = bench.config.base.header.clone();
    let mut effects = Vec::new();
    for view in 1..=3 {
        let (block, more) = bench.notarized(view, &parent);
        parent = block.header.clone();
        effects.extend(more);
        effects.extend(bench.run(190));
    }
    let block = bench.block(4, &parent, 0);
    effects.extend(bench.receive(bench.proposal(4, &block, Vec::new())));
    assert_eq!(causes(&effects), []);

    // view 1 began with its proposal, 570 ms ago
    assert_eq!(causes(&bench.run(29)), []);
    assert_eq!(causes(&bench.run(1)), [NullifyCause::FinalityLag]);
}

/// The vote carries the certificate its signer entered the view by, so that it moves others on as well.
#[test]
fn a_nullify_vote_carries_the_entry_certificate() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);

    let effects = bench.run(250);

    let entry = effects.iter().find_map(|effect| match effect {
        Effect::Broadcast(Message::Vote { vote, entry }) if vote.statement == nullifies(2) => {
            entry.as_ref().map(|entry| entry.statement)
        }
        _ => None,
    });
    assert_eq!(entry, Some(notarizes(1, block.id())));
}
