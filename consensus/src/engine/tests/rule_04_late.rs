//! Rule 4: the notarise vote that is given after the quorum, and when it is not.

use crate::effect::Effect;
use crate::engine::tests_support::{
    Bench, finalized, finalizes, notarizes, nullifies, repeated, roots_after, votes,
};
use crate::input::Input;
use crate::journal::JournalEntry;
use crate::message::Message;
use salus_primitives::block::Block;
use salus_primitives::certificate::Statement;
use salus_primitives::hash::Digest;
use salus_primitives::ids::Height;
use std::sync::Arc;

/// The views of the notarise votes in what is broadcast for the first time.
fn notarised(effects: &[Effect]) -> Vec<u64> {
    votes(effects)
        .into_iter()
        .filter(|vote| matches!(vote, Statement::Notarize { .. }))
        .map(|vote| vote.view().get())
        .collect()
}

/// A node that learned of view 1's notarisation before anything else of it, and that block.
fn overtaken() -> (Bench, Arc<Block>) {
    let mut bench = Bench::verifier();
    let block = bench.block(1, &bench.config.base.header.clone(), 1);
    let effects = bench.receive_certificate(notarizes(1, block.id()));
    assert_eq!(votes(&effects), [], "its body is not here");
    assert_eq!(bench.engine.view().get(), 2);
    (bench, block)
}

/// Rule 8 holds for it: body, notarisation and vote are durable before it leaves.
#[test]
fn a_block_that_comes_after_its_notarisation_gets_a_vote() {
    let (mut bench, block) = overtaken();
    bench.answers = false;

    let mut effects = bench.receive(bench.proposal(1, &block, Vec::new()));
    effects.extend(bench.input(Input::Checked {
        block: block.id(),
        valid: true,
    }));

    let late = notarizes(1, block.id());
    assert!(votes(&effects).contains(&late));
    let sent = effects.iter().position(|effect| {
        matches!(effect, Effect::Broadcast(Message::Vote { vote, .. }) if vote.statement == late)
    });
    let before: Vec<&JournalEntry> = effects[..sent.expect("sent")]
        .iter()
        .filter_map(|effect| match effect {
            Effect::Persist(entry) => Some(entry),
            _ => None,
        })
        .collect();
    let has = |it: &dyn Fn(&JournalEntry) -> bool| before.iter().any(|entry| it(entry));
    assert!(has(
        &|it| matches!(it, JournalEntry::Body(body) if body.id() == block.id())
    ));
    assert!(has(
        &|it| matches!(it, JournalEntry::Entry(entry) if entry.statement == late)
    ));
    assert!(has(
        &|it| matches!(it, JournalEntry::Vote(vote) if vote.statement == late)
    ));
}

/// A slow executor: the roots after the parent come when the view is long over.
#[test]
fn a_block_whose_parent_is_executed_late_gets_a_vote() {
    let mut bench = Bench::verifier();
    bench.answers = false;
    let first = bench.block(1, &bench.config.base.header.clone(), 1);
    let second = bench.block(2, &first.header, 1);
    let mut effects = Vec::new();
    for (view, block) in [(1, &first), (2, &second)] {
        effects.extend(bench.receive(bench.proposal(view, block, Vec::new())));
        effects.extend(bench.receive_certificate(notarizes(view, block.id())));
    }
    assert_eq!(notarised(&effects), [0; 0]);

    bench.answers = true;
    effects = bench.input(Input::Checked {
        block: first.id(),
        valid: true,
    });
    assert_eq!(notarised(&effects), [1]);
    effects = bench.input(Input::Executed {
        block: first.id(),
        roots: roots_after(&first.header),
    });

    assert_eq!(notarised(&effects), [2]);
}

