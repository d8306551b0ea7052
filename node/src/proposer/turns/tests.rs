use super::*;
use proptest::prelude::*;
use salus_primitives::calls::Role;
use salus_primitives::ids::Epoch;
use salus_primitives::lanes::{LaneConfig, LaneParameters, LaneWeights, Policy, Verifiers};
use std::collections::VecDeque;

/// Milliseconds from one block to the next.
const PACE_MS: u64 = 100;

/// Lanes with these reserved percents, and waits in milliseconds.
fn lanes(reserved: [u8; 4], wait_max_ms: [u32; 4]) -> EpochLanes {
    let lanes = Lane::ALL.map(|lane| LaneConfig {
        parameters: LaneParameters {
            lane,
            policy: Policy::Fixed,
            weights: LaneWeights {
                latency: 1,
                security: 1,
                cost: 1,
            },
            min_verifiers: 1,
            max_verifiers: 4,
            min_transactions: 1,
            max_transactions: 4,
            transaction_bytes: 512,
            roles: Role::ALL.into(),
            quota: 0,
            wait_max_ms: wait_max_ms[lane.index()],
            reserved_percent: reserved[lane.index()],
        },
        verifiers: Verifiers::Rotating(4),
        transaction_limit: 4,
    });
    EpochLanes {
        epoch: Epoch::new(1),
        epoch_blocks: 100,
        security_scale: 1,
        security_exponent: 2,
        block_bytes: 1 << 20,
        lanes: lanes.into(),
    }
}

/// Queues of arrival times, and a manager that takes `limit` transactions of a lane into a block.
struct Queues {
    lanes: EpochLanes,
    turns: LaneTurns,
    waiting: [VecDeque<Monotonic>; 4],
    limit: usize,
    now: Monotonic,
}

impl Queues {
    fn new(lanes: EpochLanes, limit: usize) -> Self {
        Self {
            lanes,
            turns: LaneTurns::default(),
            waiting: Default::default(),
            limit,
            now: Monotonic::from_millis(0),
        }
    }

    fn arrive(&mut self, lane: Lane, count: usize) {
        let arrived = vec![self.now; count];
        self.waiting[lane.index()].extend(arrived);
    }

    fn oldest(&self) -> Waiting {
        Lane::ALL.map(|lane| self.waiting[lane.index()].front().copied())
    }

    fn block(&mut self) -> Option<Lane> {
        self.now = self.now.plus_millis(PACE_MS);
        let lane = self.turns.next(&self.oldest())?;
        let queue = &mut self.waiting[lane.index()];
        queue.drain(..self.limit.min(queue.len()));
        let waiting = self.oldest();
        self.turns.made(lane, self.now, &waiting, &self.lanes);
        Some(lane)
    }

    fn blocks(&mut self, count: usize) -> Vec<Lane> {
        (0..count).filter_map(|_| self.block()).collect()
    }
}

fn share(blocks: &[Lane], lane: Lane) -> usize {
    blocks.iter().filter(|it| **it == lane).count()
}

const NEVER: [u32; 4] = [86_400_000; 4];

#[test]
fn without_a_reserved_share_or_a_long_wait_the_most_urgent_lane_has_every_block() {
    let mut queues = Queues::new(lanes([0; 4], NEVER), 1);
    queues.arrive(Lane::Bulk, 5);
    queues.arrive(Lane::Monitoring, 100);

    assert_eq!(share(&queues.blocks(100), Lane::Monitoring), 100);
    assert_eq!(queues.blocks(5), [Lane::Bulk; 5]);
    assert_eq!(queues.block(), None);
}

#[test]
fn each_lane_gets_its_reserved_share_of_blocks() {
    let mut queues = Queues::new(lanes([0, 10, 25, 5], NEVER), 1);
    for lane in Lane::ALL {
        queues.arrive(lane, 2_000);
    }

    let blocks = queues.blocks(1_000);

    let shares = Lane::ALL.map(|lane| share(&blocks, lane));
    for (share, reserved) in shares.into_iter().zip([600, 100, 250, 50]) {
        assert!(share.abs_diff(reserved) <= 3, "{shares:?}");
    }
}

