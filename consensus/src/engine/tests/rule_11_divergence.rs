//! Rule 11: a node whose roots are not the quorum's stops, with the evidence.

use crate::config::Roots;
use crate::effect::Effect;
use crate::engine::tests_support::{Bench, finalized, finalizes, notarizes, roots_after, votes};
use crate::input::Input;
use salus_primitives::hash::Digest;

/// A bench whose own roots after the block of view 1 are wrong, shortly after the quorum notarised view 2.
fn diverging() -> (Bench, Vec<Effect>, salus_primitives::ids::BlockId) {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let first = bench.block(1, &bench.config.base.header.clone(), 0);
    bench.receive(bench.proposal(1, &first, Vec::new()));
    bench.receive_certificate(notarizes(1, first.id()));
    let roots = Roots {
        receipts: Digest([9; 32]),
        ..roots_after(&first.header)
    };
    bench.input(Input::Executed {
        block: first.id(),
        roots,
    });
    let second = bench.block(2, &first.header, 0);
    bench.receive(bench.proposal(2, &second, Vec::new()));
    let effects = bench.receive_certificate(notarizes(2, second.id()));
    (bench, effects, second.id())
}

#[test]
fn a_quorum_for_other_roots_stops_this_node_with_the_evidence() {
    let (bench, effects, second) = diverging();

    let evidence = effects.iter().find_map(|effect| match effect {
        Effect::Diverged(divergence) => Some(divergence),
        _ => None,
    });
    let evidence = evidence.expect("reported");
    assert_eq!(evidence.block, second);
    assert_eq!(evidence.certificate.statement(), &notarizes(2, second));
    assert!(bench.engine.has_diverged());
    assert_eq!(votes(&effects), []);
}

/// It says nothing new any more, and takes nothing more as final onto a state that is wrong.
#[test]
fn a_diverged_node_neither_votes_nor_commits() {
    let (mut bench, _, second) = diverging();
    let mut effects = bench.input(Input::Executed {
        block: second,
        roots: bench.config.base.roots,
    });
    bench.answers = true;
    effects.extend(bench.receive_certificate(finalizes(2, second)));
    effects.extend(bench.input(Input::Pending(true)));
    effects.extend(bench.run(5_000));

    assert_eq!(votes(&effects), []);
    assert_eq!(finalized(&effects), []);
}

/// A check that was under way when the node diverged does not lead to a vote.
#[test]
fn a_verdict_that_comes_after_divergence_is_not_voted_on() {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let first = bench.block(1, &bench.config.base.header.clone(), 0);
    bench.receive(bench.proposal(1, &first, Vec::new()));
    bench.engine.diverged = true;

    let effects = bench.input(Input::Checked {
        block: first.id(),
        valid: true,
    });

    assert_eq!(votes(&effects), []);
}

/// The headers of a range are certified, whichever block the certificate names.
#[test]
fn a_range_that_a_descendant_made_final_is_compared_as_well() {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let first = bench.block(1, &bench.config.base.header.clone(), 0);
    let second = bench.block(2, &first.header, 0);
    let third = bench.block(3, &second.header, 0);
    let finalization = bench.verified(finalizes(3, third.id()));
    bench.input(Input::Range {
        blocks: vec![first.clone(), second.clone()],
        finalization,
    });

    let roots = Roots {
        receipts: Digest([9; 32]),
        ..roots_after(&first.header)
    };
    let effects = bench.input(Input::Executed {
        block: first.id(),
        roots,
    });

    assert!(bench.engine.has_diverged());
    assert_eq!(finalized(&effects), []);
}
