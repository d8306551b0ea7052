//! What signature checks cost: one by one, in batches, and in a batch that somebody spoilt.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_primitives::crypto::sign::{Claim, SecretKey, verify_batch};
use salus_primitives::namespace::Domain;
use std::hint::black_box;

const CLAIMS: u16 = 1024;

/// Claims under `keys` different keys.
fn claims(keys: u16) -> Vec<Claim> {
    (0..CLAIMS)
        .map(|n| {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&(n % keys).to_le_bytes());
            let signer = SecretKey::from_seed(seed).signer();
            let message = Domain::BlockId.hash(&[&n.to_le_bytes()]);
            (signer.public(), message, signer.sign(&message))
        })
        .collect()
}

fn verify(c: &mut Criterion) {
    let distinct = claims(CLAIMS);
    let mut one_bad = distinct.clone();
    one_bad[700].2.0[0] ^= 1;
    let mut all_bad = distinct.clone();
    for claim in &mut all_bad {
        claim.1.0[0] ^= 1;
    }
    let mut entropy = ChaCha20Rng::seed_from_u64(1);

    let mut group = c.benchmark_group("verify 1024");
    group.throughput(Throughput::Elements(CLAIMS.into()));
    group.sample_size(10);
    group.bench_function("single", |b| {
        b.iter(|| {
            black_box(&distinct)
                .iter()
                .all(|(key, message, signature)| key.verifies(message, signature))
        });
    });
    for (name, claims) in [
        ("batch", &distinct),
        ("batch of 100 keys", &claims(100)),
        ("batch with one bad", &one_bad),
        ("batch of bad ones", &all_bad),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| verify_batch(black_box(claims), &mut entropy));
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
