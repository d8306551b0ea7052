use super::*;
use crate::access::{AccessRequest, Extent, Purpose};
use crate::crypto::exchange::ExchangeSecret;
use crate::crypto::sign::{SecretKey, Signer};
use crate::ids::Height;
use crate::reading::{Observation, PeriodKey, ReadingId, SealedReading};
use crate::signed::{Signed, Verified};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const GENESIS: GenesisHash = GenesisHash([1; 32]);
const OTHER_CHAIN: GenesisHash = GenesisHash([2; 32]);
const CUSTODIAN: EntityId = EntityId([3; 32]);
const DEVICE: DeviceId = DeviceId([4; 32]);
const SUBJECT: Pseudonym = Pseudonym([5; 32]);
const KEY: PeriodKey = PeriodKey([6; 32]);
const REQUEST: TxId = TxId([7; 32]);
const DAY: u32 = 338_498;

fn signer(seed: u8) -> Signer {
    SecretKey::from_seed([seed; 32]).signer()
}

fn device() -> Signer {
    signer(10)
}

fn custody() -> Signer {
    signer(11)
}

fn prekey_secret() -> ExchangeSecret {
    ExchangeSecret::from_bytes([12; 32])
}

fn requester() -> ExchangeSecret {
    ExchangeSecret::from_bytes([13; 32])
}

fn entropy() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(14)
}

fn period() -> Period {
    Period {
        subject: SUBJECT,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Restricted,
        day: DAY,
        generation: 2,
    }
}

fn claim_of(key: &PeriodKey, period: Period) -> Signed<PeriodClaim> {
    let claim = PeriodClaim {
        device: DEVICE,
        period,
        handle: key.handle(),
    };
    Signed::sign(claim, GENESIS, &device()).into_signed()
}

fn prekey() -> Verified<Prekey> {
    let prekey = Prekey {
        custodian: CUSTODIAN,
        device: DEVICE,
        period: period(),
        key: prekey_secret().public(),
        generation: 2,
        height: Height::new(9),
    };
    Signed::sign(prekey, GENESIS, &custody())
}

fn deposit() -> Verified<Deposit> {
    Deposit::make(
        GENESIS,
        &device(),
        claim_of(&KEY, period()),
        &KEY,
        &prekey(),
        &mut entropy(),
    )
    .expect("a good key")
}

fn asked(extent: Extent) -> AccessRequest {
    AccessRequest {
        subject: SUBJECT,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Restricted,
        purpose: Purpose::Treatment,
        extent,
    }
}

const DAYS: Extent = Extent::Days {
    first: DAY - 1,
    last: DAY,
};

fn expected(extent: Extent) -> Expected {
    Expected {
        genesis: GENESIS,
        request: REQUEST,
        asked: asked(extent),
        custodian: CUSTODIAN,
        custody_key: custody().public(),
    }
}

fn release(extent: Extent) -> Signed<Release> {
    let release = Release::make(
        &expected(extent),
        requester().public(),
        [(claim_of(&KEY, period()), &KEY)],
        &mut entropy(),
    )
    .expect("one key");
    Signed::sign(release, GENESIS, &custody()).into_signed()
}

fn open(release: &Signed<Release>, expected: &Expected) -> Result<Vec<OpenedKey>, ReleaseError> {
    release.open(expected, &requester(), |id| {
        if *id == DEVICE {
            vec![device().public()]
        } else {
            vec![]
        }
    })
}

fn reading() -> Reading {
    Reading {
        subject: SUBJECT,
        category: Category::VitalSigns,
        taken_at: Timestamp::from_millis(u64::from(DAY) * DAY_MS + 5),
        observations: vec![Observation {
            code: "8867-4".into(),
            unit: "/min".into(),
            milli: 61_100,
        }],
    }
}

fn sealed(reading: &Reading) -> SealedReading {
    SealedReading::seal(GENESIS, DEVICE, &KEY, reading, [5; 16]).expect("fits")
}

/// Whatever bit of a signed message is flipped: it is not read, or not believed.
fn survives_no_flip<T>(signed: &Signed<T>, believed: impl Fn(Signed<T>) -> bool)
where
    T: Serialize + serde::de::DeserializeOwned + Clone,
{
    assert!(believed(signed.clone()), "untouched, it is believed");
    let bytes = codec::encode(signed);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = codec::decode(&changed, RELEASE_MAX) {
            assert!(!believed(changed), "bit {bit}");
        }
    }
}

