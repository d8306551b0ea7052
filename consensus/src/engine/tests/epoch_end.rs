//! The end of an epoch: no higher block, the last one is named again until it is final, and then nothing more.

use crate::effect::{Effect, NullifyCause};
use crate::engine::Engine;
use crate::engine::tests_support::{Bench, EPOCH, TIMING, causes, finalizes, notarizes, votes};
use crate::message::Message;
use salus_primitives::block::Block;
use salus_primitives::certificate::Statement;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{Height, View};
use std::sync::Arc;

/// A bench whose epoch ends at height 1.
fn ending(mut bench: Bench) -> Bench {
    bench.config.boundary = Height::new(1);
    bench.engine = Engine::restore(
        bench.config.clone(),
        None,
        Vec::new(),
        bench.now,
        &mut Vec::new(),
    );
    bench
}

/// The epoch's last block, as the manager of view 1 makes it.
fn last_block(bench: &Bench) -> Arc<Block> {
    let mut block = Block::clone(&bench.block(1, &bench.config.base.header.clone(), 1));
    block.header.next_epoch = Some(Digest([7; 32]));
    Arc::new(block)
}

const fn nullify(view: u64) -> Statement {
    Statement::Nullify {
        epoch: EPOCH,
        view: View::new(view),
    }
}

/// The last block names the next validators, and no other block does.
#[test]
fn the_last_block_must_name_the_next_epoch() {
    let mut bench = ending(Bench::verifier());
    let unnamed = bench.block(1, &bench.config.base.header.clone(), 0);

    let effects = bench.receive(bench.proposal(1, &unnamed, Vec::new()));

    assert_eq!(causes(&effects), [NullifyCause::InvalidProposal]);
}

/// Trap: height reused across epochs. A block on the epoch's last one is refused; that block, named again after a failed
/// term, is notarised again.
#[test]
fn trap_after_the_last_block_only_the_same_block_is_valid() {
    let (block, next_term) = {
        let bench = ending(Bench::verifier());
        (last_block(&bench), TIMING.tenure + 1)
    };
    for same in [true, false] {
        let mut bench = ending(Bench::verifier());
        bench.receive(bench.proposal(1, &block, Vec::new()));
        bench.receive_certificate(notarizes(1, block.id()));
        bench.receive_certificate(nullify(2));
        assert_eq!(bench.engine.view(), View::new(next_term));
        let proposed = if same {
            Arc::clone(&block)
        } else {
            bench.block(next_term, &block.header, 0)
        };

        let effects = bench.receive(bench.proposal(next_term, &proposed, Vec::new()));

        if same {
            assert_eq!(votes(&effects), [notarizes(next_term, block.id())]);
        } else {
            assert_eq!(causes(&effects), [NullifyCause::InvalidProposal]);
        }
    }
}

/// The manager of the term after a failed one names the last block again instead of building on it.
#[test]
fn the_manager_proposes_the_last_block_again() {
    let mut bench = ending(Bench::manager(1));
    let block = last_block(&bench);
    bench.receive(bench.proposal(1, &block, Vec::new()));
    bench.receive_certificate(notarizes(1, block.id()));

    let effects = bench.receive_certificate(nullify(2));

    let proposed: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast(Message::Proposal(proposal)) => Some(proposal.block.id()),
            _ => None,
        })
        .collect();
    assert_eq!(proposed, [block.id()]);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Build(_)))
    );
}

/// Once the last block is final the engine has nothing to say and nothing to wait for.
#[test]
fn a_finished_epoch_is_silent() {
    let mut bench = ending(Bench::verifier());
    let block = last_block(&bench);
    bench.receive(bench.proposal(1, &block, Vec::new()));
    bench.receive_certificate(notarizes(1, block.id()));

    bench.receive_certificate(finalizes(1, block.id()));

    assert!(bench.engine.is_finished());
    assert_eq!(bench.engine.wakeup(bench.now), None);
}
