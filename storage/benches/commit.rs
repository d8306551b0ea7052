//! What a block of 1,000 records of 250 bytes costs to commit, on disk and in memory, and what proofs cost.

#[path = "../tests/it/fixtures.rs"]
#[expect(
    dead_code,
    reason = "the integration tests use the rest of the fixtures"
)]
mod fixtures;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Backend, Chain, Memory, Rocks, tree_key, writes};
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::state::{StateKey, WriteSet};
use std::hint::black_box;

const RECORDS: u32 = 1_000;

/// One index entry a record, as the records contract writes it, and a few rules.
fn changes(height: u64) -> WriteSet {
    let mut changes = writes(&[(1, height as u8), (2, height as u8)]);
    for record in 0..RECORDS {
        let key = blake3::hash(&[height.to_le_bytes(), u64::from(record).to_le_bytes()].concat());
        let key = StateKey::index(ContractId::new(3), *key.as_bytes());
        changes.put(key, vec![0; 12]);
    }
    changes
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    group.throughput(Throughput::Elements(RECORDS.into()));
    group.sample_size(20);
    let (memory, rocks) = (Memory::default(), Rocks::default());
    let backends: [(&str, &dyn Backend); 2] = [("memory", &memory), ("rocks", &rocks)];
    for (name, backend) in backends {
        let chain = Chain::new(1);
        let ledger = chain.open(backend.open()).unwrap();
        group.bench_function(name, |b| {
            b.iter_batched(
                || chain.next(&ledger, RECORDS, changes(ledger.head().height.get())),
                |built| ledger.commit(&built.as_final()).unwrap(),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{name}, synced"), |b| {
            b.iter_batched(
                || chain.next(&ledger, RECORDS, changes(ledger.head().height.get())),
                |built| {
                    ledger.commit(&built.as_final()).unwrap();
                    ledger.sync().unwrap()
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn prove(c: &mut Criterion) {
    let backend = Rocks::default();
    let chain = Chain::new(1);
    let ledger = chain.open(backend.open()).unwrap();
    for _ in 0..5 {
        let built = chain.next(&ledger, RECORDS, changes(ledger.head().height.get()));
        ledger.commit(&built.as_final()).unwrap();
    }
    let height = Height::new(4);
    let id = ledger.receipts(height).unwrap().unwrap()[500].transaction;
    c.bench_function("state proof", |b| {
        b.iter(|| ledger.state_proof(black_box(height), &tree_key(1)).unwrap());
    });
    c.bench_function("receipt proof", |b| {
        b.iter(|| ledger.receipt_proof(black_box(&id)).unwrap());
    });
}

criterion_group!(benches, commit, prove);
criterion_main!(benches);
