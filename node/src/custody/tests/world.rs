//! A device, somebody who asks, a chain that says what a test wants, and a key service in a folder.

use super::super::facts::{DeviceFacts, PersonFacts};
use super::super::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_primitives::access::{Purpose, Sensitivity};
use salus_primitives::custody::{DAY_MS, OpenedKey, RELEASE_MAX, ReleaseError};
use salus_primitives::ids::DeviceId;
use salus_primitives::reading::{Category, Observation, Pseudonym, Reading, SealedReading};
use zeroize::Zeroizing;

pub(super) const GENESIS: GenesisHash = GenesisHash([1; 32]);
pub(super) const CUSTODIAN: EntityId = EntityId([2; 32]);
pub(super) const RELATION: EntityId = EntityId([3; 32]);
pub(super) const DEVICE: DeviceId = DeviceId([4; 32]);
pub(super) const SUBJECT: Pseudonym = Pseudonym([5; 32]);
pub(super) const REQUEST: TxId = TxId([6; 32]);
pub(super) const KEY: PeriodKey = PeriodKey([7; 32]);
pub(super) const DAY: u32 = 20_000;

pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) service: KeyService,
    /// What the chain says of the device and the person.
    pub(super) facts: DepositFacts,
    /// What it says of the request.
    pub(super) allowed: ReleaseFacts,
    entropy: ChaCha20Rng,
}

pub(super) fn entropy(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new([8; 32]))
}

pub(super) fn device() -> Signer {
    SecretKey::from_seed([9; 32]).signer()
}

pub(super) fn requester() -> ExchangeSecret {
    ExchangeSecret::from_bytes([10; 32])
}

pub(super) fn period() -> Period {
    Period {
        subject: SUBJECT,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Normal,
        day: DAY,
        generation: 3,
    }
}

pub(super) fn days(first: u32, last: u32) -> Extent {
    Extent::Days { first, last }
}

pub(super) fn asked(extent: Extent) -> AccessRequest {
    AccessRequest {
        subject: SUBJECT,
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Restricted,
        purpose: Purpose::Treatment,
        extent,
    }
}

pub(super) fn reading() -> Reading {
    Reading {
        subject: SUBJECT,
        category: Category::VitalSigns,
        taken_at: Timestamp::from_millis(u64::from(DAY) * DAY_MS + 77),
        observations: vec![Observation {
            code: "8867-4".into(),
            unit: "/min".into(),
            milli: 61_100,
        }],
    }
}

pub(super) fn sealed(key: &PeriodKey) -> SealedReading {
    SealedReading::seal(GENESIS, DEVICE, key, &reading(), [5; 16]).expect("fits")
}

