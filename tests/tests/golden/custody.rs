//! Vectors of keys in custody and of secrets at rest.

use crate::vectors::{Built, one, only};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_primitives::access::{AccessRequest, Extent, Purpose, Sensitivity};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::exchange::{ExchangeSecret, WrapSuite};
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::crypto::strongbox::{Derivation, Lock, PassphraseCost, Sealed, StoreSuite};
use salus_primitives::custody::{
    Deposit, DepositReceipt, Expected, KeyScope, Period, PeriodClaim, Prekey, PrekeyRequest,
    Release,
};
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::reading::{Category, ReadingId};
use salus_primitives::signed::{Signable as _, Signed};
use salus_primitives::transaction::TxId;
use salus_tests::fixtures;

const CUSTODIAN: EntityId = EntityId([0x91; 32]);

fn device() -> Signer {
    SecretKey::from_seed([0x92; 32]).signer()
}

fn custody() -> Signer {
    SecretKey::from_seed([0x93; 32]).signer()
}

fn entropy() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0x94)
}

fn period() -> Period {
    Period {
        subject: fixtures::reading().subject,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Restricted,
        day: 0x0102_0304,
        generation: 0x0102_0304_0506_0708,
    }
}

fn claim() -> Signed<PeriodClaim> {
    let claim = PeriodClaim {
        device: fixtures::device(),
        period: period(),
        handle: fixtures::period_key().handle(),
    };
    Signed::sign(claim, fixtures::genesis(), &device()).into_signed()
}

pub(crate) fn messages() -> Vec<Built> {
    let genesis = fixtures::genesis();
    let request = PrekeyRequest {
        custodian: CUSTODIAN,
        device: fixtures::device(),
        period: period(),
    };
    let prekey = Prekey {
        custodian: CUSTODIAN,
        device: fixtures::device(),
        period: period(),
        key: ExchangeSecret::from_bytes([0x95; 32]).public(),
        generation: 3,
        height: Height::new(5),
    };
    let checked = Signed::sign(prekey, genesis, &custody());
    let deposit = Deposit::make(
        genesis,
        &device(),
        claim(),
        &fixtures::period_key(),
        &checked,
        &mut entropy(),
    )
    .expect("a good key");
    let receipt = DepositReceipt {
        custodian: CUSTODIAN,
        deposit: *deposit.content(),
    };
    let expected = Expected {
        genesis,
        request: TxId([0x96; 32]),
        asked: AccessRequest {
            subject: period().subject,
            category: period().category,
            sensitivity: period().sensitivity,
            purpose: Purpose::Treatment,
            extent: Extent::Days {
                first: period().day,
                last: period().day,
            },
        },
        custodian: CUSTODIAN,
        custody_key: custody().public(),
    };
    let release = Release::make(
        &expected,
        fixtures::exchange_secret().public(),
        [(claim(), &fixtures::period_key())],
        &mut entropy(),
    )
    .expect("one key");
    vec![
        only(WrapSuite::X25519HkdfSha256ChaCha20Poly1305),
        only(period()),
        only(claim().body).digest(claim().body.content()),
        only(request).digest(request.content()),
        only(prekey).digest(prekey.content()),
        only(deposit.body().clone()).digest(deposit.content()),
        only(receipt).digest(receipt.content()),
        one("period", KeyScope::Period),
        one("record", KeyScope::Record(ReadingId([0x97; 32]))),
        only(release.keys[0].clone()),
        only(release.clone()).digest(release.content()),
    ]
}

pub(crate) fn at_rest() -> Vec<Built> {
    let cost = PassphraseCost::RECOMMENDED;
    let derivation = Derivation::Argon2id {
        cost,
        salt: [0x98; 16],
    };
    let suite = StoreSuite::XChaCha20Poly1305Blake3;
    vec![
        only(suite),
        only(cost),
        one("argon2id", derivation),
        one("key file", Derivation::KeyFile),
        only(Lock {
            suite,
            derivation,
            nonce: [0x99; 24],
            ciphertext: Blob(vec![0x9a; 48]),
        }),
        only(Sealed {
            suite,
            nonce: [0x99; 24],
            ciphertext: Blob(vec![0x9a; 20]),
        }),
    ]
}
