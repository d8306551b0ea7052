//! Rule 2: on what, and when, a manager proposes.

use crate::config::Timing;
use crate::engine::tests_support::{Bench, TIMING, notarizes, nullifies, votes};
use crate::message::Message;
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

/// What a voter accepts as a parent, and what it waits for or refuses. Views 1 and 2 are notarised, the tenure is 4.
#[test]
fn a_parent_must_be_the_block_before_or_be_led_to_by_nullifications() {
    // (nullified, proposed in, on the block of, voted for)
    let cases: [(&[u64], u64, u64, bool); 9] = [
        (&[], 3, 2, true),
        (&[], 3, 1, false),
        (&[3], 5, 2, true),
        (&[3], 5, 1, false),
        (&[2], 5, 1, true),
        (&[2], 5, 2, true),
        (&[3, 5], 9, 2, true),
        (&[3, 6], 9, 2, false),
        (&[5], 9, 2, false),
    ];
    for (nullified, view, parent, voted) in cases {
        let mut bench = Bench::verifier();
        let genesis = bench.config.base.header.clone();
        let (first, _) = bench.notarized(1, &genesis);
        let (second, _) = bench.notarized(2, &first.header);
        let justification = nullified
            .iter()
            .map(|view| bench.certificate(nullifies(*view)))
            .collect();
        let parent_header = [&first.header, &second.header][usize::from(parent == 2)];
        let block = bench.block(view, parent_header, 0);

        let effects = bench.receive(bench.proposal(view, &block, justification));

        assert_eq!(
            votes(&effects).contains(&notarizes(view, block.id())),
            voted,
            "nullified {nullified:?}, view {view} on {parent}"
        );
    }
}

/// A manager makes an empty block to prove receipts, and none on an empty block.
#[test]
fn an_empty_block_follows_a_full_one_and_no_other() {
    for (transactions, follows) in [(1, true), (0, false)] {
        let mut bench = Bench::manager(0);
        let block = bench.block(1, &bench.config.base.header.clone(), transactions);
        bench.receive(bench.proposal(1, &block, Vec::new()));

        let effects = bench.receive_certificate(notarizes(1, block.id()));

        let proposed = votes(&effects).iter().any(|vote| vote.view().get() == 2);
        assert_eq!(proposed, follows, "{transactions} transactions");
    }
}

/// A proposal carries what a voter needs to accept it: the parent's notarisation and the nullifications between.
#[test]
fn a_proposal_carries_its_justification() {
    let mut bench = Bench::manager(2);
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(nullifies(2));
    bench.receive_certificate(nullifies(5));

    let Some(Message::Proposal(proposal)) = bench.engine.own_proposal() else {
        panic!("a proposal");
    };

    let mut statements: Vec<_> = proposal
        .justification
        .iter()
        .map(|certificate| certificate.statement)
        .collect();
    statements.sort();
    let mut expected = vec![notarizes(1, block.id()), nullifies(2), nullifies(5)];
    expected.sort();
    assert_eq!(statements, expected);
}