/// The certificate's word is not enough: what the application refuses, a header with a wrong time, and another manager's block get no vote.
#[test]
fn a_block_that_this_node_finds_invalid_gets_no_late_vote() {
    let (mut bench, block) = overtaken();
    bench.answers = false;
    let asked = bench.receive(bench.proposal(1, &block, Vec::new()));
    assert!(
        asked
            .iter()
            .any(|it| matches!(it, Effect::Check { id, .. } if *id == block.id()))
    );
    let (id, valid) = (block.id(), false);
    let mut effects = bench.input(Input::Checked { block: id, valid });
    effects.extend(bench.run(2_000));
    assert_eq!(notarised(&effects), [0; 0]);
    effects = bench.input(Input::Checked {
        block: id,
        valid: true,
    });
    assert_eq!(notarised(&effects), [0; 0], "nobody asked again");

    type Forge = fn(&mut Block);
    let forges: [Forge; 3] = [
        |block| block.header.time = salus_primitives::time::Timestamp::from_millis(0),
        |block| block.header.view = salus_primitives::ids::View::new(3),
        |block| block.header.next_epoch = Some(Digest([1; 32])),
    ];
    for forge in forges {
        let mut bench = Bench::verifier();
        let mut block = Block::clone(&bench.block(1, &bench.config.base.header.clone(), 0));
        forge(&mut block);
        bench.receive_certificate(notarizes(1, block.id()));

        let effects = bench.input(Input::Bodies(vec![Arc::new(block)]));

        assert_eq!(notarised(&effects), [0; 0]);
    }
}

/// Lemma 2 (a): whatever a quorum notarised, one vote a view; also by a node that forgot all but its journal.
#[test]
fn who_voted_for_another_block_of_the_view_gives_no_late_vote() {
    for restart in [false, true] {
        let mut bench = Bench::verifier();
        let genesis = bench.config.base.header.clone();
        let (voted, quorum) = (bench.block(1, &genesis, 0), bench.block(1, &genesis, 1));
        let effects = bench.receive(bench.proposal(1, &voted, Vec::new()));
        assert_eq!(notarised(&effects), [1]);
        if restart {
            bench.restart();
        }

        let mut effects = bench.receive_certificate(notarizes(1, quorum.id()));
        effects.extend(bench.input(Input::Bodies(vec![quorum])));

        assert_eq!(notarised(&effects), [0; 0], "restart: {restart}");
    }
}

/// Lemma 2 (b), for the rest of the term; the next term is free.
#[test]
fn who_gave_up_the_view_or_an_earlier_one_of_its_term_gives_no_late_vote() {
    for restart in [false, true] {
        let mut bench = Bench::verifier();
        bench.input(Input::Pending(true));
        assert_eq!(votes(&bench.run(250)), [nullifies(1)]);
        if restart {
            bench.restart();
        }
        let mut parent = bench.config.base.header.clone();
        let mut effects = Vec::new();
        for view in 1..=6 {
            let block = bench.block(view, &parent, 0);
            effects.extend(bench.receive_certificate(notarizes(view, block.id())));
            effects.extend(bench.input(Input::Bodies(vec![Arc::clone(&block)])));
            parent = block.header.clone();
        }

        assert_eq!(notarised(&effects), [5, 6], "restart: {restart}");
    }
}

/// After a restart it is known, and not given again; nor said again, in any status.
#[test]
fn a_late_vote_survives_a_restart_and_is_said_once() {
    let (mut bench, block) = overtaken();
    bench.receive(bench.proposal(1, &block, Vec::new()));

    let mut effects = bench.restart();
    effects.extend(bench.receive_certificate(notarizes(1, block.id())));
    effects.extend(bench.receive(bench.proposal(1, &block, Vec::new())));
    effects.extend(bench.run(5_000));

    assert_eq!(notarised(&effects), [0; 0]);
    assert!(!repeated(&effects).contains(&notarizes(1, block.id())));
    let other = bench.block(1, &bench.config.base.header.clone(), 2);
    effects = bench.receive(bench.proposal(1, &other, Vec::new()));
    assert_eq!(notarised(&effects), [0; 0]);
}

/// A node that stopped after it learned of the notarisation, and before it could vote, does so when it is back.
#[test]
fn a_late_vote_that_a_crash_prevented_is_given_after_it() {
    let (mut bench, block) = overtaken();
    bench.answers = false;
    bench.receive(bench.proposal(1, &block, Vec::new()));
    bench.answers = true;

    let mut effects = bench.restart();
    effects.extend(bench.receive_certificate(notarizes(1, block.id())));
    effects.extend(bench.receive(bench.proposal(1, &block, Vec::new())));

    assert_eq!(notarised(&effects), [1]);
}

