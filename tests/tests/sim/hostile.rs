//! A validator that sends what no honest one does: the others go on, and it costs them little.

use super::{EQUAL, agree};
use salus_consensus::message::{Message, Status};
use salus_node::wire::{Frame, Request, Response, TRANSACTIONS_MAX};
use salus_primitives::block::Block;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{ContractId, EntityId, Epoch, Height, View};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, TRANSACTION_MAX, Transaction};
use salus_tests::sim::Sim;
use salus_tests::sim::plan::Plan;

/// Anyone can sign; a validator can forward it.
fn stranger(sim: &Sim, nonce: u8, payload: usize) -> SignedTransaction {
    let signer = SecretKey::from_seed([77; 32]).signer();
    let body = Transaction {
        genesis: sim.genesis().hash,
        sender: signer.public(),
        entity: EntityId([4; 32]),
        lane: Lane::Emergency,
        valid_until: Height::new(60),
        nonce: [nonce; 16],
        call: Call {
            contract: ContractId::new(3),
            payload: Blob(vec![nonce; payload]),
        },
    };
    Signed::sign(body, sim.genesis().hash, &signer).into_signed()
}

/// A transaction larger than a block may be, at the head of the most urgent lane, would stay there: the lane would be
/// stuck, and the chain would make empty blocks as fast as it can.
#[test]
fn a_transaction_larger_than_a_block_does_not_block_its_lane() {
    let mut sim = Sim::new(800, &EQUAL, Plan::calm());
    let huge = stranger(&sim, 1, 2 * 1024 * 1024);
    let large = stranger(&sim, 2, TRANSACTION_MAX);
    for node in 0..3 {
        sim.inject(node, 3, Frame::Transactions(vec![huge.clone()]));
        sim.inject(node, 3, Frame::Transactions(vec![large.clone()]));
    }

    sim.submit(0, Lane::Emergency);

    assert!(sim.run_until_final(2_000), "{:?}", sim.final_heights());
    assert_eq!(sim.node(0).faults(), 2);
    assert!(sim.final_heights()[0].get() < 10);
}

/// The node whose client sent a transaction died when only one peer had it. That one passes it on, instead of waiting for its own
/// turn on an idle chain and giving up one view after another until then.
#[test]
fn a_transaction_that_only_one_peer_was_told_of_reaches_all() {
    for holder in 0..3 {
        let mut sim = Sim::new(806, &EQUAL, Plan::calm());
        sim.run_for(1_000);
        let lonely = stranger(&sim, 1, 10);
        let id = lonely.body.id();

        sim.inject(holder, 3, Frame::Transactions(vec![lonely]));
        sim.run_for(5_000);

        assert!((0..4).all(|node| sim.node(node).has_final(&id)));
    }
}

/// Repetitions within a frame, and a frame beyond the bound.
#[test]
fn repeated_and_too_many_transactions_in_a_frame_are_not_checked() {
    let mut sim = Sim::new(801, &EQUAL, Plan::calm());
    let one = stranger(&sim, 1, 10);

    sim.inject(
        0,
        3,
        Frame::Transactions(vec![one.clone(); TRANSACTIONS_MAX]),
    );
    let once = sim.node(0).signatures_checked();
    sim.inject(0, 3, Frame::Transactions(vec![one; TRANSACTIONS_MAX + 1]));

    assert_eq!(once, 1);
    assert_eq!(sim.node(0).signatures_checked(), 1);
    assert_eq!(sim.node(0).faults(), 1);
}

/// Forty bytes ask for three megabytes.
#[test]
fn a_flood_of_requests_is_not_amplified() {
    let mut sim = Sim::new(802, &EQUAL, Plan::calm());
    sim.submit(0, Lane::Routine);
    assert!(sim.run_until_final(5_000));
    sim.run_for(2_000);
    let before = sim.frames_sent();

    for _ in 0..10_000 {
        let from = Height::new(1);
        sim.inject(0, 3, Frame::Request(Request::Range { from }));
    }

    assert!(sim.frames_sent() - before <= 32);
}

