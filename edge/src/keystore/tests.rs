use std::os::unix::fs::PermissionsExt;

use salus_primitives::access::Sensitivity;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::custody::DAY_MS;
use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_primitives::reading::Category;

use super::*;

const SUBJECT: Pseudonym = Pseudonym([1; 32]);
const ONE: EntityId = EntityId([11; 32]);
const TWO: EntityId = EntityId([12; 32]);
const THREE: EntityId = EntityId([13; 32]);
const LAST: u32 = 20_000;

fn entropy() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn device() -> Device {
    Device::generate("h", "r", EntityId([4; 32]), &mut entropy())
}

fn data(day: u32) -> DayData {
    DayData {
        subject: SUBJECT,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Normal,
        day,
    }
}

fn noon(day: u32) -> Timestamp {
    Timestamp::from_millis(u64::from(day) * DAY_MS + DAY_MS / 2)
}

/// A device with a store in a folder, which can be opened again.
struct Bedside {
    folder: tempfile::TempDir,
    device: Device,
    store: Keystore,
}

impl Bedside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = device();
        let store = Keystore::open(&folder.path().join("keys"), &device).unwrap();
        Self {
            folder,
            device,
            store,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn reopen(&mut self) {
        self.store = Keystore::open(&self.path(), &self.device).unwrap();
    }

    fn key(&mut self, day: u32) -> (Period, PeriodKey) {
        self.store
            .period_key(data(day), noon(day), None, &mut entropy())
            .unwrap()
    }

    fn acknowledge(&mut self, period: &Period, custodian: EntityId) {
        let receipt = DepositReceipt {
            custodian,
            deposit: Digest([9; 32]),
        };
        let receipt = Signed::sign(receipt, GenesisHash([2; 32]), self.device.signer());
        self.store
            .acknowledge(period, receipt.into_signed())
            .unwrap();
    }

    fn forget(&mut self, now: Timestamp) -> usize {
        self.store
            .forget_what_is_over(now, |_| Some(&[ONE, TWO, THREE][..2]))
            .unwrap()
    }

    /// The file, decrypted as its owner can.
    fn plain(&self) -> Vec<u8> {
        let bytes = std::fs::read(self.path()).unwrap();
        let plain = self
            .store
            .store_key
            .open(&self.store.file_name(), &bytes)
            .unwrap();
        plain.to_vec()
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// A period has one key, also after a restart, and its file is private.
#[test]
fn key_of_a_period_survives_a_restart() {
    let mut bedside = Bedside::new();

    let (_, first) = bedside.key(1);
    let (_, second) = bedside.key(2);
    bedside.reopen();

    assert_ne!(first.0, second.0);
    assert_eq!(bedside.key(1).1.0, first.0);
    assert_eq!(bedside.key(2).1.0, second.0);
    let mode = std::fs::metadata(bedside.path()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn sensitivities_and_kinds_have_keys_of_their_own() {
    let mut bedside = Bedside::new();
    let (_, normal) = bedside.key(1);
    for other in [
        DayData {
            sensitivity: Sensitivity::VeryRestricted,
            ..data(1)
        },
        DayData {
            category: Category::Claims,
            ..data(1)
        },
        DayData {
            subject: Pseudonym([2; 32]),
            ..data(1)
        },
    ] {
        let (_, key) = bedside
            .store
            .period_key(other, noon(1), None, &mut entropy())
            .unwrap();

        assert_ne!(key.0, normal.0, "{other:?}");
    }
}

/// The hospital, and nobody else, gets the period key from the wrap.
#[test]
fn hospital_opens_its_wrap() {
    let mut bedside = Bedside::new();
    let hospital = ExchangeSecret::generate(&mut entropy());

    let (period, key) = bedside
        .store
        .period_key(data(1), noon(1), Some(&hospital.public()), &mut entropy())
        .unwrap();

    let [wrap] = bedside.store.wraps(&period) else {
        panic!("one wrap")
    };
    let context = |period| wrap_context(&bedside.device.id(), &key.handle(), period);
    assert_eq!(
        hospital
            .unwrap(&wrap.wrapped, &context(&period))
            .unwrap()
            .as_slice(),
        key.0
    );
    let stranger = ExchangeSecret::generate(&mut entropy());
    assert!(stranger.unwrap(&wrap.wrapped, &context(&period)).is_err());
    let other = data(2).period(0);
    assert!(hospital.unwrap(&wrap.wrapped, &context(&other)).is_err());
}

/// A recipient that becomes known later gets a wrap of the same key.
#[test]
fn later_recipient_gets_the_same_key() {
    let mut bedside = Bedside::new();
    let hospital = ExchangeSecret::generate(&mut entropy()).public();
    let (period, before) = bedside.key(1);

    for _ in 0..2 {
        let (_, after) = bedside
            .store
            .period_key(data(1), noon(1), Some(&hospital), &mut entropy())
            .unwrap();
        assert_eq!(after.0, before.0);
    }

    assert_eq!(bedside.store.wraps(&period).len(), 1);
    bedside.reopen();
    assert_eq!(bedside.store.wraps(&period).len(), 1);
}

/// No key stands in the file in the clear; another device, another passphrase and a changed byte are refused.
#[test]
fn file_is_closed_to_others() {
    let mut bedside = Bedside::new();
    let (_, key) = bedside.key(1);
    let path = bedside.path();
    let bytes = std::fs::read(&path).unwrap();

    assert!(!holds(&bytes, &key.0) && !holds(&bytes, &SUBJECT.0));
    assert!(holds(&bedside.plain(), &key.0), "it is in there");
    let refused = |device: &Device| {
        matches!(
            Keystore::open(&path, device),
            Err(KeystoreError::Closed { .. })
        )
    };
    assert!(refused(&device()));
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(refused(&bedside.device), "{position}");
    }
    assert!(!format!("{:?}", bedside.store).contains(&format!("{:?}", key.0)));
}

#[test]
fn a_store_opens_with_its_passphrase_alone() {
    let folder = tempfile::tempdir().unwrap();
    let device = device();
    let path = folder.path().join("keys");
    let open = |passphrase: &[u8]| {
        let given = Unlock::Passphrase(Zeroizing::new(passphrase.to_vec()));
        let key = unlock(folder.path(), &given, PassphraseCost::LEAST)?;
        Keystore::open_with(&path, &device, key)
    };
    let (_, key) = open(b"right")
        .unwrap()
        .period_key(data(1), noon(1), None, &mut entropy())
        .unwrap();

    let again = open(b"right").unwrap();
    assert_eq!(again.key(&data(1).period(0)).unwrap().0, key.0);
    assert!(matches!(
        open(b"wrong"),
        Err(KeystoreError::Closed {
            source: StoreError::WrongSecret,
            ..
        })
    ));
    // nor does the device's own secret open it
    assert!(Keystore::open(&path, &device).is_err());
}

/// A half-written replacement beside the store does no harm, and does not stay.
#[test]
fn crash_while_replacing_leaves_the_old_file() {
    let mut bedside = Bedside::new();
    let (_, key) = bedside.key(1);
    let half = bedside.folder.path().join("keys.new");

    std::fs::write(&half, b"half").unwrap();
    bedside.reopen();

    assert_eq!(bedside.key(1).1.0, key.0);
    assert!(!half.exists());
}

/// Two custodians hold the key and the day is over: it is in no file any more, nor where the files were; and what is read late begins another period.
#[test]
fn a_key_in_custody_is_gone_when_its_day_is_over() {
    let mut bedside = Bedside::new();
    let (period, key) = bedside.key(LAST);
    bedside.acknowledge(&period, ONE);
    bedside.acknowledge(&period, TWO);
    assert!(holds(&bedside.plain(), &key.0), "it is there");
    let mut former = std::fs::File::open(bedside.path()).unwrap();

    assert_eq!(bedside.forget(noon(LAST + 1)), 1);

    assert!(!holds(&bedside.plain(), &key.0));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut former, &mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    assert_eq!(std::fs::read_dir(bedside.folder.path()).unwrap().count(), 1);
    assert!(bedside.store.key(&period).is_none());
    bedside.reopen();
    assert!(bedside.store.key(&period).is_none());
    assert_eq!(bedside.store.receipts(&period).len(), 2);
    let (late, other) = bedside.key(LAST);
    assert_eq!(late.generation, period.generation + 1);
    assert_ne!(other.0, key.0);
}

/// What is not in custody, not over, or in use, stays.
#[test]
fn a_key_stays_until_it_is_in_custody_and_over() {
    let mut bedside = Bedside::new();
    let (period, _) = bedside.key(LAST);

    assert_eq!(bedside.forget(noon(LAST + 100)), 0, "nobody has it");
    bedside.acknowledge(&period, ONE);
    bedside.acknowledge(&period, ONE);
    assert_eq!(bedside.forget(noon(LAST + 100)), 0, "one has it, twice");
    bedside.acknowledge(&period, THREE);
    assert_eq!(
        bedside.forget(noon(LAST + 100)),
        0,
        "one of the person's custodians has it, and somebody else"
    );
    bedside.acknowledge(&period, TWO);
    assert_eq!(bedside.forget(noon(LAST)), 0, "the day is not over");
    bedside
        .store
        .period_key(data(LAST), noon(LAST + 1), None, &mut entropy())
        .unwrap();
    let a_minute_later = noon(LAST + 1).plus_millis(60_000);
    assert_eq!(bedside.forget(a_minute_later), 0, "it is in use");
    let without = bedside
        .store
        .forget_what_is_over(noon(LAST + 100), |_| None);
    assert_eq!(without.unwrap(), 0, "this person has no custodians");
    assert!(bedside.store.key(&period).is_some());

    assert_eq!(bedside.forget(noon(LAST + 1).plus_millis(QUIET_MS)), 1);
}

/// One of three custodians is gone for good: after a week the key is forgotten all the same.
#[test]
fn a_custodian_that_is_gone_is_waited_for_a_week() {
    let mut bedside = Bedside::new();
    let (period, _) = bedside.key(LAST);
    bedside.acknowledge(&period, ONE);
    bedside.acknowledge(&period, TWO);
    let all = [ONE, TWO, THREE];
    let mut forget = |day| {
        bedside
            .store
            .forget_what_is_over(noon(day), |_| Some(&all))
            .unwrap()
    };

    assert_eq!(forget(LAST + PATIENCE_DAYS), 0);
    assert_eq!(forget(LAST + PATIENCE_DAYS + 1), 1);
}

/// When something that permitted access has ended, new readings get another key, and the one before is forgotten on the same day.
#[test]
fn a_revocation_begins_another_period() {
    let mut bedside = Bedside::new();
    let (before, key) = bedside.key(LAST);
    bedside.acknowledge(&before, ONE);
    bedside.acknowledge(&before, TWO);

    assert!(bedside.store.turned(&SUBJECT, 3, noon(LAST)).unwrap());
    bedside.reopen();
    let (after, other) = bedside.key(LAST);

    assert_eq!(after.generation, 3);
    assert_ne!(other.0, key.0);
    assert!(!bedside.store.turned(&SUBJECT, 3, noon(LAST)).unwrap());
    assert!(!bedside.store.turned(&SUBJECT, 2, noon(LAST)).unwrap());
    assert_eq!(bedside.key(LAST).1.0, other.0);
    let later = noon(LAST).plus_millis(QUIET_MS);
    assert_eq!(bedside.forget(later), 1);
    assert!(bedside.store.key(&before).is_none());
    assert!(bedside.store.key(&after).is_some());
}

/// A custodian that makes up revocations cannot fill the store.
#[test]
fn revocations_that_are_made_up_begin_a_bounded_number_of_periods() {
    let mut bedside = Bedside::new();

    let begun = (1..=200)
        .filter(|n| bedside.store.turned(&SUBJECT, *n, noon(LAST)).unwrap())
        .count();

    assert_eq!(begun, TURNS_A_DAY_MAX as usize);
    assert!(bedside.store.turned(&SUBJECT, 201, noon(LAST + 1)).unwrap());
}

/// What an order to erase names is forgotten at once, wraps for the hospital too.
#[test]
fn an_erased_key_is_gone_at_once_and_its_wraps_too() {
    let mut bedside = Bedside::new();
    let hospital = ExchangeSecret::generate(&mut entropy());
    let (period, key) = bedside
        .store
        .period_key(data(1), noon(1), Some(&hospital.public()), &mut entropy())
        .unwrap();
    let wrap = bedside.store.wraps(&period)[0].wrapped.clone();

    bedside.store.forget(&[period]).unwrap();

    let plain = bedside.plain();
    assert!(!holds(&plain, &key.0));
    assert!(!holds(&plain, wrap.ciphertext.as_slice()));
    assert!(bedside.store.wraps(&period).is_empty());
}