#[test]
fn a_deposit_arrives_and_its_receipt_is_for_it_alone() {
    let deposit = deposit();

    let key = deposit
        .signed()
        .open(GENESIS, &CUSTODIAN, &device().public(), &prekey_secret())
        .expect("opens");
    let receipt = DepositReceipt {
        custodian: CUSTODIAN,
        deposit: *deposit.content(),
    };
    let receipt = Signed::sign(receipt, GENESIS, &custody()).into_signed();

    assert_eq!(key.0, KEY.0);
    let by = custody().public();
    assert!(receipt.is_for(GENESIS, &deposit, &by));
    assert!(!receipt.is_for(OTHER_CHAIN, &deposit, &by));
    assert!(!receipt.is_for(GENESIS, &deposit, &signer(99).public()));
    survives_no_flip(&receipt, |receipt| receipt.is_for(GENESIS, &deposit, &by));
    let other = Deposit::make(
        GENESIS,
        &device(),
        claim_of(&KEY, period()),
        &KEY,
        &prekey(),
        &mut ChaCha20Rng::seed_from_u64(15),
    )
    .expect("a good key");
    assert!(!receipt.is_for(GENESIS, &other, &by));
}

#[test]
fn a_changed_deposit_is_refused() {
    survives_no_flip(deposit().signed(), |deposit| {
        deposit
            .open(GENESIS, &CUSTODIAN, &device().public(), &prekey_secret())
            .is_ok()
    });
}

/// The same bytes at another custodian, for another one-time key, on another chain, or by another device.
#[test]
fn a_deposit_is_good_for_one_custodian_and_one_prekey_on_one_chain() {
    let deposit = deposit().into_signed();
    let key = device().public();
    let secret = prekey_secret();

    for (refused, why) in [
        (
            deposit.open(GENESIS, &EntityId([9; 32]), &key, &secret),
            "custodian",
        ),
        (
            deposit.open(
                GENESIS,
                &CUSTODIAN,
                &key,
                &ExchangeSecret::from_bytes([9; 32]),
            ),
            "prekey",
        ),
        (
            deposit.open(OTHER_CHAIN, &CUSTODIAN, &key, &secret),
            "chain",
        ),
        (
            deposit.open(GENESIS, &CUSTODIAN, &signer(9).public(), &secret),
            "device",
        ),
    ] {
        assert!(refused.is_err(), "{why}");
    }
}

/// A device that wraps another key than that of the handle does not get it past the custodian.
#[test]
fn a_wrong_key_is_noticed_by_the_custodian() {
    let mut deposit = deposit().into_signed().body;
    let context = WrapContext::Deposit {
        genesis: GENESIS,
        custodian: CUSTODIAN,
        prekey: prekey_secret().public(),
        claim: deposit.claim.body,
    };
    deposit.wrapped = prekey_secret()
        .public()
        .wrap(&[99; 32], &context.bytes(), &mut entropy())
        .expect("a good key");

    let signed = Signed::sign(deposit, GENESIS, &device()).into_signed();

    assert_eq!(
        signed
            .open(GENESIS, &CUSTODIAN, &device().public(), &prekey_secret())
            .err(),
        Some(DepositError::OtherKey)
    );
}

#[test]
fn a_device_deposits_nothing_under_a_prekey_of_another_period() {
    let mut other = period();
    other.generation += 1;

    let made = Deposit::make(
        GENESIS,
        &device(),
        claim_of(&KEY, other),
        &KEY,
        &prekey(),
        &mut entropy(),
    );

    assert_eq!(made.err(), Some(NotDeposited::OtherPeriod));
}

#[test]
fn a_prekey_answers_what_was_asked_or_is_refused() {
    let asked = PrekeyRequest {
        custodian: CUSTODIAN,
        device: DEVICE,
        period: period(),
    };
    let by = custody().public();

    survives_no_flip(prekey().signed(), |prekey| {
        prekey.answering(GENESIS, &asked, &by).is_ok()
    });
    let other = PrekeyRequest {
        device: DeviceId([9; 32]),
        ..asked
    };
    assert_eq!(
        prekey().into_signed().answering(GENESIS, &other, &by).err(),
        Some(PrekeyError::ForSomethingElse)
    );
    assert!(
        prekey()
            .into_signed()
            .answering(OTHER_CHAIN, &asked, &by)
            .is_err()
    );
}

#[test]
fn a_release_opens_what_was_asked_for() {
    let opened = open(&release(DAYS), &expected(DAYS)).expect("opens");

    let [key] = opened.as_slice() else {
        panic!("one key")
    };
    assert_eq!(key.open(GENESIS, &sealed(&reading())), Ok(reading()));
}

