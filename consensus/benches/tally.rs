//! Votes counted per second: the tally alone, and with the check of the signature before it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use salus_consensus::tally::Tally;
use salus_consensus::vote::{VerifiedVote, Vote};
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::{PublicKey, SecretKey};
use salus_primitives::ids::{BlockId, EntityId, Epoch, GenesisHash, Seat, View};
use salus_primitives::validators::{Validator, ValidatorSet};
use std::hint::black_box;

const GENESIS: GenesisHash = GenesisHash([1; 32]);

fn seats(count: u8) -> (ValidatorSet, Vec<VerifiedVote>) {
    let key = |n: u8| SecretKey::from_seed([n + 1; 32]);
    let validators = (0..count)
        .map(|n| Validator {
            entity: EntityId([n; 32]),
            key: key(n).public(),
            network_key: PublicKey([n + 128; 32]),
            weight: 1,
        })
        .collect();
    let set = ValidatorSet::new(Epoch::new(1), validators).expect("a legal set");
    let statement = Statement::Notarize {
        epoch: Epoch::new(1),
        view: View::new(9),
        block: BlockId([7; 32]),
    };
    let votes = (0..count)
        .map(|n| VerifiedVote::sign(statement, Seat::new(n.into()), GENESIS, &key(n).signer()))
        .collect();
    (set, votes)
}

fn votes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tally");
    for count in [4, 31, 100] {
        let (set, verified) = seats(count);
        let claimed: Vec<Vote> = verified.iter().map(|vote| *vote.vote()).collect();
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("count/{count} seats"), |bencher| {
            bencher.iter_batched_ref(
                Tally::default,
                |tally| {
                    for vote in &verified {
                        black_box(tally.count(vote, &set));
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("verify and count/{count} seats"), |bencher| {
            bencher.iter_batched_ref(
                Tally::default,
                |tally| {
                    for vote in &claimed {
                        let vote = vote.verify(GENESIS, &set).expect("signed above");
                        black_box(tally.count(&vote, &set));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, votes);
criterion_main!(benches);
