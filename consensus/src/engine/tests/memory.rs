//! What a Byzantine member can make a node keep is bounded.

use crate::effect::Effect;
use crate::engine::tests_support::{Bench, GENESIS, finalizes, notarizes, nullifies};
use crate::message::MessageError;
use crate::proposal::ProposalError;
use salus_primitives::block::Block;
use salus_primitives::ids::{BlockId, Height, View};
use std::sync::Arc;

/// A manager claims a height and a view far ahead, so that finality would never reach its block.
#[test]
fn bodies_with_false_heights_and_views_go_with_their_views() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    for view in 5..=8 {
        let mut block = Block::clone(&bench.block(view, &genesis, 1));
        block.header.height = Height::new(u64::MAX - view);
        if view > 6 {
            block.header.view = View::new(u64::MAX);
        }
        let block = Arc::new(block);
        bench.receive(bench.proposal(view, &block, Vec::new()));
    }
    assert_eq!(bench.engine.blocks.len(), 2);

    let mut parent = genesis;
    for view in 1..=4 {
        let (block, _) = bench.notarized(view, &parent);
        parent = block.header.clone();
    }
    let honest = bench.block(9, &parent, 0);
    bench.receive_certificate(notarizes(9, honest.id()));
    bench.receive(bench.proposal(9, &honest, Vec::new()));
    bench.receive_certificate(finalizes(9, honest.id()));

    assert_eq!(bench.engine.final_view().get(), 9);
    assert!(bench.engine.blocks.is_empty());
    assert!(bench.engine.views.len() <= 1);
}

/// Proposals for views far ahead are not kept, votes for views out of reach neither.
#[test]
fn proposals_and_votes_far_ahead_are_not_kept() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    for view in 1..1_000 {
        let block = bench.block(view, &genesis, 1);
        bench.receive(bench.proposal(view, &block, Vec::new()));
    }

    assert!(bench.engine.blocks.len() <= 9);
    assert!(bench.engine.views.len() <= 66);
}

/// A contradiction said a hundred times is reported once.
#[test]
fn a_contradiction_is_reported_once() {
    let mut bench = Bench::verifier();
    let seat = bench.others()[0];
    let mut reports = 0;
    for n in 0..100 {
        let effects = bench.receive_vote(seat, notarizes(1, BlockId([n; 32])));
        reports += effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Equivocation { .. }))
            .count();
    }

    assert_eq!(reports, 1);
}

/// A proposal with more certificates than a manager sends is refused before their signatures are checked.
#[test]
fn a_justification_over_its_bound_is_refused() {
    let bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 0);
    let many = vec![bench.certificate(nullifies(1)); 400];

    let verified = bench
        .proposal(1, &block, many)
        .verify(GENESIS, &bench.set, |_| false);

    assert!(matches!(
        verified,
        Err(MessageError::Proposal(ProposalError::LargeJustification { found })) if found > 64 * 1024
    ));
}