/// One reading was asked for: its key opens that one, and no other of the same period.
#[test]
fn a_released_record_key_opens_one_record() {
    let mut later = reading();
    later.taken_at = later.taken_at.plus_millis(1);
    let (one, other) = (sealed(&reading()), sealed(&later));
    let extent = Extent::Reading {
        day: DAY,
        device: DEVICE,
        reading: one.reading,
    };

    let opened = open(&release(extent), &expected(extent)).expect("opens");

    let [key] = opened.as_slice() else {
        panic!("one key")
    };
    assert_eq!(key.open(GENESIS, &one), Ok(reading()));
    assert_eq!(key.open(GENESIS, &other), Err(NotOpened::OtherRecord));
    let ReleasedSecret::Record(_, secret) = &key.secret else {
        panic!("a record's key")
    };
    assert!(other.open(GENESIS, secret).is_err());
    assert!(matches!(key.secret, ReleasedSecret::Record(..)));
}

#[test]
fn a_changed_release_is_refused() {
    survives_no_flip(&release(DAYS), |release| {
        open(&release, &expected(DAYS)).is_ok()
    });
}

/// A custodian that signs what is not so: another request's release, another chain's, keys that were not asked for, keys twice, a key under a wrong
/// name, a claim that the device never made.
#[test]
fn a_lying_custodian_is_noticed() {
    let honest = release(DAYS).body;
    let sign = |release: Release| Signed::sign(release, GENESIS, &custody()).into_signed();
    let refused = |release: Release| open(&sign(release), &expected(DAYS)).err();

    let mut other = honest.clone();
    other.request = TxId([8; 32]);
    assert_eq!(refused(other), Some(ReleaseError::ForSomethingElse));

    let moved = Signed::sign(honest.clone(), OTHER_CHAIN, &custody()).into_signed();
    assert!(matches!(
        open(&moved, &expected(DAYS)),
        Err(ReleaseError::BadSignature(_))
    ));

    // wraps of one request do not open as those of another
    let mut asked_again = expected(DAYS);
    asked_again.request = TxId([8; 32]);
    let mut other = honest.clone();
    other.request = TxId([8; 32]);
    assert!(matches!(
        open(&sign(other), &asked_again),
        Err(ReleaseError::Closed(_))
    ));

    let mut twice = honest.clone();
    twice.keys.push(honest.keys[0].clone());
    assert_eq!(refused(twice), Some(ReleaseError::NotAsked(KEY.handle())));

    let mut none = honest.clone();
    none.keys.clear();
    assert_eq!(refused(none), Some(ReleaseError::Count(0)));

    // the right claim, another key
    let wrong = PeriodKey([66; 32]);
    let lie = Release::make(
        &expected(DAYS),
        requester().public(),
        [(claim_of(&KEY, period()), &wrong)],
        &mut entropy(),
    )
    .expect("one key");
    assert_eq!(refused(lie), Some(ReleaseError::OtherKey(KEY.handle())));

    // another period than was asked for, rightly claimed
    for other in [
        Period {
            day: DAY - 2,
            ..period()
        },
        Period {
            subject: Pseudonym([55; 32]),
            ..period()
        },
        Period {
            category: Category::Claims,
            ..period()
        },
        Period {
            sensitivity: Sensitivity::VeryRestricted,
            ..period()
        },
    ] {
        let lie = Release::make(
            &expected(DAYS),
            requester().public(),
            [(claim_of(&KEY, other), &KEY)],
            &mut entropy(),
        )
        .expect("one key");
        assert_eq!(refused(lie), Some(ReleaseError::NotAsked(KEY.handle())));
    }

    // another patient's key under this patient's name: the device never said so
    let mut claim = claim_of(&wrong, period());
    claim.signature = Signed::sign(claim.body, GENESIS, &custody())
        .into_signed()
        .signature;
    let lie = Release::make(
        &expected(DAYS),
        requester().public(),
        [(claim, &wrong)],
        &mut entropy(),
    )
    .expect("one key");
    assert_eq!(refused(lie), Some(ReleaseError::NotClaimed(DEVICE)));

    // nor does a device that nobody registered
    let stranger = PeriodClaim {
        device: DeviceId([44; 32]),
        period: period(),
        handle: KEY.handle(),
    };
    let stranger = Signed::sign(stranger, GENESIS, &signer(44)).into_signed();
    let lie = Release::make(
        &expected(DAYS),
        requester().public(),
        [(stranger, &KEY)],
        &mut entropy(),
    )
    .expect("one key");
    let opened = open(&sign(lie), &expected(DAYS)).expect("nothing to object to");
    assert!(opened.is_empty(), "{opened:?}");
}

