//! Rule 9: what is said again, and what is asked for.

use crate::effect::Effect;
use crate::engine::tests_support::{Bench, notarizes, nullifies};
use crate::input::Input;
use crate::message::Message;
use salus_primitives::ids::View;

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
fn a_manager_behind_two_hundred_failed_terms_gets_every_page() {
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
    assert_eq!(crate::engine::tests_support::votes(&effects), []);
    assert_eq!(asked(&bench.run(100)), [2]);

    let effects = bench.receive_certificate(nullifies(2));

    let votes = crate::engine::tests_support::votes(&effects);
    assert_eq!(votes, [notarizes(9, next.id())]);
}