/// Finality is there before the block: the view's votes are forgotten with it, and the late one comes first.
#[test]
fn finality_waits_for_the_check_and_the_vote_comes_before_it() {
    let (mut bench, block) = overtaken();
    bench.receive_certificate(finalizes(1, block.id()));
    bench.answers = false;
    bench.receive(bench.proposal(1, &block, Vec::new()));
    let executed = Input::Executed {
        block: block.id(),
        roots: roots_after(&block.header),
    };
    assert_eq!(finalized(&bench.input(executed)), [0; 0]);

    let effects = bench.input(Input::Checked {
        block: block.id(),
        valid: true,
    });

    assert_eq!(notarised(&effects), [1]);
    assert_eq!(finalized(&effects), [1]);
    let at = |it: &dyn Fn(&Effect) -> bool| effects.iter().position(it);
    let voted = at(
        &|it| matches!(it, Effect::Persist(JournalEntry::Vote(vote)) if vote.statement == notarizes(1, block.id())),
    );
    assert!(voted < at(&|it| matches!(it, Effect::Finalized { .. })));
}

/// Who was away catches up by ranges, and nobody waits for its votes.
#[test]
fn blocks_of_a_range_get_no_late_votes() {
    let mut bench = Bench::verifier();
    let mut parent = bench.config.base.header.clone();
    let mut chain = Vec::new();
    for view in 1..=20 {
        let block = bench.block(view, &parent, 0);
        bench.receive_certificate(notarizes(view, block.id()));
        parent = block.header.clone();
        chain.push(block);
    }
    let finalization = bench.verified(finalizes(20, chain[19].id()));

    let effects = bench.input(Input::Range {
        blocks: chain,
        finalization,
    });

    assert_eq!(finalized(&effects).len(), 20);
    assert_eq!(notarised(&effects), [0; 0]);
}

/// E3: the last block of an epoch was attested in its own view; named again it gets late votes no more.
#[test]
fn a_boundary_named_again_gets_no_late_vote() {
    let mut bench = Bench::verifier();
    bench.config.boundary = Height::new(1);
    bench.restart();
    let mut block = Block::clone(&bench.block(1, &bench.config.base.header.clone(), 1));
    block.header.next_epoch = Some(Digest([7; 32]));
    let block = Arc::new(block);
    bench.receive_certificate(notarizes(5, block.id()));

    let effects = bench.input(Input::Bodies(vec![block]));

    assert_eq!(notarised(&effects), [0; 0]);
}

/// Trap: an idle chain that talks. A late vote is said once, whoever hears it has nothing to do for it, and silence follows.
#[test]
fn trap_late_votes_do_not_wake_an_idle_chain() {
    let (mut bench, block) = overtaken();
    bench.receive_certificate(finalizes(1, block.id()));
    let effects = bench.receive(bench.proposal(1, &block, Vec::new()));
    assert_eq!(
        (notarised(&effects), finalized(&effects)),
        (vec![1], vec![1])
    );
    // an empty block proves the receipts, and is final
    let second = bench.block(2, &block.header, 0);
    bench.receive(bench.proposal(2, &second, Vec::new()));
    bench.receive_certificate(notarizes(2, second.id()));
    bench.receive_certificate(finalizes(2, second.id()));
    bench.run(1_000);
    assert!(!bench.engine.has_work());

    let mut effects = Vec::new();
    for (view, block) in [(1, &block), (2, &second)] {
        for seat in bench.others() {
            effects.extend(bench.receive_vote(seat, notarizes(view, block.id())));
        }
    }
    effects.extend(bench.run(10_000));

    assert!(!bench.engine.has_work());
    assert!(effects.is_empty(), "{effects:?}");
}

/// Late votes of others make no second notarisation, and wake no timer.
#[test]
fn votes_after_the_quorum_are_told_and_change_nothing() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);
    let before = (bench.engine.view(), bench.engine.wakeup(bench.now));

    let mut effects = Vec::new();
    for seat in bench.others() {
        effects.extend(bench.receive_vote(seat, notarizes(1, block.id())));
    }

    assert_eq!(
        (bench.engine.view(), bench.engine.wakeup(bench.now)),
        before
    );
    let only_told = |it: &Effect| matches!(it, Effect::Notarized(_));
    assert!(effects.iter().all(only_told), "{effects:?}");
}
