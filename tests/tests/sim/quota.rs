//! Quotas: what is over them counts in the next lower lane, everywhere alike, whatever a manager would rather have.

use super::{EQUAL, agree};
use salus_primitives::ids::Epoch;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use salus_tests::sim::Sim;
use salus_tests::sim::byzantine::FalseConfiguration;
use salus_tests::sim::plan::Plan;

/// Epochs that do not end within a test.
const LONG: u64 = 1_000;

/// Four equal members, whose lanes but the lowest have these quotas in epochs of so many blocks.
fn with_quotas(seed: u64, plan: Plan, epoch_blocks: u64, quotas: [u32; 3]) -> Sim {
    Sim::adjusted(seed, &EQUAL, plan, |consensus, lanes| {
        consensus.epoch_blocks = epoch_blocks;
        [
            lanes.emergency.quota,
            lanes.monitoring.quota,
            lanes.routine.quota,
        ] = quotas;
    })
}

/// The lane in which a node's ledger has counted a transaction.
fn lane(sim: &Sim, node: usize, id: &TxId) -> Lane {
    let height = sim.node(node).position(id).expect("final");
    let ledger = sim.node(node).ledger().expect("runs");
    let receipts = ledger.receipts(height).expect("reads").expect("is there");
    let header = ledger.header(height).expect("reads").expect("is there");
    let receipt = receipts.iter().find(|receipt| receipt.transaction == *id);
    let lane = receipt.expect("of this block").lane;
    assert_eq!(header.lane, lane);
    lane
}

/// One emergency after the other, each final before the next. All are the first member's.
fn emergencies(sim: &mut Sim, count: usize) -> Vec<TxId> {
    (0..count)
        .map(|n| {
            let id = sim.submit(n % 4, Lane::Emergency);
            assert!(sim.run_until_final(5_000), "{:?}", sim.final_heights());
            id
        })
        .collect()
}

fn lanes(sim: &Sim, ids: &[TxId]) -> Vec<Lane> {
    let of = |node: usize| -> Vec<Lane> { ids.iter().map(|id| lane(sim, node, id)).collect() };
    let first = of(0);
    for node in 1..4 {
        assert_eq!(of(node), first, "node {node}");
    }
    first
}

/// The quotas' last transactions still count in their lanes, on every node.
#[test]
fn all_nodes_count_what_is_over_a_quota_in_the_next_lower_lane() {
    use Lane::{Emergency, Monitoring, Routine};
    let mut sim = with_quotas(1_100, Plan::calm(), LONG, [2, 1, 0]);

    let ids = emergencies(&mut sim, 5);

    assert_eq!(
        lanes(&sim, &ids),
        [Emergency, Emergency, Monitoring, Routine, Routine]
    );
    agree(&sim);
}

/// Many at once, on lossy links, with a node that crashes again and again: everything becomes final, and in the lanes that the
/// checks of every run count.
#[test]
fn a_flood_over_every_quota_becomes_final() {
    for seed in 1_110..1_114 {
        let mut sim = with_quotas(seed, Plan::rough(), 20, [3, 5, 8]);
        for n in 0..80 {
            sim.submit([0, 2, 3][n % 3], Lane::ALL[n / 3 % 3]);
            sim.run_for(20);
            if n % 20 == 9 {
                sim.crash(1);
                sim.run_for(200);
                sim.start(1);
            }
        }

        assert!(
            sim.run_until_final(120_000),
            "seed {seed}: {:?}",
            sim.final_heights()
        );
        assert!(sim.checks().transactions_demoted() > 0, "seed {seed}");
        agree(&sim);
    }
}

