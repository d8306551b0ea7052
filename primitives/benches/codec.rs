//! What the one form of a value costs: encoding, decoding (which encodes again to compare), and the id from it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use salus_primitives::codec::{self, Blob};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{ContractId, EntityId, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, TRANSACTION_MAX, Transaction};
use std::hint::black_box;

/// Bytes of a call that carries one sealed reading of the smallest size class.
const PAYLOAD: usize = 440;

fn transaction() -> SignedTransaction {
    let secret = SecretKey::from_seed([1; 32]);
    let genesis = GenesisHash([2; 32]);
    let body = Transaction {
        genesis,
        sender: secret.public(),
        entity: EntityId([4; 32]),
        lane: Lane::Monitoring,
        valid_until: Height::new(100),
        nonce: [3; 16],
        call: Call {
            contract: ContractId::new(3),
            payload: Blob(vec![4; PAYLOAD]),
        },
    };
    Signed::sign(body, genesis, &secret.signer()).into_signed()
}

fn transactions(c: &mut Criterion) {
    let transaction = transaction();
    let bytes = codec::encode(&transaction);
    let mut group = c.benchmark_group("signed transaction");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |b| {
        b.iter(|| codec::encode(black_box(&transaction)));
    });
    group.bench_function("decode", |b| {
        b.iter(|| codec::decode::<SignedTransaction>(black_box(&bytes), TRANSACTION_MAX));
    });
    group.bench_function("id", |b| b.iter(|| black_box(&transaction).body.id()));
    group.finish();
}

criterion_group!(benches, transactions);
criterion_main!(benches);
