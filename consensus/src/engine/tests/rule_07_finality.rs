//! Rules 7 and 10: what is final, however it becomes known.

use crate::effect::Effect;
use crate::engine::tests_support::{Bench, finalized, finalizes, nullifies};
use crate::input::Input;
use std::sync::Arc;

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

/// However late: votes that trickle in after the view, and after the term, was left.
#[test]
fn late_votes_make_a_block_and_its_ancestors_final() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    let (second, _) = bench.notarized(2, &first.header);
    bench.receive_certificate(nullifies(3));
    assert_eq!(bench.engine.view().get(), 5);

    let mut effects = Vec::new();
    for seat in bench.others() {
        effects.extend(bench.receive_vote(seat, finalizes(2, second.id())));
    }

    assert_eq!(finalized(&effects), [1, 2]);
    assert_eq!(bench.engine.view().get(), 5);
}

/// A finalisation far ahead of everything here: bodies are fetched backwards a little, then by ranges (rule 10).
#[test]
fn a_node_far_behind_asks_for_a_range() {
    let mut bench = Bench::verifier();
    let mut chain = vec![bench.block(1, &bench.config.base.header.clone(), 0)];
    for view in 2..=30 {
        let next = bench.block(view, &chain[chain.len() - 1].header, 0);
        chain.push(next);
    }
    let tip = &chain[29];
    bench.receive_certificate(finalizes(30, tip.id()));
    assert!(bench.engine.is_behind());

    let effects = bench.input(Input::Bodies(vec![Arc::clone(tip)]));
    let asked: Vec<u64> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::FetchRange { from } => Some(from.get()),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [1]);

    let effects = bench.input(Input::Bodies(chain.clone()));
    let heights: Vec<u64> = (1..=30).collect();
    assert_eq!(finalized(&effects), heights);
    assert!(!bench.engine.is_behind());
    assert_eq!(bench.engine.view().get(), 31);
}

/// Ranges whose last block has no finalisation of its own, but a descendant: each becomes final as far as it goes, and the next is asked
/// for from there.
#[test]
fn the_end_of_a_range_is_final_by_a_descendant() {
    let mut bench = Bench::verifier();
    let mut chain = vec![bench.block(1, &bench.config.base.header.clone(), 0)];
    for view in 2..=30 {
        let next = bench.block(view, &chain[chain.len() - 1].header, 0);
        chain.push(next);
    }
    let finalization = bench.verified(finalizes(30, chain[29].id()));
    let range = |blocks: &[Arc<salus_primitives::block::Block>]| Input::Range {
        blocks: blocks.to_vec(),
        finalization: finalization.clone(),
    };

    let effects = bench.input(range(&chain[..10]));

    assert_eq!(finalized(&effects), (1..=10).collect::<Vec<u64>>());
    assert_eq!(bench.engine.final_view().get(), 10);
    assert!(bench.engine.is_behind());
    assert_eq!(bench.engine.view().get(), 31);

    let effects = bench.input(range(&chain[10..]));

    assert_eq!(finalized(&effects), (11..=30).collect::<Vec<u64>>());
    assert_eq!(bench.engine.final_view().get(), 30);
    assert!(!bench.engine.is_behind());
}