/// A node that starts again in the middle of an epoch knows who has used up what: it makes and accepts the same blocks.
#[test]
fn what_was_used_up_outlives_a_restart() {
    let mut sim = with_quotas(1_120, Plan::calm(), LONG, [2, 0, 0]);
    emergencies(&mut sim, 2);
    // so much that ledgers are made durable, and start from there
    for n in 0..200 {
        sim.submit(n % 4, Lane::Bulk);
        sim.run_for(20);
    }
    for node in 0..4 {
        sim.crash(node);
    }
    for node in 0..4 {
        sim.start(node);
        let replica = sim.node(node).replica().expect("runs");
        let exhausted = replica.mempool().demotions().exhausted();
        assert_eq!(exhausted.len(), 1, "node {node}");
    }

    let ids = emergencies(&mut sim, 4);

    assert_eq!(lanes(&sim, &ids), [Lane::Monitoring; 4]);
    agree(&sim);
}

/// In the next epoch an entity has its quota again.
#[test]
fn an_epoch_begins_with_full_quotas() {
    let mut sim = with_quotas(1_130, Plan::calm(), 20, [2, 0, 0]);
    let before = emergencies(&mut sim, 3);
    while sim.node(0).epoch() == Epoch::new(1) {
        sim.submit(0, Lane::Bulk);
        assert!(sim.run_until_final(5_000));
    }

    let after = emergencies(&mut sim, 1);

    assert_eq!(lanes(&sim, &before)[2], Lane::Monitoring);
    assert_eq!(lanes(&sim, &after), [Lane::Emergency]);
    agree(&sim);
}

/// A manager that puts what is over a quota into the lane that was asked for gets no votes for it, and the others go on.
#[test]
fn a_manager_that_ignores_a_quota_is_refused_and_the_network_goes_on() {
    let mut sim = with_quotas(1_140, Plan::calm(), LONG, [1, 0, 0]);
    emergencies(&mut sim, 1);
    sim.announce_falsely(3, FalseConfiguration::OverQuota);

    let ids: Vec<TxId> = (0..40)
        .map(|n| {
            let id = sim.submit(n % 3, Lane::Emergency);
            sim.run_for(60);
            id
        })
        .collect();

    assert!(sim.run_until_final(20_000), "{:?}", sim.final_heights());
    assert!(sim.lies("proposals_over_quota") > 0, "it was never manager");
    assert!(
        lanes(&sim, &ids)
            .iter()
            .all(|lane| *lane == Lane::Monitoring)
    );
    agree(&sim);
}

/// More emergencies and more bulk than blocks can take, for a while: every lane goes on all the time, the emergencies in half of the
/// blocks or more, and in the end nothing is left.
#[test]
fn bulk_and_emergencies_flood_and_both_go_on() {
    let mut sim = Sim::adjusted(1_150, &EQUAL, Plan::calm(), |_, lanes| {
        for lane in [&mut lanes.emergency, &mut lanes.bulk] {
            (lane.min_transactions, lane.max_transactions) = (1, 1);
            lane.quota = 0;
        }
    });
    let (mut bulk, mut urgent) = (Vec::new(), Vec::new());
    let mut before = (0, 0);
    for round in 0..6 {
        for n in 0..50 {
            bulk.push(sim.submit(n % 4, Lane::Bulk));
            urgent.push(sim.submit(n % 4, Lane::Emergency));
            sim.run_for(5);
        }
        let done = |ids: &[TxId]| ids.iter().filter(|id| sim.node(0).has_final(id)).count();
        let now = (done(&urgent), done(&bulk));
        assert!(
            now.0 < urgent.len() && now.1 < bulk.len(),
            "it floods: {now:?}"
        );
        assert!(now.0 > before.0, "round {round}: {before:?}, {now:?}");
        // bulk waits for wait_max_ms before it has a right to anything but its reserved share
        assert!(
            now.1 > before.1 || round == 0,
            "round {round}: {before:?}, {now:?}"
        );
        assert!(
            now.0 - before.0 + 2 >= now.1 - before.1,
            "{before:?}, {now:?}"
        );
        before = now;
    }

    assert!(sim.run_until_final(120_000), "{:?}", sim.final_heights());
    agree(&sim);
}
