//! Rule 8: what a node says after a restart is what it said before.

use crate::effect::Effect;
use crate::engine::tests_support::{
    Bench, finalizes, notarizes, nullifies, repeated, statuses, votes,
};
use crate::input::Input;
use crate::journal::JournalEntry;
use crate::message::Message;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::View;

/// The first thing said after a restart carries the votes of the present view and the certificate it was entered by.
#[test]
fn votes_and_entry_certificate_are_said_again() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    let second = bench.block(2, &first.header, 0);
    bench.receive(bench.proposal(2, &second, Vec::new()));

    let effects = bench.restart();

    assert_eq!(bench.engine.view().get(), 2);
    assert!(repeated(&effects).contains(&notarizes(2, second.id())));
    let (_, entry) = statuses(&effects).swap_remove(0);
    assert_eq!(
        entry.map(|entry| entry.statement),
        Some(notarizes(1, first.id()))
    );
}

/// A journal over more views than a node looks ahead: its last votes still count in its own tally.
#[test]
fn own_votes_far_above_the_last_final_view_count_after_a_restart() {
    let mut bench = Bench::verifier();
    let mut parent = bench.config.base.header.clone();
    for view in 1..=70 {
        let (block, _) = bench.notarized(view, &parent);
        parent = block.header.clone();
    }
    let block = bench.block(71, &parent, 0);
    bench.receive(bench.proposal(71, &block, Vec::new()));
    bench.restart();
    assert_eq!(bench.engine.view().get(), 71);

    // its own vote and those of two others are a quorum of four
    for seat in bench.others().into_iter().take(2) {
        bench.receive_vote(seat, notarizes(71, block.id()));
    }

    assert_eq!(bench.engine.view().get(), 72);
}

/// Trap: own nullify forgotten at restart. It is said again, and the block proposed late gets no vote.
#[test]
fn trap_an_own_nullify_vote_survives_a_restart() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    bench.input(Input::Pending(true));
    assert!(votes(&bench.run(250)).contains(&nullifies(1)));

    let effects = bench.restart();
    assert!(repeated(&effects).contains(&nullifies(1)));

    let (_, effects) = bench.notarized(1, &genesis);
    assert_eq!(
        votes(&effects),
        [],
        "nothing in view 1 but the nullify vote"
    );
}

/// Who finalised a view may not nullify it. Without the notarisation it would stay in that view for ever.
#[test]
fn a_finalise_vote_leaves_with_the_notarisation_it_rests_on() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (block, effects) = bench.notarized(1, &genesis);
    assert!(votes(&effects).contains(&finalizes(1, block.id())));

    let effects = bench.restart();

    assert_eq!(bench.engine.view().get(), 2);
    assert!(repeated(&effects).contains(&finalizes(1, block.id())));
    assert!(votes(&bench.run(400)).contains(&nullifies(2)));
}

/// Trap: the manager proposes anew after a restart. It sends the proposal it persisted, and asks for no other block.
#[test]
fn trap_a_manager_sends_its_old_proposal_after_a_restart_and_builds_no_new_one() {
    let mut bench = Bench::manager(0);
    let before = votes(&bench.input(Input::Pending(true)));
    assert_eq!(before.len(), 1);

    let mut effects = bench.restart();
    effects.extend(bench.input(Input::Pending(true)));
    effects.extend(bench.run(250));

    let after = votes(&effects);
    assert!(after.contains(&before[0]));
    assert!(
        after
            .iter()
            .all(|vote| !matches!(vote, Statement::Notarize { .. }) || *vote == before[0])
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Build(_)))
    );
}

/// A proposal's justification is in the journal only once; after a restart the manager can still give it to others.
#[test]
fn the_justification_of_an_own_proposal_survives_a_restart() {
    let mut bench = Bench::manager(2);
    let genesis = bench.config.base.header.clone();
    let (block, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(nullifies(2));
    bench.receive_certificate(nullifies(5));
    assert!(bench.engine.own_proposal().is_some());

    bench.restart();

    let known: Vec<Statement> = bench
        .engine
        .certificates_from(View::new(1))
        .into_iter()
        .map(|certificate| certificate.statement)
        .collect();
    for statement in [notarizes(1, block.id()), nullifies(2), nullifies(5)] {
        assert!(known.contains(&statement), "{statement:?} of {known:?}");
    }
}

/// A node that stops before its vote was durable has not sent it either, and votes afresh.
#[test]
fn every_vote_is_persisted_before_it_is_sent() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, mut effects) = bench.notarized(1, &genesis);
    let second = bench.block(2, &first.header, 0);
    effects.extend(bench.receive(bench.proposal(2, &second, Vec::new())));
    effects.extend(bench.run(1_000));

    let mut durable = Vec::new();
    for effect in &effects {
        match effect {
            Effect::Persist(JournalEntry::Vote(vote)) => durable.push(*vote),
            Effect::Broadcast(Message::Vote { vote, .. }) => assert!(durable.contains(vote)),
            Effect::Broadcast(Message::Status(status)) => {
                assert!(status.votes.iter().all(|vote| durable.contains(vote)));
            }
            _ => {}
        }
    }
    assert!(durable.len() >= 4, "{durable:?}");
}

/// What the engine offers for a shorter journal is as good as the whole one.
#[test]
fn a_compacted_journal_restores_the_same_node() {
    let mut bench = Bench::verifier();
    let genesis = bench.config.base.header.clone();
    let (first, _) = bench.notarized(1, &genesis);
    bench.receive_certificate(nullifies(2));
    bench.input(Input::Pending(true));
    bench.run(700);
    let position = |bench: &Bench| (bench.engine.view(), bench.engine.status());
    bench.restart();
    let whole = position(&bench);

    bench.journal = bench.engine.live_entries();
    bench.restart();

    assert_eq!(position(&bench), whole);
    assert!(bench.engine.body(&first.id()).is_some());
}
