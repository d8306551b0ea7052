//! Keys, sets and votes for tests.

use crate::vote::VerifiedVote;
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signer};
use salus_primitives::ids::{EntityId, Epoch, GenesisHash, Seat, View};
use salus_primitives::validators::{Validator, ValidatorSet};

pub(crate) const GENESIS: GenesisHash = GenesisHash([1; 32]);

pub(crate) fn keys(count: u8) -> Vec<Signer> {
    (0..count)
        .map(|n| SecretKey::from_seed([n + 1; 32]).signer())
        .collect()
}

pub(crate) fn peer(seat: u16) -> PublicKey {
    PublicKey([u8::try_from(seat).expect("small") + 100; 32])
}

pub(crate) fn set(weights: &[u64]) -> ValidatorSet {
    let validators = (0u8..)
        .zip(weights)
        .map(|(n, weight)| Validator {
            entity: EntityId([n; 32]),
            key: SecretKey::from_seed([n + 1; 32]).public(),
            network_key: peer(n.into()),
            weight: *weight,
        })
        .collect();
    ValidatorSet::new(Epoch::new(1), validators).expect("legal")
}

pub(crate) fn signed(seat: u16, statement: Statement, keys: &[Signer]) -> VerifiedVote {
    VerifiedVote::sign(
        statement,
        Seat::new(seat),
        GENESIS,
        &keys[usize::from(seat)],
    )
}

pub(crate) fn nullify(seat: u16, view: u64, keys: &[Signer]) -> VerifiedVote {
    let statement = Statement::Nullify {
        epoch: Epoch::new(1),
        view: View::new(view),
    };
    signed(seat, statement, keys)
}
