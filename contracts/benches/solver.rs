//! The block configuration solver by number of candidates (M) and most transactions (N).

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use salus_contracts::native::blockcfg::solver::{
    Candidate, Decimal, Method, Problem, Weights, solve,
};
use std::hint::black_box;

fn problem(verifiers: u64, transactions: u64) -> Problem {
    // spread over three decades, without order
    let candidate = |n: u64| Candidate {
        capacity: Decimal::whole(1 + n * 7919 % 1009),
        price: Decimal::billionths(1 + n * 104_729 % 1_000_003),
    };
    Problem {
        weights: Weights {
            latency: Decimal::billionths(600_000_000),
            security: Decimal::billionths(200_000_000),
            cost: Decimal::billionths(200_000_000),
        },
        verifiers: (0..verifiers).map(candidate).collect(),
        min_verifiers: 2,
        max_verifiers: verifiers,
        min_transactions: 1,
        max_transactions: transactions,
        transaction_bits: Decimal::whole(2_000),
        feedback_bits: Decimal::whole(1_000),
        downlink_bps: Decimal::whole(100_000_000),
        uplink_bps: Decimal::whole(50_000_000),
        verification_work: Decimal::whole(3),
        broadcast_seconds_per_bit: Decimal::billionths(1),
        security_scale: Decimal::whole(1),
        security_exponent: 2,
    }
}

fn solver(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("blockcfg_solve");
    group.sample_size(10);
    for (verifiers, transactions) in [(10, 100_000), (100, 100_000), (500, 100_000), (500, 100)] {
        let problem = problem(verifiers, transactions);
        for method in [Method::Exact, Method::Fastest, Method::Repaired] {
            let id = BenchmarkId::new(method.name(), format!("M={verifiers},N={transactions}"));
            group.bench_with_input(id, &problem, |bencher, problem| {
                bencher.iter(|| solve(black_box(problem), method));
            });
        }
    }
    let small = problem(10, 1_000);
    group.bench_with_input(
        BenchmarkId::new(Method::Exhaustive.name(), "M=10,N=1000"),
        &small,
        |bencher, problem| bencher.iter(|| solve(black_box(problem), Method::Exhaustive)),
    );
    group.finish();
}

criterion_group!(benches, solver);
criterion_main!(benches);
