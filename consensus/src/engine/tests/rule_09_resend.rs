//! Rule 9: what is said again, and what is asked for.

use crate::effect::Effect;
use crate::engine::tests_support::{
    Bench, EPOCH, finalizes, notarizes, nullifies, repeated, votes,
};
use crate::input::Input;
use crate::message::{Message, Status};
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{Height, View};

fn asked(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::FetchCertificates { from } => Some(from.get()),
            _ => None,
        })
        .collect()
}

/// Trap: the manager waits for missing nullifications. It asks from its first gap on, page after page, and then proposes.
#[test]
fn trap_a_manager_behind_two_hundred_failed_terms_gets_every_page() {
    let mut peer = Bench::verifier();
    for term in 0..200 {
        peer.receive_certificate(nullifies(term * 4 + 1));
    }
    let mut bench = Bench::manager(200);
    let last = bench.certificate(nullifies(199 * 4 + 1));
    let mut effects = bench.receive(Message::Certificates(vec![last]));
    effects.extend(bench.input(Input::Pending(true)));

    let mut pages = 0;
    while let Some(from) = asked(&effects).last() {
        let answer = peer.engine.certificates_from(View::new(*from));
        assert!(answer.len() <= crate::message::LIST_MAX);
        effects = bench.receive(Message::Certificates(answer));
        pages += 1;
        assert!(pages < 10, "asked for the same page again");
    }

    assert!(bench.engine.own_proposal().is_some());
    assert_eq!(bench.engine.view().get(), 801);
}

/// An answer that leads no further is not asked for again before a delta has passed.
#[test]
fn a_peer_without_the_certificates_is_not_asked_at_once_again() {
    let mut bench = Bench::manager(2);
    bench.input(Input::Pending(true));
    let effects = bench.receive_certificate(nullifies(5));
    assert_eq!(asked(&effects), [1]);

    let effects = bench.receive(Message::Certificates(Vec::new()));

    assert_eq!(asked(&effects), []);
    assert_eq!(asked(&bench.run(201)), [1]);
}

/// A voter whose certificates do not justify a proposal asks for them, and votes when they come.
#[test]
fn a_proposal_without_its_certificates_waits_for_them() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(nullifies(5));
    let next = bench.block(9, &block.header, 0);
    let effects = bench.receive(bench.proposal(9, &next, Vec::new()));
    assert_eq!(votes(&effects), []);
    assert_eq!(asked(&bench.run(100)), [2]);

    let effects = bench.receive_certificate(nullifies(2));

    assert_eq!(votes(&effects), [notarizes(9, next.id())]);
}

/// Trap: all votes of a view lost once. They are said again every delta, the manager's proposal too, until the view is left.
#[test]
fn trap_votes_and_proposal_are_said_again_every_delta() {
    let mut bench = Bench::manager(0);
    let first = votes(&bench.input(Input::Pending(true)));

    let effects = bench.run(250);

    assert_eq!(repeated(&effects), [first[0], first[0]]);
    assert_eq!(votes(&effects), [first[0], first[0]], "the proposal");
    let block = first[0].block().expect("names one");
    bench.input(Input::Pending(false));
    bench.receive_certificate(notarizes(1, block));
    bench.receive_certificate(finalizes(1, block));
    assert_eq!(bench.run(5_000).len(), 0, "all is final: silence");
}

/// A finalise vote outlives its view: it is said again until the block is final.
#[test]
fn finalise_votes_are_said_again_until_the_block_is_final() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(nullifies(2));

    assert!(repeated(&bench.run(250)).contains(&finalizes(1, first.id())));

    bench.receive_certificate(finalizes(1, first.id()));
    assert!(!repeated(&bench.run(5_000)).contains(&finalizes(1, first.id())));
}

/// Whoever stands further back gets the last finalisation and the entry certificate, but not more often than it helps.
#[test]
fn a_peer_behind_is_sent_what_moves_it_on() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(finalizes(1, first.id()));
    bench.receive_certificate(nullifies(2));
    let behind = |view: u64, final_view: u64| {
        Message::Status(Status {
            epoch: EPOCH,
            view: View::new(view),
            final_view: View::new(final_view),
            final_height: Height::new(final_view),
            votes: Vec::new(),
            entry: None,
        })
    };
    let sent = |effects: &[Effect]| -> Vec<Statement> {
        let lists = effects.iter().filter_map(|effect| match effect {
            Effect::Send(_, Message::Certificates(list)) => Some(list),
            _ => None,
        });
        lists.flatten().map(|c| c.statement).collect()
    };
    let (finalisation, entry) = (finalizes(1, first.id()), nullifies(2));

    assert_eq!(sent(&bench.receive(behind(1, 0))), [finalisation, entry]);
    assert_eq!(sent(&bench.receive(behind(1, 0))), [], "just now");
    bench.pass(100);
    assert_eq!(sent(&bench.receive(behind(2, 1))), [entry]);
    bench.pass(100);
    assert_eq!(sent(&bench.receive(behind(5, 1))), [], "not behind");
    assert_eq!(sent(&bench.receive(behind(9, 5))), [], "ahead");
}
