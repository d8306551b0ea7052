use std::cell::{Cell, RefCell};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::custody::DAY_MS;
use salus_primitives::hash::Digest;
use salus_primitives::ids::Height;
use salus_primitives::reading::{Category, PeriodKey};

use super::*;
use crate::seal::DayData;

const GENESIS: GenesisHash = GenesisHash([1; 32]);
const PERSON: Pseudonym = Pseudonym([2; 32]);
const DAY: u32 = 20_000;

fn entropy() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn noon(day: u32) -> Timestamp {
    Timestamp::from_millis(u64::from(day) * DAY_MS + DAY_MS / 2)
}

fn data(day: u32) -> DayData {
    DayData {
        subject: PERSON,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Normal,
        day,
    }
}

/// How a custodian behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Honest,
    Away,
    SaysErased,
    AnswersAnotherPeriod,
    SignsWithAnotherKey,
    SignsForAnotherChain,
    ReceiptsAnotherDeposit,
    ReceiptsForAnother,
}

/// Custodians in memory, as the node's key service behaves towards devices.
struct Custodians {
    device_key: PublicKey,
    conduct: Cell<[Conduct; 2]>,
    generation: Cell<u64>,
    prekeys: RefCell<BTreeMap<(EntityId, Period), ExchangeSecret>>,
    keys: RefCell<BTreeMap<(EntityId, Period), PeriodKey>>,
}

fn names() -> [EntityId; 2] {
    ["insurer", "ministry"].map(EntityId::of_name)
}

fn signer_of(custodian: &EntityId) -> Signer {
    SecretKey::from_seed(custodian.0).signer()
}

impl Custodians {
    fn conduct_of(&self, custodian: &EntityId) -> Conduct {
        let at = names().iter().position(|name| name == custodian).unwrap();
        self.conduct.get()[at]
    }

    fn signing(&self, custodian: &EntityId) -> (GenesisHash, Signer) {
        match self.conduct_of(custodian) {
            Conduct::SignsWithAnotherKey => (GENESIS, signer_of(&EntityId([99; 32]))),
            Conduct::SignsForAnotherChain => (GenesisHash([99; 32]), signer_of(custodian)),
            _ => (GENESIS, signer_of(custodian)),
        }
    }
}

impl KeyServices for Custodians {
    fn prekey(
        &self,
        custodian: &EntityId,
        asked: &Signed<PrekeyRequest>,
    ) -> Result<Signed<Prekey>, CallError> {
        match self.conduct_of(custodian) {
            Conduct::Away => return Err(CallError::Away("no route".into())),
            Conduct::SaysErased => return Err(CallError::Erased),
            _ => {}
        }
        let asked = asked.clone().verify(GENESIS, &self.device_key).unwrap();
        let mut period = asked.body().period;
        let key = self
            .prekeys
            .borrow_mut()
            .entry((*custodian, period))
            .or_insert_with(|| ExchangeSecret::generate(&mut entropy()))
            .public();
        if self.conduct_of(custodian) == Conduct::AnswersAnotherPeriod {
            period.day += 1;
        }
        let prekey = Prekey {
            custodian: *custodian,
            device: asked.body().device,
            period,
            key,
            generation: self.generation.get(),
            height: Height::new(7),
        };
        let (genesis, signer) = self.signing(custodian);
        Ok(Signed::sign(prekey, genesis, &signer).into_signed())
    }

    fn deposit(
        &self,
        custodian: &EntityId,
        deposit: &Signed<Deposit>,
    ) -> Result<Signed<DepositReceipt>, CallError> {
        let period = deposit.body.claim.body.period;
        let prekeys = self.prekeys.borrow();
        let secret = prekeys.get(&(*custodian, period)).unwrap();
        let key = deposit
            .open(GENESIS, custodian, &self.device_key, secret)
            .unwrap();
        self.keys.borrow_mut().insert((*custodian, period), key);
        let content = deposit
            .clone()
            .verify(GENESIS, &self.device_key)
            .unwrap()
            .content()
            .to_owned();
        let receipt = DepositReceipt {
            custodian: match self.conduct_of(custodian) {
                Conduct::ReceiptsForAnother => EntityId([98; 32]),
                _ => *custodian,
            },
            deposit: match self.conduct_of(custodian) {
                Conduct::ReceiptsAnotherDeposit => Digest([97; 32]),
                _ => content,
            },
        };
        let (genesis, signer) = self.signing(custodian);
        Ok(Signed::sign(receipt, genesis, &signer).into_signed())
    }
}

