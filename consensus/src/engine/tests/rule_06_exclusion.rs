//! Rule 6: who signed nullify(v) never signs finalise(u) for u >= v of that term, and the other way round.

use crate::engine::tests_support::{Bench, finalizes, notarizes, nullifies, votes};
use crate::input::Input;
use salus_primitives::block::Header;
use salus_primitives::certificate::Statement;

/// Nullifies view 2 of term 0 (views 1 to 4), having finalised view 1.
fn nullified_in_two() -> (Bench, Header) {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, effects) = bench.notarized(1, &genesis);
    assert!(votes(&effects).contains(&finalizes(1, first.id())));
    assert_eq!(votes(&bench.run(250)), [nullifies(2)]);
    (bench, first.header.clone())
}

fn finalised(effects: &[crate::effect::Effect]) -> Vec<u64> {
    votes(effects)
        .into_iter()
        .filter(|vote| matches!(vote, Statement::Finalize { .. }))
        .map(|vote| vote.view().get())
        .collect()
}

/// After nullify(2): never finalise 2, 3 or 4, though they are notarised; 5 is of the next term.
#[test]
fn no_finalise_vote_follows_a_nullify_vote_in_its_term() {
    for restart in [false, true] {
        let (mut bench, mut parent) = nullified_in_two();
        if restart {
            bench.restart();
        }
        let mut effects = Vec::new();
        for view in 2..=5 {
            let (block, more) = bench.notarized(view, &parent);
            parent = block.header.clone();
            effects.extend(more);
        }

        assert_eq!(finalised(&effects), [5], "restart: {restart}");
    }
}

/// Trap: finalise signed on rebroadcast after a nullify. The notarisation may come by any way, and as often as it likes.
#[test]
fn trap_certificates_that_come_again_bring_no_finalise_vote() {
    let (mut bench, parent) = nullified_in_two();
    let block = bench.block(2, &parent, 0);
    let mut effects = bench.receive(bench.proposal(2, &block, Vec::new()));
    for seat in bench.others() {
        effects.extend(bench.receive_vote(seat, notarizes(2, block.id())));
    }
    effects.extend(bench.receive_certificate(notarizes(2, block.id())));
    bench.restart();
    effects.extend(bench.receive_certificate(notarizes(2, block.id())));
    effects.extend(bench.run(2_000));

    assert_eq!(finalised(&effects), [0u64; 0]);
}

/// Views before the nullified one stay free: their blocks may still become final.
#[test]
fn a_view_before_the_nullified_one_may_still_be_finalised() {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let first = bench.block(1, &bench.config.base.header.clone(), 0);
    bench.receive_certificate(notarizes(1, first.id()));
    bench.input(Input::Pending(true));
    assert_eq!(votes(&bench.run(200)), [nullifies(2)]);

    let effects = bench.receive(bench.proposal(1, &first, Vec::new()));

    assert_eq!(votes(&effects), [finalizes(1, first.id())]);
}

/// Who finalised a view of the term gives up later views only.
#[test]
fn no_nullify_vote_covers_a_finalised_view() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (_, _) = bench.notarized(1, &genesis);

    let nullified: Vec<u64> = votes(&bench.run(3_000))
        .into_iter()
        .filter(|vote| matches!(vote, Statement::Nullify { .. }))
        .map(|vote| vote.view().get())
        .collect();

    assert_eq!(nullified, [2]);
    assert!(
        !bench
            .engine
            .may_nullify(salus_primitives::ids::View::new(1))
    );
}
