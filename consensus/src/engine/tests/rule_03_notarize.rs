//! Rules 3 and 4: what is notarised, what is finalised, and what is not.

use crate::effect::{Effect, NullifyCause};
use crate::engine::tests_support::{Bench, causes, finalizes, notarizes, nullifies, votes};
use crate::input::Input;
use crate::message::Message;
use salus_primitives::block::{Block, Header};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, Epoch, Height, Seat, View};
use salus_primitives::state::StateRoot;
use std::sync::Arc;

/// Each field of a header that does not follow from view and parent costs the manager its term.
#[test]
fn a_header_that_does_not_follow_is_not_notarised() {
    type Forge = fn(&mut Header);
    let cases: [(&str, Forge); 8] = [
        ("view", |header| header.view = View::new(2)),
        ("epoch", |header| header.epoch = Epoch::new(2)),
        ("manager", |header| {
            header.manager = Seat::new(header.manager.get() ^ 1);
        }),
        ("height", |header| header.height = Height::new(2)),
        ("time", |header| {
            header.time = salus_primitives::time::Timestamp::from_millis(0);
        }),
        ("state root", |header| {
            header.parent_state_root = StateRoot([9; 32]);
        }),
        ("receipt root", |header| {
            header.parent_receipt_root = Digest([9; 32]);
        }),
        ("next validators", |header| {
            header.next_epoch = Some(Digest([9; 32]));
        }),
    ];
    for (name, forge) in cases {
        let mut bench = Bench::verifier();
        let mut block = Block::clone(&bench.block(1, &bench.config.base.header.clone(), 0));
        forge(&mut block.header);

        let effects = bench.receive(bench.proposal(1, &Arc::new(block), Vec::new()));

        assert_eq!(causes(&effects), [NullifyCause::InvalidProposal], "{name}");
        assert_eq!(votes(&effects), [nullifies(1)], "{name}");
    }
}

/// Content that the application refuses costs the manager its term as well.
#[test]
fn refused_content_is_not_notarised() {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let block = bench.block(1, &bench.config.base.header.clone(), 1);
    bench.receive(bench.proposal(1, &block, Vec::new()));

    let effects = bench.input(Input::Checked {
        block: block.id(),
        valid: false,
    });

    assert_eq!(causes(&effects), [NullifyCause::InvalidProposal]);
    assert_eq!(votes(&effects), [nullifies(1)]);
}

/// Only the manager of a view can propose in it.
#[test]
fn a_proposal_of_another_seat_is_no_proposal() {
    let mut bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 0);
    let manager = bench.engine.manager_of(View::new(1)).get();
    let other = bench.others().into_iter().find(|seat| *seat != manager);
    let Message::Proposal(mut proposal) = bench.proposal(1, &block, Vec::new()) else {
        unreachable!("it is one");
    };
    proposal.vote = *crate::engine::tests_support::signed(
        other.expect("three others"),
        notarizes(1, block.id()),
        &bench.keys,
    )
    .vote();

    let effects = bench.receive(Message::Proposal(proposal));

    assert_eq!(votes(&effects), []);
}

/// A block from the future is looked at again when its time has come near.
#[test]
fn a_block_ahead_of_the_clock_waits() {
    let mut bench = Bench::verifier();
    let mut block = Block::clone(&bench.block(1, &bench.config.base.header.clone(), 0));
    block.header.time = bench.now.wall.plus_millis(2_100);
    let block = Arc::new(block);

    let effects = bench.receive(bench.proposal(1, &block, Vec::new()));
    assert_eq!(votes(&effects), []);

    assert_eq!(votes(&bench.run(150)), [notarizes(1, block.id())]);
}

/// Never two in one view: the second proposal is evidence, and the view is given up.
#[test]
fn the_second_proposal_of_a_view_gets_no_vote() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, second) = (bench.block(1, &genesis, 0), bench.block(1, &genesis, 1));
    let effects = bench.receive(bench.proposal(1, &first, Vec::new()));
    assert_eq!(votes(&effects), [notarizes(1, first.id())]);

    let effects = bench.receive(bench.proposal(1, &second, Vec::new()));

    assert_eq!(votes(&effects), [nullifies(1)]);
    assert_eq!(causes(&effects), [NullifyCause::Equivocation]);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Equivocation { .. }))
    );
}

/// Never after nullify in it.
#[test]
fn a_proposal_after_the_own_nullify_vote_gets_no_vote() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    bench.input(Input::Pending(true));
    assert_eq!(votes(&bench.run(200)), [nullifies(1)]);

    let block = bench.block(1, &genesis, 0);
    let effects = bench.receive(bench.proposal(1, &block, Vec::new()));

    assert_eq!(votes(&effects), []);
}

/// A quorum of votes is a notarisation: announced once, followed, and answered with a finalise vote.
#[test]
fn a_quorum_of_votes_is_announced_followed_and_finalised() {
    let mut bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 0);
    bench.receive(bench.proposal(1, &block, Vec::new()));
    let manager = bench.engine.manager_of(View::new(1)).get();
    let mut effects = Vec::new();
    for seat in bench.others().into_iter().filter(|seat| *seat != manager) {
        effects.extend(bench.receive_vote(seat, notarizes(1, block.id())));
    }

    let announced = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Broadcast(Message::Certificates(_))))
        .count();
    assert_eq!(announced, 1);
    assert_eq!(bench.engine.view().get(), 2);
    assert_eq!(votes(&effects), [finalizes(1, block.id())]);
}

/// A block that is notarised before its body is here: asked for after a moment, again every delta, and finalised then (and
/// notarised late, rule 4).
#[test]
fn a_missing_body_is_fetched_before_a_finalise_vote() {
    let mut bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 0);
    let asked = |effects: &[Effect]| -> Vec<BlockId> {
        let fetched = effects.iter().filter_map(|effect| match effect {
            Effect::FetchBody(id) => Some(*id),
            _ => None,
        });
        fetched.collect()
    };
    let effects = bench.receive_certificate(notarizes(1, block.id()));
    assert_eq!(votes(&effects), []);
    assert_eq!(asked(&bench.run(150)), [block.id(), block.id()]);

    let effects = bench.input(Input::Bodies(vec![Arc::clone(&block)]));

    assert!(votes(&effects).contains(&finalizes(1, block.id())));
    assert_eq!(asked(&bench.run(100)), []);
}