pub(super) fn order() -> Order {
    Order {
        order: TxId([11; 32]),
        subject: SUBJECT,
        category: Category::VitalSigns,
        first_day: DAY - 40,
        last_day: DAY,
        awaits_us: true,
    }
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut entropy = entropy(1);
        let key = create(
            folder.path(),
            &unlock(),
            PassphraseCost::LEAST,
            &mut entropy,
        )
        .expect("made");
        let service =
            KeyService::open(folder.path(), &unlock(), GENESIS, CUSTODIAN).expect("opened");
        assert_eq!(service.public_key(), key);
        Self {
            folder,
            service,
            facts: DepositFacts {
                height: Height::new(9),
                custody_key: Some(key),
                device: Some(DeviceFacts {
                    owner: RELATION,
                    key: device().public(),
                }),
                person: Some(PersonFacts {
                    relation: RELATION,
                    is_custodian: true,
                }),
                generation: 3,
                is_erased: false,
            },
            allowed: ReleaseFacts {
                custody_key: Some(key),
                asked: asked(days(DAY, DAY)),
                recipient: Some(requester().public()),
                is_open: true,
                is_released: false,
                erased: Vec::new(),
            },
            entropy,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The node is restarted.
    pub(super) fn reopen(&mut self) {
        self.service = KeyService::open(self.folder.path(), &unlock(), GENESIS, CUSTODIAN)
            .expect("opens again");
    }

    /// The machine stops after so many steps on the disk.
    pub(super) fn crash_after(&mut self, steps: u32) {
        self.service.kept().vault.files.crash.after = Some(steps);
    }

    pub(super) fn prekey(&mut self, period: Period) -> Result<Prekey, Refusal> {
        self.prekey_of(period, DEVICE, &device(), GENESIS)
    }

    pub(super) fn prekey_of(
        &mut self,
        period: Period,
        id: DeviceId,
        signer: &Signer,
        genesis: GenesisHash,
    ) -> Result<Prekey, Refusal> {
        let request = PrekeyRequest {
            custodian: CUSTODIAN,
            device: id,
            period,
        };
        let asked = Signed::sign(request, genesis, signer).into_signed();
        let facts = self.facts;
        let prekey = self.service.prekey(
            asked,
            Timestamp::from_millis(1),
            |_| Ok(facts),
            &mut self.entropy,
        )?;
        let by = self.service.public_key();
        let checked = prekey
            .answering(GENESIS, &request, &by)
            .expect("an honest answer");
        Ok(*checked.body())
    }

    pub(super) fn claim(period: Period, key: &PeriodKey) -> Signed<PeriodClaim> {
        let claim = PeriodClaim {
            device: DEVICE,
            period,
            handle: key.handle(),
        };
        Signed::sign(claim, GENESIS, &device()).into_signed()
    }

    /// As a device does it: a one-time key, and the deposit to it.
    pub(super) fn make_deposit(&mut self, period: Period, key: &PeriodKey) -> Signed<Deposit> {
        let prekey = self.prekey(period).expect("given");
        self.wrap(prekey, key)
    }

    pub(super) fn wrap(&mut self, prekey: Prekey, key: &PeriodKey) -> Signed<Deposit> {
        let claim = Self::claim(prekey.period, key);
        // the custodian's signature was checked when it came
        let prekey = Signed::sign(prekey, GENESIS, self.service.signer());
        Deposit::make(GENESIS, &device(), claim, key, &prekey, &mut self.entropy)
            .expect("a good key")
            .into_signed()
    }

    pub(super) fn hand_in(
        &mut self,
        deposit: &Signed<Deposit>,
    ) -> Result<Signed<DepositReceipt>, Refusal> {
        let facts = self.facts;
        self.service
            .deposit(deposit.clone(), |_| Ok(facts), &mut self.entropy)
    }

    pub(super) fn deposit(&mut self, period: Period) -> Result<PeriodKey, Refusal> {
        let deposit = self.make_deposit(period, &KEY);
        self.hand_in(&deposit)?;
        Ok(KEY)
    }

    pub(super) fn release(&mut self) -> Result<Vec<u8>, Refusal> {
        let facts = self.allowed.clone();
        self.service
            .release(REQUEST, |_| Ok(Some(facts)), &mut self.entropy)
    }

    pub(super) fn erase(&mut self, order: Order) -> Result<(), VaultError> {
        self.service
            .erase(&[order], Height::new(20), &mut self.entropy)
    }

    pub(super) fn open(&self, release: &[u8]) -> Result<Vec<OpenedKey>, ReleaseError> {
        self.open_as(release, REQUEST)
    }

    pub(super) fn open_as(
        &self,
        release: &[u8],
        request: TxId,
    ) -> Result<Vec<OpenedKey>, ReleaseError> {
        let release: Signed<Release> = codec::decode(release, RELEASE_MAX).expect("canonical");
        let expected = Expected {
            genesis: GENESIS,
            request,
            asked: self.allowed.asked,
            custodian: CUSTODIAN,
            custody_key: self.service.public_key(),
        };
        release.open(&expected, &requester(), |_| vec![device().public()])
    }

    /// Everything that who has the disk, and the key of the store besides, can read: the files as they are, and decrypted.
    pub(super) fn everything_on_disk(&self) -> Vec<Vec<u8>> {
        let kept = self.service.kept();
        let mut all = Vec::new();
        for name in kept.vault.files.names().expect("listed") {
            all.push(std::fs::read(self.folder.path().join(&name)).expect("read"));
            if let Ok(Some(plain)) = kept.vault.read_raw(&name) {
                all.push(plain.to_vec());
            }
        }
        all
    }
}