/// A device and a custodian that lie together can hand out a key under another patient's name; what is inside the envelope still tells.
#[test]
fn what_is_inside_the_envelope_has_to_be_what_was_claimed() {
    let opened = open(&release(DAYS), &expected(DAYS)).expect("opens");
    let mut of_another = reading();
    of_another.subject = Pseudonym([55; 32]);
    let mut of_another_day = reading();
    of_another_day.taken_at = of_another_day.taken_at.plus_millis(DAY_MS);

    for wrong in [of_another, of_another_day] {
        assert_eq!(
            opened[0].open(GENESIS, &sealed(&wrong)),
            Err(NotOpened::NotAsClaimed)
        );
    }
    let mut elsewhere = sealed(&reading());
    elsewhere.device = DeviceId([44; 32]);
    assert_eq!(
        opened[0].open(GENESIS, &elsewhere),
        Err(NotOpened::OtherRecord)
    );
}

#[test]
fn what_does_not_fit_into_one_release_is_not_made() {
    let claim = claim_of(&KEY, period());
    let too_many = RELEASED_KEYS_MAX + 1;

    let make = |count: usize| {
        Release::make(
            &expected(DAYS),
            requester().public(),
            core::iter::repeat_n((claim.clone(), &KEY), count),
            &mut entropy(),
        )
    };

    assert_eq!(make(0).err(), Some(NotReleased::Nothing));
    assert_eq!(make(too_many).err(), Some(NotReleased::TooMany(too_many)));
}

/// The bounds that readers use hold for the longest messages there are.
#[test]
fn messages_keep_within_their_bounds() {
    let one = codec::encode(&release(Extent::Reading {
        day: DAY,
        device: DEVICE,
        reading: ReadingId([1; 32]),
    }))
    .len();
    let key = codec::encode(
        &release(Extent::Reading {
            day: DAY,
            device: DEVICE,
            reading: ReadingId([1; 32]),
        })
        .body
        .keys[0],
    )
    .len();

    assert!(one + key * (RELEASED_KEYS_MAX - 1) <= RELEASE_MAX);
    assert!(codec::encode(deposit().signed()).len() <= CUSTODY_MESSAGE_MAX);
    assert!(codec::encode(prekey().signed()).len() <= CUSTODY_MESSAGE_MAX);
}

prop_compose! {
    fn any_period()(
        subject in 0u8..3, category in 0usize..6, sensitivity in 0usize..3, day in 10u32..14, generation in 0u64..3,
    ) -> Period {
        Period {
            subject: Pseudonym([subject; 32]),
            category: Category::ALL[category],
            sensitivity: Sensitivity::ALL[sensitivity],
            day,
            generation,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever periods a device has, who asks gets those keys that the request names, each once, and can open no other.
    #[test]
    fn exactly_what_is_asked_for_opens(
        periods in proptest::collection::btree_set(any_period(), 1..12),
        subject in 0u8..3,
        category in 0usize..6,
        sensitivity in 0usize..3,
        first in 10u32..14,
        length in 0u32..3,
    ) {
        let asked = AccessRequest {
            subject: Pseudonym([subject; 32]),
            category: Category::ALL[category],
            sensitivity: Sensitivity::ALL[sensitivity],
            purpose: Purpose::Treatment,
            extent: Extent::Days { first, last: first + length },
        };
        let expected = Expected { asked, ..expected(DAYS) };
        let keys: Vec<(Period, PeriodKey)> = periods
            .iter()
            .enumerate()
            .map(|(n, period)| (*period, PeriodKey([u8::try_from(n).unwrap() + 100; 32])))
            .collect();
        let wanted: Vec<_> = keys
            .iter()
            .filter(|(period, _)| asks_for(&asked, &DEVICE, period))
            .collect();
        let by_hand = keys.iter().filter(|(period, _)| {
            period.subject == asked.subject
                && period.category == asked.category
                && (period.sensitivity as u8) <= asked.sensitivity as u8
                && (first..=first + length).contains(&period.day)
        }).count();
        prop_assert_eq!(wanted.len(), by_hand);

        let make = |keys: &[&(Period, PeriodKey)]| Release::make(
            &expected,
            requester().public(),
            keys.iter().map(|(period, key)| (claim_of(key, *period), key)),
            &mut entropy(),
        );
        let all: Vec<_> = keys.iter().collect();
        if wanted.is_empty() {
            prop_assert_eq!(make(&wanted).err(), Some(NotReleased::Nothing));
        } else {
            let release = Signed::sign(make(&wanted).unwrap(), GENESIS, &custody()).into_signed();
            let opened = open(&release, &expected).unwrap();
            prop_assert_eq!(opened.len(), by_hand);
        }
        if wanted.len() < keys.len() {
            let release = Signed::sign(make(&all).unwrap(), GENESIS, &custody()).into_signed();
            prop_assert!(matches!(open(&release, &expected), Err(ReleaseError::NotAsked(_))));
        }
    }
}
