//! The last block of an epoch: reports of all validators about all, medians, who is inactive, an election, and four lanes solved.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use salus_contracts::context::BlockContext;
use salus_contracts::executor::Executor;
use salus_contracts::genesis::{GenesisMember, genesis_writes};
use salus_contracts::native::blockcfg::quota::{Demotions, demotions};
use salus_primitives::calls::{Observed, ObservedSeat, Role, STAKING, StakingCall};
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signature};
use salus_primitives::ids::{EntityId, Epoch, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{BlockModel, BlockPolicy, LaneParameters, LaneWeights, Policy};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::signed::Signed;
use salus_primitives::state::MemoryState;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction};
use std::hint::black_box;

const EPOCH_BLOCKS: u64 = 10;

fn members(count: u16) -> Vec<GenesisMember> {
    (0..count)
        .map(|n| {
            let key = |kind: u8| -> PublicKey {
                let mut seed = [kind; 32];
                seed[..2].copy_from_slice(&n.to_be_bytes());
                SecretKey::from_seed(seed).public()
            };
            let name = format!("member-{n}");
            GenesisMember {
                entity: EntityId::of_name(&name),
                name,
                role: Role::Hospital,
                operator_key: key(1),
                validator_key: key(2),
                network_key: key(3),
                exchange_key: ExchangeSecret::from_bytes([1; 32]).public(),
                weight: 1,
            }
        })
        .collect()
}

fn policy(seats: u16) -> BlockPolicy {
    let lane = |lane, (latency, security, cost)| LaneParameters {
        lane,
        policy: Policy::Exact,
        weights: LaneWeights {
            latency,
            security,
            cost,
        },
        min_verifiers: 2,
        max_verifiers: seats,
        min_transactions: 1,
        max_transactions: 4_096,
        transaction_bytes: 512,
        roles: vec![Role::Hospital],
        quota: 0,
        wait_max_ms: 1_000,
        reserved_percent: 5,
    };
    BlockPolicy {
        model: BlockModel {
            security_scale: 1,
            security_exponent: 2,
            broadcast_ps_per_bit: 1_000,
            vote_bytes: 170,
            hold_max_ms: 100,
            response_us: 5_000,
            rate_kbps: 100_000,
        },
        lanes: vec![
            lane(Lane::Emergency, (8, 1, 1)),
            lane(Lane::Monitoring, (6, 2, 2)),
            lane(Lane::Routine, (1, 1, 1)),
            lane(Lane::Bulk, (1, 8, 1)),
        ],
    }
}

fn report(member: &GenesisMember, seats: u16) -> SignedTransaction {
    let seed = u32::from(member.validator_key.0[0]);
    let seats = (0..u32::from(seats)).map(|seat| ObservedSeat {
        votes: 10,
        response_us: Some(1_000 + (seat * 7_919 + seed * 131) % 250_000),
        rate_kbps: Some(10_000 + (seat * 104_729 + seed * 977) % 900_000),
    });
    let said = StakingCall::Observe(Observed {
        epoch: Epoch::new(1),
        views: 10,
        seats: seats.collect(),
    });
    Signed {
        body: Transaction {
            genesis: GenesisHash([9; 32]),
            sender: member.validator_key,
            entity: member.entity,
            lane: Lane::Routine,
            valid_until: Height::new(100),
            nonce: [0; 16],
            call: Call::new(STAKING, &said),
        },
        signature: Signature([0; 64]),
    }
}

/// A chain before the last block of its second epoch, in which everybody has reported.
fn before_the_end(seats: u16) -> MemoryState {
    let parameters = ChainParameters {
        tenure: 8,
        delta_ms: 250,
        delta_max_ms: 4_000,
        skip_after: 2,
        heartbeat_ms: 10_000,
        window_blocks: 4_096,
        block_bytes: 1 << 20,
        epoch_blocks: EPOCH_BLOCKS,
        seats,
        proposal_blocks: 20,
    };
    let members = members(seats);
    let mut state = MemoryState::default();
    state.apply(&genesis_writes(
        &members,
        &parameters,
        &policy(seats),
        50,
        "bench",
    ));
    for height in 1..2 * EPOCH_BLOCKS {
        let reports: Vec<SignedTransaction> = if height == EPOCH_BLOCKS + 1 {
            members.iter().map(|member| report(member, seats)).collect()
        } else {
            Vec::new()
        };
        let demotions = demotions(&state, &parameters, Height::new(height)).expect("memory");
        let outcome = Executor::default()
            .execute_block(at(height), &reports, &state, &demotions)
            .expect("memory");
        state.apply(&outcome.writes);
    }
    state
}

fn at(height: u64) -> BlockContext {
    BlockContext {
        height: Height::new(height),
        time: Timestamp::from_millis(1_000 * height),
    }
}

fn epoch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("end_of_an_epoch");
    group.sample_size(10);
    for seats in [4, 64, 512] {
        let state = before_the_end(seats);
        let demotions = Demotions::none(Epoch::new(2));
        group.bench_with_input(
            BenchmarkId::from_parameter(seats),
            &state,
            |bencher, state| {
                let executor = Executor::default();
                bencher.iter(|| {
                    let outcome = executor.execute_block(
                        at(2 * EPOCH_BLOCKS),
                        &[],
                        black_box(state),
                        &demotions,
                    );
                    outcome.expect("memory").writes
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, epoch);
criterion_main!(benches);