struct Ward {
    _folder: tempfile::TempDir,
    device: Device,
    keystore: Mutex<Keystore>,
    custody: Custody,
    custodians: Custodians,
}

impl Ward {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::generate("h", "r", EntityId([4; 32]), &mut entropy());
        let keystore = Keystore::open(&folder.path().join("keys"), &device).unwrap();
        let custody = Custody::parse(file().to_string().as_bytes()).unwrap();
        let custodians = Custodians {
            device_key: device.signer().public(),
            conduct: Cell::new([Conduct::Honest; 2]),
            generation: Cell::new(0),
            prekeys: RefCell::default(),
            keys: RefCell::default(),
        };
        Self {
            _folder: folder,
            device,
            keystore: Mutex::new(keystore),
            custody,
            custodians,
        }
    }

    fn key(&self, day: u32) -> (Period, PeriodKey) {
        lock(&self.keystore)
            .period_key(data(day), noon(day), None, &mut entropy())
            .unwrap()
    }

    fn round(&self, now: Timestamp) -> Round {
        Depositor {
            genesis: GENESIS,
            device: &self.device,
            custody: &self.custody,
        }
        .round(&self.keystore, &self.custodians, now, &mut entropy())
        .unwrap()
    }
}

fn file() -> serde_json::Value {
    let [insurer, ministry] = names().map(|name| signer_of(&name).public());
    serde_json::json!({
        "custodians": [
            {"name": "insurer", "key": insurer, "url": "http://127.0.0.1:1"},
            {"name": "ministry", "key": ministry, "url": "http://127.0.0.1:2"},
        ],
        "patients": [{"bed": 3, "person": PERSON, "custodians": ["insurer", "ministry"]}],
    })
}

/// Each custodian gets the key, once; and when the day is over, it is only theirs.
#[test]
fn every_custodian_gets_the_key_and_then_it_is_forgotten() {
    let ward = Ward::new();
    let (period, key) = ward.key(DAY);

    let first = ward.round(noon(DAY));
    let second = ward.round(noon(DAY));
    let third = ward.round(noon(DAY + 1));

    assert_eq!((first.deposited, first.missing, first.forgotten), (2, 0, 0));
    assert_eq!((second.deposited, second.forgotten), (0, 0));
    assert_eq!(third.forgotten, 1);
    assert!(lock(&ward.keystore).key(&period).is_none());
    for custodian in names() {
        let keys = ward.custodians.keys.borrow();
        assert_eq!(keys.get(&(custodian, period)).unwrap().0, key.0);
    }
}

/// One custodian is gone: the key stays here, and goes there when it is back.
#[test]
fn the_key_stays_while_a_custodian_is_away() {
    let ward = Ward::new();
    let (period, _) = ward.key(DAY);
    ward.custodians
        .conduct
        .set([Conduct::Away, Conduct::Honest]);

    let away = ward.round(noon(DAY + 1));
    ward.custodians.conduct.set([Conduct::Honest; 2]);
    let back = ward.round(noon(DAY + 1));

    assert_eq!((away.deposited, away.missing, away.forgotten), (1, 1, 0));
    assert_eq!(away.failures.keys().collect::<Vec<_>>(), [&names()[0]]);
    assert_eq!((back.deposited, back.missing, back.forgotten), (1, 0, 1));
    assert!(lock(&ward.keystore).key(&period).is_none());
}

/// What is not an honest answer to what was asked counts for nothing: the key is not forgotten on the word of a custodian that lies.
#[test]
fn a_custodian_that_lies_is_not_believed() {
    for lie in [
        Conduct::AnswersAnotherPeriod,
        Conduct::SignsWithAnotherKey,
        Conduct::SignsForAnotherChain,
        Conduct::ReceiptsAnotherDeposit,
        Conduct::ReceiptsForAnother,
        Conduct::SaysErased,
    ] {
        let ward = Ward::new();
        let (period, _) = ward.key(DAY);
        ward.custodians.conduct.set([lie, Conduct::Honest]);

        let round = ward.round(noon(DAY + 1));

        assert_eq!((round.deposited, round.forgotten), (1, 0), "{lie:?}");
        assert!(lock(&ward.keystore).key(&period).is_some(), "{lie:?}");
        assert_eq!(lock(&ward.keystore).receipts(&period).len(), 1, "{lie:?}");
    }
}