/// A peer that sends nothing but lies is not listened to any more, and its lies are no longer looked at.
#[test]
fn a_peer_that_is_at_fault_all_the_time_is_muted() {
    let mut sim = Sim::new(803, &EQUAL, Plan::calm());
    let too_many = vec![stranger(&sim, 1, 10); TRANSACTIONS_MAX + 1];

    for _ in 0..100 {
        sim.inject(0, 3, Frame::Transactions(too_many.clone()));
    }
    sim.inject(0, 3, Frame::Transactions(vec![stranger(&sim, 2, 10)]));

    assert_eq!(sim.node(0).faults(), 17);
    assert_eq!(sim.node(0).signatures_checked(), 0);
    // three of four remain, and that is enough
    sim.submit(0, Lane::Routine);
    assert!(sim.run_until_final(5_000));
}

/// One node gets no proposals and no ranges, and of the bodies it is sent, each other one, the first to begin with, is false.
#[test]
fn false_bodies_do_not_shut_out_the_true_ones() {
    // nothing overtakes: of two answers, the first sent arrives first
    let plan = Plan {
        delay_ms_min: 2,
        delay_ms_max: 2,
        ..Plan::calm()
    };
    for seed in 810..815 {
        let mut sim = Sim::new(seed, &EQUAL, plan);
        let mut is_false = false;
        sim.set_filter(Box::new(move |_, to, frame| match frame {
            Frame::Consensus(Message::Proposal(_)) if to == 0 => None,
            Frame::Response(Response::Range { .. }) if to == 0 => None,
            Frame::Response(Response::Body(block)) if to == 0 => {
                is_false = !is_false;
                let block = if is_false {
                    let mut transactions = block.transactions;
                    let first = transactions.first().cloned();
                    transactions.extend(first.or_else(|| Some(any_transaction())));
                    Block {
                        header: block.header,
                        transactions,
                    }
                } else {
                    *block
                };
                Some(Frame::Response(Response::Body(Box::new(block))))
            }
            frame => Some(frame),
        }));

        sim.submit(1, Lane::Routine);

        assert!(
            sim.run_until_final(3_000),
            "seed {seed}: {:?}",
            sim.final_heights()
        );
        agree(&sim);
    }
}

/// Well-formed, for nobody's chain.
fn any_transaction() -> SignedTransaction {
    let signer = SecretKey::from_seed([78; 32]).signer();
    let genesis = salus_primitives::ids::GenesisHash::default();
    let body = Transaction {
        genesis,
        sender: signer.public(),
        entity: EntityId([4; 32]),
        lane: Lane::Routine,
        valid_until: Height::new(60),
        nonce: [0; 16],
        call: Call {
            contract: ContractId::new(3),
            payload: Blob(Vec::new()),
        },
    };
    Signed::sign(body, genesis, &signer).into_signed()
}

/// Blocks that nobody asked for, with a certificate that does not hold, are not even hashed; asked ones are checked.
#[test]
fn ranges_that_nobody_asked_for_are_ignored() {
    let mut sim = Sim::new(804, &EQUAL, Plan::calm());
    sim.submit(0, Lane::Routine);
    assert!(sim.run_until_final(5_000));
    let ledger = sim.node(1).ledger().expect("runs").clone();
    let blocks = ledger.blocks(Height::new(1), 1, 1 << 20).expect("reads");
    let finalization = ledger
        .finalization_from(Height::new(1))
        .expect("reads")
        .expect("final")
        .1;
    let before = sim.final_heights();

    sim.inject(
        0,
        3,
        Frame::Response(Response::Range {
            blocks,
            trail: Vec::new(),
            finalization,
        }),
    );

    assert_eq!(sim.final_heights(), before);
    assert_eq!(sim.node(0).faults(), 0);
}

/// Who is an epoch further says what cannot be checked here yet; that is no reason not to listen to it.
#[test]
fn a_peer_in_another_epoch_is_not_at_fault() {
    let mut sim = Sim::new(805, &EQUAL, Plan::calm());
    let status = Status {
        epoch: Epoch::new(2),
        view: View::new(1),
        final_view: View::ZERO,
        final_height: Height::new(9),
        votes: Vec::new(),
        entry: None,
    };

    for _ in 0..100 {
        sim.inject(0, 3, Frame::Consensus(Message::Status(status.clone())));
    }

    assert_eq!(sim.node(0).faults(), 0);
}
