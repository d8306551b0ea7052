//! How blocks are configured, whatever managers announce and reporters say.

use super::{EQUAL, agree};
use salus_contracts::native::blockcfg::lanes::{Profile, epoch_lanes};
use salus_contracts::native::blockcfg::{PRICE_DEFAULT, measured};
use salus_primitives::calls::{STAKING, StakingCall};
use salus_primitives::codec;
use salus_primitives::ids::{Epoch, Height, Seat};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{EpochLanes, RESPONSE_US_MAX, Verifiers};
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::TRANSACTION_MAX;
use salus_primitives::validators::ValidatorSet;
use salus_tests::sim::Sim;
use salus_tests::sim::byzantine::{Behaviour, FalseConfiguration};
use salus_tests::sim::plan::Plan;

/// Every way takes a millisecond, and execution no time: a response is two of them and how long the node takes to answer.
const EXACT: Plan = Plan {
    loss_percent: 0,
    duplicate_percent: 0,
    delay_ms_min: 1,
    delay_ms_max: 1,
    execution_ms_max: 0,
};
const THERE_AND_BACK_MS: u64 = 2;

/// Node 3 is manager of every fourth term, and announces this each time. None of its blocks with transactions is final, nobody but it
/// is called a liar, and the others' blocks hold all transactions.
fn announced_falsely(seed: u64, what: FalseConfiguration) {
    let mut sim = Sim::new(seed, &EQUAL, Plan::calm());
    sim.announce_falsely(3, what);
    for round in 0..40 {
        sim.submit(round % 3, Lane::ALL[round % 4]);
        sim.run_for(60);
    }

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    agree(&sim);
    assert!(sim.lies("proposals_spoilt") > 0, "it was never manager");
    let liar = seat_of(&sim, sim.node(0).validators(), 3);
    let ledger = sim.node(0).ledger().expect("runs");
    let blocks = ledger
        .blocks(Height::new(1), 10_000, 1 << 30)
        .expect("reads");
    assert!(blocks.len() > 5);
    for block in blocks {
        let header = &block.header;
        assert!(
            header.manager != liar || header.transaction_count == 0,
            "{header:?}"
        );
    }
}

#[test]
fn a_manager_that_announces_a_wrong_m_is_refused() {
    announced_falsely(900, FalseConfiguration::VerifierCount);
}

#[test]
fn a_manager_that_announces_a_wrong_theta_is_refused() {
    announced_falsely(901, FalseConfiguration::TransactionLimit);
}

#[test]
fn a_manager_that_announces_a_wrong_lane_is_refused() {
    announced_falsely(902, FalseConfiguration::Lane);
}

#[test]
fn a_manager_that_announces_a_wrong_committee_is_refused() {
    announced_falsely(903, FalseConfiguration::Committee);
}

fn seat_of(sim: &Sim, validators: &ValidatorSet, node: usize) -> Seat {
    validators
        .seat_of(&sim.node(node).identity().entity)
        .expect("a validator")
}

/// Runs under load until an epoch has begun everywhere.
fn run_to_epoch(sim: &mut Sim, epoch: u64) {
    let nodes = sim.final_heights().len();
    let mut round = 0;
    while (0..nodes).any(|node| sim.node(node).epoch() < Epoch::new(epoch)) {
        sim.submit(round % nodes, Lane::ALL[round % 4]);
        sim.run_for(20);
        round += 1;
        assert!(round < 10_000, "{:?}", sim.final_heights());
    }
}

/// The lanes of an epoch as the chain has them, and as the solver gives them if nodes take so long to answer.
fn found_and_expected(sim: &Sim, epoch: u64, answers_ms: &[u64]) -> (EpochLanes, EpochLanes) {
    let ledger = sim.node(0).ledger().expect("runs");
    let config = ledger
        .epoch(Epoch::new(epoch))
        .expect("reads")
        .expect("configured");
    let genesis = sim.genesis();
    let mut known = vec![Profile::assumed(&genesis.policy.model); answers_ms.len()];
    for (node, ms) in answers_ms.iter().enumerate() {
        let seat = seat_of(sim, &config.validators, node);
        known[seat.index()] = Profile {
            response_us: response_us(*ms),
            rate_kbps: genesis.policy.model.rate_kbps,
            price: PRICE_DEFAULT,
        };
    }
    let expected = epoch_lanes(
        &genesis.policy,
        &genesis.parameters,
        &config.validators,
        &known,
    );
    (config.lanes, expected)
}

fn response_us(answer_ms: u64) -> u32 {
    u32::try_from((THERE_AND_BACK_MS + answer_ms) * 1_000).expect("small")
}