/// A lane that has waited for too long gets every second block; several share these.
#[test]
fn lanes_that_waited_too_long_share_every_second_block() {
    let mut queues = Queues::new(lanes([0; 4], [1, 1, 1, 1_000]), 1);
    queues.arrive(Lane::Emergency, 2_000);
    queues.arrive(Lane::Bulk, 1_000);

    let early = queues.blocks(10);
    let alone = queues.blocks(40);
    queues.arrive(Lane::Monitoring, 1_000);
    queues.arrive(Lane::Routine, 1_000);
    let blocks = queues.blocks(602);

    assert_eq!(early, [Lane::Emergency; 10]);
    assert_eq!(share(&alone, Lane::Bulk), 19, "{alone:?}");
    let [emergency, others @ ..] = Lane::ALL.map(|lane| share(&blocks, lane));
    assert_eq!(emergency, 301);
    assert!(
        others.iter().all(|it| (99..=101).contains(it)),
        "{others:?}"
    );
}

/// What a lane did not use while nothing waited in it is lost: it does not get many blocks at once after that.
#[test]
fn nothing_is_earned_while_nothing_waits() {
    let mut queues = Queues::new(lanes([0, 0, 0, 50], NEVER), 4);
    queues.arrive(Lane::Emergency, 4_000);
    queues.blocks(500);
    queues.arrive(Lane::Bulk, 100);

    let blocks = queues.blocks(4);

    use Lane::{Bulk, Emergency};
    assert_eq!(blocks, [Emergency, Emergency, Bulk, Emergency]);
}

/// Arrivals at one block: how many in which lane.
fn arrivals() -> impl Strategy<Value = Vec<Vec<(Lane, usize)>>> {
    let arrival = (0..4usize, 0..12usize).prop_map(|(lane, count)| (Lane::ALL[lane], count));
    proptest::collection::vec(proptest::collection::vec(arrival, 0..4), 1..160)
}

fn reserved() -> impl Strategy<Value = [u8; 4]> {
    proptest::array::uniform4(0..=12u8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// The bounds that `LaneTurns` states, whatever arrives.
    #[test]
    fn no_lane_starves_and_an_emergency_waits_for_one_foreign_block(
        arrivals in arrivals(),
        reserved in reserved(),
        wait_max_ms in proptest::array::uniform4(1..3_000u32),
        limit in 1..6usize,
    ) {
        let mut queues = Queues::new(lanes(reserved, wait_max_ms), limit);
        // blocks made for others while a lane waits: since its last turn, since its wait is too long, since it is the most urgent
        let mut passed = [[0u64; 3]; 4];
        for arriving in &arrivals {
            for (lane, count) in arriving {
                queues.arrive(*lane, *count);
            }
            let before = queues.oldest();
            let made = queues.block();
            prop_assert_eq!(made.is_none(), before.iter().all(Option::is_none));
            let first = Lane::ALL.into_iter().find(|lane| before[lane.index()].is_some());
            for lane in Lane::ALL {
                let [since_turn, since_late, since_first] = &mut passed[lane.index()];
                let Some(since) = before[lane.index()].filter(|_| made != Some(lane)) else {
                    passed[lane.index()] = [0; 3];
                    continue;
                };
                let parameters = &queues.lanes.lane(lane).expect("all lanes").parameters;
                let late = queues.now.millis_since(since) > parameters.wait_max_ms.into();
                *since_turn += 1;
                *since_late = if late { *since_late + 1 } else { 0 };
                *since_first = if first == Some(lane) { *since_first + 1 } else { 0 };
                prop_assert!(*since_late < 8, "{lane} waits for too long, and for {since_late} blocks more");
                prop_assert!(*since_first <= 1, "{lane} is the most urgent and waits");
                if reserved[lane.index()] > 0 {
                    let bound = 100u64.div_ceil(reserved[lane.index()].into()) + 6;
                    prop_assert!(*since_turn < bound, "{lane} was passed over {since_turn} times");
                }
            }
        }
    }
}
