//! What sealing and opening a record of 250 bytes costs, beside the signature of its transaction.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use salus_primitives::crypto::cipher::{Envelope, RecordKey};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::namespace::Domain;
use std::hint::black_box;

const RECORD: usize = 250;
/// Chain, device, handle and reading id.
const ADDITIONAL: [u8; 128] = [2; 128];

fn seal(c: &mut Criterion) {
    let key = RecordKey([1; 32]);
    let record = vec![3; RECORD];
    let seal = |record: &[u8]| Envelope::seal(&key, [4; 16], &ADDITIONAL, record);
    let envelope = seal(&record).expect("fits");
    let signer = SecretKey::from_seed([5; 32]).signer();
    let message = Domain::BlockId.hash(&[b"record"]);

    let mut group = c.benchmark_group("record of 250 bytes");
    group.throughput(Throughput::Bytes(RECORD as u64));
    group.bench_function("seal", |b| b.iter(|| seal(black_box(&record))));
    group.bench_function("open", |b| {
        b.iter(|| black_box(&envelope).open(&key, &ADDITIONAL));
    });
    group.bench_function("sign", |b| b.iter(|| signer.sign(black_box(&message))));
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