/// Reports on chain, without effect refused ones, that say what no honest validator measured.
fn lies_on_chain(sim: &Sim, truths_us: &[u32]) -> usize {
    let ledger = sim.node(0).ledger().expect("runs");
    let blocks = ledger
        .blocks(Height::new(1), 100_000, 1 << 30)
        .expect("reads");
    let mut lies = 0;
    for block in blocks {
        let receipts = ledger
            .receipts(block.header.height)
            .expect("reads")
            .expect("final");
        for (transaction, receipt) in block.transactions.iter().zip(receipts) {
            let call = &transaction.body.call;
            if call.contract != STAKING || receipt.outcome != Outcome::Ok {
                continue;
            }
            let call = codec::decode(call.payload.as_slice(), TRANSACTION_MAX);
            if let Ok(StakingCall::Observe(observed)) = call {
                let is_lie = |us: &u32| !truths_us.contains(us);
                let mut said = observed.seats.iter().filter_map(|seat| seat.response_us);
                lies += usize::from(said.any(|us| is_lie(&us)));
            }
        }
    }
    lies
}

/// Seven validators answer after stated times, and two of them, as many as may be faulty, say what they like of the others. What the
/// chain holds of each is the truth, and the lanes are those that the exact solver gives for it. Then a near one becomes slow.
#[test]
fn lanes_follow_from_how_fast_validators_are_whatever_liars_report() {
    let before = [5, 40, 12, 33, 20, 8, 26];
    let after = [47, 40, 12, 33, 20, 8, 26];
    for seed in 910..912 {
        let mut sim = Sim::adjusted(seed, &[1; 7], EXACT, |consensus, _| {
            consensus.epoch_blocks = 48;
            consensus.tenure = 1;
        });
        for (node, ms) in before.iter().enumerate() {
            sim.answer_after(node, *ms);
        }
        for liar in [1, 5] {
            sim.corrupt(liar, &[Behaviour::FalseReports]);
        }

        run_to_epoch(&mut sim, 5);
        let (found, expected) = found_and_expected(&sim, 5, &before);
        sim.answer_after(0, after[0]);
        run_to_epoch(&mut sim, 10);
        let (later, expected_later) = found_and_expected(&sim, 10, &after);

        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(later, expected_later, "seed {seed}");
        let emergency = |lanes: &EpochLanes| match &lanes.lane(Lane::Emergency) {
            Some(lane) => lane.verifiers.clone(),
            None => Verifiers::Chosen(Vec::new()),
        };
        assert_ne!(emergency(&found), emergency(&later), "the choice moved");
        let ledger = sim.node(0).ledger().expect("runs");
        for (node, ms) in after.iter().enumerate() {
            let entity = sim.node(node).identity().entity;
            let known = measured(&ledger.state(), &entity).expect("reads");
            assert_eq!(known.response_us, Some(response_us(*ms)), "node {node}");
        }
        let truths: Vec<u32> = before
            .iter()
            .chain(&after)
            .map(|ms| response_us(*ms))
            .collect();
        assert!(lies_on_chain(&sim, &truths) > 0, "seed {seed}: nobody lied");
    }
}

/// One of seven takes 30 ms to execute a block, so that it learns of quorums before it can check what they are for, and votes late; another
/// is dead. By the others' reports the one is as slow as its late votes, the other as slow as can be, and neither attests emergencies.
#[test]
fn a_slow_checker_and_a_dead_seat_are_measured_as_such_and_not_chosen() {
    const SLOW: usize = 2;
    const DEAD: usize = 5;
    for seed in 920..922 {
        let mut sim = Sim::adjusted(seed, &[1; 7], EXACT, |consensus, _| {
            consensus.epoch_blocks = 48;
            consensus.tenure = 1;
        });
        sim.execute_in(SLOW, 30);
        sim.crash(DEAD);
        let alive: Vec<usize> = (0..7).filter(|node| *node != DEAD).collect();
        let mut round = 0;
        while alive
            .iter()
            .any(|node| sim.node(*node).epoch() < Epoch::new(5))
        {
            sim.submit(alive[round % alive.len()], Lane::ALL[round % 4]);
            sim.run_for(20);
            round += 1;
            assert!(round < 10_000, "seed {seed}: {:?}", sim.final_heights());
        }

        let ledger = sim.node(0).ledger().expect("runs");
        for node in 0..7 {
            let entity = sim.node(node).identity().entity;
            let known = measured(&ledger.state(), &entity).expect("reads");
            let us = known.response_us.expect("a quorum measured it");
            let is_so = match node {
                SLOW => (30_000..1_000_000).contains(&us),
                DEAD => us == RESPONSE_US_MAX,
                _ => us < 30_000,
            };
            assert!(is_so, "seed {seed}, node {node}: {us} us");
        }
        let config = ledger
            .epoch(Epoch::new(5))
            .expect("reads")
            .expect("configured");
        let lane = config.lanes.lane(Lane::Emergency).expect("there are all");
        let Verifiers::Chosen(chosen) = &lane.verifiers else {
            panic!("the preset chooses: {:?}", lane.verifiers);
        };
        for node in [SLOW, DEAD] {
            let seat = config.validators.seat_of(&sim.node(node).identity().entity);
            assert!(
                seat.is_none_or(|seat| !chosen.contains(&seat)),
                "seed {seed}: node {node} attests emergencies"
            );
        }
    }
}