/// An order to erase reaches the device through its custodians: the key is gone at once, whoever holds it, and on whatever day.
#[test]
fn what_all_custodians_say_was_erased_is_forgotten_at_once() {
    let ward = Ward::new();
    let (period, _) = ward.key(DAY);
    ward.round(noon(DAY));
    ward.custodians.conduct.set([Conduct::SaysErased; 2]);

    let round = ward.round(noon(DAY));

    assert_eq!(round.forgotten, 1);
    assert!(lock(&ward.keystore).key(&period).is_none());
}

#[test]
fn what_a_custodian_knows_of_revocations_begins_another_period() {
    let ward = Ward::new();
    let (before, _) = ward.key(DAY);
    assert_eq!(ward.round(noon(DAY)).turned, 0);
    ward.custodians.generation.set(1);

    assert_eq!(ward.round(noon(DAY)).turned, 1);

    let (after, _) = ward.key(DAY);
    assert_eq!((before.generation, after.generation), (0, 1));
    // the new one is deposited as well, and the old one goes
    let later = noon(DAY).plus_millis(3_600_000);
    let round = ward.round(later);
    assert_eq!((round.deposited, round.turned), (2, 0));
    assert_eq!(lock(&ward.keystore).held(), [after]);
}

/// Keys of who has no custodians stay where they are, and nobody is asked.
#[test]
fn who_has_no_custodians_keeps_the_keys() {
    let ward = Ward::new();
    let stranger = DayData {
        subject: Pseudonym([77; 32]),
        ..data(DAY)
    };
    let (period, _) = lock(&ward.keystore)
        .period_key(stranger, noon(DAY), None, &mut entropy())
        .unwrap();

    let round = ward.round(noon(DAY + 30));

    assert_eq!(round, Round::default());
    assert!(lock(&ward.keystore).key(&period).is_some());
}

#[test]
fn a_custody_file_says_who_is_where_and_who_holds_the_keys() {
    let custody = Custody::parse(file().to_string().as_bytes()).unwrap();

    let patient = custody.at_bed(3).unwrap();
    assert_eq!(patient.person, PERSON);
    assert_eq!(patient.sensitivity, Sensitivity::Normal);
    let mut expected = names();
    expected.sort();
    assert_eq!(custody.custodians_of(&PERSON).unwrap(), expected);
    assert!(custody.at_bed(4).is_none());
    assert!(!custody.is_empty() && Custody::default().is_empty());
}

#[test]
fn a_custody_file_that_contradicts_itself_is_refused() {
    type Change = fn(&mut serde_json::Value);
    let changes: [(&str, Change); 7] = [
        ("one custodian", |file| {
            file["patients"][0]["custodians"] = serde_json::json!(["insurer"]);
        }),
        ("the same twice", |file| {
            file["patients"][0]["custodians"] = serde_json::json!(["insurer", "insurer"]);
        }),
        ("an unknown one", |file| {
            file["patients"][0]["custodians"] = serde_json::json!(["insurer", "pharmacy"]);
        }),
        ("a bed twice", |file| {
            let again = file["patients"][0].clone();
            file["patients"].as_array_mut().unwrap().push(again);
        }),
        ("a custodian twice", |file| {
            let again = file["custodians"][0].clone();
            file["custodians"].as_array_mut().unwrap().push(again);
        }),
        ("no address", |file| {
            file["custodians"][0]["url"] = serde_json::json!("ftp://x");
        }),
        ("an unknown word", |file| {
            file["patients"][0]["name"] = serde_json::json!("somebody");
        }),
    ];
    for (what, change) in changes {
        let mut file = file();
        change(&mut file);

        assert!(
            Custody::parse(file.to_string().as_bytes()).is_err(),
            "{what}"
        );
    }
}
