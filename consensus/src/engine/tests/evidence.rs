//! Contradictions are told with both votes, wherever the votes come from and whichever comes first.

use crate::effect::Effect;
use crate::engine::tests_support::{Bench, finalizes, notarizes, nullifies};
use crate::vote::Vote;
use salus_primitives::block::Header;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, Epoch};

const OTHER: BlockId = BlockId([9; 32]);

/// Whose contradictions were told, and which statements.
fn told(effects: &[Effect]) -> Vec<(u16, Statement, Statement)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Equivocation { first, second } => {
                assert_eq!(first.seat, second.seat);
                Some((first.seat.get(), first.statement, second.statement))
            }
            _ => None,
        })
        .collect()
}

/// Views 1 and 2 final, of term 0 (views 1 to 4).
fn final_to_two() -> (Bench, Header, Header) {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    let (second, _) = bench.notarized(2, &first.header);
    bench.receive_certificate(finalizes(2, second.id()));
    assert_eq!(bench.engine.final_view().get(), 2);
    (bench, first.header.clone(), second.header.clone())
}

/// Rule 6 across kinds, in both orders.
#[test]
fn a_finalise_vote_against_a_nullify_vote_is_told_whichever_comes_first() {
    for (finalized, given_up, expected) in
        [(3, 3, true), (4, 2, true), (2, 3, false), (5, 4, false)]
    {
        for turned in [false, true] {
            let mut bench = Bench::verifier();
            let seat = bench.others()[1];
            let mut votes = [finalizes(finalized, OTHER), nullifies(given_up)];
            if turned {
                votes.reverse();
            }
            let [first, second] = votes;
            assert_eq!(told(&bench.receive_vote(seat, first)), []);

            let effects = bench.receive_vote(seat, second);

            let expected: Vec<_> = expected
                .then_some((seat, first, second))
                .into_iter()
                .collect();
            assert_eq!(told(&effects), expected, "{first:?} {second:?}");
        }
    }
}

/// A double voter shows this node one vote and the others another, which comes in their certificate only.
#[test]
fn a_vote_against_one_in_a_certificate_is_told() {
    for turned in [false, true] {
        for kind in [notarizes, finalizes] {
            let mut bench = Bench::verifier();
            let genesis = bench.config.base.header.clone();
            let seat = bench.others()[2];
            let block = bench.block(1, &genesis, 0);
            let (shown, certified) = (kind(1, OTHER), kind(1, block.id()));
            let expected = if turned {
                bench.receive_certificate(certified);
                assert_eq!(
                    told(&bench.receive_vote(seat, shown)),
                    [(seat, certified, shown)]
                );
                continue;
            } else {
                assert_eq!(told(&bench.receive_vote(seat, shown)), []);
                (seat, shown, certified)
            };

            assert_eq!(told(&bench.receive_certificate(certified)), [expected]);
        }
    }
}

/// A nullify vote that comes after the finality it contradicts decides nothing, and is evidence all the same.
#[test]
fn a_vote_for_a_view_that_is_final_is_looked_at() {
    let (mut bench, first, _) = final_to_two();
    let seat = bench.others()[0];
    let late = Vote {
        seat: salus_primitives::ids::Seat::new(seat),
        statement: nullifies(1),
        signature: salus_primitives::crypto::sign::Signature([0; 64]),
    };
    assert!(bench.engine.is_evidence(&late));
    let mut elsewhere = late;
    let (epoch, view) = (Epoch::new(2), late.statement.view());
    elsewhere.statement = Statement::Nullify { epoch, view };
    assert!(!bench.engine.is_evidence(&elsewhere), "of another epoch");

    let effects = bench.receive_vote(seat, nullifies(1));

    assert_eq!(
        told(&effects),
        [(seat, finalizes(2, bench.engine.final_id()), nullifies(1))]
    );
    // and a second notarise vote in view 1, of another seat
    let seat = bench.others()[1];
    assert_eq!(
        told(&bench.receive_vote(seat, notarizes(1, OTHER))),
        [(seat, notarizes(1, first.id()), notarizes(1, OTHER))]
    );
    assert!(!bench.engine.is_evidence(&late), "told already");
}

/// The window ends: what lies 17 views behind the last final one is remembered no more, and is no reason for any work.
#[test]
fn votes_long_past_are_not_looked_at() {
    let (mut bench, _, second) = final_to_two();
    let mut parent = second;
    for view in 3..=40 {
        let (block, _) = bench.notarized(view, &parent);
        parent = block.header.clone();
        bench.receive_certificate(finalizes(view, block.id()));
        assert!(bench.engine.witness.views() <= 18);
    }
    assert_eq!(bench.engine.final_view().get(), 40);
    let seat = bench.others()[0];

    assert_eq!(told(&bench.receive_vote(seat, notarizes(23, OTHER))), []);
    assert_eq!(
        told(&bench.receive_vote(seat, notarizes(24, OTHER))).len(),
        1
    );
}

/// Proposals further ahead than bodies are kept, and one whose block is dropped because it is the second.
#[test]
fn second_proposals_are_told_where_their_blocks_are_dropped() {
    for view in [1, 8, 9, 60] {
        let mut bench = Bench::verifier();
        let genesis = bench.config.base.header.clone();
        let manager = bench
            .engine
            .manager_of(salus_primitives::ids::View::new(view))
            .get();
        let (one, other) = (
            bench.block(view, &genesis, 0),
            bench.block(view, &genesis, 1),
        );
        let mut effects = bench.receive(bench.proposal(view, &one, Vec::new()));
        effects.extend(bench.receive(bench.proposal(view, &other, Vec::new())));

        let expected = (
            manager,
            notarizes(view, one.id()),
            notarizes(view, other.id()),
        );
        assert_eq!(told(&effects), [expected], "{view}");
    }
}

/// Votes that an honest validator gives one after the other in every way a term can go: nothing is told.
#[test]
fn an_honest_validators_votes_are_not_told() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let seat = bench.others()[0];
    let block = bench.block(1, &genesis, 0);
    let mut effects = Vec::new();
    for vote in [
        notarizes(1, block.id()),
        finalizes(1, block.id()),
        notarizes(2, OTHER),
        nullifies(2),
        notarizes(3, OTHER),
        nullifies(3),
        nullifies(4),
        notarizes(5, OTHER),
        finalizes(5, OTHER),
        finalizes(6, OTHER),
        nullifies(7),
    ] {
        effects.extend(bench.receive_vote(seat, vote));
        effects.extend(bench.receive_vote(seat, vote));
    }

    assert_eq!(told(&effects), []);
}
